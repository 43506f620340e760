/* Network interfaces in memory, see interface.h. */
#include "interface.h"

#include <stdlib.h>

#include "address.h"
#include "ec2_instance.h"
#include "security_group.h"

const char *interface_id(const struct network_interface *i)
{
    return i->rec->interface->network_interface_id;
}

bool interface_wired(const struct network_interface *i)
{
    return i->rec->use && i->rec->use != GANTRY_EDGE_INTERFACE_USE_UNATTACHED;
}

static struct security_group *group_of(struct core *core,
                                       const struct network_interface *i, size_t n)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    return security_group_find(core, &s, i->rec->interface->groups.v[n].group_id);
}

static void use_groups(struct core *core, struct network_interface *i, int by)
{
    for (size_t n = 0; n < i->rec->interface->groups.n; n++) {
        struct security_group *g = group_of(core, i, n);
        if (g)
            g->users += (uint32_t)by;
    }
}

/* ---- life ---- */

static void link_interface(struct network_interface *i, struct subnet *s)
{
    i->subnet = s;
    list_append(&s->interfaces, &i->link);
    s->vpc->wired += interface_wired(i);
}

static bool took_own_public(const struct ec2_network_interface *rec)
{
    return rec->association && !rec->association->allocation_id;
}

/* ---- client tokens ---- */

struct network_interface *interface_by_token(struct core *core, const struct ec2_scope *s,
                                             const char *token)
{
    struct network_interface *i;
    if (!token)
        return NULL;
    const char *key = ec2_key(core_scratch(core), "token", s, token);
    HASH_FIND(hh, ec2_of(core)->interface_tokens, key, strlen(key), i);
    return i;
}

static void token_note(struct core *core, struct network_interface *i)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    if (!i->rec->client_token)
        return;
    i->token = xstrdup(ec2_key(core_scratch(core), "token", &s, i->rec->client_token));
    HASH_ADD_KEYPTR(hh, ec2_of(core)->interface_tokens, i->token, strlen(i->token), i);
}

void interface_token_set(struct core *core, struct network_interface *i,
                         const char *token)
{
    i->rec->client_token = arena_strdup(&i->o.arena, token);
    token_note(core, i);
}

static int interface_loaded(struct core *core, struct object *o, struct error *err)
{
    struct network_interface *i = (struct network_interface *)o;
    struct ec2_network_interface *rec = i->rec->interface;
    struct ec2_scope s = ec2_owner(core_scratch(core), o);
    struct subnet *subnet = rec ? subnet_find(core, &s, rec->subnet_id) : NULL;
    uint32_t address;
    list_init(&i->link);
    if (!subnet)
        return fail(err, E_CORRUPT, "network interface without a subnet");
    for (size_t n = 0; n < rec->private_ip_addresses.n; n++) {
        if (!address_parse(rec->private_ip_addresses.v[n].private_ip_address, &address) ||
            !subnet_take(subnet, address))
            return fail(err, E_CORRUPT, "address '%s' of '%s' is not free",
                        rec->private_ip_addresses.v[n].private_ip_address,
                        rec->network_interface_id);
        subnet_walk_past(subnet, address);
    }
    if (took_own_public(rec) && address_parse(rec->association->public_ip, &address))
        public_address_note(ec2_of(core), address);
    link_interface(i, subnet);
    use_groups(core, i, +1);
    token_note(core, i);
    return 0;
}

static void interface_unlink(struct core *core, struct object *o)
{
    struct network_interface *i = (struct network_interface *)o;
    list_remove(&i->link);
    if (i->token)
        HASH_DEL(ec2_of(core)->interface_tokens, i);
    free(i->token);
}

const struct table_type interface_table = {
    .prefix = "/ec2/network-interface/",
    .shape = &gantry_interface_record_shape,
    .object_size = sizeof(struct network_interface),
    .record_offset = offsetof(struct network_interface, rec),
    .loaded = interface_loaded,
    .unlink = interface_unlink,
};

struct network_interface *interface_find(struct core *core, const struct ec2_scope *s,
                                         const char *id)
{
    return id ? table_find(ec2_of(core)->interfaces,
                           ec2_key(core_scratch(core), "network-interface", s, id))
              : NULL;
}

/* ---- names ---- */

const char *private_dns_domain(struct arena *a, const char *region)
{
    return streq(region, "us-east-1") ? "ec2.internal"
                                      : arena_printf(a, "%s.compute.internal", region);
}

const char *private_dns_name(struct arena *a, const char *region, uint32_t x)
{
    return arena_printf(a, "ip-%u-%u-%u-%u.%s", x >> 24, x >> 16 & 255, x >> 8 & 255,
                        x & 255, private_dns_domain(a, region));
}

static const char *public_dns_name(struct arena *a, const char *region, uint32_t x)
{
    return streq(region, "us-east-1")
               ? arena_printf(a, "ec2-%u-%u-%u-%u.compute-1.amazonaws.com", x >> 24,
                              x >> 16 & 255, x >> 8 & 255, x & 255)
               : arena_printf(a, "ec2-%u-%u-%u-%u.%s.compute.amazonaws.com", x >> 24,
                              x >> 16 & 255, x >> 8 & 255, x & 255, region);
}

/* ---- the edge ---- */

void interface_edge(const struct network_interface *i, struct arena *a,
                    struct gantry_edge_interface *ret)
{
    const struct ec2_network_interface *rec = i->rec->interface;
    *ret = (struct gantry_edge_interface){
        .network_interface_id = rec->network_interface_id,
        .vpc_id = rec->vpc_id,
        .subnet_id = rec->subnet_id,
        .mac_address = rec->mac_address,
        .private_ip_address = rec->private_ip_address,
        .public_ip = rec->association ? rec->association->public_ip : NULL,
        .source_dest_check = rec->source_dest_check,
        .use = i->rec->use,
        .owner = i->rec->owner,
        .instance_id = rec->attachment ? rec->attachment->instance_id : NULL,
    };
    for (size_t n = 0; n < rec->private_ip_addresses.n; n++)
        if (!rec->private_ip_addresses.v[n].primary.v)
            *LIST_PUSH(a, &ret->secondary_private_ip_addresses) =
                rec->private_ip_addresses.v[n].private_ip_address;
    for (size_t n = 0; n < rec->groups.n; n++)
        *LIST_PUSH(a, &ret->group_ids) = rec->groups.v[n].group_id;
}

static void tell_edge(struct core *core, struct network_interface *i)
{
    struct ec2 *ec2 = ec2_of(core);
    struct vpc *v = i->subnet->vpc;
    struct gantry_edge_interface x;
    if (!interface_wired(i))
        return;
    if (!v->told) {
        wake_cancel(core, &v->feed);
        vpc_feed(core, &v->feed); /* an interface comes after its VPC */
    }
    if (!ec2->edge_ops)
        return;
    interface_edge(i, core_scratch(core), &x);
    ec2->edge_ops->interface(ec2->edge_ctx, core, &x);
}

/* The instance's own metadata shows the addresses and groups of its interface. */
static void tell_instance(struct core *core, const struct network_interface *i)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    const struct ec2_instance_object *of = ec2_instance_lookup(core, &s, i->rec->owner);
    if (of)
        instance_tell_edge(core, of);
}

void interface_changed(struct core *core, struct network_interface *i)
{
    object_save(core, &i->o);
    tell_edge(core, i);
    if (i->rec->use == GANTRY_EDGE_INTERFACE_USE_INSTANCE)
        tell_instance(core, i);
}

/* ---- making ---- */

void interface_set_groups(struct core *core, struct network_interface *i,
                          const struct string_list *ids)
{
    struct arena *a = &i->o.arena;
    struct ec2_network_interface *rec = i->rec->interface;
    use_groups(core, i, -1);
    rec->groups = (struct ec2_group_identifier_list){.set = true};
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    for (size_t n = 0; n < ids->n; n++) {
        const struct security_group *g = security_group_find(core, &s, ids->v[n]);
        struct ec2_group_identifier *to = LIST_PUSH(a, &rec->groups);
        to->group_id = arena_strdup(a, ids->v[n]);
        to->group_name = arena_strdup(a, g->rec->group->group_name);
    }
    use_groups(core, i, +1);
}

void interface_set_public(struct core *core, struct network_interface *i,
                          const char *public_ip, const char *allocation_id,
                          const char *association_id)
{
    struct arena *a = &i->o.arena;
    struct ec2_network_interface *rec = i->rec->interface;
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    uint32_t address;
    rec->association = NULL;
    rec->public_dns_name = NULL;
    if (public_ip && address_parse(public_ip, &address)) {
        rec->association = arena_new(a, struct ec2_network_interface_association);
        rec->association->public_ip = arena_strdup(a, public_ip);
        rec->association->ip_owner_id = allocation_id ? rec->owner_id : "amazon";
        rec->association->allocation_id = arena_strdup(a, allocation_id);
        rec->association->association_id = arena_strdup(a, association_id);
        rec->association->public_dns_name = public_dns_name(a, s.region, address);
        rec->public_dns_name = rec->association->public_dns_name;
    }
    if (rec->private_ip_addresses.n)
        rec->private_ip_addresses.v[0].association = rec->association;
}

static void fill(struct core *core, struct network_interface *i,
                 const struct ec2_interface_want *w, const char *id, uint32_t address)
{
    struct arena *a = &i->o.arena;
    char hex[11];
    core_random_hex(core, hex, 10);
    struct ec2_network_interface *rec = i->rec->interface;
    const struct ec2_subnet *subnet = i->subnet->rec->subnet;
    rec->network_interface_id = arena_strdup(a, id);
    rec->availability_zone = arena_strdup(a, subnet->availability_zone);
    rec->availability_zone_id = arena_strdup(a, subnet->availability_zone_id);
    rec->subnet_id = arena_strdup(a, subnet->subnet_id);
    rec->vpc_id = arena_strdup(a, subnet->vpc_id);
    rec->description = arena_strdup(a, w->description ? w->description : "");
    rec->owner_id = arena_strdup(a, w->scope.account);
    rec->requester_id = arena_strdup(a, w->requester_id);
    rec->requester_managed = SET_BOOL(w->requester_id != NULL);
    rec->source_dest_check = SET_BOOL(true);
    int type = w->interface_type
                   ? wire_enum_value(&ec2_network_interface_type_shape, w->interface_type)
                   : 0;
    rec->interface_type = type ? (enum ec2_network_interface_type)type
                               : EC2_NETWORK_INTERFACE_TYPE_INTERFACE;
    rec->mac_address = arena_printf(a, "02:%.2s:%.2s:%.2s:%.2s:%.2s", hex, hex + 2,
                                    hex + 4, hex + 6, hex + 8);
    rec->private_ip_address = address_text(a, address);
    rec->private_dns_name = private_dns_name(a, w->scope.region, address);
    struct ec2_network_interface_private_ip_address *first =
        LIST_PUSH(a, &rec->private_ip_addresses);
    first->primary = SET_BOOL(true);
    first->private_ip_address = rec->private_ip_address;
    first->private_dns_name = rec->private_dns_name;
    rec->tag_set.set = rec->ipv6_addresses.set = true;
    i->rec->use = w->use;
    i->rec->owner = arena_strdup(a, w->owner);
    rec->status = interface_wired(i) ? EC2_NETWORK_INTERFACE_STATUS_IN_USE
                                     : EC2_NETWORK_INTERFACE_STATUS_AVAILABLE;
}

static void attach(struct core *core, struct network_interface *i,
                   const struct ec2_interface_want *w)
{
    struct arena *a = &i->o.arena;
    bool instance = w->use == GANTRY_EDGE_INTERFACE_USE_INSTANCE ||
                    w->use == GANTRY_EDGE_INTERFACE_USE_MACHINE;
    struct ec2_network_interface_attachment *x =
        arena_new(a, struct ec2_network_interface_attachment);
    i->rec->interface->attachment = x;
    x->attachment_id = ec2_new_id(core, a, "eni-attach");
    x->attach_time = SET_TIME(core_now_ms(core));
    x->delete_on_termination = SET_BOOL(instance);
    x->device_index = SET_INT(instance ? 0 : 1);
    x->network_card_index = SET_INT(0);
    x->status = EC2_ATTACHMENT_STATUS_ATTACHED;
    x->instance_owner_id =
        arena_strdup(a, w->requester_id ? w->requester_id : w->scope.account);
    x->instance_id = arena_strdup(a, instance ? w->owner : w->instance_id);
}

static void info_of(const struct network_interface *i, struct ec2_interface_info *ret)
{
    const struct ec2_network_interface *rec = i->rec->interface;
    *ret = (struct ec2_interface_info){
        .interface_id = rec->network_interface_id,
        .attachment_id = rec->attachment ? rec->attachment->attachment_id : NULL,
        .vpc_id = rec->vpc_id,
        .subnet_id = rec->subnet_id,
        .availability_zone = rec->availability_zone,
        .mac = rec->mac_address,
        .private_ip = rec->private_ip_address,
        .private_dns_name = rec->private_dns_name,
        .public_ip = rec->association ? rec->association->public_ip : NULL,
    };
}

static int choose_address(struct subnet *s, const struct ec2_interface_want *w,
                          uint32_t *ret, struct error *err)
{
    const char *id = s->rec->subnet->subnet_id;
    if (!w->private_ip)
        return subnet_take_address(s, ret)
                   ? 0
                   : fail(err, E_FULL,
                          "The specified subnet '%s' does not have enough free addresses "
                          "to satisfy the request.",
                          id);
    if (!address_parse(w->private_ip, ret) || !cidr_has(s->cidr, *ret))
        return fail(err, E_INVALID,
                    "Address %s does not fall within the subnet's address "
                    "range",
                    w->private_ip);
    return subnet_take(s, *ret)
               ? 0
               : fail(err, E_CONFLICT, "Address %s is in use.", w->private_ip);
}

int ec2_interface_create(struct core *core, const struct ec2_interface_want *w,
                         struct ec2_interface_info *ret, struct error *err)
{
    struct subnet *s;
    const char *bad;
    uint32_t address = 0, public_address = 0;
    ec2_account_ensure(core, &w->scope);
    if (!(s = subnet_find(core, &w->scope, w->subnet_id)))
        return fail(err, E_NOTFOUND, "The subnet ID '%s' does not exist",
                    w->subnet_id ? w->subnet_id : "");
    int r = ec2_groups_check(core, &w->scope, s->rec->subnet->vpc_id, &w->group_ids, &bad,
                             err);
    if (r == 0)
        r = choose_address(s, w, &address, err);
    if (r < 0)
        return r;
    if (w->public_ip && !public_address_take(ec2_of(core), &public_address)) {
        subnet_give_back(s, address);
        return fail(err, E_FULL, "No public address is free.");
    }
    const char *id = ec2_new_id(core, core_scratch(core), "eni");
    struct network_interface *i =
        object_new(core, ec2_of(core)->interfaces,
                   ec2_key(core_scratch(core), "network-interface", &w->scope, id));
    list_init(&i->link);
    i->rec->interface = arena_new(&i->o.arena, struct ec2_network_interface);
    i->subnet = s;
    fill(core, i, w, id, address);
    link_interface(i, s);
    if (interface_wired(i))
        attach(core, i, w);
    struct string_list groups = w->group_ids;
    const char *only;
    if (groups.n == 0 && !w->open) {
        only = security_group_id(security_group_default(s->vpc));
        groups = (struct string_list){.v = (void *)&only, .n = 1};
    }
    interface_set_groups(core, i, &groups);
    if (w->public_ip)
        interface_set_public(core, i, address_text(core_scratch(core), public_address),
                             NULL, NULL);
    for (size_t n = 0; w->tags && n < w->tags->n; n++)
        wire_copy_into(&i->o.arena, &ec2_tag_shape, &w->tags->v[n],
                       LIST_PUSH(&i->o.arena, &i->rec->interface->tag_set));
    interface_changed(core, i);
    info_of(i, ret);
    return 0;
}

/* ---- for other services ---- */

int ec2_interface_find(struct core *core, const struct ec2_scope *s, const char *id,
                       struct ec2_interface_info *ret, struct error *err)
{
    const struct network_interface *i = interface_find(core, s, id);
    if (!i)
        return fail(err, E_NOTFOUND, "The networkInterface ID '%s' does not exist", id);
    info_of(i, ret);
    return 0;
}

void ec2_interface_delete(struct core *core, const struct ec2_scope *s, const char *id)
{
    struct ec2 *ec2 = ec2_of(core);
    struct network_interface *i = interface_find(core, s, id);
    uint32_t address;
    if (!i)
        return;
    const struct ec2_network_interface *rec = i->rec->interface;
    struct subnet *subnet = i->subnet;
    for (size_t n = 0; n < rec->private_ip_addresses.n; n++)
        if (address_parse(rec->private_ip_addresses.v[n].private_ip_address, &address))
            subnet_give_back(subnet, address);
    if (took_own_public(rec) && address_parse(rec->association->public_ip, &address))
        public_address_give_back(ec2, address);
    if (rec->association && rec->association->allocation_id)
        elastic_address_forget(core, s, rec->association->allocation_id);
    if (!rec->requester_managed.v)
        routes_set_state(core, subnet->vpc, rec->network_interface_id,
                         EC2_ROUTE_STATE_BLACKHOLE);
    use_groups(core, i, -1);
    bool wired = interface_wired(i);
    subnet->vpc->wired -= wired;
    const char *vpc = arena_strdup(core_scratch(core), rec->vpc_id);
    const char *gone = arena_strdup(core_scratch(core), rec->network_interface_id);
    object_delete(core, &i->o);
    if (wired && ec2->edge_ops)
        ec2->edge_ops->interface_gone(ec2->edge_ctx, core, vpc, gone);
    if (wired && subnet->vpc->wired == 0)
        vpc_changed(core, subnet->vpc);
}

void ec2_interfaces_each(struct core *core, enum gantry_edge_interface_use use,
                         ec2_interface_visit *visit)
{
    const char *prefix = interface_table.prefix;
    struct arena *a = core_scratch(core);
    struct table *table = ec2_of(core)->interfaces;
    struct network_interface *next = table_next(table, prefix, prefix);
    while (next) {
        struct network_interface *i = next;
        struct ec2_scope s = ec2_owner(a, &i->o);
        next = table_next(table, prefix, i->o.key);
        if (i->rec->use == use)
            visit(core, &s, arena_strdup(a, interface_id(i)), i->rec->owner);
    }
}

int ec2_interface_set_groups(struct core *core, const struct ec2_scope *s, const char *id,
                             const struct string_list *ids, struct error *err)
{
    struct network_interface *i = interface_find(core, s, id);
    const char *bad;
    if (!i)
        return fail(err, E_NOTFOUND, "The networkInterface ID '%s' does not exist", id);
    int r = ec2_groups_check(core, s, i->subnet->rec->subnet->vpc_id, ids, &bad, err);
    if (r < 0)
        return r;
    interface_set_groups(core, i, ids);
    interface_changed(core, i);
    return 0;
}

int ec2_interface_host(struct core *core, const struct ec2_scope *s, const char *id,
                       struct arena *a, struct gantry_host_interface *ret,
                       struct error *err)
{
    const struct network_interface *i = interface_find(core, s, id);
    struct cidr cidr;
    if (!i)
        return fail(err, E_NOTFOUND, "The networkInterface ID '%s' does not exist",
                    id ? id : "");
    const struct ec2_network_interface *rec = i->rec->interface;
    const struct ec2_vpc *v = i->subnet->vpc->rec->vpc;
    *ret = (struct gantry_host_interface){
        .network_interface_id = rec->network_interface_id,
        .vpc_id = rec->vpc_id,
        .subnet_id = rec->subnet_id,
        .subnet_cidr_block = i->subnet->rec->subnet->cidr_block,
        .mac_address = rec->mac_address,
        .private_ip_address = rec->private_ip_address,
        .private_dns_name = rec->private_dns_name,
        .search_domain = private_dns_domain(a, s->region),
    };
    for (size_t n = 0; n < v->cidr_block_association_set.n; n++)
        *LIST_PUSH(a, &ret->vpc_cidr_blocks) =
            v->cidr_block_association_set.v[n].cidr_block;
    if (cidr_parse(v->cidr_block, &cidr))
        ret->dns_server = address_text(a, cidr.base + 2);
    return 0;
}
