/* Route tables, their routes and whom they belong to. */
#include "ec2_instance.h"
#include "ec2_query.h"
#include "ec2_tags.h"
#include "interface.h"

#define ROUTES_MAX 50

static const struct ec2_route_table *rec_of(const struct object *o)
{
    return ((const struct route_table *)o)->rec->route_table;
}

static struct route_table *require(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct route_table *t = route_table_find(c->core, &s, id);
    if (!t)
        ec2_fault(c, "InvalidRouteTableID.NotFound",
                  "The routeTable ID '%s' does not exist", id ? id : "");
    return t;
}

static void changed(struct core *core, struct route_table *t)
{
    struct vpc *v = t->vpc;
    object_save(core, &t->o);
    vpc_changed(core, v);
}

int ec2_create_route_table(struct call *c,
                           const struct ec2_create_route_table_request *in,
                           struct ec2_create_route_table_result *out)
{
    static const char *const types[] = {"route-table", NULL};
    struct vpc *v = vpc_require(c, in->vpc_id);
    if (!v || ec2_tags_given(c, &in->tag_specifications, types) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct route_table *t = route_table_new(c->core, v, false);
    ec2_tags_take(&t->o.arena, &in->tag_specifications, types[0],
                  &t->rec->route_table->tags);
    object_save(c->core, &t->o);
    out->route_table = t->rec->route_table;
    out->client_token = in->client_token;
    return 0;
}

int ec2_delete_route_table(struct call *c,
                           const struct ec2_delete_route_table_request *in, void *out)
{
    struct route_table *t = require(c, in->route_table_id);
    if (!t)
        return -1;
    if (t->rec->route_table->associations.n)
        return ec2_fault(c, "DependencyViolation",
                         "The routeTable '%s' has dependencies and cannot be deleted.",
                         in->route_table_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    object_delete(c->core, &t->o);
    return 0;
}

/* ---- associations ---- */

static struct ec2_route_table_association *
association_add(struct core *core, struct route_table *t, const char *subnet)
{
    struct arena *a = &t->o.arena;
    struct ec2_route_table_association *x =
        LIST_PUSH(a, &t->rec->route_table->associations);
    x->main = SET_BOOL(subnet == NULL);
    x->route_table_association_id = ec2_new_id(core, a, "rtbassoc");
    x->route_table_id = t->rec->route_table->route_table_id;
    x->subnet_id = arena_strdup(a, subnet);
    x->association_state = arena_new(a, struct ec2_route_table_association_state);
    x->association_state->state = EC2_ROUTE_TABLE_ASSOCIATION_STATE_CODE_ASSOCIATED;
    return x;
}

static void association_drop(struct route_table *t, size_t at)
{
    struct ec2_route_table_association_list *l = &t->rec->route_table->associations;
    memmove(&l->v[at], &l->v[at + 1], (l->n - at - 1) * sizeof(*l->v));
    l->n--;
}

static struct route_table *association_find(struct call *c, const char *id, size_t *ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "route-table", &s), *after = prefix;
    for (struct route_table *t;
         (t = table_next(ec2_of(c->core)->route_tables, prefix, after)); after = t->o.key)
        for (size_t i = 0; i < t->rec->route_table->associations.n; i++)
            if (streq(t->rec->route_table->associations.v[i].route_table_association_id,
                      id)) {
                *ret = i;
                return t;
            }
    ec2_fault(c, "InvalidAssociationID.NotFound",
              "The association ID '%s' does not exist", id ? id : "");
    return NULL;
}

static bool has_own_table(const struct subnet *s)
{
    const struct route_table *t = subnet_table_of(s);
    for (size_t i = 0; i < t->rec->route_table->associations.n; i++)
        if (streq(t->rec->route_table->associations.v[i].subnet_id,
                  s->rec->subnet->subnet_id))
            return true;
    return false;
}

int ec2_associate_route_table(struct call *c,
                              const struct ec2_associate_route_table_request *in,
                              struct ec2_associate_route_table_result *out)
{
    struct route_table *t = require(c, in->route_table_id);
    if (!t)
        return -1;
    if (!in->subnet_id)
        return ec2_refuse(c, "Associations with gateways are");
    struct subnet *s = subnet_require(c, in->subnet_id);
    if (!s)
        return -1;
    if (s->vpc != t->vpc)
        return ec2_fault(c, "InvalidParameterValue",
                         "Route table %s and subnet %s belong to different networks",
                         in->route_table_id, in->subnet_id);
    if (has_own_table(s))
        return ec2_fault(c, "Resource.AlreadyAssociated",
                         "the specified association for route table %s conflicts with an "
                         "existing association",
                         in->route_table_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct ec2_route_table_association *x = association_add(c->core, t, in->subnet_id);
    out->association_id = x->route_table_association_id;
    out->association_state = x->association_state;
    changed(c->core, t);
    return 0;
}

int ec2_disassociate_route_table(struct call *c,
                                 const struct ec2_disassociate_route_table_request *in,
                                 void *out)
{
    size_t at;
    struct route_table *t = association_find(c, in->association_id, &at);
    if (!t)
        return -1;
    if (t->rec->route_table->associations.v[at].main.v)
        return ec2_fault(c, "InvalidParameterValue",
                         "cannot disassociate the main route table association %s",
                         in->association_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    association_drop(t, at);
    changed(c->core, t);
    return 0;
}

int ec2_replace_route_table_association(
    struct call *c, const struct ec2_replace_route_table_association_request *in,
    struct ec2_replace_route_table_association_result *out)
{
    size_t at;
    struct route_table *to = require(c, in->route_table_id);
    struct route_table *from = to ? association_find(c, in->association_id, &at) : NULL;
    if (!from)
        return -1;
    if (from->vpc != to->vpc)
        return ec2_fault(c, "InvalidParameterValue",
                         "Route table %s belongs to a different network",
                         in->route_table_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    const char *subnet = from->rec->route_table->associations.v[at].subnet_id;
    subnet = arena_strdup(&c->arena, subnet);
    association_drop(from, at);
    object_save(c->core, &from->o);
    struct ec2_route_table_association *x = association_add(c->core, to, subnet);
    out->new_association_id = x->route_table_association_id;
    out->association_state = x->association_state;
    changed(c->core, to);
    return 0;
}

/* ---- routes ---- */

/* Where a route of CreateRoute and ReplaceRoute leads. */
struct target {
    const char *gateway, *nat, *interface, *instance;
    bool local;
};

static int gateway_check(struct call *c, const struct route_table *t, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    const struct internet_gateway *g = internet_gateway_find(c->core, &s, id);
    if (!str_starts(id, "igw-"))
        return ec2_refuse(c, "Routes to gateways other than internet gateways are");
    if (!g)
        return ec2_fault(c, "InvalidGatewayID.NotFound",
                         "The gateway ID '%s' does not exist", id);
    const struct ec2_internet_gateway *rec = g->rec->internet_gateway;
    if (!rec->attachments.n || !streq(rec->attachments.v[0].vpc_id, vpc_id(t->vpc)))
        return ec2_fault(c, "InvalidParameterValue",
                         "route table %s and network gateway %s belong to different "
                         "networks",
                         t->rec->route_table->route_table_id, id);
    return 0;
}

static int nat_check(struct call *c, const struct route_table *t, const char *id)
{
    list_for_each (it, &t->vpc->nat_gateways) {
        const struct ec2_nat_gateway *rec =
            list_entry(it, struct nat_gateway, link)->rec->nat_gateway;
        if (streq(rec->nat_gateway_id, id) && rec->state != EC2_NAT_GATEWAY_STATE_DELETED)
            return 0;
    }
    return ec2_fault(c, "InvalidNatGatewayID.NotFound",
                     "The natGateway ID '%s' does not exist", id);
}

static int interface_check(struct call *c, const struct route_table *t, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    const struct network_interface *i = interface_find(c->core, &s, id);
    return i && i->subnet->vpc == t->vpc
               ? 0
               : ec2_fault(c, "InvalidNetworkInterfaceID.NotFound",
                           "The networkInterface ID '%s' does not exist", id);
}

static int target_check(struct call *c, const struct route_table *t, struct target *x)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct ec2_instance_info info;
    struct error err;
    int n = !!x->gateway + !!x->nat + !!x->interface + !!x->instance + x->local;
    if (n != 1)
        return ec2_fault(c, n ? "InvalidParameterCombination" : "MissingParameter",
                         "Exactly one target must be specified: gatewayId, natGatewayId, "
                         "networkInterfaceId or instanceId");
    if (x->gateway)
        return gateway_check(c, t, x->gateway);
    if (x->nat)
        return nat_check(c, t, x->nat);
    if (x->instance) {
        if (ec2_instance_find(c->core, &s, x->instance, &info, &err) < 0)
            return ec2_fault(c, "InvalidInstanceID.NotFound", "%s", err.text);
        const char *nic = ec2_instance_interface(c->core, &s, x->instance);
        if (!nic)
            return ec2_fault(c, "InvalidInstanceID",
                             "Instance '%s' has no network interface", x->instance);
        x->interface = nic;
    }
    return x->interface ? interface_check(c, t, x->interface) : 0;
}

static struct ec2_route *route_find(struct route_table *t, const char *destination)
{
    for (size_t i = 0; i < t->rec->route_table->routes.n; i++)
        if (streq(t->rec->route_table->routes.v[i].destination_cidr_block, destination))
            return &t->rec->route_table->routes.v[i];
    return NULL;
}

static int destination_check(struct call *c, const char *text, const char *v6,
                             const char *list, const char **ret)
{
    struct cidr cidr;
    if (v6 || list)
        return ec2_refuse(c, "Routes for IPv6 and prefix lists are");
    if (!cidr_parse(text, &cidr))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value (%s) for parameter destinationCidrBlock is invalid. This "
                         "is not a valid CIDR block.",
                         text ? text : "");
    *ret = cidr_text(&c->arena, cidr);
    return 0;
}

static void route_aim(struct arena *a, struct ec2_route *r, const struct target *x,
                      const char *account)
{
    const char *destination = r->destination_cidr_block;
    *r = (struct ec2_route){
        .destination_cidr_block = destination,
        .gateway_id = x->local ? "local" : arena_strdup(a, x->gateway),
        .nat_gateway_id = arena_strdup(a, x->nat),
        .network_interface_id = arena_strdup(a, x->interface),
        .instance_id = arena_strdup(a, x->instance),
        .instance_owner_id = x->instance ? arena_strdup(a, account) : NULL,
        .origin = EC2_ROUTE_ORIGIN_CREATE_ROUTE,
        .state = EC2_ROUTE_STATE_ACTIVE,
    };
}

/* Within a range of the VPC traffic is always local (a narrower route is not offered). */
static int not_local(struct call *c, const struct route_table *t, const char *destination)
{
    struct cidr want, block;
    cidr_parse(destination, &want);
    for (size_t i = 0; i < t->rec->route_table->routes.n; i++) {
        const struct ec2_route *r = &t->rec->route_table->routes.v[i];
        if (streq(r->gateway_id, "local") &&
            cidr_parse(r->destination_cidr_block, &block) && cidr_contains(block, want))
            return ec2_fault(c, "InvalidParameterValue",
                             "The destination CIDR block %s is equal to or more specific "
                             "than one of this VPC's CIDR blocks, which this gantry does "
                             "not offer.",
                             destination);
    }
    return 0;
}

int ec2_create_route(struct call *c, const struct ec2_create_route_request *in,
                     struct ec2_create_route_result *out)
{
    struct route_table *t = require(c, in->route_table_id);
    struct target x = {.gateway = in->gateway_id,
                       .nat = in->nat_gateway_id,
                       .interface = in->network_interface_id,
                       .instance = in->instance_id};
    const char *destination = NULL;
    if (!t ||
        destination_check(c, in->destination_cidr_block, in->destination_ipv6_cidr_block,
                          in->destination_prefix_list_id, &destination) < 0)
        return -1;
    if (in->transit_gateway_id || in->vpc_peering_connection_id || in->vpc_endpoint_id ||
        in->local_gateway_id || in->carrier_gateway_id || in->core_network_arn ||
        in->egress_only_internet_gateway_id || in->odb_network_arn)
        return ec2_refuse(c, "Routes to transit gateways, peerings and endpoints are");
    if (not_local(c, t, destination) < 0 || target_check(c, t, &x) < 0)
        return -1;
    if (route_find(t, destination))
        return ec2_fault(c, "RouteAlreadyExists",
                         "The route identified by %s already exists.", destination);
    if (t->rec->route_table->routes.n >= ROUTES_MAX)
        return ec2_fault(c, "RouteLimitExceeded",
                         "A route table can have at most %d routes.", ROUTES_MAX);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct ec2_route *r = LIST_PUSH(&t->o.arena, &t->rec->route_table->routes);
    r->destination_cidr_block = arena_strdup(&t->o.arena, destination);
    route_aim(&t->o.arena, r, &x, c->who.account_id);
    changed(c->core, t);
    out->return_ = SET_BOOL(true);
    return 0;
}

int ec2_replace_route(struct call *c, const struct ec2_replace_route_request *in,
                      void *out)
{
    struct route_table *t = require(c, in->route_table_id);
    struct target x = {.gateway = in->gateway_id,
                       .nat = in->nat_gateway_id,
                       .interface = in->network_interface_id,
                       .instance = in->instance_id,
                       .local = in->local_target.v};
    const char *destination = NULL;
    if (!t ||
        destination_check(c, in->destination_cidr_block, in->destination_ipv6_cidr_block,
                          in->destination_prefix_list_id, &destination) < 0)
        return -1;
    struct ec2_route *r = route_find(t, destination);
    if (!r)
        return ec2_fault(c, "InvalidParameterValue",
                         "There is no route defined for '%s' in the route table. Use "
                         "CreateRoute instead.",
                         destination);
    if (streq(r->gateway_id, "local") || x.local)
        return ec2_fault(c, "InvalidParameterValue",
                         "cannot replace local route %s in route table %s", destination,
                         in->route_table_id);
    if (target_check(c, t, &x) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    route_aim(&t->o.arena, r, &x, c->who.account_id);
    changed(c->core, t);
    return 0;
}

int ec2_delete_route(struct call *c, const struct ec2_delete_route_request *in, void *out)
{
    struct route_table *t = require(c, in->route_table_id);
    const char *destination = NULL;
    if (!t ||
        destination_check(c, in->destination_cidr_block, in->destination_ipv6_cidr_block,
                          in->destination_prefix_list_id, &destination) < 0)
        return -1;
    struct ec2_route *r = route_find(t, destination);
    if (!r)
        return ec2_fault(c, "InvalidRoute.NotFound",
                         "no route with destination-cidr-block %s in route table %s",
                         destination, in->route_table_id);
    if (streq(r->gateway_id, "local"))
        return ec2_fault(c, "InvalidParameterValue",
                         "cannot remove local route %s in route table %s", destination,
                         in->route_table_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct ec2_route_list *l = &t->rec->route_table->routes;
    size_t at = (size_t)(r - l->v);
    memmove(&l->v[at], &l->v[at + 1], (l->n - at - 1) * sizeof(*l->v));
    l->n--;
    changed(c->core, t);
    return 0;
}

/* ---- DescribeRouteTables ---- */

static void t_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->route_table_id);
}
static void t_vpc(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->vpc_id);
}
static void t_owner(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->owner_id);
}
static void t_main(struct core *core, const struct object *o, struct ec2_values *to)
{
    for (size_t i = 0; i < rec_of(o)->associations.n; i++)
        ec2_value_bool(to, rec_of(o)->associations.v[i].main.v);
}
static void t_subnet(struct core *core, const struct object *o, struct ec2_values *to)
{
    for (size_t i = 0; i < rec_of(o)->associations.n; i++)
        ec2_value(to, rec_of(o)->associations.v[i].subnet_id);
}
static void t_association(struct core *core, const struct object *o,
                          struct ec2_values *to)
{
    for (size_t i = 0; i < rec_of(o)->associations.n; i++)
        ec2_value(to, rec_of(o)->associations.v[i].route_table_association_id);
}
static void t_destination(struct core *core, const struct object *o,
                          struct ec2_values *to)
{
    for (size_t i = 0; i < rec_of(o)->routes.n; i++)
        ec2_value(to, rec_of(o)->routes.v[i].destination_cidr_block);
}
static void t_gateway(struct core *core, const struct object *o, struct ec2_values *to)
{
    for (size_t i = 0; i < rec_of(o)->routes.n; i++)
        ec2_value(to, rec_of(o)->routes.v[i].gateway_id);
}
static void t_nat(struct core *core, const struct object *o, struct ec2_values *to)
{
    for (size_t i = 0; i < rec_of(o)->routes.n; i++)
        ec2_value(to, rec_of(o)->routes.v[i].nat_gateway_id);
}
static void t_state(struct core *core, const struct object *o, struct ec2_values *to)
{
    for (size_t i = 0; i < rec_of(o)->routes.n; i++)
        ec2_value_enum(to, &ec2_route_state_shape, (int)rec_of(o)->routes.v[i].state);
}
static const struct ec2_tag_list *t_tags(const struct object *o)
{
    return &rec_of(o)->tags;
}

int ec2_describe_route_tables(struct call *c,
                              const struct ec2_describe_route_tables_request *in,
                              struct ec2_describe_route_tables_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"route-table-id", t_id},
        {"association.route-table-id", t_id},
        {"vpc-id", t_vpc},
        {"owner-id", t_owner},
        {"association.main", t_main},
        {"association.subnet-id", t_subnet},
        {"association.route-table-association-id", t_association},
        {"route.destination-cidr-block", t_destination},
        {"route.gateway-id", t_gateway},
        {"route.nat-gateway-id", t_nat},
        {"route.state", t_state},
        {NULL, NULL},
    };
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct ec2_query q = {
        .table = ec2_of(c->core)->route_tables,
        .kind = "route-table",
        .rows = rows,
        .tags = t_tags,
        .filters = &in->filters,
        .ids = &in->route_table_ids,
        .missing_code = "InvalidRouteTableID.NotFound",
        .missing_text = "The routeTable ID '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    struct ec2_found found;
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        *LIST_PUSH(&c->arena, &out->route_tables) = *rec_of(found.v[i]);
    out->route_tables.set = true;
    out->next_token = found.next_token;
    return 0;
}
