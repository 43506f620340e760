/* An agent asks for its stream, or for its end of a session: signed like any call to ecs,
 * then handed to the fleet or the relay. */
#include <stdlib.h>
#include <string.h>

#include "arn.h"
#include "server_private.h"

struct stream_call {
    struct core_task task;
    struct arena arena;
    struct server *server;
    struct http_request *req;
    struct credentials credentials;
    const char *instance_arn;
    bool session; /* else the stream */
    int status;   /* of a refusal */
    const char *text;
};

static void refuse(struct outbound *out)
{
    struct stream_call *sc = list_entry(out, struct stream_call, task.reply);
    http_reply_text(sc->req, sc->status, sc->text);
    arena_free(&sc->arena);
    free(sc);
}

/* Found out on the state thread; the answer waits like every other. */
static void refuse_later(struct core *core, struct stream_call *sc, int status,
                         const char *text)
{
    sc->status = status;
    sc->text = arena_printf(&sc->arena, "%s\n", text);
    sc->task.reply.deliver = refuse;
    core_send(core, &sc->task.reply);
}

static void run(struct core *core, struct core_task *task)
{
    struct stream_call *sc = list_entry(task, struct stream_call, task);
    struct identity who = {0};
    const char *text;
    struct error err;
    struct arn arn;
    if (!auth_permits(&sc->server->auth, core, &sc->arena, &sc->credentials, "ecs:Poll",
                      sc->instance_arn ? sc->instance_arn : "*", &who, &text)) {
        refuse_later(core, sc, 403, text);
        return;
    }
    if (sc->session) {
        relay_agent(sc->server->relay, sc->req);
        arena_free(&sc->arena);
        free(sc);
        return;
    }
    if (!sc->instance_arn || !arn_parse(&sc->arena, sc->instance_arn, &arn) ||
        !streq(arn.account, who.account_id)) {
        refuse_later(core, sc, 400,
                     "containerInstanceArn must name an instance of the "
                     "caller's account.");
        return;
    }
    if (fleet_connect(sc->server->fleet, core, sc->req, sc->instance_arn, &err) < 0) {
        refuse_later(core, sc, 404, err.text);
        return;
    }
    arena_free(&sc->arena);
    free(sc);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

const char *query_parameter(struct arena *a, const char *query, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = query; p; p = strchr(p, '&') ? strchr(p, '&') + 1 : NULL) {
        if (strncmp(p, name, n) != 0 || p[n] != '=')
            continue;
        const char *v = p + n + 1;
        char *out = arena_alloc(a, strlen(v) + 1), *w = out;
        for (; *v && *v != '&'; v++) {
            bool coded = *v == '%' && hex_value(v[1]) >= 0 && hex_value(v[2]) >= 0;
            *w++ = coded ? (char)(hex_value(v[1]) << 4 | hex_value(v[2])) : *v;
            v += coded ? 2 : 0;
        }
        return out;
    }
    return NULL;
}

static void check_then_run(struct server *s, struct http_request *req, bool session)
{
    struct stream_call *sc = xcalloc(1, sizeof(*sc));
    sc->server = s;
    sc->req = req;
    sc->session = session;
    api_read_credentials(&sc->arena, req, &sc->credentials);
    sc->instance_arn = query_parameter(&sc->arena, req->query, "containerInstanceArn");
    sc->task.run = run;
    shell_submit(s->shell, &sc->task);
}

void agent_stream_open(struct server *s, struct http_request *req)
{
    check_then_run(s, req, false);
}

void agent_session_open(struct server *s, struct http_request *req)
{
    check_then_run(s, req, true);
}
