/* ecs_state.h: ECS's objects in memory and how they hang together.
 *
 *   cluster ─┬─ instances ── tasks placed on it
 *            ├─ services ─── tasks of the service (by deployment)
 *            └─ tasks        all of them
 *
 * Each object is one stored record (api/gantry) plus links and counters that are rebuilt
 * when the server starts. Counters are kept where a task changes status
 * (task_set_status()), never by scanning.
 *
 * Owns: see object.h. Threads: state thread. Fails: lookups return NULL or set the call's
 * fault, as their comments say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "arn.h"
#include "call.h"
#include "core.h"
#include "ec2.h"
#include "ecs.h"
#include "ecs_api.h"
#include "ecs_handlers.h"
#include "event.h"
#include "gantry_api.h"
#include "object.h"
#include "place.h"
#include "taskdef_rules.h"
#include "tree.h"
#include "wake.h"

RB_HEAD(attachment_tree, task);

struct ecs {
    struct ecs_settings settings;
    struct table *clusters, *families, *taskdefs, *daemon_families, *daemon_taskdefs,
        *instances, *services, *tasks, *tokens, *capacity_providers, *account_settings,
        *service_revisions, *service_deployments;
    const struct ecs_alarm_ops *alarm_ops;
    void *alarm_ctx;
    const struct ecs_host_ops *host_ops;
    void *host_ctx;
    const struct ecs_traffic_ops *traffic_ops;
    void *traffic_ctx;
    const struct ecs_hook_ops *hook_ops;
    void *hook_ctx;
    struct attachment_tree attachments; /* task_interface.h */
    struct wake interface_sweep;
    struct task_target *targets; /* service_targets.h */
    struct instance *instances_by_ec2; /* instance_ec2.h */
    struct ec2_watch ec2_instances;
    struct event_subscriber secret_changes; /* secret_change.h */
};

struct cluster {
    struct object o;
    struct gantry_cluster_record *rec;
    const char *account, *region, *name; /* parts of the key, in names */
    struct arena names;
    struct list instances, services, tasks;
    struct list waiting;    /* service.waiting: tasks that no instance could take */
    struct list daemons;    /* service.daemon_link */
    int32_t instance_count; /* ACTIVE and DRAINING */
    int32_t running, pending, active_services, draining_services;
    int32_t running_fargate, pending_fargate; /* of running and pending */
    int32_t provisioning_count;               /* of pending: PROVISIONING */
    struct list provisioning;                 /* task.provisioning_link; provisioning.h */
    struct wake provision;
    struct place_cluster *place; /* instances as the scheduler sees them */
    struct wake images;          /* cluster_images.h */
    uint64_t images_number, images_hash;
};

struct family {
    struct object o;
    struct gantry_family_record *rec;
};

struct taskdef {
    struct object o;
    struct gantry_task_definition_record *rec;
    int32_t users; /* tasks that are not STOPPED, and deployments, that name it */
};

struct instance {
    struct object o;
    struct gantry_instance_record *rec;
    struct cluster *cluster;
    struct list link;  /* cluster->instances */
    struct list tasks; /* task.instance_link */
    int32_t running, pending;
    bool connected;       /* a stream is open now */
    uint64_t images_told; /* cluster.images_number; 0: it knows no list */
    struct wake wake;     /* disconnect grace */
    struct wake news;     /* ecs_events.h: tasks came or went */
    struct place_instance *place;
    char *ec2_id; /* its key in ecs->instances_by_ec2; NULL: not in it */
    UT_hash_handle by_ec2;
};

struct service {
    struct object o;
    struct gantry_service_record *rec;
    struct cluster *cluster;
    struct list link;        /* cluster->services */
    struct list tasks;       /* task.service_link: all that are not STOPPED */
    struct list waiting;     /* cluster->waiting */
    struct list daemon_link; /* cluster->daemons */
    struct wake wake;        /* the controller */
    bool traffic_told;       /* staged_control.c looked at it since the server started */
};

/* lastStatus of a task; the names are ECS's. */
enum task_status {
    TASK_PROVISIONING,
    TASK_PENDING,
    TASK_ACTIVATING,
    TASK_RUNNING,
    TASK_DEACTIVATING,
    TASK_STOPPING,
    TASK_DEPROVISIONING,
    TASK_STOPPED,
    TASK_STATUS_COUNT,
};

struct task {
    struct object o;
    struct gantry_task_record *rec;
    struct cluster *cluster;
    struct instance *instance; /* NULL when not placed, or after STOPPED */
    struct service *service;   /* NULL for a standalone task, or after STOPPED */
    struct taskdef *taskdef;   /* NULL after STOPPED */
    struct list link, instance_link, service_link;
    struct list provisioning_link; /* cluster.provisioning, until it is placed */
    enum task_status status;
    bool stopping; /* desiredStatus STOPPED */
    struct wake expiry;
    struct wake unprotect; /* task_protection.h */
    struct task_credentials *credentials; /* task_credentials.h; NULL: none yet */
    /* task_interface.h */
    struct wake interface;
    char attachment_id[37]; /* "": in no index */
    RB_ENTRY(task) attachment_node;
    struct list targets;   /* service_targets.h: where it is registered */
    struct wake drain;
    bool drain_untold;
};

/* A clientToken of RunTask. */
struct token {
    struct object o;
    struct gantry_token_record *rec;
    struct wake expiry;
};

struct ecs *ecs_of(const struct core *core);

/* ---- names and references (names.c) ---- */

const char *ecs_arn(struct arena *a, const char *region, const char *account,
                    const char *resource_fmt, ...) __attribute__((format(printf, 4, 5)));
bool ecs_name_valid(const char *name);                        /* 1-255 of A-Za-z0-9_- */
const char *ecs_new_uuid(struct core *core, struct arena *a); /* version 4 (RFC 9562) */
/* The last path segment of an ARN or name: "task/c/id" and "id" give "id". */
const char *ecs_last_segment(const char *reference);

/* NULL, name or ARN; faults ClusterNotFoundException. `need_active`: INACTIVE ones too. */
struct cluster *cluster_find(struct call *c, const char *reference); /* NULL, no fault */
struct cluster *cluster_require(struct call *c, const char *reference);
const char *cluster_arn_for(struct call *c, const char *reference);
struct cluster *cluster_create(struct core *core, const char *account, const char *region,
                               const char *name);
struct instance *instance_find(struct core *core, struct cluster *cl,
                               const char *reference);
struct instance *instance_by_arn(struct core *core, const char *arn);
struct service *service_find(struct core *core, struct cluster *cl,
                             const char *reference);
/* Its own name, also one that is not shown (daemon.h). */
struct service *service_by_name(struct core *core, struct cluster *cl, const char *name);
struct task *task_find(struct core *core, struct cluster *cl, const char *reference);
/* family, family:revision or ARN; the newest ACTIVE revision when none is named. */
struct taskdef *taskdef_find(struct call *c, const char *reference);
struct taskdef *taskdef_by_arn(struct core *core, const char *arn); /* a daemon's too */
/* Whose task definition? Both kinds have families, revisions and ARNs of their own. */
enum taskdef_kind { TASKDEF_OF_TASKS, TASKDEF_OF_DAEMON };
struct taskdef_tables {
    struct table *families, *revisions;
    const char *family_noun, *revision_noun; /* in keys */
};
struct taskdef_tables taskdef_tables(struct core *core, enum taskdef_kind kind);
/* `name` is "family" or "family:revision". */
struct taskdef *taskdef_revision(struct core *core, struct arena *a,
                                 enum taskdef_kind kind, const char *account,
                                 const char *region, const char *name);
/* The network mode's default is bridge. */
const struct ecs_task_definition *taskdef_of(const struct taskdef *td);

/* Is it an ARN of the caller's own account and region? */
bool ecs_own_arn(struct call *c, const char *text);
/* failures[]: MISSING. */
void ecs_add_missing(struct call *c, struct ecs_failure_list *ret, const char *arn);

/* Is the caller's account and region the ones of an object's key? Lookups only ever
 * build keys from the call's own account, so a foreign ARN is simply not found. */
const char *ecs_key(struct arena *a, const char *kind, const char *account,
                    const char *region, const char *rest);

/* ---- paging (names.c) ---- */

/* maxResults within 1..max, `fallback` when unset; faults InvalidParameterException. */
int ecs_page_size(struct call *c, struct opt_int max_results, int32_t fallback,
                  int32_t max, size_t *ret);
/* The key after which the page starts: `prefix` itself without a token. */
int ecs_page_start(struct call *c, const char *token, const char *prefix,
                   const char **ret_after);

/* ---- tags (tags.c) ---- */

int tags_check(struct call *c, const struct ecs_tag_list *tags);
/* The value of a tag of whatever the ARN names; NULL: it has none. */
const char *ecs_tag_of(struct call *c, const char *arn, const char *key);
/* Adds or replaces. */
void tags_merge(struct arena *a, struct ecs_tag_list *into,
                const struct ecs_tag_list *from);
void tags_set(struct arena *a, struct ecs_tag_list *into, const char *key,
              const char *value);

/* ---- clusters (cluster.c) ---- */

bool cluster_active(const struct cluster *cl);
/* No cluster that people know: Fargate's pool. */
bool cluster_hidden(const struct cluster *cl);
int cluster_loaded(struct core *core, struct object *o, struct error *err);
void cluster_unlink(struct core *core, struct object *o);

/* ---- task definitions (taskdef.c) ---- */

/* NULL: it has no container of that name. */
const struct ecs_container_definition *
container_definition_of(const struct ecs_task_definition *def, const char *name);
/* The next revision of its family; the definition was checked. */
struct taskdef *taskdef_register(struct call *c, enum taskdef_kind kind,
                                 const struct ecs_register_task_definition_request *def);
/* All below the key prefix, in key order, in the call's arena. */
struct taskdef_array {
    struct taskdef **v;
    size_t n;
};
void taskdef_collect(struct call *c, struct table *table, const char *prefix,
                     struct taskdef_array *ret);

/* One user less: a revision that waits to be deleted goes with the last. */
void taskdef_release(struct core *core, struct taskdef *td);
int ecs_taskdef_fault(struct call *c, const struct ecs_taskdef_error *why);

/* ---- tasks (task.c): the life cycle ---- */

struct task_request {
    struct cluster *cluster;
    struct taskdef *taskdef;
    struct instance *instance;                 /* NULL: it waits in PROVISIONING */
    const struct ecs_task_override *overrides; /* NULL: none */
    const char *group, *started_by;
    enum ecs_launch_type launch_type; /* EC2 when unset */
    const char *capacity_provider;    /* NULL: by launch type */
    const char *platform_version;     /* Fargate's */
    int32_t disk_gib;                 /* Fargate's ephemeral storage */
    /* of a task that waits: what it is placed by */
    const struct ecs_placement_constraint_list *constraints;
    const struct ecs_placement_strategy_list *strategies;
    const struct ecs_network_configuration *network; /* awsvpc's; else NULL */
    struct service *service;                         /* NULL: standalone */
    const char *deployment_id;                       /* of the service */
    const struct ecs_tag_list *tags;
    bool enable_execute_command;
};
/* Makes the task, takes its resources and tells its host. */
struct task *task_create(struct core *core, const struct task_request *request);
/* A task in PROVISIONING got its instance. */
void task_place(struct core *core, struct task *t, struct instance *i);
/* The group that the scheduler counts a task of this cluster in: Fargate's pool holds tasks
 * of many clusters. */
const char *place_group(struct core *core, const struct cluster *home,
                        const struct cluster *cl, const char *group);
/* desiredStatus STOPPED with a code and a reason; nothing when it is stopping already. */
void task_stop(struct core *core, struct task *t, enum ecs_task_stop_code code,
               const char *reason);
/* Its host has wired its network interface, takes it away (task_interface.h). Saving is
 * the caller's. */
void task_report_attached(struct core *core, struct task *t);
void task_report_detaching(struct core *core, struct task *t);
/* DEACTIVATING is over: its host may stop it. */
void task_drained(struct core *core, struct task *t);
/* The host has it so: RUNNING or STOPPED. */
void task_report_running(struct core *core, struct task *t);
void task_report_stopped(struct core *core, struct task *t, const char *reason);
/* The host is gone for good: tasks end without its word. */
void task_lost(struct core *core, struct task *t, enum ecs_task_stop_code code,
               const char *reason);
void task_changed(struct core *core, struct task *t); /* version + save + event */
int task_loaded(struct core *core, struct object *o, struct error *err);
const char *task_status_name(enum task_status s);
bool task_status_parse(const char *name, enum task_status *ret);
void task_tell_host(struct core *core, struct task *t);
/* What goes to its host. */
void task_host_view(struct core *core, const struct task *t, struct arena *a,
                    struct gantry_host_task *ret);
void task_unlink(struct core *core, struct object *o);

/* A copy for a reply (task_read.c). */
void task_view(struct arena *a, const struct task *t, bool tags, struct ecs_task *ret);

/* ---- RunTask (run_task.c); starting tasks is launch.h ---- */

/* SHA-256 of the parameters as JSON, in hexadecimal: were two calls the same? */
void parameter_hash(const struct wire_shape *shape, const void *in, char ret[65]);
int token_loaded(struct core *core, struct object *o, struct error *err);
void token_unlink(struct core *core, struct object *o);

/* ---- services (service_controller.c) ---- */

void service_controller(struct core *core, struct wake *w);
/* Adds to the service's events, newest first, at most 100. */
void service_event(struct core *core, struct service *s, const char *text);
/* A task of the service changed status. `launch_failed`: it stopped before RUNNING. */
void service_task_changed(struct core *core, struct service *s, const struct task *t,
                          bool launch_failed);
/* The service was updated: failures are forgotten, the controller looks again. */
void service_updated(struct core *core, struct service *s);
int service_loaded(struct core *core, struct object *o, struct error *err);
void service_unlink(struct core *core, struct object *o);
void service_link(struct service *s, struct cluster *cl);
/* Something of the cluster's instances changed for the better: place what waits. */
void services_place_again(struct core *core, struct cluster *cl);

/* ---- instances (instance.c) ---- */

void instance_wake(struct core *core, struct wake *w);
int instance_loaded(struct core *core, struct object *o, struct error *err);
/* Tells the scheduler's index what changed (status, connection, attributes). */
void instance_reindex(struct core *core, struct instance *i);
void instance_unlink(struct core *core, struct object *o);
bool instance_active(const struct instance *i);
bool instance_draining(const struct instance *i);
/* ecs.availability-zone; NULL: it never said. */
const char *instance_zone(const struct instance *i);
/* A task let go of its resources. */
void instance_room(struct core *core, struct instance *i);
