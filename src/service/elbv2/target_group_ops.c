/* CreateTargetGroup, DescribeTargetGroups, ModifyTargetGroup, DeleteTargetGroup. */
#include "target_group_ops.h"

#include <stdlib.h>
#include <string.h>

#include "elb_page.h"
#include "elb_tags.h"

static bool is_http(enum elbv2_protocol_enum p)
{
    return p == ELBV2_PROTOCOL_ENUM_HTTP || p == ELBV2_PROTOCOL_ENUM_HTTPS;
}

/* ---- health checks ---- */

/* "200", "200,202", "200-299", each within the range. */
static bool matcher_valid(const char *text, int min, int max)
{
    const char *p = text;
    for (;;) {
        char *end;
        long low = strtol(p, &end, 10), high = low;
        if (end == p ||
            (*end == '-' && (p = end + 1, high = strtol(p, &end, 10), end == p)))
            return false;
        if (low < min || high > max || low > high)
            return false;
        if (!*end)
            return true;
        if (*end != ',')
            return false;
        p = end + 1;
    }
}

static int matcher_check(struct call *c, const struct elbv2_target_group *g)
{
    bool network = !is_http(g->protocol);
    const char *http = g->matcher ? g->matcher->http_code : NULL,
               *grpc = g->matcher ? g->matcher->grpc_code : NULL;
    if (http && !matcher_valid(http, 200, network ? 599 : 499))
        return elb_invalid(c,
                           "Health check matcher HTTP code '%s' must be within '200-%d'",
                           http, network ? 599 : 499);
    if (grpc && !matcher_valid(grpc, 0, 99))
        return elb_invalid(c, "Health check matcher gRPC code '%s' must be within '0-99'",
                           grpc);
    return 0;
}

static void health_defaults(struct arena *a, struct elbv2_target_group *g)
{
    bool network = !is_http(g->protocol);
    if (!g->health_check_protocol)
        g->health_check_protocol = network ? ELBV2_PROTOCOL_ENUM_TCP : g->protocol;
    bool http = is_http(g->health_check_protocol);
    bool grpc = streq(g->protocol_version, "GRPC");
    if (!g->health_check_enabled.set)
        g->health_check_enabled = SET_BOOL(true);
    if (!g->health_check_port)
        g->health_check_port = "traffic-port";
    if (!g->health_check_interval_seconds.set)
        g->health_check_interval_seconds = SET_INT(30);
    if (!g->health_check_timeout_seconds.set)
        g->health_check_timeout_seconds = SET_INT(http && !network ? 5 : http ? 6 : 10);
    if (!g->healthy_threshold_count.set)
        g->healthy_threshold_count = SET_INT(5);
    if (!g->unhealthy_threshold_count.set)
        g->unhealthy_threshold_count = SET_INT(2);
    if (!http)
        return;
    if (!g->health_check_path)
        g->health_check_path = grpc ? "/AWS.ALB/healthcheck" : "/";
    if (!g->matcher) {
        g->matcher = arena_new(a, struct elbv2_matcher);
        if (grpc)
            g->matcher->grpc_code = "12";
        else
            g->matcher->http_code = network ? "200-399" : "200";
    }
}

static int health_check(struct call *c, const struct elbv2_target_group *g)
{
    bool network = !is_http(g->protocol), http = is_http(g->health_check_protocol);
    int64_t port;
    if (!network && !http)
        return elb_invalid(
            c,
            "Health check protocol '%s' is not supported for target "
            "groups of the protocols HTTP and HTTPS",
            wire_enum_name(&elbv2_protocol_enum_shape, (int)g->health_check_protocol));
    if (network && !http && g->health_check_protocol != ELBV2_PROTOCOL_ENUM_TCP)
        return elb_invalid(c, "Health check protocol must be HTTP, HTTPS or TCP");
    if (!http && (g->health_check_path || g->matcher))
        return elb_invalid(c,
                           "Health check paths and matchers are only for the protocols "
                           "HTTP and HTTPS");
    if (!streq(g->health_check_port, "traffic-port") &&
        !str_to_i64(g->health_check_port, 1, 65535, &port))
        return elb_invalid(c,
                           "Health check port '%s' must be 'traffic-port' or between 1 "
                           "and 65535",
                           g->health_check_port);
    if (g->health_check_path && *g->health_check_path != '/')
        return elb_invalid(c, "Health check path '%s' must begin with a '/' character",
                           g->health_check_path);
    if (g->health_check_timeout_seconds.v >= g->health_check_interval_seconds.v)
        return elb_invalid(c,
                           "Health check timeout '%d' must be smaller than the interval "
                           "'%d'",
                           (int)g->health_check_timeout_seconds.v,
                           (int)g->health_check_interval_seconds.v);
    return matcher_check(c, g);
}

/* ---- CreateTargetGroup ---- */

static struct target_group *named(struct core *core, const struct ec2_scope *s,
                                  const char *name)
{
    const char *prefix = arena_printf(
        core_scratch(core), "%s/", elb_key(core_scratch(core), "target-group", s, name));
    return table_next(elbv2_of(core)->groups, prefix, prefix);
}

static int offered(struct call *c, const struct elbv2_create_target_group_input *in)
{
    if (in->target_type == ELBV2_TARGET_TYPE_ENUM_LAMBDA ||
        in->target_type == ELBV2_TARGET_TYPE_ENUM_ALB)
        return elb_invalid(
            c,
            "Target type '%s' is not offered by this gantry: use "
            "'instance' or 'ip'.",
            wire_enum_name(&elbv2_target_type_enum_shape, (int)in->target_type));
    if (!in->protocol || !in->port.set || !in->vpc_id)
        return elb_invalid(c, "A protocol, a port and a VPC must be specified");
    if (!is_http(in->protocol) && in->protocol != ELBV2_PROTOCOL_ENUM_TCP &&
        in->protocol != ELBV2_PROTOCOL_ENUM_TLS)
        return call_fault(c, &elbv2_unsupported_protocol_exception,
                          "Protocol '%s' is not offered by this gantry.",
                          wire_enum_name(&elbv2_protocol_enum_shape, (int)in->protocol));
    if (in->ip_address_type == ELBV2_TARGET_GROUP_IP_ADDRESS_TYPE_ENUM_IPV6)
        return elb_invalid(c, "IP address type ipv6 is not offered by this gantry.");
    if (in->protocol_version && !is_http(in->protocol))
        return elb_invalid(c, "Protocol versions are only for the protocols HTTP and "
                              "HTTPS");
    if (in->protocol_version && !streq(in->protocol_version, "HTTP1") &&
        !streq(in->protocol_version, "HTTP2") && !streq(in->protocol_version, "GRPC"))
        return elb_invalid(c, "Protocol version '%s' must be HTTP1, HTTP2 or GRPC",
                           in->protocol_version);
    return 0;
}

static void group_fill(struct arena *a, const struct elbv2_create_target_group_input *in,
                       struct elbv2_target_group *g)
{
    *g = (struct elbv2_target_group){
        .target_group_name = in->name,
        .protocol = in->protocol,
        .port = in->port,
        .vpc_id = in->vpc_id,
        .health_check_enabled = in->health_check_enabled,
        .health_check_protocol = in->health_check_protocol,
        .health_check_port = in->health_check_port,
        .health_check_interval_seconds = in->health_check_interval_seconds,
        .health_check_timeout_seconds = in->health_check_timeout_seconds,
        .healthy_threshold_count = in->healthy_threshold_count,
        .unhealthy_threshold_count = in->unhealthy_threshold_count,
        .health_check_path = in->health_check_path,
        .matcher = in->matcher,
        .target_type =
            in->target_type ? in->target_type : ELBV2_TARGET_TYPE_ENUM_INSTANCE,
        .protocol_version = is_http(in->protocol)
                                ? (in->protocol_version ? in->protocol_version : "HTTP1")
                                : NULL,
        .ip_address_type = ELBV2_TARGET_GROUP_IP_ADDRESS_TYPE_ENUM_IPV4,
    };
    health_defaults(a, g);
}

/* All but what is set later: name, ARN, users. */
static bool same(struct arena *a, const struct elbv2_target_group *have,
                 const struct elbv2_target_group *want)
{
    AUTO_STR x = STR_INIT, y = STR_INIT;
    struct elbv2_target_group plain = *have;
    plain.target_group_arn = NULL;
    plain.load_balancer_arns = want->load_balancer_arns;
    wire_json_encode(&x, &elbv2_target_group_shape, &plain);
    wire_json_encode(&y, &elbv2_target_group_shape, want);
    return streq(str_text(&x), str_text(&y));
}

/* Which load balancers use it, for a reply. */
static void view(struct call *c, const struct target_group *g,
                 struct elbv2_target_group *ret)
{
    *ret = *g->rec->target_group;
    ret->load_balancer_arns = (struct string_list){.set = true};
    if (g->uses == 0)
        return;
    struct elbv2 *e = elbv2_of(c->core);
    struct ec2_scope s = elb_scope(c);
    const char *prefix = elb_key(&c->arena, "rule", &s, ""), *after = prefix;
    for (struct rule *r; (r = table_next(e->rules, prefix, after)); after = r->o.key) {
        const char *lb = r->listener->rec->listener->load_balancer_arn;
        bool uses = false, listed = false;
        for (size_t i = 0; i < r->rec->rule->actions.n; i++) {
            const struct elbv2_forward_action_config *f =
                r->rec->rule->actions.v[i].forward_config;
            for (size_t k = 0; f && k < f->target_groups.n; k++)
                uses |= streq(f->target_groups.v[k].target_group_arn, group_arn(g));
        }
        for (size_t i = 0; i < ret->load_balancer_arns.n; i++)
            listed |= streq(ret->load_balancer_arns.v[i], lb);
        if (uses && !listed)
            *LIST_PUSH(&c->arena, &ret->load_balancer_arns) = lb;
    }
}

int elbv2_create_target_group(struct call *c,
                              const struct elbv2_create_target_group_input *in,
                              struct elbv2_create_target_group_output *out)
{
    char hex[17];
    struct ec2_scope s = elb_scope(c);
    struct elbv2_target_group want;
    if (elb_name_check(c, "Target group", in->name) < 0 || offered(c, in) < 0 ||
        elb_tags_check(c, &in->tags) < 0)
        return -1;
    if (!ec2_vpc_exists(c->core, &s, in->vpc_id))
        return elb_invalid(c, "The VPC ID '%s' is not found", in->vpc_id);
    group_fill(&c->arena, in, &want);
    if (health_check(c, &want) < 0)
        return -1;
    struct target_group *g = named(c->core, &s, in->name);
    if (g && !same(&c->arena, g->rec->target_group, &want))
        return call_fault(c, &elbv2_duplicate_target_group_name_exception,
                          "A target group with the same name '%s' exists, but with "
                          "different settings",
                          in->name);
    if (!g) {
        core_random_hex(c->core, hex, 16);
        const char *tail = call_printf(c, "%s/%s", in->name, hex);
        g = object_new(c->core, elbv2_of(c->core)->groups,
                       elb_key(&c->arena, "target-group", &s, tail));
        list_init(&g->targets);
        wake_init(&g->feed, group_feed);
        want.target_group_arn = elb_arn(&c->arena, &s, "targetgroup/%s", tail);
        g->rec->target_group = wire_copy(&g->o.arena, &elbv2_target_group_shape, &want);
        elb_tags_merge(&g->o.arena, &g->rec->tags, &in->tags);
        group_attributes_init(g);
        object_save(c->core, &g->o);
    }
    view(c, g, LIST_PUSH(&c->arena, &out->target_groups));
    return 0;
}

/* ---- DescribeTargetGroups ---- */

static bool of_balancer(const struct elbv2_target_group *g, const char *arn)
{
    for (size_t i = 0; i < g->load_balancer_arns.n; i++)
        if (streq(g->load_balancer_arns.v[i], arn))
            return true;
    return false;
}

int elbv2_describe_target_groups(struct call *c,
                                 const struct elbv2_describe_target_groups_input *in,
                                 struct elbv2_describe_target_groups_output *out)
{
    struct ec2_scope s = elb_scope(c);
    out->target_groups.set = true;
    for (size_t i = 0; i < in->target_group_arns.n; i++) {
        const struct target_group *g =
            target_group_require(c, in->target_group_arns.v[i]);
        if (!g)
            return -1;
        view(c, g, LIST_PUSH(&c->arena, &out->target_groups));
    }
    for (size_t i = 0; i < in->names.n; i++) {
        const struct target_group *g = named(c->core, &s, in->names.v[i]);
        if (!g)
            return call_fault(c, &elbv2_target_group_not_found_exception,
                              "One or more target groups not found");
        view(c, g, LIST_PUSH(&c->arena, &out->target_groups));
    }
    if (in->target_group_arns.n || in->names.n)
        return 0;
    if (in->load_balancer_arn && !balancer_require(c, in->load_balancer_arn))
        return -1;
    struct elb_page page;
    if (elb_page_start(c, elb_key(&c->arena, "target-group", &s, ""), in->marker,
                       in->page_size, &page) < 0)
        return -1;
    const struct target_group *g;
    while ((g = elb_page_next(c, &page, elbv2_of(c->core)->groups))) {
        struct elbv2_target_group x;
        view(c, g, &x);
        if (!in->load_balancer_arn || of_balancer(&x, in->load_balancer_arn))
            *LIST_PUSH(&c->arena, &out->target_groups) = x;
    }
    out->next_marker = page.next_marker;
    return 0;
}

/* ---- ModifyTargetGroup, DeleteTargetGroup ---- */

int elbv2_modify_target_group(struct call *c,
                              const struct elbv2_modify_target_group_input *in,
                              struct elbv2_modify_target_group_output *out)
{
    struct target_group *g = target_group_require(c, in->target_group_arn);
    if (!g)
        return -1;
    struct elbv2_target_group want = *g->rec->target_group;
    if (in->health_check_protocol)
        want.health_check_protocol = in->health_check_protocol;
    if (in->health_check_port)
        want.health_check_port = in->health_check_port;
    if (in->health_check_path)
        want.health_check_path = in->health_check_path;
    if (in->health_check_enabled.set)
        want.health_check_enabled = in->health_check_enabled;
    if (in->health_check_interval_seconds.set)
        want.health_check_interval_seconds = in->health_check_interval_seconds;
    if (in->health_check_timeout_seconds.set)
        want.health_check_timeout_seconds = in->health_check_timeout_seconds;
    if (in->healthy_threshold_count.set)
        want.healthy_threshold_count = in->healthy_threshold_count;
    if (in->unhealthy_threshold_count.set)
        want.unhealthy_threshold_count = in->unhealthy_threshold_count;
    if (in->matcher)
        want.matcher = in->matcher;
    if (!is_http(want.health_check_protocol)) { /* what another protocol had */
        want.health_check_path = in->health_check_path;
        want.matcher = in->matcher;
    }
    health_defaults(&c->arena, &want);
    if (health_check(c, &want) < 0)
        return -1;
    g->rec->target_group = wire_copy(&g->o.arena, &elbv2_target_group_shape, &want);
    object_save(c->core, &g->o);
    group_changed(c->core, g);
    view(c, g, LIST_PUSH(&c->arena, &out->target_groups));
    return 0;
}

int elbv2_delete_target_group(struct call *c,
                              const struct elbv2_delete_target_group_input *in,
                              struct elbv2_delete_target_group_output *out)
{
    if (!target_group_find(c->core, in->target_group_arn))
        return 0;
    struct target_group *g = target_group_require(c, in->target_group_arn);
    if (!g)
        return -1;
    if (g->uses > 0)
        return call_fault(c, &elbv2_resource_in_use_exception,
                          "Target group '%s' is currently in use by a listener or a rule",
                          in->target_group_arn);
    while (!list_empty(&g->targets))
        target_delete(c->core, list_entry(g->targets.next, struct target, link));
    const struct elbv2 *e = elbv2_of(c->core);
    if (g->told && e->edge_ops) /* its last listener went just now */
        e->edge_ops->targets_gone(e->edge_ctx, c->core, group_arn(g));
    object_delete(c->core, &g->o);
    return 0;
}
