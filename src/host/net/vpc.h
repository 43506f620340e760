/* vpc.h: a VPC on this machine, as far as whoever wires an interface has to know it.
 *
 * A VPC is one network namespace that routes (DESIGN: routed, not bridged), pinned at
 * <dir>/<vpc id>, so address ranges of different VPCs may overlap. Each interface is a veth
 * pair: in the VPC's namespace stays "e" + the first 14 hex digits of its id, with
 * 169.254.1.1/32 and VPC_ROUTER_MAC, a /32 route and a permanent neighbour entry to the
 * interface; the other end has the interface's MAC and address as a /32, and reaches all
 * else by 169.254.1.1 (again a permanent neighbour). So no ARP is ever believed.
 *
 * The edge makes the namespace and owns every rule in it (src/edge): which interface may say
 * which address, security groups, NAT. Until it has put an interface's rules in force, no
 * packet of it passes: wait with vpc_interface_ready(). Who owns the far end (an agent for
 * its tasks, the edge for balancers, instances and the machine itself) wires it here.
 *
 * Owns: the veth pairs. Threads: any; blocks for a millisecond or so. Every call may be
 * repeated. Fails: E_NOTFOUND the VPC is not on this machine (yet), E_DENIED, E_IO. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "net.h"
#include "str.h"

#define VPC_GATEWAY "169.254.1.1"
extern const uint8_t VPC_ROUTER_MAC[6];

struct vpc_place {
    const char *dir; /* <run_dir>/vpc of the edge's run; below a shared mount */
};

struct vpc_interface {
    const char *vpc_id, *interface_id; /* "vpc-…", "eni-…" */
    uint8_t mac[6];                    /* of the far end */
    uint32_t address_be;
};

/* Appends <dir>/<vpc id>. */
void vpc_netns_path(const struct vpc_place *p, const char *vpc_id, struct str *ret);
/* "e0123456789abcd" of "eni-0123456789abcdef0". */
void vpc_host_interface_name(const char *interface_id, char ret[16]);

enum vpc_routes {
    VPC_DEFAULT_ROUTE, /* all else goes through the VPC */
    VPC_OWN_ROUTES,    /* only `cidrs`: the machine's own interface */
};
struct vpc_wiring {
    struct vpc_interface interface;
    const char *netns_path; /* of the far end; NULL: the caller's namespace */
    const char *name;       /* of the far end there, "eth0" */
    enum vpc_routes routes;
    const char *const *cidrs; /* of VPC_OWN_ROUTES: "172.31.0.0/16"; NULL-ended */
};
int vpc_attach(const struct vpc_place *p, const struct vpc_wiring *w, struct error *err);
/* Its VPC, or it, is gone already: success. */
int vpc_detach(const struct vpc_place *p, const char *vpc_id, const char *interface_id,
               struct error *err);

/* The table in each VPC's namespace, and its set of who may say what: interface's name there,
 * MAC and address. What is in it has its security groups in force too. */
#define VPC_TABLE       "gantry"
#define VPC_SOURCES_SET "sources"
struct nft_element;
void vpc_source_key(const struct vpc_interface *i, struct nft_element *ret);

/* Waits until the edge's rules for the interface are in force; E_TIMEOUT after timeout_ms. */
int vpc_interface_ready(const struct vpc_place *p, const struct vpc_interface *i,
                        int timeout_ms, struct error *err);

/* As the far end sees it. */
int vpc_interface_stats(const struct vpc_place *p, const char *vpc_id,
                        const char *interface_id, struct net_stats *ret,
                        struct error *err);
