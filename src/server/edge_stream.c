/* The edge asks for its stream, or reports: signed like any call to ecs, by the account that
 * the server was made for, as an edge hears of all accounts; then handed to the fleet. */
#include <stdlib.h>

#include "edge_feed.h"
#include "gantry_api.h"
#include "server_private.h"

struct edge_call {
    struct core_task task;
    struct arena arena;
    struct server *server;
    struct http_request *req;
    struct credentials credentials;
    bool stream;
    const struct gantry_edge_report *report; /* NULL: could not be read */
    struct wire_error why;
    int status;
    const char *text;
};

static void call_free(struct edge_call *ec)
{
    arena_free(&ec->arena);
    free(ec);
}

static void deliver(struct outbound *out)
{
    struct edge_call *ec = list_entry(out, struct edge_call, task.reply);
    http_reply_text(ec->req, ec->status, ec->text);
    call_free(ec);
}

static void answer(struct core *core, struct edge_call *ec, int status, const char *text)
{
    ec->status = status;
    ec->text = arena_printf(&ec->arena, "%s\n", text);
    ec->task.reply.deliver = deliver;
    core_send(core, &ec->task.reply);
}

static bool allowed(struct core *core, struct edge_call *ec, const char **ret_why)
{
    const struct authenticator *auth = &ec->server->auth;
    struct identity who = {0};
    if (!auth_permits(auth, core, &ec->arena, &ec->credentials, "gantry:Edge", "*", &who,
                      ret_why))
        return false;
    *ret_why = "Only the server's own account may be the edge.";
    return streq(who.account_id, auth->account_id);
}

static void run(struct core *core, struct core_task *task)
{
    struct edge_call *ec = list_entry(task, struct edge_call, task);
    const char *why;
    if (!allowed(core, ec, &why)) {
        answer(core, ec, 403, why);
    } else if (ec->stream) {
        edge_feed_connect(ec->server->edge_feed, core, ec->req);
        call_free(ec);
    } else if (!ec->report) {
        answer(core, ec, 400, ec->why.text);
    } else {
        edge_feed_report(ec->server->edge_feed, core, ec->report);
        answer(core, ec, 200, "{}");
    }
}

static struct edge_call *call_new(struct server *s, struct http_request *req)
{
    struct edge_call *ec = xcalloc(1, sizeof(*ec));
    ec->server = s;
    ec->req = req;
    ec->task.run = run;
    api_read_credentials(&ec->arena, req, &ec->credentials);
    return ec;
}

void edge_stream_open(struct server *s, struct http_request *req)
{
    struct edge_call *ec = call_new(s, req);
    ec->stream = true;
    shell_submit(s->shell, &ec->task);
}

void edge_report_begin(struct http_request *req)
{
    if (!streq(req->method, "POST"))
        http_reply_text(req, 405, "Reports are sent by POST.\n");
    else if (req->content_length > EDGE_REPORT_MAX)
        http_reply_text(req, 413, "A report has at most 8 MiB.\n");
    else
        http_accept_body(req, EDGE_REPORT_MAX);
}

void edge_report_complete(struct server *s, struct http_request *req)
{
    struct edge_call *ec = call_new(s, req);
    void *value;
    if (wire_json_decode(&ec->arena, &gantry_edge_report_shape, req->body, req->body_len,
                         false, &value, &ec->why) >= 0)
        ec->report = value;
    shell_submit(s->shell, &ec->task);
}
