/* CreateNetworkInterface, DeleteNetworkInterface, ModifyNetworkInterfaceAttribute,
 * AttachNetworkInterface, DetachNetworkInterface. */
#include "ec2_tags.h"
#include "interface.h"
#include "interface_addresses.h"
#include "security_group.h"

static const char *const made[] = {"network-interface", NULL};

struct network_interface *interface_require(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct network_interface *i = interface_find(c->core, &s, id);
    if (!i)
        ec2_fault(c, "InvalidNetworkInterfaceID.NotFound",
                  "The networkInterface ID '%s' does not exist", id ? id : "");
    return i;
}

/* What load balancers, tasks and gateways have is theirs to change. */
int interface_own(struct call *c, const struct network_interface *i)
{
    return i->rec->interface->requester_managed.v
               ? ec2_fault(c, "AuthFailure",
                           "You do not have permission to access the specified resource.")
               : 0;
}

int interface_groups_check(struct call *c, const struct subnet *s,
                           const struct string_list *ids)
{
    struct ec2_scope scope = ec2_scope_of(c);
    struct error err;
    const char *bad;
    if (ids->n > SECURITY_GROUPS_PER_INTERFACE)
        return ec2_fault(
            c, "SecurityGroupsPerInterfaceLimitExceeded",
            "The maximum number of security groups per interface has been reached.");
    for (size_t i = 0; i < ids->n; i++)
        for (size_t k = 0; k < i; k++)
            if (streq(ids->v[i], ids->v[k]))
                return ec2_fault(c, "InvalidParameterValue",
                                 "Duplicate security group '%s'", ids->v[i]);
    return ec2_groups_check(c->core, &scope, vpc_id(s->vpc), ids, &bad, &err) < 0
               ? ec2_fault(c, "InvalidGroup.NotFound", "%s", err.text)
               : 0;
}

static int description_check(struct call *c, const char *text)
{
    return !text || utf8_length(text) <= 255
               ? 0
               : ec2_fault(c, "InvalidParameterValue",
                           "A description has at most 255 characters");
}

/* ---- CreateNetworkInterface ---- */

static int refuse_unknown(struct call *c,
                          const struct ec2_create_network_interface_request *in)
{
    if (in->interface_type)
        return ec2_refuse(c, "Other types of network interfaces are");
    if (in->ipv4_prefixes.n || in->ipv4_prefix_count.v || in->ipv6_prefixes.n ||
        in->ipv6_prefix_count.v)
        return ec2_refuse(c, "Prefixes of network interfaces are");
    if (in->ipv6_addresses.n || in->ipv6_address_count.v || in->enable_primary_ipv6.v)
        return ec2_refuse(c, "IPv6 addresses of network interfaces are");
    if (in->connection_tracking_specification || in->operator)
        return ec2_refuse(c, "Connection tracking specifications and operators are");
    return 0;
}

/* The primary address, and the others to be had with it. */
static int addresses_given(struct call *c,
                           const struct ec2_create_network_interface_request *in,
                           const char **ret_primary, struct string_list *ret_more)
{
    *ret_primary = in->private_ip_address;
    for (size_t i = 0; i < in->private_ip_addresses.n; i++) {
        const struct ec2_private_ip_address_specification *p =
            &in->private_ip_addresses.v[i];
        if (!p->private_ip_address)
            return ec2_fault(c, "MissingParameter",
                             "The request must contain the parameter privateIpAddress");
        if (!p->primary.v) {
            *LIST_PUSH(&c->arena, ret_more) = p->private_ip_address;
        } else if (*ret_primary && !streq(*ret_primary, p->private_ip_address)) {
            return ec2_fault(c, "InvalidParameterCombination",
                             "Only one primary private IP address can be specified.");
        } else {
            *ret_primary = p->private_ip_address;
        }
    }
    return 0;
}

static void create_fault(struct call *c, int code, const struct error *err)
{
    ec2_fault(c,
              code == -E_FULL       ? "InsufficientFreeAddressesInSubnet"
              : code == -E_CONFLICT ? "InvalidIPAddress.InUse"
                                    : "InvalidParameterValue",
              "%s", err->text);
}

/* The same token again: the interface that it made. */
static int told_before(struct call *c,
                       const struct ec2_create_network_interface_request *in,
                       struct ec2_create_network_interface_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    const struct network_interface *i = interface_by_token(c->core, &s, in->client_token);
    if (!i)
        return 0;
    if (!streq(i->rec->interface->subnet_id, in->subnet_id))
        return ec2_fault(c, "IdempotentParameterMismatch",
                         "The request uses the same client token as a previous, but "
                         "non-identical request.");
    out->network_interface = i->rec->interface;
    out->client_token = in->client_token;
    return 1;
}

static struct network_interface *
create(struct call *c, const struct ec2_create_network_interface_request *in,
       const struct interface_wish *addresses)
{
    struct ec2_interface_info info;
    struct error err;
    struct ec2_interface_want want = {
        .scope = ec2_scope_of(c),
        .subnet_id = in->subnet_id,
        .group_ids = in->groups,
        .private_ip = addresses->primary,
        .description = in->description,
        .use = GANTRY_EDGE_INTERFACE_USE_UNATTACHED,
    };
    int r = ec2_interface_create(c->core, &want, &info, &err);
    if (r < 0) {
        create_fault(c, r, &err);
        return NULL;
    }
    return interface_find(c->core, &want.scope, info.interface_id);
}

int ec2_create_network_interface(struct call *c,
                                 const struct ec2_create_network_interface_request *in,
                                 struct ec2_create_network_interface_result *out)
{
    struct interface_wish w = {0};
    struct network_interface *i;
    struct subnet *s;
    int r = told_before(c, in, out);
    if (r != 0)
        return r < 0 ? r : 0;
    if (refuse_unknown(c, in) < 0 || !(s = subnet_require(c, in->subnet_id)) ||
        interface_groups_check(c, s, &in->groups) < 0 ||
        description_check(c, in->description) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, made) < 0 ||
        addresses_given(c, in, &w.primary, &w.given) < 0)
        return -1;
    w.count = in->secondary_private_ip_address_count;
    if (interface_wish_check(c, s, NULL, &w) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    interface_wish_reserve(s, &w);
    if (!(i = create(c, in, &w))) {
        interface_wish_release(s, &w);
        return -1;
    }
    interface_wish_take(c->core, i, &w, NULL);
    ec2_tags_take(&i->o.arena, &in->tag_specifications, "network-interface",
                  &i->rec->interface->tag_set);
    interface_token_set(c->core, i, in->client_token);
    interface_changed(c->core, i);
    out->network_interface = i->rec->interface;
    out->client_token = in->client_token;
    return 0;
}

/* ---- DeleteNetworkInterface ---- */

int ec2_delete_network_interface(struct call *c,
                                 const struct ec2_delete_network_interface_request *in,
                                 void *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct network_interface *i = interface_require(c, in->network_interface_id);
    if (!i || interface_own(c, i) < 0)
        return -1;
    if (interface_wired(i))
        return ec2_fault(c, "InvalidNetworkInterface.InUse",
                         "Network interface '%s' is currently in use.",
                         in->network_interface_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    ec2_interface_delete(c->core, &s, in->network_interface_id);
    return 0;
}

/* ---- ModifyNetworkInterfaceAttribute ---- */

static int
modify_refusals(struct call *c,
                const struct ec2_modify_network_interface_attribute_request *in)
{
    if (in->ena_srd_specification || in->enable_primary_ipv6.set ||
        in->connection_tracking_specification || in->associated_subnet_ids.n)
        return ec2_refuse(c,
                          "ENA, IPv6, connection tracking and further subnets of network "
                          "interfaces are");
    if (in->associate_public_ip_address.set)
        return ec2_refuse(c, "Public addresses that are added to an existing network "
                             "interface (use an elastic IP address) are");
    int n = (in->description != NULL) + (in->source_dest_check != NULL) +
            (in->groups.n > 0) + (in->attachment != NULL);
    if (n == 0)
        return ec2_fault(c, "InvalidParameterCombination", "No attributes specified.");
    return n > 1 ? ec2_fault(c, "InvalidParameterCombination",
                             "Fields for multiple attribute types specified")
                 : 0;
}

static int attachment_modify(struct call *c, struct network_interface *i,
                             const struct ec2_network_interface_attachment_changes *in)
{
    struct ec2_network_interface_attachment *a = i->rec->interface->attachment;
    if (!a || !streq(a->attachment_id, in->attachment_id))
        return ec2_fault(c, "InvalidAttachmentID.NotFound",
                         "The attachment ID '%s' does not exist",
                         in->attachment_id ? in->attachment_id : "");
    if (in->default_ena_queue_count.set || in->ena_queue_count.set)
        return ec2_refuse(c, "ENA queues are");
    return 0;
}

int ec2_modify_network_interface_attribute(
    struct call *c, const struct ec2_modify_network_interface_attribute_request *in,
    void *out)
{
    struct network_interface *i = interface_require(c, in->network_interface_id);
    const char *words =
        in->description && in->description->value ? in->description->value : "";
    if (!i || interface_own(c, i) < 0 || modify_refusals(c, in) < 0 ||
        description_check(c, words) < 0 ||
        interface_groups_check(c, i->subnet, &in->groups) < 0 ||
        (in->attachment && attachment_modify(c, i, in->attachment) < 0) ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct ec2_network_interface *rec = i->rec->interface;
    if (in->description)
        rec->description = arena_strdup(&i->o.arena, words);
    if (in->source_dest_check)
        rec->source_dest_check = SET_BOOL(in->source_dest_check->value.v);
    if (in->attachment && in->attachment->delete_on_termination.set)
        rec->attachment->delete_on_termination = in->attachment->delete_on_termination;
    if (in->groups.n)
        interface_set_groups(c->core, i, &in->groups);
    interface_changed(c->core, i);
    return 0;
}

/* ---- attachments: an instance has the one interface that it began with ---- */

int ec2_attach_network_interface(struct call *c,
                                 const struct ec2_attach_network_interface_request *in,
                                 struct ec2_attach_network_interface_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct ec2_instance_info instance;
    struct error err;
    const struct network_interface *i = interface_require(c, in->network_interface_id);
    if (!i || interface_own(c, i) < 0)
        return -1;
    if (interface_wired(i))
        return ec2_fault(c, "InvalidNetworkInterface.InUse", "Interface: [%s] in use.",
                         in->network_interface_id);
    if (ec2_instance_find(c->core, &s, in->instance_id, &instance, &err) < 0)
        return ec2_fault(c, "InvalidInstanceID.NotFound",
                         "The instance ID '%s' does not exist", in->instance_id);
    return ec2_refuse(c, "Instances with more than one network interface are");
}

static const struct network_interface *by_attachment(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "network-interface", &s), *after = prefix;
    for (const struct network_interface *i;
         (i = table_next(ec2_of(c->core)->interfaces, prefix, after)); after = i->o.key)
        if (i->rec->interface->attachment &&
            streq(i->rec->interface->attachment->attachment_id, id))
            return i;
    return NULL;
}

int ec2_detach_network_interface(struct call *c,
                                 const struct ec2_detach_network_interface_request *in,
                                 void *out)
{
    const struct network_interface *i = by_attachment(c, in->attachment_id);
    if (!i)
        return ec2_fault(c, "InvalidAttachmentID.NotFound",
                         "The attachment ID '%s' does not exist", in->attachment_id);
    if (i->rec->interface->requester_managed.v)
        return ec2_fault(c, "OperationNotPermitted",
                         "You are not allowed to manage '%s' attachments.",
                         i->rec->interface->requester_id);
    return ec2_fault(c, "OperationNotPermitted",
                     "The network interface at device index 0 cannot be detached.");
}
