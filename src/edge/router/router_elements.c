#include <arpa/inet.h>
#include <stdlib.h>

#include "arena.h"
#include "router_rules.h"
#include "vpc.h"

#define HOP_BASE  0xa9fe8000u /* 169.254.128.0/17 */
#define HOP_COUNT 0x7ffeu

struct nft_element *router_element(struct router_elements *l, const char *set)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
    }
    struct nft_change *c = &l->v[l->n++];
    memset(c, 0, sizeof(*c));
    c->set = set;
    return &c->element;
}

struct nft_element *router_element_named(struct router_elements *l, const char *set)
{
    return router_element(l, arena_strdup(&l->names, set));
}

void router_elements_free(struct router_elements *l)
{
    free(l->v);
    arena_free(&l->names);
    *l = (struct router_elements){0};
}

/* --- of an interface --- */

static int address(const char *text, uint32_t *ret, struct error *err)
{
    if (!text || inet_pton(AF_INET, text, ret) != 1)
        return fail(err, E_INVALID, "'%s' is no address", text ? text : "");
    return 0;
}

static void add_address(struct router_elements *l, const struct gantry_edge_interface *i,
                        const struct vpc_interface *own)
{
    vpc_source_key(own, router_element(l, VPC_SOURCES_SET));
    for (size_t g = 0; g < i->group_ids.n; g++) {
        const char *set = arena_printf(&l->names, "m-%s", i->group_ids.v[g]);
        nft_key_add(router_element(l, set), &own->address_be, 4);
    }
}

static int add_public(struct router_elements *l, const struct gantry_edge_interface *i,
                      const struct vpc_interface *own, struct error *err)
{
    uint32_t public_be;
    if (str_empty(i->public_ip))
        return 0;
    int r = address(i->public_ip, &public_be, err);
    if (r < 0)
        return r;
    struct nft_element *e = router_element(l, MAP_PUBLIC_OF);
    nft_key_add(e, &own->address_be, 4);
    nft_data_add(e, &public_be, 4);
    e = router_element(l, MAP_PRIVATE_OF);
    nft_key_add(e, &public_be, 4);
    nft_data_add(e, &own->address_be, 4);
    nft_key_add(router_element(l, SET_HAVE_PUBLIC), &own->address_be, 4);
    return 0;
}

static void add_name(struct router_elements *l, const struct gantry_edge_interface *i,
                     const struct vpc_interface *own, uint32_t class_number)
{
    char name[16] = {0};
    vpc_host_interface_name(own->interface_id, name);
    struct nft_element *e = router_element(l, MAP_CLASS_OF);
    nft_key_add(e, name, sizeof(name));
    nft_data_add(e, &class_number, 4); /* marks are in the machine's byte order */
    if (!i->source_dest_check.set || i->source_dest_check.v)
        return;
    e = router_element(l, SET_FREE_SOURCES);
    nft_key_add(e, name, sizeof(name));
    nft_key_add(e, own->mac, 6);
}

int router_interface_elements(const struct gantry_edge_interface *i,
                              uint32_t class_number, struct router_elements *ret,
                              struct error *err)
{
    struct vpc_interface own = {.interface_id = i->network_interface_id};
    if (!router_id_valid(own.interface_id) || !router_mac(i->mac_address, own.mac))
        return fail(err, E_INVALID, "interface '%s' with MAC '%s'", own.interface_id,
                    i->mac_address);
    int r = address(i->private_ip_address, &own.address_be, err);
    for (size_t g = 0; g < i->group_ids.n; g++)
        if (!router_id_valid(i->group_ids.v[g]))
            return fail(err, E_INVALID, "'%s' is no group", i->group_ids.v[g]);
    if (r < 0 || i->use == GANTRY_EDGE_INTERFACE_USE_NAT_GATEWAY)
        return r; /* a gateway is a rule, nobody's interface */
    add_name(ret, i, &own, class_number);
    add_address(ret, i, &own);
    r = add_public(ret, i, &own, err);
    for (size_t k = 0; k < i->secondary_private_ip_addresses.n && r == 0; k++) {
        r = address(i->secondary_private_ip_addresses.v[k], &own.address_be, err);
        if (r == 0)
            add_address(ret, i, &own);
    }
    return r;
}

/* --- of a VPC --- */

static uint32_t hop_start(const char *id)
{
    uint32_t h = 2166136261u;
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 16777619u;
    return h % HOP_COUNT;
}

uint32_t router_nat_hop_be(const struct gantry_edge_vpc *v, const char *nat_id)
{
    uint32_t want = hop_start(nat_id), skip = 0;
    for (size_t i = 0; i < v->nat_gateways.n; i++) {
        const char *id = v->nat_gateways.v[i].nat_gateway_id;
        if (streq(id, nat_id))
            break;
        skip += hop_start(id) == want;
    }
    return htonl(HOP_BASE + 1 + (want + skip) % HOP_COUNT);
}

bool router_nat_works(const struct gantry_edge_vpc *v,
                      const struct gantry_edge_nat_gateway *n)
{
    if (str_empty(n->public_ip))
        return false;
    for (size_t i = 0; i < v->subnets.n; i++) {
        const struct gantry_edge_subnet *s = &v->subnets.v[i];
        for (size_t k = 0; streq(s->subnet_id, n->subnet_id) && k < s->routes.n; k++)
            if (s->routes.v[k].target == GANTRY_EDGE_ROUTE_TARGET_INTERNET)
                return true;
    }
    return false;
}

static int nat_elements(const struct gantry_edge_vpc *v, struct router_elements *ret,
                        struct error *err)
{
    for (size_t i = 0; i < v->nat_gateways.n; i++) {
        const struct gantry_edge_nat_gateway *n = &v->nat_gateways.v[i];
        uint32_t public_be, hop = router_nat_hop_be(v, n->nat_gateway_id);
        if (!router_nat_works(v, n))
            continue;
        int r = address(n->public_ip, &public_be, err);
        if (r < 0)
            return r;
        nft_key_add(router_element(ret, SET_NAT_HOPS), &hop, 4);
        struct nft_element *e = router_element(ret, MAP_NAT_OF);
        nft_key_add(e, &hop, 4);
        nft_data_add(e, &public_be, 4);
    }
    return 0;
}

int router_vpc_elements(const struct gantry_edge_vpc *v, struct router_elements *ret,
                        struct error *err)
{
    for (size_t i = 0; i < v->cidr_blocks.n; i++) {
        uint32_t base;
        int len;
        if (!router_cidr(v->cidr_blocks.v[i], &base, &len))
            return fail(err, E_INVALID, "'%s' is no address range", v->cidr_blocks.v[i]);
        base = htonl(ntohl(base) + 2);
        if (!v->dns_support.set || v->dns_support.v)
            nft_key_add(router_element(ret, SET_RESOLVERS), &base, 4);
    }
    return nat_elements(v, ret, err);
}

/* --- differences --- */

int router_element_order(const void *a, const void *b)
{
    const struct nft_change *x = a, *y = b;
    int r = strcmp(x->set, y->set);
    if (r == 0)
        r = memcmp(x->element.key, y->element.key, NFT_DATA_MAX);
    return r ? r : memcmp(x->element.data, y->element.data, NFT_DATA_MAX);
}

static void take(struct router_elements *ret, const struct nft_change *c, bool remove)
{
    *router_element_named(ret, c->set) = c->element;
    ret->v[ret->n - 1].remove = remove;
}

/* What is in `of` and not in `other`, both sorted. */
static void only_in(const struct router_elements *of, const struct router_elements *other,
                    bool remove, struct router_elements *ret)
{
    size_t k = 0;
    for (size_t i = 0; i < of->n; i++) {
        int order = 1;
        while (k < other->n &&
               (order = router_element_order(&other->v[k], &of->v[i])) < 0)
            k++;
        if (k >= other->n || order > 0)
            take(ret, &of->v[i], remove);
    }
}

void router_elements_between(struct router_elements *before,
                             struct router_elements *after, struct router_elements *ret)
{
    if (before->n)
        qsort(before->v, before->n, sizeof(*before->v), router_element_order);
    if (after->n)
        qsort(after->v, after->n, sizeof(*after->v), router_element_order);
    only_in(before, after, true, ret);
    only_in(after, before, false, ret);
}
