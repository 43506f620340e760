/* GetTaskProtection, UpdateTaskProtection. */
#include "task_protection.h"

#define DEFAULT_MINUTES 120
#define MAX_MINUTES     2880
#define MINUTE_MS       (60 * 1000LL)
#define MAX_UPDATED     10
#define MAX_READ        100

bool task_protected(const struct core *core, const struct task *t)
{
    return t->rec->protected_until.set && t->rec->protected_until.v > core_now_ms(core);
}

/* The time is over: who waited for it may go now. */
static void unprotect(struct core *core, struct wake *w)
{
    struct task *t = list_entry(w, struct task, unprotect);
    t->rec->protected_until = (struct opt_time){0};
    object_save(core, &t->o);
    if (t->service)
        wake_now(core, &t->service->wake);
}

void task_protection_init(struct core *core, struct task *t)
{
    wake_init(&t->unprotect, unprotect);
    if (t->rec->protected_until.set)
        wake_at(core, &t->unprotect, t->rec->protected_until.v);
}

static void protect(struct core *core, struct task *t, bool on, int32_t minutes)
{
    wake_cancel(core, &t->unprotect);
    t->rec->protected_until = (struct opt_time){0};
    if (on)
        t->rec->protected_until = SET_TIME(core_now_ms(core) + minutes * MINUTE_MS);
    object_save(core, &t->o);
    task_protection_init(core, t);
    if (t->service)
        wake_now(core, &t->service->wake);
}

static bool of_older_deployment(const struct task *t)
{
    const struct ecs_deployment_list *l = &t->service->rec->service->deployments;
    return l->n > 1 && !streq(l->v[0].id, t->rec->deployment_id);
}

/* Protected tasks already keep this service's deployment from its end; one more of those
 * that have to go would only lengthen it. */
static bool blocks_deployment(const struct core *core, const struct task *t)
{
    if (!of_older_deployment(t) || task_protected(core, t))
        return false;
    list_for_each (it, &t->service->tasks) {
        const struct task *other = list_entry(it, struct task, service_link);
        if (task_protected(core, other) && of_older_deployment(other))
            return true;
    }
    return false;
}

static void add_failure(struct call *c, struct ecs_failure_list *l, const char *arn,
                        const char *reason, const char *detail)
{
    struct ecs_failure *f = LIST_PUSH(&c->arena, l);
    f->arn = arn;
    f->reason = reason;
    f->detail = detail;
}

/* NULL when it is no running task of a service; the failure says why. */
static struct task *protectable(struct call *c, struct cluster *cl, const char *reference,
                                struct ecs_failure_list *failures)
{
    struct task *t = task_find(c->core, cl, reference);
    if (!t) {
        const char *arn = arn_looks_like(reference)
                              ? reference
                              : ecs_arn(&c->arena, cl->region, cl->account, "task/%s/%s",
                                        cl->name, ecs_last_segment(reference));
        add_failure(c, failures, arn, "MISSING",
                    "The specified task could not be found.");
        return NULL;
    }
    if (!t->service || t->stopping) {
        add_failure(c, failures, t->rec->task->task_arn, "TASK_NOT_VALID",
                    "The specified task is not a running task of a service.");
        return NULL;
    }
    return t;
}

static void show(struct call *c, const struct task *t, struct ecs_protected_task_list *l)
{
    struct ecs_protected_task *p = LIST_PUSH(&c->arena, l);
    p->task_arn = t->rec->task->task_arn;
    p->protection_enabled = SET_BOOL(task_protected(c->core, t));
    if (p->protection_enabled.v)
        p->expiration_date = t->rec->protected_until;
}

static int tasks_check(struct call *c, const struct string_list *tasks, size_t max)
{
    if (tasks->n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception, "Tasks cannot be empty.");
    if (tasks->n > max)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Tasks cannot have more than %zu elements.", max);
    return 0;
}

int ecs_get_task_protection(struct call *c,
                            const struct ecs_get_task_protection_request *in,
                            struct ecs_get_task_protection_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl || tasks_check(c, &in->tasks, MAX_READ) < 0)
        return -1;
    out->protected_tasks.set = out->failures.set = true;
    for (size_t i = 0; i < in->tasks.n; i++) {
        const struct task *t = protectable(c, cl, in->tasks.v[i], &out->failures);
        if (t)
            show(c, t, &out->protected_tasks);
    }
    return 0;
}

int ecs_update_task_protection(struct call *c,
                               const struct ecs_update_task_protection_request *in,
                               struct ecs_update_task_protection_response *out)
{
    int32_t minutes =
        in->expires_in_minutes.set ? in->expires_in_minutes.v : DEFAULT_MINUTES;
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl || tasks_check(c, &in->tasks, MAX_UPDATED) < 0)
        return -1;
    if (in->protection_enabled.v && (minutes < 1 || minutes > MAX_MINUTES))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "expiresInMinutes must be between 1 and %d.", MAX_MINUTES);
    out->protected_tasks.set = out->failures.set = true;
    for (size_t i = 0; i < in->tasks.n; i++) {
        struct task *t = protectable(c, cl, in->tasks.v[i], &out->failures);
        if (!t)
            continue;
        if (in->protection_enabled.v && blocks_deployment(c->core, t)) {
            add_failure(
                c, &out->failures, t->rec->task->task_arn, "DEPLOYMENT_BLOCKED",
                "Unable to set task protection because one or more protected tasks "
                "are preventing the service deployment from reaching the steady "
                "state.");
            continue;
        }
        protect(c->core, t, in->protection_enabled.v, minutes);
        show(c, t, &out->protected_tasks);
    }
    return 0;
}
