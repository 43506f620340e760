#include "stream.h"

#include "log.h"
#include "str.h"

/* A batch collects what comes together: a service that starts brings many states at once. */
#define REPORT_DELAY_MS 10

static void connect_again(uv_timer_t *t);

/* ---- up ---- */

static void on_reported(void *ctx, const struct server_answer *answer);

static void send_report(struct edge_stream *s)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR body = STR_INIT;
    struct gantry_edge_report report;
    if (s->closing || s->reporting || !s->open ||
        !report_take(s->parts->reports, &a, &report))
        return;
    wire_json_encode(&body, &gantry_edge_report_shape, &report);
    s->reporting = true;
    server_post(s->calls, EDGE_REPORT_PATH, "ecs", body.data, body.len, on_reported, s);
}

static void on_report_time(uv_timer_t *t)
{
    send_report(t->data);
}

static void on_reported(void *ctx, const struct server_answer *answer)
{
    struct edge_stream *s = ctx;
    bool ok = answer->status == 200;
    s->reporting = false;
    /* What the server can't read it will not read the next time either. */
    bool refused = answer->status == 400 || answer->status == 413;
    report_taken(s->parts->reports, ok || refused);
    if (s->closing)
        return;
    if (ok) {
        backoff_reset(&s->report_backoff);
        send_report(s);
        return;
    }
    log_line(refused ? LOG_ERROR : LOG_WARN, "the server did not take a report", "error",
             answer->status ? answer->body : answer->err->text, NULL);
    int64_t ms = backoff_next_ms(&s->report_backoff, server_random(s->calls));
    uv_timer_start(&s->report_timer, on_report_time, (uint64_t)ms, 0);
}

static void on_report(uv_async_t *async)
{
    struct edge_stream *s = async->data;
    if (s->closing || s->reporting || !s->open ||
        uv_is_active((uv_handle_t *)&s->report_timer))
        return;
    uv_timer_start(&s->report_timer, on_report_time, REPORT_DELAY_MS, 0);
}

void edge_stream_report(struct edge_stream *s)
{
    uv_async_send(&s->report);
}

/* ---- down ---- */

static void on_desired(struct edge_stream *s)
{
    if (!s->announced)
        log_line(LOG_INFO, "connected", "server", s->server_url, NULL);
    s->announced = true;
    s->open = true;
    report_resend(s->parts->reports);
    send_report(s);
    s->settled(s->ctx);
}

static void on_line(void *ctx, const char *line, size_t len)
{
    struct edge_stream *s = ctx;
    struct error err = ERROR_INIT;
    backoff_reset(&s->backoff);
    int r = edge_message(s->parts, line, len, &err);
    if (r < 0)
        log_line(LOG_ERROR, "the server sent what is no message", "error", err.text,
                 NULL);
    else if (r > 0)
        on_desired(s);
}

static void on_end(void *ctx, const struct server_answer *answer)
{
    struct edge_stream *s = ctx;
    s->open = s->announced = false;
    if (s->closing)
        return;
    log_line(LOG_WARN, "the stream from the server ended", "error",
             answer->err && answer->err->code ? answer->err->text : answer->body, NULL);
    int64_t ms = backoff_next_ms(&s->backoff, server_random(s->calls));
    uv_timer_start(&s->timer, connect_again, (uint64_t)ms, 0);
}

static void connect_again(uv_timer_t *t)
{
    struct edge_stream *s = t->data;
    AUTO_STR url = STR_INIT;
    str_add(&url, s->server_url);
    while (url.len > 0 && url.data[url.len - 1] == '/')
        url.data[--url.len] = 0;
    str_add(&url, EDGE_STREAM_PATH);
    server_stream_open(s->calls, url.data, EDGE_STREAM_IDLE_MS, on_line, on_end, s);
}

/* ---- life ---- */

void edge_stream_start(struct edge_stream *s, uv_loop_t *loop)
{
    s->backoff = (struct backoff)BACKOFF_STREAM;
    s->report_backoff = (struct backoff)BACKOFF_REPORT;
    uv_timer_init(loop, &s->timer);
    uv_timer_init(loop, &s->report_timer);
    uv_async_init(loop, &s->report, on_report);
    s->timer.data = s->report_timer.data = s->report.data = s;
    uv_timer_start(&s->timer, connect_again, 0, 0);
}

void edge_stream_close(struct edge_stream *s)
{
    s->closing = true;
    uv_close((uv_handle_t *)&s->timer, NULL);
    uv_close((uv_handle_t *)&s->report_timer, NULL);
    uv_close((uv_handle_t *)&s->report, NULL);
}
