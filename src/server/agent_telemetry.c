/* What an agent measured (struct gantry_agent_telemetry): signed like any call to ecs, then
 * handed to the fleet. */
#include <stdlib.h>

#include "arn.h"
#include "gantry_api.h"
#include "server_private.h"

struct telemetry_call {
    struct core_task task;
    struct arena arena;
    struct server *server;
    struct http_request *req;
    struct credentials credentials;
    const struct gantry_agent_telemetry *news; /* NULL: could not be read */
    struct wire_error why;
    int status;
    const char *text;
};

static void deliver(struct outbound *out)
{
    struct telemetry_call *tc = list_entry(out, struct telemetry_call, task.reply);
    http_reply_text(tc->req, tc->status, tc->text);
    arena_free(&tc->arena);
    free(tc);
}

static int take(struct core *core, struct telemetry_call *tc)
{
    struct identity who = {0};
    struct error err = ERROR_INIT;
    struct arn arn;
    const char *instance = tc->news ? tc->news->container_instance_arn : NULL;
    if (!auth_permits(&tc->server->auth, core, &tc->arena, &tc->credentials,
                      "ecs:StartTelemetrySession", instance ? instance : "*", &who,
                      &tc->text))
        return 403;
    if (!tc->news) {
        tc->text = tc->why.text;
        return 400;
    }
    if (!instance || !arn_parse(&tc->arena, instance, &arn) ||
        !streq(arn.account, who.account_id)) {
        tc->text = "containerInstanceArn must name an instance of the caller's account.";
        return 400;
    }
    if (fleet_telemetry(core, tc->news, &err) < 0) {
        tc->text = arena_strdup(&tc->arena, err.text);
        return 404;
    }
    tc->text = "{}";
    return 200;
}

static void run(struct core *core, struct core_task *task)
{
    struct telemetry_call *tc = list_entry(task, struct telemetry_call, task);
    tc->status = take(core, tc);
    tc->text = arena_printf(&tc->arena, "%s\n", tc->text);
    tc->task.reply.deliver = deliver;
    core_send(core, &tc->task.reply);
}

void agent_telemetry_begin(struct http_request *req)
{
    if (!streq(req->method, "POST"))
        http_reply_text(req, 405, "Telemetry is sent by POST.\n");
    else if (req->content_length > AGENT_TELEMETRY_MAX)
        http_reply_text(req, 413, "Telemetry is sent in parts of at most 1 MiB.\n");
    else
        http_accept_body(req, AGENT_TELEMETRY_MAX);
}

void agent_telemetry_complete(struct server *s, struct http_request *req)
{
    struct telemetry_call *tc = xcalloc(1, sizeof(*tc));
    void *value;
    tc->server = s;
    tc->req = req;
    api_read_credentials(&tc->arena, req, &tc->credentials);
    if (wire_json_decode(&tc->arena, &gantry_agent_telemetry_shape, req->body,
                         req->body_len, false, &value, &tc->why) >= 0)
        tc->news = value;
    tc->task.run = run;
    shell_submit(s->shell, &tc->task);
}
