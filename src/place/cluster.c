/* Instances and zones of a cluster: what place.h promises on the index. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "index.h"
#include "str.h"

/* ---- zones ---- */

static struct zone *zone_need(struct place_cluster *c, const char *name)
{
    struct zone *z;
    HASH_FIND_STR(c->zones_by_name, name, z);
    if (z)
        return z;
    uint32_t index = 0;
    while (index < c->zone_count && c->zones[index])
        index++;
    if (index == c->zone_count) {
        c->zones = xrealloc(c->zones, ++c->zone_count * sizeof(*c->zones));
        c->scratch_zones =
            xrealloc(c->scratch_zones, c->zone_count * sizeof(*c->scratch_zones));
    }
    z = xcalloc(1, sizeof(*z));
    z->name = xstrdup(name);
    z->index = index;
    c->zones[index] = z;
    HASH_ADD_KEYPTR(hh, c->zones_by_name, z->name, strlen(z->name), z);
    return z;
}

static void zone_free(struct place_cluster *c, struct zone *z)
{
    HASH_DEL(c->zones_by_name, z);
    c->zones[z->index] = NULL;
    fit_tree_free(&z->tree);
    free(z->slots);
    free(z->name);
    free(z);
}

static void zone_add(struct zone *z, struct place_instance *i)
{
    if (z->n == z->cap) {
        z->cap = z->cap ? z->cap * 2 : 8;
        z->slots = xrealloc(z->slots, z->cap * sizeof(struct place_instance *));
    }
    i->zone = z;
    i->slot = z->n;
    z->slots[z->n++] = i;
    fit_tree_resize(&z->tree, z->n);
}

static void zone_remove(struct place_cluster *c, struct place_instance *i)
{
    struct zone *z = i->zone;
    struct place_instance *last = z->slots[z->n - 1];
    z->slots[i->slot] = last;
    last->slot = i->slot;
    instance_refit(last);
    fit_tree_resize(&z->tree, --z->n);
    if (z->n == 0)
        zone_free(c, z);
}

/* ---- instances ---- */

static int32_t clamp(int64_t v)
{
    return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

void instance_refit(struct place_instance *i)
{
    struct fit_key key = {-1, -1};
    if (i->usable)
        key = (struct fit_key){clamp(i->total.cpu - i->used.cpu),
                               clamp(i->total.memory_mib - i->used.memory_mib)};
    fit_tree_set(&i->zone->tree, i->slot, key);
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
    struct place_instance *i = xcalloc(1, sizeof(*i));
    i->id = xstrdup(id);
    i->serial =
        c->free_serial_count ? c->free_serials[--c->free_serial_count] : c->next_serial++;
    list_init(&i->members);
    HASH_ADD_KEYPTR(hh, c->instances, i->id, strlen(i->id), i);
    c->instance_count++;
    return i;
}

/* Moves to another zone with all its members: leave, come back with the same counts. */
static void instance_move(struct place_cluster *c, struct place_instance *i,
                          struct zone *to)
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
    zone_remove(c, i);
    zone_add(to, i);
    groups_join(c, i);
    for (size_t k = 0; k < n; k++) {
        group_add_task(c, names[k], i);
        free(names[k]);
    }
    free(names);
}

struct place_instance *place_instance_put(struct place_cluster *c,
                                          const struct place_instance_info *info)
{
    struct place_instance *i = place_instance_find(c, info->id);
    bool is_new = !i;
    if (is_new)
        i = instance_new(c, info->id);
    copy_info(i, info);
    const char *name = place_instance_attribute(i, PLACE_ZONE_ATTRIBUTE);
    struct zone *z = zone_need(c, name ? name : "");
    if (is_new) {
        zone_add(z, i);
        groups_join(c, i);
    } else if (z != i->zone) {
        instance_move(c, i, z);
    }
    instance_refit(i);
    groups_reopen(i);
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
    zone_remove(c, i);
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

const char *place_instance_attribute(const struct place_instance *i, const char *name)
{
    struct place_attribute key = {.name = name};
    const struct place_attribute *found =
        i->info.attribute_count ? bsearch(&key, i->info.attributes,
                                          i->info.attribute_count, sizeof(key), by_name)
                                : NULL;
    if (!found)
        return NULL;
    return found->value ? found->value : "";
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
    free(c->zones);
    free(c->scratch_zones);
    free(c->scratch);
    free(c->free_serials);
    free(c);
}
