#include "router_machine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "fd.h"
#include "forwarding.h"
#include "link.h"
#include "link_route.h"
#include "log.h"
#include "nft.h"
#include "router_rules.h"

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* --- what the server's address is --- */

static int split_url(const char *url, char host[256], char port[8], struct error *err)
{
    const char *at = strstr(url, "://");
    const char *begin = at ? at + 3 : url;
    size_t n = strcspn(begin, ":/");
    if (n == 0 || n >= 256)
        return fail(err, E_INVALID, "'%s' is no URL", url);
    memcpy(host, begin, n);
    host[n] = '\0';
    snprintf(port, 8, "%s", str_starts(url, "https:") ? "443" : "80");
    if (begin[n] == ':') {
        size_t digits = strspn(begin + n + 1, "0123456789");
        if (digits == 0 || digits > 5)
            return fail(err, E_INVALID, "'%s' has no port number", url);
        snprintf(port, 8, "%.*s", (int)digits, begin + n + 1);
    }
    return 0;
}

static int find_server(struct router_machine *m, const char *url, struct error *err)
{
    char host[256], port[8];
    struct addrinfo *found = NULL,
                    hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    int r = split_url(url, host, port, err);
    if (r < 0)
        return r;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return fail(err, E_NOTFOUND, "'%s' has no address", host);
    struct sockaddr_in a;
    memcpy(&a, found->ai_addr, sizeof(a));
    freeaddrinfo(found);
    m->server_be = a.sin_addr.s_addr ? a.sin_addr.s_addr : htonl(INADDR_LOOPBACK);
    m->server_port = m->service_port = ntohs(a.sin_port);
    return 0;
}

/* --- life --- */

static void uplink_file(const struct router_machine *m, int number, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/uplink-%d", m->dir, number);
}

static void read_numbers(struct router_machine *m)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    struct error ignored;
    for (int n = UPLINK_FIRST; n < UPLINK_END; n++) {
        uplink_file(m, n, &path);
        if (access(path.data, F_OK) == 0 &&
            file_read(AT_FDCWD, path.data, 128, &text, &ignored) == 0 && text.len)
            m->vpcs[n] = xstrdup(text.data);
    }
}

static int set_names(const char *run, struct router_machine *m, struct error *err)
{
    AUTO_STR name = STR_INIT;
    uint32_t h = hash(run);
    str_addf(&name, "edge-%s", run);
    if (name.len > 40)
        str_clear(&name), str_addf(&name, "edge-%08x", h);
    int r = net_names_init(name.data, &m->names, err);
    snprintf(m->uplinks, sizeof(m->uplinks), "gu%08x", h);
    snprintf(m->own, sizeof(m->own), "gm%08x", h);
    snprintf(m->names.bridge, sizeof(m->names.bridge), "gu%08x*", h);
    m->own_table = UINT32_C(0x40000000) | (h & UINT32_C(0x0fffffff));
    return r;
}

int router_machine_init(const struct router_config *config, struct router_machine *ret,
                        struct error *err)
{
    uint32_t base = 0;
    *ret = (struct router_machine){.dir = config->place.dir};
    int r = set_names(config->run, ret, err);
    if (r < 0)
        return r;
    if (config->public_pool) {
        if (!router_cidr(config->public_pool, &base, &ret->pool_len) ||
            ret->pool_len > 24)
            return fail(err, E_INVALID, "'%s' is no pool", config->public_pool);
        ret->base = ntohl(base);
        ret->gateway_be = htonl(ret->base + 1);
    }
    if (config->dns_address && inet_pton(AF_INET, config->dns_address, &ret->dns_be) != 1)
        return fail(err, E_INVALID, "'%s' is no address", config->dns_address);
    if (config->server_url)
        r = find_server(ret, config->server_url, err);
    read_numbers(ret);
    return r;
}

void router_machine_fini(struct router_machine *m)
{
    for (int n = 0; n < UPLINK_END; n++)
        free(m->vpcs[n]);
}

/* --- rules --- */

static void text_of(uint32_t be, char ret[INET_ADDRSTRLEN])
{
    inet_ntop(AF_INET, &be, ret, INET_ADDRSTRLEN);
}

static void add_chains(struct str *t, const char *table)
{
    static const char *const chains[][2] = {
        {"guard", "type filter hook prerouting priority raw;"},
        {"between", "type filter hook forward priority filter;"},
        {"said", "type filter hook output priority filter;"},
        {"arriving", "type nat hook prerouting priority dstnat;"},
        {"leaving", "type nat hook postrouting priority srcnat;"},
    };
    str_addf(t, "add table ip %s\n", table);
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
        str_addf(t, "add chain ip %s %s { %s }\nflush chain ip %s %s\n", table,
                 chains[i][0], chains[i][1], table, chains[i][0]);
}

static void machine_text(const struct router_machine *m, struct str *t)
{
    const char *table = m->names.table, *up = m->uplinks, *own = m->own;
    char pool[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN], dns[INET_ADDRSTRLEN];
    text_of(htonl(m->base), pool);
    text_of(m->server_be, server);
    text_of(m->dns_be, dns);
    add_chains(t, table);
    /* route_localnet lets services of the loopback answer; nobody may call them himself. */
    str_addf(t, "add rule ip %s guard iifname \"%s*\" ip daddr 127.0.0.0/8 drop\n", table,
             up);
    str_addf(t, "add rule ip %s guard iifname \"%s*\" ip saddr != %s/%d drop\n", table,
             up, pool, m->pool_len);
    /* From a VPC's internet no way leads into a VPC but by a public address. */
    str_addf(t, "add rule ip %s between iifname \"%s*\" oifname \"%s*\" drop\n", table,
             up, own);
    str_addf(t, "add rule ip %s between iifname \"%s*\" oifname \"%s*\" drop\n", table,
             own, up);
    /* Two interfaces of a VPC that meet by public addresses come and go by one uplink. */
    str_addf(t, "add rule ip %s said oifname \"%s*\" icmp type redirect drop\n", table,
             up);
    str_addf(t,
             "add rule ip %s arriving iifname \"%s*\" ip daddr " SERVICE_ADDRESS
             " tcp dport %u dnat to %s:%u\n",
             table, up, m->service_port, server, m->server_port);
    str_addf(t,
             "add rule ip %s arriving iifname \"%s*\" ip daddr " ROUTER_DNS
             " meta l4proto { tcp, udp } th dport 53 dnat to %s:53\n",
             table, up, dns);
    str_addf(t,
             "add rule ip %s leaving ip saddr %s/%d oifname != { \"%s*\", \"lo\" } "
             "masquerade\n",
             table, pool, m->pool_len, up);
}

int router_machine_load(struct router_machine *m, struct error *err)
{
    AUTO_STR t = STR_INIT;
    machine_text(m, &t);
    int r = nft_load(t.data, err);
    return r < 0 ? wrap(err, "the machine's rules") : 0;
}

int router_machine_mend(struct router_machine *m, struct error *err)
{
    int r = forwarding_allow(err);
    if (r == 0 && !nft_table_exists(NFT_IP, m->names.table))
        r = router_machine_load(m, err);
    return r < 0 ? r : net_forward_allow(&m->names, err);
}

/* --- uplinks --- */

static int number_of(const struct router_machine *m, const char *vpc_id)
{
    for (int n = UPLINK_FIRST; n < UPLINK_END; n++)
        if (m->vpcs[n] && streq(m->vpcs[n], vpc_id))
            return n;
    return 0;
}

static int take_number(struct router_machine *m, const char *vpc_id, int *ret,
                       struct error *err)
{
    AUTO_STR path = STR_INIT;
    if ((*ret = number_of(m, vpc_id)))
        return 0;
    for (int n = UPLINK_FIRST; n < UPLINK_END; n++) {
        if (m->vpcs[n])
            continue;
        uplink_file(m, n, &path);
        int r = file_replace(path.data, vpc_id, strlen(vpc_id), 0644, 0, err);
        if (r < 0)
            return r;
        m->vpcs[n] = xstrdup(vpc_id);
        *ret = n;
        return 0;
    }
    return fail(err, E_FULL, "a machine has at most %d VPCs", UPLINK_END - UPLINK_FIRST);
}

static void fill_uplink(const struct router_machine *m, int number,
                        struct router_uplink *ret)
{
    *ret = (struct router_uplink){.number = number,
                                  .own_be = htonl(m->base + (uint32_t)number),
                                  .mac = {0x0a, 0x58},
                                  .machine_mac = {0x0a, 0x58}};
    snprintf(ret->name, sizeof(ret->name), "%s%u", m->uplinks, (uint8_t)number);
    memcpy(ret->mac + 2, &ret->own_be, 4);
    memcpy(ret->machine_mac + 2, &m->gateway_be, 4);
}

static int configure_here(const struct router_machine *m, struct link_socket *s,
                          const struct router_uplink *u, struct error *err)
{
    static const char *const settings[][2] = {
        {"route_localnet", "1"}, {"send_redirects", "0"}, {"rp_filter", "2"}};
    char name[96];
    int index = 0;
    int r = link_index(s, u->name, &index, err);
    for (size_t i = 0; i < 3 && r == 0; i++) {
        snprintf(name, sizeof(name), "net/ipv4/conf/%s/%s", u->name, settings[i][0]);
        r = sysctl_write(name, settings[i][1], err);
    }
    if (r < 0)
        return r;
    struct error ignored; /* a kernel without IPv6 has nothing to turn off */
    snprintf(name, sizeof(name), "net/ipv6/conf/%s/disable_ipv6", u->name);
    sysctl_write(name, "1", &ignored);
    struct link_batch b;
    link_batch_init(&b, s);
    link_put_up(&b, index);
    link_put_address(&b, index, m->gateway_be);
    link_put_neighbour(&b, index, u->own_be, u->mac);
    link_put_route(&b, &(struct link_route){.dest_be = u->own_be,
                                            .prefix_len = 32,
                                            .out_index = index,
                                            .source_be = m->gateway_be});
    return link_batch_run(&b, err);
}

#define LOOPBACK_INDEX 1 /* of every namespace */

static int configure_there(const struct router_machine *m, struct link_socket *s,
                           const struct router_uplink *u, struct error *err)
{
    static const char *const services[] = {SERVICE_ADDRESS, ROUTER_DNS};
    int index = 0;
    int r = link_index(s, ROUTER_UPLINK, &index, err);
    if (r < 0)
        return r;
    struct link_batch b;
    link_batch_init(&b, s);
    link_put_up(&b, index);
    link_put_address(&b, index, u->own_be);
    link_put_neighbour(&b, index, m->gateway_be, u->machine_mac);
    uint32_t metadata_be;
    inet_pton(AF_INET, ROUTER_IMDS, &metadata_be);
    link_put_address(&b, LOOPBACK_INDEX, metadata_be);
    for (size_t i = 0; i < 2; i++) {
        struct link_route route = {
            .prefix_len = 32, .gateway_be = m->gateway_be, .out_index = index};
        inet_pton(AF_INET, services[i], &route.dest_be);
        link_put_route(&b, &route);
    }
    return link_batch_run(&b, err);
}

static int make_uplink(struct router_machine *m, const char *path,
                       struct link_socket *here, const struct router_uplink *u,
                       struct error *err)
{
    AUTO_LINK there = {.fd = -1};
    AUTO_FD ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0)
        return fail_errno(err, errno, "open '%s'", path);
    int r = link_open_in(path, &there, err);
    if (r == 0)
        r = link_add_veth(here, u->name, u->machine_mac, ROUTER_UPLINK, ns, u->mac, 0,
                          err);
    int index;
    /* One that leads to a namespace which is gone, or was made anew. */
    if (r == -E_EXISTS && link_index(&there, ROUTER_UPLINK, &index, err) < 0) {
        r = link_delete(here, u->name, err);
        if (r == 0)
            r = link_add_veth(here, u->name, u->machine_mac, ROUTER_UPLINK, ns, u->mac, 0,
                              err);
    }
    if (r == 0 || r == -E_EXISTS)
        r = configure_here(m, here, u, err);
    return r < 0 ? r : configure_there(m, &there, u, err);
}

int router_uplink_number(struct router_machine *m, const char *vpc_id,
                         struct router_uplink *ret, struct error *err)
{
    int number = 0;
    int r = take_number(m, vpc_id, &number, err);
    if (r == 0)
        fill_uplink(m, number, ret);
    return r;
}

int router_uplink_make(struct router_machine *m, const char *vpc_id,
                       const struct router_uplink *u, struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_LINK here = {.fd = -1};
    vpc_netns_path(&(struct vpc_place){.dir = m->dir}, vpc_id, &path);
    int r = link_open(&here, err);
    if (r == 0)
        r = make_uplink(m, path.data, &here, u, err);
    return r < 0 ? wrap(err, "uplink of '%s'", vpc_id) : 0;
}

int router_uplink_gone(struct router_machine *m, const char *vpc_id, struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_LINK here = {.fd = -1};
    struct router_uplink u;
    int number = number_of(m, vpc_id);
    if (!number)
        return 0;
    fill_uplink(m, number, &u);
    int r = link_open(&here, err);
    if (r == 0)
        r = link_delete(&here, u.name, err);
    if (r < 0 && r != -E_NOTFOUND)
        return r;
    uplink_file(m, number, &path);
    unlink(path.data);
    free(m->vpcs[number]);
    m->vpcs[number] = NULL;
    return 0;
}

/* --- public addresses --- */

struct addresses {
    uint32_t *v;
    size_t n;
    int index;
};

static void collect(void *arg, uint32_t dest_be, int prefix_len, int out_index)
{
    struct addresses *a = arg;
    if (out_index != a->index || prefix_len != 32)
        return;
    a->v = xrealloc(a->v, (a->n + 1) * sizeof(*a->v));
    a->v[a->n++] = dest_be;
}

static int order(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return x < y ? -1 : x > y;
}

static int route_public(struct link_socket *s, const struct router_machine *m,
                        const struct router_uplink *u, int index, uint32_t address_be,
                        bool add, struct error *err)
{
    struct link_batch b;
    struct link_route r = {.dest_be = address_be, .prefix_len = 32, .out_index = index};
    link_batch_init(&b, s);
    if (add) {
        r.gateway_be = u->own_be;
        r.source_be = m->gateway_be;
        link_put_route(&b, &r);
    } else {
        link_drop_route(&b, &r);
    }
    return link_batch_run(&b, err);
}

int router_uplink_publics(struct router_machine *m, const struct router_uplink *u,
                          uint32_t *addresses_be, size_t count, struct error *err)
{
    AUTO_LINK s = {.fd = -1};
    struct addresses have = {0};
    int r = link_open(&s, err);
    if (r == 0)
        r = link_index(&s, u->name, &have.index, err);
    if (r == 0)
        r = link_each_route(&s, collect, &have, err);
    if (count)
        qsort(addresses_be, count, sizeof(*addresses_be), order);
    if (have.n)
        qsort(have.v, have.n, sizeof(*have.v), order);
    for (size_t i = 0; i < count && r == 0; i++)
        if (!have.n || !bsearch(&addresses_be[i], have.v, have.n, sizeof(*have.v), order))
            r = route_public(&s, m, u, have.index, addresses_be[i], true, err);
    for (size_t i = 0; i < have.n && r == 0; i++)
        if (have.v[i] != u->own_be &&
            (!count || !bsearch(&have.v[i], addresses_be, count, sizeof(*have.v), order)))
            r = route_public(&s, m, u, have.index, have.v[i], false, err);
    free(have.v);
    return r;
}
