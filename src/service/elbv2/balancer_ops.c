/* CreateLoadBalancer, DescribeLoadBalancers, DeleteLoadBalancer. */
#include <ctype.h>
#include <string.h>

#include "balancer_attributes.h"
#include "elb_page.h"
#include "elb_tags.h"
#include "elbv2_state.h"
#include "target_group_ops.h"

#define SUBNETS_MAX 5

static bool is_network(const struct elbv2_create_load_balancer_input *in)
{
    return in->type == ELBV2_LOAD_BALANCER_TYPE_ENUM_NETWORK;
}

static bool is_internal(const struct elbv2_create_load_balancer_input *in)
{
    return in->scheme == ELBV2_LOAD_BALANCER_SCHEME_ENUM_INTERNAL;
}

int elb_name_check(struct call *c, const char *what, const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 32)
        return elb_invalid(c, "%s name '%s' cannot be longer than '32' characters", what,
                           name);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '-')
            return elb_invalid(c,
                               "%s name '%s' can only contain characters that are "
                               "alphanumeric characters and hyphens(-)",
                               what, name);
    if (name[0] == '-' || name[n - 1] == '-')
        return elb_invalid(c, "%s name '%s' cannot begin or end with '-'", what, name);
    return 0;
}

/* ---- CreateLoadBalancer ---- */

static int offered(struct call *c, const struct elbv2_create_load_balancer_input *in)
{
    if (in->type == ELBV2_LOAD_BALANCER_TYPE_ENUM_GATEWAY)
        return elb_invalid(c, "Gateway Load Balancers are not offered by this gantry.");
    if (in->ip_address_type && in->ip_address_type != ELBV2_IP_ADDRESS_TYPE_IPV4)
        return elb_invalid(c, "Only the IP address type ipv4 is offered by this gantry.");
    if (in->customer_owned_ipv4_pool || in->ipam_pools ||
        in->enable_prefix_for_ipv6_source_nat ==
            ELBV2_ENABLE_PREFIX_FOR_IPV6_SOURCE_NAT_ENUM_ON)
        return elb_invalid(c, "Address pools are not offered by this gantry.");
    for (size_t i = 0; i < in->subnet_mappings.n; i++)
        if (in->subnet_mappings.v[i].allocation_id ||
            in->subnet_mappings.v[i].ipv6_address)
            return elb_invalid(c, "Elastic IP addresses and IPv6 addresses in "
                                  "SubnetMappings are not offered by this gantry.");
    return 0;
}

struct subnets {
    struct elbv2_subnet_mapping_list want;
    struct ec2_subnet_info v[SUBNETS_MAX];
};

static int subnets_read(struct call *c, const struct elbv2_create_load_balancer_input *in,
                        struct subnets *ret)
{
    struct ec2_scope s = elb_scope(c);
    struct error err;
    if (in->subnets.n && in->subnet_mappings.n)
        return elb_invalid(c, "You cannot specify both subnets and subnet mappings");
    ret->want = in->subnet_mappings;
    for (size_t i = 0; i < in->subnets.n; i++)
        LIST_PUSH(&c->arena, &ret->want)->subnet_id = in->subnets.v[i];
    if (ret->want.n < (is_network(in) ? 1 : 2))
        return elb_invalid(c, "At least two subnets in two different Availability Zones "
                              "must be specified");
    if (ret->want.n > SUBNETS_MAX)
        return elb_invalid(c, "At most %d subnets can be specified", SUBNETS_MAX);
    for (size_t i = 0; i < ret->want.n; i++) {
        if (ec2_subnet_find(c->core, &s, ret->want.v[i].subnet_id, &ret->v[i], &err) < 0)
            return call_fault(c, &elbv2_subnet_not_found_exception,
                              "The subnet ID '%s' does not exist",
                              ret->want.v[i].subnet_id ? ret->want.v[i].subnet_id : "");
        if (!streq(ret->v[i].vpc_id, ret->v[0].vpc_id))
            return call_fault(c, &elbv2_invalid_subnet_exception,
                              "All subnets must belong to the same VPC");
        for (size_t k = 0; k < i; k++)
            if (streq(ret->v[k].availability_zone, ret->v[i].availability_zone))
                return call_fault(
                    c, &elbv2_invalid_configuration_request_exception,
                    "A load balancer cannot be attached to multiple subnets "
                    "in the same Availability Zone");
    }
    return 0;
}

static int groups_check(struct call *c, const struct elbv2_create_load_balancer_input *in,
                        const char *vpc)
{
    struct ec2_scope s = elb_scope(c);
    const char *bad;
    struct error err;
    if (ec2_groups_check(c->core, &s, vpc, &in->security_groups, &bad, &err) < 0)
        return call_fault(c, &elbv2_invalid_security_group_exception,
                          "The security group '%s' does not exist", bad);
    return 0;
}

static struct balancer *named(struct core *core, const struct ec2_scope *s,
                              const char *type, const char *name)
{
    const char *prefix =
        arena_printf(core_scratch(core), "%s/%s/",
                     elb_key(core_scratch(core), "balancer", s, type), name);
    return table_next(elbv2_of(core)->balancers, prefix, prefix);
}

static bool same(const struct balancer *b,
                 const struct elbv2_create_load_balancer_input *in,
                 const struct subnets *subnets)
{
    const struct elbv2_load_balancer *rec = b->rec->load_balancer;
    bool internal = rec->scheme == ELBV2_LOAD_BALANCER_SCHEME_ENUM_INTERNAL;
    if (internal != is_internal(in) || rec->availability_zones.n != subnets->want.n ||
        (in->security_groups.n && rec->security_groups.n != in->security_groups.n))
        return false;
    for (size_t i = 0; i < subnets->want.n; i++) {
        bool found = false;
        for (size_t k = 0; k < rec->availability_zones.n; k++)
            found |= streq(rec->availability_zones.v[k].subnet_id,
                           subnets->want.v[i].subnet_id);
        if (!found)
            return false;
    }
    for (size_t i = 0; i < in->security_groups.n; i++) {
        bool found = false;
        for (size_t k = 0; k < rec->security_groups.n; k++)
            found |= streq(rec->security_groups.v[k], in->security_groups.v[i]);
        if (!found)
            return false;
    }
    return true;
}

/* One interface a subnet; on failure none stays. */
static int interfaces_make(struct call *c,
                           const struct elbv2_create_load_balancer_input *in,
                           const struct subnets *subnets, const char *arn,
                           const char *tail, struct string_list *ret)
{
    struct ec2_scope s = elb_scope(c);
    struct error err;
    for (size_t i = 0; i < subnets->want.n; i++) {
        struct ec2_interface_info nic;
        struct ec2_interface_want want = {
            .scope = s,
            .subnet_id = subnets->want.v[i].subnet_id,
            .group_ids = in->security_groups,
            .open = is_network(in),
            .private_ip = subnets->want.v[i].private_ipv4_address,
            .public_ip = !is_internal(in),
            .description = call_printf(c, "ELB %s", tail),
            .interface_type = is_network(in) ? "network_load_balancer" : "interface",
            .requester_id = "amazon-elb",
            .use = GANTRY_EDGE_INTERFACE_USE_BALANCER,
            .owner = arn,
        };
        if (ec2_interface_create(c->core, &want, &nic, &err) < 0) {
            for (size_t k = 0; k < ret->n; k++)
                ec2_interface_delete(c->core, &s, ret->v[k]);
            return call_fault(c, &elbv2_invalid_subnet_exception, "%s", err.text);
        }
        *LIST_PUSH(&c->arena, ret) = arena_strdup(&c->arena, nic.interface_id);
    }
    return 0;
}

static const char *dns_name(struct core *core, struct arena *a, const struct ec2_scope *s,
                            const struct elbv2_create_load_balancer_input *in,
                            const char *hex)
{
    char digits[11];
    core_random_digits(core, digits, 10);
    if (is_network(in))
        return arena_printf(a, "%s-%s.elb.%s.amazonaws.com", in->name, hex, s->region);
    return arena_printf(a, "%s%s-%s.%s.elb.amazonaws.com",
                        is_internal(in) ? "internal-" : "", in->name, digits, s->region);
}

static void zones_fill(struct balancer *b, const struct subnets *subnets)
{
    struct arena *a = &b->o.arena;
    struct elbv2_load_balancer *rec = b->rec->load_balancer;
    rec->availability_zones = (struct elbv2_availability_zone_list){.set = true};
    for (size_t i = 0; i < subnets->want.n; i++) {
        struct elbv2_availability_zone *z = LIST_PUSH(a, &rec->availability_zones);
        z->subnet_id = arena_strdup(a, subnets->v[i].subnet_id);
        z->zone_name = arena_strdup(a, subnets->v[i].availability_zone);
        z->load_balancer_addresses.set = true;
    }
}

/* The balancer's interface in a subnet; NULL: none. */
static const char *interface_in(struct call *c, const struct balancer *b,
                                const char *subnet)
{
    struct ec2_scope s = elb_scope(c);
    struct ec2_interface_info nic;
    struct error err;
    for (size_t i = 0; i < b->rec->interface_ids.n; i++)
        if (ec2_interface_find(c->core, &s, b->rec->interface_ids.v[i], &nic, &err) ==
                0 &&
            streq(nic.subnet_id, subnet))
            return b->rec->interface_ids.v[i];
    return NULL;
}

static struct balancer *balancer_new(struct call *c,
                                     const struct elbv2_create_load_balancer_input *in,
                                     const struct subnets *subnets)
{
    char hex[17];
    struct ec2_scope s = elb_scope(c);
    struct string_list interfaces = {0};
    core_random_hex(c->core, hex, 16);
    const char *tail =
        call_printf(c, "%s/%s/%s", is_network(in) ? "net" : "app", in->name, hex);
    const char *arn = elb_arn(&c->arena, &s, "loadbalancer/%s", tail);
    if (interfaces_make(c, in, subnets, arn, tail, &interfaces) < 0)
        return NULL;
    struct balancer *b = object_new(c->core, elbv2_of(c->core)->balancers,
                                    elb_key(&c->arena, "balancer", &s, tail));
    struct arena *a = &b->o.arena;
    list_init(&b->listeners);
    wake_init(&b->feed, balancer_feed);
    struct elbv2_load_balancer *rec = b->rec->load_balancer =
        arena_new(a, struct elbv2_load_balancer);
    rec->load_balancer_arn = arena_strdup(a, arn);
    rec->load_balancer_name = arena_strdup(a, in->name);
    rec->dns_name = dns_name(c->core, a, &s, in, hex);
    rec->canonical_hosted_zone_id = "Z00000000000000000000";
    rec->created_time = SET_TIME(core_now_ms(c->core));
    rec->scheme =
        in->scheme ? in->scheme : ELBV2_LOAD_BALANCER_SCHEME_ENUM_INTERNET_FACING;
    rec->type = in->type ? in->type : ELBV2_LOAD_BALANCER_TYPE_ENUM_APPLICATION;
    rec->ip_address_type = ELBV2_IP_ADDRESS_TYPE_IPV4;
    rec->vpc_id = arena_strdup(a, subnets->v[0].vpc_id);
    rec->state = arena_new(a, struct elbv2_load_balancer_state);
    rec->state->code = ELBV2_LOAD_BALANCER_STATE_ENUM_PROVISIONING;
    zones_fill(b, subnets);
    for (size_t i = 0; i < in->security_groups.n; i++)
        *LIST_PUSH(a, &rec->security_groups) = arena_strdup(a, in->security_groups.v[i]);
    for (size_t i = 0; i < interfaces.n; i++)
        *LIST_PUSH(a, &b->rec->interface_ids) = arena_strdup(a, interfaces.v[i]);
    elb_tags_merge(a, &b->rec->tags, &in->tags);
    balancer_attributes_init(b);
    object_save(c->core, &b->o);
    balancer_changed(c->core, b);
    return b;
}

int elbv2_create_load_balancer(struct call *c,
                               const struct elbv2_create_load_balancer_input *in,
                               struct elbv2_create_load_balancer_output *out)
{
    struct subnets subnets = {0};
    struct ec2_scope s = elb_scope(c);
    if (elb_name_check(c, "Load balancer", in->name) < 0 || offered(c, in) < 0 ||
        elb_tags_check(c, &in->tags) < 0)
        return -1;
    if (str_starts(in->name, "internal-"))
        return elb_invalid(c, "Load balancer name '%s' cannot begin with 'internal-'",
                           in->name);
    if (subnets_read(c, in, &subnets) < 0 || groups_check(c, in, subnets.v[0].vpc_id) < 0)
        return -1;
    struct balancer *b = named(c->core, &s, is_network(in) ? "net" : "app", in->name);
    if (b && !same(b, in, &subnets))
        return call_fault(c, &elbv2_duplicate_load_balancer_name_exception,
                          "A load balancer with the same name '%s' exists, but with "
                          "different settings",
                          in->name);
    if (named(c->core, &s, is_network(in) ? "app" : "net", in->name))
        return call_fault(c, &elbv2_duplicate_load_balancer_name_exception,
                          "A load balancer with the same name '%s' exists, but with "
                          "different settings",
                          in->name);
    struct elbv2_create_load_balancer_input want = *in;
    if (want.security_groups.n == 0 && !is_network(in))
        *LIST_PUSH(&c->arena, &want.security_groups) =
            call_printf(c, "%s", ec2_group_default(c->core, &s, subnets.v[0].vpc_id));
    if (!b && !(b = balancer_new(c, &want, &subnets)))
        return -1;
    *LIST_PUSH(&c->arena, &out->load_balancers) = *b->rec->load_balancer;
    return 0;
}

/* ---- DescribeLoadBalancers ---- */

int elbv2_describe_load_balancers(struct call *c,
                                  const struct elbv2_describe_load_balancers_input *in,
                                  struct elbv2_describe_load_balancers_output *out)
{
    struct ec2_scope s = elb_scope(c);
    out->load_balancers.set = true;
    for (size_t i = 0; i < in->load_balancer_arns.n; i++) {
        const struct balancer *b = balancer_require(c, in->load_balancer_arns.v[i]);
        if (!b)
            return -1;
        *LIST_PUSH(&c->arena, &out->load_balancers) = *b->rec->load_balancer;
    }
    for (size_t i = 0; i < in->names.n; i++) {
        const struct balancer *b = named(c->core, &s, "app", in->names.v[i]);
        b = b ? b : named(c->core, &s, "net", in->names.v[i]);
        if (!b)
            return call_fault(c, &elbv2_load_balancer_not_found_exception,
                              "Load balancers '[%s]' not found", in->names.v[i]);
        *LIST_PUSH(&c->arena, &out->load_balancers) = *b->rec->load_balancer;
    }
    if (in->load_balancer_arns.n || in->names.n)
        return 0;
    struct elb_page page;
    if (elb_page_start(c, elb_key(&c->arena, "balancer", &s, ""), in->marker,
                       in->page_size, &page) < 0)
        return -1;
    const struct balancer *b;
    while ((b = elb_page_next(c, &page, elbv2_of(c->core)->balancers)))
        *LIST_PUSH(&c->arena, &out->load_balancers) = *b->rec->load_balancer;
    out->next_marker = page.next_marker;
    return 0;
}

/* ---- DeleteLoadBalancer ---- */

int elbv2_delete_load_balancer(struct call *c,
                               const struct elbv2_delete_load_balancer_input *in,
                               struct elbv2_delete_load_balancer_output *out)
{
    struct ec2_scope s = elb_scope(c);
    struct elbv2 *e = elbv2_of(c->core);
    struct balancer *b = balancer_find(c->core, in->load_balancer_arn);
    if (!b)
        return 0;
    if (!(b = balancer_require(c, in->load_balancer_arn)))
        return -1;
    if (streq(balancer_setting(b, "deletion_protection.enabled"), "true"))
        return call_fault(c, &elbv2_operation_not_permitted_exception,
                          "Load balancer '%s' cannot be deleted because deletion "
                          "protection is enabled",
                          in->load_balancer_arn);
    while (!list_empty(&b->listeners))
        listener_delete(c->core, list_entry(b->listeners.next, struct listener, link));
    for (size_t i = 0; i < b->rec->interface_ids.n; i++)
        ec2_interface_delete(c->core, &s, b->rec->interface_ids.v[i]);
    const char *arn = call_printf(c, "%s", in->load_balancer_arn);
    object_delete(c->core, &b->o);
    if (e->edge_ops)
        e->edge_ops->balancer_gone(e->edge_ctx, c->core, arn);
    return 0;
}

/* ---- SetSecurityGroups, SetSubnets, SetIpAddressType ---- */

int elbv2_set_security_groups(struct call *c,
                              const struct elbv2_set_security_groups_input *in,
                              struct elbv2_set_security_groups_output *out)
{
    struct ec2_scope s = elb_scope(c);
    struct balancer *b = balancer_require(c, in->load_balancer_arn);
    const char *bad;
    struct error err;
    if (!b)
        return -1;
    struct elbv2_load_balancer *rec = b->rec->load_balancer;
    if (in->security_groups.n == 0)
        return elb_invalid(c, "At least one security group must be specified");
    if (rec->security_groups.n == 0)
        return call_fault(
            c, &elbv2_invalid_configuration_request_exception,
            "You cannot set security groups on a Network Load Balancer that "
            "was created without security groups");
    if (ec2_groups_check(c->core, &s, rec->vpc_id, &in->security_groups, &bad, &err) < 0)
        return call_fault(c, &elbv2_invalid_security_group_exception,
                          "The security group '%s' does not exist", bad);
    for (size_t i = 0; i < b->rec->interface_ids.n; i++)
        ec2_interface_set_groups(c->core, &s, b->rec->interface_ids.v[i],
                                 &in->security_groups, &err);
    rec->security_groups = (struct string_list){.set = true};
    for (size_t i = 0; i < in->security_groups.n; i++)
        *LIST_PUSH(&b->o.arena, &rec->security_groups) =
            arena_strdup(&b->o.arena, in->security_groups.v[i]);
    object_save(c->core, &b->o);
    out->security_group_ids = rec->security_groups;
    return 0;
}

/* Interfaces of subnets that stay are kept. */
int elbv2_set_subnets(struct call *c, const struct elbv2_set_subnets_input *in,
                      struct elbv2_set_subnets_output *out)
{
    struct balancer *b = balancer_require(c, in->load_balancer_arn);
    struct ec2_scope s = elb_scope(c);
    struct subnets subnets = {0};
    struct string_list made = {0}, kept = {0};
    if (!b)
        return -1;
    struct elbv2_load_balancer *rec = b->rec->load_balancer;
    struct elbv2_create_load_balancer_input want = {
        .name = rec->load_balancer_name,
        .type = rec->type,
        .scheme = rec->scheme,
        .subnets = in->subnets,
        .subnet_mappings = in->subnet_mappings,
        .security_groups = rec->security_groups,
        .ip_address_type = in->ip_address_type,
    };
    if (offered(c, &want) < 0 || subnets_read(c, &want, &subnets) < 0)
        return -1;
    if (!streq(subnets.v[0].vpc_id, rec->vpc_id))
        return call_fault(c, &elbv2_invalid_subnet_exception,
                          "All subnets must belong to the load balancer's VPC");
    struct subnets fresh = {0};
    for (size_t i = 0; i < subnets.want.n; i++) {
        const char *there = interface_in(c, b, subnets.want.v[i].subnet_id);
        if (there)
            *LIST_PUSH(&c->arena, &kept) = arena_strdup(&c->arena, there);
        else
            *LIST_PUSH(&c->arena, &fresh.want) = subnets.want.v[i];
    }
    const char *tail = strchr(rec->load_balancer_arn, '/') + 1;
    if (interfaces_make(c, &want, &fresh, rec->load_balancer_arn, tail, &made) < 0)
        return -1;
    for (size_t i = 0; i < b->rec->interface_ids.n; i++) {
        bool stays = false;
        for (size_t k = 0; k < kept.n; k++)
            stays |= streq(kept.v[k], b->rec->interface_ids.v[i]);
        if (!stays)
            ec2_interface_delete(c->core, &s, b->rec->interface_ids.v[i]);
    }
    b->rec->interface_ids = (struct string_list){.set = true};
    for (size_t i = 0; i < kept.n + made.n; i++)
        *LIST_PUSH(&b->o.arena, &b->rec->interface_ids) =
            arena_strdup(&b->o.arena, i < kept.n ? kept.v[i] : made.v[i - kept.n]);
    zones_fill(b, &subnets);
    object_save(c->core, &b->o);
    balancer_changed(c->core, b);
    out->availability_zones = b->rec->load_balancer->availability_zones;
    out->ip_address_type = ELBV2_IP_ADDRESS_TYPE_IPV4;
    return 0;
}

int elbv2_set_ip_address_type(struct call *c,
                              const struct elbv2_set_ip_address_type_input *in,
                              struct elbv2_set_ip_address_type_output *out)
{
    if (!balancer_require(c, in->load_balancer_arn))
        return -1;
    if (in->ip_address_type != ELBV2_IP_ADDRESS_TYPE_IPV4)
        return call_fault(c, &elbv2_invalid_configuration_request_exception,
                          "Only the IP address type ipv4 is offered by this gantry.");
    out->ip_address_type = ELBV2_IP_ADDRESS_TYPE_IPV4;
    return 0;
}
