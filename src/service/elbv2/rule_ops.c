/* CreateRule, DescribeRules, ModifyRule, DeleteRule, SetRulePriorities. */
#include <string.h>

#include "elb_page.h"
#include "elb_tags.h"
#include "target_group_ops.h"

#define RULES_MAX 100

static size_t rule_count(const struct balancer *b)
{
    size_t n = 0;
    list_for_each (it, &b->listeners) {
        list_for_each (at, &list_entry(it, struct listener, link)->rules)
            n++;
    }
    return n;
}

static struct rule *at_priority(const struct listener *l, int32_t priority)
{
    list_for_each (it, &l->rules) {
        struct rule *r = list_entry(it, struct rule, link);
        int64_t n;
        if (str_to_i64(r->rec->rule->priority, 1, 50000, &n) && n == priority)
            return r;
    }
    return NULL;
}

/* Echoes Values beside the configuration of the two fields that had it first. */
static void conditions_fill(struct arena *a, struct elbv2_rule_condition_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct elbv2_rule_condition *x = &l->v[i];
        if (streq(x->field, "host-header")) {
            if (!x->host_header_config) {
                x->host_header_config =
                    arena_new(a, struct elbv2_host_header_condition_config);
                x->host_header_config->values = x->values;
            }
            x->values = x->host_header_config->values;
        } else if (streq(x->field, "path-pattern")) {
            if (!x->path_pattern_config) {
                x->path_pattern_config =
                    arena_new(a, struct elbv2_path_pattern_condition_config);
                x->path_pattern_config->values = x->values;
            }
            x->values = x->path_pattern_config->values;
        }
    }
}

/* ---- CreateRule ---- */

int elbv2_create_rule(struct call *c, const struct elbv2_create_rule_input *in,
                      struct elbv2_create_rule_output *out)
{
    char hex[17];
    struct ec2_scope s = elb_scope(c);
    struct listener *l = listener_require(c, in->listener_arn);
    struct elbv2_rule want = {.conditions = in->conditions, .actions = in->actions};
    if (!l || elb_tags_check(c, &in->tags) < 0)
        return -1;
    if (l->balancer->rec->load_balancer->type == ELBV2_LOAD_BALANCER_TYPE_ENUM_NETWORK)
        return call_fault(c, &elbv2_invalid_configuration_request_exception,
                          "Rules are only for listeners of Application Load Balancers");
    if (in->transforms.n)
        return elb_invalid(c, "Transforms are not offered by this gantry.");
    if (!in->priority.set || in->priority.v < 1 || in->priority.v > 50000)
        return elb_invalid(c, "A priority between 1 and 50000 must be specified");
    if (conditions_check(c, &in->conditions) < 0 ||
        actions_check(c, l->balancer, l->rec->listener->protocol, &want.actions) < 0)
        return -1;
    if (at_priority(l, in->priority.v))
        return call_fault(c, &elbv2_priority_in_use_exception,
                          "Priority '%d' is currently in use", (int)in->priority.v);
    if (rule_count(l->balancer) >= RULES_MAX)
        return call_fault(c, &elbv2_too_many_rules_exception,
                          "A load balancer can have at most %d rules", RULES_MAX);
    core_random_hex(c->core, hex, 16);
    const char *own = object_name(&l->o) + strlen(s.account) + strlen(s.region) + 2;
    const char *tail = call_printf(c, "%s/%s", own, hex);
    struct rule *r = object_new(c->core, elbv2_of(c->core)->rules,
                                elb_key(&c->arena, "rule", &s, tail));
    want.rule_arn = elb_arn(&c->arena, &s, "listener-rule/%s", tail);
    want.priority = call_printf(c, "%d", (int)in->priority.v);
    want.is_default = SET_BOOL(false);
    conditions_fill(&c->arena, &want.conditions);
    r->rec->rule = wire_copy(&r->o.arena, &elbv2_rule_shape, &want);
    elb_tags_merge(&r->o.arena, &r->rec->tags, &in->tags);
    r->listener = l;
    list_init(&r->link);
    list_append(&l->rules, &r->link);
    rules_sort(l);
    actions_use(c->core, &r->rec->rule->actions, +1);
    object_save(c->core, &r->o);
    balancer_changed(c->core, l->balancer);
    *LIST_PUSH(&c->arena, &out->rules) = *r->rec->rule;
    return 0;
}

/* ---- DescribeRules ---- */

int elbv2_describe_rules(struct call *c, const struct elbv2_describe_rules_input *in,
                         struct elbv2_describe_rules_output *out)
{
    out->rules.set = true;
    if (in->listener_arn && in->rule_arns.n)
        return elb_invalid(c, "You can specify a listener ARN or rule ARNs, not both");
    for (size_t i = 0; i < in->rule_arns.n; i++) {
        const struct rule *r = rule_require(c, in->rule_arns.v[i]);
        if (!r)
            return -1;
        *LIST_PUSH(&c->arena, &out->rules) = *r->rec->rule;
    }
    if (in->rule_arns.n)
        return 0;
    if (!in->listener_arn)
        return elb_invalid(c, "You must specify either a listener ARN or rule ARNs");
    const struct listener *l = listener_require(c, in->listener_arn);
    if (!l)
        return -1;
    list_for_each (it, &l->rules) {
        *LIST_PUSH(&c->arena, &out->rules) =
            *list_entry(it, struct rule, link)->rec->rule;
    }
    return 0;
}

/* ---- ModifyRule ---- */

int elbv2_modify_rule(struct call *c, const struct elbv2_modify_rule_input *in,
                      struct elbv2_modify_rule_output *out)
{
    struct rule *r = rule_require(c, in->rule_arn);
    if (!r)
        return -1;
    struct elbv2_rule want = *r->rec->rule;
    if (want.is_default.v)
        return call_fault(c, &elbv2_operation_not_permitted_exception,
                          "Default rule '%s' cannot be modified", in->rule_arn);
    if (in->transforms.n)
        return elb_invalid(c, "Transforms are not offered by this gantry.");
    if (in->conditions.n)
        want.conditions = in->conditions;
    if (in->actions.n)
        want.actions = in->actions;
    if ((in->conditions.n && conditions_check(c, &want.conditions) < 0) ||
        (in->actions.n &&
         actions_check(c, r->listener->balancer, r->listener->rec->listener->protocol,
                       &want.actions) < 0))
        return -1;
    if (in->conditions.n)
        conditions_fill(&c->arena, &want.conditions);
    actions_use(c->core, &r->rec->rule->actions, -1);
    r->rec->rule = wire_copy(&r->o.arena, &elbv2_rule_shape, &want);
    actions_use(c->core, &r->rec->rule->actions, +1);
    struct listener *l = r->listener;
    object_save(c->core, &r->o);
    balancer_changed(c->core, l->balancer);
    *LIST_PUSH(&c->arena, &out->rules) = *r->rec->rule;
    return 0;
}

/* ---- DeleteRule ---- */

int elbv2_delete_rule(struct call *c, const struct elbv2_delete_rule_input *in,
                      struct elbv2_delete_rule_output *out)
{
    struct rule *r = rule_require(c, in->rule_arn);
    if (!r)
        return -1;
    if (r->rec->rule->is_default.v)
        return call_fault(c, &elbv2_operation_not_permitted_exception,
                          "Default rule '%s' cannot be deleted", in->rule_arn);
    struct balancer *b = r->listener->balancer;
    actions_use(c->core, &r->rec->rule->actions, -1);
    object_delete(c->core, &r->o);
    balancer_changed(c->core, b);
    return 0;
}

/* ---- SetRulePriorities ---- */

static bool moves(const struct elbv2_set_rule_priorities_input *in, const char *arn)
{
    for (size_t i = 0; i < in->rule_priorities.n; i++)
        if (streq(in->rule_priorities.v[i].rule_arn, arn))
            return true;
    return false;
}

static int priorities_check(struct call *c,
                            const struct elbv2_set_rule_priorities_input *in)
{
    for (size_t i = 0; i < in->rule_priorities.n; i++) {
        const struct elbv2_rule_priority_pair *p = &in->rule_priorities.v[i];
        const struct rule *r = rule_require(c, p->rule_arn);
        if (!r)
            return -1;
        if (r->rec->rule->is_default.v)
            return call_fault(c, &elbv2_operation_not_permitted_exception,
                              "The priority of default rule '%s' cannot be changed",
                              p->rule_arn);
        if (!p->priority.set || p->priority.v < 1 || p->priority.v > 50000)
            return elb_invalid(c, "A priority between 1 and 50000 must be specified");
        const struct rule *there = at_priority(r->listener, p->priority.v);
        bool taken = there && !moves(in, there->rec->rule->rule_arn);
        for (size_t k = 0; k < i; k++) {
            const struct rule *other =
                rule_find(c->core, in->rule_priorities.v[k].rule_arn);
            taken |= other->listener == r->listener &&
                     in->rule_priorities.v[k].priority.v == p->priority.v;
        }
        if (taken)
            return call_fault(c, &elbv2_priority_in_use_exception,
                              "Priority '%d' is currently in use", (int)p->priority.v);
    }
    return 0;
}

int elbv2_set_rule_priorities(struct call *c,
                              const struct elbv2_set_rule_priorities_input *in,
                              struct elbv2_set_rule_priorities_output *out)
{
    if (priorities_check(c, in) < 0)
        return -1;
    for (size_t i = 0; i < in->rule_priorities.n; i++) {
        const struct elbv2_rule_priority_pair *p = &in->rule_priorities.v[i];
        struct rule *r = rule_find(c->core, p->rule_arn);
        r->rec->rule->priority = arena_printf(&r->o.arena, "%d", (int)p->priority.v);
        rules_sort(r->listener);
        object_save(c->core, &r->o);
        balancer_changed(c->core, r->listener->balancer);
        *LIST_PUSH(&c->arena, &out->rules) = *r->rec->rule;
    }
    return 0;
}
