/* Lifecycle hooks: called, answered, decided. */
#include <string.h>

#include "launch.h"
#include "service_history.h"
#include "staged_private.h"

#define TASK_POLL_MS  2000  /* a hook's task runs */
#define TASK_PLACE_MS 15000 /* it found no room */

/* ---- ids ---- */

static const char *new_id(struct core *core, struct arena *a)
{
    char hex[33];
    core_random_hex(core, hex, 32);
    hex[12] = '4'; /* a version 4 uuid (RFC 9562) */
    hex[16] = "89ab"[core_random_below(core, 4)];
    return arena_printf(a, "%.8s-%.4s-%.4s-%.4s-%s", hex, hex + 8, hex + 12, hex + 16,
                        hex + 20);
}

static void end_task(struct core *core, struct service *s, const char *arn)
{
    struct task *t = arn ? task_find(core, s->cluster, arn) : NULL;
    if (t && t->status != TASK_STOPPED)
        task_stop(core, t, ECS_TASK_STOP_CODE_SERVICE_SCHEDULER_INITIATED,
                  "The lifecycle hook that this task is of is over.");
}

void staged_end_hooks(struct core *core, struct service *s)
{
    for (size_t k = 0; k < s->rec->rollout->hooks.n; k++)
        end_task(core, s, s->rec->rollout->hooks.v[k].task_arn);
}

void staged_new_hooks(struct core *core, struct service *s, const struct rollout *r)
{
    struct arena *a = &s->o.arena;
    const struct ecs_deployment_configuration *conf = staged_config_of(core, s);
    struct gantry_rollout_hook_record_list *l = &s->rec->rollout->hooks;
    staged_end_hooks(core, s);
    *l = (struct gantry_rollout_hook_record_list){0};
    for (size_t k = 0; k < r->hook_count; k++) {
        uint32_t index = r->hooks[k].config;
        struct gantry_rollout_hook_record *h = LIST_PUSH(a, l);
        *h = (struct gantry_rollout_hook_record){.hook_id = new_id(core, a)};
        if (index < conf->lifecycle_hooks.n)
            h->hook_details =
                arena_strdup(a, conf->lifecycle_hooks.v[index].hook_details);
    }
    object_save(core, &s->o);
}

/* ---- what a hook is told ---- */

static void add_weights(struct arena *a, const struct service *s, double green,
                        struct gantry_double_map *ret)
{
    ptrdiff_t g = staged_green(s), b = staged_source(s);
    if (g >= 0) {
        struct gantry_double_map_entry *e = LIST_PUSH(a, ret);
        e->key = s->rec->deployments.v[g].service_revision_arn;
        e->value = green;
    }
    if (b >= 0) {
        struct gantry_double_map_entry *e = LIST_PUSH(a, ret);
        e->key = s->rec->deployments.v[b].service_revision_arn;
        e->value = 100 - green;
    }
}

static void body_of(struct core *core, const struct service *s, size_t index,
                    struct str *ret)
{
    struct arena *a = core_scratch(core);
    const struct gantry_rollout_record *r = s->rec->rollout;
    ptrdiff_t green = staged_green(s);
    struct gantry_hook_call_details details = {
        .service_arn = s->rec->service->service_arn,
        .target_service_revision_arn =
            green >= 0 ? s->rec->deployments.v[green].service_revision_arn : NULL,
    };
    add_weights(a, s, r->test_weight.v, &details.test_traffic_weights);
    add_weights(a, s, r->production_weight.v, &details.production_traffic_weights);
    struct gantry_hook_call call = {
        .execution_id = r->hooks.v[index].hook_id,
        .lifecycle_stage = r->stage,
        .resource_arn = r->service_deployment_arn,
        .execution_details = &details,
        .hook_details = r->hooks.v[index].hook_details,
    };
    wire_json_encode(ret, &gantry_hook_call_shape, &call);
}

/* ---- hooks that are tasks ---- */

static bool task_succeeded(const struct task *t, const struct ecs_task_definition *def)
{
    const struct ecs_container_list *l = &t->rec->task->containers;
    for (size_t k = 0; k < l->n; k++) {
        const struct ecs_container_definition *d =
            container_definition_of(def, l->v[k].name);
        bool essential = !d || !d->essential.set || d->essential.v;
        if (essential && !(l->v[k].exit_code.set && l->v[k].exit_code.v == 0))
            return false;
    }
    return true;
}

static void add_variable(struct arena *a, const struct ecs_task_definition *def,
                         const char *body, struct ecs_task_override *ret)
{
    for (size_t k = 0; k < def->container_definitions.n; k++) {
        struct ecs_container_override *o = LIST_PUSH(a, &ret->container_overrides);
        *o =
            (struct ecs_container_override){.name = def->container_definitions.v[k].name};
        struct ecs_key_value_pair *v = LIST_PUSH(a, &o->environment);
        v->name = "ECS_LIFECYCLE_HOOK";
        v->value = body;
    }
}

/* NULL when there is no room for it. */
static struct task *start_task(struct core *core, struct service *s,
                               struct taskdef *taskdef, size_t index)
{
    AUTO_STR body = STR_INIT;
    struct ecs_task_override overrides = {0};
    body_of(core, s, index, &body);
    add_variable(core_scratch(core), taskdef_of(taskdef), str_text(&body), &overrides);
    struct launch l = {
        .cluster = s->cluster,
        .taskdef = taskdef,
        .overrides = &overrides,
        .started_by = s->rec->rollout->hooks.v[index].hook_id,
        .group = arena_printf(core_scratch(core), "lifecycle-hook:%s",
                              s->rec->service->service_name),
    };
    launch_terms_of(s->rec->service, &l.terms);
    struct task *t = launch_prepare(NULL, core, &l) == 0 ? launch_one(core, &l) : NULL;
    launch_fini(&l);
    return t;
}

static void run_task(struct core *core, struct service *s, size_t index,
                     const char *target, struct rollout_hook *h)
{
    int64_t now = core_now_ms(core);
    struct taskdef *taskdef = taskdef_by_arn(core, target);
    const char *arn = s->rec->rollout->hooks.v[index].task_arn;
    struct task *t = arn       ? task_find(core, s->cluster, arn)
                     : taskdef ? start_task(core, s, taskdef, index)
                               : NULL;
    if (!taskdef || (arn && !t)) {
        rollout_hook_answered(h, ANSWER_FAILED, 0, now);
    } else if (!t) {
        rollout_hook_answered(h, ANSWER_IN_PROGRESS, TASK_PLACE_MS, now);
    } else if (!arn) {
        s->rec->rollout->hooks.v[index].task_arn =
            arena_strdup(&s->o.arena, t->rec->task->task_arn);
        rollout_hook_answered(h, ANSWER_IN_PROGRESS, TASK_POLL_MS, now);
    } else if (t->status != TASK_STOPPED) {
        rollout_hook_answered(h, ANSWER_IN_PROGRESS, TASK_POLL_MS, now);
    } else {
        rollout_hook_answered(
            h, task_succeeded(t, taskdef_of(taskdef)) ? ANSWER_SUCCEEDED : ANSWER_FAILED,
            0, now);
    }
}

/* ---- calling ---- */

static bool post(struct core *core, struct service *s, size_t index, const char *url,
                 struct rollout_hook *h)
{
    const struct ecs *ecs = ecs_of(core);
    AUTO_STR body = STR_INIT;
    if (!ecs->hook_ops) {
        rollout_hook_answered(h, ANSWER_NONE, 0, core_now_ms(core));
        return true;
    }
    body_of(core, s, index, &body);
    struct ecs_hook_call call = {
        .service_arn = s->rec->service->service_arn,
        .hook_id = s->rec->rollout->hooks.v[index].hook_id,
        .url = url,
        .body = str_text(&body),
    };
    ecs->hook_ops->call(ecs->hook_ctx, core, &call);
    return false;
}

bool staged_call_hook(struct core *core, struct service *s, size_t index,
                      struct rollout_hook *h)
{
    const struct ecs_deployment_configuration *conf = staged_config_of(core, s);
    const char *target = h->config < conf->lifecycle_hooks.n
                             ? conf->lifecycle_hooks.v[h->config].hook_target_arn
                             : NULL;
    if (target && str_starts(target, "http"))
        return post(core, s, index, target, h);
    if (target)
        run_task(core, s, index, target, h);
    else
        rollout_hook_answered(h, ANSWER_FAILED, 0, core_now_ms(core));
    return true;
}

/* ---- answers ---- */

static struct service *service_by_arn(struct core *core, const char *text)
{
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (!arn_parse(a, text, &arn) || !str_starts(arn.resource, "service/"))
        return NULL;
    return table_find(ecs_of(core)->services,
                      ecs_key(a, "service", arn.account, arn.region,
                              arn.resource + strlen("service/")));
}

static struct gantry_rollout_hook_record *hook_by_id(const struct service *s,
                                                     const char *id)
{
    struct gantry_rollout_record *r = s ? s->rec->rollout : NULL;
    for (size_t k = 0; r && k < r->hooks.n; k++)
        if (streq(r->hooks.v[k].hook_id, id))
            return &r->hooks.v[k];
    return NULL;
}

/* hookStatus is the one thing that must be there. */
static enum rollout_answer answer_read(struct arena *a, const char *body, size_t len,
                                       int64_t *ret_delay_ms, const char **ret_details)
{
    struct wire_error why;
    void *value = NULL;
    if (wire_json_decode(a, &gantry_hook_answer_shape, body, len, false, &value, &why) <
        0)
        return ANSWER_FAILED;
    const struct gantry_hook_answer *answer = value;
    *ret_delay_ms =
        answer->call_back_delay.v > 0 ? answer->call_back_delay.v * 1000LL : 0;
    *ret_details = answer->hook_details;
    return streq(answer->hook_status, "SUCCEEDED")     ? ANSWER_SUCCEEDED
           : streq(answer->hook_status, "IN_PROGRESS") ? ANSWER_IN_PROGRESS
                                                       : ANSWER_FAILED;
}

/* A server in trouble, or one that has too much to do, is asked again. */
static bool nobody_there(int http_status)
{
    return http_status == 0 || http_status == 429 || http_status >= 500;
}

void ecs_hook_answered(struct core *core, const char *service_arn, const char *hook_id,
                       int http_status, const char *body, size_t body_len)
{
    struct service *s = service_by_arn(core, service_arn);
    struct gantry_rollout_hook_record *rec = hook_by_id(s, hook_id);
    struct rollout_hook h;
    int64_t delay_ms = 0;
    const char *details = NULL;
    enum rollout_answer answer = ANSWER_FAILED;
    if (!rec)
        return;
    if (nobody_there(http_status))
        answer = ANSWER_NONE;
    else if (http_status >= 200 && http_status < 300)
        answer = answer_read(core_scratch(core), body, body_len, &delay_ms, &details);
    staged_hook_read(rec, &h);
    rollout_hook_answered(&h, answer, delay_ms, core_now_ms(core));
    staged_hook_write(rec, &h);
    if (details)
        rec->hook_details = arena_strdup(&s->o.arena, details);
    object_save(core, &s->o);
    staged_show(core, s);
    wake_now(core, &s->wake);
}

void ecs_traffic_changed(struct core *core, const char *service_arn)
{
    struct service *s = service_by_arn(core, service_arn);
    if (s && s->rec->rollout)
        wake_now(core, &s->wake);
}

/* ---- ContinueServiceDeployment ---- */

static int paused_hook(struct call *c,
                       const struct ecs_continue_service_deployment_request *in,
                       struct service **ret_s, struct gantry_rollout_hook_record **ret)
{
    struct arn arn;
    const char *text = in->service_deployment_arn;
    bool own = arn_looks_like(text) && arn_parse(&c->arena, text, &arn) &&
               streq(arn.account, c->who.account_id) && streq(arn.region, c->region);
    const struct service_deployment *d =
        own ? service_deployment_find(c->core, text) : NULL;
    if (!d)
        return call_fault(c, &ecs_service_deployment_not_found_exception,
                          "The specified service deployment was not found.");
    *ret_s = service_deployment_service(c->core, d);
    bool current = *ret_s && (*ret_s)->rec->rollout &&
                   streq((*ret_s)->rec->rollout->service_deployment_arn, text);
    *ret = current ? hook_by_id(*ret_s, in->hook_id) : NULL;
    if (!*ret)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "The service deployment has no lifecycle hook with this hookId.");
    return 0;
}

int ecs_continue_service_deployment(
    struct call *c, const struct ecs_continue_service_deployment_request *in,
    struct ecs_continue_service_deployment_response *out)
{
    struct service *s = NULL;
    struct gantry_rollout_hook_record *rec;
    struct rollout_hook h;
    if (paused_hook(c, in, &s, &rec) < 0)
        return -1;
    staged_hook_read(rec, &h);
    if (!rollout_hook_decided(&h, in->action !=
                                      ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_ROLLBACK))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The lifecycle hook does not wait for an action: its status is "
                          "%s.",
                          wire_enum_name(&ecs_deployment_lifecycle_hook_status_shape,
                                         (int)rec->status));
    staged_hook_write(rec, &h);
    object_save(c->core, &s->o);
    staged_show(c->core, s);
    wake_now(c->core, &s->wake);
    out->service_deployment_arn = call_printf(c, "%s", in->service_deployment_arn);
    return 0;
}
