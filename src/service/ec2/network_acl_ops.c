/* DescribeNetworkAcls: each VPC has its default one, which lets everything through. */
#include "ec2_query.h"

#define LAST_RULE 32767 /* shown as "*" */

static const struct vpc *vpc_of(const struct object *o)
{
    return (const struct vpc *)o;
}

static void entry_add(struct arena *a, struct ec2_network_acl_entry_list *to, bool egress,
                      bool last)
{
    struct ec2_network_acl_entry *e = LIST_PUSH(a, to);
    e->cidr_block = "0.0.0.0/0";
    e->egress = SET_BOOL(egress);
    e->protocol = "-1";
    e->rule_action = last ? EC2_RULE_ACTION_DENY : EC2_RULE_ACTION_ALLOW;
    e->rule_number = SET_INT(last ? LAST_RULE : 100);
}

static void fill(struct arena *a, const struct vpc *v, struct ec2_network_acl *ret)
{
    ret->network_acl_id = v->rec->network_acl_id;
    ret->vpc_id = vpc_id(v);
    ret->owner_id = v->rec->vpc->owner_id;
    ret->is_default = SET_BOOL(true);
    ret->tags.set = ret->associations.set = true;
    for (int egress = 1; egress >= 0; egress--) {
        entry_add(a, &ret->entries, egress, false);
        entry_add(a, &ret->entries, egress, true);
    }
    list_for_each (it, &v->subnets) {
        const struct subnet *s = list_entry(it, struct subnet, link);
        struct ec2_network_acl_association *x = LIST_PUSH(a, &ret->associations);
        x->network_acl_association_id = s->rec->acl_association_id;
        x->network_acl_id = v->rec->network_acl_id;
        x->subnet_id = s->rec->subnet->subnet_id;
    }
}

/* ---- filters ---- */

static void n_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, vpc_of(o)->rec->network_acl_id);
}
static void n_vpc(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, vpc_id(vpc_of(o)));
}
static void n_owner(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, vpc_of(o)->rec->vpc->owner_id);
}
static void n_default(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, true);
}
static void n_subnets(struct core *core, const struct object *o, struct ec2_values *to)
{
    list_for_each (it, &vpc_of(o)->subnets) {
        ec2_value(to, list_entry(it, struct subnet, link)->rec->subnet->subnet_id);
    }
}
static void n_associations(struct core *core, const struct object *o,
                           struct ec2_values *to)
{
    list_for_each (it, &vpc_of(o)->subnets) {
        ec2_value(to, list_entry(it, struct subnet, link)->rec->acl_association_id);
    }
}
static void n_cidr(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "0.0.0.0/0");
}
static void n_egress(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, true);
    ec2_value_bool(to, false);
}
static void n_protocol(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "-1");
}
static void n_action(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "allow");
    ec2_value(to, "deny");
}
static void n_number(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "100");
    ec2_value(to, arena_printf(to->a, "%d", LAST_RULE));
}
static const struct ec2_tag_list *n_tags(const struct object *o)
{
    static const struct ec2_tag_list none = {0};
    return &none;
}

static const struct ec2_filter_row filters[] = {
    {"network-acl-id", n_id},
    {"association.network-acl-id", n_id},
    {"association.association-id", n_associations},
    {"association.subnet-id", n_subnets},
    {"default", n_default},
    {"entry.cidr", n_cidr},
    {"entry.egress", n_egress},
    {"entry.protocol", n_protocol},
    {"entry.rule-action", n_action},
    {"entry.rule-number", n_number},
    {"owner-id", n_owner},
    {"vpc-id", n_vpc},
    {NULL, NULL},
};

/* A list is found by its VPC, so its ids become VPCs'. */
static int vpcs_of(struct call *c, const struct string_list *ids, struct string_list *ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "vpc", &s);
    for (size_t i = 0; i < ids->n; i++) {
        const char *after = prefix;
        struct vpc *v;
        while ((v = table_next(ec2_of(c->core)->vpcs, prefix, after)) &&
               !streq(v->rec->network_acl_id, ids->v[i]))
            after = v->o.key;
        if (!v)
            return ec2_fault(c, "InvalidNetworkAclID.NotFound",
                             "The networkAcl ID '%s' does not exist", ids->v[i]);
        *LIST_PUSH(&c->arena, ret) = vpc_id(v);
    }
    return 0;
}

int ec2_describe_network_acls(struct call *c,
                              const struct ec2_describe_network_acls_request *in,
                              struct ec2_describe_network_acls_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct string_list vpcs = {0};
    struct ec2_found found;
    ec2_account_ensure(c->core, &s);
    if (vpcs_of(c, &in->network_acl_ids, &vpcs) < 0)
        return -1;
    struct ec2_query q = {
        .table = ec2_of(c->core)->vpcs,
        .kind = "vpc",
        .rows = filters,
        .tags = n_tags,
        .filters = &in->filters,
        .ids = &vpcs,
        .missing_code = "InvalidNetworkAclID.NotFound",
        .missing_text = "The network ACL of '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        fill(&c->arena, vpc_of(found.v[i]), LIST_PUSH(&c->arena, &out->network_acls));
    out->network_acls.set = true;
    out->next_token = found.next_token;
    return 0;
}
