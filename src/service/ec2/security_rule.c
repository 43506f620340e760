/* Reading and writing of rules, see security_rule.h. */
#include "security_rule.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

#define DESCRIPTION_MAX 255

/* ---- words ---- */

bool ec2_plain_text(const char *text)
{
    for (const char *s = text; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr(" ._-:/()#,@[]+=&;{}!$*", *s))
            return false;
    return strlen(text) <= DESCRIPTION_MAX;
}

int rule_description_check(struct call *c, const char *text)
{
    return !text || ec2_plain_text(text)
               ? 0
               : ec2_fault(
                     c, "InvalidParameterValue",
                     "Invalid rule description. Valid descriptions are strings less "
                     "than 256 characters from the following set: a-zA-Z0-9. "
                     "_-:/()#,@[]+=&;{}!$*");
}

/* ---- protocols and ports ---- */

static const char *protocol_read(struct call *c, const char *text)
{
    static const struct {
        int64_t number;
        const char *name;
    } known[] = {{-1, "-1"}, {1, "icmp"}, {6, "tcp"}, {17, "udp"}, {58, "icmpv6"}};
    int64_t n;
    bool number = text && str_to_i64(text, -1, 255, &n);
    for (size_t i = 0; text && i < sizeof(known) / sizeof(known[0]); i++)
        if (number ? n == known[i].number : strcasecmp(text, known[i].name) == 0)
            return known[i].name;
    if (number)
        return call_printf(c, "%d", (int)n);
    if (text && strcasecmp(text, "all") == 0)
        return "-1";
    if (str_empty(text))
        ec2_fault(c, "MissingParameter",
                  "The request must contain the parameter IpProtocol");
    else
        ec2_fault(c, "InvalidParameterValue",
                  "Invalid value '%s' for IP protocol. Unknown protocol.", text);
    return NULL;
}

static int ports_tcp(struct call *c, const struct ec2_security_group_rule *r)
{
    if (!r->from_port.set || !r->to_port.set)
        return ec2_fault(c, "InvalidParameterValue",
                         "Invalid value 'Must specify both from and to ports with "
                         "TCP/UDP.' for portRange.");
    if (r->from_port.v < 0 || r->to_port.v > 65535 || r->from_port.v > r->to_port.v)
        return ec2_fault(c, "InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)",
                         (int)r->from_port.v, (int)r->to_port.v);
    return 0;
}

static int ports_icmp(struct call *c, struct ec2_security_group_rule *r)
{
    if (!r->from_port.set)
        r->from_port = SET_INT(-1);
    if (!r->to_port.set)
        r->to_port = SET_INT(-1);
    bool type_ok = r->from_port.v >= -1 && r->from_port.v <= 255,
         code_ok = r->to_port.v >= -1 && r->to_port.v <= 255 &&
                   (r->from_port.v != -1 || r->to_port.v == -1);
    return type_ok && code_ok ? 0
                              : ec2_fault(c, "InvalidParameterValue",
                                          "ICMP code (%d) of type (%d) is "
                                          "not valid",
                                          (int)r->to_port.v, (int)r->from_port.v);
}

static int protocol_fill(struct call *c, const char *protocol, struct opt_int from,
                         struct opt_int to, struct ec2_security_group_rule *ret)
{
    if (!(ret->ip_protocol = protocol_read(c, protocol)))
        return -1;
    ret->from_port = from;
    ret->to_port = to;
    if (streq(ret->ip_protocol, "tcp") || streq(ret->ip_protocol, "udp"))
        return ports_tcp(c, ret);
    if (str_starts(ret->ip_protocol, "icmp"))
        return ports_icmp(c, ret);
    ret->from_port = ret->to_port = SET_INT(-1); /* there ports mean nothing */
    return 0;
}

/* ---- sources ---- */

static int malformed(struct call *c, const char *cidr)
{
    return ec2_fault(c, "InvalidParameterValue", "CIDR block %s is malformed",
                     cidr ? cidr : "");
}

static int ipv4_read(struct call *c, const char *text, const char **ret)
{
    struct cidr cidr;
    if (!text || !cidr_parse(text, &cidr))
        return malformed(c, text);
    *ret = cidr_text(&c->arena, cidr);
    return 0;
}

/* In its shortest form, without bits behind the prefix. */
static int ipv6_read(struct call *c, const char *text, const char **ret)
{
    struct in6_addr at;
    char shown[INET6_ADDRSTRLEN];
    int64_t prefix;
    const char *slash = text ? strchr(text, '/') : NULL;
    if (!slash || !str_to_i64(slash + 1, 0, 128, &prefix) ||
        inet_pton(AF_INET6, arena_strndup(&c->arena, text, (size_t)(slash - text)),
                  &at) != 1)
        return malformed(c, text);
    for (int bit = (int)prefix; bit < 128; bit++)
        at.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    inet_ntop(AF_INET6, &at, shown, sizeof(shown));
    *ret = call_printf(c, "%s/%d", shown, (int)prefix);
    return 0;
}

static int group_read(struct call *c, const struct security_group *of, const char *id,
                      const char *name, const char *owner,
                      struct ec2_referenced_security_group **ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    const struct security_group *g =
        id ? security_group_find(c->core, &s, id) : security_group_named(of->vpc, name);
    if (!g || g->vpc != of->vpc || (owner && !streq(owner, s.account)))
        return ec2_fault(c, "InvalidGroup.NotFound",
                         "The security group '%s' does not exist%s", id ? id : name,
                         g ? " in the VPC of the group" : "");
    *ret = arena_new(&c->arena, struct ec2_referenced_security_group);
    (*ret)->group_id = security_group_id(g);
    (*ret)->user_id = g->rec->group->owner_id;
    return 0;
}

/* ---- permissions to rules ---- */

struct reading {
    struct call *c;
    const struct security_group *g;
    struct ec2_security_group_rule head; /* what all rules of the permission have */
    struct ec2_security_group_rule_list *to;
};

static struct ec2_security_group_rule *rule_begin(struct reading *x, const char *text)
{
    if (rule_description_check(x->c, text) < 0)
        return NULL;
    struct ec2_security_group_rule *r = LIST_PUSH(&x->c->arena, x->to);
    *r = x->head;
    r->description = str_empty(text) ? NULL : text;
    return r;
}

static int read_pair(struct reading *x, const struct ec2_user_id_group_pair *p)
{
    struct ec2_security_group_rule *r = rule_begin(x, p->description);
    if (!r)
        return -1;
    if (p->vpc_peering_connection_id)
        return ec2_refuse(x->c, "VPC peering is");
    if (str_empty(p->group_id) && str_empty(p->group_name))
        return ec2_fault(x->c, "MissingParameter",
                         "The request must contain the parameter groupId or groupName");
    return group_read(x->c, x->g, p->group_id, p->group_name, p->user_id,
                      &r->referenced_group_info);
}

static int read_permission(struct reading *x, const struct ec2_ip_permission *p)
{
    struct ec2_security_group_rule *r;
    if (protocol_fill(x->c, p->ip_protocol, p->from_port, p->to_port, &x->head) < 0)
        return -1;
    if (p->prefix_list_ids.n)
        return ec2_refuse(x->c, "Prefix lists in security group rules are");
    if (p->ip_ranges.n + p->ipv6_ranges.n + p->user_id_group_pairs.n == 0)
        return ec2_fault(
            x->c, "MissingParameter",
            "A permission must have at least one of ipRanges, ipv6Ranges and "
            "userIdGroupPairs");
    for (size_t i = 0; i < p->ip_ranges.n; i++)
        if (!(r = rule_begin(x, p->ip_ranges.v[i].description)) ||
            ipv4_read(x->c, p->ip_ranges.v[i].cidr_ip, &r->cidr_ipv4) < 0)
            return -1;
    for (size_t i = 0; i < p->ipv6_ranges.n; i++)
        if (!(r = rule_begin(x, p->ipv6_ranges.v[i].description)) ||
            ipv6_read(x->c, p->ipv6_ranges.v[i].cidr_ipv6, &r->cidr_ipv6) < 0)
            return -1;
    for (size_t i = 0; i < p->user_id_group_pairs.n; i++)
        if (read_pair(x, &p->user_id_group_pairs.v[i]) < 0)
            return -1;
    return 0;
}

int rules_of_permissions(struct call *c, const struct security_group *g, bool egress,
                         const struct ec2_ip_permission_list *in,
                         struct ec2_security_group_rule_list *ret)
{
    struct reading x = {.c = c, .g = g, .to = ret};
    x.head.is_egress = SET_BOOL(egress);
    for (size_t i = 0; i < in->n; i++)
        if (read_permission(&x, &in->v[i]) < 0)
            return -1;
    for (size_t i = 0; i < ret->n; i++)
        for (size_t k = 0; k < i; k++)
            if (rule_same(&ret->v[i], &ret->v[k]))
                return ec2_fault(c, "InvalidParameterValue",
                                 "The same permission must not appear multiple times");
    return 0;
}

static bool has_source(const struct ec2_security_group_rule_request *in)
{
    return in->cidr_ipv4 || in->cidr_ipv6 || in->referenced_group_id;
}

int rule_modified(struct call *c, const struct security_group *g,
                  const struct ec2_security_group_rule *now,
                  const struct ec2_security_group_rule_request *in,
                  struct ec2_security_group_rule *ret)
{
    *ret = *now;
    if (in->prefix_list_id)
        return ec2_refuse(c, "Prefix lists in security group rules are");
    if (rule_description_check(c, in->description) < 0)
        return -1;
    ret->description = str_empty(in->description) ? NULL : in->description;
    if (!in->ip_protocol && (in->from_port.set || in->to_port.set || has_source(in)))
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter IpProtocol");
    if (in->ip_protocol &&
        protocol_fill(c, in->ip_protocol, in->from_port, in->to_port, ret) < 0)
        return -1;
    if (!has_source(in))
        return 0;
    if (!!in->cidr_ipv4 != !!now->cidr_ipv4 || !!in->cidr_ipv6 != !!now->cidr_ipv6 ||
        !!in->referenced_group_id != !!now->referenced_group_info)
        return ec2_fault(c, "InvalidParameterValue",
                         "A rule has one source, and its type can't be changed.");
    if (in->cidr_ipv4)
        return ipv4_read(c, in->cidr_ipv4, &ret->cidr_ipv4);
    if (in->cidr_ipv6)
        return ipv6_read(c, in->cidr_ipv6, &ret->cidr_ipv6);
    return group_read(c, g, in->referenced_group_id, NULL, NULL,
                      &ret->referenced_group_info);
}

/* ---- rules ---- */

static const char *group_of(const struct ec2_security_group_rule *r)
{
    return r->referenced_group_info ? r->referenced_group_info->group_id : NULL;
}

static bool same_ports(const struct ec2_security_group_rule *a,
                       const struct ec2_security_group_rule *b)
{
    return streq(a->ip_protocol, b->ip_protocol) && a->from_port.v == b->from_port.v &&
           a->to_port.v == b->to_port.v;
}

bool rule_same(const struct ec2_security_group_rule *a,
               const struct ec2_security_group_rule *b)
{
    return a->is_egress.v == b->is_egress.v && same_ports(a, b) &&
           streq(a->cidr_ipv4, b->cidr_ipv4) && streq(a->cidr_ipv6, b->cidr_ipv6) &&
           streq(group_of(a), group_of(b));
}

const char *rule_text(struct arena *a, const struct ec2_security_group_rule *r)
{
    const char *peer = r->cidr_ipv4 ? r->cidr_ipv4 : r->cidr_ipv6;
    char *protocol =
        arena_strdup(a, streq(r->ip_protocol, "-1") ? "all" : r->ip_protocol);
    for (char *s = protocol; *s; s++)
        *s = (char)toupper((unsigned char)*s);
    return arena_printf(a, "peer: %s, %s, from port: %d, to port: %d, ALLOW",
                        peer ? peer : group_of(r), protocol, (int)r->from_port.v,
                        (int)r->to_port.v);
}

/* ---- rules to permissions ---- */

static struct ec2_ip_permission *permission_for(struct arena *a,
                                                const struct ec2_security_group_rule *r,
                                                struct ec2_ip_permission_list *to)
{
    bool ports = r->from_port.v != -1 || str_starts(r->ip_protocol, "icmp");
    for (size_t i = 0; i < to->n; i++) {
        const struct ec2_ip_permission *p = &to->v[i];
        if (streq(p->ip_protocol, r->ip_protocol) &&
            (!ports ||
             (p->from_port.v == r->from_port.v && p->to_port.v == r->to_port.v)))
            return &to->v[i];
    }
    struct ec2_ip_permission *p = LIST_PUSH(a, to);
    p->ip_protocol = r->ip_protocol;
    if (ports) {
        p->from_port = r->from_port;
        p->to_port = r->to_port;
    }
    p->ip_ranges.set = p->ipv6_ranges.set = p->prefix_list_ids.set =
        p->user_id_group_pairs.set = true;
    return p;
}

void permissions_of_rules(struct arena *a,
                          const struct ec2_security_group_rule_list *rules, bool egress,
                          struct ec2_ip_permission_list *ret)
{
    ret->set = true;
    for (size_t i = 0; i < rules->n; i++) {
        const struct ec2_security_group_rule *r = &rules->v[i];
        if (r->is_egress.v != egress)
            continue;
        struct ec2_ip_permission *p = permission_for(a, r, ret);
        if (r->cidr_ipv4) {
            *LIST_PUSH(a, &p->ip_ranges) = (struct ec2_ip_range){
                .cidr_ip = r->cidr_ipv4, .description = r->description};
        } else if (r->cidr_ipv6) {
            *LIST_PUSH(a, &p->ipv6_ranges) = (struct ec2_ipv6_range){
                .cidr_ipv6 = r->cidr_ipv6, .description = r->description};
        } else {
            *LIST_PUSH(a, &p->user_id_group_pairs) = (struct ec2_user_id_group_pair){
                .group_id = group_of(r),
                .user_id = r->referenced_group_info->user_id,
                .description = r->description,
            };
        }
    }
}
