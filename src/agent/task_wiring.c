#include "task_wiring.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "link.h"
#include "link_route.h"
#include "task_spec.h"
#include "vpc.h"

#define READY_MS 100

static int interface_of(const struct gantry_host_interface *x, struct vpc_interface *ret,
                        struct error *err)
{
    unsigned m[6];
    char end;
    *ret = (struct vpc_interface){.vpc_id = x->vpc_id,
                                  .interface_id = x->network_interface_id};
    if (str_empty(x->vpc_id) || str_empty(x->network_interface_id) || !x->mac_address ||
        !x->private_ip_address ||
        sscanf(x->mac_address, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3],
               &m[4], &m[5], &end) != 6 ||
        inet_pton(AF_INET, x->private_ip_address, &ret->address_be) != 1)
        return fail(err, E_INVALID,
                    "the server's words on network interface '%s' make "
                    "no sense",
                    x->network_interface_id ? x->network_interface_id : "");
    for (int i = 0; i < 6; i++)
        ret->mac[i] = (uint8_t)m[i];
    return 0;
}

static int wire(const struct vpc_place *place, const struct vpc_interface *i,
                const char *netns_path, struct error *err)
{
    struct vpc_wiring w = {.interface = *i,
                           .netns_path = netns_path,
                           .name = "eth0",
                           .routes = VPC_DEFAULT_ROUTE};
    int r = vpc_attach(place, &w, err);
    if (r == -E_NOTFOUND)
        return fail(err, E_AGAIN, "VPC '%s' is not on this machine", i->vpc_id);
    if (r >= 0)
        r = vpc_interface_ready(place, i, READY_MS, err);
    return r == -E_TIMEOUT
               ? fail(err, E_AGAIN, "the rules of '%s' are not in force", i->interface_id)
               : r;
}

#define IMDS "169.254.169.254"

/* ECS_AWSVPC_BLOCK_IMDS: in the task's own namespace the address leads nowhere. */
static int block_imds(const char *netns_path, struct error *err)
{
    AUTO_LINK s = {.fd = -1};
    struct link_batch b;
    struct link_route route = {.kind = LINK_BLACKHOLE, .prefix_len = 32};
    inet_pton(AF_INET, IMDS, &route.dest_be);
    int r = link_open_in(netns_path, &s, err);
    if (r < 0)
        return r;
    link_batch_init(&b, &s);
    link_put_route(&b, &route);
    return link_batch_run(&b, err);
}

int task_wiring_attach(struct host *h, const struct gantry_host_task *t,
                       struct net_attachment *ret, struct error *err)
{
    struct vpc_place place = {.dir = h->config->vpc_dir};
    struct vpc_interface i;
    if (!place.dir)
        return fail(err, E_UNSUPPORTED,
                    "network mode awsvpc: this agent has no VPCs (--vpc-dir)");
    if (!t->interface)
        return fail(err, E_UNSUPPORTED,
                    "network mode awsvpc: the server sent no network interface");
    int r = interface_of(t->interface, &i, err);
    if (r >= 0)
        r = net_attach(h->net, t->task_id, NET_LEG, NULL, 0, ret, err);
    if (r >= 0 && h->config->block_imds)
        r = block_imds(ret->netns_path, err);
    return r < 0 ? r : wire(&place, &i, ret->netns_path, err);
}

int task_wiring_detach(struct host *h, const struct gantry_host_task *t,
                       struct error *err)
{
    const struct gantry_host_interface *x = t->interface;
    struct vpc_place place = {.dir = h->config->vpc_dir};
    int r = 0;
    if (place.dir && x && !str_empty(x->vpc_id) && !str_empty(x->network_interface_id))
        r = vpc_detach(&place, x->vpc_id, x->network_interface_id, err);
    return r < 0 || !h->net ? r : net_detach(h->net, t->task_id, err);
}

/* ---- counters ---- */

static void add(struct net_stats *sum, const struct net_stats *x)
{
    sum->rx_bytes += x->rx_bytes;
    sum->tx_bytes += x->tx_bytes;
    sum->rx_packets += x->rx_packets;
    sum->tx_packets += x->tx_packets;
    sum->rx_dropped += x->rx_dropped;
    sum->tx_dropped += x->tx_dropped;
    sum->rx_errors += x->rx_errors;
    sum->tx_errors += x->tx_errors;
}

int task_network_stats(struct host *h, const struct gantry_host_task *t,
                       struct net_stats *ret, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct vpc_place place = {.dir = h->config->vpc_dir};
    const struct gantry_host_interface *x = t->interface;
    const struct ecs_container_definition_list *l =
        &t->task_definition->container_definitions;
    struct net_stats sum = {0}, one;
    bool any = false;
    if (x && place.dir)
        return vpc_interface_stats(&place, x->vpc_id, x->network_interface_id, ret, err);
    for (size_t i = 0; h->net && i < l->n; i++) {
        const char *id = container_id_make(&a, t->task_id, l->v[i].name);
        if (net_container_stats(h->net, id, &one, err) < 0)
            continue;
        add(&sum, &one);
        any = true;
    }
    if (!any)
        return fail(err, E_NOTFOUND, "the task has no network of its own");
    *ret = sum;
    return 0;
}
