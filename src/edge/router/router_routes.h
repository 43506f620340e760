/* router_routes.h: a VPC's route tables as the kernel's: a table a subnet, chosen by the
 * sender's address. The main table comes first, with a /32 for each interface and nothing
 * for the rest of the VPC's ranges: traffic within the VPC is always local.
 *
 * Owns: tables and rules of the VPC's namespace. Threads: one. Fails: E_INVALID a range. */
#pragma once

#include "gantry_api.h"
#include "link_route.h"

struct router_hops {
    uint32_t
        gateway_be; /* the internet; NAT gateways have addresses that stand for them */
    int uplink;     /* its index */
    /* The index of an interface's near end, and its address; 0: not there. */
    int (*interface)(void *ctx, const char *interface_id, uint32_t *ret_address_be);
    void *ctx;
};

struct router_routes {
    struct link_route *routes;
    struct link_rule *rules;
    size_t route_count, rule_count, route_cap, rule_cap;
};
void router_routes_free(struct router_routes *r);
/* Pure. */
int router_routes_wanted(const struct gantry_edge_vpc *v, const struct router_hops *hops,
                         struct router_routes *ret, struct error *err);
/* Makes what is there `wanted`; nothing is missing in between. */
int router_routes_apply(struct link_socket *s, const struct router_routes *wanted,
                        struct error *err);
uint32_t router_subnet_table(const struct gantry_edge_vpc *v, const char *subnet_id);
