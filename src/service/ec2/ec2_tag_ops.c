/* CreateTags, DeleteTags, DescribeTags: over all resources of EC2. */
#include <stdlib.h>

#include "ec2_instance.h"
#include "ec2_query.h"
#include "ec2_taggable.h"
#include "ec2_tags.h"
#include "page.h"
#include "security_group.h"

#define RESOURCES_MAX 1000
#define PAGE_MIN      5
#define PAGE_MAX      1000

static int resources_check(struct call *c, const struct string_list *ids)
{
    struct taggable x;
    if (ids->n == 0)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter resourceIdSet");
    if (ids->n > RESOURCES_MAX)
        return ec2_fault(c, "InvalidParameterValue", "At most %d resources in a call",
                         RESOURCES_MAX);
    for (size_t i = 0; i < ids->n; i++)
        if (taggable_require(c, ids->v[i], &x) < 0)
            return -1;
    return 0;
}

static bool has_key(const struct ec2_tag_list *tags, const char *key)
{
    for (size_t i = 0; i < tags->n; i++)
        if (streq(tags->v[i].key, key))
            return true;
    return false;
}

static int room_check(struct call *c, const char *id, const struct ec2_tag_list *more)
{
    struct taggable x;
    if (!taggable_find(c, id, &x))
        return 0;
    size_t n = x.tags->n;
    for (size_t i = 0; i < more->n; i++)
        n += !has_key(x.tags, more->v[i].key);
    return n <= EC2_TAGS_MAX
               ? 0
               : ec2_fault(c, "TagLimitExceeded",
                           "You have reached the maximum number of tags for '%s'.", id);
}

/* An instance may show its tags in its metadata. */
static void save(struct core *core, const struct taggable *x)
{
    object_save(core, x->object);
    if (x->type == EC2_RESOURCE_TYPE_INSTANCE)
        instance_tell_edge(core, (const struct ec2_instance_object *)x->object);
}

int ec2_create_tags(struct call *c, const struct ec2_create_tags_request *in, void *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct taggable x;
    ec2_account_ensure(c->core, &s);
    if (in->tags.n == 0)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter tagSet");
    if (ec2_tags_check(c, &in->tags) < 0 || resources_check(c, &in->resources) < 0)
        return -1;
    for (size_t i = 0; i < in->resources.n; i++)
        if (room_check(c, in->resources.v[i], &in->tags) < 0)
            return -1;
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < in->resources.n; i++)
        if (taggable_find(c, in->resources.v[i], &x)) {
            ec2_tags_merge(&x.object->arena, x.tags, &in->tags);
            save(c->core, &x);
        }
    return 0;
}

/* Without tags: all. A tag with a value goes only if it has that value. */
static void remove_tags(struct ec2_tag_list *from, const struct ec2_tag_list *which)
{
    size_t kept = 0;
    for (size_t i = 0; i < from->n; i++) {
        bool gone = which->n == 0;
        for (size_t k = 0; k < which->n && !gone; k++)
            gone = streq(which->v[k].key, from->v[i].key) &&
                   (!which->v[k].value ||
                    streq(which->v[k].value, from->v[i].value ? from->v[i].value : ""));
        if (!gone)
            from->v[kept++] = from->v[i];
    }
    from->n = kept;
}

int ec2_delete_tags(struct call *c, const struct ec2_delete_tags_request *in, void *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct taggable x;
    ec2_account_ensure(c->core, &s);
    if (ec2_tags_check(c, &in->tags) < 0 || resources_check(c, &in->resources) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < in->resources.n; i++)
        if (taggable_find(c, in->resources.v[i], &x)) {
            remove_tags(x.tags, &in->tags);
            save(c->core, &x);
        }
    return 0;
}

/* ---- DescribeTags ---- */

/* Where a listing is: a kind, an object of it, and how many of its tags were told. */
struct listing {
    struct call *c;
    const struct ec2_filter_list *filters;
    struct ec2_describe_tags_result *out;
    size_t limit;
    size_t kind, skip;
    const char *after; /* key of the last object that was told of to its end */
    const char *at;    /* key of the object in which the last page ended */
    bool full;
};

static bool one_of(const struct ec2_filter *f, const char *value)
{
    for (size_t i = 0; i < f->values.n; i++)
        if (ec2_wildcard(f->values.v[i], value))
            return true;
    return false;
}

static bool fits(const struct ec2_filter_list *filters,
                 const struct ec2_tag_description *t)
{
    for (size_t i = 0; i < filters->n; i++) {
        const struct ec2_filter *f = &filters->v[i];
        bool holds = streq(f->name, "key")           ? one_of(f, t->key)
                     : streq(f->name, "value")       ? one_of(f, t->value)
                     : streq(f->name, "resource-id") ? one_of(f, t->resource_id)
                     : streq(f->name, "resource-type")
                         ? one_of(f, wire_enum_name(&ec2_resource_type_shape,
                                                    (int)t->resource_type))
                         : streq(f->name + 4, t->key) && one_of(f, t->value);
        if (!holds)
            return false;
    }
    return true;
}

static int filters_check(struct call *c, const struct ec2_filter_list *filters)
{
    static const char *const known[] = {"key", "value", "resource-id", "resource-type"};
    for (size_t i = 0; i < filters->n; i++) {
        const char *name = filters->v[i].name;
        if (str_empty(name) || filters->v[i].values.n == 0)
            return ec2_fault(c, "InvalidParameterValue",
                             "A filter must have a name and at least one value.");
        bool ok = str_starts(name, "tag:");
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            ok |= streq(name, known[k]);
        if (!ok)
            return ec2_fault(c, "InvalidParameterValue", "The filter '%s' is invalid",
                             name);
    }
    return 0;
}

static void tell(struct listing *l, const struct taggable *x, size_t *n)
{
    for (size_t i = 0; i < x->tags->n && !l->full; i++) {
        struct ec2_tag_description t = {
            .key = x->tags->v[i].key,
            .value = x->tags->v[i].value ? x->tags->v[i].value : "",
            .resource_id = x->id,
            .resource_type = x->type,
        };
        if (!fits(l->filters, &t))
            continue;
        if (l->skip) {
            l->skip--;
            (*n)++;
            continue;
        }
        if (l->out->tags.n == l->limit) {
            l->full = true;
            return;
        }
        *LIST_PUSH(&l->c->arena, &l->out->tags) = t;
        (*n)++;
    }
}

static void tell_object(struct listing *l, const struct taggable_kind *k,
                        struct object *o)
{
    struct taggable x = {o, k->tags(o), taggable_id(k, o), k->type};
    size_t n = 0;
    tell(l, &x, &n);
    if (k->type == EC2_RESOURCE_TYPE_SECURITY_GROUP) {
        struct ec2_security_group_rule_list *rules =
            &((struct security_group *)o)->rec->rules;
        for (size_t i = 0; i < rules->n; i++) {
            x = (struct taggable){o, &rules->v[i].tags,
                                  rules->v[i].security_group_rule_id,
                                  EC2_RESOURCE_TYPE_SECURITY_GROUP_RULE};
            tell(l, &x, &n);
        }
    }
    if (l->full) {
        l->at = o->key;
        l->skip = n;
    }
}

static void walk(struct listing *l)
{
    struct ec2_scope s = ec2_scope_of(l->c);
    for (; taggable_kinds[l->kind].prefix && !l->full; l->kind++) {
        const struct taggable_kind *k = &taggable_kinds[l->kind];
        const char *prefix = ec2_prefix(&l->c->arena, k->key_kind, &s);
        struct table *table = taggable_table(l->c->core, k);
        struct object *o = l->at ? table_find(table, l->at) : NULL;
        const char *after = l->at ? l->at : prefix;
        if (!o)
            l->skip = 0; /* it went meanwhile */
        l->at = NULL;
        if (o)
            tell_object(l, k, o);
        while (!l->full && (o = table_next(table, prefix, after))) {
            after = o->key;
            l->skip = 0;
            tell_object(l, k, o);
        }
        if (l->full)
            return;
        l->skip = 0;
    }
}

/* Terraform asks for the tags of one resource: found, not searched. */
static const struct ec2_filter *ids_filter(const struct ec2_filter_list *filters)
{
    for (size_t i = 0; i < filters->n; i++) {
        bool plain = streq(filters->v[i].name, "resource-id");
        for (size_t k = 0; plain && k < filters->v[i].values.n; k++)
            plain = !strpbrk(filters->v[i].values.v[k], "*?\\");
        if (plain)
            return &filters->v[i];
    }
    return NULL;
}

/* "<kind> <told> <key>" */
static int read_token(struct call *c, const char *token, struct listing *l)
{
    const char *position;
    char *end = NULL;
    if (!token)
        return 0;
    if (page_position(&c->arena, token, &position)) {
        l->kind = strtoul(position, &end, 10);
        l->skip = end && *end == ' ' ? strtoul(end + 1, &end, 10) : 0;
    }
    size_t kinds = 0;
    while (taggable_kinds[kinds].prefix)
        kinds++;
    if (!end || *end != ' ' || l->kind >= kinds)
        return ec2_fault(c, "InvalidNextToken", "The token '%s' is not valid", token);
    l->at = end + 1;
    struct ec2_scope s = ec2_scope_of(c);
    return str_starts(l->at, ec2_prefix(&c->arena, taggable_kinds[l->kind].key_kind, &s))
               ? 0
               : ec2_fault(c, "InvalidNextToken", "The token '%s' is not valid", token);
}

int ec2_describe_tags(struct call *c, const struct ec2_describe_tags_request *in,
                      struct ec2_describe_tags_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct listing l = {.c = c, .filters = &in->filters, .out = out, .limit = PAGE_MAX};
    const struct ec2_filter *ids = ids_filter(&in->filters);
    ec2_account_ensure(c->core, &s);
    out->tags.set = true;
    if (in->max_results.set &&
        (in->max_results.v < PAGE_MIN || in->max_results.v > PAGE_MAX))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value ( %d ) for parameter maxResults is invalid. Expecting a "
                         "value between %d and %d.",
                         (int)in->max_results.v, PAGE_MIN, PAGE_MAX);
    if (in->max_results.set)
        l.limit = (size_t)in->max_results.v;
    if (filters_check(c, &in->filters) < 0 || read_token(c, in->next_token, &l) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    if (ids && !in->next_token && ids->values.n * EC2_TAGS_MAX <= l.limit) {
        for (size_t i = 0, n = 0; i < ids->values.n; i++) {
            struct taggable x;
            if (taggable_find(c, ids->values.v[i], &x))
                tell(&l, &x, &n);
        }
        return 0;
    }
    walk(&l);
    if (l.full)
        out->next_token =
            page_token(&c->arena, call_printf(c, "%zu %zu %s", l.kind, l.skip, l.at));
    return 0;
}
