/* The pipeline, and the choice: from the index where the strategies allow, else by a look
 * at every instance. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "index.h"
#include "str.h"

#define RANDOM_TRIES 16 /* slots that are tried before the tree is walked */

struct choice {
    struct place_cluster *c;
    const struct place_need *need;
    struct group *group; /* NULL: no task of it anywhere */
    const struct place_random *random;
    struct fit_key least;
    bool closable; /* a rejection holds until something changes on the instance */
    bool spread_zones, spread_instances;
};

/* ---- the pipeline for one instance ---- */

static bool has_attributes(const struct place_instance *i, const struct place_need *need)
{
    for (size_t a = 0; a < need->attribute_count; a++) {
        const struct place_attribute *want = &need->attributes[a];
        const char *have = place_instance_attribute(i, want->name);
        if (!have || (want->value && strcmp(have, want->value) != 0))
            return false;
    }
    return true;
}

static bool in_zones(const struct place_instance *i, const struct place_need *need)
{
    if (!need->zones)
        return true;
    for (size_t z = 0; z < need->zone_count; z++)
        if (strcmp(need->zones[z], i->zone->name) == 0)
            return true;
    return false;
}

static bool is_member(const struct place_instance *i, const struct place_need *need)
{
    if (need->member_of_count == 0)
        return true;
    struct query_subject subject;
    place_instance_subject(i, &subject);
    for (size_t q = 0; q < need->member_of_count; q++)
        if (!query_matches(need->member_of[q], &subject))
            return false;
    return true;
}

/* Everything but distinctInstance. */
static enum place_reason refusal(const struct place_instance *i,
                                 const struct place_need *need)
{
    if (need->pool && (!i->info.pool || strcmp(need->pool, i->info.pool) != 0))
        return PLACE_INACTIVE; /* as good as not there */
    if (!i->usable)
        return i->info.active ? PLACE_AGENT : PLACE_INACTIVE;
    enum place_reason r = place_resources_fit(&i->total, &i->used, &need->resources);
    if (r != PLACE_OK)
        return r;
    if (!has_attributes(i, need))
        return PLACE_ATTRIBUTE;
    if (!in_zones(i, need))
        return PLACE_LOCATION;
    return is_member(i, need) ? PLACE_OK : PLACE_MEMBER_OF;
}

static enum place_reason full_refusal(const struct place_instance *i,
                                      const struct place_need *need,
                                      const struct group *g)
{
    enum place_reason r = refusal(i, need);
    if (r == PLACE_OK && need->distinct_instance && group_count_on(g, i))
        return PLACE_DISTINCT_INSTANCE;
    return r;
}

enum place_reason place_check(struct place_cluster *c, const struct place_instance *i,
                              const struct place_need *need, const char *group)
{
    return full_refusal(i, need, group_find(c, group));
}

/* ---- from the index ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9fb21c651e98df25u;
    return h ^ (h >> 32);
}

static uint64_t mix_text(uint64_t h, const char *text)
{
    if (!text)
        return mix(h, 1);
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return mix(h, 2);
}

/* Two needs with the same number are taken to be the same. */
static uint64_t signature(const struct place_need *need)
{
    const struct place_resources *r = &need->resources;
    uint64_t h =
        mix(mix(mix(0xcbf29ce484222325u, (uint64_t)r->cpu), (uint64_t)r->memory_mib),
            ((uint64_t)(uint32_t)r->gpus << 32) | (uint32_t)r->enis);
    for (uint32_t i = 0; i < r->tcp.n; i++)
        h = mix(h, r->tcp.v[i]);
    h = mix(h, r->tcp.n);
    for (uint32_t i = 0; i < r->udp.n; i++)
        h = mix(h, r->udp.v[i]);
    h = mix(h, r->udp.n);
    for (size_t a = 0; a < need->attribute_count; a++)
        h = mix_text(mix_text(h, need->attributes[a].name), need->attributes[a].value);
    h = mix_text(h, need->pool);
    h = mix(h, need->zones ? 1 : 0);
    for (size_t z = 0; need->zones && z < need->zone_count; z++)
        h = mix_text(h, need->zones[z]);
    return h ? h : 1;
}

/* Any instance of the zone; with `only_empty` one without a task of the group. */
static struct place_instance *search_slots(const struct choice *ch, const struct zone *z,
                                           bool only_empty)
{
    for (int k = 0; k < RANDOM_TRIES; k++) {
        struct place_instance *i = z->slots[random_below(ch->random, z->n)];
        if (refusal(i, ch->need) == PLACE_OK &&
            !(only_empty && group_count_on(ch->group, i)))
            return i;
    }
    uint32_t start = random_below(ch->random, z->n);
    uint32_t slot = fit_tree_next(&z->tree, start, ch->least);
    for (bool wrapped = false;;) {
        if (slot == FIT_TREE_NONE || (wrapped && slot >= start)) {
            if (wrapped)
                return NULL;
            wrapped = true;
            slot = fit_tree_next(&z->tree, 0, ch->least);
            continue;
        }
        struct place_instance *i = z->slots[slot];
        if (refusal(i, ch->need) == PLACE_OK &&
            !(only_empty && group_count_on(ch->group, i)))
            return i;
        slot = fit_tree_next(&z->tree, slot + 1, ch->least);
    }
}

/* A random member that fits; the others that were looked at are closed. */
static struct place_instance *search_members(const struct choice *ch, struct level *l)
{
    for (uint32_t done = 0; done < l->n[0];) {
        uint32_t at = done + random_below(ch->random, l->n[0] - done);
        struct member *m = l->v[0][at];
        if (refusal(m->instance, ch->need) == PLACE_OK)
            return m->instance;
        if (ch->closable)
            member_close(m);
        else
            level_swap_open(l, at, done++);
    }
    /* Without closing, or for another need than the closed ones were judged by. */
    for (uint32_t at = 0; !ch->closable && at < l->n[1]; at++)
        if (refusal(l->v[1][at]->instance, ch->need) == PLACE_OK)
            return l->v[1][at]->instance;
    return NULL;
}

/* How many instances are to be looked at on this level. */
static uint32_t level_weight(const struct choice *ch, const struct zone *z,
                             uint32_t level)
{
    const struct presence *p = group_presence(ch->group, z);
    if (level == 0 && !(ch->group && ch->group->whole))
        return z->n - (p ? p->hosting : 0);
    if (!p || level >= p->level_count)
        return 0;
    return p->levels[level].n[0] + (ch->closable ? 0 : p->levels[level].n[1]);
}

static struct place_instance *search_level(const struct choice *ch, const struct zone *z,
                                           uint32_t level)
{
    if (level == 0 && !(ch->group && ch->group->whole))
        return search_slots(ch, z, ch->group != NULL);
    return search_members(ch, &group_presence(ch->group, z)->levels[level]);
}

enum { ANY_LEVEL = -1 };

static uint32_t weight(const struct choice *ch, const struct zone *z, int level)
{
    return level == ANY_LEVEL ? z->n : level_weight(ch, z, (uint32_t)level);
}

/* The zones in random order, each as likely as it has instances on the level. */
static struct place_instance *try_zones(const struct choice *ch, struct zone **zones,
                                        uint32_t n, int level)
{
    for (uint32_t left = n; left > 0; left--) {
        uint64_t total = 0;
        for (uint32_t z = 0; z < left; z++)
            total += weight(ch, zones[z], level);
        if (total == 0)
            return NULL;
        uint64_t at = random_below(ch->random, (uint32_t)total);
        uint32_t z = 0;
        for (; at >= weight(ch, zones[z], level); z++)
            at -= weight(ch, zones[z], level);
        struct place_instance *found = level == ANY_LEVEL
                                           ? search_slots(ch, zones[z], false)
                                           : search_level(ch, zones[z], (uint32_t)level);
        if (found)
            return found;
        struct zone *tried = zones[z];
        zones[z] = zones[left - 1];
        zones[left - 1] = tried;
    }
    return NULL;
}

/* The best instance in zones that are equally good. */
static struct place_instance *choose_in(const struct choice *ch, struct zone **zones,
                                        uint32_t n)
{
    if (!ch->spread_instances && !ch->need->distinct_instance)
        return try_zones(ch, zones, n, ANY_LEVEL);
    uint32_t levels = 1;
    for (uint32_t z = 0; z < n && !ch->need->distinct_instance; z++) {
        const struct presence *p = group_presence(ch->group, zones[z]);
        if (p && p->level_count > levels)
            levels = p->level_count;
    }
    for (uint32_t level = 0; level < levels; level++) {
        struct place_instance *found = try_zones(ch, zones, n, (int)level);
        if (found)
            return found;
    }
    return NULL;
}

/* Zones with the fewest tasks first; `*floor` is the count to go on from. */
static uint32_t next_zones(const struct choice *ch, struct zone **ret, uint64_t *floor)
{
    uint64_t fewest = UINT64_MAX;
    uint32_t n = 0;
    for (uint32_t k = 0; k < ch->c->zone_count; k++) {
        struct zone *z = ch->c->zones[k];
        if (!z)
            continue;
        uint64_t tasks = ch->spread_zones ? group_in_zone(ch->group, z) : 0;
        if (tasks < *floor || tasks > fewest)
            continue;
        if (tasks < fewest)
            n = 0;
        fewest = tasks;
        ret[n++] = z;
    }
    *floor = fewest + 1;
    return n;
}

static struct place_instance *choose_indexed(const struct choice *ch)
{
    uint64_t floor = 0;
    uint32_t n;
    while ((n = next_zones(ch, ch->c->scratch_zones, &floor)) > 0) {
        struct place_instance *found = choose_in(ch, ch->c->scratch_zones, n);
        if (found)
            return found;
    }
    return NULL;
}

/* Is the chain [spread over zones] [spread over instances] [random], each optional? */
static bool is_indexed(struct choice *ch, const struct place_strategy *s, size_t n)
{
    size_t at = 0;
    if (at < n && s[at].type == PLACE_SPREAD && s[at].field == PLACE_BY_ATTRIBUTE &&
        strcmp(s[at].attribute, PLACE_ZONE_ATTRIBUTE) == 0) {
        ch->spread_zones = true;
        at++;
    }
    if (at < n && s[at].type == PLACE_SPREAD && s[at].field == PLACE_BY_INSTANCE) {
        ch->spread_instances = true;
        at++;
    }
    return at == n || s[at].type == PLACE_RANDOM;
}

/* ---- by a look at every instance ---- */

static uint32_t gather(const struct choice *ch, struct place_instance **ret)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < ch->c->zone_count; k++) {
        const struct zone *z = ch->c->zones[k];
        for (uint32_t s = 0; z && s < z->n; s++)
            if (full_refusal(z->slots[s], ch->need, ch->group) == PLACE_OK)
                ret[n++] = z->slots[s];
    }
    return n;
}

struct value_count {
    const char *value;
    uint64_t tasks;
    UT_hash_handle hh;
};

/* Tasks of the group by value of the attribute, on every instance that has some. */
static struct value_count *count_values(struct arena *a, const struct group *g,
                                        const struct place_strategy *s)
{
    struct value_count *all = NULL;
    for (uint32_t k = 0; g && k < g->table_size; k++) {
        const struct member *m = g->table[k].key ? g->table[k].member : NULL;
        if (!m || m->count == 0)
            continue;
        const char *value = strategy_value(s, m->instance);
        if (!value)
            value = "";
        struct value_count *v;
        HASH_FIND_STR(all, value, v);
        if (!v) {
            v = arena_new(a, struct value_count);
            v->value = value;
            HASH_ADD_KEYPTR(hh, all, v->value, strlen(v->value), v);
        }
        v->tasks += m->count;
    }
    return all;
}

static uint64_t tasks_of_value(const struct choice *ch, struct value_count *all,
                               const struct place_strategy *s,
                               const struct place_instance *i)
{
    if (s->field == PLACE_BY_INSTANCE)
        return group_count_on(ch->group, i);
    const char *value = strategy_value(s, i);
    struct value_count *v = NULL;
    if (!value)
        value = "";
    HASH_FIND_STR(all, value, v);
    return v ? v->tasks : 0;
}

/* What a strategy makes small. */
static uint64_t score(const struct choice *ch, struct value_count *all,
                      const struct place_strategy *s, const struct place_instance *i)
{
    if (s->type == PLACE_SPREAD)
        return tasks_of_value(ch, all, s, i);
    if (s->field == PLACE_BY_CPU)
        return (uint64_t)(i->total.cpu - i->used.cpu);
    return (uint64_t)(i->total.memory_mib - i->used.memory_mib);
}

/* Keeps the instances with the lowest score. */
static uint32_t narrow(const struct choice *ch, const struct place_strategy *s,
                       struct place_instance **v, uint32_t n)
{
    if (s->type == PLACE_RANDOM)
        return n; /* the tie at the end is broken by chance anyway */
    AUTO_ARENA a = ARENA_INIT;
    struct value_count *all = NULL;
    if (s->type == PLACE_SPREAD && s->field == PLACE_BY_ATTRIBUTE)
        all = count_values(&a, ch->group, s);
    uint64_t lowest = UINT64_MAX;
    uint32_t kept = 0;
    for (uint32_t k = 0; k < n; k++) {
        uint64_t x = score(ch, all, s, v[k]);
        if (x > lowest)
            continue;
        if (x < lowest)
            kept = 0;
        lowest = x;
        v[kept++] = v[k];
    }
    HASH_CLEAR(hh, all);
    return kept;
}

static struct place_instance *choose_by_scan(const struct choice *ch,
                                             const struct place_strategy *s, size_t count)
{
    struct place_cluster *c = ch->c;
    if (c->scratch_cap < c->instance_count) {
        c->scratch_cap = c->instance_count * 2;
        c->scratch = xrealloc(c->scratch, c->scratch_cap * sizeof(*c->scratch));
    }
    uint32_t n = gather(ch, c->scratch);
    for (size_t k = 0; k < count && n > 1; k++) {
        n = narrow(ch, &s[k], c->scratch, n);
        if (s[k].type == PLACE_RANDOM)
            break; /* what follows a random choice has nothing left to choose */
    }
    return n ? c->scratch[random_below(ch->random, n)] : NULL;
}

/* ---- the promises of place.h ---- */

static int32_t at_most_int32(int64_t v)
{
    return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

int place_choose(struct place_cluster *c, const struct place_need *need,
                 const char *group, const struct place_strategy *strategies, size_t n,
                 const struct place_random *random, struct place_instance **ret)
{
    if (n == 0) {
        strategies = place_default_strategies;
        n = sizeof(place_default_strategies) / sizeof(place_default_strategies[0]);
    }
    struct choice ch = {
        .c = c,
        .need = need,
        .group = group_find(c, group),
        .random = random,
        .least = {at_most_int32(need->resources.cpu),
                  at_most_int32(need->resources.memory_mib)},
        /* A constraint may speak of what other tasks run there, which closing can't see. */
        .closable = need->member_of_count == 0,
    };
    struct place_instance *found;
    if (is_indexed(&ch, strategies, n)) {
        if (ch.group && ch.closable)
            group_use_need(ch.group, signature(need));
        found = choose_indexed(&ch);
    } else {
        found = choose_by_scan(&ch, strategies, n);
    }
    if (!found)
        return -E_FULL;
    *ret = found;
    return 0;
}

void place_commit(struct place_cluster *c, struct place_instance *i,
                  const struct place_need *need, const char *group)
{
    place_resources_take(&i->used, &need->resources);
    i->tasks++;
    instance_refit(i);
    if (group)
        group_add_task(c, group, i);
}

void place_release(struct place_cluster *c, struct place_instance *i,
                   const struct place_need *need, const char *group)
{
    place_resources_give(&i->used, &need->resources);
    if (i->tasks)
        i->tasks--;
    instance_refit(i);
    if (group)
        group_remove_task(c, group, i);
    groups_reopen(i);
}

size_t place_explain(struct place_cluster *c, const struct place_need *need,
                     const char *group, struct place_rejection *ret, size_t max)
{
    const struct group *g = group_find(c, group);
    size_t n = 0;
    for (struct place_instance *i = c->instances; i && n < max; i = i->hh.next) {
        enum place_reason r = full_refusal(i, need, g);
        if (r != PLACE_OK && r != PLACE_INACTIVE)
            ret[n++] = (struct place_rejection){i, r};
    }
    return n;
}

bool place_closest(struct place_cluster *c, const struct place_need *need,
                   const char *group, struct place_rejection *ret)
{
    const struct group *g = group_find(c, group);
    *ret = (struct place_rejection){0};
    for (struct place_instance *i = c->instances; i; i = i->hh.next) {
        enum place_reason r = full_refusal(i, need, g);
        if (r != PLACE_INACTIVE && (!ret->instance || r > ret->reason))
            *ret = (struct place_rejection){i, r};
    }
    return ret->instance != NULL;
}
