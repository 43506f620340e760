/* engine.h: the task engine: all that this host knows of its tasks, on one thread.
 *
 * The loop's thread owns every task. Whatever blocks is a job on a worker (jobs.h); when
 * it is done, what it found out is noted and engine_advance() looks at the whole task
 * again: it compares what should be with what is, and starts every job that can be started
 * now. So each message, exit and finished job is handled alike, may come twice or late,
 * and a restart is nothing special: tasks are read from disk, the runtime is asked what
 * became of their containers, and the same function goes on from there.
 *
 * Before a step that leaves something on the host, what is needed to find it again is on
 * disk: the task's words when it is accepted (ids of containers follow from them), digests
 * and ports before a container is created.
 *
 * Owns: tasks, their timers and polls. Threads: the loop's. Fails: engine_load() only. */
#pragma once

#include <uv.h>

#include "agent.h"
#include "backoff.h"
#include "host_room.h"
#include "host_work.h"
#include "list.h"
#include "task.h"
#include "wanted_images.h"

struct api_endpoint;
struct metadata;
struct container_sessions;
struct server_calls;

struct registry_token {
    struct list link; /* engine.tokens */
    struct engine *engine;
    char *role_arn; /* whose token it is; "": the instance's */
    char *password; /* NULL: none */
    int64_t expires_at_ms, retry_at_ms;
    bool asked;
    unsigned failures; /* in a row */
    struct backoff backoff;
    uv_timer_t timer; /* asks again */
};

struct engine {
    uv_loop_t *loop;
    const struct agent_config *config;
    struct host *host;
    struct metadata *metadata; /* NULL: containers are told of none */
    const struct api_endpoint *api; /* same */
    struct list tasks;         /* in order of acceptance */
    struct host_room room;
    struct container_sessions *sessions;
    void (*renew)(struct engine *e); /* ends the agent, which begins anew: renew.h */
    int64_t next_sequence;
    struct exit_watch *exits;
    uv_poll_t exit_poll;
    unsigned jobs;       /* under way, of all tasks */
    unsigned image_jobs; /* of these, pulls */
    bool image_waits;    /* a container waits until one of them ends */
    bool stopping;       /* nothing new is begun */
    struct wanted_images wanted;
    struct list tokens; /* struct registry_token */

    /* reporting, see task_report.h */
    struct server_calls *calls;
    const char *cluster_arn; /* NULL until registered: nothing is sent */
    const char *instance_arn;
    uv_timer_t report_timer, retry_timer;
    unsigned sending;

    /* telemetry.h */
    bool connected; /* the stream is there */
    struct {
        uv_timer_t timer; /* sends again */
        struct backoff backoff;
        bool busy;
    } telemetry;

    /* health_probe.h */
    struct list probes_waiting;
    unsigned probes; /* that run now */

    /* upkeep.h */
    uv_timer_t log_timer, clean_timer, image_timer;
    bool log_busy, clean_busy, image_busy;
    int64_t image_round_ns;
};

void engine_init(struct engine *e, uv_loop_t *loop, struct host *host,
                 const struct agent_config *config);
/* Tasks of an earlier agent; removes from the host what belongs to none of them. Then
 * watches for ends and goes on with each. */
int engine_load(struct engine *e, struct error *err);
/* Begins nothing more; true when no job is under way and nothing is sent. */
bool engine_stop(struct engine *e);
void engine_fini(struct engine *e); /* after its handles are closed */

/* ---- what the server says ---- */

/* All that should be here: tasks that are not named are ended and forgotten. */
void engine_desired(struct engine *e, const struct gantry_host_task *tasks, size_t n);
void engine_task(struct engine *e, const struct gantry_host_task *task);
void engine_forget(struct engine *e, const char *task_arn);

/* ---- for jobs, reports and upkeep ---- */

void engine_advance(struct engine *e, struct task *t);
void engine_advance_all(struct engine *e);
/* Saves; with `report`, tells the server when it can. */
void engine_changed(struct engine *e, struct task *t, bool report);
/* The container never ran: why. */
void engine_container_failed(struct container *c, enum reason_step step,
                             const struct error *failure);
/* The task's own network can't be had: none of its containers will run. */
void engine_network_failed(struct task *t, const struct error *failure);
/* What the runtime says of it. supervisor_fd is taken. */
void engine_container_state(struct container *c, const struct container_state *s,
                            int supervisor_fd);
/* The server wants it gone. */
void engine_end_task(struct engine *e, struct task *t);
/* Tries to clean up again after so long. */
void engine_clean_later(struct task *t, int64_t ms);
/* Its host objects are gone. */
void engine_cleaned(struct engine *e, struct task *t);
/* STOPPED and acknowledged: leaves memory; its folder stays for the retention time. */
void engine_drop(struct engine *e, struct task *t);
/* Frees a dropped task when nothing refers to it any more; true when it did. */
bool engine_release(struct engine *e, struct task *t);
struct task *engine_find(struct engine *e, const char *id);
