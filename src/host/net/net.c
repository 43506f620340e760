#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "fd.h"
#include "forwarding.h"
#include "host_ports.h"
#include "link.h"
#include "net_record.h"
#include "net_rules.h"
#include "netns.h"
#include "nft.h"

#define RESERVED_SYSCTL "net/ipv4/ip_local_reserved_ports"
#define LIST_MAX        65536
#define PORTS_ROOT      "/run/gantry-ports"
#define LEG             "ecs-eth0"
#define LOCAL_ID        "local-http" /* stands for us among the owners of ports */

struct net {
    char *dir; /* <run_dir>/net */
    struct net_names names;
    struct subnet subnet;
    struct host_ports ports;
    int bridge_index;
    uint32_t next_address;
    uint16_t local_port;  /* of net_local_http(); 0: none yet */
    bool local_here;      /* claimed */
    uint32_t api_be;      /* of net_local_api() */
    uint16_t api_port;    /* 0: none yet */
    bool ending;          /* purging */
    pthread_mutex_t lock; /* addresses, ports, records; never held over kernel work */
};

static void sub_path(const char *dir, const char *name, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/%s", dir, name);
}

static void netns_path(const char *dir, const char *id, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/ns/%s", dir, id);
}

/* "gv" and twelve digits: short enough for an interface, made again from run and id. */
static void veth_name(const struct net_names *n, const char *id, char ret[16])
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (const char *p = n->run; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
    for (const char *p = id; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
    snprintf(ret, 16, "gv%012llx", (unsigned long long)(h & UINT64_C(0xffffffffffff)));
}

/* Ports are the instance's, so all runs in this network namespace share one folder. */
static int ports_dir(struct str *ret, struct error *err)
{
    struct stat st;
    if (stat("/proc/thread-self/ns/net", &st) < 0)
        return fail_errno(err, errno, "own network namespace");
    str_addf(ret, PORTS_ROOT "/%llu", (unsigned long long)st.st_ino);
    return 0;
}

static void port_owner(const struct net_names *n, const char *id, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s %s", n->table, id);
}

static bool port_owner_alive(const char *owner)
{
    char table[128];
    return sscanf(owner, "%127s", table) == 1 && nft_table_exists(NFT_IP, table);
}

/* A port of ours without a record: a crash came between the two. Others' stay. */
static bool port_in_use(void *arg, const char *owner)
{
    const struct net *net = arg;
    size_t n = strlen(net->names.table);
    if (strncmp(owner, net->names.table, n) != 0 || owner[n] != ' ')
        return true;
    if (streq(owner + n + 1, LOCAL_ID) && !net->ending)
        return true;
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/attached/%s", net->dir, owner + n + 1);
    return access(path.data, F_OK) == 0;
}

/* --- the subnet --- */

struct overlap {
    const struct subnet *s;
    bool found;
};

static void check_overlap(void *arg, uint32_t dest_be, int prefix_len, int out_index)
{
    struct overlap *o = arg;
    /* The default route overlaps with everything and means nothing. */
    if (prefix_len > 0 && subnet_overlaps(o->s, ntohl(dest_be), prefix_len))
        o->found = true;
}

static int choose_subnet(struct link_socket *s, struct subnet *ret, struct error *err)
{
    for (unsigned second = 88; second < 250; second++) {
        for (unsigned third = 0; third < 256; third += 16) {
            char text[32];
            snprintf(text, sizeof(text), "10.%u.%u.0/20", second, third);
            int r = subnet_parse(text, ret, err);
            struct overlap o = {.s = ret};
            if (r == 0)
                r = link_each_route(s, check_overlap, &o, err);
            if (r < 0 || !o.found)
                return r;
        }
    }
    return fail(err, E_FULL, "no subnet below 10.0.0.0/8 is free of routes");
}

/* The one from before, the one that is wished for, or a free one. */
static int settle_subnet(struct net *net, const char *wished, struct link_socket *s,
                         struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    sub_path(net->dir, "subnet", &path);
    int r = file_read(AT_FDCWD, path.data, 64, &text, err);
    if (r == 0)
        return subnet_parse(str_text(&text), &net->subnet, err);
    if (r != -E_NOTFOUND)
        return r;
    r = wished ? subnet_parse(wished, &net->subnet, err)
               : choose_subnet(s, &net->subnet, err);
    if (r < 0)
        return r;
    return file_replace(path.data, net->subnet.text, strlen(net->subnet.text), 0600, 0,
                        err);
}

/* --- open --- */

static int make_bridge(struct net *net, struct link_socket *s, struct error *err)
{
    uint32_t gateway = net->subnet.base + 1;
    uint8_t mac[6] = {0x0a, 0x58};
    uint32_t be = htonl(gateway);
    memcpy(mac + 2, &be, 4);
    int r = link_add_bridge(s, net->names.bridge, mac, err);
    if (r < 0 && r != -E_EXISTS)
        return r;
    r = link_index(s, net->names.bridge, &net->bridge_index, err);
    if (r == 0)
        r = link_add_address(s, net->bridge_index, be, net->subnet.prefix_len, err);
    return r < 0 ? r : link_set_up(s, net->bridge_index, true, err);
}

/* How a setting was before any run: beside the ports, as the last run to go has to know
 * it, whichever was first. Like the settings themselves it is gone after a reboot. */
static void before_path(const struct net *net, const char *file, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s.%s", net->ports.dir, file);
}

/* What a sysctl was before we changed it, kept once; purge puts it back. */
static int remember(struct net *net, const char *file, const char *value,
                    struct error *err)
{
    AUTO_STR path = STR_INIT;
    before_path(net, file, &path);
    if (access(path.data, F_OK) == 0)
        return 0;
    return file_replace(path.data, value, strlen(value), 0600, 0, err);
}

static int reserve_ports(struct net *net, struct error *err)
{
    char *list = xmalloc(LIST_MAX);
    AUTO_STR wanted = STR_INIT;
    int r = sysctl_read(RESERVED_SYSCTL, list, LIST_MAX, err);
    if (r == 0 && !port_list_covers(list, net->ports.low, net->ports.high)) {
        r = remember(net, "reserved", "added", err);
        if (r == 0)
            r = port_list_add(list, net->ports.low, net->ports.high, &wanted, err);
        if (r == 0)
            r = sysctl_write(RESERVED_SYSCTL, wanted.data, err);
    }
    free(list);
    return r;
}

static int set_sysctls(struct net *net, struct error *err)
{
    char name[96];
    int r = forwarding_allow(err);
    snprintf(name, sizeof(name), "net/ipv4/conf/%s/route_localnet", net->names.bridge);
    if (r == 0)
        r = sysctl_write(name, "1", err);
    return r < 0 ? r : reserve_ports(net, err);
}

static unsigned ports_of(const struct net_port *p)
{
    return p->count ? p->count : 1;
}

static void port_element(const struct net_record *rec, const struct net_port *p,
                         unsigned offset, struct nft_element *ret)
{
    uint8_t proto = p->udp ? IPPROTO_UDP : IPPROTO_TCP;
    uint16_t host = htons((uint16_t)(p->host_port + offset));
    uint16_t container = htons((uint16_t)(p->container_port + offset));
    memset(ret, 0, sizeof(*ret));
    nft_key_add(ret, &proto, 1);
    nft_key_add(ret, &host, 2);
    nft_data_add(ret, &rec->address_be, 4);
    nft_data_add(ret, &container, 2);
}

/* Puts a container's ports into the map or takes them out. */
static int change_ports(struct net *net, const struct net_record *rec, bool add,
                        struct error *err)
{
    size_t count = 0, n = 0;
    for (size_t i = 0; i < rec->port_count; i++)
        count += ports_of(&rec->ports[i]);
    if (count == 0)
        return 0;
    struct nft_element *e = xcalloc(count, sizeof(*e));
    for (size_t i = 0; i < rec->port_count; i++)
        for (unsigned k = 0; k < ports_of(&rec->ports[i]); k++)
            port_element(rec, &rec->ports[i], k, &e[n++]);
    int r = 0;
    bool exist = false;
    for (size_t at = 0; at < count && r >= 0; at += NFT_ELEMENTS_MAX) {
        n = count - at < NFT_ELEMENTS_MAX ? count - at : NFT_ELEMENTS_MAX;
        r = add ? nft_add_elements(NFT_IP, net->names.table, NET_PORT_MAP, e + at, n, err)
                : nft_delete_elements(NFT_IP, net->names.table, NET_PORT_MAP, e + at, n,
                                      err);
        if (r == -E_EXISTS) { /* all of a call or none of it */
            exist = true;
            r = 0;
        }
    }
    free(e);
    return r == 0 && exist ? -E_EXISTS : r;
}

struct reload {
    struct net *net;
    int result;
    struct error *err;
};

static void reload_one(void *arg, const char *id)
{
    struct reload *l = arg;
    struct net_record *rec = xcalloc(1, sizeof(*rec));
    struct error ignored;
    if (net_record_read(l->net->dir, id, rec, &ignored) == 0) {
        int r = change_ports(l->net, rec, true, l->err);
        if (r < 0 && r != -E_EXISTS)
            l->result = r;
    }
    free(rec);
}

/* ---- the agent's address ---- */

/* NET_LOCAL_ADDRESS:from leads to to_be:to. */
static int point_map(struct net *net, const char *map, uint16_t from, uint32_t to_be,
                     uint16_t to, struct error *err)
{
    struct nft_element e = {0};
    uint32_t local_be;
    uint16_t from_be = htons(from), port_be = htons(to);
    inet_pton(AF_INET, NET_LOCAL_ADDRESS, &local_be);
    nft_key_add(&e, &local_be, 4);
    nft_key_add(&e, &from_be, 2);
    nft_data_add(&e, &to_be, 4);
    nft_data_add(&e, &port_be, 2);
    return nft_set_element(NFT_IP, net->names.table, map, &e, err);
}

static int point_agent(struct net *net, const char *map, struct error *err)
{
    return point_map(net, map, 80, htonl(net->subnet.base + 1), net->local_port, err);
}

/* Without a route there, connect() fails before any rule sees it. */
static int route_local(struct net *net, struct error *err)
{
    AUTO_LINK s = {.fd = -1};
    uint32_t to;
    inet_pton(AF_INET, NET_LOCAL_ADDRESS, &to);
    int r = link_open(&s, err);
    if (r == 0)
        r = link_add_route(&s, to, 32, 0, net->bridge_index, false, err);
    return r == -E_EXISTS ? 0 : r;
}

static int point_local(struct net *net, struct error *err)
{
    int r = 0;
    if (net->api_port)
        r = point_map(net, NET_LOCAL_MAP, NET_LOCAL_API_PORT, net->api_be, net->api_port,
                      err);
    if (r >= 0 && net->local_port)
        r = point_agent(net, NET_LOCAL_MAP, err);
    if (r < 0 || !net->local_port || !net->local_here)
        return r;
    r = point_agent(net, NET_LOCAL_HERE_MAP, err);
    return r < 0 ? r : route_local(net, err);
}

static int load_rules(struct net *net, struct error *err)
{
    if (nft_table_exists(NFT_IP, net->names.table))
        return 0;
    int r = net_rules_load(&net->names, net->subnet.text, net->subnet.gateway, err);
    if (r < 0)
        return r;
    struct reload l = {.net = net, .err = err};
    r = net_record_each(net->dir, reload_one, &l, err);
    if (r >= 0)
        r = l.result;
    return r < 0 ? r : point_local(net, err);
}

static int lead_local(struct net *net, struct error *err)
{
    int r = point_local(net, err);
    if (r != -E_NOTFOUND)
        return r;
    /* a table of an older gantry, without these maps */
    r = nft_delete_table(NFT_IP, net->names.table, err);
    return r < 0 ? r : load_rules(net, err);
}

int net_local_http(struct net *net, uint16_t port, struct error *err)
{
    net->local_port = port;
    return lead_local(net, err);
}

int net_local_api(struct net *net, uint32_t server_be, uint16_t port, struct error *err)
{
    net->api_be = server_be;
    net->api_port = port;
    return lead_local(net, err);
}

bool net_local_claim(struct net *net)
{
    AUTO_STR owner = STR_INIT;
    struct error ignored;
    uint16_t port;
    port_owner(&net->names, LOCAL_ID, &owner);
    net->local_here = host_ports_take(&net->ports, owner.data, false, NET_LOCAL_PORT,
                                      &port, &ignored) >= 0;
    return net->local_here;
}

int net_mend(struct net *net, struct error *err)
{
    AUTO_LINK s = {.fd = -1};
    int r = link_open(&s, err);
    if (r == 0)
        r = make_bridge(net, &s, err);
    if (r == 0)
        r = set_sysctls(net, err);
    if (r == 0)
        r = load_rules(net, err);
    return r < 0 ? r : net_forward_allow(&net->names, err);
}

static int make_dirs(struct net *net, struct error *err)
{
    static const char *const names[] = {"ns", "attached", "addresses"};
    AUTO_STR path = STR_INIT;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        sub_path(net->dir, names[i], &path);
        int r = dir_make_all(path.data, 0700, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int net_init(const struct net_config *config, struct net *net, struct error *err)
{
    AUTO_STR path = STR_INIT, ports = STR_INIT;
    str_addf(&path, "%s/net", config->run_dir);
    net->dir = str_take(&path);
    pthread_mutex_init(&net->lock, NULL);
    int r = net_names_init(config->run, &net->names, err);
    if (r == 0)
        r = ports_dir(&ports, err);
    if (r == 0)
        r = host_ports_init(&net->ports, ports.data, config->port_low, config->port_high,
                            err);
    net->ports.owner_alive = port_owner_alive;
    return r;
}

/* Two runs that begin at once must not both find the same subnet free. Held until the
 * descriptor is closed. */
static int lock_subnets(struct error *err)
{
    AUTO_STR dir = STR_INIT;
    int r = ports_dir(&dir, err);
    if (r == 0)
        r = dir_make_all(dir.data, 0755, err);
    if (r < 0)
        return r;
    AUTO_FD fd = open(dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return fail_errno(err, errno, "lock '%s'", dir.data);
    return fd_take(&fd);
}

int net_open(const struct net_config *config, struct net **ret, struct error *err)
{
    struct net *net = xcalloc(1, sizeof(*net));
    AUTO_LINK s = {.fd = -1};
    int r = net_init(config, net, err);
    AUTO_FD lock = r == 0 ? lock_subnets(err) : -1;
    if (r == 0 && lock < 0)
        r = lock;
    if (r == 0)
        r = make_dirs(net, err);
    if (r == 0)
        r = link_open(&s, err);
    if (r == 0)
        r = settle_subnet(net, config->subnet, &s, err);
    net->next_address = net->subnet.base + 2;
    if (r == 0)
        r = address_sweep(net->dir, err);
    if (r == 0)
        r = host_ports_sweep(&net->ports, port_in_use, net, err);
    if (r == 0)
        r = net_mend(net, err);
    if (r < 0) {
        net_free(net);
        return wrap(err, "network of run '%s'", config->run);
    }
    *ret = net;
    return 0;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    pthread_mutex_destroy(&net->lock);
    free(net->dir);
    free(net);
}

const char *net_bridge_name(const struct net *net)
{
    return net->names.bridge;
}

const char *net_subnet(const struct net *net)
{
    return net->subnet.text;
}

const char *net_gateway(const struct net *net)
{
    return net->subnet.gateway;
}

/* --- attach --- */

static void fill_attachment(const struct net *net, const char *id,
                            const struct net_record *rec, struct net_attachment *ret)
{
    *ret = (struct net_attachment){0};
    snprintf(ret->netns_path, sizeof(ret->netns_path), "%s/ns/%s", net->dir, id);
    if (rec->mode == NET_NONE)
        return;
    const uint8_t *b = (const uint8_t *)&rec->address_be;
    inet_ntop(AF_INET, &rec->address_be, ret->address, sizeof(ret->address));
    snprintf(ret->mac, sizeof(ret->mac), "0a:58:%02x:%02x:%02x:%02x", b[0], b[1], b[2],
             b[3]);
    ret->prefix_len = net->subnet.prefix_len;
    veth_name(&net->names, id, ret->host_interface);
}

/* Decides on address and ports and writes them down: from here on a crash leaves
 * something that net_detach() finds. */
static int plan(struct net *net, const char *id, enum net_mode mode,
                struct net_port *ports, size_t count, struct net_record *rec,
                struct error *err)
{
    AUTO_STR owner = STR_INIT;
    port_owner(&net->names, id, &owner);
    rec->mode = mode;
    int r = 0;
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < count && r == 0; i++) {
        r = ports[i].count
                ? host_ports_take_range(&net->ports, owner.data, ports[i].udp,
                                        ports[i].count, &ports[i].host_port, err)
                : host_ports_take(&net->ports, owner.data, ports[i].udp,
                                  ports[i].host_port, &ports[i].host_port, err);
        if (r == 0)
            rec->ports[rec->port_count++] = ports[i];
    }
    if (r == 0 && mode != NET_NONE)
        r = address_take(net->dir, &net->subnet, id, &net->next_address, &rec->address_be,
                         err);
    /* Written even after a failure: what was taken so far is found by it. */
    struct error ignored;
    int w = net_record_write(net->dir, id, rec, r < 0 ? &ignored : err);
    pthread_mutex_unlock(&net->lock);
    return r < 0 ? r : w;
}

static const char *far_name(const struct net_record *rec)
{
    return rec->mode == NET_LEG ? LEG : "eth0";
}

/* Only what can be answered by the same way comes in; that rule is one of IPv4, and every
 * link would have an address of IPv6. */
static int filter_leg(const char *ns_path, struct error *err)
{
    int back = -1;
    int r = netns_enter(ns_path, &back, err);
    if (r < 0)
        return r;
    r = sysctl_write("net/ipv4/conf/" LEG "/rp_filter", "1", err);
    if (r == 0) /* the larger of the two holds, and 2 asks for less than 1 */
        r = sysctl_write("net/ipv4/conf/all/rp_filter", "0", err);
    if (r == 0)
        r = sysctl_write("net/ipv6/conf/" LEG "/disable_ipv6", "1", err);
    netns_leave(&back);
    if (r == -E_NOTFOUND) /* a kernel without it */
        r = 0;
    return r;
}

/* Beside eth0, which has the default route: no more than the way to the agent. */
static int configure_leg(struct net *net, struct link_socket *there, const char *ns_path,
                         const struct net_record *rec, struct error *err)
{
    int index;
    uint32_t local;
    inet_pton(AF_INET, NET_LOCAL_ADDRESS, &local);
    int r = link_index(there, LEG, &index, err);
    if (r == 0)
        r = filter_leg(ns_path, err);
    if (r == 0)
        r = link_add_address(there, index, rec->address_be, 32, err);
    if (r == 0)
        r = link_set_up(there, index, true, err);
    if (r == 0)
        r = link_add_route(there, local, 32, htonl(net->subnet.base + 1), index, true,
                           err);
    return r == -E_EXISTS ? 0 : r;
}

/* The container's end. Again: nothing changes. */
static int configure(struct net *net, const char *ns_path, const struct net_record *rec,
                     struct error *err)
{
    AUTO_LINK there = {.fd = -1};
    int r = link_open_in(ns_path, &there, err);
    if (r < 0)
        return r;
    if (rec->mode == NET_LEG)
        return configure_leg(net, &there, ns_path, rec, err);
    return link_configure(&there, "eth0", rec->address_be, net->subnet.prefix_len,
                          htonl(net->subnet.base + 1), err);
}

static int wire(struct net *net, const char *id, const struct net_record *rec,
                struct error *err)
{
    AUTO_STR path = STR_INIT;
    netns_path(net->dir, id, &path);
    int r = netns_create(path.data, err);
    if (r < 0 || rec->mode == NET_NONE)
        return r;
    AUTO_FD ns = open(path.data, O_RDONLY | O_CLOEXEC);
    if (ns < 0)
        return fail_errno(err, errno, "open '%s'", path.data);
    AUTO_LINK here = {.fd = -1};
    char veth[16];
    uint8_t mac[6] = {0x0a, 0x58};
    memcpy(mac + 2, &rec->address_be, 4);
    veth_name(&net->names, id, veth);
    r = link_open(&here, err);
    if (r == 0)
        r = link_add_veth(&here, veth, NULL, far_name(rec), ns, mac, net->bridge_index,
                          err);
    if (r == 0)
        r = configure(net, path.data, rec, err);
    return r < 0 ? r : change_ports(net, rec, true, err);
}

/* Did an earlier attach come as far as the interfaces? */
static bool attached(struct net *net, const char *id, enum net_mode mode,
                     const struct net_port *ports, size_t count,
                     const struct net_record *rec)
{
    AUTO_STR path = STR_INIT;
    char veth[16];
    int index;
    struct error ignored;
    AUTO_LINK s = {.fd = -1};
    netns_path(net->dir, id, &path);
    if (rec->mode != mode || rec->port_count != count || !netns_exists(path.data))
        return false;
    for (size_t i = 0; i < count; i++)
        if (ports[i].container_port != rec->ports[i].container_port ||
            ports[i].udp != rec->ports[i].udp || ports[i].count != rec->ports[i].count ||
            (ports[i].host_port && ports[i].host_port != rec->ports[i].host_port))
            return false;
    veth_name(&net->names, id, veth);
    return mode == NET_NONE || (rec->address_be && link_open(&s, &ignored) == 0 &&
                                link_index(&s, veth, &index, &ignored) == 0);
}

/* What comes after the interfaces may be what a crash left out. */
static int complete(struct net *net, const char *id, struct net_port *ports, size_t count,
                    const struct net_record *rec, struct error *err)
{
    AUTO_STR path = STR_INIT;
    netns_path(net->dir, id, &path);
    int r = rec->mode != NET_NONE ? configure(net, path.data, rec, err) : 0;
    if (r == 0)
        r = change_ports(net, rec, true, err);
    for (size_t i = 0; i < count; i++)
        ports[i].host_port = rec->ports[i].host_port;
    return r == -E_EXISTS ? 0 : r;
}

static int attach(struct net *net, const char *id, enum net_mode mode,
                  struct net_port *ports, size_t count, struct net_record *rec,
                  struct error *err)
{
    int r = net_record_read(net->dir, id, rec, err);
    if (r == 0 && attached(net, id, mode, ports, count, rec))
        return complete(net, id, ports, count, rec, err);
    if (r != -E_NOTFOUND && (r = net_detach(net, id, err)) < 0)
        return r;
    memset(rec, 0, sizeof(*rec));
    r = plan(net, id, mode, ports, count, rec, err);
    if (r == 0)
        r = wire(net, id, rec, err);
    if (r < 0) {
        struct error ignored;
        net_detach(net, id, &ignored);
    }
    return r;
}

int net_attach(struct net *net, const char *id, enum net_mode mode,
               struct net_port *ports, size_t port_count, struct net_attachment *ret,
               struct error *err)
{
    size_t all = 0;
    for (size_t i = 0; i < port_count; i++)
        all += ports_of(&ports[i]);
    if (port_count > NET_PORTS_MAX || all > NET_RANGE_MAX ||
        (mode != NET_BRIDGE && port_count > 0))
        return fail(err, E_INVALID, "%zu ports for '%s'", all, id);
    struct net_record *rec = xcalloc(1, sizeof(*rec));
    int r = attach(net, id, mode, ports, port_count, rec, err);
    if (r == 0)
        fill_attachment(net, id, rec, ret);
    free(rec);
    return r;
}

int net_lookup(struct net *net, const char *id, struct net_attachment *ret,
               struct error *err)
{
    struct net_record *rec = xcalloc(1, sizeof(*rec));
    int r = net_record_read(net->dir, id, rec, err);
    if (r >= 0)
        fill_attachment(net, id, rec, ret);
    free(rec);
    return r;
}

/* --- detach --- */

static int unwire(struct net *net, const char *id, const struct net_record *rec,
                  struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_LINK s = {.fd = -1};
    char veth[16];
    veth_name(&net->names, id, veth);
    int r = link_open(&s, err);
    if (r == 0 && nft_table_exists(NFT_IP, net->names.table))
        r = change_ports(net, rec, false, err);
    if (r == 0)
        r = link_delete(&s, veth, err);
    if (r == -E_NOTFOUND)
        r = 0;
    netns_path(net->dir, id, &path);
    return r < 0 ? r : netns_delete(path.data, err);
}

static int give_back(struct net *net, const char *id, const struct net_record *rec,
                     struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < rec->port_count && r == 0; i++)
        for (unsigned k = 0; k < ports_of(&rec->ports[i]) && r == 0; k++)
            r = host_ports_give_back(&net->ports, rec->ports[i].udp,
                                     (uint16_t)(rec->ports[i].host_port + k), err);
    if (r == 0 && rec->address_be)
        r = address_give_back(net->dir, rec->address_be, err);
    if (r == 0)
        r = net_record_remove(net->dir, id, err);
    pthread_mutex_unlock(&net->lock);
    return r;
}

int net_detach(struct net *net, const char *id, struct error *err)
{
    struct net_record *rec = xcalloc(1, sizeof(*rec));
    int r = net_record_read(net->dir, id, rec, err);
    if (r == -E_NOTFOUND) {
        r = 0;
    } else {
        if (r == -E_CORRUPT)
            r = 0; /* what it says is lost; the rest can still go */
        if (r == 0)
            r = unwire(net, id, rec, err);
        if (r == 0)
            r = give_back(net, id, rec, err);
    }
    free(rec);
    return r < 0 ? wrap(err, "network of container '%s'", id) : 0;
}

int net_each(struct net *net, void (*each)(void *arg, const char *id), void *arg,
             struct error *err)
{
    return net_record_each(net->dir, each, arg, err);
}

int net_container_stats(struct net *net, const char *id, struct net_stats *ret,
                        struct error *err)
{
    char veth[16];
    struct net_stats s;
    AUTO_LINK sock = {.fd = -1};
    veth_name(&net->names, id, veth);
    int r = link_open(&sock, err);
    if (r == 0)
        r = link_stats(&sock, veth, &s, err);
    if (r < 0)
        return r;
    /* What the instance's end receives, the container has sent. */
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

/* --- purge --- */

struct purge {
    struct net *net;
    int result, others;
    struct error *err;
};

static void purge_one(void *arg, const char *id)
{
    struct purge *p = arg;
    if (p->result == 0)
        p->result = net_detach(p->net, id, p->err);
}

static void count_bridge(void *arg, const char *name, int index)
{
    struct purge *p = arg;
    if (str_starts(name, "gt") && strlen(name) == 10 &&
        !streq(name, p->net->names.bridge))
        p->others++;
}

/* The reserved range is the whole instance's: the last run puts it back. */
static int restore_reserved(struct net *net, struct error *err)
{
    AUTO_STR path = STR_INIT, list = STR_INIT;
    before_path(net, "reserved", &path);
    if (access(path.data, F_OK) < 0)
        return 0;
    char *now = xmalloc(LIST_MAX);
    int r = sysctl_read(RESERVED_SYSCTL, now, LIST_MAX, err);
    if (r == 0)
        r = port_list_remove(now, net->ports.low, net->ports.high, &list, err);
    if (r == 0)
        r = sysctl_write(RESERVED_SYSCTL, str_text(&list), err);
    if (r == 0)
        unlink(path.data);
    free(now);
    return r;
}

static int purge(struct net *net, struct error *err)
{
    net->ending = true;
    struct purge p = {.net = net, .err = err};
    AUTO_LINK s = {.fd = -1};
    int r = net_record_each(net->dir, purge_one, &p, err);
    if (r == 0)
        r = p.result;
    if (r == 0)
        r = link_open(&s, err);
    if (r == 0)
        r = link_delete(&s, net->names.bridge, err);
    if (r == -E_NOTFOUND)
        r = 0;
    if (r == 0)
        r = link_each(&s, count_bridge, &p, err);
    if (r == 0)
        r = nft_delete_table(NFT_IP, net->names.table, err);
    if (r == 0)
        r = net_forward_forget(&net->names, err);
    if (r == 0 && p.others == 0)
        r = restore_reserved(net, err);
    if (r == 0)
        r = forwarding_forget(err);
    if (r == 0)
        r = dir_remove_all(net->dir, err);
    if (r == 0)
        r = host_ports_sweep(&net->ports, port_in_use, net, err);
    if (r == 0) { /* others may still have ports there */
        rmdir(net->ports.dir);
        rmdir(PORTS_ROOT);
    }
    return r;
}

int net_purge(const struct net_config *config, struct error *err)
{
    struct net *net = xcalloc(1, sizeof(*net));
    int r = net_init(config, net, err);
    if (r == 0)
        r = purge(net, err);
    net_free(net);
    return r < 0 ? wrap(err, "removing the network of run '%s'", config->run) : 0;
}
