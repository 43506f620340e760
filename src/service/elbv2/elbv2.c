/* Tables, names and lookups of ELBv2. */
#include "elbv2_state.h"

#include <stdlib.h>
#include <string.h>

#include "target_group_ops.h"

static const char elbv2_service_key;

struct elbv2 *elbv2_of(const struct core *core)
{
    return core_service(core, &elbv2_service_key);
}

/* ---- objects ---- */

static int balancer_loaded(struct core *core, struct object *o, struct error *err)
{
    struct balancer *b = (struct balancer *)o;
    list_init(&b->listeners);
    wake_init(&b->feed, balancer_feed);
    return b->rec->load_balancer ? 0 : fail(err, E_CORRUPT, "balancer without a record");
}

static void balancer_unlink(struct core *core, struct object *o)
{
    struct balancer *b = (struct balancer *)o;
    wake_cancel(core, &b->feed);
    list_remove(&b->listeners);
}

const struct table_type balancer_table = {
    .prefix = "/elbv2/balancer/",
    .shape = &gantry_balancer_record_shape,
    .object_size = sizeof(struct balancer),
    .record_offset = offsetof(struct balancer, rec),
    .loaded = balancer_loaded,
    .unlink = balancer_unlink,
};

static int listener_loaded(struct core *core, struct object *o, struct error *err)
{
    struct listener *l = (struct listener *)o;
    list_init(&l->link);
    list_init(&l->rules);
    l->balancer = l->rec->listener
                      ? balancer_find(core, l->rec->listener->load_balancer_arn)
                      : NULL;
    if (!l->balancer)
        return fail(err, E_CORRUPT, "listener without a load balancer");
    list_append(&l->balancer->listeners, &l->link);
    listener_certificates_look(core, l->balancer, l->rec);
    return 0;
}

static void listener_unlink(struct core *core, struct object *o)
{
    struct listener *l = (struct listener *)o;
    list_remove(&l->link);
    list_remove(&l->rules);
}

const struct table_type listener_table = {
    .prefix = "/elbv2/listener/",
    .shape = &gantry_listener_record_shape,
    .object_size = sizeof(struct listener),
    .record_offset = offsetof(struct listener, rec),
    .loaded = listener_loaded,
    .unlink = listener_unlink,
};

/* …listener-rule/app/n/lb/lsn/id gives …listener/app/n/lb/lsn */
static struct listener *listener_of_rule(struct core *core, const char *arn)
{
    struct arena *a = core_scratch(core);
    const char *noun = arn ? strstr(arn, ":listener-rule/") : NULL;
    const char *end = arn ? strrchr(arn, '/') : NULL;
    if (!noun || !end)
        return NULL;
    const char *tail = noun + strlen(":listener-rule/");
    return listener_find(core, arena_printf(a, "%.*s:listener/%.*s", (int)(noun - arn),
                                            arn, (int)(end - tail), tail));
}

static int rule_loaded(struct core *core, struct object *o, struct error *err)
{
    struct rule *r = (struct rule *)o;
    list_init(&r->link);
    r->listener = r->rec->rule ? listener_of_rule(core, r->rec->rule->rule_arn) : NULL;
    if (!r->listener)
        return fail(err, E_CORRUPT, "rule without a listener");
    list_append(&r->listener->rules, &r->link);
    rules_sort(r->listener);
    actions_use(core, &r->rec->rule->actions, +1);
    return 0;
}

static void rule_unlink(struct core *core, struct object *o)
{
    list_remove(&((struct rule *)o)->link);
}

const struct table_type rule_table = {
    .prefix = "/elbv2/rule/",
    .shape = &gantry_rule_record_shape,
    .object_size = sizeof(struct rule),
    .record_offset = offsetof(struct rule, rec),
    .loaded = rule_loaded,
    .unlink = rule_unlink,
};

/* ---- names ---- */

struct ec2_scope elb_scope(const struct call *c)
{
    return (struct ec2_scope){c->who.account_id, c->region};
}

struct ec2_scope elb_owner(struct arena *a, const char *text)
{
    struct arn arn = {0};
    arn_parse(a, text, &arn);
    return (struct ec2_scope){arn.account, arn.region};
}

const char *elb_arn(struct arena *a, const struct ec2_scope *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *tail = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return arena_printf(a, "arn:aws:elasticloadbalancing:%s:%s:%s", s->region, s->account,
                        tail);
}

const char *elb_key(struct arena *a, const char *kind, const struct ec2_scope *s,
                    const char *rest)
{
    return arena_printf(a, "/elbv2/%s/%s/%s/%s", kind, s->account, s->region, rest);
}

const char *elb_key_of_arn(struct arena *a, const char *kind, const char *noun,
                           const char *text)
{
    struct arn arn;
    size_t n = strlen(noun);
    if (!text || !arn_parse(a, text, &arn) ||
        !streq(arn.service, "elasticloadbalancing") || !str_starts(arn.resource, noun) ||
        arn.resource[n] != '/')
        return NULL;
    struct ec2_scope s = {arn.account, arn.region};
    return elb_key(a, kind, &s, arn.resource + n + 1);
}

static void *find(struct core *core, struct table *t, const char *kind, const char *noun,
                  const char *arn)
{
    const char *key = elb_key_of_arn(core_scratch(core), kind, noun, arn);
    return key ? table_find(t, key) : NULL;
}

struct balancer *balancer_find(struct core *core, const char *arn)
{
    return find(core, elbv2_of(core)->balancers, "balancer", "loadbalancer", arn);
}

struct listener *listener_find(struct core *core, const char *arn)
{
    return find(core, elbv2_of(core)->listeners, "listener", "listener", arn);
}

struct rule *rule_find(struct core *core, const char *arn)
{
    return find(core, elbv2_of(core)->rules, "rule", "listener-rule", arn);
}

struct target_group *target_group_find(struct core *core, const char *arn)
{
    return find(core, elbv2_of(core)->groups, "target-group", "targetgroup", arn);
}

static bool own(const struct call *c, const char *arn)
{
    struct arn x;
    struct arena *a = core_scratch(c->core);
    return arn_parse(a, arn, &x) && streq(x.account, c->who.account_id) &&
           streq(x.region, c->region);
}

struct balancer *balancer_require(struct call *c, const char *arn)
{
    struct balancer *b = own(c, arn) ? balancer_find(c->core, arn) : NULL;
    if (!b)
        call_fault(c, &elbv2_load_balancer_not_found_exception,
                   "One or more load balancers not found");
    return b;
}

struct listener *listener_require(struct call *c, const char *arn)
{
    struct listener *l = own(c, arn) ? listener_find(c->core, arn) : NULL;
    if (!l)
        call_fault(c, &elbv2_listener_not_found_exception,
                   "One or more listeners not found");
    return l;
}

struct rule *rule_require(struct call *c, const char *arn)
{
    struct rule *r = own(c, arn) ? rule_find(c->core, arn) : NULL;
    if (!r)
        call_fault(c, &elbv2_rule_not_found_exception, "One or more rules not found");
    return r;
}

struct target_group *target_group_require(struct call *c, const char *arn)
{
    struct target_group *g = own(c, arn) ? target_group_find(c->core, arn) : NULL;
    if (!g)
        call_fault(c, &elbv2_target_group_not_found_exception,
                   "One or more target groups not found");
    return g;
}

int elb_invalid(struct call *c, const char *fmt, ...)
{
    static const struct wire_fault invalid = {
        .code = "ValidationError", .status = 400, .sender = true};
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(&c->arena, fmt, ap);
    va_end(ap);
    return call_fault(c, &invalid, "%s", text);
}

/* ---- */

/* Targets by instance id share its end; its return is a new beginning. */
static void share(struct core *core, struct target *t)
{
    bool stopped = !target_instance_runs(core, t);
    if (stopped == t->stopped)
        return;
    t->stopped = stopped;
    t->status = ELBV2_TARGET_INITIAL;
    t->reason = ELBV2_TARGET_HEALTH_REASON_ENUM_ELB_REGISTRATION_IN_PROGRESS;
    *t->description = '\0';
    target_changed(core, t);
}

static void instance_changed(void *ctx, struct core *core, const struct ec2_scope *s,
                             const char *instance_id, bool running)
{
    struct elbv2 *e = ctx;
    const char *prefix = elb_key(core_scratch(core), "target-group", s, "");
    const char *after = prefix;
    for (struct target_group *g; (g = table_next(e->groups, prefix, after));
         after = g->o.key) {
        list_for_each (it, &g->targets) {
            struct target *t = list_entry(it, struct target, link);
            if (!streq(t->rec->id, instance_id))
                continue;
            share(core, t);
            group_changed(core, g);
        }
    }
}

/* A certificate was imported again: its users serve the new one. */
static void certificate_changed(void *ctx, struct core *core, const char *arn,
                                const struct string_list *users)
{
    for (size_t i = 0; i < users->n; i++) {
        struct balancer *b = balancer_find(core, users->v[i]);
        if (b)
            balancer_changed(core, b);
    }
}

void elbv2_set_edge_ops(struct core *core, const struct elbv2_edge_ops *ops, void *ctx)
{
    elbv2_of(core)->edge_ops = ops;
    elbv2_of(core)->edge_ctx = ctx;
}

void elbv2_set_watch(struct core *core, const struct elbv2_watch *watch)
{
    elbv2_of(core)->watch = *watch;
}

void elbv2_attach(struct core *core)
{
    struct elbv2 *e = xcalloc(1, sizeof(*e));
    core_set_service(core, &elbv2_service_key, e, free);
    e->groups = table_add(core, &target_group_table);
    e->targets = table_add(core, &target_table);
    e->balancers = table_add(core, &balancer_table);
    e->listeners = table_add(core, &listener_table);
    e->rules = table_add(core, &rule_table);
    e->instances = (struct ec2_watch){.instance_changed = instance_changed, .ctx = e};
    ec2_watch_add(core, &e->instances);
    e->certificates = (struct acm_watch){.changed = certificate_changed, .ctx = e};
    acm_watch_add(core, &e->certificates);
}
