/* The controller of EXTERNAL services, see task_set.h. */
#include <math.h>
#include <string.h>

#include "ecs_events.h"
#include "service_control.h"
#include "service_targets.h"
#include "task_set.h"

bool service_external(const struct service *s)
{
    const struct ecs_deployment_controller *d = s->rec->service->deployment_controller;
    return d && d->type == ECS_DEPLOYMENT_CONTROLLER_TYPE_EXTERNAL;
}

ptrdiff_t task_set_index(const struct service *s, const char *id)
{
    for (size_t i = 0; i < s->rec->task_sets.n; i++)
        if (streq(s->rec->task_sets.v[i].id, id))
            return (ptrdiff_t)i;
    return -1;
}

/* task-set/CLUSTER/SERVICE/ecs-svc/N */
struct ecs_task_set *task_set_by_arn(struct core *core, struct cluster *cl,
                                     const char *text, struct object **ret_owner)
{
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (!arn_parse(a, text, &arn) || !str_starts(arn.resource, "task-set/"))
        return NULL;
    const char *name = strchr(arn.resource + strlen("task-set/"), '/');
    const char *end = name ? strchr(name + 1, '/') : NULL;
    if (!end)
        return NULL;
    struct service *s =
        service_find(core, cl, arena_strndup(a, name + 1, (size_t)(end - name - 1)));
    ptrdiff_t index = s ? task_set_index(s, end + 1) : -1;
    if (index < 0)
        return NULL;
    *ret_owner = &s->o;
    return &s->rec->service->task_sets.v[index];
}

static bool set_draining(const struct service *s, size_t index)
{
    return streq(s->rec->service->task_sets.v[index].status, "DRAINING");
}

static uint32_t computed_desired(const struct service *s, size_t index)
{
    const struct ecs_task_set *set = &s->rec->service->task_sets.v[index];
    if (set_draining(s, index))
        return 0;
    return (uint32_t)ceil((double)s->rec->service->desired_count.v * set->scale->value.v /
                          100.0);
}

/* ---- the picture ---- */

/* Task sets run at twice their size at most while tasks move between instances, and never
 * below it: ECS's defaults, which an external controller can't change. */
static void picture_make(struct core *core, struct service *s, size_t index,
                         struct deployment *d, struct service_picture *p)
{
    struct arena *a = core_scratch(core);
    const struct ecs_task_set *set = &s->rec->service->task_sets.v[index];
    *d = (struct deployment){
        .id = set->id,
        .task_definition = set->task_definition,
        .created_at_ms = set->created_at.v,
        .primary = true,
        .rollout = ROLLOUT_COMPLETED,
        .reached_running = true,
    };
    p->deployments = d;
    p->service = (struct deployment_service){
        .name = arena_printf(a, "%s, taskSet %s", s->rec->service->service_name, set->id),
        .desired = computed_desired(s, index),
        .minimum_healthy_percent = 100,
        .maximum_percent = 200,
        .load_balanced = service_load_balanced(s, set->id),
        .health_grace_ms = s->rec->service->health_check_grace_period_seconds.v * 1000LL,
        .draining = set_draining(s, index),
        .deployments = d,
        .deployment_count = 1,
    };
    service_picture_tasks(core, s, p);
}

/* ---- carrying out ---- */

static void stability(struct core *core, struct service *s, size_t index,
                      const struct deployment_plan *plan, uint32_t desired)
{
    struct ecs_task_set *set = &s->rec->service->task_sets.v[index];
    bool steady = plan->running == desired && plan->pending == 0;
    enum ecs_stability_status now =
        steady ? ECS_STABILITY_STATUS_STEADY_STATE : ECS_STABILITY_STATUS_STABILIZING;
    bool same = set->computed_desired_count.set &&
                set->computed_desired_count.v == (int32_t)desired;
    if (same && set->stability_status == now)
        return;
    struct opt_time at = SET_TIME(core_now_ms(core));
    if (set->stability_status != now)
        set->stability_status_at = at;
    set->stability_status = now;
    set->computed_desired_count = SET_INT((int32_t)desired);
    set->updated_at = at;
    object_save(core, &s->o);
}

static void carry_out(struct core *core, struct service *s,
                      const struct service_start *what, const struct service_picture *p,
                      const struct deployment_plan *plan,
                      struct deployment_memory *memory)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct deployment_action *act = &plan->actions[i];
        if (act->kind == DEPLOYMENT_START)
            service_start_tasks(core, s, what, act->count, memory);
        else if (act->kind == DEPLOYMENT_STOP)
            task_stop(core, p->tasks[act->task].owner,
                      ECS_TASK_STOP_CODE_SERVICE_SCHEDULER_INITIATED, act->text);
        else if (act->kind == DEPLOYMENT_EVENT)
            service_told(core, s, act->event, act->text);
    }
}

/* True when the set has no task any more. */
static bool set_control(struct core *core, struct service *s, size_t index)
{
    struct deployment d;
    struct service_picture p;
    struct deployment_plan plan;
    struct deployment_memory was, memory;
    picture_make(core, s, index, &d, &p);
    service_memory_read(s->rec->task_sets.v[index].memory, &was);
    memory = was;
    deployment_plan(&p.service, core_now_ms(core), &memory, core_scratch(core), &plan);
    stability(core, s, index, &plan, p.service.desired);
    const struct ecs_task_set *set = &s->rec->service->task_sets.v[index];
    struct service_start what = {.task_definition = set->task_definition,
                                 .deployment_id = set->id,
                                 .terms = {.launch_type = (int)set->launch_type,
                                           .strategy = set->capacity_provider_strategy,
                                           .platform_version = set->platform_version,
                                           .network = set->network_configuration}};
    carry_out(core, s, &what, &p, &plan, &memory);
    service_memory_write(core, s, &s->rec->task_sets.v[index].memory, &was, &memory);
    if (plan.wake_at_ms)
        wake_at(core, &s->wake, plan.wake_at_ms);
    return p.service.task_count == 0;
}

static void set_drop(struct core *core, struct service *s, size_t index)
{
    struct ecs_task_set_list *sets = &s->rec->service->task_sets;
    struct gantry_task_set_record_list *records = &s->rec->task_sets;
    struct taskdef *td = taskdef_by_arn(core, sets->v[index].task_definition);
    memmove(&sets->v[index], &sets->v[index + 1],
            (sets->n - index - 1) * sizeof(*sets->v));
    memmove(&records->v[index], &records->v[index + 1],
            (records->n - index - 1) * sizeof(*records->v));
    sets->n--;
    records->n--;
    if (td)
        taskdef_release(core, td);
    object_save(core, &s->o);
}

void task_sets_control(struct core *core, struct service *s)
{
    for (size_t i = s->rec->task_sets.n; i-- > 0;) {
        bool empty = set_control(core, s, i);
        if (empty && set_draining(s, i))
            set_drop(core, s, i);
    }
}

/* ---- news ---- */

void task_set_note(struct core *core, struct service *s, size_t index,
                   enum deployment_news news)
{
    struct deployment_memory was, memory;
    struct gantry_deployment_memory **slot = &s->rec->task_sets.v[index].memory;
    service_memory_read(*slot, &was);
    memory = was;
    deployment_note(&memory, NULL, news, core_now_ms(core));
    service_memory_write(core, s, slot, &was, &memory);
}

void task_sets_drain(struct core *core, struct service *s)
{
    for (size_t i = 0; i < s->rec->task_sets.n; i++)
        s->rec->service->task_sets.v[i].status = "DRAINING";
    object_save(core, &s->o);
}

void task_sets_drop(struct core *core, struct service *s)
{
    while (s->rec->task_sets.n > 0)
        set_drop(core, s, s->rec->task_sets.n - 1);
}

int task_sets_loaded(struct core *core, struct service *s, struct error *err)
{
    const struct ecs_task_set_list *sets = &s->rec->service->task_sets;
    if (sets->n != s->rec->task_sets.n)
        return fail(err, E_CORRUPT, "service with %zu task sets and %zu records", sets->n,
                    s->rec->task_sets.n);
    for (size_t i = 0; i < sets->n; i++) {
        struct taskdef *td = taskdef_by_arn(core, sets->v[i].task_definition);
        if (!td)
            return fail(err, E_CORRUPT, "task definition '%s' is missing",
                        sets->v[i].task_definition);
        td->users++;
    }
    return 0;
}

void task_sets_count(const struct service *s, struct ecs_task_set_list *view)
{
    for (size_t i = 0; i < view->n; i++)
        view->v[i].running_count = view->v[i].pending_count = SET_INT(0);
    list_for_each (it, &s->tasks) {
        const struct task *t = list_entry(it, struct task, service_link);
        for (size_t i = 0; i < view->n; i++)
            if (streq(view->v[i].id, t->rec->deployment_id)) {
                view->v[i].running_count.v += t->status == TASK_RUNNING;
                view->v[i].pending_count.v += t->status <= TASK_ACTIVATING;
            }
    }
}
