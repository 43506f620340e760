/* Service-linked roles: Create, DeleteServiceLinkedRole, and what became of a deletion. */
#include "iam_linked.h"

#include <assert.h>

#include "iam_entity.h"
#include "iam_policy.h"
#include "iam_reply.h"

#define DELETION_PREFIX    "/iam/deletion/"
#define DELETIONS_MAX      100 /* remembered of an account */
#define SESSION_DURATION_S 3600

struct linked_service {
    const char *service, *role, *policy; /* policy: below aws-service-role/ */
};

static const struct linked_service services[] = {
    {"ecs.amazonaws.com", "AWSServiceRoleForECS", "AmazonECSServiceRolePolicy"},
    {"replication.ecr.amazonaws.com", "AWSServiceRoleForECRReplication",
     "ECRReplicationServiceRolePolicy"},
    {"pullthroughcache.ecr.amazonaws.com", "AWSServiceRoleForECRPullThroughCache",
     "AWSECRPullThroughCache_ServiceRolePolicy"},
    {"ecs.application-autoscaling.amazonaws.com",
     "AWSServiceRoleForApplicationAutoScaling_ECSService",
     "AWSApplicationAutoscalingECSServicePolicy"},
    {"autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling",
     "AutoScalingServiceRolePolicy"},
    {"elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing",
     "AWSElasticLoadBalancingServiceRolePolicy"},
    {"eks.amazonaws.com", "AWSServiceRoleForAmazonEKS", "AmazonEKSServiceRolePolicy"},
};

static const struct linked_service *service_find(const char *name)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
        if (streq(services[i].service, name))
            return &services[i];
    return NULL;
}

const char *iam_linked_role_name(struct call *c, const char *service, const char *suffix)
{
    const struct linked_service *s = service_find(service);
    if (!s)
        return "*";
    return suffix ? call_printf(c, "%s_%s", s->role, suffix) : s->role;
}

/* ---- a new one ---- */

static struct policy *trust_of(const char *document)
{
    struct policy *compiled = NULL;
    struct error err;
    int r = policy_compile(document, strlen(document), POLICY_TRUST, &compiled, &err);
    assert(r == 0); /* the text is ours */
    (void)r;
    return compiled;
}

static struct iam_role_entity *make(struct core *core, const char *account,
                                    const struct linked_service *s, const char *name,
                                    const char *description)
{
    struct arena *scratch = core_scratch(core);
    const char *document = arena_printf(
        scratch,
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
        "\"Principal\":{\"Service\":\"%s\"},\"Action\":\"sts:AssumeRole\"}]}",
        s->service);
    const char *path = arena_printf(scratch, "/aws-service-role/%s/", s->service);
    struct iam_entity *e = iam_entity_new(core, IAM_ROLE, account, path, name);
    e->rec->linked_service = s->service;
    e->rec->description = arena_strdup(&e->o.arena, description);
    e->rec->max_session_duration = SET_INT(SESSION_DURATION_S);
    iam_trust_set(core, iam_role_of(e), document, trust_of(document));
    iam_attach_policy(
        core, e,
        iam_policy_find(core, account,
                        arena_printf(scratch,
                                     "arn:aws:iam::aws:policy/aws-service-role/%s",
                                     s->policy)));
    return iam_role_of(e);
}

int iam_linked_role_ensure(struct core *core, const char *account, const char *service,
                           struct error *err)
{
    const struct linked_service *s = service_find(service);
    if (!s)
        return fail(err, E_NOTFOUND, "no service-linked role for '%s'", service);
    if (!iam_role_find(core, account, s->role))
        make(core, account, s, s->role, NULL);
    return 0;
}

int iam_create_service_linked_role(
    struct call *c, const struct iam_create_service_linked_role_request *in,
    struct iam_create_service_linked_role_response *out)
{
    const struct linked_service *s = service_find(in->aws_service_name);
    if (!s)
        return call_fault(c, &iam_invalid_input_exception,
                          "Service Linked Roles are not supported for service '%s'.",
                          in->aws_service_name);
    /* As on AWS: of these, Auto Scaling alone may have several. */
    if (in->custom_suffix && !streq(s->service, "autoscaling.amazonaws.com"))
        return call_fault(c, &iam_invalid_input_exception,
                          "Custom suffix is not allowed for %s", s->service);
    const char *name = iam_linked_role_name(c, s->service, in->custom_suffix);
    if (strlen(name) > 64)
        return call_fault(c, &iam_invalid_input_exception,
                          "The role's name %s has more than 64 characters.", name);
    if (iam_role_find(c->core, c->who.account_id, name))
        return call_fault(c, &iam_invalid_input_exception,
                          "Service role name %s has been taken in this account, please "
                          "try a different suffix.",
                          name);
    const struct iam_role_entity *r =
        make(c->core, c->who.account_id, s, name, in->description);
    out->role = arena_new(&c->arena, struct iam_role);
    iam_role_describe(c, r, true, out->role);
    return 0;
}

/* ---- its end ---- */

struct deletion {
    struct object o;
    struct gantry_iam_deletion_record *rec;
};

static const struct table_type deletion_table = {
    .prefix = DELETION_PREFIX,
    .shape = &gantry_iam_deletion_record_shape,
    .object_size = sizeof(struct deletion),
    .record_offset = offsetof(struct deletion, rec),
};

void iam_deletion_tables(struct core *core, struct iam *iam)
{
    iam->deletions = table_add(core, &deletion_table);
}

/* Room for one more of the account: the oldest goes. */
static void forget_oldest(struct core *core, const char *prefix)
{
    const struct table *t = iam_of(core)->deletions;
    struct deletion *oldest = NULL, *d;
    size_t n = 0;
    for (const char *at = prefix; (d = table_next(t, prefix, at)); at = d->o.key) {
        n++;
        if (!oldest || d->rec->at.v < oldest->rec->at.v)
            oldest = d;
    }
    if (n >= DELETIONS_MAX)
        object_delete(core, &oldest->o);
}

static const char *deletion_prefix(struct call *c)
{
    return call_printf(c, DELETION_PREFIX "%s/", c->who.account_id);
}

static void deletion_remember(struct call *c, const char *task_id)
{
    const char *prefix = deletion_prefix(c);
    forget_oldest(c->core, prefix);
    struct deletion *d =
        object_new(c->core, iam_of(c->core)->deletions,
                   call_printf(c, "%s%s", prefix, strrchr(task_id, '/') + 1));
    d->rec->role = arena_strdup(&d->o.arena, task_id);
    d->rec->account = arena_strdup(&d->o.arena, c->who.account_id);
    d->rec->at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &d->o);
}

static const char *new_task_id(struct call *c, const struct iam_role_entity *r)
{
    char hex[33];
    core_random_hex(c->core, hex, 32);
    return call_printf(c, "task/aws-service-role/%s/%s/%.8s-%.4s-%.4s-%.4s-%.12s",
                       r->e.rec->linked_service, r->e.rec->name, hex, hex + 8, hex + 12,
                       hex + 16, hex + 20);
}

int iam_delete_service_linked_role(
    struct call *c, const struct iam_delete_service_linked_role_request *in,
    struct iam_delete_service_linked_role_response *out)
{
    struct iam_role_entity *r = iam_role_require(c, in->role_name);
    if (!r)
        return -1;
    if (!r->e.rec->linked_service)
        return call_fault(c, &iam_invalid_input_exception,
                          "The role %s is not a service-linked role.", r->e.rec->name);
    out->deletion_task_id = new_task_id(c, r);
    deletion_remember(c, out->deletion_task_id);
    iam_entity_delete(c->core, &r->e);
    return 0;
}

int iam_get_service_linked_role_deletion_status(
    struct call *c, const struct iam_get_service_linked_role_deletion_status_request *in,
    struct iam_get_service_linked_role_deletion_status_response *out)
{
    const char *slash = strrchr(in->deletion_task_id, '/');
    const struct deletion *d =
        slash ? table_find(iam_of(c->core)->deletions,
                           call_printf(c, "%s%s", deletion_prefix(c), slash + 1))
              : NULL;
    if (!d || !streq(d->rec->role, in->deletion_task_id))
        return call_fault(c, &iam_no_such_entity_exception,
                          "Deletion task id %s cannot be found.", in->deletion_task_id);
    out->status = IAM_DELETION_TASK_STATUS_TYPE_SUCCEEDED;
    return 0;
}
