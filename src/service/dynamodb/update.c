/* An update is applied in three steps: every clause's value is worked out from the item as it
 * was; the item's maps and lists are copied; the values are put in. In lists places are those
 * of before to the end: what is removed leaves a hole, what goes behind the end waits. */
#include "update.h"

#include <stdlib.h>

#include "number.h"
#include "update_tree.h"

#define WRONG_TYPE  "An operand in the update expression has an incorrect data type"
#define LEGACY_TYPE "Type mismatch for attribute to update"
#define NO_SUCH                                                                          \
    "The provided expression refers to an attribute that does not exist in the item"
#define BAD_PATH                                                                         \
    "The document path provided in the update expression is invalid for update"
#define TOO_LARGE "Item size to update has exceeded the maximum allowed size"
#define TOO_DEEP                                                                         \
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested " \
    "levels beyond supported limit"

struct outcome {
    attribute_value value; /* absent: the attribute goes */
    bool nothing;          /* this clause changes nothing */
};

struct work {
    struct arena *arena;
    const attribute_map *old;
    const char *mismatch; /* how a wrong type is told */
    size_t size;          /* of all values worked out so far */
    struct error *err;
};

/* ---- values ---- */

static int value_of(struct work *w, const struct operand *o, attribute_value *ret);

/* What is put in is part of the item, so it is bounded as the item is, and told early. */
static int size_add(struct work *w, const attribute_value *v)
{
    w->size += attribute_size(v);
    return w->size > ITEM_SIZE_MAX ? fail(w->err, E_INVALID, TOO_LARGE) : 0;
}

static int path_value(struct work *w, const struct path *p, attribute_value *ret)
{
    const attribute_value *v = path_get(p, w->old);
    if (!v)
        return fail(w->err, E_INVALID, NO_SUCH);
    *ret = *v;
    return 0;
}

static int default_value(struct work *w, const struct operand *o, attribute_value *ret)
{
    const attribute_value *v = path_get(&o->args[0].path, w->old);
    if (!v)
        return value_of(w, &o->args[1], ret);
    *ret = *v;
    return 0;
}

static bool is_append(const struct operand *o)
{
    return o->kind == OPERAND_FUNCTION && streq(o->name, "list_append");
}

/* All lists of nested list_append() go into one, so that none is copied twice. */
static int append(struct work *w, const struct operand *o, size_t *size,
                  struct dynamodb_attribute_value_list *ret)
{
    if (is_append(o)) {
        int r = append(w, &o->args[0], size, ret);
        return r < 0 ? r : append(w, &o->args[1], size, ret);
    }
    attribute_value part = {0};
    int r = value_of(w, o, &part);
    if (r < 0)
        return r;
    if (!part.l.set)
        return fail(w->err, E_INVALID, "%s", w->mismatch);
    *size += attribute_size(&part);
    if (*size > ITEM_SIZE_MAX)
        return fail(w->err, E_INVALID, TOO_LARGE);
    for (size_t i = 0; i < part.l.n; i++)
        *LIST_PUSH(w->arena, ret) = part.l.v[i];
    return 0;
}

static int append_value(struct work *w, const struct operand *o, attribute_value *ret)
{
    size_t size = 0;
    *ret = (attribute_value){.l.set = true};
    return append(w, o, &size, &ret->l);
}

static int number_combine(struct work *w, const char *a, const char *b, bool minus,
                          attribute_value *ret)
{
    struct decimal x, y, sum;
    int r = number_parse(a, &x, w->err);
    if (r == 0)
        r = number_parse(b, &y, w->err);
    if (r == 0)
        r = minus ? number_subtract(&x, &y, &sum, w->err)
                  : number_add(&x, &y, &sum, w->err);
    if (r == 0)
        *ret = (attribute_value){.n = number_text(w->arena, &sum)};
    return r;
}

static int sum_value(struct work *w, const struct operand *o, attribute_value *ret)
{
    attribute_value a = {0}, b = {0};
    int r = value_of(w, &o->args[0], &a);
    if (r == 0)
        r = value_of(w, &o->args[1], &b);
    if (r < 0)
        return r;
    if (!a.n || !b.n)
        return fail(w->err, E_INVALID, "%s", w->mismatch);
    return number_combine(w, a.n, b.n, *o->name == '-', ret);
}

static int value_of(struct work *w, const struct operand *o, attribute_value *ret)
{
    if (o->kind == OPERAND_PATH)
        return path_value(w, &o->path, ret);
    if (o->kind == OPERAND_VALUE) {
        *ret = *o->value;
        return 0;
    }
    if (is_append(o))
        return append_value(w, o, ret);
    return streq(o->name, "if_not_exists") ? default_value(w, o, ret)
                                           : sum_value(w, o, ret);
}

static int add_value(struct work *w, const attribute_value *old,
                     const attribute_value *more, attribute_value *ret)
{
    if (!old) {
        *ret = *more;
        return 0;
    }
    if (attribute_type(old) != attribute_type(more))
        return fail(w->err, E_INVALID, "%s", w->mismatch);
    if (old->n)
        return number_combine(w, old->n, more->n, false, ret);
    attribute_set_add(w->arena, old, more, ret);
    return 0;
}

static int delete_value(struct work *w, const attribute_value *old,
                        const attribute_value *less, struct outcome *ret)
{
    if (!old) {
        ret->nothing = true;
        return 0;
    }
    if (attribute_type(old) != attribute_type(less))
        return fail(w->err, E_INVALID, "%s", w->mismatch);
    attribute_set_remove(w->arena, old, less, &ret->value);
    return 0;
}

static int clause_work(struct work *w, const struct update_clause *c,
                       const struct path *p, struct outcome *ret)
{
    int r = 0;
    if (c->action == UPDATE_SET)
        r = value_of(w, &c->value, &ret->value);
    else if (c->action == UPDATE_ADD)
        r = add_value(w, path_get(p, w->old), c->value.value, &ret->value);
    else if (c->action == UPDATE_DELETE)
        r = delete_value(w, path_get(p, w->old), c->value.value, ret);
    return r < 0 ? r : size_add(w, &ret->value);
}

/* ---- the new item ---- */

/* Maps and lists anew, for changing them; all else is shared. */
static void containers_copy(struct arena *a, attribute_value *v);

static void map_copy(struct arena *a, attribute_map *m)
{
    const attribute_map old = *m;
    *m = (attribute_map){.set = old.set};
    for (size_t i = 0; i < old.n; i++) {
        struct dynamodb_attribute_value_map_entry *e = LIST_PUSH(a, m);
        *e = old.v[i];
        containers_copy(a, &e->value);
    }
}

static void containers_copy(struct arena *a, attribute_value *v)
{
    if (v->m.set)
        map_copy(a, &v->m);
    if (!v->l.set)
        return;
    const struct dynamodb_attribute_value_list old = v->l;
    v->l = (struct dynamodb_attribute_value_list){.set = true};
    for (size_t i = 0; i < old.n; i++) {
        attribute_value *one = LIST_PUSH(a, &v->l);
        *one = old.v[i];
        containers_copy(a, one);
    }
}

/* An element for a list's end; several come in the order of the places that they asked for. */
struct pending {
    const struct path *path;
    const attribute_value *value;
};

struct change {
    struct arena *arena;
    attribute_map *item;
    struct pending *pending;
    size_t pending_count;
    struct error *err;
};

static int map_change(struct change *c, attribute_map *m, const char *name,
                      const attribute_value *v)
{
    if (attribute_type(v) == ATTRIBUTE_ABSENT)
        item_remove(m, name);
    else
        item_set(c->arena, m, name, v);
    return 0;
}

static int list_change(struct change *c, const struct path *p,
                       struct dynamodb_attribute_value_list *l, const attribute_value *v)
{
    uint32_t index = p->steps[p->n - 1].index;
    if (index < l->n)
        l->v[index] = *v; /* nothing there: a hole, which closes at the end */
    else if (attribute_type(v) != ATTRIBUTE_ABSENT)
        c->pending[c->pending_count++] = (struct pending){p, v};
    return 0;
}

static int change(struct change *c, const struct path *p, const struct outcome *o)
{
    const char *name = p->steps[p->n - 1].name;
    if (p->n == 1)
        return map_change(c, c->item, name, &o->value);
    attribute_value *parent = path_get_part(p, p->n - 1, c->item);
    if (!parent || !(name ? parent->m.set : parent->l.set))
        return fail(c->err, E_INVALID, BAD_PATH);
    if (o->nothing)
        return 0;
    return name ? map_change(c, &parent->m, name, &o->value)
                : list_change(c, p, &parent->l, &o->value);
}

static int pending_order(const void *a, const void *b)
{
    const struct path *x = ((const struct pending *)a)->path;
    const struct path *y = ((const struct pending *)b)->path;
    uint32_t i = x->steps[x->n - 1].index, k = y->steps[y->n - 1].index;
    return (i > k) - (i < k);
}

static void pending_append(struct change *c)
{
    qsort(c->pending, c->pending_count, sizeof(*c->pending), pending_order);
    for (size_t i = 0; i < c->pending_count; i++) {
        const struct path *p = c->pending[i].path;
        attribute_value *parent = path_get_part(p, p->n - 1, c->item);
        *LIST_PUSH(c->arena, &parent->l) = *c->pending[i].value;
    }
}

static void holes_close(attribute_value *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->m.n; i++)
        holes_close(&v->m.v[i].value);
    for (size_t i = 0; i < v->l.n; i++) {
        if (attribute_type(&v->l.v[i]) == ATTRIBUTE_ABSENT)
            continue;
        holes_close(&v->l.v[i]);
        if (n != i)
            v->l.v[n] = v->l.v[i];
        n++;
    }
    if (n < v->l.n)
        v->l.n = n;
}

static int item_check(const attribute_map *item, struct error *err)
{
    for (size_t i = 0; i < item->n; i++)
        if (attribute_depth(&item->v[i].value) > ATTRIBUTE_DEPTH_MAX)
            return fail(err, E_INVALID, TOO_DEEP);
    if (item_size(item) > ITEM_SIZE_MAX)
        return fail(err, E_INVALID, TOO_LARGE);
    return 0;
}

static int outcomes_put(struct change *c, const struct update *u,
                        const struct outcome *outcomes)
{
    int r = 0;
    for (size_t i = 0; i < u->paths.n && r == 0; i++)
        r = change(c, &u->paths.paths[i], &outcomes[i]);
    if (r < 0)
        return r;
    pending_append(c);
    for (size_t i = 0; i < c->item->n; i++)
        holes_close(&c->item->v[i].value);
    return item_check(c->item, c->err);
}

int update_apply(struct arena *a, const struct update *u, const attribute_map *item,
                 attribute_map *ret, struct error *err)
{
    struct work w = {.arena = a,
                     .old = item,
                     .mismatch = u->legacy ? LEGACY_TYPE : WRONG_TYPE,
                     .err = err};
    struct outcome *outcomes = arena_new_array(a, struct outcome, u->paths.n);
    for (size_t i = 0; i < u->paths.n; i++) {
        int r = clause_work(&w, &u->clauses[i], &u->paths.paths[i], &outcomes[i]);
        if (r < 0)
            return r;
    }
    attribute_map changed = *item;
    changed.set = true;
    map_copy(a, &changed);
    struct change c = {.arena = a,
                       .item = &changed,
                       .pending = arena_new_array(a, struct pending, u->paths.n),
                       .err = err};
    int r = outcomes_put(&c, u, outcomes);
    if (r == 0)
        *ret = changed;
    return r;
}

bool update_creates(const struct update *u)
{
    bool creates = !u->legacy || u->paths.n == 0;
    for (size_t i = 0; i < u->paths.n && !creates; i++)
        creates =
            u->clauses[i].action == UPDATE_SET || u->clauses[i].action == UPDATE_ADD;
    return creates;
}

int update_check_key(const struct update *u, const char *key, struct error *err)
{
    for (size_t i = 0; i < u->paths.n; i++)
        if (streq(u->paths.paths[i].steps[0].name, key))
            return fail(
                err, E_INVALID,
                "One or more parameter values were invalid: Cannot update attribute "
                "%s. This attribute is part of the key",
                key);
    return 0;
}

const struct projection *update_paths(const struct update *u)
{
    return &u->paths;
}
