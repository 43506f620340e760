/* CreateSecurityGroup, DeleteSecurityGroup, DescribeSecurityGroups,
 * DescribeSecurityGroupReferences, DescribeStaleSecurityGroups. */
#include "ec2_query.h"
#include "ec2_tags.h"
#include "security_rule.h"

#define GROUPS_MAX 2500 /* as AWS has it for a region */

static const char *const made[] = {"security-group", NULL};

/* ---- CreateSecurityGroup ---- */

static int name_check(struct call *c, const char *name)
{
    if (!ec2_plain_text(name) || !*name)
        return ec2_fault(c, "InvalidParameterValue",
                         "Value (%s) for parameter GroupName is invalid. Invalid group "
                         "name. Valid names are strings of 1 to 255 characters from the "
                         "following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
                         name);
    if (str_starts(name, "sg-"))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value (%s) for parameter GroupName is invalid. Group names may "
                         "not be in the format sg-*.",
                         name);
    if (streq(name, "default"))
        return ec2_fault(c, "InvalidParameterValue",
                         "Cannot use reserved security group name: default");
    return 0;
}

static int description_check(struct call *c, const char *text)
{
    return ec2_plain_text(text) && *text
               ? 0
               : ec2_fault(
                     c, "InvalidParameterValue",
                     "Value (%s) for parameter GroupDescription is invalid. Invalid "
                     "security group description. Valid descriptions are strings "
                     "less than 256 characters from the following set: a-zA-Z0-9. "
                     "_-:/()#,@[]+=&;{}!$*",
                     text);
}

/* The VPC that is named, or the default one. */
static struct vpc *vpc_for(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    if (id)
        return vpc_require(c, id);
    ec2_account_ensure(c->core, &s);
    struct vpc *v = default_vpc(c->core, &s);
    if (!v)
        ec2_fault(c, "VPCIdNotSpecified", "No default VPC for this user");
    return v;
}

int ec2_create_security_group(struct call *c,
                              const struct ec2_create_security_group_request *in,
                              struct ec2_create_security_group_result *out)
{
    struct vpc *v;
    if (name_check(c, in->group_name) < 0 || description_check(c, in->description) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, made) < 0 ||
        !(v = vpc_for(c, in->vpc_id)))
        return -1;
    if (security_group_named(v, in->group_name))
        return ec2_fault(c, "InvalidGroup.Duplicate",
                         "The security group '%s' already exists for VPC '%s'",
                         in->group_name, vpc_id(v));
    if (table_count(ec2_of(c->core)->groups) >= GROUPS_MAX)
        return ec2_fault(c, "SecurityGroupLimitExceeded",
                         "The maximum number of security groups has been reached.");
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct security_group *g =
        security_group_new(c->core, v, in->group_name, in->description);
    ec2_tags_take(&g->o.arena, &in->tag_specifications, "security-group",
                  &g->rec->group->tags);
    object_save(c->core, &g->o);
    out->group_id = g->rec->group->group_id;
    out->security_group_arn = g->rec->group->security_group_arn;
    out->tags = g->rec->group->tags;
    return 0;
}

/* ---- DeleteSecurityGroup ---- */

struct security_group *security_group_chosen(struct call *c, const char *id,
                                             const char *name)
{
    struct vpc *v;
    struct security_group *g;
    if (!str_empty(id))
        return security_group_require(c, id);
    if (str_empty(name)) {
        ec2_fault(c, "MissingParameter",
                  "The request must contain the parameter groupName or groupId");
        return NULL;
    }
    if (!(v = vpc_for(c, NULL)))
        return NULL;
    if (!(g = security_group_named(v, name)))
        ec2_fault(c, "InvalidGroup.NotFound",
                  "The security group '%s' does not exist in default VPC '%s'", name,
                  vpc_id(v));
    return g;
}

int ec2_delete_security_group(struct call *c,
                              const struct ec2_delete_security_group_request *in,
                              struct ec2_delete_security_group_result *out)
{
    struct security_group *g = security_group_chosen(c, in->group_id, in->group_name);
    if (!g)
        return -1;
    const char *id = call_printf(c, "%s", security_group_id(g));
    if (streq(g->rec->group->group_name, "default"))
        return ec2_fault(
            c, "CannotDelete",
            "the specified group: \"%s\" name: \"default\" cannot be deleted "
            "by a user",
            id);
    if (g->users || security_group_referenced(g))
        return ec2_fault(c, "DependencyViolation", "resource %s has a dependent object",
                         id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    security_group_delete(c->core, g);
    out->return_ = SET_BOOL(true);
    out->group_id = id;
    return 0;
}

/* ---- DescribeSecurityGroups ---- */

static const struct ec2_security_group *rec_of(const struct object *o)
{
    return ((const struct security_group *)o)->rec->group;
}

static void v_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->group_id);
}
static void v_name(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->group_name);
}
static void v_description(struct core *core, const struct object *o,
                          struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->description);
}
static void v_owner(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->owner_id);
}
static void v_vpc(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->vpc_id);
}
static const struct ec2_tag_list *v_tags(const struct object *o)
{
    return &rec_of(o)->tags;
}

enum rule_part { CIDR, CIDR6, FROM, TO, PROTOCOL, GROUP, GROUP_NAME, USER, PREFIX_LIST };

static const char *port(struct arena *a, struct opt_int p)
{
    return arena_printf(a, "%d", (int)p.v);
}

static const char *part_of(struct core *core, const struct ec2_security_group_rule *r,
                           const struct security_group *g, enum rule_part part,
                           struct arena *a)
{
    const struct ec2_referenced_security_group *other = r->referenced_group_info;
    struct ec2_scope s;
    switch (part) {
    case CIDR:
        return r->cidr_ipv4;
    case CIDR6:
        return r->cidr_ipv6;
    case FROM:
        return port(a, r->from_port);
    case TO:
        return port(a, r->to_port);
    case PROTOCOL:
        return r->ip_protocol;
    case GROUP:
        return other ? other->group_id : NULL;
    case USER:
        return other ? other->user_id : NULL;
    case GROUP_NAME:
        s = ec2_owner(a, &g->o);
        g = other ? security_group_find(core, &s, other->group_id) : NULL;
        return g ? g->rec->group->group_name : NULL;
    case PREFIX_LIST:
        return NULL; /* no rule has one */
    }
    return NULL;
}

static void parts(struct core *core, const struct object *o, struct ec2_values *to,
                  bool egress, enum rule_part part)
{
    const struct security_group *g = (const struct security_group *)o;
    for (size_t i = 0; i < g->rec->rules.n; i++)
        if (g->rec->rules.v[i].is_egress.v == egress)
            ec2_value(to, part_of(core, &g->rec->rules.v[i], g, part, to->a));
}

#define PART(name, egress, part)                                                         \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        parts(core, o, to, egress, part);                                                \
    }
PART(in_cidr, false, CIDR)
PART(in_cidr6, false, CIDR6)
PART(in_from, false, FROM)
PART(in_to, false, TO)
PART(in_protocol, false, PROTOCOL)
PART(in_group, false, GROUP)
PART(in_group_name, false, GROUP_NAME)
PART(in_user, false, USER)
PART(in_prefix_list, false, PREFIX_LIST)
PART(out_cidr, true, CIDR)
PART(out_cidr6, true, CIDR6)
PART(out_from, true, FROM)
PART(out_to, true, TO)
PART(out_protocol, true, PROTOCOL)
PART(out_group, true, GROUP)
PART(out_group_name, true, GROUP_NAME)
PART(out_user, true, USER)
PART(out_prefix_list, true, PREFIX_LIST)

static const struct ec2_filter_row filters[] = {
    {"group-id", v_id},
    {"group-name", v_name},
    {"description", v_description},
    {"owner-id", v_owner},
    {"vpc-id", v_vpc},
    {"ip-permission.cidr", in_cidr},
    {"ip-permission.ipv6-cidr", in_cidr6},
    {"ip-permission.from-port", in_from},
    {"ip-permission.to-port", in_to},
    {"ip-permission.protocol", in_protocol},
    {"ip-permission.group-id", in_group},
    {"ip-permission.group-name", in_group_name},
    {"ip-permission.user-id", in_user},
    {"ip-permission.prefix-list-id", in_prefix_list},
    {"egress.ip-permission.cidr", out_cidr},
    {"egress.ip-permission.ipv6-cidr", out_cidr6},
    {"egress.ip-permission.from-port", out_from},
    {"egress.ip-permission.to-port", out_to},
    {"egress.ip-permission.protocol", out_protocol},
    {"egress.ip-permission.group-id", out_group},
    {"egress.ip-permission.group-name", out_group_name},
    {"egress.ip-permission.user-id", out_user},
    {"egress.ip-permission.prefix-list-id", out_prefix_list},
    {NULL, NULL},
};

/* Names are those of the default VPC's groups. */
static int chosen_ids(struct call *c,
                      const struct ec2_describe_security_groups_request *in,
                      struct string_list *ret)
{
    for (size_t i = 0; i < in->group_ids.n; i++)
        *LIST_PUSH(&c->arena, ret) = in->group_ids.v[i];
    for (size_t i = 0; i < in->group_names.n; i++) {
        const struct security_group *g =
            security_group_chosen(c, NULL, in->group_names.v[i]);
        if (!g)
            return -1;
        *LIST_PUSH(&c->arena, ret) = security_group_id(g);
    }
    return 0;
}

int ec2_describe_security_groups(struct call *c,
                                 const struct ec2_describe_security_groups_request *in,
                                 struct ec2_describe_security_groups_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct string_list ids = {0};
    struct ec2_found found;
    ec2_account_ensure(c->core, &s);
    if (chosen_ids(c, in, &ids) < 0)
        return -1;
    struct ec2_query q = {
        .table = ec2_of(c->core)->groups,
        .kind = "security-group",
        .rows = filters,
        .tags = v_tags,
        .filters = &in->filters,
        .ids = &ids,
        .missing_code = "InvalidGroup.NotFound",
        .missing_text = "The security group '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++) {
        const struct security_group *g = (const struct security_group *)found.v[i];
        struct ec2_security_group *to = LIST_PUSH(&c->arena, &out->security_groups);
        *to = *g->rec->group;
        permissions_of_rules(&c->arena, &g->rec->rules, false, &to->ip_permissions);
        permissions_of_rules(&c->arena, &g->rec->rules, true, &to->ip_permissions_egress);
    }
    out->security_groups.set = true;
    out->next_token = found.next_token;
    return 0;
}

/* ---- across VPCs: there is no peering ---- */

int ec2_describe_security_group_references(
    struct call *c, const struct ec2_describe_security_group_references_request *in,
    struct ec2_describe_security_group_references_result *out)
{
    for (size_t i = 0; i < in->group_id.n; i++)
        if (!security_group_require(c, in->group_id.v[i]))
            return -1;
    out->security_group_reference_set.set = true;
    return ec2_dry_run(c, in->dry_run);
}

int ec2_describe_stale_security_groups(
    struct call *c, const struct ec2_describe_stale_security_groups_request *in,
    struct ec2_describe_stale_security_groups_result *out)
{
    if (!vpc_require(c, in->vpc_id))
        return -1;
    out->stale_security_group_set.set = true;
    return ec2_dry_run(c, in->dry_run);
}
