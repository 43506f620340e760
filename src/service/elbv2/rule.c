/* Rules in memory: their order, whom they forward to, weights. */
#include <stdlib.h>

#include "elbv2_state.h"

static int64_t priority_of(const struct rule *r)
{
    int64_t n = INT64_MAX; /* "default" */
    str_to_i64(r->rec->rule->priority, 1, 50000, &n);
    return n;
}

static int by_priority(const void *a, const void *b)
{
    int64_t x = priority_of(*(struct rule *const *)a),
            y = priority_of(*(struct rule *const *)b);
    return (x > y) - (x < y);
}

void rules_sort(struct listener *l)
{
    size_t n = 0, count = 0;
    list_for_each (it, &l->rules)
        count++;
    struct rule **v = xcalloc(count + 1, sizeof(struct rule *));
    list_for_each_safe (it, &l->rules) {
        v[n++] = list_entry(it, struct rule, link);
        list_remove(it);
    }
    qsort(v, n, sizeof(struct rule *), by_priority);
    for (size_t i = 0; i < n; i++)
        list_append(&l->rules, &v[i]->link);
    free(v);
}

struct rule *listener_default_rule(const struct listener *l)
{
    list_for_each (it, &l->rules) {
        struct rule *r = list_entry(it, struct rule, link);
        if (r->rec->rule->is_default.v)
            return r;
    }
    return NULL;
}

void actions_use(struct core *core, const struct elbv2_action_list *l, int by)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct elbv2_forward_action_config *f = l->v[i].forward_config;
        for (size_t k = 0; f && k < f->target_groups.n; k++) {
            struct target_group *g =
                target_group_find(core, f->target_groups.v[k].target_group_arn);
            if (!g)
                continue;
            g->uses += (uint32_t)by;
            group_changed(core, g);
        }
    }
}

void actions_fill(struct arena *a, struct elbv2_action_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct elbv2_action *x = &l->v[i];
        if (x->type != ELBV2_ACTION_TYPE_ENUM_FORWARD)
            continue;
        if (!x->forward_config) {
            x->forward_config = arena_new(a, struct elbv2_forward_action_config);
            struct elbv2_target_group_tuple *t =
                LIST_PUSH(a, &x->forward_config->target_groups);
            t->target_group_arn = x->target_group_arn;
        }
        struct elbv2_forward_action_config *f = x->forward_config;
        for (size_t k = 0; k < f->target_groups.n; k++)
            if (!f->target_groups.v[k].weight.set)
                f->target_groups.v[k].weight = SET_INT(1);
        if (!f->target_group_stickiness_config) {
            f->target_group_stickiness_config =
                arena_new(a, struct elbv2_target_group_stickiness_config);
            f->target_group_stickiness_config->enabled = SET_BOOL(false);
        }
        x->target_group_arn =
            f->target_groups.n == 1 ? f->target_groups.v[0].target_group_arn : NULL;
    }
}

/* ---- weights, for ecs ---- */

static struct rule *rule_or_default(struct core *core, const char *arn)
{
    struct rule *r = rule_find(core, arn);
    struct listener *l = r ? NULL : listener_find(core, arn);
    return l ? listener_default_rule(l) : r;
}

static struct elbv2_target_group_tuple *tuple_of(struct elbv2_forward_action_config *f,
                                                 const char *group)
{
    for (size_t i = 0; i < f->target_groups.n; i++)
        if (streq(f->target_groups.v[i].target_group_arn, group))
            return &f->target_groups.v[i];
    return NULL;
}

static struct elbv2_forward_action_config *forward_of(struct elbv2_action_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].type == ELBV2_ACTION_TYPE_ENUM_FORWARD)
            return l->v[i].forward_config;
    return NULL;
}

/* Hundredths of a percent are finer than ECS's steps; a weight goes to 999. */
static int32_t weight_of(double percent)
{
    return (int32_t)(percent * 9.99 + 0.5);
}

/* The listener shows the actions of its default rule as its own. */
static void show_default(struct core *core, struct listener *l,
                         const struct elbv2_rule *r)
{
    struct elbv2_rule *copy = wire_copy(&l->o.arena, &elbv2_rule_shape, r);
    l->rec->listener->default_actions = copy->actions;
    object_save(core, &l->o);
}

int elbv2_shift(struct core *core, const char *rule_arn, const char *blue,
                const char *green, double percent, struct error *err)
{
    struct rule *r = rule_or_default(core, rule_arn);
    if (!r)
        return fail(err, E_NOTFOUND, "the listener rule does not exist");
    struct elbv2_rule *rec = r->rec->rule;
    struct elbv2_forward_action_config *f = forward_of(&rec->actions);
    if (!f || (!tuple_of(f, blue) && !tuple_of(f, green)))
        return fail(err, E_INVALID,
                    "the listener rule does not forward to the service's target groups");
    const char *const both[] = {blue, green};
    const int32_t weights[] = {percent >= 100 ? 0 : 999 - weight_of(percent),
                               percent <= 0 ? 0 : weight_of(percent)};
    bool same = true;
    for (int i = 0; i < 2; i++)
        same &= tuple_of(f, both[i]) && tuple_of(f, both[i])->weight.v == weights[i];
    if (same)
        return 0;
    actions_use(core, &rec->actions, -1);
    for (int i = 0; i < 2; i++) {
        struct elbv2_target_group_tuple *t = tuple_of(f, both[i]);
        if (!t) {
            t = LIST_PUSH(&r->o.arena, &f->target_groups);
            t->target_group_arn = arena_strdup(&r->o.arena, both[i]);
        }
        t->weight = SET_INT(weights[i]);
    }
    actions_fill(&r->o.arena, &rec->actions);
    actions_use(core, &rec->actions, +1);
    struct listener *l = r->listener;
    if (rec->is_default.v)
        show_default(core, l, rec);
    object_save(core, &r->o);
    balancer_changed(core, l->balancer);
    return 0;
}
