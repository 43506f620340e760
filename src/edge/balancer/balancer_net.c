#include "balancer_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

#include "fd.h"
#include "link.h"
#include "netns.h"

#define FIRST_TABLE 100 /* of eth0; each interface has a table of its own */

/* ---- what every such namespace has ---- */

static const struct {
    const char *path, *value;
} settings[] = {
    {"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
    {"/proc/sys/net/ipv4/ip_local_port_range", "1024 65535"},
    {"/proc/sys/net/ipv4/tcp_tw_reuse", "1"},
    {"/proc/sys/net/core/somaxconn", "4096"},
};

static int write_setting(const char *path, const char *value, struct error *err)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", path);
    return fd_write_all(fd, value, strlen(value), err);
}

static int write_settings(struct error *err)
{
    int r = write_setting(settings[0].path, settings[0].value, err);
    for (size_t i = 1; i < sizeof(settings) / sizeof(settings[0]); i++)
        write_setting(settings[i].path, settings[i].value,
                      NULL); /* better with than without */
    return r;
}

/* ---- replies leave where requests came in ---- */

static int talk(struct nlmsghdr *m, struct error *err)
{
    char buf[8192];
    struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    int r = -1;
    m->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    m->nlmsg_seq = 1;
    if (s && mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0 &&
        mnl_socket_sendto(s, m, m->nlmsg_len) > 0) {
        ssize_t n = mnl_socket_recvfrom(s, buf, sizeof(buf));
        r = n > 0 ? mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(s), NULL, NULL)
                  : -1;
    }
    int e = errno;
    if (s)
        mnl_socket_close(s);
    return r < 0 && e != EEXIST ? fail_errno(err, e, "routes of an interface") : 0;
}

static int add_rule(uint32_t address_be, int table, struct error *err)
{
    char buf[512];
    struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
    m->nlmsg_type = RTM_NEWRULE;
    m->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
    struct fib_rule_hdr *h = mnl_nlmsg_put_extra_header(m, sizeof(*h));
    *h = (struct fib_rule_hdr){.family = AF_INET,
                               .src_len = 32,
                               .table = (uint8_t)table,
                               .action = FR_ACT_TO_TBL};
    mnl_attr_put_u32(m, FRA_SRC, address_be);
    mnl_attr_put_u32(m, FRA_PRIORITY, (uint32_t)table);
    return talk(m, err);
}

static int add_default(int index, int table, struct error *err)
{
    char buf[512];
    uint32_t gateway;
    inet_pton(AF_INET, VPC_GATEWAY, &gateway);
    struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
    m->nlmsg_type = RTM_NEWROUTE;
    m->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
    struct rtmsg *h = mnl_nlmsg_put_extra_header(m, sizeof(*h));
    *h = (struct rtmsg){.rtm_family = AF_INET,
                        .rtm_table = (uint8_t)table,
                        .rtm_protocol = RTPROT_STATIC,
                        .rtm_scope = RT_SCOPE_UNIVERSE,
                        .rtm_type = RTN_UNICAST,
                        .rtm_flags = RTNH_F_ONLINK};
    mnl_attr_put_u32(m, RTA_GATEWAY, gateway);
    mnl_attr_put_u32(m, RTA_OIF, (uint32_t)index);
    return talk(m, err);
}

static int route_back(int i, uint32_t address_be, struct error *err)
{
    char name[16];
    int index;
    AUTO_LINK link = {.fd = -1};
    snprintf(name, sizeof(name), "eth%d", i);
    int r = link_open(&link, err);
    if (r == 0)
        r = link_index(&link, name, &index, err);
    if (r == 0)
        r = add_default(index, FIRST_TABLE + i, err);
    return r < 0 ? r : add_rule(address_be, FIRST_TABLE + i, err);
}

/* ---- interfaces ---- */

static int parse_interface(const struct gantry_edge_interface *e,
                           struct vpc_interface *ret, struct error *err)
{
    unsigned m[6];
    struct in_addr address;
    if (!e->mac_address || !e->private_ip_address || !e->vpc_id ||
        !e->network_interface_id ||
        sscanf(e->mac_address, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4],
               &m[5]) != 6 ||
        inet_pton(AF_INET, e->private_ip_address, &address) != 1)
        return fail(err, E_INVALID, "an interface of the load balancer is incomplete");
    *ret = (struct vpc_interface){.vpc_id = e->vpc_id,
                                  .interface_id = e->network_interface_id,
                                  .address_be = address.s_addr};
    for (int i = 0; i < 6; i++)
        ret->mac[i] = (uint8_t)m[i];
    return 0;
}

static int attach(const struct vpc_place *place, const char *path, int i,
                  const struct gantry_edge_interface *e, struct error *err)
{
    static const char *const none[] = {NULL};
    char name[16];
    struct vpc_wiring w = {.netns_path = path,
                           .name = name,
                           .routes = i == 0 ? VPC_DEFAULT_ROUTE : VPC_OWN_ROUTES,
                           .cidrs = none};
    snprintf(name, sizeof(name), "eth%d", i);
    int r = parse_interface(e, &w.interface, err);
    if (r == 0)
        r = vpc_attach(place, &w, err);
    if (r < 0)
        return wrap(err, "interface '%s'", e->network_interface_id);
    int back;
    r = netns_enter(path, &back, err);
    if (r < 0)
        return r;
    r = route_back(i, w.interface.address_be, err);
    netns_leave(&back);
    if (r < 0)
        return r;
    r = vpc_interface_ready(place, &w.interface, 0, err);
    return r == -E_TIMEOUT
               ? fail(err, E_AGAIN, "rules of interface '%s' are not in force",
                      e->network_interface_id)
               : r;
}

int balancer_net_make(const struct vpc_place *place, const char *path,
                      const struct gantry_edge_interface_list *interfaces,
                      struct error *err)
{
    int back, r = netns_create(path, err);
    if (r == 0)
        r = netns_enter(path, &back, err);
    if (r < 0)
        return r;
    r = write_settings(err);
    netns_leave(&back);
    for (size_t i = 0; r == 0 && i < interfaces->n; i++)
        r = attach(place, path, (int)i, &interfaces->v[i], err);
    return r;
}

void balancer_net_remove(const struct vpc_place *place, const char *path,
                         const struct gantry_edge_interface_list *interfaces)
{
    struct error err = ERROR_INIT;
    for (size_t i = 0; interfaces && i < interfaces->n; i++)
        vpc_detach(place, interfaces->v[i].vpc_id, interfaces->v[i].network_interface_id,
                   &err);
    netns_delete(path, &err);
}
