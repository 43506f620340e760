/* The instances of a cluster: what place.h promises on the index. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "index.h"
#include "pack.h"
#include "str.h"

/* ---- instances ---- */

static int32_t clamp(int64_t v)
{
    return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

void instance_refit(struct place_instance *i)
{
    struct fit_key key = {-1, -1};
    i->free_cpu = i->total.cpu - i->used.cpu;
    i->free_memory = i->total.memory_mib - i->used.memory_mib;
    if (i->usable)
        key = (struct fit_key){clamp(i->free_cpu), clamp(i->free_memory)};
    fit_tree_set(&i->cell->tree, i->slot, key);
    if (i->cell->pack)
        pack_put(i);
}

static char *put_text(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t n = strlen(text) + 1;
    char *copy = memcpy(*at, text, n);
    *at += n;
    return copy;
}

static int by_name(const void *a, const void *b)
{
    const struct place_attribute *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* One block: the attributes, sorted, then the texts. */
static void copy_info(struct place_instance *i, const struct place_instance_info *info)
{
    size_t count = info->attribute_count;
    size_t size = count * sizeof(struct place_attribute) +
                  text_size(info->agent_version) + text_size(info->ec2_instance_id) +
                  text_size(info->pool);
    for (size_t a = 0; a < count; a++)
        size +=
            text_size(info->attributes[a].name) + text_size(info->attributes[a].value);
    char *block = xmalloc(size), *at = block + count * sizeof(struct place_attribute);
    struct place_attribute *attributes = (struct place_attribute *)(void *)block;
    for (size_t a = 0; a < count; a++) {
        attributes[a].name = put_text(&at, info->attributes[a].name);
        attributes[a].value = put_text(&at, info->attributes[a].value);
    }
    if (count)
        qsort(attributes, count, sizeof(*attributes), by_name);
    struct place_instance_info copy = *info;
    copy.id = i->id;
    copy.attributes = attributes;
    copy.agent_version = put_text(&at, info->agent_version);
    copy.ec2_instance_id = put_text(&at, info->ec2_instance_id);
    copy.pool = put_text(&at, info->pool);
    copy.total = (struct place_resources){0};
    char *old = i->strings; /* freed last: the caller may hand us our own texts back */
    i->info = copy;
    i->strings = block;
    struct place_resources total = {0};
    place_resources_take(&total, &info->total);
    place_resources_free(&i->total);
    i->total = total;
    i->usable = info->active && info->agent_connected;
    free(old);
}

static struct place_instance *instance_new(struct place_cluster *c, const char *id)
{
    /* In whole cache lines: a search looks at one line of many instances. */
    size_t size = (sizeof(struct place_instance) + 63) / 64 * 64;
    struct place_instance *i = aligned_alloc(64, size);
    if (!i)
        abort(); /* as all of memory's exhaustion */
    memset(i, 0, size);
    i->id = xstrdup(id);
    i->serial =
        c->free_serial_count ? c->free_serials[--c->free_serial_count] : c->next_serial++;
    list_init(&i->members);
    HASH_ADD_KEYPTR(hh, c->instances, i->id, strlen(i->id), i);
    c->instance_count++;
    return i;
}

/* Moves to another cell with all its members: leave, come back with the same counts. */
static void instance_move(struct place_cluster *c, struct place_instance *i,
                          struct cell *to)
{
    size_t n = 0, cap = 0;
    char **names = NULL;
    list_for_each (it, &i->members) {
        struct member *m = list_entry(it, struct member, by_instance);
        for (uint32_t k = 0; k < m->count; k++) {
            if (n == cap) {
                cap = cap ? cap * 2 : 16;
                names = xrealloc(names, cap * sizeof(char *));
            }
            names[n++] = xstrdup(m->group->name);
        }
    }
    groups_leave(c, i);
    cell_remove(c, i);
    cell_add(to, i);
    groups_join(c, i);
    for (size_t k = 0; k < n; k++) {
        group_add_task(c, names[k], i);
        free(names[k]);
    }
    free(names);
}

/* Attributes with too many values leave the cells, and every instance finds its new one. */
static void share_less(struct place_cluster *c)
{
    const char *name;
    while ((name = cells_too_many(c))) {
        attribute_unshare(c, name);
        for (struct place_instance *i = c->instances; i; i = i->hh.next) {
            struct cell *to = cell_for(c, i);
            if (to != i->cell)
                instance_move(c, i, to);
            instance_refit(i);
        }
    }
}

struct place_instance *place_instance_put(struct place_cluster *c,
                                          const struct place_instance_info *info)
{
    struct place_instance *i = place_instance_find(c, info->id);
    bool is_new = !i;
    if (is_new)
        i = instance_new(c, info->id);
    copy_info(i, info);
    struct cell *cell = cell_for(c, i);
    if (is_new) {
        cell_add(cell, i);
        groups_join(c, i);
    } else if (cell != i->cell) {
        instance_move(c, i, cell);
    }
    instance_refit(i);
    groups_reopen(i);
    share_less(c);
    return i;
}

struct place_instance *place_instance_find(struct place_cluster *c, const char *id)
{
    struct place_instance *i = NULL;
    HASH_FIND_STR(c->instances, id, i);
    return i;
}

static void instance_free(struct place_instance *i)
{
    place_resources_free(&i->total);
    place_resources_free(&i->used);
    free(i->strings);
    free(i->id);
    free(i);
}

void place_instance_remove(struct place_cluster *c, struct place_instance *i)
{
    groups_leave(c, i);
    cell_remove(c, i);
    HASH_DEL(c->instances, i);
    c->instance_count--;
    if (c->free_serial_count == c->free_serial_cap) {
        c->free_serial_cap = c->free_serial_cap ? c->free_serial_cap * 2 : 16;
        c->free_serials =
            xrealloc(c->free_serials, c->free_serial_cap * sizeof(uint32_t));
    }
    c->free_serials[c->free_serial_count++] = i->serial;
    instance_free(i);
}

/* ---- questions ---- */

const char *place_instance_id(const struct place_instance *i)
{
    return i->id;
}

void *place_instance_owner(const struct place_instance *i)
{
    return i->info.owner;
}

const struct place_resources *place_instance_total(const struct place_instance *i)
{
    return &i->total;
}

const struct place_resources *place_instance_used(const struct place_instance *i)
{
    return &i->used;
}

uint32_t place_instance_tasks(const struct place_instance *i)
{
    return i->tasks;
}

const char *attribute_value(const struct place_attribute *v, size_t n, const char *name)
{
    struct place_attribute key = {.name = name};
    const struct place_attribute *found =
        n ? bsearch(&key, v, n, sizeof(key), by_name) : NULL;
    if (!found)
        return NULL;
    return found->value ? found->value : "";
}

const char *place_instance_attribute(const struct place_instance *i, const char *name)
{
    return attribute_value(i->info.attributes, i->info.attribute_count, name);
}

static const char *subject_attribute(const void *ctx, const char *name)
{
    return place_instance_attribute(ctx, name);
}

static bool subject_any_group(const void *ctx,
                              bool (*visit)(void *arg, const char *group), void *arg)
{
    const struct place_instance *i = ctx;
    list_for_each (it, &i->members) {
        const struct member *m = list_entry(it, struct member, by_instance);
        if (m->count && visit(arg, m->group->name))
            return true;
    }
    return false;
}

void place_instance_subject(const struct place_instance *i, struct query_subject *ret)
{
    *ret = (struct query_subject){
        .attribute = subject_attribute,
        .any_group = subject_any_group,
        .ctx = i,
        .agent_connected = i->info.agent_connected,
        .agent_version = i->info.agent_version,
        .ec2_instance_id = i->info.ec2_instance_id,
        .registered_at_ms = i->info.registered_at_ms,
        .running_tasks = i->tasks,
    };
}

uint32_t place_group_on(struct place_cluster *c, const struct place_instance *i,
                        const char *group)
{
    return group_count_on(group_find(c, group), i);
}

uint32_t place_group_size(struct place_cluster *c, const char *group)
{
    const struct group *g = group_find(c, group);
    return g ? g->tasks : 0;
}

/* ---- the whole ---- */

struct place_cluster *place_cluster_new(void)
{
    struct place_cluster *c = xcalloc(1, sizeof(*c));
    list_init(&c->whole_groups);
    return c;
}

size_t place_cluster_size(const struct place_cluster *c)
{
    return c->instance_count;
}

void place_cluster_free(struct place_cluster *c)
{
    if (!c)
        return;
    while (c->groups)
        group_free(c, c->groups);
    while (c->instances)
        place_instance_remove(c, c->instances);
    while (c->free_members) {
        struct member *m = c->free_members;
        c->free_members = (struct member *)(void *)m->by_instance.next;
        free(m);
    }
    cells_free(c);
    free(c->scratch);
    free(c->scratch_ties);
    free(c->free_serials);
    free(c);
}
