#include "session.h"

#include <fcntl.h>
#include <string.h>

#include "container_session.h"
#include "fd.h"
#include "log.h"
#include "machine.h"
#include "renew.h"
#include "server_calls.h"
#include "str.h"
#include "task_keys.h"
#include "telemetry.h"

#define ECS "AmazonEC2ContainerServiceV20141113."

static void do_register(struct session *s);
static void send_registration(struct session *s, server_done *done);
static void do_discover(struct session *s);

const char *cluster_arn_of(struct arena *a, const char *instance_arn)
{
    static const char kind[] = ":container-instance/";
    const char *at = instance_arn ? strstr(instance_arn, kind) : NULL;
    if (!at)
        return NULL;
    const char *cluster = at + sizeof(kind) - 1, *end = strchr(cluster, '/');
    if (!end)
        return NULL;
    return arena_printf(a, "%.*s:cluster/%.*s", (int)(at - instance_arn), instance_arn,
                        (int)(end - cluster), cluster);
}

void query_escape(struct str *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c | 32) >= 'a' && (c | 32) <= 'z')
            str_addc(out, (char)c);
        else if ((c >= '0' && c <= '9') || strchr("-._~", c))
            str_addc(out, (char)c);
        else
            str_addf(out, "%%%02X", c);
    }
}

static const char *cluster_name(const struct session *s)
{
    return s->config->cluster ? s->config->cluster : "default";
}

static const char *failure_text(const struct server_answer *answer)
{
    return answer->status ? answer->body : answer->err->text;
}

/* ---- waiting ---- */

static void on_timer(uv_timer_t *t)
{
    struct session *s = t->data;
    s->next(s);
}

static void later(struct session *s, struct backoff *b, void (*next)(struct session *))
{
    if (s->closing)
        return;
    int64_t ms = backoff_next_ms(b, server_random(s->engine->calls));
    s->next = next;
    uv_timer_start(&s->timer, on_timer, (uint64_t)ms, 0);
}

/* Whatever is waited for, it was for want of credentials. */
static void on_credentials(void *ctx)
{
    struct session *s = ctx;
    if (uv_is_active((uv_handle_t *)&s->timer) && !s->closing)
        uv_timer_start(&s->timer, on_timer, 0, 0);
}

/* ---- who we are ---- */

static void instance_path(const struct session *s, struct str *ret)
{
    str_addf(ret, "%s/instance.json", s->config->data_dir);
}

static void save_instance(struct session *s)
{
    AUTO_STR path = STR_INIT;
    AUTO_STR text = STR_INIT;
    struct error err = ERROR_INIT;
    struct gantry_agent_instance_record rec = {.cluster = cluster_name(s),
                                               .container_instance_arn = s->instance_arn};
    wire_json_encode(&text, &gantry_agent_instance_record_shape, &rec);
    instance_path(s, &path);
    if (file_replace(path.data, text.data, text.len, 0600, 1, &err) < 0)
        log_line(LOG_ERROR, "can't save the instance's name", "error", err.text, NULL);
}

static void know(struct session *s, const char *arn)
{
    s->instance_arn = arena_strdup(&s->arena, arn);
    s->cluster_arn = cluster_arn_of(&s->arena, arn);
}

static void load_instance(struct session *s)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR path = STR_INIT;
    AUTO_STR text = STR_INIT;
    struct wire_error bad;
    void *value;
    instance_path(s, &path);
    if (file_read(AT_FDCWD, path.data, 65536, &text, NULL) < 0 ||
        wire_json_decode(&a, &gantry_agent_instance_record_shape, str_text(&text),
                         text.len, true, &value, &bad) < 0)
        return;
    const struct gantry_agent_instance_record *rec = value;
    if (streq(rec->cluster, cluster_name(s)) &&
        cluster_arn_of(&a, rec->container_instance_arn))
        know(s, rec->container_instance_arn);
}

/* ---- the stream ---- */

static void on_registered_again(void *ctx, const struct server_answer *answer)
{
    struct session *s = ctx;
    s->busy--;
}

/* The answer to UPDATE: a newer agent registers, or this one again, so that the server
 * knows that there is none. */
static void renew(struct session *s)
{
    AUTO_STR path = STR_INIT;
    struct error err = ERROR_INIT;
    if (renew_find(&path, &err) == 0) {
        log_line(LOG_INFO, "the agent begins anew", "program", path.data, NULL);
        s->engine->renew(s->engine);
        return;
    }
    log_line(LOG_WARN, "the agent can't be renewed", "error", err.text, NULL);
    send_registration(s, on_registered_again);
}

static void start_session(struct engine *e, const struct gantry_host_session *wanted)
{
    const struct task *t = wanted->task_id ? engine_find(e, wanted->task_id) : NULL;
    const char *id = NULL;
    for (size_t i = 0; t && i < t->container_count; i++)
        if (streq(t->containers[i].name, wanted->container_name) &&
            t->containers[i].step == CSTEP_RUNNING)
            id = t->containers[i].id;
    container_session_start(e->sessions, wanted, id, server_credentials(e->calls));
}

static void on_message(struct session *s, const struct gantry_host_message *m)
{
    struct engine *e = s->engine;
    switch (m->kind) {
    case GANTRY_HOST_MESSAGE_KIND_DESIRED:
        e->connected = true;
        engine_desired(e, m->tasks.v, m->tasks.n);
        task_keys_take(e, &m->credentials);
        telemetry_all(e);
        break;
    case GANTRY_HOST_MESSAGE_KIND_TASK:
        if (m->task)
            engine_task(e, m->task);
        task_keys_take(e, &m->credentials);
        break;
    case GANTRY_HOST_MESSAGE_KIND_CREDENTIALS:
        task_keys_take(e, &m->credentials);
        break;
    case GANTRY_HOST_MESSAGE_KIND_FORGET:
        if (m->task_arn)
            engine_forget(e, m->task_arn);
        break;
    case GANTRY_HOST_MESSAGE_KIND_IMAGES:
        wanted_images_set(e, &m->images);
        break;
    case GANTRY_HOST_MESSAGE_KIND_UPDATE:
        renew(s);
        break;
    case GANTRY_HOST_MESSAGE_KIND_EXEC:
        if (m->session && m->session->session_id)
            start_session(e, m->session);
        break;
    default: /* PING, and what a newer server may say */
        break;
    }
}

static void on_line(void *ctx, const char *line, size_t len)
{
    struct session *s = ctx;
    AUTO_ARENA a = ARENA_INIT;
    struct wire_error bad;
    void *value;
    backoff_reset(&s->stream_backoff);
    if (!s->announced)
        log_line(LOG_INFO, "connected", "server", s->config->server_url, "instance",
                 s->instance_arn, NULL);
    s->announced = true;
    if (wire_json_decode(&a, &gantry_host_message_shape, line, len, true, &value, &bad) <
        0) {
        log_line(LOG_ERROR, "the server sent what can't be read", "error", bad.text,
                 NULL);
        return;
    }
    on_message(s, value);
}

static void on_stream_end(void *ctx, const struct server_answer *answer)
{
    struct session *s = ctx;
    s->busy--;
    s->announced = false;
    s->engine->connected = false;
    if (s->closing)
        return;
    log_line(LOG_WARN, "the stream from the server ended", "error",
             answer->err && answer->err->code ? answer->err->text : answer->body, NULL);
    bool unknown = answer->status >= 400 && answer->status < 500;
    later(s, &s->stream_backoff, unknown ? do_register : do_discover);
}

static void open_stream(struct session *s, const char *endpoint)
{
    AUTO_STR url = STR_INIT;
    str_add(&url, endpoint);
    while (url.len > 0 && url.data[url.len - 1] == '/')
        url.data[--url.len] = 0;
    str_add(&url, "/gantry/v1/agent?clusterArn=");
    query_escape(&url, s->cluster_arn);
    str_add(&url, "&containerInstanceArn=");
    query_escape(&url, s->instance_arn);
    s->busy++;
    server_stream_open(s->engine->calls, url.data, STREAM_IDLE_MS, on_line, on_stream_end,
                       s);
}

/* ---- discover ---- */

static void on_discovered(void *ctx, const struct server_answer *answer)
{
    struct session *s = ctx;
    AUTO_ARENA a = ARENA_INIT;
    struct wire_error bad;
    void *value;
    s->busy--;
    if (s->closing)
        return;
    if (answer->status == 200 &&
        wire_json_decode(&a, &ecs_discover_poll_endpoint_response_shape, answer->body,
                         answer->body_len, true, &value, &bad) >= 0) {
        const struct ecs_discover_poll_endpoint_response *resp = value;
        open_stream(s,
                    str_empty(resp->endpoint) ? s->config->server_url : resp->endpoint);
        return;
    }
    log_line(LOG_WARN, "no endpoint from the server", "error", failure_text(answer),
             NULL);
    later(s, &s->stream_backoff,
          server_answer_is_final(answer) ? do_register : do_discover);
}

static void do_discover(struct session *s)
{
    AUTO_STR body = STR_INIT;
    struct ecs_discover_poll_endpoint_request req = {
        .cluster = s->cluster_arn, .container_instance = s->instance_arn};
    wire_json_encode(&body, &ecs_discover_poll_endpoint_request_shape, &req);
    s->busy++;
    server_call(s->engine->calls, "ecs", ECS "DiscoverPollEndpoint", body.data, body.len,
                on_discovered, s);
}

/* ---- register ---- */

static bool take_registration(struct session *s, const struct server_answer *answer)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_error bad;
    void *value;
    if (wire_json_decode(&a, &ecs_register_container_instance_response_shape,
                         answer->body, answer->body_len, true, &value, &bad) < 0)
        return false;
    const struct ecs_register_container_instance_response *resp = value;
    if (!resp->container_instance ||
        !cluster_arn_of(&a, resp->container_instance->container_instance_arn))
        return false;
    if (!streq(resp->container_instance->container_instance_arn, s->instance_arn)) {
        know(s, resp->container_instance->container_instance_arn);
        save_instance(s);
    }
    return true;
}

static void on_registered(void *ctx, const struct server_answer *answer)
{
    struct session *s = ctx;
    s->busy--;
    if (s->closing)
        return;
    if (answer->status == 200 && take_registration(s, answer)) {
        log_line(LOG_INFO, "registered", "instance", s->instance_arn, NULL);
        backoff_reset(&s->register_backoff);
        s->engine->cluster_arn = s->cluster_arn;
        s->engine->instance_arn = s->instance_arn;
        do_discover(s);
        return;
    }
    log_line(LOG_WARN, "not registered", "error", failure_text(answer), NULL);
    if (s->instance_arn && server_answer_is_final(answer))
        s->instance_arn = NULL; /* deregistered meanwhile: a new instance then */
    later(s, &s->register_backoff, do_register);
}

static void send_registration(struct session *s, server_done *done)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR body = STR_INIT;
    struct ecs_register_container_instance_request req = {
        .cluster = cluster_name(s), .container_instance_arn = s->instance_arn};
    machine_describe(&a, s->config, &req);
    wire_json_encode(&body, &ecs_register_container_instance_request_shape, &req);
    s->busy++;
    server_call(s->engine->calls, "ecs", ECS "RegisterContainerInstance", body.data,
                body.len, done, s);
}

static void do_register(struct session *s)
{
    send_registration(s, on_registered);
}

/* ---- life ---- */

void session_start(struct session *s, struct engine *e)
{
    memset(s, 0, sizeof(*s));
    s->engine = e;
    s->config = e->config;
    s->register_backoff = (struct backoff)BACKOFF_REGISTER;
    s->stream_backoff = (struct backoff)BACKOFF_STREAM;
    uv_timer_init(e->loop, &s->timer);
    s->timer.data = s;
    server_when_credentials(e->calls, on_credentials, s);
    load_instance(s);
    e->instance_arn = s->instance_arn;
    if (s->instance_arn)
        e->cluster_arn = s->cluster_arn; /* reports of an earlier agent may go at once */
    do_register(s);
}

void session_close(struct session *s)
{
    s->closing = true;
    uv_close((uv_handle_t *)&s->timer, NULL);
}

void session_fini(struct session *s)
{
    arena_free(&s->arena);
}
