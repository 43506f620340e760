#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "link_batch.h"
#include "net.h"
#include "netns.h"

#define RECEIVE_BYTES 32768

int link_open(struct link_socket *ret, struct error *err)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return fail_errno(err, errno, "rtnetlink socket");
    int one = 1;
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    *ret = (struct link_socket){.fd = fd, .seq = 1};
    return 0;
}

int link_open_in(const char *netns_path, struct link_socket *ret, struct error *err)
{
    int back;
    ret->fd = -1;
    int r = netns_enter(netns_path, &back, err);
    if (r < 0)
        return r;
    r = link_open(ret, err);
    netns_leave(&back);
    return r;
}

void link_close(struct link_socket *s)
{
    if (s->fd > 0)
        close(s->fd);
    s->fd = -1;
}

/* --- links --- */

static struct nlmsghdr *put_link(struct link_batch *b, uint16_t type, uint16_t flags,
                                 int index, const char *name, int tolerated,
                                 const char *what)
{
    struct nlmsghdr *h = link_batch_next(b, type, flags, tolerated, what);
    struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ifi_family = AF_UNSPEC;
    m->ifi_index = index;
    if (name)
        mnl_attr_put_strz(h, IFLA_IFNAME, name);
    return h;
}

/* Asks for one link; `each` sees the message. */
static int link_get(struct link_socket *s, const char *name,
                    void (*each)(void *arg, const struct nlmsghdr *h), void *arg,
                    struct error *err)
{
    struct link_batch b;
    char buf[RECEIVE_BYTES] __attribute__((aligned(8)));
    link_batch_init(&b, s);
    struct nlmsghdr *h = put_link(&b, RTM_GETLINK, 0, 0, name, 0, "");
    h->nlmsg_flags = NLM_F_REQUEST;
    if (send(s->fd, h, h->nlmsg_len, 0) < 0)
        return fail_errno(err, errno, "send to rtnetlink");
    ssize_t n;
    do
        n = recv(s->fd, buf, sizeof(buf), 0);
    while (n < 0 && errno == EINTR);
    if (n < (ssize_t)sizeof(struct nlmsghdr))
        return fail_errno(err, errno, "receive from rtnetlink");
    h = (void *)buf;
    if (h->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
        if (e->error == -ENODEV)
            return fail(err, E_NOTFOUND, "no interface '%s'", name);
        return fail_errno(err, -e->error, "interface '%s'", name);
    }
    each(arg, h);
    return 0;
}

struct link_look {
    int index;
    uint8_t mac[6];
};

static void take_look(void *arg, const struct nlmsghdr *h)
{
    struct link_look *l = arg;
    const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *attr;
    l->index = m->ifi_index;
    EACH_ATTRIBUTE(attr, h, sizeof(*m))
    if (mnl_attr_get_type(attr) == IFLA_ADDRESS && mnl_attr_get_payload_len(attr) == 6)
        memcpy(l->mac, mnl_attr_get_payload(attr), 6);
}

int link_look(struct link_socket *s, const char *name, int *ret_index, uint8_t ret_mac[6],
              struct error *err)
{
    struct link_look l = {0};
    int r = link_get(s, name, take_look, &l, err);
    if (r < 0)
        return r;
    *ret_index = l.index;
    memcpy(ret_mac, l.mac, 6);
    return 0;
}

static void take_index(void *arg, const struct nlmsghdr *h)
{
    const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    *(int *)arg = m->ifi_index;
}

int link_index(struct link_socket *s, const char *name, int *ret, struct error *err)
{
    return link_get(s, name, take_index, ret, err);
}

int link_add_bridge(struct link_socket *s, const char *name, const uint8_t mac[6],
                    struct error *err)
{
    struct link_batch b;
    link_batch_init(&b, s);
    struct nlmsghdr *h =
        put_link(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, name, 0, "add a bridge");
    /* An address of its own: else it changes with the first port that comes or goes. */
    if (mac)
        mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
    struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
    mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
    mnl_attr_nest_end(h, info);
    link_batch_add(&b, h);
    if (link_batch_run(&b, err) < 0)
        return wrap(err, "bridge '%s'", name);
    return 0;
}

/* Where br_netfilter is at work, a translated packet is bridged before it is routed: one
 * that goes back to the port it came from (a container calling its own published port)
 * passes only in hairpin mode. */
static void put_hairpin(struct link_batch *b, const char *name)
{
    struct nlmsghdr *h = put_link(b, RTM_NEWLINK, 0, 0, name, 0, "set hairpin mode");
    struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
    mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, "bridge");
    struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_SLAVE_DATA);
    mnl_attr_put_u8(h, IFLA_BRPORT_MODE, 1);
    mnl_attr_nest_end(h, data);
    mnl_attr_nest_end(h, info);
    link_batch_add(b, h);
}

int link_add_veth(struct link_socket *s, const char *name, const uint8_t mac[6],
                  const char *peer_name, int peer_netns_fd, const uint8_t peer_mac[6],
                  int master_index, struct error *err)
{
    struct link_batch b;
    link_batch_init(&b, s);
    struct nlmsghdr *h = put_link(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, name, 0,
                                  "add a veth pair");
    struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    m->ifi_flags = m->ifi_change = IFF_UP;
    if (mac)
        mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
    if (master_index > 0)
        mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)master_index);
    struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
    mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
    struct nlattr *peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
    struct ifinfomsg *pm = mnl_nlmsg_put_extra_header(h, sizeof(*pm));
    pm->ifi_family = AF_UNSPEC;
    mnl_attr_put_strz(h, IFLA_IFNAME, peer_name);
    if (peer_mac)
        mnl_attr_put(h, IFLA_ADDRESS, 6, peer_mac);
    if (peer_netns_fd >= 0)
        mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)peer_netns_fd);
    mnl_attr_nest_end(h, peer);
    mnl_attr_nest_end(h, data);
    mnl_attr_nest_end(h, info);
    link_batch_add(&b, h);
    if (master_index > 0)
        put_hairpin(&b, name);
    if (link_batch_run(&b, err) < 0)
        return wrap(err, "veth '%s'", name);
    return 0;
}

int link_delete(struct link_socket *s, const char *name, struct error *err)
{
    struct link_batch b;
    link_batch_init(&b, s);
    link_batch_add(&b, put_link(&b, RTM_DELLINK, 0, 0, name, 0, "delete an interface"));
    if (link_batch_run(&b, err) < 0)
        return wrap(err, "interface '%s'", name);
    return 0;
}

static void put_up(struct link_batch *b, int index, const char *name, bool up)
{
    struct nlmsghdr *h =
        put_link(b, RTM_NEWLINK, 0, index, name, 0, "set an interface up");
    struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    m->ifi_change = IFF_UP;
    m->ifi_flags = up ? IFF_UP : 0;
    link_batch_add(b, h);
}

int link_set_up(struct link_socket *s, int index, bool up, struct error *err)
{
    struct link_batch b;
    link_batch_init(&b, s);
    put_up(&b, index, NULL, up);
    return link_batch_run(&b, err);
}

/* --- addresses and routes --- */

static void put_address(struct link_batch *b, int index, uint32_t address_be,
                        int prefix_len)
{
    struct nlmsghdr *h = link_batch_next(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, 0,
                                         "add an address");
    struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ifa_family = AF_INET;
    m->ifa_prefixlen = (uint8_t)prefix_len;
    m->ifa_scope = RT_SCOPE_UNIVERSE;
    m->ifa_index = (uint32_t)index;
    mnl_attr_put_u32(h, IFA_LOCAL, address_be);
    mnl_attr_put_u32(h, IFA_ADDRESS, address_be);
    if (prefix_len < 31)
        mnl_attr_put_u32(h, IFA_BROADCAST,
                         address_be |
                             htonl((uint32_t)(UINT64_C(0xffffffff) >> prefix_len)));
    link_batch_add(b, h);
}

int link_add_address(struct link_socket *s, int index, uint32_t address_be,
                     int prefix_len, struct error *err)
{
    struct link_batch b;
    link_batch_init(&b, s);
    put_address(&b, index, address_be, prefix_len);
    return link_batch_run(&b, err);
}

static struct rtmsg *put_route(struct link_batch *b, uint16_t type, uint16_t flags,
                               uint32_t dest_be, int prefix_len, int out_index,
                               int tolerated, struct nlmsghdr **ret)
{
    struct nlmsghdr *h =
        link_batch_next(b, type, flags, tolerated,
                        type == RTM_NEWROUTE ? "add a route" : "delete a route");
    struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->rtm_family = AF_INET;
    m->rtm_dst_len = (uint8_t)prefix_len;
    m->rtm_table = RT_TABLE_MAIN;
    if (prefix_len > 0)
        mnl_attr_put_u32(h, RTA_DST, dest_be);
    if (out_index > 0)
        mnl_attr_put_u32(h, RTA_OIF, (uint32_t)out_index);
    *ret = h;
    return m;
}

static void put_new_route(struct link_batch *b, uint32_t dest_be, int prefix_len,
                          uint32_t gateway_be, int out_index, bool onlink)
{
    struct nlmsghdr *h;
    struct rtmsg *m = put_route(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, dest_be,
                                prefix_len, out_index, 0, &h);
    m->rtm_protocol = RTPROT_STATIC;
    m->rtm_type = RTN_UNICAST;
    m->rtm_scope = gateway_be ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    if (onlink)
        m->rtm_flags = RTNH_F_ONLINK;
    if (gateway_be)
        mnl_attr_put_u32(h, RTA_GATEWAY, gateway_be);
    link_batch_add(b, h);
}

int link_add_route(struct link_socket *s, uint32_t dest_be, int prefix_len,
                   uint32_t gateway_be, int out_index, bool onlink, struct error *err)
{
    struct link_batch b;
    link_batch_init(&b, s);
    put_new_route(&b, dest_be, prefix_len, gateway_be, out_index, onlink);
    return link_batch_run(&b, err);
}

int link_delete_route(struct link_socket *s, uint32_t dest_be, int prefix_len,
                      int out_index, struct error *err)
{
    struct link_batch b;
    struct nlmsghdr *h;
    link_batch_init(&b, s);
    struct rtmsg *m =
        put_route(&b, RTM_DELROUTE, 0, dest_be, prefix_len, out_index, 0, &h);
    m->rtm_scope = RT_SCOPE_NOWHERE;
    link_batch_add(&b, h);
    return link_batch_run(&b, err);
}

int link_configure(struct link_socket *s, const char *name, uint32_t address_be,
                   int prefix_len, uint32_t gateway_be, struct error *err)
{
    int index = 0;
    int r = link_index(s, name, &index, err);
    if (r < 0)
        return r;
    struct link_batch b;
    link_batch_init(&b, s);
    put_up(&b, 0, "lo", true);
    put_up(&b, index, NULL, true);
    put_address(&b, index, address_be, prefix_len);
    if (gateway_be)
        put_new_route(&b, 0, 0, gateway_be, index, false);
    if (link_batch_run(&b, err) < 0)
        return wrap(err, "interface '%s'", name);
    return 0;
}

/* --- dumps --- */

int link_dump(struct link_socket *s, uint16_t type, size_t header_bytes, uint8_t family,
              void (*each)(void *arg, const struct nlmsghdr *h), void *arg,
              struct error *err)
{
    char buf[RECEIVE_BYTES] __attribute__((aligned(8)));
    memset(buf, 0, 512);
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    h->nlmsg_seq = s->seq++;
    uint8_t *m = mnl_nlmsg_put_extra_header(h, header_bytes);
    m[0] = family;
    if (send(s->fd, h, h->nlmsg_len, 0) < 0)
        return fail_errno(err, errno, "send to rtnetlink");
    for (;;) {
        ssize_t n = recv(s->fd, buf, sizeof(buf), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_errno(err, errno, "receive from rtnetlink");
        int left = (int)n;
        for (h = (void *)buf; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR)
                return fail(err, E_IO, "rtnetlink refused a dump");
            each(arg, h);
        }
    }
}

struct route_visit {
    void (*each)(void *arg, uint32_t dest_be, int prefix_len, int out_index);
    void *arg;
};

static void visit_route(void *arg, const struct nlmsghdr *h)
{
    const struct route_visit *v = arg;
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    uint32_t dest = 0;
    int out = 0;
    const struct nlattr *attr;
    if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_family != AF_INET ||
        m->rtm_table != RT_TABLE_MAIN)
        return;
    EACH_ATTRIBUTE(attr, h, sizeof(*m))
    {
        if (mnl_attr_get_type(attr) == RTA_DST)
            dest = mnl_attr_get_u32(attr);
        else if (mnl_attr_get_type(attr) == RTA_OIF)
            out = (int)mnl_attr_get_u32(attr);
    }
    v->each(v->arg, dest, m->rtm_dst_len, out);
}

int link_each_route(struct link_socket *s,
                    void (*each)(void *arg, uint32_t dest_be, int prefix_len,
                                 int out_index),
                    void *arg, struct error *err)
{
    struct route_visit v = {each, arg};
    return link_dump(s, RTM_GETROUTE, sizeof(struct rtmsg), AF_INET, visit_route, &v,
                     err);
}

struct link_visit {
    void (*each)(void *arg, const char *name, int index);
    void *arg;
};

static void visit_link(void *arg, const struct nlmsghdr *h)
{
    const struct link_visit *v = arg;
    const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *attr;
    if (h->nlmsg_type != RTM_NEWLINK)
        return;
    EACH_ATTRIBUTE(attr, h, sizeof(*m))
    if (mnl_attr_get_type(attr) == IFLA_IFNAME)
        v->each(v->arg, mnl_attr_get_str(attr), m->ifi_index);
}

int link_each(struct link_socket *s, void (*each)(void *arg, const char *name, int index),
              void *arg, struct error *err)
{
    struct link_visit v = {each, arg};
    return link_dump(s, RTM_GETLINK, sizeof(struct ifinfomsg), AF_UNSPEC, visit_link, &v,
                     err);
}

static void take_stats(void *arg, const struct nlmsghdr *h)
{
    struct net_stats *st = arg;
    const struct nlattr *attr;
    EACH_ATTRIBUTE(attr, h, sizeof(struct ifinfomsg))
    {
        if (mnl_attr_get_type(attr) != IFLA_STATS64 ||
            mnl_attr_get_payload_len(attr) < sizeof(uint64_t) * 8)
            continue;
        struct rtnl_link_stats64 k = {0};
        size_t n = mnl_attr_get_payload_len(attr);
        memcpy(&k, mnl_attr_get_payload(attr), n < sizeof(k) ? n : sizeof(k));
        *st = (struct net_stats){.rx_bytes = k.rx_bytes,
                                 .tx_bytes = k.tx_bytes,
                                 .rx_packets = k.rx_packets,
                                 .tx_packets = k.tx_packets,
                                 .rx_dropped = k.rx_dropped,
                                 .tx_dropped = k.tx_dropped,
                                 .rx_errors = k.rx_errors,
                                 .tx_errors = k.tx_errors};
    }
}

int link_stats(struct link_socket *s, const char *name, struct net_stats *ret,
               struct error *err)
{
    return link_get(s, name, take_stats, ret, err);
}
