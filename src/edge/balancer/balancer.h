/* balancer.h: one load balancer's life: from what should be to a HAProxy that does it.
 *
 * Compares and acts, and may be called at any time: what is missing is made, what differs in
 * servers, shares and certificates goes over the command socket, everything else is a reload.
 * A command that is refused is no trouble: all files are written first, so a reload makes
 * everything so.
 *
 * Servers that are gone are closed for new requests, their connections ended (old workers'
 * too), and then deleted; HAProxy refuses that while a connection ends, so it is tried again.
 *
 * Owns: <dir>, the namespace and the processes. Threads: one at a time (balancers.c's).
 * Fails: as noted. */
#pragma once

#include <uthash.h>

#include "balancer_config.h"
#include "balancer_process.h"
#include "target_health.h"
#include "vpc.h"

struct balancer_target {
    char server[BALANCER_NAME_SIZE]; /* key */
    char *id, *address;
    int port;
    bool draining;
    bool up; /* takes new requests */
    struct target_health health;
    bool untold; /* it is healthy, and HAProxy does not send it requests yet */
    bool named;  /* in the present list */
    UT_hash_handle hh;
};

struct balancer_group {
    char *arn; /* key */
    struct arena arena;
    struct gantry_edge_target_group *group; /* its list of targets is not kept */
    struct target_health_rule rule;
    struct balancer_target *targets;
    char *checked_by; /* ARN of the load balancer that asks its targets; NULL: none */
    bool named;
    UT_hash_handle hh;
};

/* What HAProxy has. */
struct balancer_running_server {
    char name[BALANCER_NAME_SIZE]; /* key */
    char backend[BALANCER_NAME_SIZE];
    bool up, wanted;
    bool going;          /* is to be deleted */
    bool belongs_in_file; /* it was added at run time: balancer_servers_belong_in_file() */
    UT_hash_handle hh;
};

struct balancer {
    char *arn; /* key */
    char id[BALANCER_NAME_SIZE];
    char *dir, *netns;
    struct arena arena;
    struct gantry_edge_balancer *b;
    struct balancer_process process;
    struct balancer_running_server *running;
    uint64_t structure; /* that it runs with; 0: none */
    bool net_ready, net_changed;
    bool config_dirty, servers_dirty;
    int64_t due_ms, served_ms; /* the next look; the last one */
    int64_t retry_gap_ms;
    int64_t fold_ms, folded_ms; /* servers become ones of the file then (0: none); did last */
    bool named, told;
    char state[16];
    struct str reason;
    UT_hash_handle hh;
};

struct balancer_host { /* what all load balancers share */
    const struct vpc_place *place;
    const char *dir, *haproxy;
    struct balancer_user user;
    int threads;
    int64_t max_connections;
};

struct balancer *balancer_new(const struct balancer_host *h, const char *arn);
void balancer_free(struct balancer *b); /* it goes on */

/* Finds the HAProxy of an earlier edge; `found` is called for each of its servers that takes
 * requests. */
void balancer_adopt(struct balancer *b,
                    void (*found)(void *ctx, const char *server, bool up), void *ctx);
/* Makes it so. E_AGAIN: not everything is done; look again in a moment. */
int balancer_make(struct balancer *b, const struct balancer_host *h,
                  struct balancer_group *groups, struct error *err);
/* Only servers differ. */
int balancer_sync_servers(struct balancer *b, struct balancer_group *groups,
                          struct error *err);
/* Ends all and removes the directory. */
void balancer_remove(struct balancer *b, const struct balancer_host *h);

/* ---- balancer_group.c ---- */

struct balancer_group *balancer_group_new(const char *arn);
void balancer_group_free(struct balancer_group *g);
/* Takes over what came; true when more than targets differs. New targets are in the list with
 * `fresh` called for each, those that are not in it any more with `gone`, and then freed. */
struct balancer_group_news {
    void (*fresh)(void *ctx, struct balancer_group *g, struct balancer_target *t);
    void (*gone)(void *ctx, struct balancer_group *g, struct balancer_target *t);
    void *ctx;
};
bool balancer_group_update(struct balancer_group *g,
                           const struct gantry_edge_target_group *from,
                           int64_t first_gap_ms, const struct balancer_group_news *news);
/* Sets `up` of all targets; true when one changed. With fewer healthy targets than the group
 * demands, all that were ever judged take requests ("fail open"). */
bool balancer_group_route(struct balancer_group *g);

/* ---- balancer_runtime.c: differences over the command socket ---- */

int balancer_runtime_read(struct balancer *b, struct error *err); /* fills `running` */
int balancer_runtime_servers(struct balancer *b, struct balancer_group *groups,
                             struct error *err);
int balancer_runtime_map(struct balancer *b, const struct balancer_file *f,
                         struct error *err);
int balancer_runtime_list(struct balancer *b, const struct balancer_config *config,
                          const struct balancer_file *f, const char *before,
                          struct error *err);
/* The running servers are now those of the configuration. */
void balancer_runtime_reset(struct balancer *b, struct balancer_group *groups);
void balancer_runtime_forget(struct balancer *b);
/* A reload would do some servers good. */
bool balancer_runtime_wants_file(const struct balancer *b);
