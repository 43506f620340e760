/* router_classes.h: a VPC's security groups and the mixtures of them that interfaces have
 * (classes), as text that is or is not loaded yet. Pure.
 *
 * Owns: texts. Threads: one. Fails: as router_rules.h. */
#pragma once

#include <stdbool.h>

#include "router_rules.h"
#include "tree.h"

struct router_group {
    RB_ENTRY(router_group) by_id;
    char *id, *text; /* text: what should be in force */
    bool wanted, stale;
};
RB_HEAD(router_group_tree, router_group);

struct router_class {
    RB_ENTRY(router_class) by_number;
    uint32_t number;
    char *groups[CLASS_GROUPS]; /* sorted */
    size_t count, users;
    bool known, loaded;
};
RB_HEAD(router_class_tree, router_class);

struct router_classes {
    struct router_group_tree groups;
    struct router_class_tree classes;
    size_t unused;
};
void router_classes_init(struct router_classes *c);
void router_classes_free(struct router_classes *c);

/* These groups, the open one, and no others. One that makes no sense lets nothing pass;
 * *ret_bad is its name (NULL: none). */
void router_classes_groups(struct router_classes *c,
                           const struct gantry_edge_security_group_list *groups,
                           struct error *ret_bad);
/* A user more. */
struct router_class *router_class_take(struct router_classes *c,
                                       const struct string_list *group_ids);
void router_class_give(struct router_classes *c, struct router_class *class);

/* Appends what has to be loaded; after it was: router_classes_loaded(). */
void router_classes_text(const struct router_classes *c, struct str *t);
void router_classes_loaded(struct router_classes *c);
/* All has to be loaded again. */
void router_classes_forget(struct router_classes *c);
/* A chain that is in the kernel: may be of a group or class that nobody wants. */
void router_classes_found(struct router_classes *c, const char *chain);
/* What nobody needs; once that is loaded: router_classes_swept(). */
void router_classes_garbage(const struct router_classes *c, struct str *t);
void router_classes_swept(struct router_classes *c);
