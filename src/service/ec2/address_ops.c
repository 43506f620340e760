/* Elastic addresses: AllocateAddress, ReleaseAddress, AssociateAddress, DisassociateAddress,
 * DescribeAddresses, DescribeAddressesAttribute. */
#include "address.h"
#include "ec2_instance.h"
#include "ec2_query.h"
#include "ec2_tags.h"
#include "interface.h"

#define AMAZON_POOL "amazon"

static const struct ec2_address *rec_of(const struct object *o)
{
    return ((const struct elastic_address *)o)->rec->address;
}

/* The first one of the account whose member is `text`: few, and only asked for by old
 * clients (PublicIp) and when an association goes. */
static struct elastic_address *search(struct call *c,
                                      const char *(*member)(const struct ec2_address *),
                                      const char *text)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "address", &s), *after = prefix;
    struct object *o;
    while ((o = table_next(ec2_of(c->core)->addresses, prefix, after))) {
        if (streq(member(rec_of(o)), text))
            return (struct elastic_address *)o;
        after = o->key;
    }
    return NULL;
}

static const char *public_ip_of(const struct ec2_address *x)
{
    return x->public_ip;
}

static const char *association_of(const struct ec2_address *x)
{
    return x->association_id;
}

static struct elastic_address *require_public(struct call *c, const char *ip)
{
    struct elastic_address *e = search(c, public_ip_of, ip);
    if (!e)
        ec2_fault(c, "InvalidAddress.NotFound", "Address '%s' not found.", ip);
    return e;
}

/* Requests name an address by its id or, as in the days of EC2-Classic, by itself. */
static struct elastic_address *chosen(struct call *c, const char *id, const char *ip)
{
    if (id && ip)
        ec2_fault(c, "InvalidParameterCombination",
                  "You may specify public IP or allocation id, but not both in the same "
                  "call");
    else if (id)
        return elastic_address_require(c, id);
    else if (ip)
        return require_public(c, ip);
    else
        ec2_fault(c, "MissingParameter",
                  "Either public IP or allocation id must be specified");
    return NULL;
}

/* ---- AllocateAddress, ReleaseAddress ---- */

static int border_group_check(struct call *c, const char *group)
{
    return !group || streq(group, c->region)
               ? 0
               : ec2_fault(c, "InvalidParameterValue",
                           "The network border group '%s' does not exist in this region",
                           group);
}

static int allocate_offered(struct call *c, const struct ec2_allocate_address_request *in)
{
    if (in->domain && in->domain != EC2_DOMAIN_TYPE_VPC)
        return ec2_refuse(c, "Addresses outside of VPCs are");
    if (in->customer_owned_ipv4_pool)
        return ec2_refuse(c, "Customer-owned pools are");
    if (in->ipam_pool_id)
        return ec2_refuse(c, "IPAM pools are");
    if (in->public_ipv4_pool && !streq(in->public_ipv4_pool, AMAZON_POOL))
        return ec2_fault(c, "InvalidPublicIpv4PoolID.NotFound",
                         "The pool ID '%s' does not exist", in->public_ipv4_pool);
    return border_group_check(c, in->network_border_group);
}

static int take(struct call *c, const char *wanted, uint32_t *ret)
{
    struct ec2 *ec2 = ec2_of(c->core);
    if (!wanted)
        return public_address_take(ec2, ret)
                   ? 0
                   : ec2_fault(c, "InsufficientAddressCapacity",
                               "Insufficient capacity of public addresses: the pool is "
                               "used up.");
    if (!address_parse(wanted, ret))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value (%s) for parameter address is invalid.", wanted);
    return public_address_take_this(ec2, *ret)
               ? 0
               : ec2_fault(c, "InvalidAddress.NotFound",
                           "The address '%s' is not available.", wanted);
}

int ec2_allocate_address(struct call *c, const struct ec2_allocate_address_request *in,
                         struct ec2_allocate_address_result *out)
{
    static const char *const types[] = {"elastic-ip", NULL};
    struct ec2_scope s = ec2_scope_of(c);
    uint32_t address;
    if (allocate_offered(c, in) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, types) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0 || take(c, in->address, &address) < 0)
        return -1;
    const char *id = ec2_new_id(c->core, &c->arena, "eipalloc");
    struct elastic_address *e = object_new(c->core, ec2_of(c->core)->addresses,
                                           ec2_key(&c->arena, "address", &s, id));
    struct arena *a = &e->o.arena;
    struct ec2_address *rec = e->rec->address = arena_new(a, struct ec2_address);
    rec->allocation_id = arena_strdup(a, id);
    rec->public_ip = address_text(a, address);
    rec->domain = EC2_DOMAIN_TYPE_VPC;
    rec->public_ipv4_pool = AMAZON_POOL;
    rec->network_border_group = arena_strdup(a, s.region);
    ec2_tags_take(a, &in->tag_specifications, types[0], &rec->tags);
    object_save(c->core, &e->o);
    rec = e->rec->address;
    out->allocation_id = rec->allocation_id;
    out->public_ip = rec->public_ip;
    out->public_ipv4_pool = rec->public_ipv4_pool;
    out->network_border_group = rec->network_border_group;
    out->domain = rec->domain;
    return 0;
}

int ec2_release_address(struct call *c, const struct ec2_release_address_request *in,
                        void *out)
{
    struct elastic_address *e = chosen(c, in->allocation_id, in->public_ip);
    uint32_t address;
    if (!e || border_group_check(c, in->network_border_group) < 0)
        return -1;
    const struct ec2_address *rec = e->rec->address;
    if (rec->association_id)
        return ec2_fault(c, "InvalidIPAddress.InUse", "Address %s is in use.",
                         rec->public_ip);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    if (address_parse(rec->public_ip, &address))
        public_address_give_back(ec2_of(c->core), address);
    object_delete(c->core, &e->o);
    return 0;
}

/* ---- AssociateAddress, DisassociateAddress ---- */

static const char *interface_of_instance(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct ec2_instance_info info;
    struct error err;
    if (ec2_instance_find(c->core, &s, id, &info, &err) < 0) {
        ec2_fault(c, "InvalidInstanceID.NotFound", "%s", err.text);
        return NULL;
    }
    const char *interface = ec2_instance_interface(c->core, &s, id);
    if (!interface)
        ec2_fault(c, "InvalidInstanceID", "Instance '%s' has no network interface", id);
    return interface;
}

static struct network_interface *target(struct call *c,
                                        const struct ec2_associate_address_request *in)
{
    const char *id = in->network_interface_id;
    if (!id && !in->instance_id) {
        ec2_fault(c, "MissingParameter",
                  "Either instance ID or network interface id must be specified");
        return NULL;
    }
    if (id && in->instance_id) {
        ec2_fault(c, "InvalidParameterCombination",
                  "You may specify instance ID or network interface id, but not both");
        return NULL;
    }
    if (!id && !(id = interface_of_instance(c, in->instance_id)))
        return NULL;
    return interface_require(c, id);
}

/* The edge translates an interface's primary address only. */
static int private_check(struct call *c, const struct network_interface *i,
                         const char *address)
{
    const struct ec2_network_interface *rec = i->rec->interface;
    if (!address || streq(address, rec->private_ip_address))
        return 0;
    for (size_t n = 0; n < rec->private_ip_addresses.n; n++)
        if (streq(rec->private_ip_addresses.v[n].private_ip_address, address))
            return ec2_refuse(c, "Public addresses of secondary private addresses are");
    return ec2_fault(c, "InvalidParameterValue",
                     "Network interface '%s' has no private address '%s'",
                     rec->network_interface_id, address);
}

/* May the address leave the interface that it leads to now? */
static int leaves_check(struct call *c, const struct elastic_address *e,
                        struct opt_bool allowed)
{
    struct ec2_scope s = ec2_scope_of(c);
    const struct ec2_address *rec = e->rec->address;
    const struct network_interface *now =
        interface_find(c->core, &s, rec->network_interface_id);
    if (!now ||
        (!(allowed.set && !allowed.v) && !now->rec->interface->requester_managed.v))
        return 0;
    return ec2_fault(c, "Resource.AlreadyAssociated",
                     "resource %s is already associated with associate-id %s",
                     rec->allocation_id, rec->association_id);
}

int ec2_associate_address(struct call *c, const struct ec2_associate_address_request *in,
                          struct ec2_associate_address_result *out)
{
    struct elastic_address *e = chosen(c, in->allocation_id, in->public_ip);
    struct network_interface *i = e ? target(c, in) : NULL;
    if (!i || interface_own(c, i) < 0 || private_check(c, i, in->private_ip_address) < 0)
        return -1;
    if (!vpc_gateway(c->core, i->subnet->vpc))
        return ec2_fault(c, "Gateway.NotAttached",
                         "Network %s is not attached to any internet gateway",
                         vpc_id(i->subnet->vpc));
    bool same = streq(e->rec->address->network_interface_id, interface_id(i));
    if ((!same && leaves_check(c, e, in->allow_reassociation) < 0) ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    if (!same)
        elastic_address_bind(c->core, e, i);
    out->association_id = e->rec->address->association_id;
    return 0;
}

int ec2_disassociate_address(struct call *c,
                             const struct ec2_disassociate_address_request *in, void *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct elastic_address *e = NULL;
    if (!in->association_id && !in->public_ip)
        return ec2_fault(c, "MissingParameter",
                         "Either public IP or association id must be specified");
    if (in->association_id && in->public_ip)
        return ec2_fault(c, "InvalidParameterCombination",
                         "You may specify public IP or association id, but not both in "
                         "the same call");
    if (in->association_id && !(e = search(c, association_of, in->association_id)))
        return ec2_fault(c, "InvalidAssociationID.NotFound",
                         "The association ID '%s' does not exist", in->association_id);
    if (in->public_ip && !(e = require_public(c, in->public_ip)))
        return -1;
    const struct network_interface *i =
        interface_find(c->core, &s, e->rec->address->network_interface_id);
    if ((i && interface_own(c, i) < 0) || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    if (e->rec->address->association_id)
        elastic_address_unbind(c->core, e);
    return 0;
}

/* ---- DescribeAddresses, DescribeAddressesAttribute ---- */

#define TEXT(name, member)                                                               \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        ec2_value(to, rec_of(o)->member);                                                \
    }
TEXT(a_id, allocation_id)
TEXT(a_association, association_id)
TEXT(a_instance, instance_id)
TEXT(a_group, network_border_group)
TEXT(a_interface, network_interface_id)
TEXT(a_interface_owner, network_interface_owner_id)
TEXT(a_private, private_ip_address)
TEXT(a_public, public_ip)

static void a_domain(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_enum(to, &ec2_domain_type_shape, (int)rec_of(o)->domain);
}

static const struct ec2_tag_list *tags_of(const struct object *o)
{
    return &rec_of(o)->tags;
}

static const struct ec2_filter_row filters[] = {
    {"allocation-id", a_id},
    {"association-id", a_association},
    {"domain", a_domain},
    {"instance-id", a_instance},
    {"network-border-group", a_group},
    {"network-interface-id", a_interface},
    {"network-interface-owner-id", a_interface_owner},
    {"private-ip-address", a_private},
    {"public-ip", a_public},
    {NULL, NULL},
};

/* Ids and addresses together, as ids. */
static int ids_of(struct call *c, const struct ec2_describe_addresses_request *in,
                  struct string_list *ret)
{
    for (size_t i = 0; i < in->allocation_ids.n; i++)
        *LIST_PUSH(&c->arena, ret) = in->allocation_ids.v[i];
    for (size_t i = 0; i < in->public_ips.n; i++) {
        const struct elastic_address *e = require_public(c, in->public_ips.v[i]);
        if (!e)
            return -1;
        *LIST_PUSH(&c->arena, ret) = e->rec->address->allocation_id;
    }
    return 0;
}

static struct ec2_query query_of(struct call *c, const struct ec2_filter_list *by,
                                 const struct string_list *ids)
{
    return (struct ec2_query){
        .table = ec2_of(c->core)->addresses,
        .kind = "address",
        .rows = filters,
        .tags = tags_of,
        .filters = by,
        .ids = ids,
        .missing_code = "InvalidAllocationID.NotFound",
        .missing_text = "The allocation ID '%s' does not exist",
    };
}

int ec2_describe_addresses(struct call *c,
                           const struct ec2_describe_addresses_request *in,
                           struct ec2_describe_addresses_result *out)
{
    struct string_list ids = {0};
    struct ec2_found found;
    if (ids_of(c, in, &ids) < 0)
        return -1;
    struct ec2_query q = query_of(c, &in->filters, &ids);
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        *LIST_PUSH(&c->arena, &out->addresses) = *rec_of(found.v[i]);
    out->addresses.set = true;
    return 0;
}

/* No address has a PTR record: nobody can ask for one. */
int ec2_describe_addresses_attribute(
    struct call *c, const struct ec2_describe_addresses_attribute_request *in,
    struct ec2_describe_addresses_attribute_result *out)
{
    static const struct ec2_filter_list none = {0};
    struct ec2_query q = query_of(c, &none, &in->allocation_ids);
    struct ec2_found found;
    q.next_token = in->next_token;
    q.max_results = in->max_results;
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++) {
        struct ec2_address_attribute *to = LIST_PUSH(&c->arena, &out->addresses);
        to->public_ip = rec_of(found.v[i])->public_ip;
        to->allocation_id = rec_of(found.v[i])->allocation_id;
    }
    out->addresses.set = true;
    out->next_token = found.next_token;
    return 0;
}
