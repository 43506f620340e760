/* DescribeSecurityGroupRules. Rules are no objects of their own: pages go through groups in
 * the order of their keys, and in each through its rules in the order of their ids. */
#include <stdlib.h>

#include "ec2_query.h"
#include "page.h"
#include "security_rule.h"

#define PAGE_MIN 5
#define PAGE_MAX 1000

static bool value_fits(const struct ec2_filter *f, const char *value)
{
    for (size_t i = 0; value && i < f->values.n; i++)
        if (ec2_wildcard(f->values.v[i], value))
            return true;
    return false;
}

static bool tags_fit(const struct ec2_filter *f, const struct ec2_tag_list *tags)
{
    const char *key = str_starts(f->name, "tag:") ? f->name + 4 : NULL;
    bool keys = streq(f->name, "tag-key");
    for (size_t i = 0; i < tags->n; i++)
        if ((!key || streq(key, tags->v[i].key)) &&
            value_fits(f, keys ? tags->v[i].key : tags->v[i].value))
            return true;
    return false;
}

static bool filter_fits(const struct ec2_filter *f,
                        const struct ec2_security_group_rule *r)
{
    if (streq(f->name, "group-id"))
        return value_fits(f, r->group_id);
    if (streq(f->name, "security-group-rule-id"))
        return value_fits(f, r->security_group_rule_id);
    return tags_fit(f, &r->tags);
}

static int filters_check(struct call *c, const struct ec2_filter_list *filters)
{
    for (size_t i = 0; i < filters->n; i++) {
        const char *name = filters->v[i].name;
        if (str_empty(name) || filters->v[i].values.n == 0)
            return ec2_fault(c, "InvalidParameterValue",
                             "A filter must have a name and at least one value.");
        if (!streq(name, "group-id") && !streq(name, "security-group-rule-id") &&
            !str_starts(name, "tag:") && !streq(name, "tag-key") &&
            !streq(name, "tag-value"))
            return ec2_fault(c, "InvalidParameterValue", "The filter '%s' is invalid",
                             name);
    }
    return 0;
}

static bool fits(const struct ec2_filter_list *filters,
                 const struct ec2_security_group_rule *r)
{
    for (size_t i = 0; i < filters->n; i++)
        if (!filter_fits(&filters->v[i], r))
            return false;
    return true;
}

static int by_ids(struct call *c,
                  const struct ec2_describe_security_group_rules_request *in,
                  struct ec2_security_group_rule_list *ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    for (size_t i = 0; i < in->security_group_rule_ids.n; i++) {
        const char *id = in->security_group_rule_ids.v[i];
        const struct security_group *g = security_rule_group(c->core, &s, id);
        if (!g)
            return ec2_fault(c, "InvalidSecurityGroupRuleId.NotFound",
                             "The security group rule ID '%s' does not exist", id);
        const struct ec2_security_group_rule *r = security_rule_find(g, id);
        if (fits(&in->filters, r))
            *LIST_PUSH(&c->arena, ret) = *r;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct ec2_security_group_rule *)a)->security_group_rule_id,
                  ((const struct ec2_security_group_rule *)b)->security_group_rule_id);
}

struct walk {
    const struct ec2_describe_security_group_rules_request *in;
    const char *after_rule; /* of the group in which the last page ended; NULL: none */
    size_t limit;
    const char *last_group;
    bool more;
};

static void of_group(struct call *c, struct walk *w, const struct security_group *g,
                     struct ec2_security_group_rule_list *ret)
{
    size_t n = g->rec->rules.n;
    struct ec2_security_group_rule *all =
        arena_copy(&c->arena, g->rec->rules.v, n * sizeof(*all));
    if (n)
        qsort(all, n, sizeof(*all), by_id);
    for (size_t i = 0; i < n && !w->more; i++) {
        if ((w->after_rule &&
             strcmp(all[i].security_group_rule_id, w->after_rule) <= 0) ||
            !fits(&w->in->filters, &all[i]))
            continue;
        if (ret->n == w->limit) {
            w->more = true;
        } else {
            *LIST_PUSH(&c->arena, ret) = all[i];
            w->last_group = security_group_id(g);
        }
    }
}

/* Terraform asks for the rules of one group: found, not searched. */
static const char *only_group(const struct ec2_filter_list *filters)
{
    for (size_t i = 0; i < filters->n; i++)
        if (streq(filters->v[i].name, "group-id") && filters->v[i].values.n == 1 &&
            !strpbrk(filters->v[i].values.v[0], "*?\\"))
            return filters->v[i].values.v[0];
    return NULL;
}

static void by_walking(struct call *c, struct walk *w, const char *from_group,
                       struct ec2_security_group_rule_list *ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct table *table = ec2_of(c->core)->groups;
    const char *prefix = ec2_prefix(&c->arena, "security-group", &s), *after = prefix;
    const char *only = only_group(&w->in->filters);
    const struct security_group *g = from_group
                                         ? security_group_find(c->core, &s, from_group)
                                     : only ? security_group_find(c->core, &s, only)
                                            : NULL;
    if (g)
        of_group(c, w, g, ret);
    if (only)
        return;
    w->after_rule = NULL;
    if (from_group)
        after = ec2_key(&c->arena, "security-group", &s, from_group);
    for (; !w->more && (g = table_next(table, prefix, after)); after = g->o.key)
        of_group(c, w, g, ret);
}

static int read_token(struct call *c, const char *token, struct walk *w,
                      const char **ret_group)
{
    const char *position, *colon;
    if (!token)
        return 0;
    if (!page_position(&c->arena, token, &position) || !(colon = strchr(position, ':')))
        return ec2_fault(c, "InvalidNextToken", "The token '%s' is not valid", token);
    *ret_group = arena_strndup(&c->arena, position, (size_t)(colon - position));
    w->after_rule = colon + 1;
    return 0;
}

int ec2_describe_security_group_rules(
    struct call *c, const struct ec2_describe_security_group_rules_request *in,
    struct ec2_describe_security_group_rules_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct walk w = {.in = in, .limit = SIZE_MAX};
    const char *group = NULL;
    ec2_account_ensure(c->core, &s);
    out->security_group_rules.set = true;
    if (in->max_results.set)
        w.limit = (size_t)in->max_results.v;
    if (in->max_results.set &&
        (in->max_results.v < PAGE_MIN || in->max_results.v > PAGE_MAX))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value ( %d ) for parameter maxResults is invalid. Expecting a "
                         "value between %d and %d.",
                         (int)in->max_results.v, PAGE_MIN, PAGE_MAX);
    if (filters_check(c, &in->filters) < 0 ||
        read_token(c, in->next_token, &w, &group) < 0)
        return -1;
    if (in->security_group_rule_ids.n) {
        if (by_ids(c, in, &out->security_group_rules) < 0)
            return -1;
    } else {
        by_walking(c, &w, group, &out->security_group_rules);
    }
    const struct ec2_security_group_rule_list *l = &out->security_group_rules;
    if (w.more)
        out->next_token =
            page_token(&c->arena, call_printf(c, "%s:%s", w.last_group,
                                              l->v[l->n - 1].security_group_rule_id));
    return ec2_dry_run(c, in->dry_run);
}
