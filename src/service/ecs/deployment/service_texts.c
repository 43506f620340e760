/* What a service tells people, to the letter as Amazon ECS has it (spec §5, event texts). */
#include "deployment.h"

static void task_list(struct str *out, const char *const *ids, size_t n)
{
    size_t listed = n < DEPLOYMENT_IDS_PER_EVENT ? n : DEPLOYMENT_IDS_PER_EVENT;
    for (size_t k = 0; k < listed; k++)
        str_addf(out, " (task %s)", ids[k]);
    str_addc(out, '.');
}

void service_event_started(struct str *out, const char *service, const char *const *ids,
                           size_t n)
{
    str_addf(out, "(service %s) has started %zu tasks:", service, n);
    task_list(out, ids, n);
}

void service_event_stopped(struct str *out, const char *service, const char *const *ids,
                           size_t n)
{
    str_addf(out, "(service %s) has stopped %zu running tasks:", service, n);
    task_list(out, ids, n);
}

void service_event_rolling_back(struct str *out, const char *service,
                                const char *deployment_id)
{
    str_addf(out, "(service %s) rolling back to deployment %s.", service, deployment_id);
}

void service_event_unhealthy(struct str *out, const char *service, const char *task_id)
{
    str_addf(out, "(service %s) (task %s) failed container health checks.", service,
             task_id);
}

/* What the closest instance is said to lack. */
static void closest(struct str *out, const char *reason)
{
    if (streq(reason, "RESOURCE:CPU"))
        str_add(out, "has insufficient CPU units available.");
    else if (streq(reason, "RESOURCE:MEMORY"))
        str_add(out, "has insufficient memory available.");
    else if (streq(reason, "RESOURCE:PORTS") || streq(reason, "RESOURCE:PORTS_UDP"))
        str_add(out, "is already using a port required by your task.");
    else
        str_addf(out, "encountered error \"%s\".", reason);
}

void service_event_unplaced(struct str *out, const char *service, const char *closest_id,
                            const char *reason)
{
    str_addf(out,
             "(service %s) was unable to place a task because no container instance met "
             "all of its requirements.",
             service);
    if (closest_id) {
        str_addf(out, " The closest matching (container-instance %s) ", closest_id);
        closest(out, reason);
    } else {
        str_add(out, " Reason: No Container Instances were found in your cluster.");
    }
    str_add(out,
            " For more information, see the Troubleshooting section of the Amazon ECS "
            "Developer Guide.");
}

void rollout_reason_in_progress(struct str *out, const char *deployment_id)
{
    str_addf(out, "ECS deployment %s in progress.", deployment_id);
}

void rollout_reason_rolling_back(struct str *out, const char *to_deployment_id)
{
    str_addf(out, "ECS deployment circuit breaker: rolling back to deploymentId %s.",
             to_deployment_id);
}

void stopped_by_scaling(struct str *out, const char *deployment_id)
{
    str_addf(out, "Scaling activity initiated by (deployment %s)", deployment_id);
}
