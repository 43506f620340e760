#include "router_vpc.h"

#include <stdlib.h>

#include "log.h"

static int interface_order(const struct router_interface *a,
                           const struct router_interface *b)
{
    return strcmp(a->id, b->id);
}
TREE_GENERATE(router_interface_tree, router_interface, by_id, interface_order)

/* --- life --- */

struct router_vpc *router_vpc_new(const char *id)
{
    struct router_vpc *v = xcalloc(1, sizeof(*v));
    v->id = xstrdup(id);
    RB_INIT(&v->interfaces);
    list_init(&v->dirty);
    router_classes_init(&v->classes);
    v->unknown = true;
    return v;
}

void router_vpc_forget(struct router_vpc *v, struct router_interface *i)
{
    RB_REMOVE(router_interface_tree, &v->interfaces, i);
    list_remove(&i->dirty);
    router_class_give(&v->classes, i->class);
    router_elements_free(&i->applied);
    arena_free(&i->arena);
    free(i->id);
    free(i);
}

void router_vpc_free(struct router_vpc *v)
{
    struct router_interface *i, *next;
    RB_FOREACH_SAFE (i, router_interface_tree, &v->interfaces, next)
        router_vpc_forget(v, i);
    router_classes_free(&v->classes);
    router_elements_free(&v->applied);
    arena_free(&v->arena);
    free(v->id);
    free(v);
}

/* --- what is said --- */

void router_vpc_say(struct router_vpc *v, const struct gantry_edge_vpc *said)
{
    struct arena old = v->arena;
    struct error bad = ERROR_INIT;
    v->seen = true;
    v->gone = false;
    v->changed = true;
    v->machine = true; /* its routes follow the VPC's ranges */
    v->publics = true; /* NAT gateways' */
    v->arena = (struct arena)ARENA_INIT;
    v->said = wire_copy(&v->arena, &gantry_edge_vpc_shape, said);
    arena_free(&old);
    router_classes_groups(&v->classes, &v->said->security_groups, &bad);
    if (bad.code)
        log_line(LOG_ERROR, "a security group makes no sense and lets nothing pass",
                 "vpc", v->id, "error", bad.text, NULL);
}

struct router_interface *router_vpc_find(struct router_vpc *v, const char *id)
{
    struct router_interface probe = {.id = (char *)(uintptr_t)id};
    return RB_FIND(router_interface_tree, &v->interfaces, &probe);
}

struct router_interface *router_vpc_first(struct router_vpc *v)
{
    return RB_MIN(router_interface_tree, &v->interfaces);
}

struct router_interface *router_vpc_next(struct router_interface *i)
{
    return RB_NEXT(router_interface_tree, , i);
}

static void look_at(struct router_vpc *v, struct router_interface *i)
{
    list_remove(&i->dirty);
    list_append(&v->dirty, &i->dirty);
}

void router_vpc_say_interface(struct router_vpc *v,
                              const struct gantry_edge_interface *said)
{
    struct router_interface *i = router_vpc_find(v, said->network_interface_id);
    if (!i) {
        i = xcalloc(1, sizeof(*i));
        i->id = xstrdup(said->network_interface_id);
        list_init(&i->dirty);
        RB_INSERT(router_interface_tree, &v->interfaces, i);
    }
    i->seen = true;
    bool same =
        i->said && !i->gone && wire_equal(&gantry_edge_interface_shape, i->said, said);
    i->gone = false;
    if (same)
        return;
    v->publics |= (i->said && i->said->public_ip) || said->public_ip;
    v->machine |= said->use == GANTRY_EDGE_INTERFACE_USE_MACHINE ||
                  (i->said && i->said->use == GANTRY_EDGE_INTERFACE_USE_MACHINE);
    arena_free(&i->arena);
    i->said = wire_copy(&i->arena, &gantry_edge_interface_shape, said);
    look_at(v, i);
}

static void drop(struct router_vpc *v, struct router_interface *i)
{
    i->gone = true;
    v->publics |= i->said->public_ip != NULL;
    v->machine |= i->said->use == GANTRY_EDGE_INTERFACE_USE_MACHINE;
    look_at(v, i);
}

void router_vpc_drop_interface(struct router_vpc *v, const char *id)
{
    struct router_interface *i = router_vpc_find(v, id);
    if (i)
        drop(v, i);
}

void router_vpc_unsee(struct router_vpc *v)
{
    struct router_interface *i;
    v->seen = false;
    RB_FOREACH (i, router_interface_tree, &v->interfaces)
        i->seen = false;
}

void router_vpc_drop_unseen(struct router_vpc *v)
{
    struct router_interface *i;
    RB_FOREACH (i, router_interface_tree, &v->interfaces)
        if (!i->seen)
            drop(v, i);
}

bool router_vpc_due(const struct router_vpc *v)
{
    return v->said && (v->changed || v->unknown || v->publics || v->machine ||
                       v->late_ends || !list_empty(&v->dirty));
}
