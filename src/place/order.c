/* Which cells may take a task, and which of them first. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "choice.h"
#include "query_program.h"

/* ---- the need as a number ---- */

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

uint64_t need_signature(const struct place_need *need)
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
    for (size_t q = 0; q < need->member_of_count; q++)
        h = mix(h, need->member_of[q]->signature);
    return h ? h : 1;
}

/* ---- what cells allow ---- */

static bool asks_cells_only(const struct place_cluster *c, const struct query *q)
{
    if (!q->attributes_only)
        return false;
    for (const struct unshared *u = c->unshared; u; u = u->hh.next)
        if (query_asks_for(q, u->name))
            return false;
    return true;
}

static const char *cell_attribute(const void *ctx, const char *name)
{
    const struct cell *cell = ctx;
    return attribute_value(cell->attributes, cell->attribute_count, name);
}

static bool allows_attributes(const struct place_cluster *c, const struct cell *cell,
                              const struct place_need *need)
{
    for (size_t a = 0; a < need->attribute_count; a++) {
        const struct place_attribute *want = &need->attributes[a];
        const char *have = cell_attribute(cell, want->name);
        if (!have && attribute_unshared(c, want->name))
            continue;
        if (!have || (want->value && strcmp(have, want->value) != 0))
            return false;
    }
    return true;
}

static bool allows_place(const struct cell *cell, const struct place_need *need)
{
    if (need->pool && (!cell->pool || strcmp(need->pool, cell->pool) != 0))
        return false;
    for (size_t z = 0; need->zones && z < need->zone_count; z++)
        if (strcmp(need->zones[z], cell->zone) == 0)
            return true;
    return !need->zones;
}

static bool allows(const struct place_cluster *c, const struct cell *cell,
                   const struct place_need *need)
{
    if (!allows_place(cell, need) || !allows_attributes(c, cell, need))
        return false;
    struct query_subject subject = {.attribute = cell_attribute, .ctx = cell};
    for (size_t q = 0; q < need->member_of_count; q++)
        if (asks_cells_only(c, need->member_of[q]) &&
            !query_matches(need->member_of[q], &subject))
            return false;
    return true;
}

static const struct need_cells *need_cells(struct place_cluster *c, uint64_t signature,
                                           const struct place_need *need)
{
    struct need_cells *n = &c->needs[signature % PLACE_MAX_NEEDS];
    if (n->allowed && n->signature == signature && n->version == c->cells_version)
        return n;
    n->signature = signature;
    n->version = c->cells_version;
    n->allowed = xrealloc(n->allowed, c->cell_count * sizeof(*n->allowed));
    for (uint32_t k = 0; k < c->cell_count; k++)
        n->allowed[k] = c->cells[k] && allows(c, c->cells[k], need);
    return n;
}

static void look_at_need(struct choice *ch)
{
    const struct place_need *need = ch->need;
    const struct place_resources *r = &need->resources;
    ch->plain = r->tcp.n == 0 && r->udp.n == 0 && r->gpus == 0 && r->enis == 0;
    for (size_t a = 0; ch->c->unshared && a < need->attribute_count; a++)
        ch->own_attributes |= attribute_unshared(ch->c, need->attributes[a].name);
    for (size_t q = 0; q < need->member_of_count; q++)
        if (!asks_cells_only(ch->c, need->member_of[q]))
            ch->dynamic[ch->dynamic_count++] = need->member_of[q];
    /* A query may ask what other tasks run there, which closing can't see. */
    ch->closable = ch->dynamic_count == 0;
}

/* ---- their order ---- */

/* Tasks of the group by value of the strategy's attribute, for each cell. */
static void count_tasks(const struct choice *ch, const char *attribute, size_t k,
                        uint32_t n)
{
    struct place_cluster *c = ch->c;
    const struct spread_field *f = cells_by_value(c, attribute);
    uint64_t *counts =
        c->scratch_counts; /* there are not more values than cells, plus one */
    memset(counts, 0, f->values * sizeof(*counts));
    for (uint32_t j = 0; j < c->cell_count; j++)
        if (c->cells[j])
            counts[f->value_of[j]] += group_in_cell(ch->group, c->cells[j]);
    for (uint32_t j = 0; j < n; j++)
        c->scratch_cells[j].tasks[k] =
            counts[f->value_of[c->scratch_cells[j].cell->index]];
}

static int by_tasks(const void *a, const void *b)
{
    const struct ordered_cell *x = a, *y = b;
    for (size_t k = 0; k < PLACE_MAX_STRATEGIES; k++)
        if (x->tasks[k] != y->tasks[k])
            return x->tasks[k] < y->tasks[k] ? -1 : 1;
    return 0;
}

static size_t leading_spreads(const struct place_cluster *c,
                              const struct place_strategy *s, size_t n)
{
    size_t k = 0;
    while (k < n && s[k].type == PLACE_SPREAD && s[k].field == PLACE_BY_ATTRIBUTE &&
           !attribute_unshared(c, s[k].attribute))
        k++;
    return k;
}

uint32_t order_cells(struct choice *ch, uint64_t signature,
                     const struct place_strategy *s, size_t n, size_t *ret_lead)
{
    struct place_cluster *c = ch->c;
    look_at_need(ch);
    const struct need_cells *allowed = need_cells(c, signature, ch->need);
    uint32_t count = 0;
    for (uint32_t k = 0; k < c->cell_count; k++)
        if (allowed->allowed[k])
            c->scratch_cells[count++] = (struct ordered_cell){.cell = c->cells[k]};
    *ret_lead = leading_spreads(c, s, n);
    if (!ch->group || *ret_lead == 0 || count < 2)
        return count; /* nothing tells them apart */
    for (size_t k = 0; k < *ret_lead; k++)
        count_tasks(ch, s[k].attribute, k, count);
    qsort(c->scratch_cells, count, sizeof(*c->scratch_cells), by_tasks);
    return count;
}

uint32_t order_batch(const struct choice *ch, uint32_t at, uint32_t total, size_t lead)
{
    const struct ordered_cell *v = ch->c->scratch_cells;
    uint32_t n = 0;
    do {
        ch->c->scratch_batch[n] = v[at + n].cell;
        n++;
    } while (at + n < total && (lead == 0 || by_tasks(&v[at], &v[at + n]) == 0));
    return n;
}
