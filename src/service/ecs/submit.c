/* SubmitTaskStateChange, SubmitContainerStateChange, SubmitAttachmentStateChanges: what
 * hosts say. They repeat themselves after a lost reply and may be late, so everything
 * here can be done twice, and news of an unknown or finished task is acknowledged and
 * dropped: an error would only make the host say it again. */
#include <string.h>

#include "ecs_state.h"
#include "execute_command.h"
#include "fargate.h"
#include "service_history.h"
#include "task_interface.h"

#define REASON_MAX 1024

static struct ecs_container *container_named(struct task *t, const char *name)
{
    for (size_t i = 0; i < t->rec->task->containers.n; i++)
        if (streq(t->rec->task->containers.v[i].name, name))
            return &t->rec->task->containers.v[i];
    return NULL;
}

static const char *cut(struct arena *a, const char *text, size_t max)
{
    size_t n = strlen(text);
    while (n > max || (n > 0 && !utf8_valid(text, n)))
        n--;
    return arena_strndup(a, text, n);
}

struct container_news {
    const char *status, *reason, *digest, *runtime_id;
    struct opt_int exit_code;
    const struct ecs_network_binding_list *bindings;
};

static const char *container_status(const char *status)
{
    static const char *const known[] = {"PENDING", "RUNNING", "STOPPED"};
    for (size_t i = 0; i < 3; i++)
        if (streq(status, known[i]))
            return known[i];
    return NULL;
}

static void container_update(struct core *core, struct task *t, struct ecs_container *c,
                             const struct container_news *n)
{
    struct arena *a = &t->o.arena;
    const char *status = container_status(n->status);
    /* STOPPED is final. */
    if (status && !streq(c->last_status, "STOPPED"))
        c->last_status = status;
    exec_agent_follow(core, c);
    if (n->reason && !c->reason)
        c->reason = cut(a, n->reason, REASON_MAX);
    if (n->digest && !streq(n->digest, c->image_digest))
        c->image_digest = cut(a, n->digest, 255);
    if (n->runtime_id && !streq(n->runtime_id, c->runtime_id))
        c->runtime_id = cut(a, n->runtime_id, 255);
    bool over = !status || streq(c->last_status, "STOPPED");
    if (n->exit_code.set && !c->exit_code.set && over)
        c->exit_code = n->exit_code; /* what ended can't end otherwise later */
    if (n->bindings->n) {
        c->network_bindings = (struct ecs_network_binding_list){.set = true};
        for (size_t i = 0; i < n->bindings->n; i++)
            wire_copy_into(a, &ecs_network_binding_shape, &n->bindings->v[i],
                           LIST_PUSH(a, &c->network_bindings));
    }
}

static void copy_time(struct opt_time *to, struct opt_time from)
{
    if (from.set && !to->set)
        *to = from;
}

/* "arn:…:task/cluster/id" gives "cluster". */
static const char *cluster_of_arn(struct arena *a, const char *arn)
{
    const char *first = strchr(arn, '/'), *last = strrchr(arn, '/');
    return first && last > first ? arena_strndup(a, first + 1, (size_t)(last - first - 1))
                                 : NULL;
}

/* NULL: nothing to do, and no fault. A cluster that is not there is a fault. */
static int find_task(struct call *c, const char *cluster, const char *reference,
                     struct task **ret)
{
    /* The pool's hosts run tasks of all clusters; a task's ARN names its own. */
    if (fargate_pool_named(cluster) && reference && arn_looks_like(reference))
        cluster = cluster_of_arn(&c->arena, reference);
    struct cluster *cl = cluster_require(c, cluster);
    if (!cl)
        return -1;
    if (str_empty(reference))
        return call_fault(c, &ecs_invalid_parameter_exception, "Task cannot be empty.");
    struct task *t = task_find(c->core, cl, reference);
    *ret = t && t->status != TASK_STOPPED ? t : NULL;
    return 0;
}

int ecs_submit_task_state_change(struct call *c,
                                 const struct ecs_submit_task_state_change_request *in,
                                 struct ecs_submit_task_state_change_response *out)
{
    struct task *t = NULL;
    if (find_task(c, in->cluster, in->task, &t) < 0)
        return -1;
    out->acknowledgment = "ACCEPT";
    if (!t)
        return 0;
    for (size_t i = 0; i < in->containers.n; i++) {
        const struct ecs_container_state_change *s = &in->containers.v[i];
        struct ecs_container *ct = container_named(t, s->container_name);
        struct container_news news = {s->status,     s->reason,    s->image_digest,
                                      s->runtime_id, s->exit_code, &s->network_bindings};
        if (ct)
            container_update(c->core, t, ct, &news);
    }
    service_revision_images(c->core, t);
    copy_time(&t->rec->task->pull_started_at, in->pull_started_at);
    copy_time(&t->rec->task->pull_stopped_at, in->pull_stopped_at);
    copy_time(&t->rec->task->execution_stopped_at, in->execution_stopped_at);
    for (size_t i = 0; i < in->attachments.n; i++)
        if (task_has_attachment(t, in->attachments.v[i].attachment_arn))
            task_interface_report(c->core, t, in->attachments.v[i].status);
    if (!t->rec->task->connectivity) {
        t->rec->task->connectivity = ECS_CONNECTIVITY_CONNECTED;
        t->rec->task->connectivity_at = SET_TIME(core_now_ms(c->core));
    }
    if (streq(in->status, "RUNNING")) {
        task_interface_report(c->core, t, "ATTACHED"); /* or it would not run */
        task_report_running(c->core, t);
    } else if (streq(in->status, "STOPPED")) {
        const char *reason = in->reason ? cut(&c->arena, in->reason, REASON_MAX) : NULL;
        task_report_stopped(c->core, t, reason);
        return 0;
    }
    object_save(c->core, &t->o);
    return 0;
}

int ecs_submit_container_state_change(
    struct call *c, const struct ecs_submit_container_state_change_request *in,
    struct ecs_submit_container_state_change_response *out)
{
    struct task *t = NULL;
    if (find_task(c, in->cluster, in->task, &t) < 0)
        return -1;
    out->acknowledgment = "ACCEPT";
    struct ecs_container *ct = t ? container_named(t, in->container_name) : NULL;
    if (!ct)
        return 0;
    struct container_news news = {in->status,     in->reason,    NULL,
                                  in->runtime_id, in->exit_code, &in->network_bindings};
    container_update(c->core, t, ct, &news);
    task_changed(c->core, t);
    return 0;
}

/* A task that is over has no attachment any more: late news is dropped. */
int ecs_submit_attachment_state_changes(
    struct call *c, const struct ecs_submit_attachment_state_changes_request *in,
    struct ecs_submit_attachment_state_changes_response *out)
{
    if (!fargate_pool_named(in->cluster) && !cluster_require(c, in->cluster))
        return -1;
    for (size_t i = 0; i < in->attachments.n; i++)
        if (!arn_looks_like(in->attachments.v[i].attachment_arn))
            return call_fault(c, &ecs_invalid_parameter_exception,
                              "Invalid attachment ARN: '%s'",
                              in->attachments.v[i].attachment_arn);
    for (size_t i = 0; i < in->attachments.n; i++) {
        const struct ecs_attachment_state_change *x = &in->attachments.v[i];
        struct task *t = task_by_attachment(c->core, x->attachment_arn);
        if (t && streq(t->cluster->account, c->who.account_id))
            task_interface_report(c->core, t, x->status);
    }
    out->acknowledgment = "ACCEPT";
    return 0;
}
