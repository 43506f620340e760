/* Container instances and their EC2 instances, see instance_ec2.h. */
#include "instance_ec2.h"

#include <stdlib.h>

#include "instance.h"
#include "service_targets.h"

void instance_ec2_unindex(struct core *core, struct instance *i)
{
    if (!i->ec2_id)
        return;
    HASH_DELETE(by_ec2, ecs_of(core)->instances_by_ec2, i);
    free(i->ec2_id);
    i->ec2_id = NULL;
}

void instance_ec2_index(struct core *core, struct instance *i)
{
    struct ecs *ecs = ecs_of(core);
    struct instance *other = NULL;
    const char *id = i->rec->instance->ec2_instance_id;
    instance_ec2_unindex(core, i);
    if (!id)
        return;
    HASH_FIND(by_ec2, ecs->instances_by_ec2, id, strlen(id), other);
    if (other)
        instance_ec2_unindex(core, other);
    i->ec2_id = xstrdup(id);
    HASH_ADD_KEYPTR(by_ec2, ecs->instances_by_ec2, i->ec2_id, strlen(i->ec2_id), i);
}

static void end_tasks(struct core *core, struct instance *i, const char *reason)
{
    list_for_each_safe (it, &i->tasks) {
        struct task *t = list_entry(it, struct task, instance_link);
        task_lost(core, t, ECS_TASK_STOP_CODE_TERMINATION_NOTICE, reason);
    }
}

/* It is shutting down, and its tasks with it: nobody is sent there from now on. Its own targets
 * elbv2 takes away; those by interface only we know to be of this machine. */
static void end_targets(struct core *core, struct instance *i)
{
    list_for_each (it, &i->tasks)
        task_targets_leave(core, list_entry(it, struct task, instance_link));
}

static void on_change(void *ctx, struct core *core, const struct ec2_scope *s,
                      const char *id, bool running)
{
    struct instance *i = NULL;
    struct ec2_instance_info info;
    struct error err;
    struct arena *a = core_scratch(core);
    HASH_FIND(by_ec2, ecs_of(core)->instances_by_ec2, id, strlen(id), i);
    if (!i || running)
        return;
    if (ec2_instance_find(core, s, id, &info, &err) < 0) {
        instance_remove(core, i, ECS_TASK_STOP_CODE_TERMINATION_NOTICE,
                        arena_printf(a, "Host EC2 (instance %s) terminated.", id));
        return;
    }
    end_targets(core, i);
    if (i->rec->instance->agent_connected.v) {
        i->rec->instance->agent_connected = SET_BOOL(false);
        instance_changed(core, i);
    }
    if (streq(info.state, "stopped"))
        end_tasks(core, i, arena_printf(a, "Host EC2 (instance %s) stopped.", id));
}

void instance_ec2_attach(struct core *core)
{
    struct ecs *ecs = ecs_of(core);
    ecs->ec2_instances = (struct ec2_watch){.instance_changed = on_change};
    ec2_watch_add(core, &ecs->ec2_instances);
}
