#include "router_classes.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena.h"

#define UNUSED_MAX 64 /* kept: a service's next task has the same groups as its last */

static int group_order(const struct router_group *a, const struct router_group *b)
{
    return strcmp(a->id, b->id);
}
TREE_GENERATE(router_group_tree, router_group, by_id, group_order)

static int class_order(const struct router_class *a, const struct router_class *b)
{
    return a->number < b->number ? -1 : a->number > b->number;
}
TREE_GENERATE(router_class_tree, router_class, by_number, class_order)

void router_classes_init(struct router_classes *c)
{
    *c = (struct router_classes){0};
    RB_INIT(&c->groups);
    RB_INIT(&c->classes);
}

static void free_group(struct router_classes *c, struct router_group *g)
{
    RB_REMOVE(router_group_tree, &c->groups, g);
    free(g->id);
    free(g->text);
    free(g);
}

static void free_class(struct router_classes *c, struct router_class *k)
{
    RB_REMOVE(router_class_tree, &c->classes, k);
    for (size_t i = 0; i < k->count; i++)
        free(k->groups[i]);
    free(k);
}

void router_classes_free(struct router_classes *c)
{
    struct router_group *g, *g_next;
    struct router_class *k, *k_next;
    RB_FOREACH_SAFE (g, router_group_tree, &c->groups, g_next)
        free_group(c, g);
    RB_FOREACH_SAFE (k, router_class_tree, &c->classes, k_next)
        free_class(c, k);
}

/* --- groups --- */

static struct router_group *find_group(struct router_classes *c, const char *id)
{
    struct router_group probe = {.id = (char *)(uintptr_t)id};
    return id ? RB_FIND(router_group_tree, &c->groups, &probe) : NULL;
}

static struct router_group *group(struct router_classes *c, const char *id)
{
    struct router_group *g = find_group(c, id);
    if (g)
        return g;
    g = xcalloc(1, sizeof(*g));
    g->id = xstrdup(id);
    RB_INSERT(router_group_tree, &c->groups, g);
    return g;
}

static void set_text(struct router_group *g, struct str *t)
{
    if (streq(g->text, t->data))
        return;
    free(g->text);
    g->text = str_take(t);
    g->stale = true;
}

static void empty(struct router_group *g)
{
    AUTO_STR t = STR_INIT;
    router_text_group_empty(&t, g->id);
    set_text(g, &t);
}

static void open_group(struct router_classes *c)
{
    AUTO_STR t = STR_INIT;
    struct router_group *g = group(c, ROUTER_OPEN_GROUP);
    router_text_group_open(&t);
    set_text(g, &t);
    g->wanted = true;
}

void router_classes_groups(struct router_classes *c,
                           const struct gantry_edge_security_group_list *groups,
                           struct error *ret_bad)
{
    struct router_group *g;
    RB_FOREACH (g, router_group_tree, &c->groups)
        g->wanted = false;
    for (size_t i = 0; i < groups->n; i++) {
        AUTO_STR t = STR_INIT;
        const char *id = groups->v[i].group_id;
        if (!id || !router_id_valid(id)) {
            fail(ret_bad, E_INVALID, "'%s' is no group", id ? id : "");
            continue;
        }
        g = group(c, id);
        g->wanted = true;
        if (router_text_group(&t, &groups->v[i], ret_bad) == 0)
            set_text(g, &t);
        else
            empty(g);
    }
    open_group(c);
    RB_FOREACH (g, router_group_tree, &c->groups)
        if (!g->wanted)
            empty(g);
}

/* --- classes --- */

static int text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t sorted(const struct string_list *ids, const char *ret[CLASS_GROUPS])
{
    size_t n = 0, unique = 0;
    for (size_t i = 0; i < ids->n && n < CLASS_GROUPS; i++)
        ret[n++] = ids->v[i];
    if (n)
        qsort(ret, n, sizeof(*ret), text_order);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !streq(ret[i], ret[unique - 1]))
            ret[unique++] = ret[i];
    return unique;
}

static bool same(const struct router_class *k, const char *const *groups, size_t count)
{
    if (k->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!streq(k->groups[i], groups[i]))
            return false;
    return true;
}

static struct router_class *find_class(struct router_classes *c, uint32_t number)
{
    struct router_class probe = {.number = number};
    return RB_FIND(router_class_tree, &c->classes, &probe);
}

static struct router_class *add_class(struct router_classes *c, uint32_t number)
{
    struct router_class *k = xcalloc(1, sizeof(*k));
    k->number = number;
    RB_INSERT(router_class_tree, &c->classes, k);
    c->unused++;
    return k;
}

struct router_class *router_class_take(struct router_classes *c,
                                       const struct string_list *group_ids)
{
    const char *groups[CLASS_GROUPS];
    size_t count = sorted(group_ids, groups);
    uint32_t number = router_class_number(groups, count);
    struct router_class *k;
    /* Two mixtures with one number must not share rules. */
    while ((k = find_class(c, number)) && k->known && !same(k, groups, count))
        number = number == UINT32_MAX ? 1 : number + 1;
    if (!k)
        k = add_class(c, number);
    for (size_t i = 0; i < count && !k->known; i++)
        k->groups[k->count++] = xstrdup(groups[i]);
    k->known = true;
    if (k->users++ == 0)
        c->unused--;
    return k;
}

void router_class_give(struct router_classes *c, struct router_class *k)
{
    if (k && --k->users == 0)
        c->unused++;
}

/* --- text --- */

void router_classes_text(const struct router_classes *c, struct str *t)
{
    struct router_classes *all = (struct router_classes *)(uintptr_t)c;
    struct router_group *g;
    struct router_class *k;
    RB_FOREACH (g, router_group_tree, &all->groups)
        if (g->stale)
            str_add(t, g->text);
    RB_FOREACH (k, router_class_tree, &all->classes)
        if (k->known && !k->loaded)
            router_text_class(t, k->number, (const char *const *)k->groups, k->count);
}

void router_classes_loaded(struct router_classes *c)
{
    struct router_group *g;
    struct router_class *k;
    RB_FOREACH (g, router_group_tree, &c->groups)
        g->stale = false;
    RB_FOREACH (k, router_class_tree, &c->classes)
        k->loaded = k->known;
}

void router_classes_forget(struct router_classes *c)
{
    struct router_group *g;
    struct router_class *k;
    RB_FOREACH (g, router_group_tree, &c->groups)
        g->stale = true;
    RB_FOREACH (k, router_class_tree, &c->classes)
        k->loaded = false;
}

void router_classes_found(struct router_classes *c, const char *chain)
{
    uint32_t number;
    int end = 0;
    size_t n = strlen(chain);
    if (sscanf(chain, "c%8x_in%n", &number, &end) == 1 && end > 0 && (size_t)end == n) {
        if (!find_class(c, number))
            add_class(c, number);
        return;
    }
    char id[ROUTER_ID_MAX + 1];
    if (!str_starts(chain, "sg-") || !str_ends(chain, "_in") || n - 3 >= sizeof(id))
        return;
    snprintf(id, sizeof(id), "%.*s", (int)(n - 3), chain);
    if (router_id_valid(id) && !group(c, id)->text)
        empty(group(c, id));
}

/* --- garbage --- */

static bool class_has(const struct router_class *k, const char *id)
{
    for (size_t i = 0; i < k->count; i++)
        if (streq(k->groups[i], id))
            return true;
    return false;
}

static bool class_is_garbage(const struct router_classes *c, struct router_class *k)
{
    struct router_classes *all = (struct router_classes *)(uintptr_t)c;
    if (k->users)
        return false;
    if (!k->known || c->unused > UNUSED_MAX)
        return true;
    for (size_t i = 0; i < k->count; i++) {
        struct router_group *g = find_group(all, k->groups[i]);
        if (!g || !g->wanted)
            return true;
    }
    return false;
}

static bool group_is_garbage(const struct router_classes *c, const struct router_group *g)
{
    struct router_classes *all = (struct router_classes *)(uintptr_t)c;
    struct router_class *k;
    struct router_group *other;
    char reference[ROUTER_ID_MAX + 8];
    if (g->wanted)
        return false;
    RB_FOREACH (k, router_class_tree, &all->classes)
        if (class_has(k, g->id) && !class_is_garbage(c, k))
            return false;
    snprintf(reference, sizeof(reference), "@m-%s ", g->id);
    RB_FOREACH (other, router_group_tree, &all->groups)
        if (other->text && strstr(other->text, reference))
            return false;
    return true;
}

void router_classes_garbage(const struct router_classes *c, struct str *t)
{
    struct router_classes *all = (struct router_classes *)(uintptr_t)c;
    struct router_group *g;
    struct router_class *k;
    RB_FOREACH (k, router_class_tree, &all->classes)
        if (class_is_garbage(c, k))
            router_text_class_gone(t, k->number);
    RB_FOREACH (g, router_group_tree, &all->groups)
        if (group_is_garbage(c, g))
            router_text_group_gone(t, g->id);
}

void router_classes_swept(struct router_classes *c)
{
    struct router_group *g, *g_next;
    struct router_class *k, *k_next;
    bool many = c->unused > UNUSED_MAX;
    RB_FOREACH_SAFE (g, router_group_tree, &c->groups, g_next)
        if (group_is_garbage(c, g))
            free_group(c, g);
    RB_FOREACH_SAFE (k, router_class_tree, &c->classes, k_next)
        if (k->users == 0 && (many || class_is_garbage(c, k))) {
            free_class(c, k);
            c->unused--;
        }
}
