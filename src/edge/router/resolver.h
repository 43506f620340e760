/* resolver.h: names of VPCs and load balancers, answered by dnsmasq and written into a block
 * of the machine's hosts file, so that they resolve here too.
 *
 * dnsmasq listens at one address, which lies on an interface of the resolver's own. It knows
 * the names that it is told, makes private names of addresses (ip-10-0-0-5.ec2.internal), and
 * asks the machine's own name servers for all else. It goes on when this process ends; the
 * next resolver adopts it, or replaces it when its settings changed. One that dies is started
 * again.
 *
 * In the hosts file only the lines between the two marks of this run are ours (hosts_file.h).
 *
 * Owns: <dir>, the dnsmasq process, the interface, that block. Threads: one caller, for whom
 * nothing blocks for long; a thread of its own that looks after dnsmasq.
 * Fails: resolver_new(); later it logs and retries. */
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
/* The owner's name has these addresses (IPv4) from now on; none: it is gone. */
void resolver_name(struct resolver *r, const char *owner, const char *name,
                   const char *const *addresses, size_t count);
/* Names ip-A-B-C-D.<domain> of private addresses are answered from now on. */
void resolver_domain(struct resolver *r, const char *domain);
/* Between the two: everything; names that were not said are gone. */
void resolver_begin(struct resolver *r);
void resolver_settled(struct resolver *r);
/* Stops the thread; dnsmasq goes on. */
void resolver_free(struct resolver *r);
/* Takes our block out of the hosts file. */
int resolver_unname(const struct resolver_config *config, struct error *err);
int resolver_purge(const struct resolver_config *config, struct error *err);
