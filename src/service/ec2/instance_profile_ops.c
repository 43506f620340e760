/* Associate-, Describe-, Disassociate-, ReplaceIamInstanceProfileAssociation. */

#include "access.h"
#include "ec2_query.h"
#include "iam.h"
#include "instance_profile.h"

/* ---- which profile ---- */

static int not_valid(struct call *c, const char *member, const char *value)
{
    return ec2_fault(c, "InvalidParameterValue",
                     "Value (%s) for parameter iamInstanceProfile.%s is invalid. Invalid "
                     "IAM Instance Profile %s",
                     value, member, streq(member, "arn") ? "ARN" : "name");
}

static int check_pass(struct call *c, const char *role_arn)
{
    const struct access_value values[] = {
        {"iam:PassedToService", ACCESS_ONE("ec2.amazonaws.com")}};
    const struct access question = {.action = "iam:PassRole",
                                    .resource = role_arn,
                                    .values = values,
                                    .value_count = 1};
    return access_check(c, &question);
}

int instance_profile_find(struct call *c,
                          const struct ec2_iam_instance_profile_specification *want,
                          struct instance_profile *ret)
{
    *ret = (struct instance_profile){0};
    if (!want || (!want->arn && !want->name))
        return 0;
    if (want->arn && want->name)
        return ec2_fault(c, "InvalidParameterCombination",
                         "The parameter 'iamInstanceProfile.name' may not be used in "
                         "combination with 'iamInstanceProfile.arn'");
    const char *member = want->arn ? "arn" : "name";
    const char *text = want->arn ? want->arn : want->name, *role = NULL;
    struct error err;
    if ((want->arn && !str_starts(want->arn, "arn:aws:iam::")) ||
        iam_profile_find(c->core, c->who.account_id, text, &c->arena, &ret->arn, &ret->id,
                         &err) < 0)
        return not_valid(c, member, text);
    if (iam_profile_role(c->core, c->who.account_id, text, &c->arena, &role, &err) < 0)
        return 0; /* a role may come later */
    return check_pass(c, role);
}

void instance_profile_set(struct core *core, struct ec2_instance_object *i,
                          const struct instance_profile *p)
{
    struct arena *a = &i->o.arena;
    struct ec2_instance *rec = i->rec->instance;
    instance_credentials_forget(core, i);
    rec->iam_instance_profile = NULL;
    i->rec->profile_association_id = NULL;
    if (!p->arn)
        return;
    rec->iam_instance_profile = arena_new(a, struct ec2_iam_instance_profile);
    rec->iam_instance_profile->arn = arena_strdup(a, p->arn);
    rec->iam_instance_profile->id = arena_strdup(a, p->id);
    i->rec->profile_association_id = ec2_new_id(core, a, "iip-assoc");
    i->rec->profile_associated_at = SET_TIME(core_now_ms(core));
}

/* ---- the association ---- */

static struct ec2_instance_object *instance_of(struct object *o)
{
    return (struct ec2_instance_object *)o;
}

static void fill(struct arena *a, const struct ec2_instance_object *i,
                 enum ec2_iam_instance_profile_association_state state,
                 struct ec2_iam_instance_profile_association *to)
{
    to->association_id = arena_strdup(a, i->rec->profile_association_id);
    to->instance_id = i->rec->instance->instance_id;
    to->iam_instance_profile = wire_copy(a, &ec2_iam_instance_profile_shape,
                                         i->rec->instance->iam_instance_profile);
    to->state = state;
    to->timestamp = i->rec->profile_associated_at;
}

static struct ec2_instance_object *by_association(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "instance", &s), *after = prefix;
    for (struct object *o; (o = table_next(ec2_of(c->core)->instances, prefix, after));
         after = o->key)
        if (streq(instance_of(o)->rec->profile_association_id, id))
            return instance_of(o);
    ec2_fault(c, "NoSuchAssociation", "An invalid association-id of '%s' was given", id);
    return NULL;
}

static void changed(struct core *core, struct ec2_instance_object *i)
{
    object_save(core, &i->o);
    instance_tell_edge(core, i);
}

static int may_change(struct call *c, const struct ec2_instance_object *i)
{
    if (instance_is_ours(c, i) < 0)
        return -1;
    if (streq(i->rec->state, "terminated") || streq(i->rec->state, "shutting-down"))
        return ec2_fault(c, "IncorrectInstanceState",
                         "The instance '%s' is not in a valid state for this operation.",
                         i->rec->instance->instance_id);
    return 0;
}

int ec2_associate_iam_instance_profile(
    struct call *c, const struct ec2_associate_iam_instance_profile_request *in,
    struct ec2_associate_iam_instance_profile_result *out)
{
    struct ec2_instance_object *i = instance_require(c, in->instance_id);
    struct instance_profile p;
    if (!i || may_change(c, i) < 0)
        return -1;
    if (i->rec->instance->iam_instance_profile)
        return ec2_fault(c, "IncorrectState",
                         "There is an existing association for instance %s",
                         i->rec->instance->instance_id);
    if (instance_profile_find(c, in->iam_instance_profile, &p) < 0)
        return -1;
    if (!p.arn)
        return not_valid(c, "name", "");
    instance_profile_set(c->core, i, &p);
    changed(c->core, i);
    out->iam_instance_profile_association =
        arena_new(&c->arena, struct ec2_iam_instance_profile_association);
    fill(&c->arena, i, EC2_IAM_INSTANCE_PROFILE_ASSOCIATION_STATE_ASSOCIATING,
         out->iam_instance_profile_association);
    return 0;
}

int ec2_replace_iam_instance_profile_association(
    struct call *c, const struct ec2_replace_iam_instance_profile_association_request *in,
    struct ec2_replace_iam_instance_profile_association_result *out)
{
    struct ec2_instance_object *i = by_association(c, in->association_id);
    struct instance_profile p;
    if (!i || may_change(c, i) < 0 ||
        instance_profile_find(c, in->iam_instance_profile, &p) < 0)
        return -1;
    if (!p.arn)
        return not_valid(c, "name", "");
    instance_profile_set(c->core, i, &p);
    changed(c->core, i);
    out->iam_instance_profile_association =
        arena_new(&c->arena, struct ec2_iam_instance_profile_association);
    fill(&c->arena, i, EC2_IAM_INSTANCE_PROFILE_ASSOCIATION_STATE_ASSOCIATING,
         out->iam_instance_profile_association);
    return 0;
}

int ec2_disassociate_iam_instance_profile(
    struct call *c, const struct ec2_disassociate_iam_instance_profile_request *in,
    struct ec2_disassociate_iam_instance_profile_result *out)
{
    struct ec2_instance_object *i = by_association(c, in->association_id);
    static const struct instance_profile none;
    if (!i || may_change(c, i) < 0)
        return -1;
    out->iam_instance_profile_association =
        arena_new(&c->arena, struct ec2_iam_instance_profile_association);
    fill(&c->arena, i, EC2_IAM_INSTANCE_PROFILE_ASSOCIATION_STATE_DISASSOCIATING,
         out->iam_instance_profile_association);
    instance_profile_set(c->core, i, &none);
    changed(c->core, i);
    return 0;
}

/* ---- DescribeIamInstanceProfileAssociations ---- */

static void v_instance(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, instance_of((struct object *)(uintptr_t)o)->rec->instance->instance_id);
}

static void v_state(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "associated");
}

static bool has_none(const struct object *o)
{
    const struct gantry_ec2_instance_record *rec =
        ((const struct ec2_instance_object *)o)->rec;
    return !rec->profile_association_id || streq(rec->state, "terminated");
}

static int check_ids(struct call *c, const struct string_list *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        if (!by_association(c, ids->v[i]))
            return -1;
    return 0;
}

static bool is_named(const struct string_list *ids, const struct ec2_instance_object *i)
{
    for (size_t n = 0; n < ids->n; n++)
        if (streq(ids->v[n], i->rec->profile_association_id))
            return true;
    return ids->n == 0;
}

int ec2_describe_iam_instance_profile_associations(
    struct call *c,
    const struct ec2_describe_iam_instance_profile_associations_request *in,
    struct ec2_describe_iam_instance_profile_associations_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"instance-id", v_instance}, {"state", v_state}, {NULL, NULL}};
    static const struct string_list no_ids = {0};
    struct ec2_query q = {
        .table = ec2_of(c->core)->instances,
        .kind = "instance",
        .rows = rows,
        .hidden = has_none,
        .filters = &in->filters,
        .ids = &no_ids,
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    struct ec2_found found;
    if (check_ids(c, &in->association_ids) < 0 || ec2_select(c, &q, &found) < 0)
        return -1;
    for (size_t n = 0; n < found.n; n++)
        if (is_named(&in->association_ids, instance_of(found.v[n])))
            fill(&c->arena, instance_of(found.v[n]),
                 EC2_IAM_INSTANCE_PROFILE_ASSOCIATION_STATE_ASSOCIATED,
                 LIST_PUSH(&c->arena, &out->iam_instance_profile_associations));
    out->iam_instance_profile_associations.set = true;
    out->next_token = found.next_token;
    return 0;
}
