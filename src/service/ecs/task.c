/* A task's life as the server sees it.
 *
 * The table below is the whole of it: what a task does on an event depends on its status
 * and nothing else; an event that a status does not list changes nothing. Hosts repeat
 * and reorder what they say, so a late RUNNING after STOPPED has to be harmless. */
#include <assert.h>
#include <string.h>

#include "account_settings.h"
#include "daemon.h"
#include "ecs_events.h"
#include "ecs_state.h"
#include "execute_command.h"
#include "fargate.h"
#include "gpu.h"
#include "provisioning.h"
#include "service_history.h"
#include "service_targets.h"
#include "task_credentials.h"
#include "task_interface.h"
#include "task_protection.h"
#include "taskdef_rules.h"

static const char *const status_names[] = {
    [TASK_PROVISIONING] = "PROVISIONING",     [TASK_PENDING] = "PENDING",
    [TASK_ACTIVATING] = "ACTIVATING",         [TASK_RUNNING] = "RUNNING",
    [TASK_DEACTIVATING] = "DEACTIVATING",     [TASK_STOPPING] = "STOPPING",
    [TASK_DEPROVISIONING] = "DEPROVISIONING", [TASK_STOPPED] = "STOPPED",
};
_Static_assert(sizeof(status_names) / sizeof(status_names[0]) == TASK_STATUS_COUNT,
               "a status without a name");

const char *task_status_name(enum task_status s)
{
    return status_names[s];
}

bool task_status_parse(const char *name, enum task_status *ret)
{
    for (unsigned i = 0; i < TASK_STATUS_COUNT; i++)
        if (streq(name, status_names[i])) {
            *ret = (enum task_status)i;
            return true;
        }
    return false;
}

enum task_event {
    EV_PLACED,
    EV_ATTACHED,
    EV_RUNNING,
    EV_STOP,
    EV_DRAIN,
    EV_DRAINED,
    EV_DETACHING,
    EV_STOPPED
};

struct transition {
    enum task_status from;
    enum task_event event;
    enum task_status to;
};

static const struct transition transitions[] = {
    {TASK_PROVISIONING, EV_PLACED, TASK_PENDING},
    {TASK_PROVISIONING, EV_ATTACHED, TASK_PENDING},
    {TASK_PROVISIONING, EV_STOP, TASK_DEPROVISIONING},
    {TASK_PROVISIONING, EV_DETACHING, TASK_DEPROVISIONING},
    {TASK_PROVISIONING, EV_STOPPED, TASK_STOPPED},
    {TASK_PENDING, EV_RUNNING, TASK_RUNNING},
    {TASK_PENDING, EV_STOP, TASK_STOPPING},
    {TASK_PENDING, EV_DETACHING, TASK_DEPROVISIONING},
    {TASK_PENDING, EV_STOPPED, TASK_STOPPED},
    {TASK_ACTIVATING, EV_STOP, TASK_DEACTIVATING},
    {TASK_ACTIVATING, EV_STOPPED, TASK_STOPPED},
    {TASK_RUNNING, EV_STOP, TASK_STOPPING},
    {TASK_RUNNING, EV_DETACHING, TASK_DEPROVISIONING},
    {TASK_RUNNING, EV_DRAIN, TASK_DEACTIVATING},
    {TASK_RUNNING, EV_STOPPED, TASK_STOPPED},
    {TASK_DEACTIVATING, EV_DRAINED, TASK_STOPPING},
    {TASK_DEACTIVATING, EV_STOPPED, TASK_STOPPED},
    {TASK_STOPPING, EV_DETACHING, TASK_DEPROVISIONING},
    {TASK_STOPPING, EV_STOPPED, TASK_STOPPED},
    {TASK_DEPROVISIONING, EV_STOPPED, TASK_STOPPED},
};

static bool next_status(enum task_status from, enum task_event event,
                        enum task_status *ret)
{
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++)
        if (transitions[i].from == from && transitions[i].event == event) {
            *ret = transitions[i].to;
            return true;
        }
    return false;
}

/* ---- counters of cluster and instance ---- */

static bool counts_running(enum task_status s)
{
    return s == TASK_RUNNING || s == TASK_DEACTIVATING || s == TASK_STOPPING;
}

static bool counts_pending(enum task_status s)
{
    return s == TASK_PROVISIONING || s == TASK_PENDING || s == TASK_ACTIVATING;
}

static void count(struct task *t, enum task_status s, int32_t by)
{
    int32_t running = counts_running(s) ? by : 0, pending = counts_pending(s) ? by : 0;
    t->cluster->running += running;
    t->cluster->pending += pending;
    if (t->rec->task->launch_type == ECS_LAUNCH_TYPE_FARGATE) {
        t->cluster->running_fargate += running;
        t->cluster->pending_fargate += pending;
    }
    if (s == TASK_PROVISIONING && !t->instance)
        t->cluster->provisioning_count += by;
    if (t->instance) {
        t->instance->running += running;
        t->instance->pending += pending;
    }
}

static void set_status(struct task *t, enum task_status s)
{
    count(t, t->status, -1);
    t->status = s;
    count(t, s, +1);
    t->rec->task->last_status = task_status_name(s);
}

void task_changed(struct core *core, struct task *t)
{
    t->rec->task->version = SET_LONG(t->rec->task->version.v + 1);
    object_save(core, &t->o);
    event_of_task(core, t);
}

/* ---- the host's view ---- */

static const char *service_of_group(const char *group)
{
    return str_starts(group, "service:") ? group + 8 : NULL;
}

void task_host_view(struct core *core, const struct task *t, struct arena *a,
                    struct gantry_host_task *ret)
{
    const struct ecs_task *rec = t->rec->task;
    *ret = (struct gantry_host_task){
        .task_arn = rec->task_arn,
        .task_id = ecs_last_segment(rec->task_arn),
        .cluster_arn = rec->cluster_arn,
        .cluster_name = t->cluster->name,
        /* Its targets still drain: the host has not to know yet. */
        .desired_status =
            t->status == TASK_DEACTIVATING ? "RUNNING" : rec->desired_status,
        .group = rec->group,
        .service_name = service_of_group(rec->group),
        .started_by = rec->started_by,
        .launch_type = wire_enum_name(&ecs_launch_type_shape, (int)rec->launch_type),
        .capacity_provider_name = rec->capacity_provider_name,
        .ephemeral_storage_gib = rec->ephemeral_storage
                                     ? rec->ephemeral_storage->size_in_gib
                                     : (struct opt_int){0},
        .log_driver_mode = account_default(core, t->cluster->account, t->cluster->region,
                                           ECS_SETTING_NAME_DEFAULT_LOG_DRIVER_MODE),
        .account_id = t->cluster->account,
        .region = t->cluster->region,
        .availability_zone = rec->availability_zone,
        .created_at = rec->created_at,
        .task_definition = t->taskdef ? t->taskdef->rec->task_definition : NULL,
        .overrides = rec->overrides,
        .interface = task_interface_host(core, t, a),
        .credentials_id = task_credentials_has(t, GANTRY_HOST_CREDENTIALS_USE_TASK)
                              ? t->rec->credentials_id
                              : NULL,
        .execution_credentials =
            SET_BOOL(task_credentials_has(t, GANTRY_HOST_CREDENTIALS_USE_EXECUTION)),
    };
    for (size_t i = 0; i < rec->containers.n; i++) {
        struct gantry_host_container *c = LIST_PUSH(a, &ret->containers);
        c->name = rec->containers.v[i].name;
        c->container_arn = rec->containers.v[i].container_arn;
        c->gpu_ids = rec->containers.v[i].gpu_ids;
        c->image_digest = service_revision_digest(core, t, c->name);
    }
}

void task_tell_host(struct core *core, struct task *t)
{
    struct ecs *ecs = ecs_of(core);
    if (!t->instance || !ecs->host_ops || task_interface_awaited(t))
        return;
    if (!task_credentials_make(core, t) && !t->stopping)
        return;
    struct gantry_host_task view;
    struct gantry_host_credentials_list credentials = {0};
    task_host_view(core, t, core_scratch(core), &view);
    task_credentials_tell(t, true, core_scratch(core), &credentials);
    ecs->host_ops->task_changed(ecs->host_ctx, core,
                                t->instance->rec->instance->container_instance_arn, &view,
                                &credentials);
}

/* ---- creation ---- */

static int task_need(struct core *core, const struct task *t, struct place_need *ret)
{
    struct ecs_taskdef_error why;
    *ret = (struct place_need){0};
    return ecs_taskdef_need(core_scratch(core), t->taskdef->rec->task_definition,
                            t->rec->task->overrides, ret, &why);
}

static const struct ecs_container_override *override_of(const struct ecs_task_override *o,
                                                        const char *name)
{
    for (size_t i = 0; o && i < o->container_overrides.n; i++)
        if (streq(o->container_overrides.v[i].name, name))
            return &o->container_overrides.v[i];
    return NULL;
}

static const char *number_text(struct arena *a, int32_t v)
{
    return arena_printf(a, "%d", v);
}

static void add_container(struct core *core, struct arena *a, const struct cluster *cl,
                          const char *id, const struct ecs_container_definition *def,
                          struct ecs_task *task)
{
    struct ecs_container *c = LIST_PUSH(a, &task->containers);
    c->container_arn = ecs_arn(a, cl->region, cl->account, "container/%s/%s/%s", cl->name,
                               id, ecs_new_uuid(core, a));
    c->task_arn = task->task_arn;
    c->name = arena_strdup(a, def->name);
    c->image = arena_strdup(a, def->image);
    c->last_status = "PENDING";
    c->health_status = ECS_HEALTH_STATUS_UNKNOWN;
    c->network_interfaces.set = true;
    const struct ecs_container_override *o = override_of(task->overrides, def->name);
    c->cpu = number_text(a, o && o->cpu.set ? o->cpu.v : def->cpu.v);
    if ((o && o->memory.set) || def->memory.set)
        c->memory = number_text(a, o && o->memory.set ? o->memory.v : def->memory.v);
    if ((o && o->memory_reservation.set) || def->memory_reservation.set)
        c->memory_reservation =
            number_text(a, o && o->memory_reservation.set ? o->memory_reservation.v
                                                          : def->memory_reservation.v);
}

/* Every container is listed in the echo of the overrides, as ECS does. */
static struct ecs_task_override *full_overrides(struct arena *a,
                                                const struct ecs_task_definition *def,
                                                const struct ecs_task_override *given)
{
    struct ecs_task_override *o = given ? wire_copy(a, &ecs_task_override_shape, given)
                                        : arena_new(a, struct ecs_task_override);
    o->container_overrides.set = true;
    o->inference_accelerator_overrides.set = true;
    for (size_t i = 0; i < def->container_definitions.n; i++) {
        const char *name = def->container_definitions.v[i].name;
        if (!override_of(o, name)) {
            struct ecs_container_override *c = LIST_PUSH(a, &o->container_overrides);
            c->name = arena_strdup(a, name);
        }
    }
    return o;
}

/* Task-level cpu and memory as DescribeTasks shows them: the sums where none is set. */
static void add_sizes(struct core *core, struct arena *a, struct task *t)
{
    struct place_need need;
    struct ecs_task *rec = t->rec->task;
    if (task_need(core, t, &need) < 0)
        return;
    rec->cpu = arena_printf(a, "%lld", (long long)need.resources.cpu);
    rec->memory = arena_printf(a, "%lld", (long long)need.resources.memory_mib);
}

static void link_task(struct task *t)
{
    list_append(&t->cluster->tasks, &t->link);
    if (t->instance)
        list_append(&t->instance->tasks, &t->instance_link);
    if (t->service)
        list_append(&t->service->tasks, &t->service_link);
}

static void task_expire(struct core *core, struct wake *w)
{
    struct task *t = list_entry(w, struct task, expiry);
    object_delete(core, &t->o);
}

static void task_init(struct core *core, struct task *t)
{
    list_init(&t->link);
    list_init(&t->instance_link);
    list_init(&t->service_link);
    list_init(&t->provisioning_link);
    wake_init(&t->expiry, task_expire);
    task_interface_init(t);
    task_protection_init(core, t);
    task_targets_init(t);
    task_credentials_init(t);
}

const char *instance_zone(const struct instance *i)
{
    const struct ecs_attribute_list *l = &i->rec->instance->attributes;
    for (size_t n = 0; n < l->n; n++)
        if (streq(l->v[n].name, PLACE_ZONE_ATTRIBUTE))
            return l->v[n].value;
    return NULL;
}

const char *place_group(struct core *core, const struct cluster *home,
                        const struct cluster *cl, const char *group)
{
    if (home == cl || !group)
        return group;
    return arena_printf(core_scratch(core), "%s/%s", cl->name, group);
}

static void take_resources(struct core *core, struct task *t)
{
    struct place_need need;
    if (!t->instance || task_need(core, t, &need) < 0)
        return;
    struct cluster *home = t->instance->cluster;
    place_commit(home->place, t->instance->place, &need,
                 place_group(core, home, t->cluster, t->rec->task->group));
    if (need.resources.gpus > 0)
        gpus_take(t);
}

/* Where it runs. People do not see the instances of Fargate's pool. */
static void note_instance(struct task *t, const struct instance *i)
{
    struct arena *a = &t->o.arena;
    struct ecs_task *rec = t->rec->task;
    const char *arn = arena_strdup(a, i->rec->instance->container_instance_arn);
    if (cluster_hidden(i->cluster))
        t->rec->pool_instance_arn = arn;
    else
        rec->container_instance_arn = arn;
    rec->availability_zone = arena_strdup(a, instance_zone(i));
    struct ecs_attribute *arch = LIST_PUSH(a, &rec->attributes);
    arch->name = "ecs.cpu-architecture";
    arch->value =
        arena_strdup(a, place_instance_attribute(i->place, "ecs.cpu-architecture"));
}

static void note_fargate(struct task *t, const struct task_request *q)
{
    struct arena *a = &t->o.arena;
    struct ecs_task *rec = t->rec->task;
    rec->platform_version = arena_strdup(a, q->platform_version);
    rec->platform_family = "Linux";
    rec->ephemeral_storage = arena_new(a, struct ecs_ephemeral_storage);
    rec->ephemeral_storage->size_in_gib = SET_INT(q->disk_gib);
    rec->fargate_ephemeral_storage = arena_new(a, struct ecs_task_ephemeral_storage);
    rec->fargate_ephemeral_storage->size_in_gib = SET_INT(q->disk_gib);
}

/* What a task that waits is placed by. */
static void note_wishes(struct task *t, const struct task_request *q)
{
    struct arena *a = &t->o.arena;
    for (size_t i = 0; q->constraints && i < q->constraints->n; i++)
        wire_copy_into(a, &ecs_placement_constraint_shape, &q->constraints->v[i],
                       LIST_PUSH(a, &t->rec->placement_constraints));
    for (size_t i = 0; q->strategies && i < q->strategies->n; i++)
        wire_copy_into(a, &ecs_placement_strategy_shape, &q->strategies->v[i],
                       LIST_PUSH(a, &t->rec->placement_strategy));
}

struct task *task_create(struct core *core, const struct task_request *q)
{
    char id[33];
    struct cluster *cl = q->cluster;
    core_random_hex(core, id, 32);
    struct ecs *ecs = ecs_of(core);
    const char *rest = arena_printf(core_scratch(core), "%s/%s", cl->name, id);
    struct task *t =
        object_new(core, ecs->tasks,
                   ecs_key(core_scratch(core), "task", cl->account, cl->region, rest));
    task_init(core, t);
    t->cluster = cl;
    t->taskdef = q->taskdef;
    t->taskdef->users++;
    t->instance = q->instance;
    t->service = q->service;
    t->status = TASK_PROVISIONING;

    struct arena *a = &t->o.arena;
    const struct ecs_task_definition *def = taskdef_of(q->taskdef);
    struct ecs_task *rec = arena_new(a, struct ecs_task);
    t->rec->task = rec;
    t->rec->deployment_id = arena_strdup(a, q->deployment_id);
    rec->task_arn = ecs_arn(a, cl->region, cl->account, "task/%s/%s", cl->name, id);
    rec->cluster_arn = arena_strdup(a, cl->rec->cluster->cluster_arn);
    rec->task_definition_arn = arena_strdup(a, def->task_definition_arn);
    rec->overrides = full_overrides(a, def, q->overrides);
    rec->desired_status = "RUNNING";
    rec->group = arena_strdup(a, q->group);
    rec->started_by = arena_strdup(a, q->started_by);
    rec->launch_type = q->launch_type ? q->launch_type : ECS_LAUNCH_TYPE_EC2;
    rec->capacity_provider_name = arena_strdup(a, q->capacity_provider);
    rec->enable_execute_command = SET_BOOL(q->enable_execute_command);
    rec->created_at = SET_TIME(core_now_ms(core));
    rec->health_status = ECS_HEALTH_STATUS_UNKNOWN;
    rec->attachments.set = rec->attributes.set = true;
    rec->inference_accelerators.set = true;
    task_interface_want(core, t, q->network);
    if (q->instance)
        note_instance(t, q->instance);
    else
        note_wishes(t, q);
    if (q->instance && !task_interface_awaited(t))
        t->status = TASK_PENDING;
    if (rec->launch_type == ECS_LAUNCH_TYPE_FARGATE)
        note_fargate(t, q);
    if (q->tags)
        tags_merge(a, &rec->tags, q->tags);
    for (size_t i = 0; i < def->container_definitions.n; i++)
        add_container(core, a, cl, id, &def->container_definitions.v[i], rec);
    exec_agents_add(t);
    add_sizes(core, a, t);
    task_credentials_want(core, t);
    rec->last_status = task_status_name(t->status);

    link_task(t);
    count(t, t->status, +1);
    take_resources(core, t);
    task_changed(core, t);
    task_tell_host(core, t);
    if (t->instance)
        task_interface_placed(core, t);
    else
        provisioning_add(core, provisioning_home(core, t), t);
    return t;
}

void task_place(struct core *core, struct task *t, struct instance *i)
{
    enum task_status to;
    if (t->instance || !next_status(t->status, EV_PLACED, &to))
        return;
    count(t, t->status, -1);
    t->instance = i;
    count(t, t->status, +1);
    if (!task_interface_awaited(t))
        set_status(t, to);
    list_remove(&t->provisioning_link);
    list_append(&i->tasks, &t->instance_link);
    note_instance(t, i);
    t->rec->placement_constraints.n = t->rec->placement_strategy.n = 0;
    take_resources(core, t);
    task_changed(core, t);
    task_tell_host(core, t);
    task_interface_placed(core, t);
}

/* ---- what happens to it ---- */

void task_stop(struct core *core, struct task *t, enum ecs_task_stop_code code,
               const char *reason)
{
    enum task_status to;
    bool drains = t->status == TASK_RUNNING && task_has_targets(t);
    if (t->stopping || !next_status(t->status, drains ? EV_DRAIN : EV_STOP, &to))
        return;
    struct ecs_task *rec = t->rec->task;
    t->stopping = true;
    rec->desired_status = "STOPPED";
    rec->stop_code = code;
    rec->stopped_reason = arena_strdup(&t->o.arena, reason);
    rec->stopping_at = SET_TIME(core_now_ms(core));
    rec->tags.n = 0; /* StopTask drops task tags */
    set_status(t, to);
    task_changed(core, t);
    if (drains)
        task_targets_drain(core, t);
    else
        task_tell_host(core, t);
    if (t->service)
        service_task_changed(core, t->service, t, false);
    if (task_interface_awaited(t))
        task_interface_placed(core, t);
    if (!t->instance) /* it never had a host that could report its end */
        task_report_stopped(core, t, NULL);
}

void task_report_attached(struct core *core, struct task *t)
{
    enum task_status to;
    if (next_status(t->status, EV_ATTACHED, &to))
        set_status(t, to);
}

void task_report_detaching(struct core *core, struct task *t)
{
    enum task_status to;
    if (!next_status(t->status, EV_DETACHING, &to))
        return;
    t->stopping = true;
    t->rec->task->desired_status = "STOPPED";
    set_status(t, to);
}

void task_drained(struct core *core, struct task *t)
{
    enum task_status to;
    if (!next_status(t->status, EV_DRAINED, &to))
        return;
    set_status(t, to);
    task_changed(core, t);
    task_tell_host(core, t);
}

void task_report_running(struct core *core, struct task *t)
{
    enum task_status to;
    if (!next_status(t->status, EV_RUNNING, &to))
        return;
    t->rec->task->started_at = SET_TIME(core_now_ms(core));
    t->rec->task->connectivity = ECS_CONNECTIVITY_CONNECTED;
    t->rec->reached_running = SET_BOOL(true);
    set_status(t, to);
    task_changed(core, t);
    if (t->service)
        service_task_changed(core, t->service, t, false);
}

/* Did an essential container of it run and end by itself? */
static bool essential_ran(const struct task *t)
{
    const struct ecs_task_definition *def = taskdef_of(t->taskdef);
    const struct ecs_task *rec = t->rec->task;
    for (size_t i = 0; i < rec->containers.n; i++)
        for (size_t j = 0; j < def->container_definitions.n; j++)
            if (streq(rec->containers.v[i].name, def->container_definitions.v[j].name) &&
                def->container_definitions.v[j].essential.v &&
                rec->containers.v[i].exit_code.set)
                return true;
    return false;
}

/* Whoever set a reason before has decided why the task ends. */
static void fill_stop_reason(struct task *t, const char *reason)
{
    struct ecs_task *rec = t->rec->task;
    if (rec->stopped_reason)
        return;
    bool ran = t->rec->reached_running.v || essential_ran(t);
    rec->stop_code = ran ? ECS_TASK_STOP_CODE_ESSENTIAL_CONTAINER_EXITED
                         : ECS_TASK_STOP_CODE_TASK_FAILED_TO_START;
    if (str_empty(reason))
        reason = ran ? "Essential container in task exited" : "Task failed to start";
    rec->stopped_reason = arena_strdup(&t->o.arena, reason);
}

static void let_go(struct core *core, struct task *t)
{
    struct place_need need;
    if (t->instance) {
        if (task_need(core, t, &need) == 0)
            place_release(
                t->instance->cluster->place, t->instance->place, &need,
                place_group(core, t->instance->cluster, t->cluster, t->rec->task->group));
        struct ecs *ecs = ecs_of(core);
        if (ecs->host_ops)
            ecs->host_ops->task_forgotten(
                ecs->host_ctx, core, t->instance->rec->instance->container_instance_arn,
                t->rec->task->task_arn);
    }
    wake_cancel(core, &t->unprotect);
    task_targets_end(core, t);
    list_remove(&t->instance_link);
    list_remove(&t->service_link);
    list_remove(&t->provisioning_link);
    t->instance = NULL;
    task_credentials_forget(core, t);
    taskdef_release(core, t->taskdef);
    t->taskdef = NULL;
}

static void expire_later(struct core *core, struct task *t)
{
    wake_at(core, &t->expiry,
            t->rec->task->stopped_at.v +
                ecs_of(core)->settings.stopped_task_retention_ms);
}

void task_report_stopped(struct core *core, struct task *t, const char *reason)
{
    enum task_status to;
    if (!next_status(t->status, EV_STOPPED, &to))
        return;
    struct ecs_task *rec = t->rec->task;
    bool launch_failed =
        !rec->stopped_reason && !t->rec->reached_running.v && !essential_ran(t);
    fill_stop_reason(t, reason);
    t->stopping = true;
    rec->desired_status = "STOPPED";
    rec->stopped_at = SET_TIME(core_now_ms(core));
    if (!rec->stopping_at.set)
        rec->stopping_at = rec->stopped_at;
    if (!rec->execution_stopped_at.set)
        rec->execution_stopped_at = rec->stopped_at;
    /* The agent's clock, and a start that it reported after the end of a short life. */
    if (rec->started_at.set && rec->execution_stopped_at.v < rec->started_at.v)
        rec->execution_stopped_at = rec->started_at;
    rec->tags.n = 0;
    for (size_t i = 0; i < rec->containers.n; i++) {
        rec->containers.v[i].last_status = "STOPPED";
        exec_agent_follow(core, &rec->containers.v[i]);
    }
    set_status(t, to);
    task_interface_end(core, t);
    task_changed(core, t);
    struct service *s = t->service;
    struct instance *i = t->instance;
    let_go(core, t);
    t->service = NULL;
    expire_later(core, t);
    if (s)
        service_task_changed(core, s, t, launch_failed);
    if (i)
        instance_room(core, i);
}

void task_lost(struct core *core, struct task *t, enum ecs_task_stop_code code,
               const char *reason)
{
    struct ecs_task *rec = t->rec->task;
    if (!rec->stopped_reason) {
        rec->stop_code = code;
        rec->stopped_reason = arena_strdup(&t->o.arena, reason);
    }
    task_report_stopped(core, t, NULL);
}

/* ---- after a restart ---- */

int task_loaded(struct core *core, struct object *o, struct error *err)
{
    struct task *t = (struct task *)o;
    struct ecs *ecs = ecs_of(core);
    struct ecs_task *rec = t->rec->task;
    task_init(core, t);
    if (!rec || !task_status_parse(rec->last_status, &t->status))
        return fail(err, E_CORRUPT, "task without a known status");
    t->stopping = streq(rec->desired_status, "STOPPED");
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (!arn_parse(a, rec->cluster_arn, &arn))
        return fail(err, E_CORRUPT, "task without a cluster");
    t->cluster = table_find(ecs->clusters, ecs_key(a, "cluster", arn.account, arn.region,
                                                   ecs_last_segment(arn.resource)));
    if (!t->cluster)
        return fail(err, E_CORRUPT, "cluster '%s' is missing", rec->cluster_arn);
    if (t->status == TASK_STOPPED) {
        list_append(&t->cluster->tasks, &t->link);
        expire_later(core, t);
        return 0;
    }
    t->taskdef = taskdef_by_arn(core, rec->task_definition_arn);
    if (!t->taskdef)
        return fail(err, E_CORRUPT, "task definition '%s' is missing",
                    rec->task_definition_arn);
    t->taskdef->users++;
    t->instance =
        instance_by_arn(core, t->rec->pool_instance_arn ? t->rec->pool_instance_arn
                                                        : rec->container_instance_arn);
    const char *name = service_of_group(rec->group);
    if (!name && rec->group)
        name = daemon_service_of_group(a, rec->group);
    if (name && t->rec->deployment_id)
        t->service = service_by_name(core, t->cluster, name);
    link_task(t);
    count(t, t->status, +1);
    take_resources(core, t);
    task_targets_loaded(core, t);
    task_interface_loaded(core, t);
    if (t->status == TASK_PROVISIONING && !t->instance)
        provisioning_add(core, provisioning_home(core, t), t);
    return 0;
}

void task_unlink(struct core *core, struct object *o)
{
    struct task *t = (struct task *)o;
    wake_cancel(core, &t->expiry);
    wake_cancel(core, &t->unprotect);
    task_interface_unlink(core, t);
    task_targets_unlink(core, t);
    task_credentials_forget(core, t);
    list_remove(&t->link);
    list_remove(&t->instance_link);
    list_remove(&t->service_link);
    list_remove(&t->provisioning_link);
}
