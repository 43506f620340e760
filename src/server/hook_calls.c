#include "hook_calls.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ecs.h"
#include "http_client.h"
#include "log.h"
#include "workers.h"

#define THREADS    2
#define CONNECT_MS 5000
#define CALL_MS    30000
#define ANSWER_MAX (256 * 1024)

struct hook_calls {
    void (*submit)(void *ctx, struct core_task *task);
    void *ctx;
    struct workers *workers; /* from the first call on */
    struct http_client *client;
    struct http_cancel *cancel;
    atomic_bool stopped;
    atomic_uint open;
};

/* From the controller over a worker and back to the state thread. */
struct hook_call {
    struct outbound out;
    struct job job;
    struct core_task answered;
    struct hook_calls *calls;
    struct arena arena;
    const char *service_arn, *hook_id, *url, *body;
    int status;
    struct http_client_response answer;
};

static void call_free(struct hook_call *c)
{
    atomic_fetch_sub(&c->calls->open, 1);
    http_client_response_fini(&c->answer);
    arena_free(&c->arena);
    free(c);
}

/* State thread. Nobody waits for a reply. */
static void answered(struct core *core, struct core_task *task)
{
    struct hook_call *c = list_entry(task, struct hook_call, answered);
    ecs_hook_answered(core, c->service_arn, c->hook_id, c->status,
                      c->answer.body.data ? c->answer.body.data : "", c->answer.body.len);
    call_free(c);
}

/* A worker. */
static void post(struct job *job)
{
    struct hook_call *c = list_entry(job, struct hook_call, job);
    static const struct http_header headers[] = {
        {"Content-Type", "application/json"}, {"Accept", "application/json"}, {0}};
    struct http_client_request req = {
        .method = "POST",
        .url = c->url,
        .headers = headers,
        .body = c->body,
        .body_len = strlen(c->body),
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = CALL_MS,
        .max_body_bytes = ANSWER_MAX,
        .cancel = c->calls->cancel,
    };
    struct error err;
    int r = http_client_do(c->calls->client, &req, &c->answer, &err);
    c->status = r < 0 ? 0 : c->answer.status;
    if (r < 0)
        log_line(LOG_WARN, "lifecycle hook not reached", "url", c->url, "error", err.text,
                 NULL);
    if (atomic_load(&c->calls->stopped)) {
        call_free(c);
        return;
    }
    c->answered.run = answered;
    c->calls->submit(c->calls->ctx, &c->answered);
}

/* Most servers never call a hook: threads and client are made when one is. */
static int begin(struct hook_calls *h, struct error *err)
{
    static const struct http_client_config config = {0};
    int r = h->client ? 0 : http_client_new(&config, &h->client, err);
    if (r == 0 && !h->workers)
        r = workers_start(THREADS, &h->workers, err);
    return r;
}

/* Commit thread: what caused the call is durable. */
static void deliver(struct outbound *out)
{
    struct hook_call *c = list_entry(out, struct hook_call, out);
    struct error err;
    if (atomic_load(&c->calls->stopped)) {
        call_free(c);
        return;
    }
    if (begin(c->calls, &err) < 0) {
        log_line(LOG_ERROR, "lifecycle hooks can't be called", "error", err.text, NULL);
        call_free(c);
        return;
    }
    c->job.run = post;
    workers_submit(c->calls->workers, &c->job);
}

static void call(void *ctx, struct core *core, const struct ecs_hook_call *what)
{
    struct hook_calls *h = ctx;
    if (atomic_fetch_add(&h->open, 1) >= HOOK_CALLS_MAX) {
        atomic_fetch_sub(&h->open, 1);
        return;
    }
    struct hook_call *c = xcalloc(1, sizeof(*c));
    c->calls = h;
    c->service_arn = arena_strdup(&c->arena, what->service_arn);
    c->hook_id = arena_strdup(&c->arena, what->hook_id);
    c->url = arena_strdup(&c->arena, what->url);
    c->body = arena_strdup(&c->arena, what->body);
    c->out.deliver = deliver;
    core_send(core, &c->out);
}

struct hook_calls *hook_calls_new(void (*submit)(void *ctx, struct core_task *task),
                                  void *ctx)
{
    struct hook_calls *h = xcalloc(1, sizeof(*h));
    h->submit = submit;
    h->ctx = ctx;
    h->cancel = http_cancel_new();
    return h;
}

void hook_calls_attach(struct hook_calls *h, struct core *core)
{
    static const struct ecs_hook_ops ops = {.call = call};
    ecs_set_hook_ops(core, &ops, h);
}

/* The workers end after the shell, so that what is delivered meanwhile meets them. */
void hook_calls_stop(struct hook_calls *h)
{
    if (!h)
        return;
    atomic_store(&h->stopped, true);
    http_cancel_now(h->cancel);
}

void hook_calls_free(struct hook_calls *h)
{
    if (!h)
        return;
    workers_stop(h->workers);
    http_client_free(h->client);
    http_cancel_free(h->cancel);
    free(h);
}
