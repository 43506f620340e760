/* Internet gateways. */
#include "ec2_query.h"
#include "ec2_tags.h"

static const struct ec2_internet_gateway *rec_of(const struct object *o)
{
    return ((const struct internet_gateway *)o)->rec->internet_gateway;
}

static struct internet_gateway *require(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct internet_gateway *g = internet_gateway_find(c->core, &s, id);
    if (!g)
        ec2_fault(c, "InvalidInternetGatewayID.NotFound",
                  "The internetGateway ID '%s' does not exist", id ? id : "");
    return g;
}

static bool attached(const struct internet_gateway *g, const char *vpc)
{
    const struct ec2_internet_gateway *rec = g->rec->internet_gateway;
    return rec->attachments.n && streq(rec->attachments.v[0].vpc_id, vpc);
}

int ec2_create_internet_gateway(struct call *c,
                                const struct ec2_create_internet_gateway_request *in,
                                struct ec2_create_internet_gateway_result *out)
{
    static const char *const types[] = {"internet-gateway", NULL};
    struct ec2_scope s = ec2_scope_of(c);
    if (ec2_tags_given(c, &in->tag_specifications, types) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    ec2_account_ensure(c->core, &s);
    struct internet_gateway *g = internet_gateway_new(c->core, &s);
    ec2_tags_take(&g->o.arena, &in->tag_specifications, types[0],
                  &g->rec->internet_gateway->tags);
    object_save(c->core, &g->o);
    out->internet_gateway = g->rec->internet_gateway;
    return 0;
}

int ec2_delete_internet_gateway(struct call *c,
                                const struct ec2_delete_internet_gateway_request *in,
                                void *out)
{
    struct internet_gateway *g = require(c, in->internet_gateway_id);
    if (!g)
        return -1;
    if (g->rec->internet_gateway->attachments.n)
        return ec2_fault(c, "DependencyViolation",
                         "The internetGateway '%s' has dependencies and cannot be "
                         "deleted.",
                         in->internet_gateway_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    object_delete(c->core, &g->o);
    return 0;
}

int ec2_attach_internet_gateway(struct call *c,
                                const struct ec2_attach_internet_gateway_request *in,
                                void *out)
{
    struct internet_gateway *g = require(c, in->internet_gateway_id);
    struct vpc *v = g ? vpc_require(c, in->vpc_id) : NULL;
    if (!v)
        return -1;
    if (g->rec->internet_gateway->attachments.n)
        return ec2_fault(c, "Resource.AlreadyAssociated",
                         "resource %s is already attached to network %s",
                         in->internet_gateway_id,
                         g->rec->internet_gateway->attachments.v[0].vpc_id);
    if (vpc_gateway(c->core, v))
        return ec2_fault(c, "InvalidParameterValue",
                         "Network %s already has an internet gateway attached",
                         in->vpc_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    internet_gateway_attach(c->core, g, v);
    return 0;
}

int ec2_detach_internet_gateway(struct call *c,
                                const struct ec2_detach_internet_gateway_request *in,
                                void *out)
{
    struct internet_gateway *g = require(c, in->internet_gateway_id);
    struct vpc *v = g ? vpc_require(c, in->vpc_id) : NULL;
    if (!v)
        return -1;
    if (!attached(g, in->vpc_id))
        return ec2_fault(c, "Gateway.NotAttached",
                         "resource %s is not attached to network %s",
                         in->internet_gateway_id, in->vpc_id);
    list_for_each (it, &v->subnets) {
        if (subnet_has_public(list_entry(it, struct subnet, link)))
            return ec2_fault(c, "DependencyViolation",
                             "Network %s has some mapped public address(es). Please "
                             "unmap those public address(es) before detaching the "
                             "gateway.",
                             in->vpc_id);
    }
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    g->rec->internet_gateway->attachments.n = 0;
    object_save(c->core, &g->o);
    routes_set_state(c->core, v, in->internet_gateway_id, EC2_ROUTE_STATE_BLACKHOLE);
    vpc_changed(c->core, v);
    return 0;
}

/* ---- DescribeInternetGateways ---- */

static void g_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->internet_gateway_id);
}
static void g_vpc(struct core *core, const struct object *o, struct ec2_values *to)
{
    if (rec_of(o)->attachments.n)
        ec2_value(to, rec_of(o)->attachments.v[0].vpc_id);
}
static void g_state(struct core *core, const struct object *o, struct ec2_values *to)
{
    if (rec_of(o)->attachments.n)
        ec2_value(to, "available");
}
static void g_owner(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->owner_id);
}
static const struct ec2_tag_list *g_tags(const struct object *o)
{
    return &rec_of(o)->tags;
}

int ec2_describe_internet_gateways(
    struct call *c, const struct ec2_describe_internet_gateways_request *in,
    struct ec2_describe_internet_gateways_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"internet-gateway-id", g_id},
        {"attachment.vpc-id", g_vpc},
        {"attachment.state", g_state},
        {"owner-id", g_owner},
        {NULL, NULL},
    };
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct ec2_query q = {
        .table = ec2_of(c->core)->internet_gateways,
        .kind = "internet-gateway",
        .rows = rows,
        .tags = g_tags,
        .filters = &in->filters,
        .ids = &in->internet_gateway_ids,
        .missing_code = "InvalidInternetGatewayID.NotFound",
        .missing_text = "The internetGateway ID '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    struct ec2_found found;
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        *LIST_PUSH(&c->arena, &out->internet_gateways) = *rec_of(found.v[i]);
    out->internet_gateways.set = true;
    out->next_token = found.next_token;
    return 0;
}
