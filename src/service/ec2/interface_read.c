/* DescribeNetworkInterfaces, DescribeNetworkInterfaceAttribute. */
#include "ec2_query.h"
#include "interface.h"

static const struct ec2_network_interface *rec_of(const struct object *o)
{
    return ((const struct network_interface *)o)->rec->interface;
}

#define TEXT(name, member)                                                               \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        ec2_value(to, rec_of(o)->member);                                                \
    }
TEXT(v_id, network_interface_id)
TEXT(v_subnet, subnet_id)
TEXT(v_vpc, vpc_id)
TEXT(v_zone, availability_zone)
TEXT(v_zone_id, availability_zone_id)
TEXT(v_description, description)
TEXT(v_mac, mac_address)
TEXT(v_owner, owner_id)
TEXT(v_dns, private_dns_name)
TEXT(v_address, private_ip_address)
TEXT(v_requester, requester_id)

#define BOOL(name, member)                                                               \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        ec2_value_bool(to, rec_of(o)->member.v);                                         \
    }
BOOL(v_managed, requester_managed)
BOOL(v_check, source_dest_check)

/* Of the primary address: those of secondary ones are among addresses.association.* */
#define ASSOCIATION(name, member)                                                        \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        const struct ec2_network_interface_association *x = rec_of(o)->association;      \
        ec2_value(to, x ? x->member : NULL);                                             \
    }
ASSOCIATION(x_allocation, allocation_id)
ASSOCIATION(x_association, association_id)
ASSOCIATION(x_owner, ip_owner_id)
ASSOCIATION(x_public, public_ip)
ASSOCIATION(x_dns, public_dns_name)

#define EVERY_ADDRESS(name, expression)                                                  \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        const struct ec2_network_interface *rec = rec_of(o);                             \
        for (size_t n = 0; n < rec->private_ip_addresses.n; n++) {                       \
            const struct ec2_network_interface_private_ip_address *p =                   \
                &rec->private_ip_addresses.v[n];                                         \
            ec2_value(to, expression);                                                   \
        }                                                                                \
    }
EVERY_ADDRESS(p_address, p->private_ip_address)
EVERY_ADDRESS(p_primary, p->primary.v ? "true" : "false")
EVERY_ADDRESS(p_public, p->association ? p->association->public_ip : NULL)
EVERY_ADDRESS(p_owner, p->association ? p->association->ip_owner_id : NULL)

#define ATTACHMENT(name, expression)                                                     \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        const struct ec2_network_interface_attachment *x = rec_of(o)->attachment;        \
        if (x)                                                                           \
            ec2_value(to, expression);                                                   \
    }
ATTACHMENT(a_id, x->attachment_id)
ATTACHMENT(a_instance, x->instance_id)
ATTACHMENT(a_owner, x->instance_owner_id)
ATTACHMENT(a_delete, x->delete_on_termination.v ? "true" : "false")
ATTACHMENT(a_index, arena_printf(to->a, "%d", (int)x->device_index.v))
ATTACHMENT(a_status, wire_enum_name(&ec2_attachment_status_shape, (int)x->status))

static void v_group(struct core *core, const struct object *o, struct ec2_values *to)
{
    for (size_t n = 0; n < rec_of(o)->groups.n; n++)
        ec2_value(to, rec_of(o)->groups.v[n].group_id);
}
static void v_group_name(struct core *core, const struct object *o, struct ec2_values *to)
{
    for (size_t n = 0; n < rec_of(o)->groups.n; n++)
        ec2_value(to, rec_of(o)->groups.v[n].group_name);
}
static void v_type(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_enum(to, &ec2_network_interface_type_shape, (int)rec_of(o)->interface_type);
}
static void v_status(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_enum(to, &ec2_network_interface_status_shape, (int)rec_of(o)->status);
}
static void v_false(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, false);
}
static const struct ec2_tag_list *tags_of(const struct object *o)
{
    return &rec_of(o)->tag_set;
}

static const struct ec2_filter_row filters[] = {
    {"network-interface-id", v_id},
    {"subnet-id", v_subnet},
    {"vpc-id", v_vpc},
    {"availability-zone", v_zone},
    {"availability-zone-id", v_zone_id},
    {"description", v_description},
    {"group-id", v_group},
    {"group-name", v_group_name},
    {"interface-type", v_type},
    {"mac-address", v_mac},
    {"operator.managed", v_false},
    {"owner-id", v_owner},
    {"private-dns-name", v_dns},
    {"private-ip-address", v_address},
    {"requester-id", v_requester},
    {"requester-managed", v_managed},
    {"source-dest-check", v_check},
    {"status", v_status},
    {"addresses.private-ip-address", p_address},
    {"addresses.primary", p_primary},
    {"addresses.association.public-ip", p_public},
    {"addresses.association.owner-id", p_owner},
    {"association.allocation-id", x_allocation},
    {"association.association-id", x_association},
    {"association.ip-owner-id", x_owner},
    {"association.public-ip", x_public},
    {"association.public-dns-name", x_dns},
    {"attachment.attachment-id", a_id},
    {"attachment.instance-id", a_instance},
    {"attachment.instance-owner-id", a_owner},
    {"attachment.delete-on-termination", a_delete},
    {"attachment.device-index", a_index},
    {"attachment.status", a_status},
    {NULL, NULL},
};

int ec2_describe_network_interfaces(
    struct call *c, const struct ec2_describe_network_interfaces_request *in,
    struct ec2_describe_network_interfaces_result *out)
{
    struct ec2_query q = {
        .table = ec2_of(c->core)->interfaces,
        .kind = "network-interface",
        .rows = filters,
        .tags = tags_of,
        .filters = &in->filters,
        .ids = &in->network_interface_ids,
        .missing_code = "InvalidNetworkInterfaceID.NotFound",
        .missing_text = "The networkInterface ID '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    struct ec2_found found;
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        *LIST_PUSH(&c->arena, &out->network_interfaces) = *rec_of(found.v[i]);
    out->network_interfaces.set = true;
    out->next_token = found.next_token;
    return 0;
}

int ec2_describe_network_interface_attribute(
    struct call *c, const struct ec2_describe_network_interface_attribute_request *in,
    struct ec2_describe_network_interface_attribute_result *out)
{
    const struct network_interface *i = interface_require(c, in->network_interface_id);
    if (!i)
        return -1;
    const struct ec2_network_interface *rec = i->rec->interface;
    out->network_interface_id = rec->network_interface_id;
    switch (in->attribute) {
    case EC2_NETWORK_INTERFACE_ATTRIBUTE_UNSET:
        return ec2_fault(c, "InvalidParameterCombination", "No attributes specified.");
    case EC2_NETWORK_INTERFACE_ATTRIBUTE_DESCRIPTION:
        out->description = arena_new(&c->arena, struct ec2_attribute_value);
        out->description->value = rec->description;
        break;
    case EC2_NETWORK_INTERFACE_ATTRIBUTE_GROUP_SET:
        out->groups = rec->groups;
        break;
    case EC2_NETWORK_INTERFACE_ATTRIBUTE_SOURCE_DEST_CHECK:
        out->source_dest_check = arena_new(&c->arena, struct ec2_attribute_boolean_value);
        out->source_dest_check->value = rec->source_dest_check;
        break;
    case EC2_NETWORK_INTERFACE_ATTRIBUTE_ATTACHMENT:
        out->attachment = rec->attachment;
        break;
    case EC2_NETWORK_INTERFACE_ATTRIBUTE_ASSOCIATE_PUBLIC_IP_ADDRESS:
        out->associate_public_ip_address =
            SET_BOOL(rec->association && !rec->association->allocation_id);
        break;
    }
    return ec2_dry_run(c, in->dry_run);
}
