/* net.h: a container's network, whole: none and bridge; of a task in a VPC, the agent's part.
 *
 * One `struct net` is a run's network in the network namespace of the caller (the
 * instance's): one bridge with a subnet of its own, one nftables table with fixed rules
 * over a map of host ports, addresses and ports written down under <run_dir>/net.
 * `host` mode needs nothing from here but host_ports_check().
 *
 * Life of a container in bridge mode: net_attach() → run → net_detach(). Both may be
 * repeated; attach of an attached container gives the same answer. Containers that share
 * one namespace (a task's in awsvpc mode) are one attachment under the task's id, a leg:
 * "ecs-eth0" on the bridge, by which NET_LOCAL_ADDRESS and nothing else is reached. What
 * comes in there from anybody but the agent is dropped (its way back is not there), so the
 * bridge is no way around the VPC's security groups; eth0 is vpc.h's.
 *
 * Owns: namespaces, veths, addresses, ports, rules and sysctls, all of them found again
 * from disk and kernel. net_purge() leaves nothing.
 * Threads: any (locked inside); blocks for a few milliseconds.
 * Fails: E_CONFLICT a port is taken (the text names it), E_FULL addresses or ports are
 * used up, E_DENIED not root, E_UNSUPPORTED the kernel lacks what is needed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct net;

struct net_config {
    const char *run_dir;
    const char *run;    /* id of this run, as in cgroup.h */
    const char *subnet; /* "10.88.0.0/20" or NULL: a free one is chosen and kept */
    uint16_t port_low, port_high; /* dynamic host ports; 0, 0: 49153-65535 */
};

/* Makes what is missing (bridge, table, sysctls, the way past a FORWARD policy of drop). */
int net_open(const struct net_config *config, struct net **ret, struct error *err);
void net_free(struct net *net);
/* Bridge, subnet, gateway as text. */
const char *net_bridge_name(const struct net *net);
const char *net_subnet(const struct net *net);
const char *net_gateway(const struct net *net);
/* Again the part of net_open() that others on the machine may have undone (dockerd sets
 * FORWARD to drop, somebody flushed rules): cheap enough for once a minute. */
int net_mend(struct net *net, struct error *err);

enum net_mode { NET_NONE, NET_BRIDGE, NET_LEG };

#define NET_PORTS_MAX 256  /* mappings a container */
#define NET_RANGE_MAX 8192 /* ports of all its mappings together */

struct net_port {
    uint16_t container_port;
    uint16_t host_port; /* 0: dynamic; filled by net_attach() */
    uint16_t count; /* 0: this port; else a range of so many, contiguous on both sides */
    bool udp;
};

#define NET_PATH_SIZE 256
struct net_attachment {
    char netns_path[NET_PATH_SIZE]; /* for container_spec.net_path */
    char address[16];               /* "10.88.0.5"; "" for NET_NONE */
    char mac[18];
    int prefix_len;
    char host_interface[16]; /* for counters, see link_stats() */
};

/* `id` is the container's id. ports may be NULL when there are none. */
int net_attach(struct net *net, const char *id, enum net_mode mode,
               struct net_port *ports, size_t port_count, struct net_attachment *ret,
               struct error *err);
int net_detach(struct net *net, const char *id, struct error *err);
/* What net_attach() answered, from disk; E_NOTFOUND when nothing is attached. */
int net_lookup(struct net *net, const char *id, struct net_attachment *ret,
               struct error *err);
/* Ids with anything attached; to clean up after a crash. */
int net_each(struct net *net, void (*each)(void *arg, const char *id), void *arg,
             struct error *err);
/* Everything of this run, also without net_open(): containers must be gone. */
int net_purge(const struct net_config *config, struct error *err);

/* ---- 169.254.170.2, where containers look for their agent, and here for AWS, too ---- */

#define NET_LOCAL_ADDRESS  "169.254.170.2"
#define NET_LOCAL_PORT     51679 /* ECS's own; where agents listen */
#define NET_LOCAL_API_PORT 4566  /* where containers' SDKs find the server */

/* True when this run is the one for which processes in this network namespace itself (host
 * mode) reach that address: the first that asks, until it is purged. Ask before listening
 * on NET_LOCAL_PORT. */
bool net_local_claim(struct net *net);
/* From behind the bridge, and when it is claimed from here too, that address leads to
 * `port` at net_gateway(). Repeated by net_mend() where rules were lost. */
int net_local_http(struct net *net, uint16_t port, struct error *err);
/* From behind the bridge, NET_LOCAL_API_PORT of that address leads to this server, which may
 * be anywhere that this network namespace reaches, its loopback included. */
int net_local_api(struct net *net, uint32_t server_be, uint16_t port, struct error *err);

struct net_stats {
    uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets, rx_dropped, tx_dropped,
        rx_errors, tx_errors; /* as the container sees them */
};
int net_container_stats(struct net *net, const char *id, struct net_stats *ret,
                        struct error *err);
