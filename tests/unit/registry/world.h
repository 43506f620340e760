/* world.h: a whole registry on a free port: core, shell, ecr, blobs, HTTP. Used by the unit
 * tests and by the program that the system tests drive. Whatever fails ends the program. */
#pragma once

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "blob.h"
#include "call.h"
#include "clock.h"
#include "ecr.h"
#include "ecr_handlers.h"
#include "fd.h"
#include "http.h"
#include "registry.h"
#include "shell.h"
#include "workers.h"

#define ACCOUNT "123456789012"
#define REGION  "eu-west-1"
#define SECRET  "not much of a secret"

struct world {
    char dir[256];
    struct blob_store *blobs;
    struct store *store;
    struct core *core;
    struct shell *shell;
    struct workers *workers;
    struct registry *registry;
    struct http_server *http;
    _Atomic int64_t later_ms;   /* added to the clock */
    atomic_int unused;          /* digests that ecr told unused */
    atomic_bool hold_next;      /* the next job of a worker waits … */
    struct job *_Atomic held;   /* … here, until world_release() */
    const char *_Atomic denied; /* an action that IAM refuses */
};

static inline void must(int r, const struct error *err)
{
    if (r >= 0)
        return;
    fprintf(stderr, "registry world: %s\n", err->text);
    abort();
}

/* ---- what the registry asks of its process ---- */

static int64_t world_now(void *ctx)
{
    return clock_wall_ms() + atomic_load(&((struct world *)ctx)->later_ms);
}

static int64_t core_clock(void *ctx)
{
    return clock_wall_ms();
}

static void world_random(void *ctx, void *ret, size_t size)
{
    (void)!getrandom(ret, size, 0);
}

static void world_submit(void *ctx, struct core_task *task)
{
    shell_submit(((struct world *)ctx)->shell, task);
}

struct world_job {
    struct job job;
    void (*run)(void *arg);
    void *arg;
};

static void world_job_run(struct job *job)
{
    struct world_job *j = list_entry(job, struct world_job, job);
    j->run(j->arg);
    free(j);
}

static void world_work(void *ctx, void (*run)(void *arg), void *arg)
{
    struct world_job *j = xcalloc(1, sizeof(*j));
    *j = (struct world_job){.job.run = world_job_run, .run = run, .arg = arg};
    struct world *w = ctx;
    if (atomic_exchange(&w->hold_next, false))
        atomic_store(&w->held, &j->job);
    else
        workers_submit(w->workers, &j->job);
}

static inline void world_release(struct world *w)
{
    workers_submit(w->workers, atomic_exchange(&w->held, NULL));
}

static int world_authorize(void *ctx, struct core *core,
                           const struct registry_caller *who, const char *action,
                           const char *arn, struct error *err)
{
    const char *denied = atomic_load(&((struct world *)ctx)->denied);
    if (!denied || !streq(denied, action))
        return 0;
    return fail(err, E_DENIED,
                "User: %s is not authorized to perform: %s on resource: %s",
                who->access_key ? who->access_key : "nobody", action, arn);
}

static void world_unused(void *ctx, const char *digest)
{
    struct world *w = ctx;
    atomic_fetch_add(&w->unused, 1);
    registry_blob_unused(w->registry, digest);
}

static int world_read_manifest(void *ctx, const char *digest, struct str *ret)
{
    return registry_read_manifest(((struct world *)ctx)->registry, digest, ret);
}

/* ---- HTTP ---- */

static void world_begin(struct http_request *req)
{
    struct world *w = req->server_ctx;
    if (registry_owns(req->path))
        registry_begin(w->registry, req);
    else
        http_reply_text(req, 404, "not the registry's\n");
}

static void world_complete(struct http_request *req)
{
    registry_complete(req);
}

static void world_aborted(struct http_request *req)
{
    registry_aborted(req);
}

static void world_released(struct http_request *req)
{
    registry_released(req);
}

/* ---- repositories ---- */

struct make_repository {
    struct core_task task;
    const char *name;
    enum ecr_image_tag_mutability mutability;
    bool remove;
    atomic_bool done;
};

static void make_run(struct core *core, struct core_task *task)
{
    struct make_repository *m = list_entry(task, struct make_repository, task);
    struct call c = {
        .core = core,
        .region = REGION,
        .who = {.account_id = ACCOUNT, .arn = "arn:aws:iam::" ACCOUNT ":root"}};
    struct ecr_create_repository_request in = {.repository_name = m->name,
                                               .image_tag_mutability = m->mutability};
    struct ecr_create_repository_response out = {0};
    struct ecr_delete_repository_request del = {.repository_name = m->name,
                                                .force = SET_BOOL(true)};
    struct ecr_delete_repository_response gone = {0};
    int r = m->remove ? ecr_delete_repository(&c, &del, &gone)
                      : ecr_create_repository(&c, &in, &out);
    if (r < 0)
        fprintf(stderr, "repository %s: %s\n", m->name, c.fault_text);
    arena_free(&c.arena);
}

static void make_deliver(struct outbound *out)
{
    struct make_repository *m = list_entry(out, struct make_repository, task.reply);
    atomic_store(&m->done, true);
}

static inline void repository_do(struct world *w, struct make_repository *m)
{
    m->task = (struct core_task){.run = make_run, .reply.deliver = make_deliver};
    shell_submit(w->shell, &m->task);
    while (!atomic_load(&m->done))
        usleep(100);
}

static inline void repository_make(struct world *w, const char *name)
{
    struct make_repository m = {.name = name};
    repository_do(w, &m);
}

/* ---- life ---- */

static inline void world_start(struct world *w, const char *listen, bool dev, bool sparse)
{
    struct error err = ERROR_INIT;
    struct core_config cc = {.region = REGION, .account_id = ACCOUNT};
    struct outside outside = {.ctx = w, .wall_ms = core_clock, .random = world_random};
    struct ecr_settings es = {.token_secret = SECRET,
                              .endpoint = "http://localhost",
                              .read_manifest = world_read_manifest,
                              .blob_unused = world_unused,
                              .ctx = w};
    must(blob_store_open(w->dir, &w->blobs, &err), &err);
    struct registry_config rc = {
        .backend = {w, world_submit, world_work, world_now, world_authorize},
        .blobs = w->blobs,
        .token_secret = SECRET,
        .account = ACCOUNT,
        .region = REGION,
        .dev = dev,
        .sparse_indexes = sparse,
    };
    w->registry = registry_new(&rc);
    w->core = core_new(&cc, &outside);
    ecr_attach(w->core, &es);
    must(core_load(w->core, w->store, &err), &err);
    must(workers_start(2, &w->workers, &err), &err);
    must(shell_start(w->core, w->store, &w->shell, &err), &err);
    struct http_config hc = {
        .listen = listen,
        .handler = {world_begin, world_complete, world_aborted, world_released},
        .ctx = w,
    };
    must(http_server_start(&hc, &w->http, &err), &err);
}

static inline void world_stop(struct world *w)
{
    http_server_stop(w->http, 2000);
    shell_stop(w->shell);
    workers_stop(w->workers);
    shell_free(w->shell);
    core_free(w->core);
    registry_free(w->registry);
    blob_store_close(w->blobs);
}

/* "AWS:<token>" in base64, as `aws ecr get-authorization-token` gives it. */
static inline const char *world_token(struct arena *a, int64_t expires_at_ms)
{
    struct ecr_token t = {"AKIDEXAMPLE", ACCOUNT, REGION, expires_at_ms};
    return ecr_token_make(a, SECRET, &t);
}
