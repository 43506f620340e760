#include "link_route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

static struct rtmsg *begin_route(struct link_batch *b, uint16_t type, uint16_t flags,
                                 int tolerated, const struct link_route *r,
                                 struct nlmsghdr **ret)
{
    struct nlmsghdr *h =
        link_batch_next(b, type, flags, tolerated,
                        type == RTM_NEWROUTE ? "add a route" : "delete a route");
    struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->rtm_family = AF_INET;
    m->rtm_dst_len = (uint8_t)r->prefix_len;
    m->rtm_table = RT_TABLE_UNSPEC;
    mnl_attr_put_u32(h, RTA_TABLE, r->table ? r->table : RT_TABLE_MAIN);
    if (r->prefix_len > 0)
        mnl_attr_put_u32(h, RTA_DST, r->dest_be);
    *ret = h;
    return m;
}

void link_put_route(struct link_batch *b, const struct link_route *r)
{
    struct nlmsghdr *h;
    struct rtmsg *m =
        begin_route(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, 0, r, &h);
    m->rtm_protocol = RTPROT_STATIC;
    m->rtm_type = r->kind == LINK_BLACKHOLE ? RTN_BLACKHOLE : RTN_UNICAST;
    m->rtm_scope =
        r->gateway_be || r->kind == LINK_BLACKHOLE ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    if (r->gateway_be) {
        m->rtm_flags = RTNH_F_ONLINK;
        mnl_attr_put_u32(h, RTA_GATEWAY, r->gateway_be);
    }
    if (r->out_index)
        mnl_attr_put_u32(h, RTA_OIF, (uint32_t)r->out_index);
    if (r->source_be)
        mnl_attr_put_u32(h, RTA_PREFSRC, r->source_be);
    link_batch_add(b, h);
}

void link_drop_route(struct link_batch *b, const struct link_route *r)
{
    struct nlmsghdr *h;
    struct rtmsg *m = begin_route(b, RTM_DELROUTE, 0, ESRCH, r, &h);
    m->rtm_scope = RT_SCOPE_NOWHERE;
    if (r->out_index)
        mnl_attr_put_u32(h, RTA_OIF, (uint32_t)r->out_index);
    link_batch_add(b, h);
}

static void rule(struct link_batch *b, uint16_t type, uint16_t flags, int tolerated,
                 const struct link_rule *r)
{
    struct nlmsghdr *h = link_batch_next(
        b, type, flags, tolerated,
        type == RTM_NEWRULE ? "add a rule of routing" : "delete a rule of routing");
    struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->family = AF_INET;
    m->src_len = (uint8_t)r->from_len;
    m->action = FR_ACT_TO_TBL;
    mnl_attr_put_u32(h, FRA_PRIORITY, r->priority);
    mnl_attr_put_u32(h, FRA_TABLE, r->table);
    if (r->from_len)
        mnl_attr_put_u32(h, FRA_SRC, r->from_be);
    link_batch_add(b, h);
}

void link_put_rule(struct link_batch *b, const struct link_rule *r)
{
    rule(b, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, EEXIST, r);
}

void link_drop_rule(struct link_batch *b, const struct link_rule *r)
{
    rule(b, RTM_DELRULE, 0, ENOENT, r);
}

void link_put_neighbour(struct link_batch *b, int index, uint32_t address_be,
                        const uint8_t mac[6])
{
    struct nlmsghdr *h = link_batch_next(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, 0,
                                         "add a neighbour");
    struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ndm_family = AF_INET;
    m->ndm_ifindex = index;
    m->ndm_state = NUD_PERMANENT;
    mnl_attr_put_u32(h, NDA_DST, address_be);
    mnl_attr_put(h, NDA_LLADDR, 6, mac);
    link_batch_add(b, h);
}

void link_put_address(struct link_batch *b, int index, uint32_t address_be)
{
    struct nlmsghdr *h = link_batch_next(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, 0,
                                         "add an address");
    struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ifa_family = AF_INET;
    m->ifa_prefixlen = 32;
    m->ifa_scope = RT_SCOPE_UNIVERSE;
    m->ifa_index = (uint32_t)index;
    mnl_attr_put_u32(h, IFA_LOCAL, address_be);
    mnl_attr_put_u32(h, IFA_ADDRESS, address_be);
    link_batch_add(b, h);
}

void link_put_up(struct link_batch *b, int index)
{
    struct nlmsghdr *h = link_batch_next(b, RTM_NEWLINK, 0, 0, "set an interface up");
    struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ifi_index = index;
    m->ifi_change = m->ifi_flags = IFF_UP;
    link_batch_add(b, h);
}

/* --- what is there --- */

struct visit {
    void (*route)(void *arg, const struct link_route *r);
    void (*rule)(void *arg, const struct link_rule *r);
    void *arg;
};

static void visit_route(void *arg, const struct nlmsghdr *h)
{
    const struct visit *v = arg;
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    struct link_route r = {.prefix_len = m->rtm_dst_len, .table = m->rtm_table};
    r.kind = m->rtm_type == RTN_BLACKHOLE ? LINK_BLACKHOLE : LINK_UNICAST;
    const struct nlattr *attr;
    EACH_ATTRIBUTE(attr, h, sizeof(*m))
    {
        switch (mnl_attr_get_type(attr)) {
        case RTA_DST:
            r.dest_be = mnl_attr_get_u32(attr);
            break;
        case RTA_GATEWAY:
            r.gateway_be = mnl_attr_get_u32(attr);
            break;
        case RTA_OIF:
            r.out_index = (int)mnl_attr_get_u32(attr);
            break;
        case RTA_TABLE:
            r.table = mnl_attr_get_u32(attr);
            break;
        case RTA_PREFSRC:
            r.source_be = mnl_attr_get_u32(attr);
            break;
        default:
            break;
        }
    }
    if (m->rtm_family == AF_INET && r.table != RT_TABLE_MAIN && r.table != RT_TABLE_LOCAL)
        v->route(v->arg, &r);
}

static void visit_rule(void *arg, const struct nlmsghdr *h)
{
    const struct visit *v = arg;
    const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
    struct link_rule r = {.from_len = m->src_len, .table = m->table};
    const struct nlattr *attr;
    EACH_ATTRIBUTE(attr, h, sizeof(*m))
    {
        if (mnl_attr_get_type(attr) == FRA_SRC)
            r.from_be = mnl_attr_get_u32(attr);
        else if (mnl_attr_get_type(attr) == FRA_TABLE)
            r.table = mnl_attr_get_u32(attr);
        else if (mnl_attr_get_type(attr) == FRA_PRIORITY)
            r.priority = mnl_attr_get_u32(attr);
    }
    if (m->family == AF_INET && r.table > 255)
        v->rule(v->arg, &r);
}

int link_each_table_route(struct link_socket *s,
                          void (*each)(void *arg, const struct link_route *r), void *arg,
                          struct error *err)
{
    struct visit v = {.route = each, .arg = arg};
    return link_dump(s, RTM_GETROUTE, sizeof(struct rtmsg), AF_INET, visit_route, &v,
                     err);
}

int link_each_rule(struct link_socket *s,
                   void (*each)(void *arg, const struct link_rule *r), void *arg,
                   struct error *err)
{
    struct visit v = {.rule = each, .arg = arg};
    return link_dump(s, RTM_GETRULE, sizeof(struct fib_rule_hdr), AF_INET, visit_rule, &v,
                     err);
}
