/* router.h: VPCs as network namespaces with routes, NAT and security groups (vpc.h tells the
 * shape). Wires the interfaces whose far end is the edge's own business: MACHINE (this
 * namespace). Those of tasks are wired by agents, those of balancers and instances by
 * balancers.h and instances.h, all through vpc_attach().
 *
 * Level-triggered: between router_begin() and router_settled() comes everything that should
 * be, and what was not named is removed; afterwards come changes. Nothing blocks: work is
 * queued to the router's own thread, which puts what came together into one transaction.
 *
 * Owns: <dir>/<vpc id>, the VPCs' tables and uplinks, the machine's NAT table.
 * Threads: one caller; a thread of its own. Fails: router_new(); later it logs and retries. */
#pragma once

#include "error.h"
#include "gantry_api.h"
#include "vpc.h"

struct router;

struct router_config {
    struct vpc_place place;
    const char *run;         /* id of this run, as in net.h */
    const char *public_pool; /* "198.18.16.0/20": see edge.h */
    const char *server_url;  /* what SERVICE_ADDRESS leads to */
    const char
        *dns_address; /* what asks for names in a VPC (base + 2, 169.254.169.253) is
                                led to this address and port 53 on the machine */
};

/* From every interface, whatever its route table and groups: the API server, at the port
 * that it has on the machine. */
#define SERVICE_ADDRESS "169.254.169.250"

int router_new(const struct router_config *config, struct router **ret,
               struct error *err);
void router_begin(struct router *r);
void router_vpc(struct router *r, const struct gantry_edge_vpc *vpc);
void router_vpc_gone(struct router *r, const char *vpc_id);
void router_interface(struct router *r, const struct gantry_edge_interface *i);
void router_interface_gone(struct router *r, const char *vpc_id,
                           const char *interface_id);
void router_settled(struct router *r);
/* Returns when all that was asked before is in force (for tests and an orderly start). */
int router_sync(struct router *r, int timeout_ms, struct error *err);
/* Stops the thread; everything stays in force. */
void router_free(struct router *r);
/* Removes everything of this run, also without router_new(). */
int router_purge(const struct router_config *config, struct error *err);
