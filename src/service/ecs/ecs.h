/* ecs.h: Amazon ECS as the rest of the server sees it.
 *
 * Owns: clusters, task definitions, services, tasks and container instances, all in the
 * core's tables. Threads: state thread only. Fails: as noted. */
#pragma once

#include <stdbool.h>

#include "access.h"
#include "arena.h"
#include "core.h"
#include "ecs_api.h"
#include "gantry_api.h"
#include "operation.h"

struct ecs_settings {
    int64_t stopped_task_retention_ms; /* 0: AWS's one hour */
    int64_t disconnect_grace_ms;       /* stream lost for so long: agentConnected false */
    const char *poll_endpoint; /* DiscoverPollEndpoint's answer to who says no Host */
    int64_t provisioning_timeout_ms; /* 0: half an hour in PROVISIONING */
    int64_t interface_timeout_ms;    /* 0: 3 min until a task's interface is attached */
};

/* Adds the tables and the service's state to the core; before core_load(). */
void ecs_attach(struct core *core, const struct ecs_settings *settings);

/* ---- hosts: what fleet carries to agents and back ---- */

/* Fleet's side. Called within a task; messages leave when the change is durable. */
struct ecs_host_ops {
    /* The desired state of one task on this instance changed (or it is new). */
    void (*task_changed)(void *ctx, struct core *core, const char *instance_arn,
                         const struct gantry_host_task *task,
                         const struct gantry_host_credentials_list *credentials);
    /* New credentials for what it has already. They are for that agent alone. NULL allowed. */
    void (*credentials)(void *ctx, struct core *core, const char *instance_arn,
                        const struct gantry_host_credentials_list *credentials);
    /* The task is over and recorded: the host may forget it. */
    void (*task_forgotten)(void *ctx, struct core *core, const char *instance_arn,
                           const char *task_arn);
    /* The images that services of the cluster need, all of them. */
    void (*images)(void *ctx, struct core *core, const char *instance_arn,
                   const struct gantry_host_image_list *images);
    /* A session in a container of a task on it begins: the token's holder may use it.
     * E_NETWORK: the instance has no stream now; E_FULL: too many. */
    int (*session_open)(void *ctx, struct core *core, const char *instance_arn,
                        const struct gantry_host_session *session, const char *token,
                        struct error *err);
    /* The instance's agent is to become the newest program on its disk. */
    void (*agent_update)(void *ctx, struct core *core, const char *instance_arn);
    /* The instance was deregistered: its stream is to be closed. */
    void (*instance_gone)(void *ctx, struct core *core, const char *instance_arn);
};
void ecs_set_host_ops(struct core *core, const struct ecs_host_ops *ops, void *ctx);

/* A stream to this instance's agent was opened or lost. E_NOTFOUND when no such active
 * instance exists in the caller's account. */
int ecs_host_connected(struct core *core, const char *instance_arn, bool connected,
                       struct error *err);
/* All tasks that should be on the instance, with all their credentials, for the first message
 * of a stream. */
void ecs_host_tasks(struct core *core, const char *instance_arn, struct arena *a,
                    struct gantry_host_task_list *ret,
                    struct gantry_host_credentials_list *ret_credentials);

/* Is there such an instance, not deregistered? */
bool ecs_host_known(struct core *core, const char *instance_arn);
/* What an agent's health check found of a container of the instance. A task that is over,
 * unknown or on another instance, and a container without a check: nothing happens. */
void ecs_host_health(struct core *core, const char *instance_arn, const char *task_arn,
                     const char *container_name, enum ecs_health_status status);

/* ---- alarms: what deployments watch ---- */

struct ecs_alarm_ops {
    /* Is the alarm in ALARM? An alarm that does not exist is not. */
    bool (*in_alarm)(void *ctx, struct core *core, const char *account,
                     const char *region, const char *name);
    /* How long a deployment that watches it has to be steady until it is done, in ms. */
    int64_t (*bake_ms)(void *ctx, struct core *core, const char *account,
                       const char *region, const char *name);
};
/* None attached: alarms are never in ALARM. */
void ecs_set_alarm_ops(struct core *core, const struct ecs_alarm_ops *ops, void *ctx);

/* ---- deployments by stages: traffic and lifecycle hooks ---- */

/* What two revisions of a service get of its traffic, in percent; blue has the rest. */
struct ecs_traffic {
    const char *service_arn;
    const char *green_revision_arn, *blue_revision_arn; /* blue NULL: there is none */
    double production, test;                            /* green's */
};
struct ecs_traffic_ops {
    /* These weights are to be in force from now on. Said again after a restart. */
    void (*shift)(void *ctx, struct core *core, const struct ecs_traffic *t);
    /* Are they, and are the targets that get traffic healthy? When the answer changes,
     * ecs_traffic_changed() has to be called. */
    bool (*settled)(void *ctx, struct core *core, const struct ecs_traffic *t);
};
/* None attached: weights are recorded and in force at once. */
void ecs_set_traffic_ops(struct core *core, const struct ecs_traffic_ops *ops, void *ctx);
void ecs_traffic_changed(struct core *core, const char *service_arn);

/* A lifecycle hook is called by POST. The same execution may be called several times, also
 * after a crash: its body then carries the same executionId. */
struct ecs_hook_call {
    const char *service_arn, *hook_id;
    const char *url, *body; /* JSON */
};
struct ecs_hook_ops {
    /* Within a task; the call is to be made when the change is durable, and answered with
     * ecs_hook_answered() or never. */
    void (*call)(void *ctx, struct core *core, const struct ecs_hook_call *call);
};
/* None attached: no URL can be reached. */
void ecs_set_hook_ops(struct core *core, const struct ecs_hook_ops *ops, void *ctx);
/* `http_status` 0: nobody was reached. What is late or unknown changes nothing. */
void ecs_hook_answered(struct core *core, const char *service_arn, const char *hook_id,
                       int http_status, const char *body, size_t body_len);

/* Generated: one row an offered operation. */
extern const struct access_service ecs_access;
extern const struct operation ecs_operations[];
