/* Tasks as targets, see service_targets.h. */
#include "service_targets.h"

#include <stdlib.h>

#include <uthash.h>

#include "elbv2.h"
#include "service_history.h"
#include "staged.h"
#include "task_set.h"

#define REGISTER_AGAIN_MS (15 * 1000)

/* One target of a task; also an entry of the index, by "group|id|port". */
struct task_target {
    struct list link; /* task.targets */
    struct task *task;
    char *key;
    UT_hash_handle hh;
};

static const char *target_key(struct arena *a, const char *group, const char *id,
                              int32_t port)
{
    return arena_printf(a, "%s|%s|%d", group, id, (int)port);
}

static struct elbv2_target target_of(const struct gantry_task_target *t)
{
    return (struct elbv2_target){t->target_group_arn, t->id, t->port.v};
}

/* ---- what a task is registered in ---- */

static const struct ecs_load_balancer_list none;

bool service_load_balanced(const struct service *s, const char *task_set_id)
{
    ptrdiff_t i = task_set_id ? task_set_index(s, task_set_id) : -1;
    return i >= 0 ? s->rec->service->task_sets.v[i].load_balancers.n > 0
                  : s->rec->service->load_balancers.n > 0;
}

static const struct ecs_service_revision *revision_of(struct core *core,
                                                      const struct task *t)
{
    const struct service *s = t->service;
    for (size_t i = 0; i < s->rec->deployments.n; i++)
        if (streq(s->rec->deployments.v[i].id, t->rec->deployment_id)) {
            const struct service_revision *r = service_revision_find(
                core, s->rec->deployments.v[i].service_revision_arn);
            return r ? r->rec->revision : NULL;
        }
    return NULL;
}

static const struct ecs_load_balancer_list *
balancers_of(struct core *core, const struct task *t,
             const struct ecs_service_revision **ret_revision)
{
    *ret_revision = NULL;
    if (!t->service)
        return &none;
    ptrdiff_t set = task_set_index(t->service, t->rec->deployment_id);
    if (set >= 0)
        return &t->service->rec->service->task_sets.v[set].load_balancers;
    *ret_revision = revision_of(core, t);
    return *ret_revision ? &(*ret_revision)->load_balancers : &none;
}

/* The group that this revision uses of its n-th load balancer. */
static const char *group_of(const struct ecs_load_balancer_list *l, size_t n,
                            const struct ecs_service_revision *r)
{
    const struct ecs_resolved_configuration *c = r ? r->resolved_configuration : NULL;
    if (c && n < c->load_balancers.n && c->load_balancers.v[n].target_group_arn)
        return c->load_balancers.v[n].target_group_arn;
    return l->v[n].target_group_arn;
}

void load_balancers_resolve(struct core *core, const struct service *s, struct arena *a,
                            struct ecs_service_revision_load_balancer_list *ret)
{
    const struct ecs_load_balancer_list *l = &s->rec->service->load_balancers;
    const struct service_revision *old =
        s->rec->completed_revision_arn
            ? service_revision_find(core, s->rec->completed_revision_arn)
            : NULL;
    bool staged = staged_strategy(s->rec->service->deployment_configuration);
    for (size_t i = 0; i < l->n; i++) {
        const struct ecs_advanced_configuration *x = l->v[i].advanced_configuration;
        const struct ecs_service_revision *was = old ? old->rec->revision : NULL;
        bool taken =
            staged && x && was && i < was->load_balancers.n &&
            streq(group_of(&was->load_balancers, i, was), l->v[i].target_group_arn);
        bool stays =
            !staged && x && was && i < was->load_balancers.n &&
            streq(group_of(&was->load_balancers, i, was), x->alternate_target_group_arn);
        struct ecs_service_revision_load_balancer *to = LIST_PUSH(a, ret);
        to->target_group_arn =
            taken || stays ? x->alternate_target_group_arn : l->v[i].target_group_arn;
        to->production_listener_rule = x ? x->production_listener_rule : NULL;
    }
}

/* ---- where it listens ---- */

static const struct ecs_container *container_of(const struct task *t, const char *name)
{
    for (size_t i = 0; i < t->rec->task->containers.n; i++)
        if (streq(t->rec->task->containers.v[i].name, name))
            return &t->rec->task->containers.v[i];
    return NULL;
}

static int32_t host_port(const struct ecs_container *c, int32_t container_port)
{
    for (size_t i = 0; i < c->network_bindings.n; i++) {
        const struct ecs_network_binding *b = &c->network_bindings.v[i];
        if (b->container_port.set && b->container_port.v == container_port &&
            b->host_port.set && b->protocol != ECS_TRANSPORT_PROTOCOL_UDP)
            return b->host_port.v;
    }
    return 0;
}

/* False: not known (yet). */
static bool target_find(const struct task *t, const struct ecs_load_balancer *lb,
                        const char *group, struct elbv2_target *ret)
{
    const struct ecs_task_definition *def = taskdef_of(t->taskdef);
    const struct ecs_container *c = container_of(t, lb->container_name);
    *ret = (struct elbv2_target){.group_arn = group, .port = lb->container_port.v};
    if (!c)
        return false;
    if (def->network_mode == ECS_NETWORK_MODE_AWSVPC) {
        ret->id = c->network_interfaces.n
                      ? c->network_interfaces.v[0].private_ipv4_address
                      : NULL;
        return ret->id != NULL;
    }
    ret->id = t->instance ? t->instance->rec->instance->ec2_instance_id : NULL;
    if (def->network_mode != ECS_NETWORK_MODE_HOST)
        ret->port = host_port(c, lb->container_port.v);
    return ret->id && ret->port > 0;
}

/* ---- the index ---- */

static void index_add(struct core *core, struct task *t,
                      const struct gantry_task_target *target)
{
    struct ecs *ecs = ecs_of(core);
    const char *key = target_key(core_scratch(core), target->target_group_arn, target->id,
                                 target->port.v);
    struct task_target *x;
    HASH_FIND_STR(ecs->targets, key, x);
    if (x) { /* an older task's, whose port is another's by now */
        list_remove(&x->link);
        x->task = t;
        list_append(&t->targets, &x->link);
        return;
    }
    x = xcalloc(1, sizeof(*x));
    x->task = t;
    x->key = xstrdup(key);
    HASH_ADD_KEYPTR(hh, ecs->targets, x->key, strlen(x->key), x);
    list_append(&t->targets, &x->link);
}

static void index_drop(struct ecs *ecs, struct task_target *x)
{
    HASH_DELETE(hh, ecs->targets, x);
    list_remove(&x->link);
    free(x->key);
    free(x);
}

/* ---- registering ---- */

static bool registered(const struct task *t, const char *group)
{
    for (size_t i = 0; i < t->rec->targets.n; i++)
        if (streq(t->rec->targets.v[i].target_group_arn, group))
            return true;
    return false;
}

static void event_counts(struct core *core, struct service *s, const char *verb,
                         const char *group, uint32_t n)
{
    service_event(core, s,
                  arena_printf(core_scratch(core),
                               "(service %s) %s %u targets in (target-group %s)",
                               s->rec->service->service_name, verb, (unsigned)n, group));
}

/* How many came to each group in this look. */
struct tally {
    const char *group;
    uint32_t n;
};

static void tally_add(struct tally *v, const char *group)
{
    for (size_t i = 0; i < 2 * SERVICE_TARGET_GROUPS_MAX; i++) {
        if (v[i].group && !streq(v[i].group, group))
            continue;
        v[i].group = group;
        v[i].n++;
        return;
    }
}

static void tally_tell(struct core *core, struct service *s, const struct tally *v,
                       const char *verb)
{
    for (size_t i = 0; i < 2 * SERVICE_TARGET_GROUPS_MAX && v[i].group; i++)
        event_counts(core, s, verb, v[i].group, v[i].n);
}

static void target_note(struct core *core, struct task *t, const struct elbv2_target *x)
{
    struct arena *a = &t->o.arena;
    struct gantry_task_target *rec = LIST_PUSH(a, &t->rec->targets);
    rec->target_group_arn = arena_strdup(a, x->group_arn);
    rec->id = arena_strdup(a, x->id);
    rec->port = SET_INT(x->port);
    index_add(core, t, rec);
    object_save(core, &t->o);
}

static void register_failed(struct core *core, struct service *s, const char *group,
                            const struct error *err)
{
    const char *text =
        arena_printf(core_scratch(core),
                     "(service %s) failed to register targets in (target-group %s) with "
                     "(error %s)",
                     s->rec->service->service_name, group, err->text);
    if (!streq(s->rec->last_complaint, text)) {
        s->rec->last_complaint = arena_strdup(&s->o.arena, text);
        service_event(core, s, text);
    }
    wake_at(core, &s->wake, core_now_ms(core) + REGISTER_AGAIN_MS);
}

static void task_register(struct core *core, struct task *t, struct tally *came)
{
    const struct ecs_service_revision *r;
    const struct ecs_load_balancer_list *l = balancers_of(core, t, &r);
    for (size_t i = 0; i < l->n; i++) {
        struct elbv2_target x;
        struct error err;
        const char *group = group_of(l, i, r);
        if (registered(t, group) || !target_find(t, &l->v[i], group, &x))
            continue;
        if (elbv2_target_register(core, &x, &err) < 0) {
            register_failed(core, t->service, group, &err);
            continue;
        }
        tally_add(came, arena_strdup(core_scratch(core), group));
        target_note(core, t, &x);
    }
}

static bool any_balancers(const struct service *s)
{
    bool any = service_load_balanced(s, NULL);
    for (size_t i = 0; !any && i < s->rec->service->task_sets.n; i++)
        any = s->rec->service->task_sets.v[i].load_balancers.n > 0;
    return any;
}

void service_targets_sync(struct core *core, struct service *s)
{
    bool balanced = any_balancers(s);
    struct tally came[2 * SERVICE_TARGET_GROUPS_MAX] = {0},
                          went[2 * SERVICE_TARGET_GROUPS_MAX] = {0};
    uint32_t draining = 0;
    list_for_each (it, &s->tasks) {
        struct task *t = list_entry(it, struct task, service_link);
        if (balanced && t->status == TASK_RUNNING && !t->stopping)
            task_register(core, t, came);
        if (!t->drain_untold)
            continue;
        t->drain_untold = false;
        draining++;
        for (size_t i = 0; i < t->rec->targets.n; i++)
            tally_add(went, arena_strdup(core_scratch(core),
                                         t->rec->targets.v[i].target_group_arn));
    }
    tally_tell(core, s, came, "registered");
    if (draining)
        service_event(core, s,
                      arena_printf(core_scratch(core),
                                   "(service %s) has begun draining connections on %u "
                                   "tasks.",
                                   s->rec->service->service_name, (unsigned)draining));
    tally_tell(core, s, went, "deregistered");
}

/* ---- the end of it ---- */

static bool all_gone(struct core *core, const struct task *t)
{
    for (size_t i = 0; i < t->rec->targets.n; i++) {
        struct elbv2_target x = target_of(&t->rec->targets.v[i]);
        if (elbv2_target_status(core, &x) == ELBV2_TARGET_DRAINING)
            return false;
    }
    return true;
}

static void drain_look(struct core *core, struct wake *w)
{
    struct task *t = list_entry(w, struct task, drain);
    if (t->status == TASK_DEACTIVATING && all_gone(core, t))
        task_drained(core, t);
}

static void deregister(struct core *core, const struct task *t)
{
    for (size_t i = 0; i < t->rec->targets.n; i++) {
        struct elbv2_target x = target_of(&t->rec->targets.v[i]);
        elbv2_target_deregister(core, &x);
    }
}

void task_targets_drain(struct core *core, struct task *t)
{
    t->drain_untold = true;
    deregister(core, t);
    wake_now(core, &t->drain);
}

void task_targets_leave(struct core *core, struct task *t)
{
    deregister(core, t);
}

void task_targets_end(struct core *core, struct task *t)
{
    deregister(core, t);
    task_targets_unlink(core, t);
}

void task_targets_unlink(struct core *core, struct task *t)
{
    list_for_each_safe (it, &t->targets) {
        index_drop(ecs_of(core), list_entry(it, struct task_target, link));
    }
    wake_cancel(core, &t->drain);
}

/* ---- health ---- */

bool task_has_targets(const struct task *t)
{
    return t->rec->targets.n > 0;
}

static enum check_health health_of(enum elbv2_target_status s)
{
    switch (s) {
    case ELBV2_TARGET_HEALTHY:
    case ELBV2_TARGET_UNAVAILABLE: /* its group checks nothing */
        return CHECK_HEALTHY;
    case ELBV2_TARGET_UNHEALTHY:
        return CHECK_UNHEALTHY;
    default:
        return CHECK_UNKNOWN;
    }
}

enum check_health task_targets_health(struct core *core, const struct task *t,
                                      const char **ret_group)
{
    const struct ecs_service_revision *r;
    const struct ecs_load_balancer_list *l = balancers_of(core, t, &r);
    size_t wanted = l->n, healthy = 0;
    for (size_t i = 0; i < t->rec->targets.n; i++) {
        struct elbv2_target x = target_of(&t->rec->targets.v[i]);
        enum check_health h = health_of(elbv2_target_status(core, &x));
        if (h == CHECK_UNHEALTHY) {
            if (ret_group)
                *ret_group = x.group_arn;
            return h;
        }
        healthy += h == CHECK_HEALTHY;
    }
    return healthy >= wanted ? CHECK_HEALTHY : CHECK_UNKNOWN;
}

/* ---- what elbv2 tells ---- */

static void tell_unhealthy(struct core *core, struct service *s,
                           const struct elbv2_target *x)
{
    struct arena *a = core_scratch(core);
    const char *instance =
        str_starts(x->id, "i-") ? arena_printf(a, "(instance %s) ", x->id) : "";
    service_event(
        core, s,
        arena_printf(a,
                     "(service %s) %s(port %d) is unhealthy in (target-group %s) "
                     "due to (reason %s)",
                     s->rec->service->service_name, instance, (int)x->port, x->group_arn,
                     elbv2_target_reason(core, x)));
}

static void target_changed(void *ctx, struct core *core, const struct elbv2_target *x,
                           enum elbv2_target_status status)
{
    struct ecs *ecs = ctx;
    struct task_target *found;
    const char *key = target_key(core_scratch(core), x->group_arn, x->id, x->port);
    HASH_FIND_STR(ecs->targets, key, found);
    if (!found)
        return;
    struct task *t = found->task;
    if (t->status == TASK_DEACTIVATING)
        wake_now(core, &t->drain);
    if (t->service && status == ELBV2_TARGET_UNHEALTHY && !t->stopping)
        tell_unhealthy(core, t->service, x);
    if (t->service)
        wake_now(core, &t->service->wake);
}

void service_targets_attach(struct core *core)
{
    struct elbv2_watch watch = {.target_changed = target_changed, .ctx = ecs_of(core)};
    elbv2_set_watch(core, &watch);
}

void service_targets_detach(struct ecs *ecs)
{
    struct task_target *x, *next;
    HASH_ITER (hh, ecs->targets, x, next) {
        index_drop(ecs, x);
    }
}

void task_targets_init(struct task *t)
{
    list_init(&t->targets);
    wake_init(&t->drain, drain_look);
}

void task_targets_loaded(struct core *core, struct task *t)
{
    for (size_t i = 0; i < t->rec->targets.n; i++)
        index_add(core, t, &t->rec->targets.v[i]);
    if (t->status == TASK_DEACTIVATING)
        wake_now(core, &t->drain);
}

/* ---- what may be asked for ---- */

static int bad(struct call *c, const char *text)
{
    return call_fault(c, &ecs_invalid_parameter_exception, "%s", text);
}

static bool has_port(const struct ecs_container_definition *d, int32_t port)
{
    for (size_t i = 0; i < d->port_mappings.n; i++)
        if (d->port_mappings.v[i].container_port.v == port)
            return true;
    return false;
}

static int container_check(struct call *c, const struct ecs_load_balancer *lb,
                           const struct ecs_task_definition *def)
{
    const struct ecs_container_definition *d =
        lb->container_name ? container_definition_of(def, lb->container_name) : NULL;
    if (!d)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The container %s does not exist in the task definition.",
                          str_empty(lb->container_name) ? "null" : lb->container_name);
    if (!lb->container_port.set || !has_port(d, lb->container_port.v))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The container %s did not have a container port %d defined.",
                          lb->container_name, (int)lb->container_port.v);
    return 0;
}

static int group_check(struct call *c, const char *arn, bool awsvpc, bool must_be_used)
{
    struct elbv2_target_group_info g;
    struct error err;
    if (elbv2_target_group_find(c->core, arn, &g, &err) < 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Unable to assume role and validate the specified "
                          "targetGroupArn. The target group %s does not exist.",
                          arn);
    bool ip = g.target_type == ELBV2_TARGET_TYPE_ENUM_IP;
    if (ip != awsvpc)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The provided target group %s has target type %s, which is "
                          "incompatible with the %s network mode specified in the task "
                          "definition.",
                          arn, ip ? "ip" : "instance",
                          awsvpc ? "awsvpc" : "bridge or host");
    if (must_be_used && !g.in_use)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The target group with targetGroupArn %s does not have an "
                          "associated load balancer.",
                          arn);
    return 0;
}

static int advanced_check(struct call *c, const struct ecs_load_balancer *lb, bool awsvpc,
                          bool staged)
{
    const struct ecs_advanced_configuration *x = lb->advanced_configuration;
    if (!x)
        return staged ? bad(c, "advancedConfiguration field is required for all "
                               "loadBalancers when using a non-ROLLING deployment "
                               "strategy.")
                      : 0;
    if (str_empty(x->alternate_target_group_arn) ||
        str_empty(x->production_listener_rule) || str_empty(x->role_arn))
        return bad(c, "alternateTargetGroupArn, productionListenerRule and roleArn are "
                      "required in advancedConfiguration.");
    if (streq(x->alternate_target_group_arn, lb->target_group_arn))
        return bad(c, "targetGroupArn and alternateTargetGroupArn must be different.");
    return group_check(c, x->alternate_target_group_arn, awsvpc, false);
}

static int balancer_check(struct call *c, const struct ecs_load_balancer *lb,
                          const struct ecs_task_definition *def, bool staged)
{
    bool awsvpc = def->network_mode == ECS_NETWORK_MODE_AWSVPC;
    if (lb->load_balancer_name && lb->target_group_arn)
        return bad(c, "loadBalancerName and targetGroupArn cannot both be specified. You "
                      "must specify either a loadBalancerName or a targetGroupArn.");
    if (lb->load_balancer_name)
        return bad(c, "Classic Load Balancers are not offered by this gantry: use a "
                      "target group.");
    if (str_empty(lb->target_group_arn))
        return bad(c, "targetGroupArn can not be empty.");
    if (def->network_mode == ECS_NETWORK_MODE_NONE)
        return bad(c, "Load balancers are not supported with the none network mode.");
    if (container_check(c, lb, def) < 0 ||
        group_check(c, lb->target_group_arn, awsvpc, true) < 0)
        return -1;
    return advanced_check(c, lb, awsvpc, staged);
}

int load_balancers_check(struct call *c, const struct ecs_load_balancer_list *l,
                         const struct ecs_task_definition *def, bool staged)
{
    if (l->n > SERVICE_TARGET_GROUPS_MAX)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "load balancers can have at most %d items.",
                          SERVICE_TARGET_GROUPS_MAX);
    for (size_t i = 0; i < l->n; i++)
        if (balancer_check(c, &l->v[i], def, staged) < 0)
            return -1;
    return 0;
}
