/* DescribeTasks, ListTasks. */
#include <string.h>

#include "ecs_state.h"
#include "page.h"

void task_view(struct arena *a, const struct task *t, bool tags, struct ecs_task *ret)
{
    wire_copy_into(a, &ecs_task_shape, t->rec->task, ret);
    if (!tags)
        ret->tags.n = 0;
    ret->tags.set = true;
}

int ecs_describe_tasks(struct call *c, const struct ecs_describe_tasks_request *in,
                       struct ecs_describe_tasks_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl)
        return -1;
    if (in->tasks.n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception, "Tasks cannot be empty.");
    if (in->tasks.n > 100)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Tasks cannot have more than 100 elements.");
    bool tags = false;
    for (size_t i = 0; i < in->include.n; i++)
        tags |= in->include.v[i] == ECS_TASK_FIELD_TAGS;
    out->tasks.set = out->failures.set = true;
    for (size_t i = 0; i < in->tasks.n; i++) {
        const char *reference = in->tasks.v[i];
        struct task *t = task_find(c->core, cl, reference);
        if (t) {
            task_view(&c->arena, t, tags, LIST_PUSH(&c->arena, &out->tasks));
            continue;
        }
        struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
        f->arn = arn_looks_like(reference)
                     ? reference
                     : ecs_arn(&c->arena, cl->region, cl->account, "task/%s/%s", cl->name,
                               ecs_last_segment(reference));
        f->reason = "MISSING";
    }
    return 0;
}

struct task_filter {
    const char *family, *started_by, *group;
    const struct instance *instance;
    int desired_status, launch_type;
};

static bool family_matches(const struct task *t, const char *family)
{
    const char *name = ecs_last_segment(t->rec->task->task_definition_arn);
    size_t n = strlen(family);
    return strncmp(name, family, n) == 0 && name[n] == ':';
}

static bool task_wanted(const struct task *t, const struct task_filter *f)
{
    const struct ecs_task *rec = t->rec->task;
    const char *desired =
        f->desired_status == ECS_DESIRED_STATUS_STOPPED ? "STOPPED" : "RUNNING";
    /* A task's desiredStatus is never PENDING, so that listing is always empty. */
    if (f->desired_status == ECS_DESIRED_STATUS_PENDING ||
        !streq(rec->desired_status, desired))
        return false;
    if (f->family && !family_matches(t, f->family))
        return false;
    if (f->started_by && !streq(rec->started_by, f->started_by))
        return false;
    if (f->group && !streq(rec->group, f->group))
        return false;
    if (f->launch_type && f->launch_type != (int)rec->launch_type)
        return false;
    return !f->instance || streq(rec->container_instance_arn,
                                 f->instance->rec->instance->container_instance_arn);
}

int ecs_list_tasks(struct call *c, const struct ecs_list_tasks_request *in,
                   struct ecs_list_tasks_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl)
        return -1;
    struct task_filter f = {
        .family = in->family,
        .started_by = in->started_by,
        .desired_status = (int)in->desired_status,
        .launch_type = (int)in->launch_type,
    };
    if (in->started_by && (in->family || in->service_name || in->container_instance))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The startedBy filter can't be used with other filters.");
    if (in->container_instance) {
        f.instance = instance_find(c->core, cl, in->container_instance);
        if (!f.instance)
            return call_fault(c, &ecs_invalid_parameter_exception,
                              "The referenced container instance was not found.");
    }
    if (in->daemon_name)
        f.group = call_printf(c, "daemon:%s", ecs_last_segment(in->daemon_name));
    if (in->service_name) {
        const struct service *s = service_find(c->core, cl, in->service_name);
        if (!s)
            return call_fault(c, &ecs_service_not_found_exception, "Service not found.");
        f.group = call_printf(c, "service:%s", ecs_last_segment(in->service_name));
    }
    size_t limit;
    const char *at;
    struct table *table = ecs_of(c->core)->tasks;
    const char *prefix = ecs_key(&c->arena, "task", cl->account, cl->region,
                                 call_printf(c, "%s/", cl->name));
    if (ecs_page_size(c, in->max_results, 100, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->task_arns.set = true;
    struct task *t;
    while ((t = table_next(table, prefix, at))) {
        if (task_wanted(t, &f)) {
            if (out->task_arns.n == limit) {
                out->next_token = page_token(&c->arena, at);
                break;
            }
            *LIST_PUSH(&c->arena, &out->task_arns) = t->rec->task->task_arn;
        }
        at = t->o.key;
    }
    return 0;
}
