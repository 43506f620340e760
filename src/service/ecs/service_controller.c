/* The service controller: from desired and observed to actions.
 *
 * The decision itself is deployment_plan(), a pure function. This file shows it the
 * service as it is, carries out what it says, and writes down what it must remember. It
 * runs when something of the service changed (wake_now) or when the plan asked for it. */
#include <assert.h>
#include <string.h>

#include "cluster_images.h"
#include "daemon.h"
#include "deployment.h"
#include "ecs_events.h"
#include "ecs_state.h"
#include "launch.h"
#include "secret_change.h"
#include "service_alarms.h"
#include "service_control.h"
#include "service_daemon.h"
#include "service_rollout.h"
#include "service_targets.h"
#include "service_zones.h"
#include "staged.h"
#include "task_health.h"
#include "task_protection.h"
#include "task_set.h"

#define MAX_EVENTS    100
#define ALARM_POLL_MS (30 * 1000)

/* ---- what the scheduler remembers, as it is stored ---- */

static int64_t time_or_0(struct opt_time t)
{
    return t.set ? t.v : 0;
}

static struct opt_time time_if_set(int64_t ms)
{
    return (struct opt_time){.set = ms != 0, .v = ms};
}

void service_memory_read(const struct gantry_deployment_memory *m,
                         struct deployment_memory *ret)
{
    *ret = (struct deployment_memory){0};
    if (!m)
        return;
    *ret = (struct deployment_memory){
        .start_rounds = (uint32_t)m->start_rounds.v,
        .retry_at_ms = time_or_0(m->retry_at),
        .place_at_ms = time_or_0(m->place_at),
        .steady_at_ms = time_or_0(m->steady_at),
        .stuck_at_ms = time_or_0(m->stuck_at),
        .impaired_at_ms = time_or_0(m->impaired_at),
        .blocked_at_ms = time_or_0(m->blocked_at),
        .moving_at_ms = time_or_0(m->moving_at),
        .unmoved_at_ms = time_or_0(m->unmoved_at),
        .unbalanced_at_ms = time_or_0(m->unbalanced_at),
    };
}

static bool memory_same(const struct deployment_memory *a,
                        const struct deployment_memory *b)
{
    return a->start_rounds == b->start_rounds && a->retry_at_ms == b->retry_at_ms &&
           a->place_at_ms == b->place_at_ms && a->steady_at_ms == b->steady_at_ms &&
           a->stuck_at_ms == b->stuck_at_ms && a->impaired_at_ms == b->impaired_at_ms &&
           a->blocked_at_ms == b->blocked_at_ms && a->moving_at_ms == b->moving_at_ms &&
           a->unmoved_at_ms == b->unmoved_at_ms &&
           a->unbalanced_at_ms == b->unbalanced_at_ms;
}

void service_memory_write(struct core *core, struct service *s,
                          struct gantry_deployment_memory **slot,
                          const struct deployment_memory *was,
                          const struct deployment_memory *m)
{
    if (memory_same(was, m))
        return;
    if (!*slot)
        *slot = arena_new(&s->o.arena, struct gantry_deployment_memory);
    **slot = (struct gantry_deployment_memory){
        .start_rounds = {.set = m->start_rounds != 0, .v = (int32_t)m->start_rounds},
        .retry_at = time_if_set(m->retry_at_ms),
        .place_at = time_if_set(m->place_at_ms),
        .steady_at = time_if_set(m->steady_at_ms),
        .stuck_at = time_if_set(m->stuck_at_ms),
        .impaired_at = time_if_set(m->impaired_at_ms),
        .blocked_at = time_if_set(m->blocked_at_ms),
        .moving_at = time_if_set(m->moving_at_ms),
        .unmoved_at = time_if_set(m->unmoved_at_ms),
        .unbalanced_at = time_if_set(m->unbalanced_at_ms),
    };
    object_save(core, &s->o);
}

/* ---- events ---- */

void service_event(struct core *core, struct service *s, const char *text)
{
    struct arena *a = &s->o.arena;
    struct ecs_service_event_list *l = &s->rec->service->events;
    char hex[33];
    core_random_hex(core, hex, 32);
    if (l->n < MAX_EVENTS)
        LIST_PUSH(a, l);
    memmove(&l->v[1], &l->v[0], (l->n - 1) * sizeof(l->v[0]));
    l->v[0] = (struct ecs_service_event){
        .id = arena_printf(a, "%.8s-%.4s-%.4s-%.4s-%s", hex, hex + 8, hex + 12, hex + 16,
                           hex + 20),
        .created_at = SET_TIME(core_now_ms(core)),
        .message = arena_strdup(a, text),
    };
    object_save(core, &s->o);
}

void service_told(struct core *core, struct service *s, enum service_event event,
                  const char *text)
{
    service_event(core, s, text);
    event_of_service(core, s, event, text);
}

/* The same complaint is told once until its cause is gone, or again after six hours. */
static void complain(struct core *core, struct service *s, const char *text)
{
    int64_t now = core_now_ms(core);
    if (streq(s->rec->last_complaint, text) &&
        now - s->rec->last_complaint_at.v < DEPLOYMENT_REPEAT_MS)
        return;
    s->rec->last_complaint = arena_strdup(&s->o.arena, text);
    s->rec->last_complaint_at = SET_TIME(now);
    service_told(core, s, SERVICE_EVENT_UNPLACED, text);
}

/* ---- starting tasks ---- */

static void start_tags(struct core *core, const struct service *s,
                       const struct taskdef *td, struct ecs_tag_list *ret)
{
    struct arena *a = core_scratch(core);
    const struct ecs_service *rec = s->rec->service;
    if (rec->propagate_tags == ECS_PROPAGATE_TAGS_TASK_DEFINITION)
        tags_merge(a, ret, &td->rec->tags);
    if (rec->propagate_tags == ECS_PROPAGATE_TAGS_SERVICE)
        tags_merge(a, ret, &rec->tags);
    if (rec->enable_ecs_managed_tags.v) {
        tags_set(a, ret, "aws:ecs:clusterName", s->cluster->name);
        if (!service_hidden(s))
            tags_set(a, ret, "aws:ecs:serviceName", rec->service_name);
    }
}

static void wait_for_room(struct service *s)
{
    if (list_empty(&s->waiting))
        list_append(&s->cluster->waiting, &s->waiting);
}

/* `known`: why; NULL: to be found out. */
static void unplaced(struct core *core, struct service *s, const struct launch *l,
                     const struct place_rejection *known)
{
    struct place_rejection why = known ? *known : (struct place_rejection){0};
    AUTO_STR text = STR_INIT;
    if (known || place_closest(s->cluster->place, &l->need, l->group, &why))
        service_event_unplaced(&text, s->rec->service->service_name,
                               place_instance_id(why.instance),
                               place_reason_text(why.reason));
    else
        service_event_unplaced(&text, s->rec->service->service_name, NULL, NULL);
    complain(core, s, str_text(&text));
    wait_for_room(s);
}

static int starting_prepare(struct core *core, struct service *s,
                            const struct service_start *what, struct launch *ret)
{
    const struct ecs_service *rec = s->rec->service;
    *ret = (struct launch){
        .cluster = s->cluster,
        .service = s,
        .taskdef = taskdef_by_arn(core, what->task_definition),
        .deployment_id = what->deployment_id,
        .terms = what->terms,
        .started_by = what->deployment_id,
        .group = service_group(core_scratch(core), s),
        .enable_execute_command = rec->enable_execute_command.v,
        .constraints = &rec->placement_constraints,
        .strategies = &rec->placement_strategy,
    };
    if (!ret->taskdef)
        return -1;
    start_tags(core, s, ret->taskdef, &ret->tags);
    return launch_prepare(NULL, core, ret);
}

int service_launch_prepare(struct core *core, struct service *s, const char *taskdef_arn,
                           struct launch *ret)
{
    struct service_start what = {.task_definition = taskdef_arn};
    launch_terms_of(s->rec->service, &what.terms);
    return starting_prepare(core, s, &what, ret);
}

/* False when an instance for it is not to be had. */
static bool start_one(struct core *core, struct launch *l, struct str *ids)
{
    struct task *t = launch_one(core, l);
    if (!t)
        return false;
    const char *id = ecs_last_segment(t->rec->task->task_arn);
    str_addn(ids, &id, sizeof(id));
    return true;
}

void service_start_tasks(struct core *core, struct service *s,
                         const struct service_start *what, uint32_t count,
                         struct deployment_memory *memory)
{
    struct launch st;
    AUTO_STR ids = STR_INIT; /* an array of const char * */
    bool ready = starting_prepare(core, s, what, &st) == 0;
    uint32_t n = 0;
    struct place_rejection why = {0};
    if (ready && what->zone) {
        st.need.zones = &what->zone;
        st.need.zone_count = 1;
    }
    if (ready && service_is_daemon(s))
        n = service_daemon_start(core, s, &st, &ids, &why);
    while (ready && !service_is_daemon(s) && n < count && start_one(core, &st, &ids))
        n++;
    if (ready && n < count && what->zone)
        wait_for_room(s);
    else if (ready && n < count)
        unplaced(core, s, &st, why.instance ? &why : NULL);
    else
        s->rec->last_complaint = NULL;
    if (n < count)
        deployment_note(memory, NULL, what->zone ? NEWS_NOT_MOVED : NEWS_PLACEMENT_FAILED,
                        core_now_ms(core));
    if (n > 0) {
        AUTO_STR text = STR_INIT;
        service_event_started(&text, s->rec->service->service_name,
                              (const char *const *)(void *)ids.data, n);
        service_event(core, s, str_text(&text));
    }
    launch_fini(&st);
}

/* ---- the picture for the plan ---- */

static uint8_t phase_of(const struct task *t)
{
    switch (t->status) {
    case TASK_PROVISIONING:
    case TASK_PENDING:
    case TASK_ACTIVATING:
        return PHASE_STARTING;
    case TASK_RUNNING:
        return PHASE_RUNNING;
    case TASK_STOPPED:
        return PHASE_GONE;
    default:
        return PHASE_ENDING;
    }
}

static size_t list_length(const struct list *head)
{
    size_t n = 0;
    list_for_each (it, head)
        n++;
    return n;
}

/* The order of leaving is only worth its sort when somebody may have to leave. */
struct ranking {
    struct core *core;
    const struct service *service;
    struct service_picture *picture;
};

static void picture_rank(void *ctx)
{
    const struct ranking *r = ctx;
    struct core *core = r->core;
    const struct service *s = r->service;
    struct service_picture *p = r->picture;
    struct arena *a = core_scratch(core);
    size_t n = p->service.task_count;
    struct place_victim *v = arena_new_array(a, struct place_victim, n);
    for (size_t i = 0; i < n; i++) {
        struct task *t = p->tasks[i].owner;
        v[i] = (struct place_victim){.instance = t->instance ? t->instance->place : NULL,
                                     .owner = &p->tasks[i]};
        str_to_i64(t->rec->task->cpu, 0, INT64_MAX, &v[i].cpu);
        str_to_i64(t->rec->task->memory, 0, INT64_MAX, &v[i].memory_mib);
    }
    struct place_strategy strategy[PLACE_MAX_STRATEGIES];
    size_t strategies = 0;
    if (strategies_read(NULL, &s->rec->service->placement_strategy, strategy,
                        &strategies) < 0)
        strategies = 0;
    struct place_random random = core_place_random(core);
    const char *group = service_group(a, s);
    place_rank_victims(s->cluster->place, group, strategy, strategies, &random, v, n);
    for (size_t i = 0; i < n; i++)
        ((struct deployment_task *)v[i].owner)->rank = (uint32_t)i;
}

/* A task without a check of an essential container is judged by its age alone. */
static uint8_t check_of(const struct task *t)
{
    switch (t->rec->task->health_status) {
    case ECS_HEALTH_STATUS_HEALTHY:
        return CHECK_HEALTHY;
    case ECS_HEALTH_STATUS_UNHEALTHY:
        return CHECK_UNHEALTHY;
    default:
        return t->taskdef && task_has_check(taskdef_of(t->taskdef)) ? CHECK_UNKNOWN
                                                                    : CHECK_NONE;
    }
}

static ptrdiff_t picture_index(const struct service_picture *p, const char *id)
{
    for (size_t i = 0; i < p->service.deployment_count; i++)
        if (streq(p->deployments[i].id, id))
            return (ptrdiff_t)i;
    return -1;
}

void service_picture_tasks(struct core *core, struct service *s,
                           struct service_picture *p)
{
    struct arena *a = core_scratch(core);
    size_t max = list_length(&s->tasks), n = 0;
    p->tasks = arena_new_array(a, struct deployment_task, max);
    list_for_each (it, &s->tasks) {
        struct task *t = list_entry(it, struct task, service_link);
        ptrdiff_t index = picture_index(p, t->rec->deployment_id);
        /* A task outlives its deployment only while it stops: it takes no part. */
        if (index < 0)
            continue;
        const char *group = NULL;
        enum check_health target =
            p->service.load_balanced ? task_targets_health(core, t, &group) : CHECK_NONE;
        p->tasks[n++] = (struct deployment_task){
            .id = ecs_last_segment(t->rec->task->task_arn),
            .owner = t,
            .deployment = (uint32_t)index,
            .phase = phase_of(t),
            .health = check_of(t),
            .target = (uint8_t)target,
            .target_group = group,
            .stop_wanted = t->stopping,
            .is_protected = task_protected(core, t),
            .draining = t->instance && instance_draining(t->instance),
            .started_at_ms = time_or_0(t->rec->task->started_at),
        };
    }
    p->service.tasks = p->tasks;
    p->service.task_count = n;
    struct ranking *r = arena_new(core_scratch(core), struct ranking);
    *r = (struct ranking){core, s, p};
    p->service.rank = picture_rank;
    p->service.rank_ctx = r;
}

static void picture_make(struct core *core, struct service *s, struct service_picture *p)
{
    const struct ecs_service *rec = s->rec->service;
    const struct ecs_deployment_configuration *conf = rec->deployment_configuration;
    const struct ecs_deployment_circuit_breaker *breaker =
        conf->deployment_circuit_breaker;
    size_t n = rec->deployments.n;
    p->deployments = arena_new_array(core_scratch(core), struct deployment, n);
    for (size_t i = 0; i < n; i++)
        rollout_read(s, i, &p->deployments[i]);
    bool way_back = n > 0 && rollout_can_roll_back(core, s, 0);
    p->service = (struct deployment_service){
        .name = rec->service_name,
        .desired = (uint32_t)rec->desired_count.v,
        .minimum_healthy_percent = (uint32_t)conf->minimum_healthy_percent.v,
        .maximum_percent = (uint32_t)conf->maximum_percent.v,
        .load_balanced = service_load_balanced(s, NULL),
        .health_grace_ms = rec->health_check_grace_period_seconds.v * 1000LL,
        .breaker = breaker && breaker->enable.v,
        .breaker_rollback = breaker && breaker->rollback.v && way_back,
        .draining = !streq(rec->status, "ACTIVE"),
        .deployments = p->deployments,
        .deployment_count = n,
        .bake_ms = service_bake_ms(core, s),
        .alarmed = service_alarmed(core, s),
        .alarm_rollback = conf->alarms && conf->alarms->rollback.v && way_back,
    };
    service_picture_tasks(core, s, p);
    if (service_is_daemon(s))
        service_daemon_picture(core, s, p);
    service_zones_picture(core, s, p);
}

/* ---- carrying out ---- */

static void start_deployment(struct core *core, struct service *s, size_t index,
                             const struct deployment_action *act,
                             struct deployment_memory *memory)
{
    const struct ecs_deployment *d = &s->rec->service->deployments.v[index];
    struct service_start what = {
        .task_definition = d->task_definition, .deployment_id = d->id, .zone = act->text};
    launch_terms_of(s->rec->service, &what.terms);
    service_start_tasks(core, s, &what, act->count, memory);
}

static bool has_action(const struct deployment_plan *plan,
                       enum deployment_action_kind kind)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->actions[i].kind == kind)
            return true;
    return false;
}

/* Deployment ids stay the same while indexes move, so act on starts and ends first and
 * drop deployments last. */
static void carry_out(struct core *core, struct service *s, struct service_picture *p,
                      const struct deployment_plan *plan,
                      struct deployment_memory *memory)
{
    const struct deployment_action *back = NULL;
    for (size_t i = 0; i < plan->count; i++) {
        const struct deployment_action *act = &plan->actions[i];
        switch (act->kind) {
        case DEPLOYMENT_START:
            start_deployment(core, s, act->deployment, act, memory);
            break;
        case DEPLOYMENT_STOP:
            if (p->tasks[act->task].misplaced)
                event_of_service(core, s, SERVICE_EVENT_DAEMON_MISPLACED, act->text);
            task_stop(core, p->tasks[act->task].owner,
                      ECS_TASK_STOP_CODE_SERVICE_SCHEDULER_INITIATED, act->text);
            break;
        case DEPLOYMENT_COMPLETE:
            rollout_complete(core, s, act->deployment, act->text);
            break;
        case DEPLOYMENT_FAIL:
            if (!has_action(plan, DEPLOYMENT_ROLLBACK))
                rollout_fail(core, s, act->deployment, act->text);
            break;
        case DEPLOYMENT_EVENT:
            service_told(core, s, act->event, act->text);
            break;
        case DEPLOYMENT_BAKE:
            rollout_bake(core, s, act->deployment, p->service.bake_ms);
            wake_now(core, &s->wake);
            break;
        case DEPLOYMENT_ROLLBACK:
            back = act;
            break;
        case DEPLOYMENT_REMOVE:
            break;
        }
    }
    for (size_t i = plan->count; i-- > 0;)
        if (plan->actions[i].kind == DEPLOYMENT_REMOVE)
            rollout_drop(core, s, plan->actions[i].deployment);
    /* Removed ones are older, so the failed one is still where it was. */
    if (back)
        rollout_roll_back(core, s, back->deployment, back->text);
}

/* A deleted service is INACTIVE when nothing of it is left that has not been told to
 * stop. Its last deployment goes with it. */
static bool finish_draining(struct core *core, struct service *s)
{
    if (!streq(s->rec->service->status, "DRAINING"))
        return false;
    list_for_each (it, &s->tasks) {
        if (!list_entry(it, struct task, service_link)->stopping)
            return false;
    }
    while (s->rec->service->deployments.n > 0)
        rollout_drop(core, s, s->rec->service->deployments.n - 1);
    task_sets_drop(core, s);
    s->rec->service->status = "INACTIVE";
    s->cluster->draining_services -= !service_hidden(s);
    wake_cancel(core, &s->wake);
    list_remove(&s->daemon_link);
    list_remove(&s->waiting);
    object_save(core, &s->o);
    return true;
}

void service_controller(struct core *core, struct wake *w)
{
    struct service *s = list_entry(w, struct service, wake);
    cluster_images_look(core, s->cluster);
    if (streq(s->rec->service->status, "INACTIVE") || finish_draining(core, s))
        return;
    service_targets_sync(core, s);
    secret_change_deploy(core, s);
    if (service_external(s)) {
        task_sets_control(core, s);
        finish_draining(core, s);
        return;
    }
    if (staged_control(core, s))
        return;
    struct service_picture p;
    struct deployment_plan plan;
    struct deployment_memory was, memory;
    picture_make(core, s, &p);
    service_memory_read(s->rec->memory, &was);
    memory = was;
    deployment_plan(&p.service, core_now_ms(core), &memory, core_scratch(core), &plan);
    carry_out(core, s, &p, &plan, &memory);
    service_memory_write(core, s, &s->rec->memory, &was, &memory);
    if (plan.wake_at_ms)
        wake_at(core, &s->wake, plan.wake_at_ms);
    if (service_watches_alarms(s))
        wake_at(core, &s->wake, core_now_ms(core) + ALARM_POLL_MS);
    finish_draining(core, s);
}

/* ---- news ---- */

static void note(struct core *core, struct service *s, ptrdiff_t index,
                 enum deployment_news news)
{
    struct deployment_memory was, memory;
    struct deployment d = {0};
    service_memory_read(s->rec->memory, &was);
    memory = was;
    if (index >= 0)
        rollout_read(s, (size_t)index, &d);
    deployment_note(&memory, index >= 0 ? &d : NULL, news, core_now_ms(core));
    if (index >= 0)
        rollout_write(core, s, (size_t)index, &d);
    service_memory_write(core, s, &s->rec->memory, &was, &memory);
}

static void task_note(struct core *core, struct service *s, const struct task *t,
                      enum deployment_news news)
{
    ptrdiff_t set = task_set_index(s, t->rec->deployment_id);
    if (set >= 0)
        task_set_note(core, s, (size_t)set, news);
    else
        note(core, s, rollout_index(s, t->rec->deployment_id), news);
}

/* News that concern whatever of the service there is. */
static void note_all(struct core *core, struct service *s, enum deployment_news news)
{
    note(core, s, -1, news);
    for (size_t i = 0; i < s->rec->task_sets.n; i++)
        task_set_note(core, s, i, news);
}

void service_task_changed(struct core *core, struct service *s, const struct task *t,
                          bool launch_failed)
{
    if (launch_failed)
        task_note(core, s, t, NEWS_TASK_START_FAILED);
    else if (t->status == TASK_RUNNING)
        task_note(core, s, t, NEWS_TASK_RUNNING);
    wake_now(core, &s->wake);
}

void service_updated(struct core *core, struct service *s)
{
    note_all(core, s, NEWS_UPDATED);
    s->rec->last_complaint = NULL;
    object_save(core, &s->o);
    wake_now(core, &s->wake);
}

void services_place_again(struct core *core, struct cluster *cl)
{
    list_for_each_safe (it, &cl->waiting) {
        struct service *s = list_entry(it, struct service, waiting);
        list_remove(&s->waiting);
        note_all(core, s, NEWS_CAPACITY);
        wake_now(core, &s->wake);
    }
}

/* ---- after a restart ---- */

int service_loaded(struct core *core, struct object *o, struct error *err)
{
    struct service *s = (struct service *)o;
    struct arn arn;
    struct arena *a = core_scratch(core);
    struct ecs_service *rec = s->rec->service;
    if (!rec || !arn_parse(a, rec->cluster_arn, &arn))
        return fail(err, E_CORRUPT, "service without a cluster");
    s->cluster =
        table_find(ecs_of(core)->clusters, ecs_key(a, "cluster", arn.account, arn.region,
                                                   ecs_last_segment(arn.resource)));
    if (!s->cluster)
        return fail(err, E_CORRUPT, "cluster '%s' is missing", rec->cluster_arn);
    if (rec->deployments.n != s->rec->deployments.n)
        return fail(err, E_CORRUPT, "service with %zu deployments and %zu records",
                    rec->deployments.n, s->rec->deployments.n);
    service_link(s, s->cluster);
    if (service_is_daemon(s) && !streq(rec->status, "INACTIVE"))
        list_append(&s->cluster->daemons, &s->daemon_link);
    for (size_t i = 0; i < rec->deployments.n; i++) {
        struct taskdef *td = taskdef_by_arn(core, rec->deployments.v[i].task_definition);
        if (!td)
            return fail(err, E_CORRUPT, "task definition '%s' is missing",
                        rec->deployments.v[i].task_definition);
        td->users++;
    }
    if (task_sets_loaded(core, s, err) < 0)
        return -1;
    if (!service_hidden(s)) {
        s->cluster->active_services += streq(rec->status, "ACTIVE");
        s->cluster->draining_services += streq(rec->status, "DRAINING");
    }
    /* Tasks load after services; the controller runs when all are there. */
    if (!streq(rec->status, "INACTIVE"))
        wake_now(core, &s->wake);
    return 0;
}

void service_link(struct service *s, struct cluster *cl)
{
    s->cluster = cl;
    list_init(&s->tasks);
    list_init(&s->waiting);
    list_init(&s->daemon_link);
    wake_init(&s->wake, service_controller);
    list_append(&cl->services, &s->link);
}

void service_unlink(struct core *core, struct object *o)
{
    struct service *s = (struct service *)o;
    wake_cancel(core, &s->wake);
    list_for_each_safe (it, &s->tasks) { /* that are still stopping */
        list_entry(it, struct task, service_link)->service = NULL;
        list_remove(it);
    }
    list_remove(&s->link);
    list_remove(&s->daemon_link);
    list_remove(&s->waiting);
}
