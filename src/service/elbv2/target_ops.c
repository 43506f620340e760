/* RegisterTargets, DeregisterTargets, DescribeTargetHealth. */
#include "target_group_ops.h"

static int32_t port_of(const struct target_group *g,
                       const struct elbv2_target_description *t)
{
    return t->port.set ? t->port.v : g->rec->target_group->port.v;
}

/* The same target stands further up in the call. */
static bool named_before(const struct target_group *g,
                         const struct elbv2_register_targets_input *in, size_t at)
{
    const struct elbv2_target_description *x = &in->targets.v[at];
    for (size_t i = 0; i < at; i++)
        if (streq(in->targets.v[i].id, x->id) &&
            port_of(g, &in->targets.v[i]) == port_of(g, x))
            return true;
    return false;
}

int elbv2_register_targets(struct call *c, const struct elbv2_register_targets_input *in,
                           struct elbv2_register_targets_output *out)
{
    struct target_group *g = target_group_require(c, in->target_group_arn);
    struct error err;
    if (!g)
        return -1;
    if (in->targets.n == 0)
        return elb_invalid(c, "At least one target must be specified");
    size_t fresh = 0;
    for (size_t i = 0; i < in->targets.n; i++) {
        struct elbv2_target x = {group_arn(g), in->targets.v[i].id,
                                 port_of(g, &in->targets.v[i])};
        fresh += !target_find(c->core, g, x.id, x.port) && !named_before(g, in, i);
        int r = target_may_register(c->core, g, &x, &err);
        if (r == -E_FULL)
            return call_fault(c, &elbv2_too_many_targets_exception, "%s", err.text);
        if (r < 0)
            return call_fault(c, &elbv2_invalid_target_exception, "%s", err.text);
    }
    if (g->target_count + fresh > TARGETS_MAX)
        return call_fault(c, &elbv2_too_many_targets_exception,
                          "A target group can have at most %d targets", TARGETS_MAX);
    for (size_t i = 0; i < in->targets.n; i++) {
        struct elbv2_target x = {group_arn(g), in->targets.v[i].id,
                                 port_of(g, &in->targets.v[i])};
        if (elbv2_target_register(c->core, &x, &err) < 0)
            continue; /* was checked above */
        struct target *t = target_find(c->core, g, x.id, x.port);
        t->rec->explicit_port = SET_BOOL(in->targets.v[i].port.set);
        t->rec->availability_zone =
            arena_strdup(&t->o.arena, in->targets.v[i].availability_zone);
        object_save(c->core, &t->o);
    }
    return 0;
}

int elbv2_deregister_targets(struct call *c,
                             const struct elbv2_deregister_targets_input *in,
                             struct elbv2_deregister_targets_output *out)
{
    struct target_group *g = target_group_require(c, in->target_group_arn);
    if (!g)
        return -1;
    for (size_t i = 0; i < in->targets.n; i++) {
        struct elbv2_target x = {group_arn(g), in->targets.v[i].id,
                                 port_of(g, &in->targets.v[i])};
        elbv2_target_deregister(c->core, &x);
    }
    return 0;
}

/* ---- DescribeTargetHealth ---- */

static const char *description_of(enum elbv2_target_health_reason_enum reason)
{
    switch (reason) {
    case ELBV2_TARGET_HEALTH_REASON_ENUM_ELB_REGISTRATION_IN_PROGRESS:
        return "Target registration is in progress";
    case ELBV2_TARGET_HEALTH_REASON_ENUM_ELB_INITIAL_HEALTH_CHECKING:
        return "Initial health checks in progress";
    case ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_TIMEOUT:
        return "Request timed out";
    case ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_FAILED_HEALTH_CHECKS:
        return "Health checks failed";
    case ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_NOT_REGISTERED:
        return "Target is not registered to the target group";
    case ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_NOT_IN_USE:
        return "Target group is not configured to receive traffic from the load balancer";
    case ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_DEREGISTRATION_IN_PROGRESS:
        return "Target deregistration is in progress";
    case ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_INVALID_STATE:
        return "Target is in the stopped state";
    case ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_HEALTH_CHECK_DISABLED:
        return "Health checks are disabled for this target group";
    default:
        return NULL;
    }
}

static struct elbv2_target_health *health(struct arena *a,
                                          enum elbv2_target_health_state_enum state,
                                          enum elbv2_target_health_reason_enum reason,
                                          const char *description)
{
    struct elbv2_target_health *h = arena_new(a, struct elbv2_target_health);
    h->state = state;
    h->reason = reason;
    h->description = str_empty(description) ? description_of(reason) : description;
    return h;
}

static struct elbv2_target_health *health_of(struct arena *a, const struct target *t)
{
    switch (target_status(t)) {
    case ELBV2_TARGET_DRAINING:
        return health(a, ELBV2_TARGET_HEALTH_STATE_ENUM_DRAINING,
                      ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_DEREGISTRATION_IN_PROGRESS,
                      NULL);
    case ELBV2_TARGET_UNUSED:
        return health(a, ELBV2_TARGET_HEALTH_STATE_ENUM_UNUSED,
                      t->stopped ? ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_INVALID_STATE
                                 : ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_NOT_IN_USE,
                      NULL);
    case ELBV2_TARGET_UNAVAILABLE:
        return health(a, ELBV2_TARGET_HEALTH_STATE_ENUM_UNAVAILABLE,
                      ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_HEALTH_CHECK_DISABLED, NULL);
    case ELBV2_TARGET_HEALTHY:
        return health(a, ELBV2_TARGET_HEALTH_STATE_ENUM_HEALTHY,
                      ELBV2_TARGET_HEALTH_REASON_ENUM_UNSET, NULL);
    case ELBV2_TARGET_UNHEALTHY:
        return health(a, ELBV2_TARGET_HEALTH_STATE_ENUM_UNHEALTHY, t->reason,
                      arena_strdup(a, t->description));
    case ELBV2_TARGET_INITIAL:
        break;
    }
    return health(a, ELBV2_TARGET_HEALTH_STATE_ENUM_INITIAL, t->reason,
                  arena_strdup(a, t->description));
}

static void show(struct call *c, const struct target_group *g, const struct target *t,
                 struct elbv2_target_health_description *ret)
{
    const char *port = g->rec->target_group->health_check_port;
    ret->target = arena_new(&c->arena, struct elbv2_target_description);
    ret->target->id = t->rec->id;
    ret->target->port = t->rec->port;
    ret->target->availability_zone = t->rec->availability_zone;
    ret->health_check_port =
        streq(port, "traffic-port") ? call_printf(c, "%d", (int)t->rec->port.v) : port;
    ret->target_health = health_of(&c->arena, t);
}

int elbv2_describe_target_health(struct call *c,
                                 const struct elbv2_describe_target_health_input *in,
                                 struct elbv2_describe_target_health_output *out)
{
    struct target_group *g = target_group_require(c, in->target_group_arn);
    if (!g)
        return -1;
    out->target_health_descriptions.set = true;
    for (size_t i = 0; i < in->targets.n; i++) {
        const struct elbv2_target_description *x = &in->targets.v[i];
        const struct target *t = target_find(c->core, g, x->id, port_of(g, x));
        struct elbv2_target_health_description *to =
            LIST_PUSH(&c->arena, &out->target_health_descriptions);
        if (t) {
            show(c, g, t, to);
            continue;
        }
        to->target = arena_new(&c->arena, struct elbv2_target_description);
        to->target->id = x->id;
        to->target->port = SET_INT(port_of(g, x));
        to->target_health =
            health(&c->arena, ELBV2_TARGET_HEALTH_STATE_ENUM_UNUSED,
                   ELBV2_TARGET_HEALTH_REASON_ENUM_TARGET_NOT_REGISTERED, NULL);
    }
    if (in->targets.n)
        return 0;
    list_for_each (it, &g->targets) {
        show(c, g, list_entry(it, struct target, link),
             LIST_PUSH(&c->arena, &out->target_health_descriptions));
    }
    return 0;
}
