#include "ecs.h"

#include <stdlib.h>

#include "account_settings.h"
#include "capacity_provider.h"
#include "ecs_state.h"
#include "instance_ec2.h"
#include "secret_change.h"
#include "service_history.h"
#include "service_targets.h"
#include "service_traffic.h"
#include "task_interface.h"

static const char ecs_service_key;

struct ecs *ecs_of(const struct core *core)
{
    return core_service(core, &ecs_service_key);
}

/* In the order in which they load: what others name comes first. */
static const struct table_type cluster_table = {
    .prefix = "/ecs/cluster/",
    .shape = &gantry_cluster_record_shape,
    .object_size = sizeof(struct cluster),
    .record_offset = offsetof(struct cluster, rec),
    .loaded = cluster_loaded,
    .unlink = cluster_unlink,
};
static const struct table_type family_table = {
    .prefix = "/ecs/family/",
    .shape = &gantry_family_record_shape,
    .object_size = sizeof(struct family),
    .record_offset = offsetof(struct family, rec),
};
static const struct table_type taskdef_table = {
    .prefix = "/ecs/taskdef/",
    .shape = &gantry_task_definition_record_shape,
    .object_size = sizeof(struct taskdef),
    .record_offset = offsetof(struct taskdef, rec),
};
static const struct table_type daemon_family_table = {
    .prefix = "/ecs/daemon-family/",
    .shape = &gantry_family_record_shape,
    .object_size = sizeof(struct family),
    .record_offset = offsetof(struct family, rec),
};
static const struct table_type daemon_taskdef_table = {
    .prefix = "/ecs/daemon-taskdef/",
    .shape = &gantry_task_definition_record_shape,
    .object_size = sizeof(struct taskdef),
    .record_offset = offsetof(struct taskdef, rec),
};
static const struct table_type instance_table = {
    .prefix = "/ecs/instance/",
    .shape = &gantry_instance_record_shape,
    .object_size = sizeof(struct instance),
    .record_offset = offsetof(struct instance, rec),
    .loaded = instance_loaded,
    .unlink = instance_unlink,
};
static const struct table_type service_table = {
    .prefix = "/ecs/service/",
    .shape = &gantry_service_record_shape,
    .object_size = sizeof(struct service),
    .record_offset = offsetof(struct service, rec),
    .loaded = service_loaded,
    .unlink = service_unlink,
};
static const struct table_type task_table = {
    .prefix = "/ecs/task/",
    .shape = &gantry_task_record_shape,
    .object_size = sizeof(struct task),
    .record_offset = offsetof(struct task, rec),
    .loaded = task_loaded,
    .unlink = task_unlink,
};
static const struct table_type token_table = {
    .prefix = "/ecs/token/",
    .shape = &gantry_token_record_shape,
    .object_size = sizeof(struct token),
    .record_offset = offsetof(struct token, rec),
    .loaded = token_loaded,
    .unlink = token_unlink,
};

static const struct table_type capacity_provider_table = {
    .prefix = "/ecs/capacity-provider/",
    .shape = &gantry_capacity_provider_record_shape,
    .object_size = sizeof(struct capacity_provider),
    .record_offset = offsetof(struct capacity_provider, rec),
};
static const struct table_type account_setting_table = {
    .prefix = "/ecs/account-setting/",
    .shape = &gantry_account_setting_record_shape,
    .object_size = sizeof(struct account_setting),
    .record_offset = offsetof(struct account_setting, rec),
};

static void ecs_detach(void *state)
{
    struct ecs *ecs = state;
    service_targets_detach(ecs);
    free((char *)(uintptr_t)ecs->settings.poll_endpoint);
    free(ecs);
}

void ecs_attach(struct core *core, const struct ecs_settings *settings)
{
    struct ecs *ecs = xcalloc(1, sizeof(*ecs));
    ecs->settings = *settings;
    if (!ecs->settings.stopped_task_retention_ms)
        ecs->settings.stopped_task_retention_ms = 60 * 60 * 1000;
    if (!ecs->settings.disconnect_grace_ms)
        ecs->settings.disconnect_grace_ms = 60 * 1000;
    ecs->settings.poll_endpoint = xstrdup(settings->poll_endpoint);
    core_set_service(core, &ecs_service_key, ecs, ecs_detach);
    if (!ecs->settings.interface_timeout_ms)
        ecs->settings.interface_timeout_ms = 3 * 60 * 1000;
    RB_INIT(&ecs->attachments);
    task_interfaces_begin(core);
    if (!ecs->settings.provisioning_timeout_ms)
        ecs->settings.provisioning_timeout_ms = 30 * 60 * 1000;
    ecs->account_settings = table_add(core, &account_setting_table);
    ecs->capacity_providers = table_add(core, &capacity_provider_table);
    ecs->clusters = table_add(core, &cluster_table);
    ecs->families = table_add(core, &family_table);
    ecs->taskdefs = table_add(core, &taskdef_table);
    ecs->daemon_families = table_add(core, &daemon_family_table);
    ecs->daemon_taskdefs = table_add(core, &daemon_taskdef_table);
    ecs->instances = table_add(core, &instance_table);
    ecs->services = table_add(core, &service_table);
    ecs->service_revisions = table_add(core, &service_revision_table);
    ecs->service_deployments = table_add(core, &service_deployment_table);
    ecs->tasks = table_add(core, &task_table);
    ecs->tokens = table_add(core, &token_table);
    service_targets_attach(core);
    instance_ec2_attach(core);
    service_traffic_attach(core);
    secret_change_attach(core);
}

void ecs_set_traffic_ops(struct core *core, const struct ecs_traffic_ops *ops, void *ctx)
{
    ecs_of(core)->traffic_ops = ops;
    ecs_of(core)->traffic_ctx = ctx;
}

void ecs_set_hook_ops(struct core *core, const struct ecs_hook_ops *ops, void *ctx)
{
    ecs_of(core)->hook_ops = ops;
    ecs_of(core)->hook_ctx = ctx;
}

void ecs_set_host_ops(struct core *core, const struct ecs_host_ops *ops, void *ctx)
{
    ecs_of(core)->host_ops = ops;
    ecs_of(core)->host_ctx = ctx;
}

void ecs_set_alarm_ops(struct core *core, const struct ecs_alarm_ops *ops, void *ctx)
{
    ecs_of(core)->alarm_ops = ops;
    ecs_of(core)->alarm_ctx = ctx;
}
