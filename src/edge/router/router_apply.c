/* Bringing a VPC into force: namespace and uplink, rules, elements, routes, the machine's
 * side. In this order: an interface counts as ready by its element in the set of sources,
 * and by then its groups are there. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "log.h"
#include "netns.h"
#include "router_routes.h"
#include "router_vpc.h"

#define CHANGES_MAX 4000 /* in one transaction */

static int enter(const struct router_vpc *v, const struct router_machine *m,
                 int *ret_back, struct error *err)
{
    AUTO_STR path = STR_INIT;
    vpc_netns_path(&(struct vpc_place){.dir = m->dir}, v->id, &path);
    return netns_enter(path.data, ret_back, err);
}

/* --- namespace and uplink --- */

static int set_sysctls(struct error *err)
{
    static const char *const settings[][2] = {
        {"net/ipv4/ip_forward", "1"},
        {"net/ipv4/conf/all/rp_filter", "0"},
        {"net/ipv4/conf/default/rp_filter", "0"},
        {"net/ipv4/conf/all/send_redirects", "0"},
        {"net/ipv4/conf/default/send_redirects", "0"},
        {"net/ipv6/conf/all/disable_ipv6", "1"},
        {"net/ipv6/conf/default/disable_ipv6", "1"}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        int r = sysctl_write(settings[i][0], settings[i][1], err);
        /* A kernel without IPv6 has nothing to turn off. */
        if (r < 0 && !(r == -E_NOTFOUND && str_starts(settings[i][0], "net/ipv6")))
            return r;
    }
    return 0;
}

static int load_fixed(const struct router_vpc *v, const struct router_machine *m,
                      struct error *err)
{
    AUTO_STR t = STR_INIT;
    char gateway[INET_ADDRSTRLEN], own[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &m->gateway_be, gateway, sizeof(gateway));
    inet_ntop(AF_INET, &v->uplink.own_be, own, sizeof(own));
    router_text_fixed(&t, &(struct router_fixed){.gateway = gateway,
                                                 .own = own,
                                                 .service = SERVICE_ADDRESS,
                                                 .service_port = m->service_port});
    return nft_load(t.data, err);
}

/* Rules before the uplink: from its first moment nothing passes that may not. */
static int make(struct router_vpc *v, struct router_machine *m, struct error *err)
{
    AUTO_STR path = STR_INIT;
    int back;
    vpc_netns_path(&(struct vpc_place){.dir = m->dir}, v->id, &path);
    int r = netns_create(path.data, err);
    if (r == 0)
        r = router_uplink_number(m, v->id, &v->uplink, err);
    if (r == 0)
        r = enter(v, m, &back, err);
    if (r < 0)
        return r;
    r = set_sysctls(err);
    if (r == 0)
        r = load_fixed(v, m, err);
    netns_leave(&back);
    if (r == 0)
        r = router_uplink_make(m, v->id, &v->uplink, err);
    v->made = r == 0;
    return r;
}

/* --- rules --- */

static void found_chain(void *arg, const char *name)
{
    router_classes_found(arg, name);
}

/* A Network Load Balancer may have no groups, and is open then; nothing else is. */
static const struct string_list *groups_of(const struct gantry_edge_interface *i)
{
    static const char *id = ROUTER_OPEN_GROUP;
    static const struct string_list open = {.v = &id, .n = 1};
    bool is_open = i->group_ids.n == 0 && i->use == GANTRY_EDGE_INTERFACE_USE_BALANCER;
    return is_open ? &open : &i->group_ids;
}

static void take_class(struct router_vpc *v, struct router_interface *i)
{
    struct router_class *old = i->class;
    i->class = i->gone ? NULL : router_class_take(&v->classes, groups_of(i->said));
    router_class_give(&v->classes, old);
}

static int load_classes(struct router_vpc *v, struct error *err)
{
    AUTO_STR t = STR_INIT;
    int r = 0;
    if (v->unknown) {
        r = nft_each_name(NFT_CHAINS, NFT_INET, VPC_TABLE, found_chain, &v->classes, err);
        router_classes_forget(&v->classes);
    }
    list_for_each (at, &v->dirty)
        take_class(v, list_entry(at, struct router_interface, dirty));
    router_classes_text(&v->classes, &t);
    if (r == 0 && t.len)
        r = nft_load(t.data, err);
    if (r == 0)
        router_classes_loaded(&v->classes);
    return r;
}

static int sweep_classes(struct router_vpc *v, struct error *err)
{
    AUTO_STR t = STR_INIT;
    router_classes_garbage(&v->classes, &t);
    if (t.len == 0)
        return 0;
    int r = nft_load(t.data, err);
    if (r == 0)
        router_classes_swept(&v->classes);
    return r;
}

/* --- elements --- */

static void wanted_of(const struct router_vpc *v, struct router_interface *i,
                      struct router_elements *ret)
{
    struct error err = ERROR_INIT;
    *ret = (struct router_elements){0};
    if (i->gone || router_interface_elements(i->said, i->class->number, ret, &err) == 0)
        return;
    router_elements_free(ret);
    log_line(LOG_ERROR, "an interface makes no sense and is cut off", "interface", i->id,
             "vpc", v->id, "error", err.text, NULL);
}

static int removed_first(const void *a, const void *b)
{
    const struct nft_change *x = a, *y = b;
    if (x->remove != y->remove)
        return x->remove ? -1 : 1;
    return router_element_order(a, b);
}

static int apply_changes(struct router_elements *changes, struct error *err)
{
    int r = 0;
    if (changes->n)
        qsort(changes->v, changes->n, sizeof(*changes->v), removed_first);
    for (size_t at = 0; at < changes->n && r == 0; at += CHANGES_MAX) {
        size_t n = changes->n - at < CHANGES_MAX ? changes->n - at : CHANGES_MAX;
        r = nft_apply(NFT_INET, VPC_TABLE, changes->v + at, n, err);
    }
    return r;
}

/* Elements stand for the interfaces that said them only once they are in force. */
static int change_elements(struct router_vpc *v, struct router_elements *own,
                           struct error *err)
{
    struct router_elements changes = {0};
    router_elements_between(&v->applied, own, &changes);
    list_for_each (at, &v->dirty) {
        struct router_interface *i = list_entry(at, struct router_interface, dirty);
        struct router_elements wanted;
        wanted_of(v, i, &wanted);
        router_elements_between(&i->applied, &wanted, &changes);
        router_elements_free(&wanted);
    }
    int r = apply_changes(&changes, err);
    router_elements_free(&changes);
    return r;
}

struct reading {
    struct router_elements there;
    const char *set;
    int result;
    struct error *err;
};

static void take_element(void *arg, const struct nft_element *e)
{
    struct reading *d = arg;
    *router_element_named(&d->there, d->set) = *e;
}

static void take_set(void *arg, const char *name)
{
    struct reading *d = arg;
    /* Those of verdicts go with their chains; those without names with their rules. */
    if (streq(name, MAP_IN_CLASS) || streq(name, MAP_OUT_CLASS) || name[0] == '_')
        return;
    d->set = name;
    if (d->result == 0)
        d->result = nft_each_element(NFT_INET, VPC_TABLE, name, take_element, d, d->err);
}

/* Two interfaces that say the same address: what is in force later is the first's, until
 * one of the two changes. */
static bool drop_doubles(struct router_elements *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || !streq(l->v[i].set, l->v[n - 1].set) ||
            memcmp(l->v[i].element.key, l->v[n - 1].element.key, NFT_DATA_MAX) != 0)
            l->v[n++] = l->v[i];
    bool found = n < l->n;
    l->n = n;
    return found;
}

static void take_all(struct router_elements *ret, const struct router_elements *l)
{
    for (size_t k = 0; k < l->n; k++)
        *router_element_named(ret, l->v[k].set) = l->v[k].element;
}

static int mend_elements(struct router_vpc *v, struct router_elements *own,
                         bool *ret_doubles, struct error *err)
{
    struct reading d = {.err = err};
    struct router_elements all = {0}, changes = {0};
    struct router_interface *i;
    int r = nft_each_name(NFT_SETS, NFT_INET, VPC_TABLE, take_set, &d, err);
    take_all(&all, own);
    EACH_INTERFACE (i, v) {
        struct router_elements wanted;
        wanted_of(v, i, &wanted);
        take_all(&all, &wanted);
        router_elements_free(&wanted);
    }
    if (all.n)
        qsort(all.v, all.n, sizeof(*all.v), router_element_order);
    *ret_doubles = drop_doubles(&all);
    router_elements_between(&d.there, &all, &changes);
    if (r == 0)
        r = d.result;
    if (r == 0)
        r = apply_changes(&changes, err);
    router_elements_free(&d.there);
    router_elements_free(&all);
    router_elements_free(&changes);
    return r;
}

static void note_interface(struct router_vpc *v, struct router_interface *i)
{
    router_elements_free(&i->applied);
    wanted_of(v, i, &i->applied);
}

static int apply_elements(struct router_vpc *v, struct error *err)
{
    struct router_elements own = {0};
    struct router_interface *i;
    bool doubles = false, unknown = v->unknown;
    int r = router_vpc_elements(v->said, &own, err);
    if (r == 0)
        r = unknown ? mend_elements(v, &own, &doubles, err)
                    : change_elements(v, &own, err);
    if (r < 0) {
        router_elements_free(&own);
        return r;
    }
    router_elements_free(&v->applied);
    v->applied = own;
    if (unknown)
        EACH_INTERFACE (i, v)
            note_interface(v, i);
    else
        list_for_each (at, &v->dirty)
            note_interface(v, list_entry(at, struct router_interface, dirty));
    v->unknown = doubles;
    return 0;
}

static int apply_rules(struct router_vpc *v, const struct router_machine *m,
                       struct error *err)
{
    int back;
    int r = enter(v, m, &back, err);
    if (r < 0)
        return r;
    r = load_classes(v, err);
    if (r == 0)
        r = apply_elements(v, err);
    if (r == 0)
        r = sweep_classes(v, err);
    netns_leave(&back);
    return r;
}

/* --- routes --- */

struct ends {
    struct router_vpc *v;
    struct link_socket *s;
};

static int near_end(void *ctx, const char *interface_id, uint32_t *ret_address_be)
{
    struct ends *e = ctx;
    struct error ignored;
    char name[16];
    int index = 0;
    struct router_interface *i =
        interface_id ? router_vpc_find(e->v, interface_id) : NULL;
    e->v->late_ends = true; /* may come, go, and come again */
    if (!i || i->gone ||
        inet_pton(AF_INET, i->said->private_ip_address, ret_address_be) != 1)
        return 0;
    vpc_host_interface_name(interface_id, name);
    return link_index(e->s, name, &index, &ignored) < 0 ? 0 : index;
}

struct old_ranges {
    const struct gantry_edge_vpc *said;
    struct link_route v[LINK_BATCH_MAX];
    size_t n;
};

static void take_old_range(void *arg, uint32_t dest_be, int prefix_len, int out_index)
{
    struct old_ranges *o = arg;
    uint32_t base;
    int len;
    if (out_index || o->n == LINK_BATCH_MAX)
        return; /* interfaces' routes have one; so has all that leaves the VPC */
    for (size_t i = 0; i < o->said->cidr_blocks.n; i++)
        if (router_cidr(o->said->cidr_blocks.v[i], &base, &len) && base == dest_be &&
            len == prefix_len)
            return;
    o->v[o->n++] = (struct link_route){.dest_be = dest_be, .prefix_len = prefix_len};
}

/* What is of the VPC but nobody's leads nowhere, least of all to the internet. */
static int close_ranges(struct router_vpc *v, struct link_socket *s, struct error *err)
{
    struct old_ranges old = {.said = v->said};
    struct link_batch b;
    int r = v->changed || v->unknown ? link_each_route(s, take_old_range, &old, err) : 0;
    link_batch_init(&b, s);
    for (size_t i = 0; i < v->said->cidr_blocks.n && b.count < LINK_BATCH_MAX / 2; i++) {
        struct link_route c = {.kind = LINK_BLACKHOLE};
        if (router_cidr(v->said->cidr_blocks.v[i], &c.dest_be, &c.prefix_len))
            link_put_route(&b, &c);
    }
    for (size_t i = 0; i < old.n && b.count < LINK_BATCH_MAX; i++)
        link_drop_route(&b, &old.v[i]);
    return r < 0 || b.count == 0 ? r : link_batch_run(&b, err);
}

/* The next hops that stand for NAT gateways are all the machine. */
static int put_hops(struct router_vpc *v, struct link_socket *s, int uplink,
                    struct error *err)
{
    for (size_t i = 0; i < v->said->nat_gateways.n; i++) {
        struct link_batch b;
        link_batch_init(&b, s);
        link_put_neighbour(
            &b, uplink,
            router_nat_hop_be(v->said, v->said->nat_gateways.v[i].nat_gateway_id),
            v->uplink.machine_mac);
        int r = link_batch_run(&b, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_secondaries(struct link_socket *s, const struct router_interface *i,
                           struct error *err)
{
    struct error ignored;
    struct link_batch b;
    struct link_route r = {.prefix_len = 32};
    uint8_t mac[6];
    char name[16];
    vpc_host_interface_name(i->id, name);
    if (link_index(s, name, &r.out_index, &ignored) < 0 ||
        !router_mac(i->said->mac_address, mac))
        return 0;
    link_batch_init(&b, s);
    for (size_t k = 0; k < i->said->secondary_private_ip_addresses.n; k++) {
        if (b.count + 2 > LINK_BATCH_MAX ||
            inet_pton(AF_INET, i->said->secondary_private_ip_addresses.v[k],
                      &r.dest_be) != 1)
            break;
        link_put_neighbour(&b, r.out_index, r.dest_be, mac);
        link_put_route(&b, &r);
    }
    return b.count ? link_batch_run(&b, err) : 0;
}

static int apply_secondaries(struct router_vpc *v, struct link_socket *s,
                             struct error *err)
{
    struct router_interface *i;
    int r = 0;
    EACH_INTERFACE (i, v) {
        if (r < 0 || i->gone || i->said->secondary_private_ip_addresses.n == 0)
            continue;
        v->late_ends = true;
        r = put_secondaries(s, i, err);
    }
    return r;
}

static int apply_routes(struct router_vpc *v, const struct router_machine *m,
                        struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_LINK s = {.fd = -1};
    struct router_routes wanted = {0};
    struct ends ends = {.v = v, .s = &s};
    struct router_hops hops = {
        .gateway_be = m->gateway_be, .interface = near_end, .ctx = &ends};
    v->late_ends = false;
    vpc_netns_path(&(struct vpc_place){.dir = m->dir}, v->id, &path);
    int r = link_open_in(path.data, &s, err);
    if (r == 0)
        r = link_index(&s, ROUTER_UPLINK, &hops.uplink, err);
    if (r == 0)
        r = close_ranges(v, &s, err);
    if (r == 0)
        r = put_hops(v, &s, hops.uplink, err);
    if (r == 0)
        r = router_routes_wanted(v->said, &hops, &wanted, err);
    if (r == 0)
        r = router_routes_apply(&s, &wanted, err);
    if (r == 0)
        r = apply_secondaries(v, &s, err);
    router_routes_free(&wanted);
    return r;
}

/* --- the machine's side --- */

static int apply_publics(struct router_vpc *v, struct router_machine *m,
                         struct error *err)
{
    struct router_interface *i;
    size_t n = 0, cap = v->said->nat_gateways.n + 1;
    EACH_INTERFACE (i, v)
        cap++;
    uint32_t *list = xcalloc(cap, sizeof(*list));
    EACH_INTERFACE (i, v)
        if (!i->gone && !str_empty(i->said->public_ip) &&
            inet_pton(AF_INET, i->said->public_ip, &list[n]) == 1)
            n++;
    for (size_t k = 0; k < v->said->nat_gateways.n; k++)
        if (!str_empty(v->said->nat_gateways.v[k].public_ip) &&
            inet_pton(AF_INET, v->said->nat_gateways.v[k].public_ip, &list[n]) == 1)
            n++;
    int r = router_uplink_publics(m, &v->uplink, list, n, err);
    free(list);
    return r;
}

static int apply_machine(struct router_vpc *v, struct router_machine *m,
                         struct error *err)
{
    struct router_interface *i;
    int r = 0;
    v->has_machine = false;
    EACH_INTERFACE (i, v) {
        struct vpc_interface own = {.vpc_id = v->id, .interface_id = i->id};
        if (i->gone || i->said->use != GANTRY_EDGE_INTERFACE_USE_MACHINE || r < 0)
            continue;
        v->has_machine = true;
        if (!router_mac(i->said->mac_address, own.mac) ||
            inet_pton(AF_INET, i->said->private_ip_address, &own.address_be) != 1)
            return fail(err, E_INVALID, "interface '%s'", i->id);
        r = router_machine_wire(m, &own, v->said, err);
    }
    return r;
}

/* --- whole --- */

static void settle(struct router_vpc *v)
{
    list_for_each_safe (at, &v->dirty) {
        struct router_interface *i = list_entry(at, struct router_interface, dirty);
        if (i->gone)
            router_vpc_forget(v, i);
        else
            list_remove(&i->dirty);
    }
    v->changed = false;
}

int router_vpc_apply(struct router_vpc *v, struct router_machine *m, struct error *err)
{
    bool routes = v->changed || v->unknown || v->late_ends;
    int r = v->made ? 0 : make(v, m, err);
    if (r == 0 && (v->changed || v->unknown || !list_empty(&v->dirty)))
        r = apply_rules(v, m, err);
    list_for_each (at, &v->dirty)
        routes |= list_entry(at, struct router_interface, dirty)
                      ->said->secondary_private_ip_addresses.n > 0;
    if (r == 0 && routes)
        r = apply_routes(v, m, err);
    if (r == 0 && v->publics)
        r = apply_publics(v, m, err);
    if (r == 0 && v->machine)
        r = apply_machine(v, m, err);
    if (r < 0) {
        v->unknown = v->changed = v->publics = v->machine = true;
        v->made = false;
        return wrap(err, "VPC '%s'", v->id);
    }
    v->publics = v->machine = false;
    settle(v);
    return 0;
}

int router_vpc_remove(struct router_machine *m, const char *vpc_id, struct error *err)
{
    AUTO_STR path = STR_INIT;
    vpc_netns_path(&(struct vpc_place){.dir = m->dir}, vpc_id, &path);
    int r = router_uplink_gone(m, vpc_id, err);
    return r < 0 ? r : netns_delete(path.data, err);
}
