/* task_spec.h: from a container definition and an image to what the host should run. Pure.
 *
 * Precedence is Docker's and ECS's:
 *   command      entryPoint of the definition, else of the image; an entryPoint given by
 *                the definition also discards the image's Cmd. command of the override,
 *                else of the definition, else the image's Cmd.
 *   environment  image < injected by ECS < environment files < definition < override <
 *                secrets, merged name by name;
 *                AWS_REGION and AWS_DEFAULT_REGION are injected only when none of them is
 *                set by image or definition, AWS_ENDPOINT_URL when the image does not. The
 *                URIs of metadata.h are injected when the agent listens.
 *   the rest     the definition's value, else the image's.
 *
 * Owns: results lie in the arena and borrow from the source. Threads: any.
 * Fails: E_INVALID nothing to run; E_UNSUPPORTED an option that this agent does not do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "ecs_api.h"
#include "error.h"
#include "gantry_api.h"
#include "image_manifest.h"
#include "oci_spec.h"
#include "secret_ref.h"

/* The first thing about a task that this agent can't do: E_UNSUPPORTED names it. *ret_index
 * is the container concerned, or SIZE_MAX for the task. Whatever passes here is done. */
int task_check_supported(const struct gantry_host_task *task, size_t *ret_index,
                         struct error *err);

/* Variables from elsewhere; each may be NULL. */
struct env_extra {
    const struct env_list *injected, *files, *secrets;
    const char *api_url; /* of the server, as the container reaches it */
};

struct spec_source {
    const struct gantry_host_task *task;
    const struct ecs_container_definition *def;
    const struct image_config *image;
    const char *id;                  /* of the container */
    const char *rootfs;              /* absolute, mounted */
    const char *net_path;            /* NULL: the host's namespace */
    const struct spec_mount *mounts; /* files in /etc and volumes */
    size_t mount_count;
    const char *cgroups_path;
    enum cgroup_version cgroup_version;
    const char *init_path; /* where task_spec_wants_init() */
    const char *pid_path;  /* the task's pid namespace, for pidMode task */
    const char
        *space_dir; /* namespaces that the task's containers share, see task_space.h */
    struct env_extra env;
    struct spec_device *gpus; /* besides those of the definition */
    size_t gpu_count;
    int64_t fargate_nofile;    /* for a Fargate task that says nothing about it */
    const char *metadata_base; /* see metadata.h; NULL: the agent does not listen */
    const char *endpoint_id;
};

bool task_spec_wants_init(const struct ecs_container_definition *def);

int task_spec_build(struct arena *a, const struct spec_source *s,
                    struct container_spec *ret, struct error *err);

/* ---- parts with rules of their own ---- */

/* All containers of the task are in one network namespace with one address (awsvpc). */
bool task_shares_network(const struct gantry_host_task *task);
/* "80-90"; false when it is none. */
bool port_range_parse(const char *text, uint16_t *ret_first, uint16_t *ret_count);
/* A link ("name" or "name:alias"): the container linked to, and what it is called here. */
bool link_parse(struct arena *a, const char *link, const char **ret_name,
                const char **ret_alias);

/* NULL-ended; E_INVALID when nothing is left to run. */
int task_spec_args(struct arena *a, const struct ecs_container_definition *def,
                   const struct ecs_container_override *over,
                   const struct image_config *image, const char *const **ret,
                   struct error *err);
/* NULL-ended "NAME=value", in order of first appearance. */
const char *const *task_spec_env(struct arena *a, const struct gantry_host_task *task,
                                 const struct ecs_container_definition *def,
                                 const struct image_config *image,
                                 const char *metadata_base, const char *endpoint_id,
                                 const struct env_extra *extra);
/* NULL: the container has the host's name. */
const char *task_spec_hostname(struct arena *a, const struct gantry_host_task *task,
                               const struct ecs_container_definition *def,
                               const char *id);
/* nameserver and search of resolv.conf; none: the host's. */
void task_spec_dns(struct arena *a, const struct gantry_host_task *task,
                   const struct ecs_container_definition *def,
                   struct string_list *ret_servers, struct string_list *ret_search);
/* "SIGTERM", "TERM", "15", "SIGRTMIN+3"; SIGTERM when empty or unknown. */
int stop_signal_number(const char *name);

/* Groups of the task and of one container, as ECS sets them. */
void task_limits(const struct gantry_host_task *task, struct cgroup_limits *ret);
void container_limits(const struct gantry_host_task *task,
                      const struct ecs_container_definition *def,
                      struct cgroup_limits *ret);

/* "ecs-<family>-<revision>-<container>-<20 hex>", what Docker would show as name. */
const char *container_display_name(struct arena *a, const struct gantry_host_task *task,
                                   const char *container, const char *id);
/* "<task id>-<number made from the container's name>": runtimeId. The same for ever, so a
 * container that was made just before a crash is found again. */
const char *container_id_make(struct arena *a, const char *task_id,
                              const char *container);

/* logConfiguration: driver "none" gives *ret_none; sizes as Docker writes them ("10m"). */
struct log_settings {
    bool none;
    int64_t max_bytes;
    int max_files;
};
int log_settings_of(const struct ecs_container_definition *def, int64_t default_bytes,
                    int default_files, struct log_settings *ret, struct error *err);
