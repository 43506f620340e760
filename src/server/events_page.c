/* The history of events for the command line: signed like any call to ecs, read on a worker,
 * bounded in what one answer holds and in what is read for it. */
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "server_private.h"

#define EVENTS_DEFAULT   100
#define EVENTS_MAX       1000
#define EVENTS_READS     20000
#define EVENTS_MAX_BYTES (4 * 1024 * 1024)

struct events_call {
    struct core_task task;
    struct job job;
    struct arena arena;
    struct server *server;
    struct http_request *req;
    struct credentials credentials;
    struct event_query query;
    struct str text;
    bool full; /* the answer is as long as it may be */
    char at[EVENT_CURSOR_SIZE];
    int status; /* of a refusal */
    const char *refusal;
};

static void call_free(struct events_call *c)
{
    arena_free(&c->arena);
    str_free(&c->text);
    free(c);
}

/* ---- on a worker ---- */

static int add_line(void *ctx, const char *cursor, const char *json, size_t len,
                    struct error *err)
{
    struct events_call *c = ctx;
    if (c->text.len + len > EVENTS_MAX_BYTES) {
        c->full = true;
        return fail(err, E_CANCELLED, "the answer is full");
    }
    memcpy(c->at, cursor, EVENT_CURSOR_SIZE);
    str_addf(&c->text, "{\"cursor\":\"%s\",\"event\":", cursor);
    str_addn(&c->text, json, len);
    str_add(&c->text, "}\n");
    return 0;
}

static void read_and_reply(struct job *job)
{
    struct events_call *c = list_entry(job, struct events_call, job);
    static const struct http_header headers[] = {{"Content-Type", "application/x-ndjson"},
                                                 {0}};
    char more[EVENT_CURSOR_SIZE];
    struct error err = ERROR_INIT;
    int r = event_history_read(c->server->store, &c->query, add_line, c, more, &err);
    if (c->full) {
        r = 0;
        memcpy(more, c->at, EVENT_CURSOR_SIZE);
    }
    if (r < 0) {
        http_reply_text(c->req, r == -E_INVALID ? 400 : 500, err.text);
        call_free(c);
        return;
    }
    if (*more)
        str_addf(&c->text, "{\"cursor\":\"%s\"}\n", more);
    size_t len = c->text.len;
    if (len)
        http_reply(c->req, 200, headers, str_take(&c->text), len, HTTP_TAKE);
    else
        http_reply(c->req, 200, headers, "", 0, HTTP_ARENA);
    call_free(c);
}

/* ---- on the state thread ---- */

static void refuse(struct outbound *out)
{
    struct events_call *c = list_entry(out, struct events_call, task.reply);
    http_reply_text(c->req, c->status, c->refusal);
    call_free(c);
}

static void run(struct core *core, struct core_task *task)
{
    struct events_call *c = list_entry(task, struct events_call, task);
    struct identity who = {0};
    const char *text;
    if (!auth_permits(&c->server->auth, core, &c->arena, &c->credentials,
                      "gantry:ReadEvents", "*", &who, &text)) {
        c->status = 403;
        c->refusal = arena_printf(&c->arena, "%s\n", text);
        c->task.reply.deliver = refuse;
        core_send(core, &c->task.reply);
        return;
    }
    if (c->query.resource && !str_starts(c->query.resource, "arn:"))
        c->query.resource =
            arena_printf(&c->arena, "arn:aws:ecs:%s:%s:%s", core_config(core)->region,
                         who.account_id, c->query.resource);
    c->query.account = arena_strdup(&c->arena, who.account_id);
    c->job.run = read_and_reply;
    workers_submit(c->server->workers, &c->job);
}

/* ---- on an I/O thread ---- */

static bool number(struct arena *a, const char *query, const char *name, int64_t max,
                   int64_t *ret)
{
    const char *text = query_parameter(a, query, name);
    return !text || str_to_i64(text, 0, max, ret);
}

void events_open(struct server *s, struct http_request *req)
{
    struct events_call *c = xcalloc(1, sizeof(*c));
    int64_t limit = EVENTS_DEFAULT, since = 0;
    struct arena *a = &c->arena;
    if (!number(a, req->query, "limit", EVENTS_MAX, &limit) ||
        !number(a, req->query, "since", (1LL << 48) - 1, &since)) {
        http_reply_text(req, 400,
                        "since and limit are numbers; limit is at most 1000.\n");
        call_free(c);
        return;
    }
    c->server = s;
    c->req = req;
    api_read_credentials(a, req, &c->credentials);
    c->query = (struct event_query){
        .resource = query_parameter(a, req->query, "resource"),
        .detail_type = query_parameter(a, req->query, "type"),
        .from_ms = since,
        .after = query_parameter(a, req->query, "after"),
        .newest_first = streq(query_parameter(a, req->query, "order"), "newest"),
        .limit = (size_t)limit,
        .limit_reads = EVENTS_READS,
    };
    c->task.run = run;
    shell_submit(s->shell, &c->task);
}
