#include "vpc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "fd.h"
#include "link.h"
#include "link_route.h"
#include "netns.h"
#include "nft.h"

#define IFNAME_BYTES 16

const uint8_t VPC_ROUTER_MAC[6] = {0x0a, 0x58, 169, 254, 1, 1};

static uint32_t gateway(void)
{
    uint32_t be;
    inet_pton(AF_INET, VPC_GATEWAY, &be);
    return be;
}

void vpc_netns_path(const struct vpc_place *p, const char *vpc_id, struct str *ret)
{
    str_addf(ret, "%s/%s", p->dir, vpc_id);
}

void vpc_host_interface_name(const char *interface_id, char ret[16])
{
    const char *dash = strchr(interface_id, '-');
    snprintf(ret, 16, "e%.14s", dash ? dash + 1 : interface_id);
}

/* A socket of the VPC's namespace; E_NOTFOUND when it is not on this machine. */
static int open_vpc(const struct vpc_place *p, const char *vpc_id,
                    struct link_socket *ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    vpc_netns_path(p, vpc_id, &path);
    if (!netns_exists(path.data))
        return fail(err, E_NOTFOUND, "VPC '%s' is not on this machine", vpc_id);
    return link_open_in(path.data, ret, err);
}

static int open_far(const struct vpc_wiring *w, struct link_socket *ret,
                    struct error *err)
{
    return w->netns_path ? link_open_in(w->netns_path, ret, err) : link_open(ret, err);
}

/* --- the near end --- */

static int make_pair(struct link_socket *vpc, const struct vpc_wiring *w,
                     const char *near_name, struct error *err)
{
    AUTO_FD far = open(w->netns_path ? w->netns_path : "/proc/thread-self/ns/net",
                       O_RDONLY | O_CLOEXEC);
    if (far < 0)
        return fail_errno(err, errno, "open '%s'", w->netns_path);
    return link_add_veth(vpc, near_name, VPC_ROUTER_MAC, w->name, far, w->interface.mac,
                         0, err);
}

static int configure_near(struct link_socket *vpc, const struct vpc_interface *i,
                          const char *near_name, struct error *err)
{
    int index = 0;
    int r = link_index(vpc, near_name, &index, err);
    if (r < 0)
        return r;
    struct link_batch b;
    link_batch_init(&b, vpc);
    link_put_up(&b, index);
    link_put_address(&b, index, gateway());
    link_put_neighbour(&b, index, i->address_be, i->mac);
    link_put_route(&b, &(struct link_route){.dest_be = i->address_be,
                                            .prefix_len = 32,
                                            .out_index = index});
    return link_batch_run(&b, err);
}

/* --- the far end --- */

static int parse_cidr(const char *text, struct link_route *ret, struct error *err)
{
    char address[20];
    int64_t len;
    const char *slash = strchr(text, '/');
    if (!slash || slash - text >= (ptrdiff_t)sizeof(address) ||
        !str_to_i64(slash + 1, 0, 32, &len))
        return fail(err, E_INVALID, "'%s' is no address range", text);
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (inet_pton(AF_INET, address, &ret->dest_be) != 1)
        return fail(err, E_INVALID, "'%s' is no address range", text);
    ret->prefix_len = (int)len;
    return 0;
}

/* The gateway is on the link without a route of its own: two interfaces of one namespace
 * may both have one. */
static int put_far_routes(struct link_batch *b, const struct vpc_wiring *w, int index,
                          struct error *err)
{
    struct link_route route = {.gateway_be = gateway(),
                               .out_index = index,
                               .source_be = w->interface.address_be};
    if (w->routes == VPC_DEFAULT_ROUTE)
        link_put_route(b, &route);
    for (const char *const *c = w->cidrs;
         w->routes == VPC_OWN_ROUTES && c && *c && b->count < LINK_BATCH_MAX; c++) {
        int r = parse_cidr(*c, &route, err);
        if (r < 0)
            return r;
        link_put_route(b, &route);
    }
    return 0;
}

static int configure_far(struct link_socket *far, const struct vpc_wiring *w,
                         struct error *err)
{
    int index = 0;
    uint8_t mac[6];
    int r = link_look(far, w->name, &index, mac, err);
    if (r < 0)
        return r;
    if (memcmp(mac, w->interface.mac, 6) != 0)
        return fail(err, E_CONFLICT, "there is another '%s' already", w->name);
    struct link_batch b;
    link_batch_init(&b, far);
    link_put_up(&b, index);
    link_put_address(&b, index, w->interface.address_be);
    link_put_neighbour(&b, index, gateway(), VPC_ROUTER_MAC);
    r = put_far_routes(&b, w, index, err);
    return r < 0 ? r : link_batch_run(&b, err);
}

/* --- whole --- */

static int wire(struct link_socket *vpc, struct link_socket *far,
                const struct vpc_wiring *w, const char *near_name, struct error *err)
{
    int r = make_pair(vpc, w, near_name, err);
    if (r < 0 && r != -E_EXISTS)
        return r;
    bool existed = r == -E_EXISTS;
    r = configure_far(far, w, err);
    /* A pair is left of an attach whose far end went elsewhere: its place is free now. */
    if (existed && r == -E_NOTFOUND) {
        r = link_delete(vpc, near_name, err);
        if (r == 0)
            r = make_pair(vpc, w, near_name, err);
        if (r == 0)
            r = configure_far(far, w, err);
    }
    return r < 0 ? r : configure_near(vpc, &w->interface, near_name, err);
}

int vpc_attach(const struct vpc_place *p, const struct vpc_wiring *w, struct error *err)
{
    AUTO_LINK vpc = {.fd = -1};
    AUTO_LINK far = {.fd = -1};
    char near_name[16];
    vpc_host_interface_name(w->interface.interface_id, near_name);
    int r = open_vpc(p, w->interface.vpc_id, &vpc, err);
    if (r == 0)
        r = open_far(w, &far, err);
    if (r == 0)
        r = wire(&vpc, &far, w, near_name, err);
    if (r < 0)
        return wrap(err, "wiring interface '%s'", w->interface.interface_id);
    return 0;
}

int vpc_detach(const struct vpc_place *p, const char *vpc_id, const char *interface_id,
               struct error *err)
{
    AUTO_LINK vpc = {.fd = -1};
    char near_name[16];
    vpc_host_interface_name(interface_id, near_name);
    int r = open_vpc(p, vpc_id, &vpc, err);
    if (r == 0)
        r = link_delete(&vpc, near_name, err);
    if (r < 0 && r != -E_NOTFOUND)
        return wrap(err, "interface '%s'", interface_id);
    return 0;
}

/* --- in force --- */

void vpc_source_key(const struct vpc_interface *i, struct nft_element *ret)
{
    char name[IFNAME_BYTES] = {0};
    vpc_host_interface_name(i->interface_id, name);
    nft_key_add(ret, name, sizeof(name));
    nft_key_add(ret, i->mac, 6);
    nft_key_add(ret, &i->address_be, 4);
}

static int look_for_rules(const struct vpc_place *p, const struct vpc_interface *i,
                          const struct nft_element *key, struct error *err)
{
    AUTO_STR path = STR_INIT;
    int back;
    vpc_netns_path(p, i->vpc_id, &path);
    if (!netns_exists(path.data))
        return fail(err, E_NOTFOUND, "VPC '%s' is not on this machine", i->vpc_id);
    int r = netns_enter(path.data, &back, err);
    if (r < 0)
        return r;
    r = nft_find_element(NFT_INET, VPC_TABLE, VPC_SOURCES_SET, key, err);
    netns_leave(&back);
    return r;
}

int vpc_interface_ready(const struct vpc_place *p, const struct vpc_interface *i,
                        int timeout_ms, struct error *err)
{
    struct nft_element key = {0};
    int64_t deadline = clock_mono_ns() + timeout_ms * INT64_C(1000000);
    vpc_source_key(i, &key);
    /* Another process puts them in force, and it takes a few milliseconds. */
    for (int64_t pause_ns = 500000;;
         pause_ns = pause_ns < 16000000 ? pause_ns * 2 : pause_ns) {
        int r = look_for_rules(p, i, &key, err);
        if (r != -E_NOTFOUND)
            return r;
        if (clock_mono_ns() + pause_ns > deadline)
            return fail(err, E_TIMEOUT, "rules of interface '%s' are not in force",
                        i->interface_id);
        nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
    }
}

int vpc_interface_stats(const struct vpc_place *p, const char *vpc_id,
                        const char *interface_id, struct net_stats *ret,
                        struct error *err)
{
    AUTO_LINK vpc = {.fd = -1};
    char near_name[16];
    struct net_stats s;
    vpc_host_interface_name(interface_id, near_name);
    int r = open_vpc(p, vpc_id, &vpc, err);
    if (r == 0)
        r = link_stats(&vpc, near_name, &s, err);
    if (r < 0)
        return r;
    /* What the VPC's end receives, the far end has sent. */
    *ret = (struct net_stats){.rx_bytes = s.tx_bytes,
                              .tx_bytes = s.rx_bytes,
                              .rx_packets = s.tx_packets,
                              .tx_packets = s.rx_packets,
                              .rx_dropped = s.tx_dropped,
                              .tx_dropped = s.rx_dropped,
                              .rx_errors = s.tx_errors,
                              .tx_errors = s.rx_errors};
    return 0;
}
