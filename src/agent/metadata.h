/* metadata.h: what containers can ask their agent: themselves, their task, their use.
 *
 *   http://169.254.170.2/v4/<endpoint id>            the container (v3 alike)
 *        …/task  …/taskWithTags  …/stats  …/task/stats  …/associations/<type>
 *   http://169.254.170.2/v2/metadata, /v2/stats      the task of whoever asks
 *   http://169.254.170.2/v2/credentials/<id>         the task role's (task_keys.h)
 *   http://169.254.170.2/api/<endpoint id>/task-protection/v1/state   GET, PUT
 *
 * How they get here: the agent listens on the gateway of the run's bridge, port 51679, and
 * nftables leads 169.254.170.2:80 there (net.h, net_local_http). From the bridge that holds
 * for every run. A process in the machine's own network (mode host) has no run of its own
 * that a rule could see: the first run on the machine gets the address there
 * (net_local_claim), and host mode containers of any other are given URIs with that run's
 * gateway and port instead. Mode none has no way to the agent, as on ECS.
 *
 * An endpoint's id is 128 random bits, kept with the task's state, and known to the
 * container alone; a request from the address of another task's container is refused even
 * with it, and credentials are given to an address of the task only (mode host has
 * none). Every task may ask 40 times a second, 60 at once. The agent listens before any
 * container is started, and again after a restart.
 *
 * Owns: the listener. Threads: the loop's; numbers are read on workers.
 * Fails: metadata_open() only logs: tasks run without it. */
#pragma once

#include "container_stats.h"
#include "engine.h"
#include "local_server.h"

#define METADATA_RATE_NS (1000000000 / 40)
#define METADATA_BURST   60
#define METADATA_ASKS    8    /* calls to the server under way at once */
#define METADATA_WAIT_MS 4000 /* for the server's answer */

struct metadata {
    struct engine *engine;
    struct local_server *server;
    struct local_server *loopback; /* NULL: not needed */
    char base[48], base_here[48];  /* of URIs: behind the bridge, in mode host */
    char full[48]; /* of the credentials' URI in mode host; "": a relative one will do */
    int64_t stranger_due_ns;      /* the rate of requests that name no container */
    unsigned asks;
};

/* After engine_init(), before engine_load(). */
void metadata_open(struct metadata *m, struct engine *e);
void metadata_close(struct metadata *m);

/* "http://169.254.170.2": what a container's URIs begin with; NULL: not listening. */
const char *metadata_base(const struct metadata *m, const struct container *c);
/* What the container's SDKs are told, in `a`: a path, or with *ret_full a URL; NULL: it gets no
 * credentials. */
const char *metadata_credentials_uri(const struct metadata *m, const struct container *c,
                                     struct arena *a, bool *ret_full);
/* Under which net.h knows the container's network: its own id, or the task's. */
const char *metadata_net_id(const struct container *c);
/* A new endpoint id. */
const char *metadata_new_id(struct arena *a);

/* ---- answers (metadata_answer.c, metadata_stats.c, metadata_ask.c) ---- */

void metadata_reply_json(struct local_exchange *x, int status,
                         const struct wire_shape *shape, const void *value);
/* A JSON string, as ECS words its own failures here. */
void metadata_reply_text(struct local_exchange *x, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Use of one container, or (NULL) of all containers of the task, by DockerId. */
void metadata_stats(struct local_exchange *x, struct task *t, struct container *c);
/* The task's document with tags, which the server is asked for. */
void metadata_tags(struct metadata *m, struct local_exchange *x, struct task *t);
/* GET or PUT of the task's protection. */
void metadata_protection(struct metadata *m, struct local_exchange *x, struct task *t);

/* ---- documents (metadata_document.c); the loop's thread ---- */

struct gantry_metadata_task *metadata_task(struct arena *a, const struct task *t);
struct gantry_metadata_container *metadata_container(struct arena *a,
                                                     const struct container *c);

/* ---- pure, for tests ---- */

/* One request more at now_ns? *due_ns is the caller's memory, 0 at first. */
bool metadata_rate_take(int64_t *due_ns, int64_t now_ns);

enum metadata_kind {
    METADATA_NOTHING, /* no such path */
    METADATA_CONTAINER,
    METADATA_TASK,
    METADATA_TASK_TAGS,
    METADATA_STATS,
    METADATA_TASK_STATS,
    METADATA_ASSOCIATIONS,
    METADATA_CREDENTIALS,
    METADATA_PROTECTION,
    METADATA_FAULT,
};
struct metadata_route {
    enum metadata_kind kind;
    int version;  /* 2, 3, 4; 0: no document */
    char id[128]; /* endpoint, or what v2 names: "" when nothing */
};
void metadata_route(const char *path, struct metadata_route *ret);

/* One stats document; `before` NULL: there is none yet. */
void metadata_write_stats(const struct container_stats *now,
                          const struct container_stats *before, const char *id,
                          const char *name, struct str *ret);
/* {"ProtectionEnabled":true,"ExpiresInMinutes":60}; E_INVALID: the text says what is wrong. */
struct protection_wish {
    bool enabled, has_minutes;
    int32_t minutes;
};
int metadata_read_protection(const char *body, size_t len, struct protection_wish *ret,
                             struct error *err);
