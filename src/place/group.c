#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "index.h"

/* ---- which member is it: open addressing, linear probing ---- */

static uint32_t slot_of(const struct group *g, uint32_t key)
{
    return (key * 2654435769u) & (g->table_size - 1);
}

struct member *group_member(const struct group *g, const struct place_instance *i)
{
    if (!g || g->table_used == 0)
        return NULL;
    uint32_t key = i->serial + 1;
    for (uint32_t s = slot_of(g, key); g->table[s].key; s = (s + 1) & (g->table_size - 1))
        if (g->table[s].key == key)
            return g->table[s].member;
    return NULL;
}

static void table_put(struct group *g, uint32_t key, struct member *m)
{
    uint32_t s = slot_of(g, key);
    while (g->table[s].key)
        s = (s + 1) & (g->table_size - 1);
    g->table[s] = (struct member_slot){key, m};
}

static void table_add(struct group *g, struct member *m)
{
    if ((g->table_used + 1) * 4 > g->table_size * 3) {
        struct member_slot *old = g->table;
        uint32_t old_size = g->table_size;
        g->table_size = old_size ? old_size * 2 : 8;
        g->table = xcalloc(g->table_size, sizeof(*g->table));
        for (uint32_t s = 0; s < old_size; s++)
            if (old[s].key)
                table_put(g, old[s].key, old[s].member);
        free(old);
    }
    table_put(g, m->instance->serial + 1, m);
    g->table_used++;
}

/* Closes the gap that a removal leaves, so that no probe stops early. */
static void table_remove(struct group *g, uint32_t key)
{
    uint32_t mask = g->table_size - 1, s = slot_of(g, key);
    while (g->table[s].key != key)
        s = (s + 1) & mask;
    for (uint32_t next = (s + 1) & mask; g->table[next].key; next = (next + 1) & mask) {
        uint32_t home = slot_of(g, g->table[next].key);
        if (((next - home) & mask) >= ((next - s) & mask)) {
            g->table[s] = g->table[next];
            s = next;
        }
    }
    g->table[s].key = 0;
    g->table_used--;
}

/* ---- levels ---- */

struct presence *group_presence(const struct group *g, const struct cell *z)
{
    return g && z->index < g->cell_count ? &g->cells[z->index] : NULL;
}

static struct presence *presence_need(struct group *g, const struct cell *z)
{
    if (z->index >= g->cell_count) {
        uint32_t n = z->index + 1;
        g->cells = xrealloc(g->cells, n * sizeof(*g->cells));
        memset(g->cells + g->cell_count, 0, (n - g->cell_count) * sizeof(*g->cells));
        g->cell_count = n;
    }
    return &g->cells[z->index];
}

static struct level *level_need(struct presence *p, uint32_t count)
{
    if (count >= p->level_count) {
        uint32_t n = count + 1;
        p->levels = xrealloc(p->levels, n * sizeof(*p->levels));
        memset(p->levels + p->level_count, 0, (n - p->level_count) * sizeof(*p->levels));
        p->level_count = n;
    }
    return &p->levels[count];
}

static void level_insert(struct level *l, struct member *m, bool closed)
{
    if (l->n[closed] == l->cap[closed]) {
        l->cap[closed] = l->cap[closed] ? l->cap[closed] * 2 : 4;
        l->v[closed] = xrealloc(l->v[closed], l->cap[closed] * sizeof(struct member *));
    }
    m->pos = l->n[closed]++;
    m->closed = closed;
    l->v[closed][m->pos] = m;
    m->group->closed_count += closed;
}

static void level_take_out(struct level *l, struct member *m)
{
    struct member *last = l->v[m->closed][--l->n[m->closed]];
    l->v[m->closed][m->pos] = last;
    last->pos = m->pos;
    m->group->closed_count -= m->closed;
}

void level_swap_open(struct level *l, uint32_t a, uint32_t b)
{
    struct member *x = l->v[0][a], *y = l->v[0][b];
    l->v[0][a] = y;
    l->v[0][b] = x;
    y->pos = a;
    x->pos = b;
}

static struct level *member_level(const struct member *m)
{
    return &m->group->cells[m->instance->cell->index].levels[m->count];
}

void member_close(struct member *m)
{
    struct level *l = member_level(m);
    level_take_out(l, m);
    level_insert(l, m, true);
}

static void member_open(struct member *m)
{
    struct level *l = member_level(m);
    level_take_out(l, m);
    level_insert(l, m, false);
}

void group_use_need(struct group *g, uint64_t signature)
{
    if (g->need_signature == signature)
        return;
    g->need_signature = signature;
    for (uint32_t z = 0; z < g->cell_count && g->closed_count; z++)
        for (uint32_t n = 0; n < g->cells[z].level_count; n++)
            while (g->cells[z].levels[n].n[1])
                member_open(g->cells[z].levels[n].v[1][0]);
}

void groups_reopen(struct place_instance *i)
{
    list_for_each (it, &i->members) {
        struct member *m = list_entry(it, struct member, by_instance);
        if (m->closed)
            member_open(m);
    }
}

/* ---- members ---- */

static struct member *member_new(struct place_cluster *c, struct group *g,
                                 struct place_instance *i)
{
    struct member *m = c->free_members;
    if (m)
        c->free_members = (struct member *)(void *)m->by_instance.next;
    else
        m = xmalloc(sizeof(*m));
    *m = (struct member){.instance = i, .group = g};
    list_append(&i->members, &m->by_instance);
    table_add(g, m);
    level_insert(level_need(presence_need(g, i->cell), 0), m, false);
    return m;
}

static void member_free(struct place_cluster *c, struct member *m)
{
    level_take_out(member_level(m), m);
    table_remove(m->group, m->instance->serial + 1);
    list_remove(&m->by_instance);
    m->by_instance.next = (struct list *)(void *)c->free_members;
    c->free_members = m;
}

static void member_set(struct member *m, uint32_t count)
{
    struct group *g = m->group;
    struct presence *p = presence_need(g, m->instance->cell);
    level_take_out(&p->levels[m->count], m);
    int host = (count > 0) - (m->count > 0);
    p->hosting += (uint32_t)host;
    g->hosting += (uint32_t)host;
    p->tasks += count - m->count;
    g->tasks += count - m->count;
    m->count = count;
    level_insert(level_need(p, count), m, false);
}

/* ---- groups ---- */

struct group *group_find(struct place_cluster *c, const char *name)
{
    struct group *g = NULL;
    if (name)
        HASH_FIND_STR(c->groups, name, g);
    return g;
}

static struct group *group_need(struct place_cluster *c, const char *name)
{
    struct group *g = group_find(c, name);
    if (g)
        return g;
    g = xcalloc(1, sizeof(*g));
    g->name = xstrdup(name);
    list_init(&g->whole_link);
    HASH_ADD_KEYPTR(hh, c->groups, g->name, strlen(g->name), g);
    return g;
}

void group_free(struct place_cluster *c, struct group *g)
{
    for (uint32_t s = 0; s < g->table_size; s++) {
        if (!g->table[s].key)
            continue;
        list_remove(&g->table[s].member->by_instance);
        free(g->table[s].member);
    }
    for (uint32_t z = 0; z < g->cell_count; z++) {
        for (uint32_t n = 0; n < g->cells[z].level_count; n++) {
            free(g->cells[z].levels[n].v[0]);
            free(g->cells[z].levels[n].v[1]);
        }
        free(g->cells[z].levels);
    }
    free(g->cells);
    free(g->table);
    list_remove(&g->whole_link);
    HASH_DEL(c->groups, g);
    free(g->name);
    free(g);
}

static void group_make_whole(struct place_cluster *c, struct group *g)
{
    g->whole = true;
    list_append(&c->whole_groups, &g->whole_link);
    for (struct place_instance *i = c->instances; i; i = i->hh.next)
        if (!group_member(g, i))
            member_new(c, g, i);
}

static void group_make_sparse(struct place_cluster *c, struct group *g)
{
    g->whole = false;
    list_remove(&g->whole_link);
    for (uint32_t z = 0; z < g->cell_count; z++) {
        if (g->cells[z].level_count == 0)
            continue;
        struct level *l = &g->cells[z].levels[0];
        for (int closed = 0; closed < 2; closed++)
            while (l->n[closed])
                member_free(c, l->v[closed][l->n[closed] - 1]);
    }
}

uint32_t group_count_on(const struct group *g, const struct place_instance *i)
{
    const struct member *m = group_member(g, i);
    return m ? m->count : 0;
}

uint32_t group_in_cell(const struct group *g, const struct cell *z)
{
    const struct presence *p = group_presence(g, z);
    return p ? p->tasks : 0;
}

void group_add_task(struct place_cluster *c, const char *name, struct place_instance *i)
{
    struct group *g = group_need(c, name);
    struct member *m = group_member(g, i);
    if (!m)
        m = member_new(c, g, i);
    member_set(m, m->count + 1);
    if (!g->whole && g->hosting > c->instance_count / 2)
        group_make_whole(c, g);
}

/* Leaves sparse again only far below the mark, so that a task that comes and goes does
 * not build and drop the members each time. */
static void group_settle(struct place_cluster *c, struct group *g)
{
    if (g->tasks == 0)
        group_free(c, g);
    else if (g->whole && g->hosting < c->instance_count / 4)
        group_make_sparse(c, g);
}

void group_remove_task(struct place_cluster *c, const char *name,
                       struct place_instance *i)
{
    struct group *g = group_find(c, name);
    struct member *m = group_member(g, i);
    if (!m || m->count == 0)
        return;
    member_set(m, m->count - 1);
    if (m->count == 0 && !g->whole)
        member_free(c, m);
    group_settle(c, g);
}

void groups_join(struct place_cluster *c, struct place_instance *i)
{
    list_for_each (it, &c->whole_groups)
        member_new(c, list_entry(it, struct group, whole_link), i);
}

void groups_leave(struct place_cluster *c, struct place_instance *i)
{
    while (!list_empty(&i->members)) {
        struct member *m =
            list_entry(list_first(&i->members), struct member, by_instance);
        struct group *g = m->group;
        member_set(m, 0);
        member_free(c, m);
        group_settle(c, g);
    }
}
