/* Weights of listener rules, see service_traffic.h. */
#include "service_traffic.h"

#include "elbv2.h"
#include "service_history.h"
#include "service_targets.h"
#include "staged.h"

static void tell(struct core *core, struct service *s, const char *rule,
                 const struct error *err)
{
    service_event(
        core, s,
        arena_printf(core_scratch(core),
                     "(service %s) was unable to shift traffic in (listener-rule "
                     "%s) due to (error %s)",
                     s->rec->service->service_name, rule, err->text));
}

static void shift_rule(struct core *core, struct service *s, const char *rule,
                       const char *blue, const char *green, double percent)
{
    struct error err;
    if (rule && elbv2_shift(core, rule, blue, green, percent, &err) < 0)
        tell(core, s, rule, &err);
}

/* Of the two groups of a load balancer green has the one that its revision resolved to. */
static void shift(void *ctx, struct core *core, const struct ecs_traffic *t)
{
    struct service *s = service_of_arn(core, t->service_arn);
    const struct service_revision *r = service_revision_find(core, t->green_revision_arn);
    if (!s || !r || !r->rec->revision->resolved_configuration)
        return;
    const struct ecs_load_balancer_list *l = &r->rec->revision->load_balancers;
    const struct ecs_service_revision_load_balancer_list *used =
        &r->rec->revision->resolved_configuration->load_balancers;
    for (size_t i = 0; i < l->n && i < used->n; i++) {
        const struct ecs_advanced_configuration *x = l->v[i].advanced_configuration;
        if (!x)
            continue;
        const char *green = used->v[i].target_group_arn,
                   *blue = streq(green, l->v[i].target_group_arn)
                               ? x->alternate_target_group_arn
                               : l->v[i].target_group_arn;
        /* The first one has nobody to leave traffic to. */
        bool alone = !t->blue_revision_arn;
        shift_rule(core, s, x->production_listener_rule, blue, green,
                   alone ? 100 : t->production);
        shift_rule(core, s, x->test_listener_rule, blue, green, alone ? 100 : t->test);
    }
}

static bool green_task(const struct service *s, const struct task *t,
                       const char *revision)
{
    for (size_t i = 0; i < s->rec->deployments.n; i++)
        if (streq(s->rec->deployments.v[i].id, t->rec->deployment_id))
            return streq(s->rec->deployments.v[i].service_revision_arn, revision);
    return false;
}

/* Weights are in force with the transaction that set them; targets have to be healthy. */
static bool settled(void *ctx, struct core *core, const struct ecs_traffic *t)
{
    struct service *s = service_of_arn(core, t->service_arn);
    if (!s || !service_load_balanced(s, NULL) || (t->production <= 0 && t->test <= 0))
        return true;
    list_for_each (it, &s->tasks) {
        const struct task *k = list_entry(it, struct task, service_link);
        if (k->status == TASK_RUNNING && !k->stopping &&
            green_task(s, k, t->green_revision_arn) &&
            task_targets_health(core, k, NULL) != CHECK_HEALTHY)
            return false;
    }
    return true;
}

static const struct ecs_traffic_ops traffic = {.shift = shift, .settled = settled};

void service_traffic_attach(struct core *core)
{
    ecs_set_traffic_ops(core, &traffic, NULL);
}
