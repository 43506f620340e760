#include "router_rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "vpc.h"

#define T "inet " VPC_TABLE " "

bool router_id_valid(const char *id)
{
    size_t n = id ? strlen(id) : 0;
    if (n < 4 || n > ROUTER_ID_MAX)
        return false;
    return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == n && id[0] != '-';
}

bool router_cidr(const char *text, uint32_t *ret_base_be, int *ret_len)
{
    char address[20];
    int64_t len;
    uint32_t be;
    const char *slash = text ? strchr(text, '/') : NULL;
    if (!slash || slash - text >= (ptrdiff_t)sizeof(address) ||
        !str_to_i64(slash + 1, 0, 32, &len))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (inet_pton(AF_INET, address, &be) != 1)
        return false;
    *ret_base_be = be & htonl((uint32_t)(UINT64_C(0xffffffff) << (32 - len)));
    *ret_len = (int)len;
    return true;
}

bool router_mac(const char *text, uint8_t ret[6])
{
    unsigned b[6];
    char more;
    if (!text || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3],
                        &b[4], &b[5], &more) != 6)
        return false;
    for (int i = 0; i < 6; i++)
        ret[i] = (uint8_t)b[i];
    return true;
}

static uint32_t hash(uint32_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* --- fixed --- */

static void add_sets(struct str *t)
{
    static const char *const sets[] = {
        "set " T VPC_SOURCES_SET " { type ifname . ether_addr . ipv4_addr; }",
        "set " T SET_FREE_SOURCES " { type ifname . ether_addr; }",
        "map " T MAP_CLASS_OF " { type ifname : mark; }",
        "map " T MAP_IN_CLASS " { type mark : verdict; }",
        "map " T MAP_OUT_CLASS " { type mark : verdict; }",
        "map " T MAP_PUBLIC_OF " { type ipv4_addr : ipv4_addr; }",
        "map " T MAP_PRIVATE_OF " { type ipv4_addr : ipv4_addr; }",
        "set " T SET_HAVE_PUBLIC " { type ipv4_addr; }",
        "map " T MAP_NAT_OF " { type ipv4_addr : ipv4_addr; }",
        "set " T SET_NAT_HOPS " { type ipv4_addr; }",
        "set " T SET_RESOLVERS " { type ipv4_addr; }",
    };
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
        str_addf(t, "add %s\n", sets[i]);
}

static void add_chains(struct str *t)
{
    static const char *const chains[][2] = {
        {"sender", "{ type filter hook prerouting priority raw; policy drop; }"},
        {"own", "{ type filter hook input priority filter; policy drop; }"},
        {"through", "{ type filter hook forward priority filter; policy drop; }"},
        {"arriving", "{ type nat hook prerouting priority dstnat; }"},
        {"leaving", "{ type nat hook postrouting priority srcnat; }"},
        {"inward", ""},
        {"outward", ""},
    };
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
        str_addf(t, "add chain " T "%s %s\nflush chain " T "%s\n", chains[i][0],
                 chains[i][1], chains[i][0]);
}

static void rule(struct str *t, const char *chain, const char *text)
{
    str_addf(t, "add rule " T "%s %s\n", chain, text);
}

static void add_filter(struct str *t, const struct router_fixed *f)
{
    /* Who says what: only its own address from its own MAC. */
    rule(t, "sender", "iifname { \"lo\", \"" ROUTER_UPLINK "\" } accept");
    rule(t, "sender", "iifname . ether saddr . ip saddr @" VPC_SOURCES_SET " accept");
    rule(t, "sender",
         "meta nfproto ipv4 iifname . ether saddr @" SET_FREE_SOURCES " accept");
    rule(t, "sender", "counter");
    rule(t, "own", "iifname \"lo\" accept");
    rule(t, "own", "ct state established,related accept");
    rule(t, "own", "ip daddr " ROUTER_IMDS " tcp dport 80 accept");
    rule(t, "through", "ct state established,related accept");
    rule(t, "through", "ct state invalid drop");
    rule(t, "through",
         "iifname \"" ROUTER_UPLINK "\" oifname \"" ROUTER_UPLINK "\" drop");
    /* Of the link, whatever groups say. */
    str_addf(t,
             "add rule " T "through oifname \"" ROUTER_UPLINK
             "\" ip daddr %s tcp dport %u accept\n",
             f->service, f->service_port);
    rule(t, "through",
         "oifname \"" ROUTER_UPLINK "\" ip daddr " ROUTER_DNS
         " meta l4proto { tcp, udp } th dport 53 accept");
    rule(t, "through", "ip daddr 169.254.0.0/16 drop");
    rule(t, "through", "iifname \"" ROUTER_UPLINK "\" goto inward");
    rule(t, "through",
         "meta mark set iifname map @" MAP_CLASS_OF " meta mark vmap @" MAP_OUT_CLASS);
    rule(t, "through", "counter");
    rule(t, "inward", "oifname \"" ROUTER_UPLINK "\" goto outward");
    rule(t, "inward",
         "meta mark set oifname map @" MAP_CLASS_OF " meta mark vmap @" MAP_IN_CLASS);
    rule(t, "inward", "counter drop");
    /* The route chose a next hop: the internet, or one that stands for a NAT gateway. */
    str_addf(t,
             "add rule " T "outward rt ip nexthop %s ip saddr @" SET_HAVE_PUBLIC
             " accept\n",
             f->gateway);
    rule(t, "outward", "rt ip nexthop @" SET_NAT_HOPS " accept");
    rule(t, "outward", "counter drop");
}

static void add_nat(struct str *t, const struct router_fixed *f)
{
    rule(t, "arriving",
         "iifname \"" ROUTER_UPLINK "\" dnat ip to ip daddr map @" MAP_PRIVATE_OF);
    rule(t, "arriving",
         "iifname != \"" ROUTER_UPLINK "\" ip daddr @" SET_RESOLVERS
         " meta l4proto { tcp, udp } th dport 53 dnat ip to " ROUTER_DNS);
    str_addf(t,
             "add rule " T "leaving oifname \"" ROUTER_UPLINK
             "\" ip daddr { %s, " ROUTER_DNS " } snat ip to %s\n",
             f->service, f->own);
    str_addf(t,
             "add rule " T "leaving oifname \"" ROUTER_UPLINK
             "\" rt ip nexthop %s snat ip to ip saddr map @" MAP_PUBLIC_OF "\n",
             f->gateway);
    rule(t, "leaving",
         "oifname \"" ROUTER_UPLINK "\" snat ip to rt ip nexthop map @" MAP_NAT_OF);
}

void router_text_fixed(struct str *t, const struct router_fixed *f)
{
    str_add(t, "add table inet " VPC_TABLE "\n");
    add_sets(t);
    add_chains(t);
    add_filter(t, f);
    add_nat(t, f);
}

/* --- groups --- */

static void group_objects(struct str *t, const char *id)
{
    str_addf(t, "add set " T "m-%s { type ipv4_addr; }\n", id);
    str_addf(t, "add chain " T "%s_in\nadd chain " T "%s_out\n", id, id);
}

static int protocol_number(const char *text, int *ret)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"-1", -1},  {"all", -1}, {"tcp", 6},
                 {"udp", 17}, {"icmp", 1}, {"icmpv6", 58}};
    int64_t n;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (streq(text, names[i].name)) {
            *ret = names[i].number;
            return 0;
        }
    if (!text || !str_to_i64(text, 0, 255, &n))
        return -E_INVALID;
    *ret = (int)n;
    return 0;
}

static int add_protocol(struct str *t, const struct gantry_edge_rule *r, int protocol,
                        struct error *err)
{
    int from = r->from_port.set ? (int)r->from_port.v : -1;
    int to = r->to_port.set ? (int)r->to_port.v : -1;
    if (protocol < 0)
        return 0;
    str_addf(t, "meta l4proto %d ", protocol);
    if (protocol == 1) {
        if (from > 255 || to > 255)
            return fail(err, E_INVALID, "ICMP type %d, code %d", from, to);
        if (from >= 0)
            str_addf(t, "icmp type %d ", from);
        if (from >= 0 && to >= 0)
            str_addf(t, "icmp code %d ", to);
        return 0;
    }
    if ((protocol != 6 && protocol != 17) || from < 0 || (from == 0 && to == 65535))
        return 0;
    if (from > 65535 || to > 65535 || to < from)
        return fail(err, E_INVALID, "ports %d to %d", from, to);
    str_addf(t, "th dport %d-%d ", from, to);
    return 0;
}

static int add_peer(struct str *t, const struct gantry_edge_rule *r, const char *side,
                    struct error *err)
{
    uint32_t base;
    int len;
    char text[INET_ADDRSTRLEN];
    if (r->referenced_group_id) {
        if (!router_id_valid(r->referenced_group_id))
            return fail(err, E_INVALID, "'%s' is no group", r->referenced_group_id);
        str_addf(t, "ip %s @m-%s ", side, r->referenced_group_id);
        return 0;
    }
    if (!router_cidr(r->cidr_ipv4, &base, &len))
        return fail(err, E_INVALID, "'%s' is no address range", r->cidr_ipv4);
    inet_ntop(AF_INET, &base, text, sizeof(text));
    if (len > 0)
        str_addf(t, "ip %s %s/%d ", side, text, len);
    return 0;
}

static int add_rules(struct str *t, const char *id,
                     const struct gantry_edge_rule_list *rules, bool in,
                     struct error *err)
{
    int r = 0, protocol;
    str_addf(t, "flush chain " T "%s_%s\n", id, in ? "in" : "out");
    for (size_t i = 0; i < rules->n && r == 0; i++) {
        const struct gantry_edge_rule *e = &rules->v[i];
        if (!e->referenced_group_id && !e->cidr_ipv4)
            continue; /* IPv6 or a prefix list */
        if (protocol_number(e->ip_protocol, &protocol) < 0)
            return fail(err, E_INVALID, "'%s' is no protocol", e->ip_protocol);
        str_addf(t, "add rule " T "%s_%s ", id, in ? "in" : "out");
        r = add_protocol(t, e, protocol, err);
        if (r == 0)
            r = add_peer(t, e, in ? "saddr" : "daddr", err);
        str_add(t, in ? "accept\n" : "goto inward\n");
    }
    return r;
}

static void add_referenced(struct str *t, const struct gantry_edge_rule_list *rules)
{
    for (size_t i = 0; i < rules->n; i++)
        if (router_id_valid(rules->v[i].referenced_group_id))
            group_objects(t, rules->v[i].referenced_group_id);
}

int router_text_group(struct str *t, const struct gantry_edge_security_group *g,
                      struct error *err)
{
    if (!router_id_valid(g->group_id))
        return fail(err, E_INVALID, "'%s' is no group", g->group_id);
    group_objects(t, g->group_id);
    add_referenced(t, &g->ingress);
    add_referenced(t, &g->egress);
    int r = add_rules(t, g->group_id, &g->ingress, true, err);
    if (r == 0)
        r = add_rules(t, g->group_id, &g->egress, false, err);
    return r < 0 ? wrap(err, "group '%s'", g->group_id) : 0;
}

void router_text_group_open(struct str *t)
{
    router_text_group_empty(t, ROUTER_OPEN_GROUP);
    rule(t, ROUTER_OPEN_GROUP "_in", "accept");
    rule(t, ROUTER_OPEN_GROUP "_out", "goto inward");
}

void router_text_group_empty(struct str *t, const char *group_id)
{
    group_objects(t, group_id);
    str_addf(t, "flush chain " T "%s_in\nflush chain " T "%s_out\n", group_id, group_id);
}

void router_text_group_gone(struct str *t, const char *group_id)
{
    router_text_group_empty(t, group_id);
    str_addf(t, "delete chain " T "%s_in\ndelete chain " T "%s_out\n", group_id,
             group_id);
    str_addf(t, "delete set " T "m-%s\n", group_id);
}

/* --- classes --- */

uint32_t router_class_number(const char *const *groups, size_t count)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < count; i++)
        h = hash(hash(h, groups[i]), " ");
    return h ? h : 1; /* 0 is the mark of a packet that has none */
}

static void class_side(struct str *t, uint32_t number, const char *const *groups,
                       size_t count, const char *side)
{
    str_addf(t, "add chain " T "c%08x_%s\nflush chain " T "c%08x_%s\n", number, side,
             number, side);
    for (size_t i = 0; i < count; i++)
        str_addf(t, "add rule " T "c%08x_%s jump %s_%s\n", number, side, groups[i], side);
    str_addf(t, "add rule " T "c%08x_%s counter drop\n", number, side);
    str_addf(t, "add element " T "%s_class { 0x%08x : goto c%08x_%s }\n", side, number,
             number, side);
}

void router_text_class(struct str *t, uint32_t number, const char *const *groups,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        group_objects(t, groups[i]);
    class_side(t, number, groups, count, "in");
    class_side(t, number, groups, count, "out");
}

void router_text_class_gone(struct str *t, uint32_t number)
{
    static const char *const sides[] = {"in", "out"};
    for (int i = 0; i < 2; i++) {
        const char *s = sides[i];
        str_addf(t, "add chain " T "c%08x_%s\n", number, s);
        str_addf(t, "add element " T "%s_class { 0x%08x : goto c%08x_%s }\n", s, number,
                 number, s);
        str_addf(t, "delete element " T "%s_class { 0x%08x }\n", s, number);
        str_addf(t, "flush chain " T "c%08x_%s\ndelete chain " T "c%08x_%s\n", number, s,
                 number, s);
    }
}
