/* Ids, filters and pages, see ec2_query.h. */
#include "ec2_query.h"

#include "page.h"

#define FILTERS_MAX       200
#define FILTER_VALUES_MAX 200
#define PAGE_MIN          5
#define PAGE_MAX          1000

void ec2_value(struct ec2_values *to, const char *text)
{
    if (text && to->n < EC2_VALUES_MAX)
        to->v[to->n++] = text;
}

void ec2_value_bool(struct ec2_values *to, bool value)
{
    ec2_value(to, value ? "true" : "false");
}

void ec2_value_enum(struct ec2_values *to, const struct wire_shape *shape, int value)
{
    ec2_value(to, wire_enum_name(shape, value));
}

/* Goes on behind the last star when a character does not fit: linear in practice, and never
 * worse than the product of both lengths. */
bool ec2_wildcard(const char *pattern, const char *text)
{
    const char *star = NULL, *again = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            again = text;
            continue;
        }
        bool quoted = *pattern == '\\' && pattern[1];
        const char *want = quoted ? pattern + 1 : pattern;
        if (*want && ((!quoted && *want == '?') || *want == *text)) {
            pattern = want + 1;
            text++;
        } else if (star) {
            pattern = star;
            text = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* ---- filters ---- */

static const struct ec2_filter_row *row_of(const struct ec2_query *q, const char *name)
{
    for (const struct ec2_filter_row *r = q->rows; r->name; r++)
        if (streq(r->name, name))
            return r;
    return NULL;
}

static bool is_tag_filter(const char *name)
{
    return str_starts(name, "tag:") || streq(name, "tag-key") || streq(name, "tag-value");
}

int ec2_filters_check(struct call *c, const struct ec2_query *q)
{
    for (size_t i = 0; i < q->filters->n; i++) {
        const struct ec2_filter *f = &q->filters->v[i];
        if (str_empty(f->name) || f->values.n == 0)
            return ec2_fault(c, "InvalidParameterValue",
                             "A filter must have a name and at least one value.");
        if (f->values.n > FILTER_VALUES_MAX)
            return ec2_fault(c, "FilterLimitExceeded",
                             "The maximum number of filter values specified on a single "
                             "call is %d",
                             FILTER_VALUES_MAX);
        if (!row_of(q, f->name) && !(q->tags && is_tag_filter(f->name)))
            return ec2_fault(c, "InvalidParameterValue", "The filter '%s' is invalid",
                             f->name);
    }
    return q->filters->n > FILTERS_MAX
               ? ec2_fault(c, "FilterLimitExceeded", "Too many filters.")
               : 0;
}

static void tag_values(const struct ec2_tag_list *tags, const char *filter,
                       struct ec2_values *to)
{
    const char *key = str_starts(filter, "tag:") ? filter + 4 : NULL;
    bool keys = streq(filter, "tag-key");
    for (size_t i = 0; i < tags->n; i++)
        if (!key || streq(tags->v[i].key, key))
            ec2_value(to,
                      keys ? tags->v[i].key : (tags->v[i].value ? tags->v[i].value : ""));
}

static bool filter_holds(struct call *c, const struct ec2_query *q,
                         const struct ec2_filter *f, const struct object *o)
{
    struct ec2_values have = {.a = &c->arena};
    const struct ec2_filter_row *r = row_of(q, f->name);
    if (r)
        r->values(c->core, o, &have);
    else
        tag_values(q->tags(o), f->name, &have);
    for (size_t i = 0; i < f->values.n; i++)
        for (size_t k = 0; k < have.n; k++)
            if (ec2_wildcard(f->values.v[i], have.v[k]))
                return true;
    return false;
}

bool ec2_filters_hold(struct call *c, const struct ec2_query *q, const struct object *o)
{
    if (q->hidden && q->hidden(o))
        return false;
    for (size_t i = 0; i < q->filters->n; i++)
        if (!filter_holds(c, q, &q->filters->v[i], o))
            return false;
    return true;
}

/* ---- choosing ---- */

static int by_ids(struct call *c, const struct ec2_query *q, struct ec2_found *ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    ret->v = arena_new_array(&c->arena, struct object *, q->ids->n);
    for (size_t i = 0; i < q->ids->n; i++) {
        struct object *o =
            table_find(q->table, ec2_key(&c->arena, q->kind, &s, q->ids->v[i]));
        if (!o || (q->hidden && q->hidden(o)))
            return ec2_fault(c, q->missing_code, q->missing_text, q->ids->v[i]);
        bool twice = false;
        for (size_t k = 0; k < ret->n; k++)
            twice |= ret->v[k] == o;
        if (!twice && ec2_filters_hold(c, q, o))
            ret->v[ret->n++] = o;
    }
    return 0;
}

static int by_walking(struct call *c, const struct ec2_query *q, size_t limit,
                      struct ec2_found *ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, q->kind, &s), *after = prefix;
    size_t room = 0;
    if (q->next_token &&
        (!page_position(&c->arena, q->next_token, &after) || !str_starts(after, prefix)))
        return ec2_fault(c, "InvalidNextToken", "The token '%s' is not valid",
                         q->next_token);
    for (struct object *o; (o = table_next(q->table, prefix, after)); after = o->key) {
        if (!ec2_filters_hold(c, q, o))
            continue;
        if (ret->n == limit) {
            ret->next_token = page_token(&c->arena, ret->v[limit - 1]->key);
            return 0;
        }
        if (ret->n == room) {
            struct object **more =
                arena_new_array(&c->arena, struct object *, room ? room * 2 : 32);
            if (room)
                memcpy(more, ret->v, room * sizeof(struct object *));
            ret->v = more;
            room = room ? room * 2 : 32;
        }
        ret->v[ret->n++] = o;
    }
    return 0;
}

int ec2_select(struct call *c, const struct ec2_query *q, struct ec2_found *ret)
{
    *ret = (struct ec2_found){0};
    if (q->max_results.set && q->ids->n)
        return ec2_fault(c, "InvalidParameterCombination",
                         "The parameter maxResults cannot be used with ids");
    if (q->max_results.set &&
        (q->max_results.v < PAGE_MIN || q->max_results.v > PAGE_MAX))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value ( %d ) for parameter maxResults is invalid. Expecting a "
                         "value between %d and %d.",
                         (int)q->max_results.v, PAGE_MIN, PAGE_MAX);
    if (ec2_filters_check(c, q) < 0)
        return -1;
    if (q->ids->n)
        return by_ids(c, q, ret);
    return by_walking(c, q, q->max_results.set ? (size_t)q->max_results.v : SIZE_MAX,
                      ret);
}
