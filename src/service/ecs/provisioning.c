#include "provisioning.h"

#include <string.h>

#include "capacity_provider.h"
#include "fargate.h"
#include "launch.h"

static void provision(struct core *core, struct wake *w);

void provisioning_init(struct cluster *cl)
{
    list_init(&cl->provisioning);
    wake_init(&cl->provision, provision);
}

/* Kept by age; new tasks are the youngest, and only a restart brings them in any order. */
void provisioning_add(struct core *core, struct cluster *home, struct task *t)
{
    struct list *after = home->provisioning.prev;
    while (after != &home->provisioning &&
           list_entry(after, struct task, provisioning_link)->rec->task->created_at.v >
               t->rec->task->created_at.v)
        after = after->prev;
    list_append(after->next, &t->provisioning_link);
    provisioning_look(core, home);
}

void provisioning_look(struct core *core, struct cluster *home)
{
    if (!list_empty(&home->provisioning))
        wake_now(core, &home->provision);
}

struct cluster *provisioning_home(struct core *core, const struct task *t)
{
    if (t->rec->task->launch_type != ECS_LAUNCH_TYPE_FARGATE)
        return t->cluster;
    return fargate_pool_need(core, t->cluster->account, t->cluster->region);
}

/* ---- giving up ---- */

static const char *why_not(struct core *core, const struct cluster *home,
                           const struct launch *l)
{
    struct place_rejection why;
    if (l->fargate)
        return "RESOURCE:FARGATE";
    if (home->instance_count == 0)
        return "NO ACTIVE INSTANCES";
    if (!place_closest(home->place, &l->need, l->group, &why))
        return "EMPTY CAPACITY PROVIDER";
    const char *text = place_reason_text(why.reason);
    size_t n = strlen(text);
    return n && text[n - 1] == '.' ? arena_strndup(core_scratch(core), text, n - 1)
                                   : text;
}

/* The service's newest event says it once, however many tasks give up at the same time. */
static void tell_service(struct core *core, struct service *s, const char *why)
{
    const struct ecs_service *rec = s->rec->service;
    const char *text = arena_printf(
        core_scratch(core), "(service %s) was unable to place a task. Reason: %s.",
        rec->service_name, why);
    if (rec->events.n == 0 || !streq(rec->events.v[0].message, text))
        service_event(core, s, text);
}

static void give_up(struct core *core, const struct cluster *home, struct task *t,
                    const struct launch *l)
{
    const char *why = why_not(core, home, l);
    if (t->service)
        tell_service(core, t->service, why);
    task_lost(core, t, ECS_TASK_STOP_CODE_TASK_FAILED_TO_START,
              arena_printf(core_scratch(core), "TaskFailedToStart: %s", why));
}

/* ---- placing ---- */

/* Needs that found no room in this pass: most that wait are many of the same. */
struct futile {
    const struct task *seen[16];
    size_t n;
};

/* GPUs are the one need that a task's record does not sum up. */
static bool asks_for_own_gpus(const struct task *t)
{
    const struct ecs_task_override *o = t->rec->task->overrides;
    for (size_t i = 0; o && i < o->container_overrides.n; i++)
        if (o->container_overrides.v[i].resource_requirements.n)
            return true;
    return false;
}

/* Needs at least what one of those needs that were asked for in vain. */
static bool is_futile(const struct futile *f, const struct task *t)
{
    const struct ecs_task *rec = t->rec->task;
    for (size_t k = 0; k < f->n; k++) {
        const struct ecs_task *other = f->seen[k]->rec->task;
        if (f->seen[k]->taskdef == t->taskdef && streq(other->cpu, rec->cpu) &&
            streq(other->memory, rec->memory) &&
            streq(other->capacity_provider_name, rec->capacity_provider_name) &&
            streq(f->seen[k]->rec->deployment_id, t->rec->deployment_id) &&
            !asks_for_own_gpus(t))
            return true;
    }
    return false;
}

/* Its subnets say in which zones it may be. */
static bool asks_for_own_zones(const struct task *t)
{
    return t->rec->network && t->rec->task->launch_type != ECS_LAUNCH_TYPE_FARGATE;
}

/* Standalone tasks with wishes of their own are always asked for alone. */
static void note_futile(struct futile *f, const struct task *t)
{
    bool own = t->rec->placement_constraints.n || asks_for_own_zones(t);
    bool alone = (!t->service && own) || asks_for_own_gpus(t);
    if (!alone && f->n < sizeof(f->seen) / sizeof(f->seen[0]))
        f->seen[f->n++] = t;
}

static bool is_spot(const struct task *t)
{
    return streq(t->rec->task->capacity_provider_name, PROVIDER_SPOT_NAME);
}

struct pass {
    struct cluster *home;
    struct futile futile;
    struct reclaim reclaim;
    int64_t deadline_ms; /* createdAt before it: too old */
};

static void pass_task(struct core *core, struct pass *p, struct task *t)
{
    struct launch l;
    struct instance *i = NULL;
    bool old = t->rec->task->created_at.v <= p->deadline_ms;
    bool futile = is_futile(&p->futile, t);
    bool reclaims = t->rec->task->launch_type == ECS_LAUNCH_TYPE_FARGATE && !is_spot(t);
    if (futile && !old && !reclaims)
        return;
    bool ready = launch_of_task(core, t, &l) == 0;
    if (ready && !futile)
        i = launch_find(core, &l);
    if (i) {
        task_place(core, t, i);
    } else if (!ready || old) {
        give_up(core, p->home, t, &l);
    } else {
        if (!futile)
            note_futile(&p->futile, t);
        if (reclaims)
            fargate_reclaim(core, p->home, &l.need, &p->reclaim);
    }
    launch_fini(&l);
}

/* On-demand tasks go first, and what was reclaimed for them is not for spot tasks. */
static void provision(struct core *core, struct wake *w)
{
    struct cluster *home = list_entry(w, struct cluster, provision);
    int64_t life = ecs_of(core)->settings.provisioning_timeout_ms;
    struct pass p = {.home = home, .deadline_ms = core_now_ms(core) - life};
    for (int spot = 0; spot < 2; spot++)
        list_for_each_safe (it, &home->provisioning) {
            struct task *t = list_entry(it, struct task, provisioning_link);
            bool old = t->rec->task->created_at.v <= p.deadline_ms;
            if (is_spot(t) == spot && (!spot || p.reclaim.n == 0 || old))
                pass_task(core, &p, t);
        }
    if (list_empty(&home->provisioning))
        return;
    const struct task *oldest =
        list_entry(home->provisioning.next, struct task, provisioning_link);
    wake_at(core, w, oldest->rec->task->created_at.v + life);
}

/* ---- for scaling ---- */

static bool same_amounts(const struct place_resources *a, const struct place_resources *b)
{
    return a->cpu == b->cpu && a->memory_mib == b->memory_mib && a->gpus == b->gpus &&
           a->enis == b->enis && a->tcp.n == b->tcp.n && a->udp.n == b->udp.n &&
           (!a->tcp.n || memcmp(a->tcp.v, b->tcp.v, a->tcp.n * sizeof(*a->tcp.v)) == 0) &&
           (!a->udp.n || memcmp(a->udp.v, b->udp.v, a->udp.n * sizeof(*a->udp.v)) == 0);
}

size_t provisioning_groups(struct core *core, const struct cluster *cl,
                           const char *provider, struct provisioning_group *ret,
                           size_t max)
{
    size_t n = 0;
    list_for_each (it, &cl->provisioning) {
        struct launch l;
        struct task *t = list_entry(it, struct task, provisioning_link);
        if (!streq(t->rec->task->capacity_provider_name, provider))
            continue;
        if (launch_of_task(core, t, &l) == 0) {
            size_t k = 0;
            while (k < n && !(same_amounts(&ret[k].each, &l.need.resources) &&
                              ret[k].distinct_instance == l.need.distinct_instance))
                k++;
            if (k == n && n < max)
                ret[n++] = (struct provisioning_group){.each = l.need.resources,
                                                       .distinct_instance =
                                                           l.need.distinct_instance};
            if (k < n)
                ret[k].count++;
        }
        launch_fini(&l);
    }
    return n;
}
