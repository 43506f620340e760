/* requiresAttributes: what an instance's agent must be able to do. Names are those that
 * agents of Amazon ECS register; which feature asks for which is spec §2's table. */
#include "str.h"
#include "taskdef_private.h"

#define C "com.amazonaws.ecs.capability."
#define E "ecs.capability."

struct wanted {
    struct arena *a;
    struct ecs_attribute_list *list;
};

static void want(struct wanted *w, const char *name)
{
    FOR_EACH(at, w->list)
    if (streq(at->name, name))
        return;
    LIST_PUSH(w->a, w->list)->name = name;
}

static void want_if(struct wanted *w, bool condition, const char *name)
{
    if (condition)
        want(w, name);
}

/* <account>.dkr.ecr.<region>.amazonaws.com/… */
static bool is_ecr(const char *image)
{
    const char *slash = strchr(image, '/');
    const char *ecr = strstr(image, ".dkr.ecr.");
    return slash && ecr && ecr < slash;
}

static void secret_source(struct wanted *w, const struct ecs_secret_list *secrets,
                          const char *ssm, const char *asm_name)
{
    FOR_EACH(s, secrets)
    {
        bool manager = s->value_from && strstr(s->value_from, ":secretsmanager:");
        want(w, manager ? asm_name : ssm);
    }
}

static void of_log(struct wanted *w, const taskdef_request *def,
                   const struct ecs_log_configuration *log)
{
    bool awslogs = log->log_driver == ECS_LOG_DRIVER_AWSLOGS;
    want(w, arena_printf(w->a, C "logging-driver.%s",
                         wire_enum_name(&ecs_log_driver_shape, (int)log->log_driver)));
    want(w, awslogs ? C "docker-remote-api.1.19" : C "docker-remote-api.1.18");
    want_if(w, awslogs && def->execution_role_arn, E "execution-role-awslogs");
    secret_source(w, &log->secret_options, E "secrets.ssm.bootstrap.log-driver",
                  E "secrets.asm.bootstrap.log-driver");
}

static void of_container(struct wanted *w, const taskdef_request *def,
                         const struct ecs_container_definition *c)
{
    if (c->log_configuration)
        of_log(w, def, c->log_configuration);
    if (is_ecr(c->image)) {
        want(w, C "ecr-auth");
        want_if(w, def->execution_role_arn != NULL, E "execution-role-ecr-pull");
    }
    want_if(w, c->privileged.v, C "privileged-container");
    want_if(w, c->health_check != NULL, E "container-health-check");
    want_if(w, c->depends_on.n > 0, E "container-ordering");
    want_if(w, c->restart_policy && c->restart_policy->enabled.v,
            E "container-restart-policy");
    want_if(w, c->repository_credentials != NULL,
            E "private-registry-authentication.secretsmanager");
    want_if(w, c->environment_files.n > 0, E "env-files.s3");
    want_if(w, c->linux_parameters && c->linux_parameters->init_process_enabled.v,
            C "docker-remote-api.1.25");
    secret_source(w, &c->secrets, E "secrets.ssm.environment-variables",
                  E "secrets.asm.environment-variables");
    FOR_EACH(m, &c->port_mappings)
    want_if(w, m->container_port_range != NULL, E "network.container-port-range");
    if (c->firelens_configuration)
        want(w, c->firelens_configuration->type == ECS_FIRELENS_CONFIGURATION_TYPE_FLUENTD
                    ? E "firelens.fluentd"
                    : E "firelens.fluentbit");
}

static void of_volume(struct wanted *w, const struct ecs_volume *v)
{
    const struct ecs_efs_volume_configuration *efs = v->efs_volume_configuration;
    want_if(w, efs != NULL, E "efs");
    want_if(w, efs && efs->authorization_config, E "efsAuth");
    want_if(w, v->configured_at_launch.v, E "storage.ebs-task-volume-attach");
    const struct ecs_docker_volume_configuration *d = v->docker_volume_configuration;
    if (d)
        want(w, arena_printf(w->a, E "docker-plugin.%s",
                             str_empty(d->driver) ? "local" : d->driver));
}

void taskdef_attributes(struct arena *a, const taskdef_request *def,
                        struct ecs_attribute_list *ret)
{
    struct wanted w = {a, ret};
    int64_t cpu = 0;
    ret->set = true;
    FOR_EACH(c, &def->container_definitions)
    of_container(&w, def, c);
    FOR_EACH(v, &def->volumes)
    of_volume(&w, v);
    want_if(&w, def->task_role_arn != NULL, C "task-iam-role");
    want_if(&w, def->task_role_arn && def->network_mode == ECS_NETWORK_MODE_HOST,
            C "task-iam-role-network-host");
    want_if(&w, def->network_mode == ECS_NETWORK_MODE_AWSVPC, E "task-eni");
    want_if(&w, def->cpu || def->memory, E "task-cpu-mem-limit");
    want_if(&w, def->cpu && ecs_parse_cpu(def->cpu, &cpu) && cpu > 10240,
            E "increased-task-cpu-limit");
    want_if(&w, def->pid_mode || def->ipc_mode, E "pid-ipc-namespace-sharing");
    want_if(&w, def->proxy_configuration != NULL, E "aws-appmesh");
    want_if(&w, def->enable_fault_injection.v, E "fault-injection");
}
