/* Authorize- and RevokeSecurityGroupIngress and -Egress, ModifySecurityGroupRules,
 * UpdateSecurityGroupRuleDescriptionsIngress and -Egress. */
#include "ec2_tags.h"
#include "security_rule.h"

static const char *const made[] = {"security-group-rule", NULL};

/* What the four requests have alike. */
struct rules_request {
    const char *group_id, *group_name;
    bool egress;
    const struct ec2_ip_permission_list *permissions;
    /* the older form: one permission, flat */
    const char *ip_protocol, *cidr_ip, *source_name, *source_owner;
    struct opt_int from_port, to_port;
    struct opt_bool dry_run;
};

#define RULES_REQUEST(in, name, is_egress)                                               \
    {                                                                                    \
        .group_id = (in)->group_id, .group_name = (name), .egress = (is_egress),         \
        .permissions = &(in)->ip_permissions, .ip_protocol = (in)->ip_protocol,          \
        .cidr_ip = (in)->cidr_ip, .source_name = (in)->source_security_group_name,       \
        .source_owner = (in)->source_security_group_owner_id,                            \
        .from_port = (in)->from_port, .to_port = (in)->to_port,                          \
        .dry_run = (in)->dry_run,                                                        \
    }

static bool is_flat(const struct rules_request *q)
{
    return q->ip_protocol || q->cidr_ip || q->source_name || q->source_owner ||
           q->from_port.set || q->to_port.set;
}

static void flat_permission(struct call *c, const struct rules_request *q,
                            struct ec2_ip_permission_list *ret)
{
    struct ec2_ip_permission *p = LIST_PUSH(&c->arena, ret);
    /* a group without a protocol: all of its traffic */
    p->ip_protocol = !q->ip_protocol && q->source_name ? "-1" : q->ip_protocol;
    p->from_port = q->from_port;
    p->to_port = q->to_port;
    if (q->cidr_ip)
        LIST_PUSH(&c->arena, &p->ip_ranges)->cidr_ip = q->cidr_ip;
    if (q->source_name) {
        struct ec2_user_id_group_pair *g = LIST_PUSH(&c->arena, &p->user_id_group_pairs);
        g->group_name = q->source_name;
        g->user_id = q->source_owner;
    }
}

static int rules_read(struct call *c, const struct security_group *g,
                      const struct rules_request *q,
                      struct ec2_security_group_rule_list *ret)
{
    struct ec2_ip_permission_list flat = {0};
    if (q->permissions->n && is_flat(q))
        return ec2_fault(c, "InvalidParameterCombination",
                         "The parameter 'ipPermissions' may not be used in combination "
                         "with the parameters of a single permission");
    if (!q->permissions->n && !is_flat(q))
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter ipPermissions");
    if (q->permissions->n)
        return rules_of_permissions(c, g, q->egress, q->permissions, ret);
    flat_permission(c, q, &flat);
    return rules_of_permissions(c, g, q->egress, &flat, ret);
}

static const struct ec2_security_group_rule *
same_rule(const struct security_group *g, const struct ec2_security_group_rule *like)
{
    for (size_t i = 0; i < g->rec->rules.n; i++)
        if (rule_same(&g->rec->rules.v[i], like))
            return &g->rec->rules.v[i];
    return NULL;
}

static void changed(struct core *core, struct security_group *g)
{
    object_save(core, &g->o);
    vpc_changed(core, g->vpc);
}

/* ---- Authorize ---- */

static size_t count(const struct ec2_security_group_rule_list *l, bool egress, bool ipv6)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += l->v[i].is_egress.v == egress && !!l->v[i].cidr_ipv6 == ipv6;
    return n;
}

/* IPv4 and IPv6 are counted apart, as on AWS. */
static int room_check(struct call *c, const struct security_group *g, bool egress,
                      const struct ec2_security_group_rule_list *more)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        if (count(more, egress, ipv6) &&
            count(&g->rec->rules, egress, ipv6) + count(more, egress, ipv6) >
                SECURITY_GROUP_RULES_MAX)
            return ec2_fault(
                c, "RulesPerSecurityGroupLimitExceeded",
                "The maximum number of rules per security group has been reached.");
    return 0;
}

static int authorize(struct call *c, const struct rules_request *q,
                     const struct ec2_tag_specification_list *tags,
                     struct ec2_security_group_rule_list *ret)
{
    struct ec2_security_group_rule_list rules = {0};
    struct security_group *g = security_group_chosen(c, q->group_id, q->group_name);
    if (!g || rules_read(c, g, q, &rules) < 0 || ec2_tags_given(c, tags, made) < 0)
        return -1;
    for (size_t i = 0; i < rules.n; i++)
        if (same_rule(g, &rules.v[i]))
            return ec2_fault(c, "InvalidPermission.Duplicate",
                             "the specified rule \"%s\" already exists",
                             rule_text(&c->arena, &rules.v[i]));
    if (room_check(c, g, q->egress, &rules) < 0 || ec2_dry_run(c, q->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < rules.n; i++) {
        struct ec2_security_group_rule *r = security_rule_add(c->core, g, &rules.v[i]);
        ec2_tags_take(&g->o.arena, tags, "security-group-rule", &r->tags);
        wire_copy_into(&c->arena, &ec2_security_group_rule_shape, r,
                       LIST_PUSH(&c->arena, ret));
    }
    changed(c->core, g);
    return 0;
}

int ec2_authorize_security_group_ingress(
    struct call *c, const struct ec2_authorize_security_group_ingress_request *in,
    struct ec2_authorize_security_group_ingress_result *out)
{
    struct rules_request q = RULES_REQUEST(in, in->group_name, false);
    out->return_ = SET_BOOL(true);
    return authorize(c, &q, &in->tag_specifications, &out->security_group_rules);
}

int ec2_authorize_security_group_egress(
    struct call *c, const struct ec2_authorize_security_group_egress_request *in,
    struct ec2_authorize_security_group_egress_result *out)
{
    struct rules_request q = RULES_REQUEST(in, NULL, true);
    out->return_ = SET_BOOL(true);
    return authorize(c, &q, &in->tag_specifications, &out->security_group_rules);
}

/* ---- Revoke ---- */

static const struct ec2_security_group_rule *
rule_require(struct call *c, const struct security_group *g, const char *id, bool egress)
{
    const struct ec2_security_group_rule *r = security_rule_find(g, id);
    if (r && r->is_egress.v == egress)
        return r;
    ec2_fault(c, "InvalidSecurityGroupRuleId.NotFound",
              "The security group rule ID '%s' does not exist", id);
    return NULL;
}

static int ids_to_revoke(struct call *c, const struct security_group *g,
                         const struct rules_request *q, const struct string_list *ids,
                         struct string_list *ret)
{
    struct ec2_security_group_rule_list rules = {0};
    for (size_t i = 0; i < ids->n; i++) {
        if (!rule_require(c, g, ids->v[i], q->egress))
            return -1;
        *LIST_PUSH(&c->arena, ret) = ids->v[i];
    }
    if (ids->n && (q->permissions->n || is_flat(q)))
        return ec2_fault(c, "InvalidParameterCombination",
                         "Rules are named by their ids or by permissions, not by both");
    if (ids->n)
        return 0;
    if (rules_read(c, g, q, &rules) < 0)
        return -1;
    for (size_t i = 0; i < rules.n; i++) {
        const struct ec2_security_group_rule *r = same_rule(g, &rules.v[i]);
        if (!r)
            return ec2_fault(c, "InvalidPermission.NotFound",
                             "The specified rule does not exist in this security group.");
        *LIST_PUSH(&c->arena, ret) = arena_strdup(&c->arena, r->security_group_rule_id);
    }
    return 0;
}

static void tell_revoked(struct call *c, const struct ec2_security_group_rule *r,
                         struct ec2_revoked_security_group_rule_list *to)
{
    struct ec2_security_group_rule *x =
        wire_copy(&c->arena, &ec2_security_group_rule_shape, r);
    *LIST_PUSH(&c->arena, to) = (struct ec2_revoked_security_group_rule){
        .security_group_rule_id = x->security_group_rule_id,
        .group_id = x->group_id,
        .is_egress = x->is_egress,
        .ip_protocol = x->ip_protocol,
        .from_port = x->from_port,
        .to_port = x->to_port,
        .cidr_ipv4 = x->cidr_ipv4,
        .cidr_ipv6 = x->cidr_ipv6,
        .referenced_group_id =
            x->referenced_group_info ? x->referenced_group_info->group_id : NULL,
        .description = x->description,
    };
}

static int revoke(struct call *c, const struct rules_request *q,
                  const struct string_list *rule_ids,
                  struct ec2_revoked_security_group_rule_list *ret)
{
    struct string_list ids = {0};
    struct security_group *g = security_group_chosen(c, q->group_id, q->group_name);
    if (!g || ids_to_revoke(c, g, q, rule_ids, &ids) < 0 ||
        ec2_dry_run(c, q->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < ids.n; i++) {
        const struct ec2_security_group_rule *r = security_rule_find(g, ids.v[i]);
        if (!r)
            continue; /* named twice */
        tell_revoked(c, r, ret);
        security_rule_remove(c->core, g, ids.v[i]);
    }
    changed(c->core, g);
    return 0;
}

int ec2_revoke_security_group_ingress(
    struct call *c, const struct ec2_revoke_security_group_ingress_request *in,
    struct ec2_revoke_security_group_ingress_result *out)
{
    struct rules_request q = RULES_REQUEST(in, in->group_name, false);
    out->return_ = SET_BOOL(true);
    return revoke(c, &q, &in->security_group_rule_ids,
                  &out->revoked_security_group_rules);
}

int ec2_revoke_security_group_egress(
    struct call *c, const struct ec2_revoke_security_group_egress_request *in,
    struct ec2_revoke_security_group_egress_result *out)
{
    struct rules_request q = RULES_REQUEST(in, NULL, true);
    out->return_ = SET_BOOL(true);
    return revoke(c, &q, &in->security_group_rule_ids,
                  &out->revoked_security_group_rules);
}

/* ---- ModifySecurityGroupRules ---- */

/* No other rule of the group, as it then is, lets the same through. */
static int unlike_others(struct call *c, const struct ec2_security_group_rule_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < i; k++)
            if (rule_same(&l->v[i], &l->v[k]))
                return ec2_fault(c, "InvalidPermission.Duplicate",
                                 "the specified rule \"%s\" already exists",
                                 rule_text(&c->arena, &l->v[i]));
    return 0;
}

int ec2_modify_security_group_rules(
    struct call *c, const struct ec2_modify_security_group_rules_request *in,
    struct ec2_modify_security_group_rules_result *out)
{
    struct security_group *g = security_group_require(c, in->group_id);
    if (!g)
        return -1;
    struct ec2_security_group_rule_list then = {.n = g->rec->rules.n};
    then.v = arena_new_array(&c->arena, struct ec2_security_group_rule, then.n);
    for (size_t i = 0; i < then.n; i++)
        wire_copy_into(&c->arena, &ec2_security_group_rule_shape, &g->rec->rules.v[i],
                       &then.v[i]);
    for (size_t i = 0; i < in->security_group_rules.n; i++) {
        const struct ec2_security_group_rule_update *u = &in->security_group_rules.v[i];
        const struct ec2_security_group_rule *r =
            security_rule_find(g, u->security_group_rule_id);
        if (!r)
            return ec2_fault(c, "InvalidSecurityGroupRuleId.NotFound",
                             "The security group rule ID '%s' does not exist",
                             u->security_group_rule_id);
        if (!u->security_group_rule)
            continue;
        size_t at = (size_t)(r - g->rec->rules.v);
        struct ec2_security_group_rule now = then.v[at];
        if (rule_modified(c, g, &now, u->security_group_rule, &then.v[at]) < 0)
            return -1;
    }
    if (unlike_others(c, &then) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < then.n; i++)
        wire_copy_into(&g->o.arena, &ec2_security_group_rule_shape, &then.v[i],
                       &g->rec->rules.v[i]);
    changed(c->core, g);
    out->return_ = SET_BOOL(true);
    return 0;
}

/* ---- UpdateSecurityGroupRuleDescriptions ---- */

struct words {
    const char *rule_id, *text;
};

static int words_by_id(struct call *c, const struct security_group *g, bool egress,
                       const struct ec2_security_group_rule_description_list *in,
                       struct words *ret, size_t *ret_n)
{
    for (size_t i = 0; i < in->n; i++) {
        const struct ec2_security_group_rule_description *d = &in->v[i];
        const char *id = d->security_group_rule_id ? d->security_group_rule_id : "";
        if (!rule_require(c, g, id, egress) ||
            rule_description_check(c, d->description) < 0)
            return -1;
        ret[(*ret_n)++] = (struct words){id, d->description};
    }
    return 0;
}

static int words_by_permission(struct call *c, const struct security_group *g,
                               const struct ec2_security_group_rule_list *rules,
                               struct words *ret, size_t *ret_n)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct ec2_security_group_rule *r = same_rule(g, &rules->v[i]);
        if (!r)
            return ec2_fault(c, "InvalidPermission.NotFound",
                             "The specified rule does not exist in this security group.");
        ret[(*ret_n)++] =
            (struct words){r->security_group_rule_id, rules->v[i].description};
    }
    return 0;
}

static int describe_rules(struct call *c, struct security_group *g, bool egress,
                          const struct ec2_ip_permission_list *permissions,
                          const struct ec2_security_group_rule_description_list *by_id,
                          struct opt_bool dry_run)
{
    struct ec2_security_group_rule_list rules = {0};
    size_t n = 0;
    if (!g || rules_of_permissions(c, g, egress, permissions, &rules) < 0)
        return -1;
    if (permissions->n + by_id->n == 0)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter ipPermissions or "
                         "securityGroupRuleDescriptions");
    struct words *all = arena_new_array(&c->arena, struct words, rules.n + by_id->n);
    if (words_by_id(c, g, egress, by_id, all, &n) < 0 ||
        words_by_permission(c, g, &rules, all, &n) < 0 || ec2_dry_run(c, dry_run) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        security_rule_find(g, all[i].rule_id)->description =
            str_empty(all[i].text) ? NULL : arena_strdup(&g->o.arena, all[i].text);
    object_save(c->core, &g->o);
    return 0;
}

int ec2_update_security_group_rule_descriptions_ingress(
    struct call *c,
    const struct ec2_update_security_group_rule_descriptions_ingress_request *in,
    struct ec2_update_security_group_rule_descriptions_ingress_result *out)
{
    out->return_ = SET_BOOL(true);
    return describe_rules(c, security_group_chosen(c, in->group_id, in->group_name),
                          false, &in->ip_permissions,
                          &in->security_group_rule_descriptions, in->dry_run);
}

int ec2_update_security_group_rule_descriptions_egress(
    struct call *c,
    const struct ec2_update_security_group_rule_descriptions_egress_request *in,
    struct ec2_update_security_group_rule_descriptions_egress_result *out)
{
    out->return_ = SET_BOOL(true);
    return describe_rules(c, security_group_chosen(c, in->group_id, in->group_name), true,
                          &in->ip_permissions, &in->security_group_rule_descriptions,
                          in->dry_run);
}
