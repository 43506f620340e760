/* agent.h: the agent: makes a container instance run what the server wants.
 *
 * One process a container instance, root. It registers the instance with an ECS API,
 * holds one stream on which the server says which tasks should be here, runs them (through
 * src/host) and reports what happened. It remembers on disk, so that kill -9 at any moment
 * costs nothing: containers go on under their supervisors, and the next agent adopts them.
 *
 * On disk, for others to read:
 *   <data_dir>/instance.json            {"cluster", "containerInstanceArn"}
 *   <data_dir>/init                       for initProcessEnabled, see init_program.h
 *   <data_dir>/tasks/<task id>/task.json   the server's words (api/gantry HostTask)
 *   <data_dir>/tasks/<task id>/state.json  what became of it (api/gantry AgentTaskRecord)
 *   <data_dir>/tasks/<task id>/logs/<container>.log   CRI lines, see container_log.h
 *   <data_dir>/tasks/<task id>/volumes/<name>         volumes that live as long as the task
 *   <data_dir>/volumes/<name>           Docker volumes of scope "shared"
 *   <data_dir>/images/                  image_store.h
 *   <data_dir>/roots/<container id>/    overlay.h
 *   <run_dir>/containers, exits, net    runtime.h, net.h
 * state.json and task.json appear by rename, so a reader sees whole files.
 *
 * Owns: everything below data_dir and run_dir, and what `run` names on the machine.
 * Threads: agent_run() makes a loop and workers and returns when they are gone; the others
 * are for any thread of any process, also beside a running agent (agent_purge() is not).
 * Fails: as noted; agent_run() only when it can't begin: afterwards it retries for ever. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

struct agent_attribute {
    const char *name, *value; /* value may be NULL */
};

enum agent_pull {                     /* what ECS_IMAGE_PULL_BEHAVIOR sets */
                  AGENT_PULL_DEFAULT, /* ask the registry; what is here when it can't be reached */
                  AGENT_PULL_ALWAYS,        /* ask the registry or fail */
                  AGENT_PULL_ONCE,          /* only what no task has pulled here before */
                  AGENT_PULL_PREFER_CACHED, /* what is here, if anything */
};

struct agent_config {
    const char *server_url; /* "http://127.0.0.1:4566" */
    const char *cluster;    /* NULL: "default" */
    const char *region;     /* NULL: "us-east-1" */
    const char *access_key_id, *secret_access_key; /* NULL: the instance's role */
    const char *session_token; /* NULL: long-lived keys */

    const char *data_dir, *run_dir; /* absolute; made when missing */
    const char *run;                /* [A-Za-z0-9-]{1,40}: this run on this machine */

    /* Which EC2 instance this is; NULL: the machine itself (machine_id.h), zone a. */
    const char *instance_id, *availability_zone;
    const char *instance_type;     /* attribute ecs.instance-type; NULL: "gantry.local" */
    int64_t reserved_memory_mib;   /* not offered to tasks */
    int64_t cpu_units, memory_mib; /* 0: what the machine has */
    int share;                     /* percent of those that is offered; 0: all */
    bool
        fargate; /* of the pool: runs only tasks of launch type FARGATE, see fargate_rule.h */
    const struct agent_attribute *attributes; /* besides the built-in ones */
    size_t attribute_count;

    enum agent_pull pull;
    const char *registry_url; /* gantry's own registry; NULL: server_url */
    const char *ca_file;
    const char *const *insecure_registries; /* NULL-ended, or NULL */

    const char *vpc_dir;          /* vpc.h's place, made by an edge; NULL: no VPCs here */
    const char *subnet;           /* see net.h; NULL: chosen */
    uint16_t port_low, port_high; /* dynamic host ports; 0: the default range */
    const char *const
        *efs_servers; /* "fs-…=HOST", NULL-ended, or NULL: AWS's DNS names */
    const char *runtime_path, *conmon_path; /* NULL: from PATH */
    const char *init_path;   /* static init program for initProcessEnabled; NULL: ours */
    const char *cgroup_root; /* NULL: CGROUP_ROOT */
    const char
        *cgroup_parent; /* the run in whose group ours lie, see cgroups_nest(); NULL */

    bool no_task_role, no_task_role_host; /* tasks get no credentials; those in mode host */
    bool block_imds; /* awsvpc tasks do not reach 169.254.169.254 */

    int64_t log_max_bytes;             /* a container without max-size; 0: unbounded */
    int log_max_files;                 /* 0: 1 */
    int64_t stop_timeout_ms;           /* 0: 30 s */
    int64_t pull_timeout_ms;           /* one pull, whatever its progress; 0: 2 h */
    int64_t stopped_task_retention_ms; /* 0: 3 h; < 0: not at all */
    int64_t image_gc_period_ms;        /* 0: 30 min */
    int64_t image_minimum_age_ms;      /* 0: 1 h */
    bool keep_images;                  /* none is removed but by purge */
    int introspection_port;            /* 0: 51678 when it is free; < 0: none */
    unsigned workers;                  /* threads for blocking work; 0: 8 */

    int stop_fd; /* agent_run() returns once it is readable (eventfd, signalfd); -1: never */
};
#define AGENT_CONFIG_INIT                                                                \
    {                                                                                    \
        .stop_fd = -1                                                                    \
    }

/* Call first in main(), before any thread: see cgroup_prepare_namespace(). The agent,
 * `gantry exec` and `gantry down --purge` do it alike. */
int agent_prepare(const struct agent_config *config, struct error *err);

/* Blocks until stop_fd is readable: 0; or until the server wants the newer program that is
 * on the disk (renew.h): 1. Containers go on. E_INVALID settings; E_DENIED not
 * root; E_CONFLICT another agent has this data_dir; E_UNSUPPORTED the machine lacks
 * something (the text says what and how to mend it). */
int agent_run(const struct agent_config *config, struct error *err);

/* Ends and removes everything of this run: containers, groups, network, mounts, both
 * directories. No agent may run on them. Works after kill -9 of everything, and again. */
int agent_purge(const struct agent_config *config, struct error *err);

/* ---- for the command line: what runs here, read from disk ---- */

struct agent_container {
    const char *task_id, *task_arn;
    const char *cluster, *family; /* family:revision */
    const char *group;
    const char *task_status, *desired_status; /* "PENDING", "RUNNING", "STOPPED" */
    const char *name;                         /* in the task definition */
    const char *image;
    const char *id;       /* runtime.h's id; the same as runtimeId in DescribeTasks */
    const char *status;   /* "PENDING", "RUNNING", "STOPPED" */
    const char *health;   /* "HEALTHY", …; NULL: it has no health check */
    const char *reason;   /* NULL: none */
    const char *log_path; /* NULL: log driver none. May not exist yet */
    const char *ports;    /* "0.0.0.0:49153->80/tcp, …"; "" when none */
    bool has_exit_code;
    int exit_code;
    int64_t started_at_ms; /* the last time; 0: not yet */
};

/* Every container of every task that is known, tasks in order of creation. A negative
 * return of visit ends it with that code. Strings live during the visit. */
int agent_each_container(const char *data_dir,
                         int (*visit)(void *ctx, const struct agent_container *c,
                                      struct error *err),
                         void *ctx, struct error *err);

/* The container of a task. `task`: ARN, id, or the beginning of an id (four characters or
 * more). `name` NULL: the task's only one, or its first essential one. Strings live in the
 * arena. E_NOTFOUND; E_CONFLICT when the beginning fits several tasks. */
int agent_find_container(const char *data_dir, const char *task, const char *name,
                         struct arena *a, struct agent_container *ret, struct error *err);
