/* Secondary addresses; AssignPrivateIpAddresses, UnassignPrivateIpAddresses. */
#include "interface_addresses.h"

/* ---- wishes ---- */

static size_t wished(const struct interface_wish *w)
{
    return w->given.n + (w->count.set && w->count.v > 0 ? (size_t)w->count.v : 0);
}

static int address_check(struct call *c, const struct subnet *s, const char *text)
{
    uint32_t address;
    if (!address_parse(text, &address) || !cidr_has(s->cidr, address))
        return ec2_fault(c, "InvalidParameterValue",
                         "Address %s does not fall within the subnet's address range",
                         text);
    return subnet_is_free(s, address)
               ? 0
               : ec2_fault(c, "InvalidIPAddress.InUse", "Address %s is in use.", text);
}

static int given_check(struct call *c, const struct subnet *s,
                       const struct interface_wish *w)
{
    if (w->primary && address_check(c, s, w->primary) < 0)
        return -1;
    for (size_t n = 0; n < w->given.n; n++) {
        if (address_check(c, s, w->given.v[n]) < 0)
            return -1;
        bool twice = streq(w->given.v[n], w->primary);
        for (size_t k = 0; k < n; k++)
            twice |= streq(w->given.v[n], w->given.v[k]);
        if (twice)
            return ec2_fault(c, "InvalidParameterValue", "Duplicate address %s",
                             w->given.v[n]);
    }
    return 0;
}

int interface_wish_check(struct call *c, const struct subnet *s,
                         const struct network_interface *i,
                         const struct interface_wish *w)
{
    size_t has = i ? i->rec->interface->private_ip_addresses.n : 1;
    if (w->count.set && w->given.n)
        return ec2_fault(
            c, "InvalidParameterCombination",
            "Secondary private IP addresses are given one by one or by their "
            "number, not both.");
    if (w->count.set && w->count.v < 0)
        return ec2_fault(c, "InvalidParameterValue",
                         "The number of secondary addresses must not be negative.");
    if (has + wished(w) > INTERFACE_ADDRESSES_MAX)
        return ec2_fault(c, "PrivateIpAddressLimitExceeded",
                         "Number of private addresses will exceed limit of %d.",
                         INTERFACE_ADDRESSES_MAX);
    if (given_check(c, s, w) < 0)
        return -1;
    return wished(w) + !i <= subnet_free_addresses(s)
               ? 0
               : ec2_fault(c, "InsufficientFreeAddressesInSubnet",
                           "The specified subnet does not have enough free addresses to "
                           "satisfy the request.");
}

void interface_wish_reserve(struct subnet *s, const struct interface_wish *w)
{
    uint32_t address;
    for (size_t n = 0; n < w->given.n; n++)
        if (address_parse(w->given.v[n], &address))
            subnet_take(s, address);
}

void interface_wish_release(struct subnet *s, const struct interface_wish *w)
{
    uint32_t address;
    for (size_t n = 0; n < w->given.n; n++)
        if (address_parse(w->given.v[n], &address))
            subnet_give_back(s, address);
}

static const char *address_add(struct core *core, struct network_interface *i,
                               uint32_t address)
{
    struct arena *a = &i->o.arena;
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    struct ec2_network_interface_private_ip_address *to =
        LIST_PUSH(a, &i->rec->interface->private_ip_addresses);
    to->primary = SET_BOOL(false);
    to->private_ip_address = address_text(a, address);
    to->private_dns_name = private_dns_name(a, s.region, address);
    return to->private_ip_address;
}

void interface_wish_take(struct core *core, struct network_interface *i,
                         const struct interface_wish *w, struct string_list *ret_got)
{
    uint32_t address;
    for (size_t n = 0; n < wished(w); n++) {
        bool had = n < w->given.n ? address_parse(w->given.v[n], &address)
                                  : subnet_take_address(i->subnet, &address);
        if (!had)
            return;
        const char *text = address_add(core, i, address);
        if (ret_got)
            *LIST_PUSH(core_scratch(core), ret_got) = text;
    }
}

/* ---- AssignPrivateIpAddresses ---- */

/* Which of the interface's addresses it is; 0, the primary one: none of those. */
static size_t secondary(const struct network_interface *i, const char *text)
{
    const struct ec2_network_interface_private_ip_address_list *l =
        &i->rec->interface->private_ip_addresses;
    for (size_t n = 1; n < l->n; n++)
        if (streq(l->v[n].private_ip_address, text))
            return n;
    return 0;
}

int ec2_assign_private_ip_addresses(
    struct call *c, const struct ec2_assign_private_ip_addresses_request *in,
    struct ec2_assign_private_ip_addresses_result *out)
{
    struct network_interface *i = interface_require(c, in->network_interface_id);
    struct interface_wish w = {.count = in->secondary_private_ip_address_count};
    struct string_list got = {0};
    if (!i || interface_own(c, i) < 0)
        return -1;
    if (in->ipv4_prefixes.n || in->ipv4_prefix_count.set)
        return ec2_refuse(c, "Prefixes of network interfaces are");
    for (size_t n = 0; n < in->private_ip_addresses.n; n++)
        if (!secondary(i, in->private_ip_addresses.v[n])) /* once more is no change */
            *LIST_PUSH(&c->arena, &w.given) = in->private_ip_addresses.v[n];
    if (!in->private_ip_addresses.n && !w.count.set)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter privateIpAddress or "
                         "secondaryPrivateIpAddressCount");
    if (interface_wish_check(c, i->subnet, i, &w) < 0)
        return -1;
    interface_wish_reserve(i->subnet, &w);
    interface_wish_take(c->core, i, &w, &got);
    out->network_interface_id = in->network_interface_id;
    for (size_t n = 0; n < got.n; n++)
        LIST_PUSH(&c->arena, &out->assigned_private_ip_addresses)->private_ip_address =
            arena_strdup(&c->arena, got.v[n]);
    interface_changed(c->core, i);
    return 0;
}

/* ---- UnassignPrivateIpAddresses ---- */

static int unassign_check(struct call *c, const struct network_interface *i,
                          const struct string_list *texts)
{
    for (size_t n = 0; n < texts->n; n++) {
        size_t at = secondary(i, texts->v[n]);
        if (!at)
            return ec2_fault(c, "InvalidParameterValue",
                             "Some of the specified addresses are not assigned to "
                             "interface %s as secondary ones: %s",
                             interface_id(i), texts->v[n]);
        if (i->rec->interface->private_ip_addresses.v[at].association)
            return ec2_fault(c, "InvalidParameterValue",
                             "Address %s has an elastic IP address: disassociate that "
                             "first.",
                             texts->v[n]);
    }
    return 0;
}

int ec2_unassign_private_ip_addresses(
    struct call *c, const struct ec2_unassign_private_ip_addresses_request *in, void *out)
{
    struct network_interface *i = interface_require(c, in->network_interface_id);
    if (!i || interface_own(c, i) < 0)
        return -1;
    if (in->ipv4_prefixes.n)
        return ec2_refuse(c, "Prefixes of network interfaces are");
    if (!in->private_ip_addresses.n)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter privateIpAddress");
    if (unassign_check(c, i, &in->private_ip_addresses) < 0)
        return -1;
    struct ec2_network_interface_private_ip_address_list *l =
        &i->rec->interface->private_ip_addresses;
    for (size_t n = 0; n < in->private_ip_addresses.n; n++) {
        size_t at = secondary(i, in->private_ip_addresses.v[n]);
        uint32_t address;
        if (!at || !address_parse(in->private_ip_addresses.v[n], &address))
            continue; /* named twice */
        subnet_give_back(i->subnet, address);
        memmove(&l->v[at], &l->v[at + 1], (l->n - at - 1) * sizeof(l->v[0]));
        l->n--;
    }
    interface_changed(c->core, i);
    return 0;
}
