/* VPCs, subnets, route tables and gateways in memory: making, loading, the default VPC. */
#include <stdlib.h>
#include <string.h>

#include "ec2_state.h"
#include "interface.h"
#include "security_group.h"

const char *vpc_id(const struct vpc *v)
{
    return v->rec->vpc->vpc_id;
}

/* ---- VPCs ---- */

static void vpc_init(struct vpc *v)
{
    list_init(&v->subnets);
    list_init(&v->route_tables);
    list_init(&v->groups);
    list_init(&v->nat_gateways);
    wake_init(&v->feed, vpc_feed);
}

static int vpc_loaded(struct core *core, struct object *o, struct error *err)
{
    struct vpc *v = (struct vpc *)o;
    if (!v->rec->vpc)
        return fail(err, E_CORRUPT, "VPC without a record");
    vpc_init(v);
    return 0;
}

static void vpc_unlink(struct core *core, struct object *o)
{
    struct vpc *v = (struct vpc *)o;
    wake_cancel(core, &v->feed);
    list_remove(&v->subnets);
    list_remove(&v->route_tables);
    list_remove(&v->groups);
    list_remove(&v->nat_gateways);
}

const struct table_type vpc_table = {
    .prefix = "/ec2/vpc/",
    .shape = &gantry_vpc_record_shape,
    .object_size = sizeof(struct vpc),
    .record_offset = offsetof(struct vpc, rec),
    .loaded = vpc_loaded,
    .unlink = vpc_unlink,
};

struct vpc *vpc_find(struct core *core, const struct ec2_scope *s, const char *id)
{
    return id ? table_find(ec2_of(core)->vpcs, ec2_key(core_scratch(core), "vpc", s, id))
              : NULL;
}

struct vpc *vpc_require(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct vpc *v = vpc_find(c->core, &s, id);
    if (!v)
        ec2_fault(c, "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist",
                  id ? id : "");
    return v;
}

struct ec2_vpc_cidr_block_association *vpc_block_add(struct core *core, struct vpc *v,
                                                     struct cidr cidr)
{
    struct arena *a = &v->o.arena;
    struct ec2_vpc_cidr_block_association *b =
        LIST_PUSH(a, &v->rec->vpc->cidr_block_association_set);
    b->association_id = ec2_new_id(core, a, "vpc-cidr-assoc");
    b->cidr_block = cidr_text(a, cidr);
    b->cidr_block_state = arena_new(a, struct ec2_vpc_cidr_block_state);
    b->cidr_block_state->state = EC2_VPC_CIDR_BLOCK_STATE_CODE_ASSOCIATED;
    return b;
}

struct vpc *vpc_new(struct core *core, const struct ec2_scope *s, struct cidr cidr,
                    bool is_default)
{
    const char *id = ec2_new_id(core, core_scratch(core), "vpc");
    struct vpc *v =
        object_new(core, ec2_of(core)->vpcs, ec2_key(core_scratch(core), "vpc", s, id));
    struct arena *a = &v->o.arena;
    struct ec2_vpc *rec = v->rec->vpc = arena_new(a, struct ec2_vpc);
    vpc_init(v);
    rec->owner_id = arena_strdup(a, s->account);
    rec->instance_tenancy = EC2_TENANCY_DEFAULT;
    rec->is_default = SET_BOOL(is_default);
    rec->vpc_id = arena_strdup(a, id);
    rec->state = EC2_VPC_STATE_AVAILABLE;
    rec->cidr_block = cidr_text(a, cidr);
    rec->dhcp_options_id = arena_strdup(a, account_record(core, s)->rec->dhcp_options_id);
    rec->tags.set = true;
    v->rec->dns_support = SET_BOOL(true);
    v->rec->dns_hostnames = SET_BOOL(is_default);
    v->rec->network_acl_id = ec2_new_id(core, a, "acl");
    vpc_block_add(core, v, cidr);
    route_table_new(core, v, true);
    security_group_new(core, v, "default", "default VPC security group");
    object_save(core, &v->o);
    return v;
}

/* ---- subnets ---- */

static size_t map_words(const struct subnet *s)
{
    return (cidr_size(s->cidr) + 63) / 64;
}

static bool is_used(const struct subnet *s, uint32_t offset)
{
    return s->used[offset / 64] >> (offset % 64) & 1;
}

static void mark(struct subnet *s, uint32_t offset)
{
    s->used[offset / 64] |= UINT64_C(1) << (offset % 64);
    s->used_count++;
}

static int subnet_init(struct subnet *s, struct vpc *v)
{
    const struct ec2_subnet *rec = s->rec->subnet;
    s->vpc = v;
    list_init(&s->interfaces);
    list_append(&v->subnets, &s->link);
    if (!cidr_parse_strict(rec->cidr_block, &s->cidr) || s->cidr.prefix_len < 16)
        return -1;
    s->used = xcalloc(map_words(s), sizeof(uint64_t));
    for (uint32_t i = 0; i < 4; i++)
        mark(s, i);
    mark(s, cidr_size(s->cidr) - 1);
    s->next = 4;
    return 0;
}

static int subnet_loaded(struct core *core, struct object *o, struct error *err)
{
    struct subnet *s = (struct subnet *)o;
    struct ec2_scope scope = ec2_owner(core_scratch(core), o);
    struct vpc *v =
        s->rec->subnet ? vpc_find(core, &scope, s->rec->subnet->vpc_id) : NULL;
    list_init(&s->link);
    list_init(&s->interfaces);
    if (!v || subnet_init(s, v) < 0)
        return fail(err, E_CORRUPT, "subnet without a VPC or range");
    return 0;
}

static void subnet_unlink(struct core *core, struct object *o)
{
    struct subnet *s = (struct subnet *)o;
    list_remove(&s->link);
    list_remove(&s->interfaces);
    free(s->used);
}

const struct table_type subnet_table = {
    .prefix = "/ec2/subnet/",
    .shape = &gantry_subnet_record_shape,
    .object_size = sizeof(struct subnet),
    .record_offset = offsetof(struct subnet, rec),
    .loaded = subnet_loaded,
    .unlink = subnet_unlink,
};

struct subnet *subnet_find(struct core *core, const struct ec2_scope *s, const char *id)
{
    return id ? table_find(ec2_of(core)->subnets,
                           ec2_key(core_scratch(core), "subnet", s, id))
              : NULL;
}

struct subnet *subnet_require(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct subnet *found = subnet_find(c->core, &s, id);
    if (!found)
        ec2_fault(c, "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist",
                  id ? id : "");
    return found;
}

struct subnet *subnet_new(struct core *core, struct vpc *v, struct cidr cidr,
                          const char *zone, bool is_default)
{
    struct ec2_scope scope = ec2_owner(core_scratch(core), &v->o);
    const char *id = ec2_new_id(core, core_scratch(core), "subnet");
    struct subnet *s = object_new(core, ec2_of(core)->subnets,
                                  ec2_key(core_scratch(core), "subnet", &scope, id));
    struct arena *a = &s->o.arena;
    struct ec2_subnet *rec = s->rec->subnet = arena_new(a, struct ec2_subnet);
    list_init(&s->link);
    rec->subnet_id = arena_strdup(a, id);
    rec->subnet_arn = ec2_arn(a, &scope, "subnet", id);
    rec->owner_id = arena_strdup(a, scope.account);
    rec->vpc_id = arena_strdup(a, vpc_id(v));
    rec->cidr_block = cidr_text(a, cidr);
    rec->availability_zone = arena_strdup(a, zone);
    rec->availability_zone_id = zone_id(a, scope.region, zone);
    rec->state = EC2_SUBNET_STATE_AVAILABLE;
    rec->default_for_az = SET_BOOL(is_default);
    rec->map_public_ip_on_launch = SET_BOOL(is_default);
    rec->map_customer_owned_ip_on_launch = SET_BOOL(false);
    rec->assign_ipv6_address_on_creation = SET_BOOL(false);
    rec->enable_dns64 = SET_BOOL(false);
    rec->ipv6_native = SET_BOOL(false);
    rec->private_dns_name_options_on_launch =
        arena_new(a, struct ec2_private_dns_name_options_on_launch);
    rec->private_dns_name_options_on_launch->hostname_type = EC2_HOSTNAME_TYPE_IP_NAME;
    rec->private_dns_name_options_on_launch->enable_resource_name_dns_a_record =
        SET_BOOL(false);
    rec->private_dns_name_options_on_launch->enable_resource_name_dns_aaaa_record =
        SET_BOOL(false);
    rec->tags.set = rec->ipv6_cidr_block_association_set.set = true;
    s->rec->acl_association_id = ec2_new_id(core, a, "aclassoc");
    subnet_init(s, v); /* the range was checked */
    object_save(core, &s->o);
    vpc_changed(core, v);
    return s;
}

bool subnet_has_public(const struct subnet *s)
{
    list_for_each (it, &s->interfaces) {
        if (list_entry(it, struct network_interface, link)->rec->interface->association)
            return true;
    }
    return false;
}

/* ---- addresses of a subnet ---- */

bool subnet_is_free(const struct subnet *s, uint32_t address)
{
    return cidr_has(s->cidr, address) && !is_used(s, address - s->cidr.base);
}

bool subnet_take(struct subnet *s, uint32_t address)
{
    if (!cidr_has(s->cidr, address) || is_used(s, address - s->cidr.base))
        return false;
    mark(s, address - s->cidr.base);
    return true;
}

void subnet_walk_past(struct subnet *s, uint32_t address)
{
    uint32_t offset = address - s->cidr.base;
    if (cidr_has(s->cidr, address) && offset >= s->next)
        s->next = (offset + 1) % cidr_size(s->cidr);
}

bool subnet_take_address(struct subnet *s, uint32_t *ret)
{
    uint32_t size = cidr_size(s->cidr);
    for (uint32_t k = 0; k < size; k++) {
        uint32_t offset = (s->next + k) % size;
        if (s->used[offset / 64] == UINT64_MAX && offset % 64 == 0 && k + 64 < size) {
            k += 63;
            continue;
        }
        if (is_used(s, offset))
            continue;
        mark(s, offset);
        s->next = (offset + 1) % size;
        *ret = s->cidr.base + offset;
        return true;
    }
    return false;
}

void subnet_give_back(struct subnet *s, uint32_t address)
{
    uint32_t offset = address - s->cidr.base;
    if (!cidr_has(s->cidr, address) || !is_used(s, offset))
        return;
    s->used[offset / 64] &= ~(UINT64_C(1) << (offset % 64));
    s->used_count--;
}

uint32_t subnet_free_addresses(const struct subnet *s)
{
    return cidr_size(s->cidr) - s->used_count;
}

/* ---- route tables ---- */

static int route_table_loaded(struct core *core, struct object *o, struct error *err)
{
    struct route_table *t = (struct route_table *)o;
    struct ec2_scope scope = ec2_owner(core_scratch(core), o);
    list_init(&t->link);
    t->vpc =
        t->rec->route_table ? vpc_find(core, &scope, t->rec->route_table->vpc_id) : NULL;
    if (!t->vpc)
        return fail(err, E_CORRUPT, "route table without a VPC");
    list_append(&t->vpc->route_tables, &t->link);
    return 0;
}

static void route_table_unlink(struct core *core, struct object *o)
{
    list_remove(&((struct route_table *)o)->link);
}

const struct table_type route_table_table = {
    .prefix = "/ec2/route-table/",
    .shape = &gantry_route_table_record_shape,
    .object_size = sizeof(struct route_table),
    .record_offset = offsetof(struct route_table, rec),
    .loaded = route_table_loaded,
    .unlink = route_table_unlink,
};

struct route_table *route_table_find(struct core *core, const struct ec2_scope *s,
                                     const char *id)
{
    return id ? table_find(ec2_of(core)->route_tables,
                           ec2_key(core_scratch(core), "route-table", s, id))
              : NULL;
}

struct route_table *route_table_new(struct core *core, struct vpc *v, bool main)
{
    struct ec2_scope scope = ec2_owner(core_scratch(core), &v->o);
    const char *id = ec2_new_id(core, core_scratch(core), "rtb");
    struct route_table *t =
        object_new(core, ec2_of(core)->route_tables,
                   ec2_key(core_scratch(core), "route-table", &scope, id));
    struct arena *a = &t->o.arena;
    struct ec2_route_table *rec = t->rec->route_table =
        arena_new(a, struct ec2_route_table);
    list_init(&t->link);
    t->vpc = v;
    list_append(&v->route_tables, &t->link);
    rec->route_table_id = arena_strdup(a, id);
    rec->vpc_id = arena_strdup(a, vpc_id(v));
    rec->owner_id = arena_strdup(a, scope.account);
    rec->tags.set = rec->associations.set = rec->propagating_vgws.set = true;
    for (size_t i = 0; i < v->rec->vpc->cidr_block_association_set.n; i++) {
        struct ec2_route *local = LIST_PUSH(a, &rec->routes);
        local->destination_cidr_block =
            arena_strdup(a, v->rec->vpc->cidr_block_association_set.v[i].cidr_block);
        local->gateway_id = "local";
        local->origin = EC2_ROUTE_ORIGIN_CREATE_ROUTE_TABLE;
        local->state = EC2_ROUTE_STATE_ACTIVE;
    }
    if (main) {
        struct ec2_route_table_association *x = LIST_PUSH(a, &rec->associations);
        x->main = SET_BOOL(true);
        x->route_table_association_id = ec2_new_id(core, a, "rtbassoc");
        x->route_table_id = rec->route_table_id;
        x->association_state = arena_new(a, struct ec2_route_table_association_state);
        x->association_state->state = EC2_ROUTE_TABLE_ASSOCIATION_STATE_CODE_ASSOCIATED;
    }
    object_save(core, &t->o);
    return t;
}

static bool is_main(const struct route_table *t)
{
    for (size_t i = 0; i < t->rec->route_table->associations.n; i++)
        if (t->rec->route_table->associations.v[i].main.v)
            return true;
    return false;
}

struct route_table *vpc_main_table(const struct vpc *v)
{
    list_for_each (it, &v->route_tables) {
        struct route_table *t = list_entry(it, struct route_table, link);
        if (is_main(t))
            return t;
    }
    return NULL;
}

struct route_table *subnet_table_of(const struct subnet *s)
{
    list_for_each (it, &s->vpc->route_tables) {
        struct route_table *t = list_entry(it, struct route_table, link);
        for (size_t i = 0; i < t->rec->route_table->associations.n; i++)
            if (streq(t->rec->route_table->associations.v[i].subnet_id,
                      s->rec->subnet->subnet_id))
                return t;
    }
    return vpc_main_table(s->vpc);
}

void routes_set_state(struct core *core, struct vpc *v, const char *target,
                      enum ec2_route_state state)
{
    list_for_each (it, &v->route_tables) {
        struct route_table *t = list_entry(it, struct route_table, link);
        bool changed = false;
        for (size_t i = 0; i < t->rec->route_table->routes.n; i++) {
            struct ec2_route *r = &t->rec->route_table->routes.v[i];
            if (r->state == state ||
                !(streq(r->gateway_id, target) || streq(r->nat_gateway_id, target) ||
                  streq(r->network_interface_id, target)))
                continue;
            r->state = state;
            changed = true;
        }
        if (!changed)
            continue;
        object_save(core, &t->o);
        vpc_changed(core, v);
    }
}

/* ---- internet gateways ---- */

const struct table_type internet_gateway_table = {
    .prefix = "/ec2/internet-gateway/",
    .shape = &gantry_internet_gateway_record_shape,
    .object_size = sizeof(struct internet_gateway),
    .record_offset = offsetof(struct internet_gateway, rec),
};

struct internet_gateway *internet_gateway_find(struct core *core,
                                               const struct ec2_scope *s, const char *id)
{
    return id ? table_find(ec2_of(core)->internet_gateways,
                           ec2_key(core_scratch(core), "internet-gateway", s, id))
              : NULL;
}

struct internet_gateway *internet_gateway_new(struct core *core,
                                              const struct ec2_scope *s)
{
    const char *id = ec2_new_id(core, core_scratch(core), "igw");
    struct internet_gateway *g =
        object_new(core, ec2_of(core)->internet_gateways,
                   ec2_key(core_scratch(core), "internet-gateway", s, id));
    struct arena *a = &g->o.arena;
    struct ec2_internet_gateway *rec = g->rec->internet_gateway =
        arena_new(a, struct ec2_internet_gateway);
    rec->internet_gateway_id = arena_strdup(a, id);
    rec->owner_id = arena_strdup(a, s->account);
    rec->tags.set = rec->attachments.set = true;
    object_save(core, &g->o);
    return g;
}

void internet_gateway_attach(struct core *core, struct internet_gateway *g, struct vpc *v)
{
    struct arena *a = &g->o.arena;
    struct ec2_internet_gateway_attachment *x =
        LIST_PUSH(a, &g->rec->internet_gateway->attachments);
    x->vpc_id = arena_strdup(a, vpc_id(v));
    x->state = EC2_ATTACHMENT_STATUS_AVAILABLE;
    object_save(core, &g->o);
    routes_set_state(core, v, g->rec->internet_gateway->internet_gateway_id,
                     EC2_ROUTE_STATE_ACTIVE);
    vpc_changed(core, v);
}

struct internet_gateway *vpc_gateway(struct core *core, const struct vpc *v)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &v->o);
    const char *prefix = ec2_prefix(core_scratch(core), "internet-gateway", &s),
               *after = prefix;
    struct table *t = ec2_of(core)->internet_gateways;
    for (struct internet_gateway *g; (g = table_next(t, prefix, after));
         after = g->o.key) {
        const struct ec2_internet_gateway *rec = g->rec->internet_gateway;
        if (rec->attachments.n && streq(rec->attachments.v[0].vpc_id, vpc_id(v)))
            return g;
    }
    return NULL;
}

/* ---- what an account begins with ---- */

struct ec2_account *account_record(struct core *core, const struct ec2_scope *s)
{
    const char *key = ec2_key(core_scratch(core), "account", s, "begun");
    struct ec2_account *found = table_find(ec2_of(core)->accounts, key);
    if (found)
        return found;
    found = object_new(core, ec2_of(core)->accounts, key);
    found->rec->dhcp_options_id = ec2_new_id(core, &found->o.arena, "dopt");
    object_save(core, &found->o);
    return found;
}

struct vpc *default_vpc(struct core *core, const struct ec2_scope *s)
{
    const char *key = ec2_key(core_scratch(core), "account", s, "begun");
    const struct ec2_account *a = table_find(ec2_of(core)->accounts, key);
    return a ? vpc_find(core, s, a->rec->default_vpc_id) : NULL;
}

struct vpc *default_vpc_new(struct core *core, const struct ec2_scope *s)
{
    struct ec2_account *account = account_record(core, s);
    struct vpc *v = vpc_new(core, s, (struct cidr){0xac1f0000, 16}, true);
    struct internet_gateway *g = internet_gateway_new(core, s);
    internet_gateway_attach(core, g, v);
    struct route_table *t = vpc_main_table(v);
    struct arena *a = &t->o.arena;
    struct ec2_route *out = LIST_PUSH(a, &t->rec->route_table->routes);
    out->destination_cidr_block = "0.0.0.0/0";
    out->gateway_id = arena_strdup(a, g->rec->internet_gateway->internet_gateway_id);
    out->origin = EC2_ROUTE_ORIGIN_CREATE_ROUTE;
    out->state = EC2_ROUTE_STATE_ACTIVE;
    object_save(core, &t->o);
    for (unsigned n = 0; n < ZONES; n++)
        subnet_new(core, v, (struct cidr){0xac1f0000 + (n << 12), 20},
                   zone_name(core_scratch(core), s->region, n), true);
    account->rec->default_vpc_id = arena_strdup(&account->o.arena, vpc_id(v));
    object_save(core, &account->o);
    return v;
}

void ec2_account_ensure(struct core *core, const struct ec2_scope *s)
{
    const char *key = ec2_key(core_scratch(core), "account", s, "begun");
    if (!table_find(ec2_of(core)->accounts, key))
        default_vpc_new(core, s);
}

/* ---- for other services ---- */

/* Lookups by id make no default VPC: nobody can know its ids before it is there, and an
 * operation that fails for an unknown id must not have changed anything. */
int ec2_subnet_find(struct core *core, const struct ec2_scope *s, const char *id,
                    struct ec2_subnet_info *ret, struct error *err)
{
    const struct subnet *found = subnet_find(core, s, id);
    if (!found)
        return fail(err, E_NOTFOUND, "The subnet ID '%s' does not exist", id ? id : "");
    const struct ec2_subnet *rec = found->rec->subnet;
    *ret = (struct ec2_subnet_info){
        .subnet_id = rec->subnet_id,
        .vpc_id = rec->vpc_id,
        .availability_zone = rec->availability_zone,
        .cidr_block = rec->cidr_block,
        .map_public_ip_on_launch = rec->map_public_ip_on_launch.v,
        .default_for_az = rec->default_for_az.v,
        .free_addresses = subnet_free_addresses(found),
    };
    return 0;
}

void ec2_default_subnets(struct core *core, const struct ec2_scope *s, struct arena *a,
                         struct string_list *ret)
{
    ec2_account_ensure(core, s);
    const struct vpc *v = default_vpc(core, s);
    for (unsigned n = 0; v && n < ZONES; n++) {
        const char *zone = zone_name(core_scratch(core), s->region, n);
        list_for_each (it, &v->subnets) {
            const struct ec2_subnet *rec =
                list_entry(it, struct subnet, link)->rec->subnet;
            if (rec->default_for_az.v && streq(rec->availability_zone, zone))
                *LIST_PUSH(a, ret) = rec->subnet_id;
        }
    }
}

bool ec2_vpc_exists(struct core *core, const struct ec2_scope *s, const char *id)
{
    return vpc_find(core, s, id) != NULL;
}

bool ec2_vpc_contains(struct core *core, const struct ec2_scope *s, const char *id,
                      const char *address)
{
    const struct vpc *v = vpc_find(core, s, id);
    uint32_t at;
    if (!v || !address_parse(address, &at))
        return false;
    const struct ec2_vpc_cidr_block_association_list *l =
        &v->rec->vpc->cidr_block_association_set;
    for (size_t i = 0; i < l->n; i++) {
        struct cidr c;
        if (cidr_parse(l->v[i].cidr_block, &c) && cidr_has(c, at))
            return true;
    }
    return false;
}
