/* task.h: a task on this host: what was asked, what is known, what is under way.
 *
 * Owns: a task its arena, in which everything of it lies for as long as it is known.
 * Threads: the loop's only. Workers get what they need copied or constant: the server's
 * words (`host`, `def`), names and paths never change once the task is made.
 * Fails: as noted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "arena.h"
#include "backoff.h"
#include "ecs_api.h"
#include "error.h"
#include "gantry_api.h"
#include "health_rule.h"
#include "host_room.h"
#include "image_store.h"
#include "list.h"
#include "net.h"
#include "runtime.h"
#include "secret_ref.h"
#include "task_order.h"
#include "task_spec.h"
#include "task_steps.h"

#define CONTAINER_ROOT_SIZE 512

struct container_stats;
struct engine;
struct probe;
struct role_credentials;
struct task;
struct fetch;

enum container_step {
    CSTEP_NONE, /* nothing but perhaps files, an address, a root */
    CSTEP_CREATED,
    CSTEP_RUNNING,
    CSTEP_RESTARTING, /* ended; its restart policy wants it again */
    CSTEP_STOPPED,
    CSTEP_COUNT,
};
const char *container_step_name(enum container_step step); /* "NONE", "CREATED", … */
bool container_step_parse(const char *name, enum container_step *ret);
const char *container_step_status(enum container_step step); /* "PENDING", "RUNNING", … */

/* What is being done or is done on the way to CREATED; not saved, as it can be repeated. */
enum part { PART_TODO, PART_BUSY, PART_DONE };

struct container {
    struct task *task;
    size_t index;
    const struct ecs_container_definition *def;
    const char *name, *id;
    const char *arn; /* NULL: the server said none */
    const char
        *reference; /* what to pull: def->image, by digest where the server pins it */
    const char *log_path; /* NULL: driver none */
    struct log_settings log;
    bool essential;

    /* known, saved */
    enum container_step step;
    const char *reason; /* NULL: none */
    bool has_exit_code;
    int exit_code;
    const char *image_digest, *manifest_digest;
    const char *stop_signal; /* the image's word; NULL or "": SIGTERM */
    struct net_port *ports;
    size_t port_count;
    bool ports_known;                                     /* host ports are filled in */
    const char *endpoint_id;                              /* a secret: see metadata.h */
    int64_t created_at_ms, started_at_ms, finished_at_ms; /* 0: not yet */
    int64_t life_started_ms; /* of the last start; started_at_ms is of the first */
    int restart_count;
    struct health health;

    /* from stores (task_secrets.h), in memory only */
    struct env_list file_env, secret_env, log_secrets;
    const char *firelens_external; /* the router's file from S3; NULL: none */
    const char *registry_user, *registry_password; /* NULL: no repositoryCredentials */

    /* under way */
    enum part image_part, net_part;
    int64_t pull_began_ns; /* while image_part is PART_BUSY */
    struct image *image;   /* from the pull until the container is created */
    struct net_attachment net;
    char rootfs[CONTAINER_ROOT_SIZE];
    bool busy;   /* a job that must be alone: create, start, signal, kill, settle */
    bool found;  /* left by an earlier agent: its probes may still run */
    bool settle; /* ask the runtime what became of it, when not busy */
    bool failed; /* never ran: one of its steps failed */
    struct probe *probe;             /* health_probe.h; NULL: none */
    bool health_due, health_sending; /* telemetry.h */
    bool stop_sent, kill_due;
    uv_timer_t stop_timer; /* valid while timer_open */
    uv_poll_t supervisor;  /* valid while poll_open */
    bool timer_open, poll_open;
    int supervisor_fd;
    struct container_stats *stats_before; /* see metadata_stats.c; NULL: none */
};

struct task {
    struct list link; /* engine.tasks, oldest first */
    struct engine *engine;
    struct arena arena;
    const struct gantry_host_task *host;
    const char *id, *arn;
    const char *dir; /* <data_dir>/tasks/<id> */
    struct task_order order;
    struct task_need need;

    /* known, saved */
    int64_t sequence;
    enum task_step step;
    bool stop_wanted;   /* desired status STOPPED */
    bool forgotten;     /* the server does not want to hear of it */
    bool ever_running;  /* every container was up */
    const char *reason; /* why it ends; NULL: the server said so */
    const char *sent;   /* last status that the server acknowledged; "" */
    int64_t accepted_at_ms, pull_started_at_ms, pull_stopped_at_ms;
    int64_t execution_stopped_at_ms, stopped_at_ms;
    struct container *containers;
    size_t container_count;

    /* under way */
    enum part prepared;
    /* of mode awsvpc; see task_wiring.h */
    enum part net_part;
    struct net_attachment net;
    int64_t net_after_ns,
        net_until_ns; /* when it is tried again, and how long; 0: no try yet */
    bool wired;
    const char *attachment_sent; /* "", "ATTACHED", "DETACHING": acknowledged */
    struct fetch *fetch;         /* of its secrets, see task_secrets.h */
    struct role_credentials *role, *execution_role; /* see task_keys.h; NULL */
    int64_t accepted_ns;
    uv_timer_t look_timer; /* a dependency's startTimeout; valid while look_open */
    bool look_open;
    bool pull_late;         /* one of its pulls took too long: all were cancelled */
    unsigned jobs, handles; /* the task can be freed when both are 0 */
    unsigned clean_tries;
    int64_t clean_after_ns;
    int64_t unsaved_since_ns; /* its last change could not be saved; 0: it was */
    bool dropped;
    bool has_room;
    int64_t metadata_due_ns;    /* the rate of its questions */
    struct http_cancel *cancel; /* of its pulls */
    /* reporting */
    bool unsent, sending;
    uint64_t version, sending_version;
    const char *sending_status;
    int64_t send_after_ns;
    struct backoff send_backoff;
};

/* Copies the words into an arena of its own. E_INVALID: they make no task. `data_dir` is
 * the agent's. */
int task_new(struct engine *e, const struct gantry_host_task *words, const char *data_dir,
             struct task **ret, struct error *err);
void task_free(struct task *t); /* no job, no handle; NULL allowed */
/* In the task's arena. Later reasons do not replace the first. */
void task_set_reason(struct task *t, const char *reason);
void container_set_reason(struct container *c, const char *reason);
/* What ECS shows of its ports. */
void container_bindings(struct arena *a, const struct container *c,
                        struct ecs_network_binding_list *ret);
/* Takes host ports back from what container_bindings() wrote. */
void container_take_bindings(struct container *c,
                             const struct ecs_network_binding_list *l);
/* Until others may wait for it no longer (startTimeout); -1: for ever, or not started. */
int64_t container_start_left_ms(const struct container *c);
/* Views for task_order.h, in `a`. */
struct order_view *task_views(const struct task *t, struct arena *a);
bool container_is_done(const struct container *c);
bool container_was_up(const struct container *c);
