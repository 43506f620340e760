/* The pipeline, and the choice: from the index where the strategies allow, else by a look
 * at every instance. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "choice.h"
#include "pack.h"
#include "str.h"

#define RANDOM_TRIES 16 /* slots that are tried before the tree is walked */

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
        if (strcmp(need->zones[z], i->cell->zone) == 0)
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

/* May an instance of a cell that the need allows take it? Everything but
 * distinctInstance. */
static bool takes(const struct choice *ch, const struct place_instance *i)
{
    const struct place_resources *r = &ch->need->resources;
    if (!i->usable || (r->cpu > 0 && r->cpu > i->free_cpu) ||
        (r->memory_mib > 0 && r->memory_mib > i->free_memory))
        return false;
    if (!ch->plain && place_resources_fit(&i->total, &i->used, r) != PLACE_OK)
        return false;
    if (ch->own_attributes && !has_attributes(i, ch->need))
        return false;
    if (ch->dynamic_count == 0)
        return true;
    struct query_subject subject;
    place_instance_subject(i, &subject);
    for (size_t q = 0; q < ch->dynamic_count; q++)
        if (!query_matches(ch->dynamic[q], &subject))
            return false;
    return true;
}

/* Any instance of the cell; with `only_empty` one without a task of the group. */
static struct place_instance *search_slots(const struct choice *ch, const struct cell *z,
                                           bool only_empty)
{
    for (int k = 0; k < RANDOM_TRIES; k++) {
        struct place_instance *i = z->slots[random_below(ch->random, z->n)];
        if (takes(ch, i) && !(only_empty && group_count_on(ch->group, i)))
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
        if (takes(ch, i) && !(only_empty && group_count_on(ch->group, i)))
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
        if (takes(ch, m->instance))
            return m->instance;
        if (ch->closable)
            member_close(m);
        else
            level_swap_open(l, at, done++);
    }
    /* Without closing, or for another need than the closed ones were judged by. */
    for (uint32_t at = 0; !ch->closable && at < l->n[1]; at++)
        if (takes(ch, l->v[1][at]->instance))
            return l->v[1][at]->instance;
    return NULL;
}

/* How many instances are to be looked at on this level. */
static uint32_t level_weight(const struct choice *ch, const struct cell *z,
                             uint32_t level)
{
    const struct presence *p = group_presence(ch->group, z);
    if (level == 0 && !(ch->group && ch->group->whole))
        return z->n - (p ? p->hosting : 0);
    if (!p || level >= p->level_count)
        return 0;
    return p->levels[level].n[0] + (ch->closable ? 0 : p->levels[level].n[1]);
}

static struct place_instance *search_level(const struct choice *ch, const struct cell *z,
                                           uint32_t level)
{
    if (level == 0 && !(ch->group && ch->group->whole))
        return search_slots(ch, z, ch->group != NULL);
    return search_members(ch, &group_presence(ch->group, z)->levels[level]);
}

enum { ANY_LEVEL = -1 };

static uint32_t weight(const struct choice *ch, const struct cell *z, int level)
{
    return level == ANY_LEVEL ? z->n : level_weight(ch, z, (uint32_t)level);
}

/* The cells in random order, each as likely as it has instances on the level. */
static struct place_instance *try_cells(const struct choice *ch, struct cell **zones,
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
        struct cell *tried = zones[z];
        zones[z] = zones[left - 1];
        zones[left - 1] = tried;
    }
    return NULL;
}

/* The cells' instances with the fewest tasks of the group. */
static struct place_instance *choose_by_level(const struct choice *ch,
                                              struct cell **cells, uint32_t n)
{
    uint32_t levels = 1;
    for (uint32_t k = 0; k < n && !ch->need->distinct_instance; k++) {
        const struct presence *p = group_presence(ch->group, cells[k]);
        if (p && p->level_count > levels)
            levels = p->level_count;
    }
    for (uint32_t level = 0; level < levels; level++) {
        struct place_instance *found = try_cells(ch, cells, n, (int)level);
        if (found)
            return found;
    }
    return NULL;
}

/* ---- binpack ---- */

static struct place_instance *search_bucket(const struct choice *ch,
                                            const struct bucket *b)
{
    uint32_t start = random_below(ch->random, b->n);
    for (uint32_t k = 0; k < b->n; k++) {
        struct place_instance *i = b->v[(start + k) % b->n];
        if (takes(ch, i) &&
            !(ch->need->distinct_instance && group_count_on(ch->group, i)))
            return i;
    }
    return NULL;
}

/* Buckets that are equally good. */
struct ties {
    struct bucket **v; /* the cluster's scratch */
    uint32_t n;
};

static void add_tie(struct place_cluster *c, struct ties *t, struct bucket *b)
{
    if (t->n == c->scratch_ties_cap) {
        c->scratch_ties_cap = t->n ? t->n * 2 : 16;
        c->scratch_ties =
            xrealloc(c->scratch_ties, c->scratch_ties_cap * sizeof(*c->scratch_ties));
    }
    t->v = c->scratch_ties;
    t->v[t->n++] = b;
}

/* Tries buckets in random order, or with `ordered` those with the least of the other
 * amount first. */
static struct place_instance *search_ties(const struct choice *ch, struct ties *t,
                                          enum pack_field f, bool ordered)
{
    while (t->n > 0) {
        uint64_t total = 0;
        int64_t least = INT64_MAX;
        for (uint32_t k = 0; k < t->n; k++)
            if (t->v[k]->free[!f] < least)
                least = t->v[k]->free[!f];
        for (uint32_t k = 0; k < t->n; k++)
            if (!ordered || t->v[k]->free[!f] == least)
                total += t->v[k]->n;
        uint64_t at = random_below(ch->random, (uint32_t)total);
        uint32_t k = 0;
        for (;; k++) {
            if (ordered && t->v[k]->free[!f] != least)
                continue;
            if (at < t->v[k]->n)
                break;
            at -= t->v[k]->n;
        }
        struct place_instance *found = search_bucket(ch, t->v[k]);
        if (found)
            return found;
        t->v[k] = t->v[--t->n];
    }
    return NULL;
}

/* The instance with the least of `f` that is enough. */
static struct place_instance *choose_packed(const struct choice *ch, struct cell **cells,
                                            uint32_t n, enum pack_field f, bool ordered)
{
    const struct place_resources *r = &ch->need->resources;
    int64_t need[2] = {r->cpu > 0 ? r->cpu : INT64_MIN,
                       r->memory_mib > 0 ? r->memory_mib : INT64_MIN};
    for (uint32_t k = 0; k < n; k++)
        pack_begin(cells[k]);
    for (int64_t least = need[f];;) {
        struct ties ties = {.n = 0};
        int64_t best = INT64_MAX;
        for (uint32_t k = 0; k < n; k++) {
            const struct bucket *b = pack_find(cells[k]->pack, f, least, need[!f]);
            if (b && b->free[f] < best)
                best = b->free[f];
        }
        if (best == INT64_MAX)
            return NULL;
        for (uint32_t k = 0; k < n; k++) {
            struct bucket *b = pack_find(cells[k]->pack, f, best, need[!f]);
            for (; b && b->free[f] == best; b = pack_next_equal(b, f))
                add_tie(ch->c, &ties, b);
        }
        struct place_instance *found = search_ties(ch, &ties, f, ordered);
        if (found)
            return found;
        least = best + 1;
    }
}

/* ---- by a look at every instance ---- */

static uint32_t gather(const struct choice *ch, struct cell **cells, uint32_t n,
                       struct place_instance **ret)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t s = 0; s < cells[k]->n; s++) {
            struct place_instance *i = cells[k]->slots[s];
            if (takes(ch, i) &&
                !(ch->need->distinct_instance && group_count_on(ch->group, i)))
                ret[count++] = i;
        }
    return count;
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
/* Less than nothing is free where tasks were forced onto an instance. */
static int64_t score(const struct choice *ch, struct value_count *all,
                     const struct place_strategy *s, const struct place_instance *i)
{
    if (s->type == PLACE_SPREAD)
        return (int64_t)tasks_of_value(ch, all, s, i);
    if (s->field == PLACE_BY_CPU)
        return i->free_cpu;
    return i->free_memory;
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
    int64_t lowest = INT64_MAX;
    uint32_t kept = 0;
    for (uint32_t k = 0; k < n; k++) {
        int64_t x = score(ch, all, s, v[k]);
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

static struct place_instance *choose_by_scan(const struct choice *ch, struct cell **cells,
                                             uint32_t cell_count,
                                             const struct place_strategy *s, size_t count)
{
    struct place_cluster *c = ch->c;
    if (c->scratch_cap < c->instance_count) {
        c->scratch_cap = c->instance_count * 2;
        c->scratch = xrealloc(c->scratch, c->scratch_cap * sizeof(*c->scratch));
    }
    uint32_t n = gather(ch, cells, cell_count, c->scratch);
    for (size_t k = 0; k < count && n > 1; k++)
        n = narrow(ch, &s[k], c->scratch, n);
    return n ? c->scratch[random_below(ch->random, n)] : NULL;
}

/* ---- the best of cells that are equally good ---- */

/* What follows a random choice has nothing left to choose. */
static size_t up_to_random(const struct place_strategy *s, size_t n)
{
    size_t k = 0;
    while (k < n && s[k].type != PLACE_RANDOM)
        k++;
    return k;
}

static struct place_instance *choose_in(const struct choice *ch, struct cell **cells,
                                        uint32_t n, const struct place_strategy *s,
                                        size_t count)
{
    if (count == 0 && !ch->need->distinct_instance)
        return try_cells(ch, cells, n, ANY_LEVEL);
    if (count == 0 ||
        (count == 1 && s->type == PLACE_SPREAD && s->field == PLACE_BY_INSTANCE))
        return choose_by_level(ch, cells, n);
    bool packs = s->type == PLACE_BINPACK;
    bool both = packs && count == 2 && s[1].type == PLACE_BINPACK;
    if (packs && (count == 1 || both))
        return choose_packed(ch, cells, n,
                             s->field == PLACE_BY_CPU ? PACK_CPU : PACK_MEMORY,
                             both && s[1].field != s[0].field);
    return choose_by_scan(ch, cells, n, s, count);
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
    };
    uint64_t signature = need_signature(need);
    size_t lead;
    n = up_to_random(strategies, n);
    uint32_t total = order_cells(&ch, signature, strategies, n, &lead);
    if (ch.group && ch.closable)
        group_use_need(ch.group, signature);
    for (uint32_t at = 0, batch; at < total; at += batch) {
        batch = order_batch(&ch, at, total, lead);
        struct place_instance *found =
            choose_in(&ch, c->scratch_batch, batch, strategies + lead, n - lead);
        if (found) {
            *ret = found;
            return 0;
        }
    }
    return -E_FULL;
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
