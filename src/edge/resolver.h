/* resolver.h: names of VPCs and load balancers, answered by dnsmasq (a process of the edge)
 * and written into a block of the machine's hosts file, so that they resolve here too.
 *
 * Owns: <dir>, the dnsmasq process, the lines between its two marks in hosts_path.
 * Threads: one caller; nothing blocks for long. Fails: as noted. */
#pragma once

#include "error.h"
#include "gantry_api.h"

struct resolver;

struct resolver_config {
    const char *dir; /* <run_dir>/names */
    const char *run;
    const char *address;    /* where it listens, UDP and TCP port 53 */
    const char *hosts_path; /* "/etc/hosts"; NULL: none */
    const char *dnsmasq;    /* NULL: "dnsmasq" in PATH */
};

int resolver_new(const struct resolver_config *config, struct resolver **ret,
                 struct error *err);
/* The name has these addresses (IPv4) from now on; none: it is gone. */
void resolver_name(struct resolver *r, const char *name, const char *const *addresses,
                   size_t count);
/* Between the two: everything; names that were not said are gone. */
void resolver_begin(struct resolver *r);
void resolver_settled(struct resolver *r);
void resolver_free(struct resolver *r);
int resolver_purge(const struct resolver_config *config, struct error *err);
