/* StartInstances, StopInstances, RebootInstances, TerminateInstances. */
#include "ec2_instance.h"

#define INSTANCES_MAX 1000

struct chosen {
    struct ec2_instance_object **v;
    size_t n;
};

/* Each once. All are there, ours, and in a state for it, before anything is changed. */
static int choose(struct call *c, const struct string_list *ids, enum instance_event e,
                  const char *verb, struct chosen *ret)
{
    if (ids->n == 0)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter InstanceId");
    if (ids->n > INSTANCES_MAX)
        return ec2_fault(c, "InvalidParameterValue", "At most %d instances are taken.",
                         INSTANCES_MAX);
    ret->v = arena_new_array(&c->arena, struct ec2_instance_object *, ids->n);
    for (size_t k = 0; k < ids->n; k++) {
        struct ec2_instance_object *i = instance_require(c, ids->v[k]);
        if (!i || instance_is_ours(c, i) < 0)
            return -1;
        bool twice = false;
        for (size_t n = 0; n < ret->n; n++)
            twice |= ret->v[n] == i;
        if (twice)
            continue;
        if (!instance_may(i, e))
            return ec2_fault(c, "IncorrectInstanceState",
                             "The instance '%s' is not in a state from which it can be "
                             "%s.",
                             ids->v[k], verb);
        ret->v[ret->n++] = i;
    }
    return 0;
}

static int protected_from(struct call *c, const struct chosen *all, bool terminate)
{
    for (size_t n = 0; n < all->n; n++) {
        const struct gantry_ec2_instance_record *rec = all->v[n]->rec;
        if (terminate ? rec->disable_api_termination.v : rec->disable_api_stop.v)
            return ec2_fault(c, "OperationNotPermitted",
                             "The instance '%s' may not be %s. Modify its '%s' instance "
                             "attribute and try again.",
                             rec->instance->instance_id,
                             terminate ? "terminated" : "stopped",
                             terminate ? "disableApiTermination" : "disableApiStop");
    }
    return 0;
}

static void move_all(struct call *c, const struct chosen *all, enum instance_event e,
                     struct ec2_instance_state_change_list *ret)
{
    struct arena *a = &c->arena;
    ret->set = true;
    for (size_t n = 0; n < all->n; n++) {
        struct ec2_instance_state_change *to = LIST_PUSH(a, ret);
        to->instance_id = arena_strdup(a, all->v[n]->rec->instance->instance_id);
        to->previous_state = instance_state_show(a, all->v[n]->rec->state);
        instance_move(c->core, all->v[n], e, NULL);
        to->current_state = instance_state_show(a, all->v[n]->rec->state);
    }
}

int ec2_start_instances(struct call *c, const struct ec2_start_instances_request *in,
                        struct ec2_start_instances_result *out)
{
    struct chosen all = {0};
    if (choose(c, &in->instance_ids, INSTANCE_START, "started", &all) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    move_all(c, &all, INSTANCE_START, &out->starting_instances);
    return 0;
}

int ec2_stop_instances(struct call *c, const struct ec2_stop_instances_request *in,
                       struct ec2_stop_instances_result *out)
{
    struct chosen all = {0};
    if (in->hibernate.v)
        return ec2_fault(c, "UnsupportedHibernationConfiguration",
                         "Hibernation is not offered by this gantry.");
    if (choose(c, &in->instance_ids, INSTANCE_STOP, "stopped", &all) < 0 ||
        protected_from(c, &all, false) < 0)
        return -1;
    for (size_t n = 0; n < all.n; n++)
        if (all.v[n]->rec->instance->instance_lifecycle ==
            EC2_INSTANCE_LIFECYCLE_TYPE_SPOT)
            return ec2_fault(c, "UnsupportedOperation",
                             "You can't stop the Spot Instance '%s' because it is "
                             "associated with a one-time Spot Instance request.",
                             all.v[n]->rec->instance->instance_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    move_all(c, &all, INSTANCE_STOP, &out->stopping_instances);
    return 0;
}

int ec2_reboot_instances(struct call *c, const struct ec2_reboot_instances_request *in,
                         void *out)
{
    struct chosen all = {0};
    struct ec2_instance_state_change_list ignored = {0};
    if (choose(c, &in->instance_ids, INSTANCE_REBOOT, "rebooted", &all) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    move_all(c, &all, INSTANCE_REBOOT, &ignored);
    return 0;
}

int ec2_terminate_instances(struct call *c,
                            const struct ec2_terminate_instances_request *in,
                            struct ec2_terminate_instances_result *out)
{
    struct chosen all = {0};
    if (choose(c, &in->instance_ids, INSTANCE_TERMINATE, "terminated", &all) < 0 ||
        protected_from(c, &all, true) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    move_all(c, &all, INSTANCE_TERMINATE, &out->terminating_instances);
    return 0;
}
