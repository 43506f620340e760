/* The machine's own interface in a VPC, by which tasks in bridge and host mode are reached
 * as targets, and reach what is in the VPC. */
#include <arpa/inet.h>
#include <stdio.h>

#include "arena.h"
#include "forwarding.h"
#include "link.h"
#include "link_route.h"
#include "log.h"
#include "router_machine.h"
#include "router_rules.h"

#define CIDRS_MAX 8 /* ranges of a VPC */

static uint32_t short_hash(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h & UINT32_C(0xfffff);
}

static void own_name(const struct router_machine *m, const char *interface_id,
                     char ret[16])
{
    snprintf(ret, 16, "%s%05x", m->own, short_hash(interface_id) & 0xfffffu);
}

/* --- ranges that are free --- */

struct collision {
    uint32_t base;
    int len, own_index;
    bool found;
};

static void check(void *arg, uint32_t dest_be, int prefix_len, int out_index)
{
    struct collision *c = arg;
    int len = prefix_len < c->len ? prefix_len : c->len;
    if (prefix_len == 0 || out_index == c->own_index)
        return;
    uint32_t mask = htonl((uint32_t)(UINT64_C(0xffffffff) << (32 - len)));
    c->found |= ((dest_be ^ c->base) & mask) == 0;
}

/* Which of the VPC's ranges mean nothing else on this machine. */
static int free_cidrs(const char *name, const struct gantry_edge_vpc *vpc,
                      const char *ret[CIDRS_MAX + 1], bool *ret_collides,
                      struct error *err)
{
    AUTO_LINK s = {.fd = -1};
    struct collision c = {.own_index = -1};
    struct error ignored;
    size_t n = 0;
    int r = link_open(&s, err);
    if (r == 0)
        link_index(&s, name, &c.own_index, &ignored);
    for (size_t i = 0; i < vpc->cidr_blocks.n && n < CIDRS_MAX && r == 0; i++) {
        c.found = false;
        if (!router_cidr(vpc->cidr_blocks.v[i], &c.base, &c.len))
            continue;
        r = link_each_route(&s, check, &c, err);
        if (!c.found)
            ret[n++] = vpc->cidr_blocks.v[i];
        else
            *ret_collides = true;
        if (c.found)
            log_line(LOG_WARN, "the machine has another route for a range of the VPC",
                     "vpc", vpc->vpc_id, "range", vpc->cidr_blocks.v[i], NULL);
    }
    ret[n] = NULL;
    return r;
}

/* --- wiring --- */

/* What the address itself says goes into the VPC, whatever the machine's routes are. */
static int return_path(const struct router_machine *m, const char *name,
                       const struct vpc_interface *i, bool wanted, struct error *err)
{
    AUTO_LINK s = {.fd = -1};
    struct link_rule rule = {.from_be = i->address_be,
                             .from_len = 32,
                             .table = m->own_table,
                             .priority = 1000};
    struct link_route route = {.table = m->own_table, .source_be = i->address_be};
    int r = link_open(&s, err);
    if (r == 0)
        r = link_index(&s, name, &route.out_index, err);
    if (r < 0)
        return r;
    inet_pton(AF_INET, VPC_GATEWAY, &route.gateway_be);
    struct link_batch b;
    link_batch_init(&b, &s);
    if (wanted) {
        link_put_route(&b, &route);
        link_put_rule(&b, &rule);
    } else {
        link_drop_rule(&b, &rule);
    }
    return link_batch_run(&b, err);
}

int router_machine_wire(struct router_machine *m, const struct vpc_interface *i,
                        const struct gantry_edge_vpc *vpc, struct error *err)
{
    const char *cidrs[CIDRS_MAX + 1];
    char name[16], setting[96];
    bool collides = false;
    own_name(m, i->interface_id, name);
    int r = free_cidrs(name, vpc, cidrs, &collides, err);
    struct vpc_wiring w = {
        .interface = *i, .name = name, .routes = VPC_OWN_ROUTES, .cidrs = cidrs};
    struct vpc_place place = {.dir = m->dir};
    if (r == 0)
        r = vpc_attach(&place, &w, err);
    snprintf(setting, sizeof(setting), "net/ipv4/conf/%s/rp_filter", name);
    if (r == 0)
        r = sysctl_write(setting, "2", err);
    return r < 0 ? r : return_path(m, name, i, collides, err);
}

/* --- unwiring --- */

struct others {
    const struct router_machine *m;
    const char *const *ids;
    char names[16][16];
    int n;
};

static void take_other(void *arg, const char *name, int index)
{
    struct others *o = arg;
    char kept[16];
    if (!str_starts(name, o->m->own) || o->n == 16)
        return;
    for (const char *const *id = o->ids; *id; id++) {
        own_name(o->m, *id, kept);
        if (streq(kept, name))
            return;
    }
    snprintf(o->names[o->n++], 16, "%.15s", name);
}

static void drop_rule(void *arg, const struct link_rule *r)
{
    struct link_rule *found = arg;
    if (r->table == found->table)
        *found = *r;
}

/* Rules of routing stay when their interface goes. */
static int drop_return_paths(const struct router_machine *m, struct link_socket *s,
                             struct error *err)
{
    struct link_rule rule = {.table = m->own_table};
    int r = link_each_rule(s, drop_rule, &rule, err);
    if (r < 0 || !rule.from_len)
        return r;
    struct link_batch b;
    link_batch_init(&b, s);
    link_drop_rule(&b, &rule);
    return link_batch_run(&b, err);
}

int router_machine_unwire_others(struct router_machine *m, const char *const *ids,
                                 struct error *err)
{
    AUTO_LINK s = {.fd = -1};
    struct others o = {.m = m, .ids = ids};
    int r = link_open(&s, err);
    if (r == 0)
        r = link_each(&s, take_other, &o, err);
    for (int i = 0; i < o.n && r >= 0; i++) {
        r = link_delete(&s, o.names[i], err);
        if (r == -E_NOTFOUND)
            r = 0;
    }
    if (r == 0 && (o.n || !*ids))
        r = drop_return_paths(m, &s, err);
    return r;
}

static void take_uplink(void *arg, const char *name, int index)
{
    struct others *o = arg;
    if (str_starts(name, o->m->uplinks) && o->n < 16)
        snprintf(o->names[o->n++], 16, "%.15s", name);
}

static int delete_uplinks(struct router_machine *m, struct error *err)
{
    AUTO_LINK s = {.fd = -1};
    struct others o = {.m = m, .n = 1};
    int r = link_open(&s, err);
    while (r == 0 && o.n) {
        o.n = 0;
        r = link_each(&s, take_uplink, &o, err);
        for (int i = 0; i < o.n && r == 0; i++) {
            r = link_delete(&s, o.names[i], err);
            if (r == -E_NOTFOUND)
                r = 0;
        }
    }
    return r;
}

int router_machine_purge(struct router_machine *m, struct error *err)
{
    static const char *const none[] = {NULL};
    int r = router_machine_unwire_others(m, none, err);
    if (r == 0)
        r = delete_uplinks(m, err);
    if (r == 0)
        r = nft_delete_table(NFT_IP, m->names.table, err);
    if (r == 0)
        r = net_forward_forget(&m->names, err);
    return r < 0 ? r : forwarding_forget(err);
}
