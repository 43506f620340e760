#include "machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fargate_rule.h"
#include "fd.h"
#include "gantry_api.h"
#include "gpu_device.h"
#include "machine_id.h"
#include "str.h"

/* Names of requiresAttributes that this agent meets (see task_check.c for what it refuses).
 * The versions of Docker's API stand for features that came with them. */
static const char *const capabilities[] = {
    "com.amazonaws.ecs.capability.docker-remote-api.1.17",
    "com.amazonaws.ecs.capability.docker-remote-api.1.18",
    "com.amazonaws.ecs.capability.docker-remote-api.1.19",
    "com.amazonaws.ecs.capability.docker-remote-api.1.20",
    "com.amazonaws.ecs.capability.docker-remote-api.1.21",
    "com.amazonaws.ecs.capability.docker-remote-api.1.22",
    "com.amazonaws.ecs.capability.docker-remote-api.1.23",
    "com.amazonaws.ecs.capability.docker-remote-api.1.24",
    "com.amazonaws.ecs.capability.docker-remote-api.1.25",
    "com.amazonaws.ecs.capability.privileged-container",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.logging-driver.none",
    "com.amazonaws.ecs.capability.ecr-auth",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.task-cpu-mem-limit",
    "ecs.capability.increased-task-cpu-limit",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.pid-ipc-namespace-sharing",
    "ecs.capability.secrets.ssm.environment-variables",
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.bootstrap.log-driver",
    "ecs.capability.secrets.asm.bootstrap.log-driver",
    "ecs.capability.private-registry-authentication.secretsmanager",
    "ecs.capability.env-files.s3",
    "com.amazonaws.ecs.capability.logging-driver.awsfirelens",
    "ecs.capability.firelens.fluentd",
    "ecs.capability.firelens.fluentbit",
    "ecs.capability.firelens.options.config.file",
    "ecs.capability.firelens.options.config.s3",
    "ecs.capability.efs",
    "ecs.capability.efsAuth",
    "ecs.capability.network.container-port-range",
};

int64_t machine_cpu_units(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return (int64_t)CPU_COUNT(&set) * 1024;
    return (int64_t)sysconf(_SC_NPROCESSORS_ONLN) * 1024;
}

int64_t machine_memory_mib(void)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages * size / (1024 * 1024);
}

static void add(struct arena *a, struct ecs_attribute_list *l, const char *name,
                const char *value)
{
    struct ecs_attribute *x = LIST_PUSH(a, l);
    x->name = name;
    x->value = value;
}

static void add_api_versions(struct arena *a, struct ecs_attribute_list *l)
{
    for (int minor = 17; minor <= 44; minor++)
        add(a, l,
            arena_printf(a, "com.amazonaws.ecs.capability.docker-remote-api.1.%d", minor),
            NULL);
}

static const char *zone_of(struct arena *a, const struct agent_config *c)
{
    return c->availability_zone ? c->availability_zone
                                : arena_printf(a, "%sa", c->region);
}

/* The document that an instance has from its metadata service. */
static const char *identity_document(struct arena *a, const struct agent_config *c)
{
    AUTO_STR text = STR_INIT;
    char own[MACHINE_ID_SIZE];
    machine_instance_id(own);
    struct gantry_instance_identity_document doc = {
        .instance_id = c->instance_id ? c->instance_id : own,
        .instance_type = c->instance_type ? c->instance_type : "gantry.local",
        .availability_zone = zone_of(a, c),
        .region = c->region,
    };
    wire_json_encode(&text, &gantry_instance_identity_document_shape, &doc);
    return arena_strdup(a, str_text(&text));
}

static void add_attributes(struct arena *a, const struct agent_config *c,
                           struct ecs_attribute_list *l)
{
    struct utsname u;
    memset(&u, 0, sizeof(u));
    uname(&u);
    add(a, l, "ecs.os-type", "linux");
    add(a, l, "ecs.os-family", "LINUX");
    add(a, l, "ecs.cpu-architecture",
        streq(u.machine, "aarch64") ? "arm64" : arena_strdup(a, u.machine));
    add(a, l, "ecs.availability-zone", zone_of(a, c));
    add(a, l, "ecs.instance-type", c->instance_type ? c->instance_type : "gantry.local");
    for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
        add(a, l, capabilities[i], NULL);
    if (c->vpc_dir)
        add(a, l, "ecs.capability.task-eni", NULL);
    if (!c->no_task_role)
        add(a, l, "com.amazonaws.ecs.capability.task-iam-role", NULL);
    if (!c->no_task_role_host)
        add(a, l, "com.amazonaws.ecs.capability.task-iam-role-network-host", NULL);
    add_api_versions(a, l);
    if (c->fargate)
        add(a, l, FARGATE_ATTRIBUTE, FARGATE_LAUNCH_TYPE);
    for (size_t i = 0; i < c->attribute_count; i++)
        add(a, l, c->attributes[i].name, c->attributes[i].value);
}

static void add_number(struct arena *a, struct ecs_resource_list *l, const char *name,
                       int64_t v)
{
    struct ecs_resource *x = LIST_PUSH(a, l);
    *x = (struct ecs_resource){
        .name = name, .type = "INTEGER", .integer_value = SET_INT((int32_t)v)};
}

static void add_ports(struct arena *a, struct ecs_resource_list *l, const char *name,
                      const char *const *ports)
{
    struct ecs_resource *x = LIST_PUSH(a, l);
    *x = (struct ecs_resource){.name = name, .type = "STRINGSET"};
    x->string_set_value.set = true;
    for (; *ports; ports++)
        *LIST_PUSH(a, &x->string_set_value) = *ports;
}

/* Ids of GPUs, by which the server gives them to containers. */
static void add_gpus(struct arena *a, struct ecs_register_container_instance_request *ret)
{
    struct gpu *v;
    size_t n = gpu_list(a, GPU_PROC_ROOT, &v);
    if (n == 0)
        return;
    struct ecs_resource *x = LIST_PUSH(a, &ret->total_resources);
    *x = (struct ecs_resource){.name = "GPU", .type = "STRINGSET"};
    for (size_t i = 0; i < n; i++) {
        *LIST_PUSH(a, &x->string_set_value) = v[i].id;
        *LIST_PUSH(a, &ret->platform_devices) = (struct ecs_platform_device){
            .id = v[i].id, .type = ECS_PLATFORM_DEVICE_TYPE_GPU};
    }
}

void machine_describe(struct arena *a, const struct agent_config *config,
                      struct ecs_register_container_instance_request *ret)
{
    static const char *const reserved[] = {"22", "2375", "2376", "51678", "51679", NULL};
    static const char *const none[] = {NULL};
    add_number(a, &ret->total_resources, "CPU", config->cpu_units);
    add_number(a, &ret->total_resources, "MEMORY",
               config->memory_mib - config->reserved_memory_mib);
    add_ports(a, &ret->total_resources, "PORTS", reserved);
    add_ports(a, &ret->total_resources, "PORTS_UDP", none);
    add_gpus(a, ret);
    ret->version_info = arena_new(a, struct ecs_version_info);
    ret->version_info->agent_version = GANTRY_VERSION;
    ret->version_info->agent_hash = "gantry";
    ret->version_info->docker_version = "gantry: " GANTRY_VERSION;
    add_attributes(a, config, &ret->attributes);
    if (!config->fargate)
        ret->instance_identity_document = identity_document(a, config);
}
