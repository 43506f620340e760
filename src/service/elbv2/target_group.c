/* Target groups and their targets in memory: registering, draining, health. */
#include <stdio.h>
#include <string.h>

#include "cidr.h"
#include "elbv2_state.h"

const char *group_arn(const struct target_group *g)
{
    return g->rec->target_group->target_group_arn;
}

const char *group_setting(const struct target_group *g, const char *key)
{
    for (size_t i = 0; i < g->rec->attributes.n; i++)
        if (streq(g->rec->attributes.v[i].key, key))
            return g->rec->attributes.v[i].value;
    return NULL;
}

int64_t group_setting_number(const struct target_group *g, const char *key,
                             int64_t fallback)
{
    str_to_i64(group_setting(g, key), 0, INT32_MAX, &fallback);
    return fallback;
}

bool group_checks(const struct target_group *g)
{
    return !g->rec->target_group->health_check_enabled.set ||
           g->rec->target_group->health_check_enabled.v;
}

static int group_loaded(struct core *core, struct object *o, struct error *err)
{
    struct target_group *g = (struct target_group *)o;
    list_init(&g->targets);
    wake_init(&g->feed, group_feed);
    return g->rec->target_group ? 0
                                : fail(err, E_CORRUPT, "target group without a record");
}

static void group_unlink(struct core *core, struct object *o)
{
    struct target_group *g = (struct target_group *)o;
    wake_cancel(core, &g->feed);
    list_remove(&g->targets);
}

const struct table_type target_group_table = {
    .prefix = "/elbv2/target-group/",
    .shape = &gantry_target_group_record_shape,
    .object_size = sizeof(struct target_group),
    .record_offset = offsetof(struct target_group, rec),
    .loaded = group_loaded,
    .unlink = group_unlink,
};

/* ---- targets ---- */

/* /elbv2/target/<account>/<region>/<group's name and id>/<target id>:<port> */
static const char *target_key(struct arena *a, const struct target_group *g,
                              const char *id, int32_t port)
{
    return arena_printf(a, "/elbv2/target/%s/%s:%d", object_name(&g->o), id, (int)port);
}

struct target *target_find(struct core *core, const struct target_group *g,
                           const char *id, int32_t port)
{
    return table_find(elbv2_of(core)->targets,
                      target_key(core_scratch(core), g, id, port));
}

static void drained(struct core *core, struct wake *w)
{
    target_delete(core, list_entry(w, struct target, drained));
}

static void link_target(struct target *t, struct target_group *g)
{
    t->group = g;
    wake_init(&t->drained, drained);
    list_append(&g->targets, &t->link);
    g->target_count++;
    t->status = ELBV2_TARGET_INITIAL;
    t->reason = ELBV2_TARGET_HEALTH_REASON_ENUM_ELB_REGISTRATION_IN_PROGRESS;
}

bool target_instance_runs(struct core *core, const struct target *t)
{
    struct ec2_instance_info instance;
    struct error err;
    if (t->group->rec->target_group->target_type != ELBV2_TARGET_TYPE_ENUM_INSTANCE)
        return true;
    struct ec2_scope s = elb_owner(core_scratch(core), group_arn(t->group));
    return ec2_instance_find(core, &s, t->rec->id, &instance, &err) == 0 &&
           instance.running;
}

static int target_loaded(struct core *core, struct object *o, struct error *err)
{
    struct target *t = (struct target *)o;
    struct arena *a = core_scratch(core);
    const char *name = object_name(o), *end = strrchr(name, '/');
    struct target_group *g =
        table_find(elbv2_of(core)->groups,
                   arena_printf(a, "/elbv2/target-group/%.*s", (int)(end - name), name));
    list_init(&t->link);
    if (!g)
        return fail(err, E_CORRUPT, "target without a group");
    link_target(t, g);
    t->stopped = !target_instance_runs(core, t);
    if (t->rec->drains_until.set)
        wake_at(core, &t->drained, t->rec->drains_until.v);
    return 0;
}

static void target_unlink(struct core *core, struct object *o)
{
    struct target *t = (struct target *)o;
    wake_cancel(core, &t->drained);
    list_remove(&t->link);
}

const struct table_type target_table = {
    .prefix = "/elbv2/target/",
    .shape = &gantry_target_record_shape,
    .object_size = sizeof(struct target),
    .record_offset = offsetof(struct target, rec),
    .loaded = target_loaded,
    .unlink = target_unlink,
};

enum elbv2_target_status target_status(const struct target *t)
{
    if (t->rec->drains_until.set)
        return ELBV2_TARGET_DRAINING;
    if (t->group->uses == 0 || t->stopped)
        return ELBV2_TARGET_UNUSED;
    if (!group_checks(t->group))
        return ELBV2_TARGET_UNAVAILABLE;
    return t->status;
}

static void tell_watch(struct core *core, const struct elbv2_target *x,
                       enum elbv2_target_status status)
{
    const struct elbv2_watch *w = &elbv2_of(core)->watch;
    if (w->target_changed)
        w->target_changed(w->ctx, core, x, status);
}

void target_changed(struct core *core, struct target *t)
{
    struct elbv2_target x = {group_arn(t->group), t->rec->id, t->rec->port.v};
    tell_watch(core, &x, target_status(t));
}

void target_delete(struct core *core, struct target *t)
{
    struct arena *a = core_scratch(core);
    struct target_group *g = t->group;
    struct elbv2_target x = {group_arn(g), arena_strdup(a, t->rec->id), t->rec->port.v};
    g->target_count--;
    object_delete(core, &t->o);
    group_changed(core, g);
    tell_watch(core, &x, ELBV2_TARGET_UNUSED);
}

/* ---- for ecs and RegisterTargets alike ---- */

int elbv2_target_group_find(struct core *core, const char *arn,
                            struct elbv2_target_group_info *ret, struct error *err)
{
    const struct target_group *g = target_group_find(core, arn);
    if (!g)
        return fail(err, E_NOTFOUND, "One or more target groups not found");
    const struct elbv2_target_group *rec = g->rec->target_group;
    *ret = (struct elbv2_target_group_info){
        .arn = rec->target_group_arn,
        .name = rec->target_group_name,
        .vpc_id = rec->vpc_id,
        .target_type = rec->target_type,
        .protocol = rec->protocol,
        .port = rec->port.v,
        .in_use = g->uses > 0,
    };
    return 0;
}

static bool address_allowed(struct core *core, const struct target_group *g,
                            const char *address)
{
    static const char *const outside[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                          "100.64.0.0/10"};
    struct cidr range;
    uint32_t n;
    if (!address_parse(address, &n))
        return false;
    struct ec2_scope s = elb_owner(core_scratch(core), group_arn(g));
    if (ec2_vpc_contains(core, &s, g->rec->target_group->vpc_id, address))
        return true;
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        if (cidr_parse(outside[i], &range) && cidr_has(range, n))
            return true;
    return false;
}

static int target_check(struct core *core, const struct target_group *g,
                        const struct elbv2_target *x, struct error *err)
{
    struct ec2_scope s = elb_owner(core_scratch(core), group_arn(g));
    struct ec2_instance_info instance;
    struct error why;
    if (x->port < 1 || x->port > 65535)
        return fail(err, E_INVALID, "Port '%d' is not valid", (int)x->port);
    if (g->rec->target_group->target_type == ELBV2_TARGET_TYPE_ENUM_IP)
        return address_allowed(core, g, x->id)
                   ? 0
                   : fail(err, E_INVALID,
                          "The IP address '%s' is not within a range of the VPC", x->id);
    if (ec2_instance_find(core, &s, x->id, &instance, &why) < 0)
        return fail(err, E_INVALID, "The following targets are not valid instances: '%s'",
                    x->id);
    return instance.running ? 0
                            : fail(err, E_INVALID,
                                   "The following targets are not in a running state and "
                                   "cannot be registered: '%s'",
                                   x->id);
}

int target_may_register(struct core *core, const struct target_group *g,
                        const struct elbv2_target *x, struct error *err)
{
    int r = target_check(core, g, x, err);
    if (r < 0 || target_find(core, g, x->id, x->port))
        return r;
    return g->target_count < TARGETS_MAX
               ? 0
               : fail(err, E_FULL, "A target group can have at most %d targets",
                      TARGETS_MAX);
}

int elbv2_target_register(struct core *core, const struct elbv2_target *x,
                          struct error *err)
{
    struct target_group *g = target_group_find(core, x->group_arn);
    if (!g)
        return fail(err, E_NOTFOUND, "One or more target groups not found");
    int r = target_may_register(core, g, x, err);
    if (r < 0)
        return r;
    struct target *t = target_find(core, g, x->id, x->port);
    if (t && !t->rec->drains_until.set)
        return 0;
    if (t) {
        wake_cancel(core, &t->drained);
        t->rec->drains_until = (struct opt_time){0};
        t->status = ELBV2_TARGET_INITIAL;
        t->reason = ELBV2_TARGET_HEALTH_REASON_ENUM_ELB_REGISTRATION_IN_PROGRESS;
    } else {
        t = object_new(core, elbv2_of(core)->targets,
                       target_key(core_scratch(core), g, x->id, x->port));
        list_init(&t->link);
        t->rec->id = arena_strdup(&t->o.arena, x->id);
        t->rec->port = SET_INT(x->port);
        link_target(t, g);
    }
    t->rec->registered_at = SET_TIME(core_now_ms(core));
    object_save(core, &t->o);
    group_changed(core, g);
    target_changed(core, t);
    return 0;
}

void elbv2_target_deregister(struct core *core, const struct elbv2_target *x)
{
    struct target_group *g = target_group_find(core, x->group_arn);
    struct target *t = g ? target_find(core, g, x->id, x->port) : NULL;
    if (!t || t->rec->drains_until.set)
        return;
    int64_t delay =
        group_setting_number(g, "deregistration_delay.timeout_seconds", 300) * 1000;
    if (g->uses == 0 || delay == 0) { /* nobody is connected through it */
        target_delete(core, t);
        return;
    }
    t->rec->drains_until = SET_TIME(core_now_ms(core) + delay);
    wake_at(core, &t->drained, t->rec->drains_until.v);
    object_save(core, &t->o);
    group_changed(core, g);
    target_changed(core, t);
}

enum elbv2_target_status elbv2_target_status(struct core *core,
                                             const struct elbv2_target *x)
{
    const struct target_group *g = target_group_find(core, x->group_arn);
    const struct target *t = g ? target_find(core, g, x->id, x->port) : NULL;
    return t ? target_status(t) : ELBV2_TARGET_UNUSED;
}

const char *elbv2_target_reason(struct core *core, const struct elbv2_target *x)
{
    const struct target_group *g = target_group_find(core, x->group_arn);
    const struct target *t = g ? target_find(core, g, x->id, x->port) : NULL;
    return t && *t->description ? t->description : "Health checks failed";
}

/* ---- what the edge found ---- */

static bool status_of(const char *state, enum elbv2_target_status *ret)
{
    static const struct {
        const char *name;
        enum elbv2_target_status status;
    } known[] = {{"initial", ELBV2_TARGET_INITIAL},
                 {"healthy", ELBV2_TARGET_HEALTHY},
                 {"unhealthy", ELBV2_TARGET_UNHEALTHY},
                 {"unavailable", ELBV2_TARGET_UNAVAILABLE}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (streq(state, known[i].name)) {
            *ret = known[i].status;
            return true;
        }
    return false;
}

void elbv2_edge_health(struct core *core, const struct gantry_edge_target_health *h)
{
    struct target_group *g = target_group_find(core, h->target_group_arn);
    struct target *t = g && h->id ? target_find(core, g, h->id, h->port.v) : NULL;
    enum elbv2_target_status status;
    if (!t || !status_of(h->state, &status))
        return;
    enum elbv2_target_status before = target_status(t);
    t->status = status;
    t->reason = (enum elbv2_target_health_reason_enum)(
        h->reason ? wire_enum_value(&elbv2_target_health_reason_enum_shape, h->reason)
                  : 0);
    snprintf(t->description, sizeof(t->description), "%s",
             h->description ? h->description : "");
    if (target_status(t) != before)
        target_changed(core, t);
}
