#include "pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "server_private.h"

static bool reads(struct http_request *req)
{
    if (streq(req->method, "GET") || streq(req->method, "HEAD"))
        return true;
    http_reply_text(req, 405, "Only GET is offered here.\n");
    return false;
}

void page_health(struct server *s, struct http_request *req)
{
    if (!reads(req))
        return;
    static const struct http_header headers[] = {{"Content-Type", "application/json"},
                                                 {0}};
    struct error err;
    bool room = store_room(s->store, 0, &err) == 0;
    char *text = arena_printf(&req->arena,
                              "{\"status\":\"%s\",\"version\":\"" GANTRY_VERSION
                              "\",\"region\":\"%s\",\"uptimeSeconds\":%lld}\n",
                              room ? "ok" : "disk full", s->config->region,
                              (long long)(clock_wall_ms() - s->started_ms) / 1000);
    http_reply(req, room ? 200 : 503, headers, text, strlen(text), HTTP_ARENA);
}

/* ---- metrics ---- */

struct metrics_task {
    struct core_task task;
    struct server *server;
    struct http_request *req;
    size_t hosts;
    bool edge;
    struct str traffic;
};

static void metrics_run(struct core *core, struct core_task *task)
{
    struct metrics_task *m = list_entry(task, struct metrics_task, task);
    struct edge_feed *feed = m->server->edge_feed;
    m->hosts = fleet_connections(m->server->fleet);
    m->edge = edge_feed_connected(feed);
    edge_traffic_metrics(edge_feed_traffic(feed), &m->traffic);
}

static long resident_bytes(void)
{
    long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%ld %ld", &total, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

static void add_metric(struct str *out, const char *name, const char *type,
                       const char *help, double value)
{
    str_addf(out, "# HELP gantry_%s %s\n# TYPE gantry_%s %s\ngantry_%s %.17g\n", name,
             help, name, type, name, value);
}

static void metrics_deliver(struct outbound *out)
{
    struct metrics_task *m = list_entry(out, struct metrics_task, task.reply);
    static const struct http_header headers[] = {
        {"Content-Type", "text/plain; version=0.0.4"}, {0}};
    struct shell_counters c;
    struct str text = STR_INIT;
    shell_counters(m->server->shell, &c);
    add_metric(&text, "core_tasks_total", "counter",
               "Calls and events that the state thread executed.", (double)c.tasks);
    add_metric(&text, "commits_total", "counter", "Batches made durable.",
               (double)c.commits);
    add_metric(&text, "commit_writes_total", "counter", "Keys in those batches.",
               (double)c.writes);
    add_metric(&text, "commit_bytes_total", "counter", "Bytes in those batches.",
               (double)c.batch_bytes);
    add_metric(&text, "commit_seconds_total", "counter", "Time spent in commits.",
               (double)c.commit_ns / 1e9);
    add_metric(&text, "hosts_connected", "gauge", "Agents with an open stream.",
               (double)m->hosts);
    add_metric(&text, "process_resident_bytes", "gauge", "Resident memory.",
               (double)resident_bytes());
    add_metric(&text, "edge_connected", "gauge", "Is the edge's stream open?", m->edge);
    str_add(&text, str_text(&m->traffic));
    str_free(&m->traffic);
    size_t len = text.len;
    http_reply(m->req, 200, headers, str_take(&text), len, HTTP_TAKE);
    free(m);
}

void page_metrics(struct server *s, struct http_request *req)
{
    if (!reads(req))
        return;
    struct metrics_task *m = xcalloc(1, sizeof(*m));
    m->server = s;
    m->req = req;
    m->task.run = metrics_run;
    m->task.reply.deliver = metrics_deliver;
    shell_submit(s->shell, &m->task);
}
