/* See service_daemon.h. */
#include "service_daemon.h"

bool service_is_daemon(const struct service *s)
{
    return s->rec->service->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON;
}

void service_daemons_wake(struct core *core, struct cluster *cl)
{
    list_for_each (it, &cl->daemons) {
        wake_now(core, &list_entry(it, struct service, daemon_link)->wake);
    }
}

static bool has_replicas(const struct instance *i)
{
    list_for_each (it, &i->tasks) {
        const struct task *t = list_entry(it, struct task, instance_link);
        if (t->service && !service_is_daemon(t->service))
            return true;
    }
    return false;
}

/* Where a task is, and whether it may stay. A host out of reach is no reason to go. */
static void judge(const struct launch *l, struct deployment_task *dt)
{
    const struct task *t = dt->owner;
    if (!t->instance)
        return;
    enum place_reason why = launch_eligible(l, t->instance);
    if (instance_draining(t->instance))
        dt->draining = !has_replicas(t->instance);
    else
        dt->misplaced = why != PLACE_OK && why != PLACE_AGENT;
}

void service_daemon_picture(struct core *core, struct service *s,
                            struct service_picture *p)
{
    struct launch l;
    uint32_t desired = 0;
    p->service.daemon = true;
    if (p->service.deployment_count == 0 ||
        service_launch_prepare(core, s, p->deployments[0].task_definition, &l) < 0)
        return;
    list_for_each (it, &s->cluster->instances) {
        const struct instance *i = list_entry(it, struct instance, link);
        enum place_reason why = launch_eligible(&l, i);
        bool occupied = place_group_on(s->cluster->place, i->place, l.group) > 0;
        desired += why == PLACE_OK || (why == PLACE_AGENT && occupied);
        p->service.vacant += why == PLACE_OK && !occupied;
    }
    for (size_t i = 0; i < p->service.task_count; i++)
        judge(&l, &p->tasks[i]);
    launch_fini(&l);
    p->service.desired = desired;
    if (!p->service.draining && s->rec->service->desired_count.v != (int32_t)desired) {
        s->rec->service->desired_count = SET_INT((int32_t)desired);
        object_save(core, &s->o);
    }
}

uint32_t service_daemon_start(struct core *core, struct service *s, struct launch *l,
                              struct str *ids, struct place_rejection *ret_why)
{
    uint32_t n = 0;
    *ret_why = (struct place_rejection){0};
    list_for_each (it, &s->cluster->instances) {
        struct instance *i = list_entry(it, struct instance, link);
        if (launch_eligible(l, i) != PLACE_OK ||
            place_group_on(s->cluster->place, i->place, l->group) > 0)
            continue;
        enum place_reason why =
            place_check(s->cluster->place, i->place, &l->need, l->group);
        if (why != PLACE_OK) {
            *ret_why = (struct place_rejection){i->place, why};
            continue;
        }
        const char *id = ecs_last_segment(launch_on(core, l, i)->rec->task->task_arn);
        str_addn(ids, &id, sizeof(id));
        n++;
    }
    return n;
}
