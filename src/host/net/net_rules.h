/* net_rules.h: the part of a run's network that is rules: nftables table, sysctls, the way
 * past somebody else's FORWARD policy. Inside of net.c only.
 * Threads: any, under the caller's lock. Fails: as nft.h; E_DENIED a sysctl. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "net.h"

struct net_names {
    char run[48];
    char table[64];  /* "gantry_<run>" */
    char bridge[16]; /* "gt" and eight digits made from the run */
};

#define NET_PORT_MAP "host_ports"
/* 169.254.170.2:80 → the agent's own address: from behind the bridge, from here; and
 * 169.254.170.2:4566 → the server's, from behind the bridge. */
#define NET_LOCAL_MAP      "local_http"
#define NET_LOCAL_HERE_MAP "local_http_here"

int net_names_init(const char *run, struct net_names *ret, struct error *err);
/* Loads the fixed rules in one transaction, replacing an older table. */
int net_rules_load(const struct net_names *n, const char *subnet, const char *gateway,
                   struct error *err);
/* Accepts our bridge in every forward chain of others whose policy is drop; repeated, it
 * adds nothing. (A drop in another base chain can't be undone by an accept of ours.) */
int net_forward_allow(const struct net_names *n, struct error *err);
int net_forward_forget(const struct net_names *n, struct error *err);

int sysctl_read(const char *name, char *ret, size_t size, struct error *err);
int sysctl_write(const char *name, const char *value, struct error *err);
