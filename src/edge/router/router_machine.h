/* router_machine.h: the machine's side of its VPCs: uplinks, the table that leads public
 * addresses, services and the outside, and the machine's own interface in a VPC.
 *
 * An uplink is a veth: "gu", eight digits of the run, a number here; "uplink" in the VPC. All
 * uplinks share the machine's address, pool base + 1; the VPC's end has base + number.
 * Numbers are files <dir>/uplink-<number> with the VPC's id in it.
 *
 * Owns: these files, veths, routes to them, the table "ip gantry_edge_<run>", rules with our
 * comment in others' FORWARD chains. Acts on the network namespace of the calling thread.
 * Threads: one. Fails: E_FULL no number is free; E_DENIED, E_IO, E_EXEC. */
#pragma once

#include <stdint.h>

#include "net_rules.h"
#include "router.h"

#define UPLINK_FIRST 10 /* below: the machine's, the resolver's, room */
#define UPLINK_END   255

struct router_machine {
    const char *dir;        /* of the place; the configuration's */
    struct net_names names; /* .bridge is "gu…*": what net_forward_allow() lets through */
    char uplinks[11], own[11]; /* first parts of interfaces' names */
    uint32_t base, own_table;
    int pool_len;
    uint32_t gateway_be, server_be, dns_be;
    uint16_t service_port, server_port;
    char *vpcs[UPLINK_END]; /* who has which number */
};
int router_machine_init(const struct router_config *config, struct router_machine *ret,
                        struct error *err);
void router_machine_fini(struct router_machine *m);
/* What others on the machine may have undone; cheap enough for once a minute. */
int router_machine_mend(struct router_machine *m, struct error *err);
int router_machine_load(struct router_machine *m, struct error *err);

struct router_uplink {
    int number;
    char name[16];
    uint32_t own_be; /* the VPC's end */
    uint8_t mac[6], machine_mac[6];
};
/* Which one it has or gets. */
int router_uplink_number(struct router_machine *m, const char *vpc_id,
                         struct router_uplink *ret, struct error *err);
/* Between here and the VPC's namespace (which is there); again: mends. */
int router_uplink_make(struct router_machine *m, const char *vpc_id,
                       const struct router_uplink *u, struct error *err);
int router_uplink_gone(struct router_machine *m, const char *vpc_id, struct error *err);
/* These public addresses, and no others, lead to the uplink. Sorted here. */
int router_uplink_publics(struct router_machine *m, const struct router_uplink *u,
                          uint32_t *addresses_be, size_t count, struct error *err);

/* The machine's own interface: with routes for the VPC's ranges but those that the machine
 * has other routes for. */
int router_machine_wire(struct router_machine *m, const struct vpc_interface *i,
                        const struct gantry_edge_vpc *vpc, struct error *err);
/* All that are not in `ids` (NULL-ended). */
int router_machine_unwire_others(struct router_machine *m, const char *const *ids,
                                 struct error *err);

int router_machine_purge(struct router_machine *m, struct error *err);
