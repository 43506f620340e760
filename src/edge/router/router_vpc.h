/* router_vpc.h: one VPC on this machine: what the server said of it and its interfaces, and
 * what of that is in force. router.c feeds it and asks it to apply.
 *
 * What is in force is remembered element by element, so that a change of one interface costs
 * the same in a VPC of ten thousand. When that knowledge is missing (the edge has just
 * begun, something failed), the kernel is read once and the difference made.
 *
 * Owns: copies of what was said; in the kernel <dir>/<vpc id>, the uplink and the machine's
 * interface by router_machine.h. Threads: the router's. Fails: as nft.h and link.h; then
 * nothing is lost, and applying again mends. */
#pragma once

#include <stdbool.h>

#include "arena.h"
#include "gantry_api.h"
#include "list.h"
#include "router_classes.h"
#include "router_machine.h"
#include "router_rules.h"
#include "tree.h"

struct router_vpc;
struct router_interface {
    RB_ENTRY(router_interface) by_id;
    struct list dirty; /* in the VPC's list while it is to be looked at */
    char *id;
    struct arena arena;
    struct gantry_edge_interface *said;
    struct router_elements applied;
    struct router_class *class;
    bool seen, gone;
};
RB_HEAD(router_interface_tree, router_interface);

struct router_vpc {
    RB_ENTRY(router_vpc) by_id;
    char *id;
    struct arena arena;
    struct gantry_edge_vpc *said; /* NULL: an interface came first */
    struct router_interface_tree interfaces;
    struct list dirty;
    struct router_classes classes;
    struct router_elements applied;
    struct router_uplink uplink;
    bool seen, gone, made;
    bool changed;   /* `said` is not in force */
    bool unknown;   /* what is in force has to be read */
    bool publics;   /* public addresses may have changed */
    bool machine;   /* the machine's own interface may have */
    bool late_ends; /* something waits for a veth that its owner has yet to make */
    bool has_machine;
};

struct router_vpc *router_vpc_new(const char *id);
void router_vpc_free(struct router_vpc *v);
void router_vpc_say(struct router_vpc *v, const struct gantry_edge_vpc *said);
void router_vpc_say_interface(struct router_vpc *v,
                              const struct gantry_edge_interface *said);
void router_vpc_drop_interface(struct router_vpc *v, const char *id);
struct router_interface *router_vpc_find(struct router_vpc *v, const char *id);
struct router_interface *router_vpc_first(struct router_vpc *v);
struct router_interface *router_vpc_next(struct router_interface *i);
#define EACH_INTERFACE(i, v)                                                             \
    for ((i) = router_vpc_first(v); (i); (i) = router_vpc_next(i))
void router_vpc_forget(struct router_vpc *v, struct router_interface *i);
bool router_vpc_due(const struct router_vpc *v);
/* Interfaces whose message did not come since router_vpc_unsee() are gone. */
void router_vpc_unsee(struct router_vpc *v);
void router_vpc_drop_unseen(struct router_vpc *v);

int router_vpc_apply(struct router_vpc *v, struct router_machine *m, struct error *err);
/* Namespace, uplink and all. */
int router_vpc_remove(struct router_machine *m, const char *vpc_id, struct error *err);
