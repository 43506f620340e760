#include "projection.h"

#include "expression_read.h"

/* A keyword of the language, if not of this part, and no reserved word. */
static const char *const keywords[] = {"REMOVE", NULL};

/* ---- parsing ---- */

static int paths_read(struct expression *e, struct projection *p)
{
    size_t cap = 1;
    for (size_t i = 0; e->tokens[i].kind != TOKEN_END; i++)
        cap += streq(e->tokens[i].text, ",");
    p->paths = arena_new_array(e->scope->arena, struct path, cap);
    do {
        int r = path_read(e, &p->paths[p->n]);
        if (r < 0)
            return r;
        p->n++;
    } while (expression_take(e, ","));
    return expression_token(e)->kind == TOKEN_END ? 0 : expression_bad_token(e);
}

static int paths_check(struct expression *e, struct projection *p)
{
    int r = 0;
    for (size_t i = 0; i < p->n && r == 0; i++)
        r = path_check_reserved(e, &p->paths[i]);
    for (size_t i = 0; i < p->n && r == 0; i++)
        r = path_resolve(e, &p->paths[i]);
    return r == 0 ? paths_check_apart(e, p->paths, p->n) : r;
}

int projection_parse(struct expression_scope *scope, const char *text,
                     const struct projection **ret, struct error *err)
{
    struct expression e;
    struct projection *p = arena_new(scope->arena, struct projection);
    int r = expression_open(scope, "ProjectionExpression", text, keywords, &e, err);
    if (r == 0)
        r = paths_read(&e, p);
    if (r == 0)
        r = paths_check(&e, p);
    if (r == 0)
        *ret = p;
    return r;
}

int projection_check_key(const struct projection *p, const char *label, const char *key,
                         struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < p->n && r == 0; i++)
        r = path_check_key(&p->paths[i], label, key, err);
    return r;
}

/* ---- applying ----
 *
 * The item is walked, not the paths: so what comes out has the item's order. At each level
 * only the paths that lead on from there are left. */

struct choice {
    struct arena *arena;
    const struct path **paths; /* that lead here */
    size_t n, depth;           /* their first `depth` steps are done */
};

static bool choose(const struct choice *c, const attribute_value *v,
                   attribute_value *ret);

static bool takes(const struct choice *c, size_t i, const char *name, uint32_t index)
{
    const struct path_step *s = &c->paths[i]->steps[c->depth];
    return name ? streq(s->name, name) : !s->name && s->index == index;
}

/* The paths that take this step; *ret_whole when one of them ends with it. */
static struct choice take_step(const struct choice *c, const char *name, uint32_t index,
                               bool *ret_whole)
{
    struct choice next = {c->arena, NULL, 0, c->depth + 1};
    *ret_whole = false;
    for (size_t i = 0; i < c->n; i++) {
        if (!takes(c, i, name, index))
            continue;
        if (!next.paths)
            next.paths = arena_new_array(c->arena, const struct path *, c->n);
        next.paths[next.n++] = c->paths[i];
        *ret_whole |= c->paths[i]->n == next.depth;
    }
    return next;
}

static bool step_choose(const struct choice *c, const char *name, uint32_t index,
                        const attribute_value *v, attribute_value *ret)
{
    bool whole;
    struct choice next = take_step(c, name, index, &whole);
    if (!whole)
        return next.n > 0 && choose(&next, v, ret);
    *ret = *v;
    return true;
}

static bool map_choose(const struct choice *c, const attribute_map *m, attribute_map *ret)
{
    attribute_value part;
    for (size_t i = 0; i < m->n; i++) {
        part = (attribute_value){0};
        if (!step_choose(c, m->v[i].key, 0, &m->v[i].value, &part))
            continue;
        *LIST_PUSH(c->arena, ret) =
            (struct dynamodb_attribute_value_map_entry){m->v[i].key, part};
    }
    return ret->n > 0;
}

static bool list_choose(const struct choice *c,
                        const struct dynamodb_attribute_value_list *l,
                        struct dynamodb_attribute_value_list *ret)
{
    attribute_value part;
    for (size_t i = 0; i < l->n; i++) {
        part = (attribute_value){0};
        if (step_choose(c, NULL, (uint32_t)i, &l->v[i], &part))
            *LIST_PUSH(c->arena, ret) = part;
    }
    return ret->n > 0;
}

static bool choose(const struct choice *c, const attribute_value *v, attribute_value *ret)
{
    if (v->m.set)
        return map_choose(c, &v->m, &ret->m);
    return v->l.set && list_choose(c, &v->l, &ret->l);
}

void projection_apply(struct arena *a, const struct projection *p,
                      const attribute_map *item, attribute_map *ret)
{
    struct choice c = {a, arena_new_array(a, const struct path *, p->n), p->n, 0};
    for (size_t i = 0; i < p->n; i++)
        c.paths[i] = &p->paths[i];
    *ret = (attribute_map){.set = true};
    map_choose(&c, item, ret);
}
