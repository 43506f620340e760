/* The controller of deployments by stages, see staged.h. */
#include <stdio.h>

#include "ecs_events.h"
#include "service_alarms.h"
#include "service_control.h"
#include "service_history.h"
#include "service_rollout.h"
#include "service_targets.h"
#include "staged_private.h"

#define ALARM_POLL_MS (30 * 1000)

/* One look at the service. */
struct look {
    struct core *core;
    struct service *s;
    struct rollout r;
    struct rollout_config config;
    struct rollout_hook_config hooks[ROLLOUT_HOOKS_MAX];
    struct rollout_observed seen;
    const struct ecs_deployment_configuration *conf;
    uint32_t desired;
    bool give_up; /* it failed, and nobody wants it rolled back */
};

static bool forward(const struct look *k)
{
    return !k->r.rolling_back;
}

/* ---- beginning ---- */

static struct service_deployment *newest(struct core *core, const struct service *s)
{
    if (s->rec->deployments.n == 0)
        return NULL;
    return service_deployment_find(core, s->rec->deployments.v[0].service_deployment_arn);
}

/* What serves now: the newest that was completed, else the newest there is. */
static ptrdiff_t choose_source(const struct service *s)
{
    const struct ecs_deployment_list *l = &s->rec->service->deployments;
    for (size_t i = 1; i < l->n; i++)
        if (l->v[i].rollout_state == ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED)
            return (ptrdiff_t)i;
    return l->n > 1 ? 1 : -1;
}

/* False when nobody shifts traffic. */
static bool traffic_of(struct core *core, const struct service *s,
                       struct ecs_traffic *ret)
{
    const struct gantry_rollout_record *r = s->rec->rollout;
    const struct gantry_deployment_record *d = s->rec->deployments.v;
    ptrdiff_t green = staged_green(s), blue = staged_source(s);
    if (!ecs_of(core)->traffic_ops || green < 0)
        return false;
    *ret = (struct ecs_traffic){
        .service_arn = s->rec->service->service_arn,
        .green_revision_arn = d[green].service_revision_arn,
        .blue_revision_arn = blue >= 0 ? d[blue].service_revision_arn : NULL,
        .production = r->production_weight.v,
        .test = r->test_weight.v,
    };
    return true;
}

static void shift(struct core *core, const struct service *s)
{
    const struct ecs *ecs = ecs_of(core);
    struct ecs_traffic t;
    if (traffic_of(core, s, &t))
        ecs->traffic_ops->shift(ecs->traffic_ctx, core, &t);
}

static bool settled(struct core *core, const struct service *s)
{
    const struct ecs *ecs = ecs_of(core);
    struct ecs_traffic t;
    return !traffic_of(core, s, &t) ||
           ecs->traffic_ops->settled(ecs->traffic_ctx, core, &t);
}

/* A deployment that supersedes one on its way begins with all traffic on blue. */
static void begin(struct core *core, struct service *s)
{
    struct arena *a = &s->o.arena;
    const struct ecs_deployment_list *l = &s->rec->service->deployments;
    struct rollout r;
    if (s->rec->rollout)
        staged_end_hooks(core, s);
    ptrdiff_t source = choose_source(s);
    struct gantry_rollout_record *rec = arena_new(a, struct gantry_rollout_record);
    s->rec->rollout = rec;
    rec->deployment_id = arena_strdup(a, l->v[0].id);
    rec->service_deployment_arn =
        arena_strdup(a, s->rec->deployments.v[0].service_deployment_arn);
    if (source >= 0)
        rec->source_deployment_id = arena_strdup(a, l->v[source].id);
    rollout_init(&r, l->n - 1);
    staged_write(core, s, &r);
    staged_show(core, s);
    shift(core, s);
}

/* Its newest deployment is on its way already. */
static bool under_way(const struct service *s)
{
    const struct gantry_rollout_record *r = s->rec->rollout;
    return r && s->rec->deployments.n > 0 &&
           streq(r->deployment_id, s->rec->deployments.v[0].id);
}

/* Its newest deployment is to go by stages. */
static bool to_begin(struct core *core, const struct service *s)
{
    const struct service_deployment *d = newest(core, s);
    return d && !service_deployment_over(d) && !s->rec->deployments.v[0].rollback.v &&
           staged_strategy(d->rec->deployment->deployment_configuration);
}

static bool look_begin(struct core *core, struct service *s, struct look *k)
{
    bool active = streq(s->rec->service->status, "ACTIVE");
    if (active && under_way(s)) {
        if (!s->traffic_told)
            shift(core, s);
    } else if (active && to_begin(core, s)) {
        begin(core, s);
    } else {
        staged_abandon(core, s);
        return false;
    }
    bool restarted = !s->traffic_told;
    s->traffic_told = true;
    *k = (struct look){.core = core, .s = s};
    k->conf = staged_config_of(core, s);
    staged_config_read(k->conf, k->hooks, &k->config);
    k->config.bake_ms = service_bake_ms(core, s);
    k->desired = (uint32_t)s->rec->service->desired_count.v;
    staged_read(s->rec->rollout, &k->r);
    if (restarted)
        rollout_restarted(&k->r);
    return true;
}

/* ---- one revision by itself ---- */

struct revision {
    size_t index; /* in the service's deployments */
    bool wanted, green, source;
};

/* Nothing is remembered of the others. */
static bool has_memory(const struct revision *v)
{
    return v->green || v->source;
}

/* To be asked again after every save. */
static struct gantry_deployment_memory **memory_of(const struct look *k,
                                                   const struct revision *v)
{
    return v->green ? &k->s->rec->memory : &k->s->rec->rollout->source_memory;
}

static bool any_task(const struct service *s, const char *deployment_id)
{
    list_for_each (it, &s->tasks) {
        if (streq(list_entry(it, struct task, service_link)->rec->deployment_id,
                  deployment_id))
            return true;
    }
    return false;
}

static void picture_make(const struct look *k, const struct revision *v,
                         struct deployment *d, struct service_picture *p)
{
    const struct ecs_service *rec = k->s->rec->service;
    const struct ecs_deployment_configuration *conf = rec->deployment_configuration;
    const struct ecs_deployment_circuit_breaker *breaker =
        k->conf->deployment_circuit_breaker;
    bool judged = v->green && forward(k);
    rollout_read(k->s, v->index, d);
    d->primary = true;
    /* A failed one gets no new tasks, but its old ones can be taken away. */
    if (judged)
        d->rollout = ROLLOUT_IN_PROGRESS;
    else if (v->green || !v->wanted)
        d->rollout = ROLLOUT_COMPLETED;
    p->deployments = d;
    p->service = (struct deployment_service){
        .name = rec->service_name,
        .desired = v->wanted ? k->desired : 0,
        .minimum_healthy_percent = (uint32_t)conf->minimum_healthy_percent.v,
        .maximum_percent = (uint32_t)conf->maximum_percent.v,
        .load_balanced = service_load_balanced(k->s, NULL),
        .health_grace_ms = rec->health_check_grace_period_seconds.v * 1000LL,
        .breaker = judged && breaker && breaker->enable.v,
        .deployments = d,
        .deployment_count = 1,
    };
    service_picture_tasks(k->core, k->s, p);
}

/* Its own deployment is steady, complete or failed only as a whole. */
static bool for_people(const struct deployment_action *act)
{
    return act->event == SERVICE_EVENT_TEXT_ONLY ||
           act->event == SERVICE_EVENT_TASKS_STOPPED ||
           act->event == SERVICE_EVENT_START_IMPAIRED;
}

static void carry_out(struct look *k, const struct revision *v,
                      const struct service_picture *p, const struct deployment_plan *plan,
                      struct deployment_memory *memory)
{
    struct service *s = k->s;
    struct arena *a = core_scratch(k->core);
    const struct ecs_deployment *d = &s->rec->service->deployments.v[v->index];
    struct service_start what = {.task_definition = arena_strdup(a, d->task_definition),
                                 .deployment_id = arena_strdup(a, d->id)};
    struct launch_terms terms = {.launch_type = (int)d->launch_type,
                                 .strategy = d->capacity_provider_strategy,
                                 .platform_version = d->platform_version,
                                 .network = d->network_configuration};
    launch_terms_copy(a, &terms, &what.terms);
    for (size_t i = 0; i < plan->count; i++) {
        const struct deployment_action *act = &plan->actions[i];
        if (act->kind == DEPLOYMENT_START)
            service_start_tasks(k->core, s, &what, act->count, memory);
        else if (act->kind == DEPLOYMENT_STOP)
            task_stop(k->core, p->tasks[act->task].owner,
                      ECS_TASK_STOP_CODE_SERVICE_SCHEDULER_INITIATED, act->text);
        else if (act->kind == DEPLOYMENT_EVENT && (v->green || v->source) &&
                 for_people(act))
            service_told(k->core, s, act->event, act->text);
        else if (act->kind == DEPLOYMENT_FAIL)
            k->seen.failure = act->text;
    }
}

/* When the youngest task without a check counts as healthy. */
static void wake_when_mature(const struct look *k, const struct service_picture *p)
{
    int64_t now = core_now_ms(k->core);
    for (size_t i = 0; i < p->service.task_count; i++) {
        int64_t at = p->tasks[i].started_at_ms + DEPLOYMENT_GRACE_MS;
        if (p->tasks[i].phase == PHASE_RUNNING && at > now)
            wake_at(k->core, &k->s->wake, at);
    }
}

static void run_revision(struct look *k, const struct revision *v)
{
    struct deployment d;
    struct service_picture p;
    struct deployment_plan plan;
    struct deployment_memory was = {0}, memory;
    picture_make(k, v, &d, &p);
    if (has_memory(v))
        service_memory_read(*memory_of(k, v), &was);
    memory = was;
    deployment_plan(&p.service, core_now_ms(k->core), &memory, core_scratch(k->core),
                    &plan);
    if (v->green) {
        uint32_t desired = (uint32_t)k->s->rec->service->desired_count.v;
        k->seen.green_ready =
            plan.healthy >= desired && plan.running == desired && plan.pending == 0;
        wake_when_mature(k, &p);
    }
    carry_out(k, v, &p, &plan, &memory);
    if (has_memory(v))
        service_memory_write(k->core, k->s, memory_of(k, v), &was, &memory);
    if (plan.wake_at_ms)
        wake_at(k->core, &k->s->wake, plan.wake_at_ms);
}

/* Older ones than blue go as soon as a deployment begins. */
static void run_revisions(struct look *k)
{
    struct service *s = k->s;
    for (size_t i = s->rec->deployments.n; i-- > 0;) {
        struct revision v = {.index = i,
                             .green = (ptrdiff_t)i == staged_green(s),
                             .source = (ptrdiff_t)i == staged_source(s)};
        v.wanted = v.green    ? rollout_wants_green(&k->r)
                   : v.source ? rollout_wants_source(&k->r)
                              : false;
        run_revision(k, &v);
        const char *id = s->rec->deployments.v[i].id;
        if (!v.green && !v.source && !any_task(s, id))
            rollout_drop(k->core, s, i);
    }
}

/* ---- observing ---- */

static const char *alarm_text(struct look *k)
{
    const struct ecs_deployment_alarms *alarms = k->conf->alarms;
    if (!service_watches_alarms(k->s))
        return NULL;
    wake_at(k->core, &k->s->wake, core_now_ms(k->core) + ALARM_POLL_MS);
    if (!service_alarmed(k->core, k->s))
        return NULL;
    k->give_up = !alarms->rollback.v;
    return "ECS deployment alarms: alarm detected.";
}

static void observe(struct look *k)
{
    const struct service *s = k->s;
    const struct ecs_deployment_circuit_breaker *breaker =
        k->conf->deployment_circuit_breaker;
    ptrdiff_t source = staged_source(s);
    const struct ecs_deployment_list *l = &s->rec->service->deployments;
    k->seen.has_source = source >= 0;
    k->seen.older = l->n - 1;
    k->seen.traffic_settled = settled(k->core, s);
    k->seen.green_gone = !any_task(s, s->rec->rollout->deployment_id);
    k->seen.source_gone = source < 0 || !any_task(s, l->v[source].id);
    if (k->seen.failure)
        k->give_up = !breaker->rollback.v;
    else
        k->seen.failure = alarm_text(k);
    if (s->rec->rollout->wanted) {
        k->seen.failure = s->rec->rollout->wanted;
        k->give_up = false;
    }
}

/* ---- moving ---- */

static void tell(struct look *k, const char *text)
{
    service_event(k->core, k->s, text);
}

/* It has just turned round. */
static void tell_turned(struct look *k)
{
    struct service *s = k->s;
    ptrdiff_t source = staged_source(s);
    struct service_deployment *d =
        service_deployment_find(k->core, s->rec->rollout->service_deployment_arn);
    AUTO_STR text = STR_INIT;
    tell(k, arena_printf(core_scratch(k->core),
                         "(service %s) (deployment %s) deployment failed: %s",
                         s->rec->service->service_name, s->rec->rollout->deployment_id,
                         k->r.reason));
    if (source < 0)
        return;
    if (d)
        service_deployment_rolls_back(
            k->core, d, s->rec->deployments.v[source].service_revision_arn, k->r.reason);
    service_event_rolling_back(&text, s->rec->service->service_name,
                               s->rec->deployments.v[source].id);
    tell(k, str_text(&text));
}

/* Immediate answers are written with the rest, and looked at in the next round. */
static void call_hooks(struct look *k, const struct rollout_plan *plan)
{
    bool answered = false;
    for (size_t n = 0; n < plan->call_count; n++) {
        uint32_t hook = plan->calls[n];
        answered |= staged_call_hook(k->core, k->s, hook, &k->r.hooks[hook]);
    }
    if (!answered)
        return;
    staged_write(k->core, k->s, &k->r);
    staged_show(k->core, k->s);
    wake_now(k->core, &k->s->wake);
}

static void move(struct look *k)
{
    struct rollout_plan plan;
    bool was_back = k->r.rolling_back;
    rollout_advance(&k->config, &k->seen, core_now_ms(k->core), &k->r, &plan);
    if (plan.wake_at_ms)
        wake_at(k->core, &k->s->wake, plan.wake_at_ms);
    if (!plan.actions)
        return;
    if (plan.actions & ROLLOUT_HOOKS)
        staged_new_hooks(k->core, k->s, &k->r);
    staged_write(k->core, k->s, &k->r);
    if (k->r.rolling_back && !was_back)
        tell_turned(k);
    if (plan.actions & ROLLOUT_SHIFT)
        shift(k->core, k->s);
    staged_show(k->core, k->s);
    call_hooks(k, &plan);
    wake_now(k->core, &k->s->wake); /* what is wanted may have changed */
}

/* ---- the end ---- */

static void forget(struct core *core, struct service *s)
{
    staged_end_hooks(core, s);
    s->rec->rollout = NULL;
    object_save(core, &s->o);
    wake_now(core, &s->wake);
}

static void succeed(struct look *k)
{
    struct service *s = k->s;
    AUTO_STR text = STR_INIT;
    ptrdiff_t source = staged_source(s);
    const char *id = arena_strdup(core_scratch(k->core), s->rec->rollout->deployment_id);
    if (source >= 0)
        rollout_drop(k->core, s, (size_t)source);
    rollout_complete(
        k->core, s, 0,
        arena_printf(core_scratch(k->core), "ECS deployment %s completed.", id));
    str_addf(&text, "(service %s) (deployment %s) deployment completed.",
             s->rec->service->service_name, id);
    tell(k, str_text(&text));
    forget(k->core, s);
}

static void failed_for_good(struct look *k)
{
    ptrdiff_t green = staged_green(k->s);
    const char *reason = k->r.reason[0] ? k->r.reason : k->seen.failure;
    rollout_fail(k->core, k->s, (size_t)green, reason);
    forget(k->core, k->s);
}

static void finish(struct look *k)
{
    struct service *s = k->s;
    switch (k->r.outcome) {
    case OUTCOME_SUCCESSFUL:
        succeed(k);
        break;
    case OUTCOME_ROLLED_BACK:
        rollout_return(k->core, s, (size_t)staged_source(s), k->r.reason);
        forget(k->core, s);
        break;
    case OUTCOME_FAILED:
        failed_for_good(k);
        break;
    case OUTCOME_OPEN:
        break;
    }
}

bool staged_control(struct core *core, struct service *s)
{
    struct look k;
    if (!look_begin(core, s, &k))
        return false;
    run_revisions(&k);
    observe(&k);
    if (k.seen.failure && k.give_up && forward(&k)) {
        snprintf(k.r.reason, sizeof(k.r.reason), "%s", k.seen.failure);
        failed_for_good(&k);
        return true;
    }
    move(&k);
    finish(&k);
    return true;
}

/* ---- from outside ---- */

bool staged_turn_back(struct core *core, struct service *s, const char *reason)
{
    struct gantry_rollout_record *r = s->rec->rollout;
    struct rollout now;
    if (!r)
        return false;
    staged_read(r, &now);
    if (now.rolling_back || now.stage == STAGE_CLEAN_UP || staged_source(s) < 0)
        return false;
    r->wanted = arena_strdup(&s->o.arena, reason);
    object_save(core, &s->o);
    wake_now(core, &s->wake);
    return true;
}

void staged_abandon(struct core *core, struct service *s)
{
    if (s->rec->rollout)
        forget(core, s);
}
