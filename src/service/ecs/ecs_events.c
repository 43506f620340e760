#include "ecs_events.h"

#include <assert.h>

#include "event.h"
#include "instance.h"

/* Tasks that come and go within it make one event of their instance. */
#define INSTANCE_NEWS_MS 1000

static void tell(struct core *core, const struct cluster *cl, const char *detail_type,
                 const struct wire_shape *shape, const void *detail,
                 const char *const arns[], size_t n)
{
    const char *about[EVENT_MAX_ABOUT];
    struct event e = {
        .source = "aws.ecs",
        .detail_type = detail_type,
        .account = cl->account,
        .region = cl->region,
        .resources = {.v = (const char **)(uintptr_t)arns, .n = 1, .set = true},
        .about = {.v = about},
        .shape = shape,
        .detail = detail,
        .updated_at = shape == &ecs_task_shape || shape == &ecs_container_instance_shape,
    };
    assert(n < EVENT_MAX_ABOUT);
    about[e.about.n++] = cl->rec->cluster->cluster_arn;
    for (size_t i = 1; i < n; i++)
        if (arns[i])
            about[e.about.n++] = arns[i];
    core_event(core, &e);
}

/* ---- tasks ---- */

static const char *service_arn_of(struct core *core, const struct task *t)
{
    const char *group = t->rec->task->group;
    if (t->service)
        return t->service->rec->service->service_arn;
    if (!t->rec->deployment_id || !str_starts(group, "service:"))
        return NULL;
    return ecs_arn(core_scratch(core), t->cluster->region, t->cluster->account,
                   "service/%s/%s", t->cluster->name, group + strlen("service:"));
}

/* Events have their own word for the type of an attachment. */
static void event_attachments(struct arena *a, struct ecs_task *view)
{
    struct ecs_attachment_list had = view->attachments;
    view->attachments = (struct ecs_attachment_list){.set = had.set};
    for (size_t i = 0; i < had.n; i++) {
        struct ecs_attachment *at = LIST_PUSH(a, &view->attachments);
        *at = had.v[i];
        if (streq(at->type, "ElasticNetworkInterface"))
            at->type = "eni";
    }
}

static bool came_or_went(const struct task *t)
{
    return t->status == TASK_PENDING || t->status == TASK_STOPPED;
}

void event_of_task(struct core *core, struct task *t)
{
    struct ecs_task view = *t->rec->task;
    view.tags = (struct ecs_tag_list){0};
    if (view.attachments.n)
        event_attachments(core_scratch(core), &view);
    const char *const arns[] = {view.task_arn, service_arn_of(core, t),
                                view.container_instance_arn};
    tell(core, t->cluster, "ECS Task State Change", &ecs_task_shape, &view, arns, 3);
    struct instance *i = t->instance;
    if (i && came_or_went(t) && i->news.at_ms == INT64_MAX)
        wake_at(core, &i->news, core_now_ms(core) + INSTANCE_NEWS_MS);
}

/* ---- instances ---- */

void event_of_instance(struct core *core, struct instance *i)
{
    if (cluster_hidden(i->cluster))
        return;
    struct ecs_container_instance view;
    instance_view(core_scratch(core), i, false, &view);
    view.tags.set = false;
    const char *const arns[] = {view.container_instance_arn};
    tell(core, i->cluster, "ECS Container Instance State Change",
         &ecs_container_instance_shape, &view, arns, 1);
}

void instance_news(struct core *core, struct wake *w)
{
    struct instance *i = list_entry(w, struct instance, news);
    if (cluster_hidden(i->cluster))
        return;
    i->rec->instance->version = SET_LONG(i->rec->instance->version.v + 1);
    object_save(core, &i->o);
    event_of_instance(core, i);
}

/* ---- services ---- */

static const struct service_event_name {
    const char *type, *name; /* NULL: a text for people only */
} service_event_names[] = {
    [SERVICE_EVENT_TEXT_ONLY] = {NULL, NULL},
    [SERVICE_EVENT_TASKS_STOPPED] = {"INFO", "TASKS_STOPPED"},
    [SERVICE_EVENT_UNPLACED] = {"ERROR", "SERVICE_TASK_PLACEMENT_FAILURE"},
    [SERVICE_EVENT_STEADY_STATE] = {"INFO", "SERVICE_STEADY_STATE"},
    [SERVICE_EVENT_START_IMPAIRED] = {"WARN", "SERVICE_TASK_START_IMPAIRED"},
    [SERVICE_EVENT_DESIRED_UPDATED] = {"INFO", "SERVICE_DESIRED_COUNT_UPDATED"},
    [SERVICE_EVENT_DAEMON_MISPLACED] = {"ERROR",
                                        "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED"},
    /* told by event_of_deployment() */
    [SERVICE_EVENT_DEPLOYMENT_DONE] = {NULL, NULL},
    [SERVICE_EVENT_DEPLOYMENT_FAILED] = {NULL, NULL},
};

void event_of_service(struct core *core, const struct service *s,
                      enum service_event event, const char *text)
{
    const struct service_event_name *n = &service_event_names[event];
    if (!n->name)
        return;
    bool set = event == SERVICE_EVENT_STEADY_STATE && s->rec->task_sets.n > 0;
    struct gantry_ecs_service_action detail = {
        .event_type = n->type,
        .event_name = set ? "TASKSET_STEADY_STATE" : n->name,
        .cluster_arn = s->cluster->rec->cluster->cluster_arn,
        .created_at = SET_TIME(core_now_ms(core)),
        .reason = text,
    };
    const char *const arns[] = {s->rec->service->service_arn};
    tell(core, s->cluster, "ECS Service Action", &gantry_ecs_service_action_shape,
         &detail, arns, 1);
}

void event_of_deployment(struct core *core, const struct service *s,
                         const struct ecs_deployment *d)
{
    static const struct service_event_name names[] = {
        [ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED] = {"INFO",
                                                    "SERVICE_DEPLOYMENT_COMPLETED"},
        [ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED] = {"ERROR", "SERVICE_DEPLOYMENT_FAILED"},
        [ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS] = {"INFO",
                                                      "SERVICE_DEPLOYMENT_IN_PROGRESS"},
    };
    struct gantry_ecs_deployment_change detail = {
        .event_type = names[d->rollout_state].type,
        .event_name = names[d->rollout_state].name,
        .cluster_arn = s->cluster->rec->cluster->cluster_arn,
        .deployment_id = d->id,
        .updated_at = d->updated_at,
        .reason = d->rollout_state_reason,
    };
    const char *const arns[] = {s->rec->service->service_arn};
    tell(core, s->cluster, "ECS Deployment State Change",
         &gantry_ecs_deployment_change_shape, &detail, arns, 1);
}
