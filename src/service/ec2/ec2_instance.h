/* ec2_instance.h: EC2 instances: those that RunInstances made, and the machine itself.
 *
 *            started            stop             stopped
 *   pending ─────────► running ───────► stopping ────────► stopped
 *      ▲ │                │                 │                │ │
 *      │ │ terminate      │ terminate       │ terminate      │ │ terminate
 *      │ └──────────────► └──────────► shutting-down ◄───────┼─┘
 *      └───────────────────────────────────│─────────────────┘ start
 *                                          ▼ gone
 *                                      terminated, shown for an hour
 *
 * `generation` counts boots: a start and a reboot are a new one, and what the edge says of an
 * older one is no news. A stopped instance keeps its interface and its data; its public
 * address goes and another one comes with the next start.
 *
 * Owns: instances, in the table; their interfaces in the sense that they go with them.
 * Threads: state thread. Fails: as ec2.h says. */
#pragma once

#include <uthash.h>

#include "ec2_state.h"
#include "instance_type.h"

struct instance_credentials;
struct ec2_instance_object {
    struct object o;
    struct gantry_ec2_instance_record *rec;
    struct wake expiry; /* a terminated one is shown for an hour */
    struct instance_credentials *credentials; /* instance_profile.h */
    UT_hash_handle hh;  /* ec2->instances_by_id */
};
extern const struct table_type ec2_instance_table;

#define INSTANCE_SHOWN_MS INT64_C(3600000)

struct ec2_instance_object *
ec2_instance_lookup(struct core *core, const struct ec2_scope *s, const char *id);
/* Its own interface; NULL: it has none. */
const char *ec2_instance_interface(struct core *core, const struct ec2_scope *s,
                                   const char *id);
/* Faults InvalidInstanceID.NotFound and .Malformed. */
struct ec2_instance_object *instance_require(struct call *c, const char *id);
/* Faults what is only for instances that RunInstances made: the machine is not the cloud's. */
int instance_is_ours(struct call *c, const struct ec2_instance_object *i);
void ec2_instance_edge_desired(struct core *core, struct arena *a,
                               struct gantry_edge_instance_list *ret);
/* A new one with an empty record. */
struct ec2_instance_object *
instance_object_new(struct core *core, const struct ec2_scope *s, const char *id);
/* As DescribeInstances shows it. */
void instance_show(struct core *core, const struct ec2_instance_object *i,
                   struct arena *a, struct ec2_instance *ret);
struct ec2_instance_state *instance_state_show(struct arena *a, const char *name);

/* ---- instance_state.c ---- */

enum instance_event {
    INSTANCE_STARTED, /* said by the edge: its agent runs */
    INSTANCE_STOPPED, /* … everything of it ended */
    INSTANCE_GONE,    /* … and its data is away */
    INSTANCE_FAILED,  /* … it can't be started */
    INSTANCE_START,
    INSTANCE_STOP,
    INSTANCE_REBOOT,
    INSTANCE_TERMINATE,
};
/* Would the event be taken? */
bool instance_may(const struct ec2_instance_object *i, enum instance_event e);
/* Moves it, saves, tells edge and watchers; false: not from this state. */
bool instance_move(struct core *core, struct ec2_instance_object *i,
                   enum instance_event e, const char *reason);
void instance_expire(struct core *core, struct wake *w);
void instance_tell_edge(struct core *core, const struct ec2_instance_object *i);

/* ---- images.c ---- */

/* The one image: Amazon's ECS-optimized one, as far as clients can see. Its id differs by
 * region. */
const char *image_id_of(struct arena *a, const char *region, bool al2023);
bool image_known(const char *region, const char *id);
#define IMAGE_DISK_GIB 30
#define IMAGE_ROOT     "/dev/xvda"

/* ---- run_token.c: client tokens of RunInstances ---- */

struct run_token {
    struct object o;
    struct gantry_ec2_run_token_record *rec;
};
extern const struct table_type run_token_table;
