/* What Fargate asks for beyond the rest, and its table of sizes. */
#include "str.h"
#include "taskdef_private.h"

typedef struct ecs_container_definition container;

/* Developer guide, Fargate task size: units, MiB from … to, step. */
static const struct {
    int32_t cpu, from, to, step;
} sizes[] = {
    {256, 512, 512, 512},       {256, 1024, 2048, 1024},      {512, 1024, 4096, 1024},
    {1024, 2048, 8192, 1024},   {2048, 4096, 16384, 1024},    {4096, 8192, 30720, 1024},
    {8192, 16384, 61440, 4096}, {16384, 32768, 122880, 8192},
};

static bool is_windows(const taskdef_request *def)
{
    return def->runtime_platform &&
           def->runtime_platform->operating_system_family != ECS_OS_FAMILY_UNSET &&
           def->runtime_platform->operating_system_family != ECS_OS_FAMILY_LINUX;
}

bool ecs_fargate_size(int64_t cpu, int64_t memory, bool windows)
{
    if (windows && cpu < 1024)
        return false;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
        if (cpu == sizes[k].cpu && memory >= sizes[k].from && memory <= sizes[k].to &&
            (memory - sizes[k].from) % sizes[k].step == 0)
            return true;
    return false;
}

static int check_size(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    int64_t cpu, memory;
    if (!def->cpu)
        return taskdef_bad(err,
                           "Fargate requires that 'cpu' be defined at the task level.");
    if (!def->memory)
        return taskdef_bad(
            err, "Fargate requires that 'memory' be defined at the task level.");
    if (!ecs_parse_cpu(def->cpu, &cpu) || !ecs_parse_memory(def->memory, &memory) ||
        !ecs_fargate_size(cpu, memory, is_windows(def)))
        return taskdef_bad(err, "No Fargate configuration exists for given values.");
    return 0;
}

static int check_task(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    if (def->network_mode != ECS_NETWORK_MODE_AWSVPC)
        return taskdef_bad(err, "Fargate only supports network mode \xe2\x80\x98"
                                "awsvpc"
                                "\xe2\x80\x99.");
    if (def->placement_constraints.n)
        return taskdef_bad(
            err, "Fargate compatible task definitions do not support constraints");
    if (def->pid_mode == ECS_PID_MODE_HOST)
        return taskdef_bad(err,
                           "Tasks using the Fargate launch type do not support pidMode "
                           "'host'. The supported value for pidMode is 'task'.");
    if (def->ipc_mode != ECS_IPC_MODE_UNSET)
        return taskdef_bad(err,
                           "Fargate compatible task definitions do not support ipcMode");
    FOR_EACH(v, &def->volumes)
    {
        if (v->host && v->host->source_path)
            return taskdef_bad(
                err, "Fargate compatible task definitions do not support sourcePath");
        if (v->docker_volume_configuration)
            return taskdef_bad(err, "Fargate compatible task definitions do not support "
                                    "dockerVolumeConfiguration");
    }
    return 0;
}

static const char *linux_member(const struct ecs_linux_parameters *l)
{
    if (l->devices.n)
        return "devices";
    if (l->shared_memory_size.set)
        return "sharedMemorySize";
    if (l->max_swap.set)
        return "maxSwap";
    if (l->swappiness.set)
        return "swappiness";
    return l->tmpfs.n ? "tmpfs" : NULL;
}

static int check_rights(const container *c, struct ecs_taskdef_error *err)
{
    if (c->privileged.v)
        return taskdef_bad(err,
                           "Fargate requires that the 'privileged' setting be 'false'");
    const struct ecs_linux_parameters *l = c->linux_parameters;
    if (l && l->capabilities)
        FOR_EACH(name, &l->capabilities->add)
    if (!streq(*name, "SYS_PTRACE"))
        return taskdef_bad(err, "%s is not allowed on Fargate.", *name);
    const char *member = l ? linux_member(l) : NULL;
    if (!member && c->docker_security_options.n)
        member = "dockerSecurityOptions";
    FOR_EACH(q, &c->resource_requirements)
    if (q->type == ECS_RESOURCE_TYPE_GPU)
        member = "GPU";
    if (member)
        return taskdef_bad(err, "Fargate compatible task definitions do not support %s",
                           member);
    return 0;
}

static int check_limits(const container *c, struct ecs_taskdef_error *err)
{
    const struct {
        const char *name;
        const struct opt_int *v;
    } rows[] = {{"startTimeout", &c->start_timeout}, {"stopTimeout", &c->stop_timeout}};
    for (size_t k = 0; k < 2; k++)
        if (rows[k].v->set && (rows[k].v->v < 2 || rows[k].v->v > 120))
            return taskdef_bad(
                err,
                "the '%s' setting for container '%s' must be between 2 and "
                "120",
                rows[k].name, c->name);
    return 0;
}

static int check_log(const taskdef_request *def, const container *c,
                     struct ecs_taskdef_error *err)
{
    const struct ecs_log_configuration *log = c->log_configuration;
    if (!log)
        return 0;
    if (log->log_driver != ECS_LOG_DRIVER_AWSLOGS &&
        log->log_driver != ECS_LOG_DRIVER_SPLUNK &&
        log->log_driver != ECS_LOG_DRIVER_AWSFIRELENS)
        return taskdef_bad(
            err,
            "%s is not a valid log driver. Must be one of [awslogs, splunk, "
            "awsfirelens]",
            wire_enum_name(&ecs_log_driver_shape, (int)log->log_driver));
    if (log->log_driver != ECS_LOG_DRIVER_AWSLOGS)
        return 0;
    bool prefix = false;
    FOR_EACH(o, &log->options)
    prefix |= streq(o->key, "awslogs-stream-prefix");
    if (!prefix)
        return taskdef_bad(err, "Log driver awslogs requires options to include "
                                "awslogs-stream-prefix");
    if (str_empty(def->execution_role_arn))
        return taskdef_bad(err,
                           "Fargate requires task definition to have execution role ARN "
                           "to support log driver awslogs.");
    return 0;
}

int taskdef_check_fargate(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    int r = check_size(def, err);
    if (r == 0)
        r = check_task(def, err);
    FOR_EACH(c, &def->container_definitions)
    {
        if (r == 0)
            r = check_rights(c, err);
        if (r == 0)
            r = check_limits(c, err);
        if (r == 0)
            r = check_log(def, c, err);
    }
    return r;
}
