/* `gantry status`: the server, the instances, and what runs on this machine. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "agent.h"
#include "api.h"
#include "clock.h"
#include "command.h"
#include "here.h"
#include "pool.h"
#include "str.h"
#include "table_text.h"

#define CLUSTERS_MAX 100

/* ---- what is known, as one JSON value: --json prints it, the tables are made of it ---- */

static void add_health(struct api *api, json_t *server)
{
    AUTO_STR text = STR_INIT;
    struct error err = ERROR_INIT;
    if (api_get(api, "/health", &text, &err) < 0) {
        json_object_set_new(server, "health", json_string("unreachable"));
        json_object_set_new(server, "reason", json_string(err.text));
        return;
    }
    json_t *health = json_loadb(text.data, text.len, 0, NULL);
    const char *status = json_string_value(json_object_get(health, "status"));
    json_object_set_new(server, "health", json_string(status ? status : "unknown"));
    json_decref(health);
}

static int add_instances_of(struct api *api, const char *cluster, json_t *ret,
                            struct error *err)
{
    json_t *list = NULL, *full = NULL, *it;
    size_t i;
    int r = api_ecs(api, "ListContainerInstances", json_pack("{s:s}", "cluster", cluster),
                    &list, err);
    json_t *arns = json_object_get(list, "containerInstanceArns");
    if (r == 0 && json_array_size(arns) > 0)
        r = api_ecs(
            api, "DescribeContainerInstances",
            json_pack("{s:s, s:O}", "cluster", cluster, "containerInstances", arns),
            &full, err);
    json_array_foreach (json_object_get(full, "containerInstances"), i, it) {
        json_object_set_new(it, "cluster", json_string(cluster));
        json_array_append(ret, it);
    }
    json_decref(full);
    json_decref(list);
    return r;
}

static int add_instances(struct api *api, json_t *ret, struct error *err)
{
    json_t *clusters = NULL, *it;
    size_t i;
    int r = api_ecs(api, "ListClusters", json_pack("{s:i}", "maxResults", CLUSTERS_MAX),
                    &clusters, err);
    json_array_foreach (json_object_get(clusters, "clusterArns"), i, it) {
        const char *name = strrchr(json_string_value(it), '/');
        if (r == 0 && name)
            r = add_instances_of(api, name + 1, ret, err);
    }
    json_decref(clusters);
    return r;
}

static int add_container(void *ctx, const struct agent_container *c, struct error *err)
{
    json_t *row = json_pack(
        "{s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?}",
        "taskId", c->task_id, "taskArn", c->task_arn, "cluster", c->cluster, "family",
        c->family, "group", c->group, "taskStatus", c->task_status, "desiredStatus",
        c->desired_status, "name", c->name, "image", c->image, "status", c->status,
        "reason", c->reason, "ports", c->ports, "health", c->health);
    if (!row)
        return fail(err, E_CORRUPT, "a record of task '%s' is not UTF-8", c->task_id);
    if (c->has_exit_code)
        json_object_set_new(row, "exitCode", json_integer(c->exit_code));
    if (c->started_at_ms)
        json_object_set_new(row, "startedAtMs", json_integer(c->started_at_ms));
    json_array_append_new(ctx, row);
    return 0;
}

static json_t *describe_server(const struct here *here, struct api *api)
{
    json_t *server = json_pack("{s:s, s:b, s:s, s:s, s:s}", "url", here->record.url, "up",
                               here->up, "dataDir", here->layout.data_dir, "runDir",
                               here->layout.run_dir, "runId", here->layout.run_id);
    if (here->up)
        json_object_set_new(server, "pid", json_integer(here->record.up.pid));
    if (api)
        add_health(api, server);
    else
        json_object_set_new(server, "health", json_string("down"));
    return server;
}

/* Networks and load balancers; "off" without one (--no-edge). */
static json_t *describe_edge(const struct here *here)
{
    const struct process_id *p = &here->record.parts[PART_EDGE];
    struct pool pool;
    bool wanted = !str_empty(here->record.hosts_file);
    bool up = process_alive(p);
    json_t *edge = json_pack("{s:s}", "state", up ? "up" : wanted ? "down" : "off");
    if (up)
        json_object_set_new(edge, "pid", json_integer(p->pid));
    if (wanted && pool_read(here->layout.public_pool_path, &pool, NULL) == 0)
        json_object_set_new(edge, "publicPool", json_string(pool_text(&pool).cidr));
    return edge;
}

/* What can't be asked is left out and named under "notes": status is for bad days. */
static void note(json_t *all, const char *what, const struct error *err)
{
    AUTO_STR text = STR_INIT;
    str_addf(&text, "%s: %s", what, err->text);
    json_array_append_new(json_object_get(all, "notes"), json_string(text.data));
}

static json_t *collect(const struct here *here)
{
    struct api *api = NULL;
    struct error err = ERROR_INIT;
    json_t *all = json_pack("{s:[], s:[], s:[]}", "instances", "containers", "notes");
    bool ask = *here->record.url &&
               (here->up || process_alive(&here->record.parts[PART_SERVER]));
    if (ask && api_open(&here->layout, &here->record, &api, &err) < 0)
        note(all, "the server was not asked", &err);
    json_object_set_new(all, "server", describe_server(here, api));
    json_object_set_new(all, "edge", describe_edge(here));
    if (api && add_instances(api, json_object_get(all, "instances"), &err) < 0)
        note(all, "instances", &err);
    json_t *containers = json_object_get(all, "containers");
    if (agent_each_container(here->layout.agent_dir, add_container, containers, &err) < 0)
        note(all, "containers of this machine", &err);
    if (agent_each_container(here->layout.pool_dir, add_container, containers, &err) < 0)
        note(all, "containers of Fargate tasks", &err);
    api_close(api);
    return all;
}

/* ---- tables ---- */

static const char *text_of(json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

static int64_t amount(json_t *instance, const char *list, const char *name)
{
    const json_t *all = json_object_get(instance, list);
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *it = json_array_get(all, i);
        if (streq(text_of(it, "name"), name))
            return json_integer_value(json_object_get(it, "integerValue"));
    }
    return 0;
}

static void print_instances(json_t *rows)
{
    static const char *const heads[] = {"INSTANCE", "CLUSTER",  "STATUS",     "AGENT",
                                        "TASKS",    "CPU FREE", "MEMORY FREE"};
    struct table_text t = TABLE_TEXT_INIT;
    json_t *it;
    size_t i;
    table_text_heads(&t, heads, 7);
    json_array_foreach (rows, i, it) {
        const char *arn = text_of(it, "containerInstanceArn"), *id = strrchr(arn, '/');
        table_text_add(&t, "%s", id ? id + 1 : arn);
        table_text_add(&t, "%s", text_of(it, "cluster"));
        table_text_add(&t, "%s", text_of(it, "status"));
        table_text_add(&t, "%s",
                       json_is_true(json_object_get(it, "agentConnected"))
                           ? "connected"
                           : "disconnected");
        table_text_add(
            &t, "%lld",
            (long long)json_integer_value(json_object_get(it, "runningTasksCount")));
        table_text_add(&t, "%lld of %lld",
                       (long long)amount(it, "remainingResources", "CPU"),
                       (long long)amount(it, "registeredResources", "CPU"));
        table_text_add(&t, "%lld of %lld MiB",
                       (long long)amount(it, "remainingResources", "MEMORY"),
                       (long long)amount(it, "registeredResources", "MEMORY"));
    }
    table_text_print(&t, stdout);
    table_text_free(&t);
}

static void add_state(struct table_text *t, json_t *row)
{
    json_t *code = json_object_get(row, "exitCode");
    if (code)
        table_text_add(t, "%s (%lld)", text_of(row, "status"),
                       (long long)json_integer_value(code));
    else
        table_text_add(t, "%s", text_of(row, "status"));
}

/* The two largest units: "42s", "7m12s", "3h05m", "12d4h". */
static void uptime_text(json_t *row, char ret[static 16])
{
    int64_t started = json_integer_value(json_object_get(row, "startedAtMs"));
    int s = (int)((clock_wall_ms() - started) / 1000);
    if (!started || !streq(text_of(row, "status"), "RUNNING") || s < 0)
        snprintf(ret, 16, "-");
    else if (s < 60)
        snprintf(ret, 16, "%ds", s);
    else if (s < 3600)
        snprintf(ret, 16, "%dm%02ds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(ret, 16, "%dh%02dm", s / 3600, s / 60 % 60);
    else
        snprintf(ret, 16, "%dd%dh", s / 86400, s / 3600 % 24);
}

static void print_containers(json_t *rows)
{
    static const char *const heads[] = {"TASK",   "DEFINITION", "CONTAINER", "STATUS",
                                        "HEALTH", "UP",         "PORTS",     "IMAGE"};
    struct table_text t = TABLE_TEXT_INIT;
    json_t *it;
    size_t i;
    table_text_heads(&t, heads, 8);
    json_array_foreach (rows, i, it) {
        char up[16];
        uptime_text(it, up);
        table_text_add(&t, "%.12s", text_of(it, "taskId"));
        table_text_add(&t, "%s", text_of(it, "family"));
        table_text_add(&t, "%s", text_of(it, "name"));
        add_state(&t, it);
        table_text_add(&t, "%s", *text_of(it, "health") ? text_of(it, "health") : "-");
        table_text_add(&t, "%s", up);
        table_text_add(&t, "%s", text_of(it, "ports"));
        table_text_add(&t, "%s", text_of(it, "image"));
    }
    table_text_print(&t, stdout);
    table_text_free(&t);
}

static void print_all(json_t *all)
{
    json_t *server = json_object_get(all, "server");
    printf("server  %s  %s", *text_of(server, "url") ? text_of(server, "url") : "-",
           text_of(server, "health"));
    if (*text_of(server, "reason"))
        printf(" (%s)", text_of(server, "reason"));
    json_t *edge = json_object_get(all, "edge");
    printf("\nedge    %s  %s", text_of(edge, "state"), text_of(edge, "publicPool"));
    printf("\ndata    %s\nrun     %s (id %s)\n", text_of(server, "dataDir"),
           text_of(server, "runDir"), text_of(server, "runId"));
    if (json_array_size(json_object_get(all, "instances"))) {
        putchar('\n');
        print_instances(json_object_get(all, "instances"));
    }
    putchar('\n');
    if (json_array_size(json_object_get(all, "containers")))
        print_containers(json_object_get(all, "containers"));
    else
        puts("no containers on this machine");
    const json_t *notes = json_object_get(all, "notes");
    for (size_t i = 0; i < json_array_size(notes); i++)
        fprintf(stderr, "gantry: %s\n", json_string_value(json_array_get(notes, i)));
}

int status_command(struct options *o, struct error *err)
{
    struct here here;
    int r = here_find(o, &here, err);
    if (r < 0)
        return r;
    json_t *all = collect(&here);
    if (o->json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_all(all);
    }
    json_decref(all);
    return 0;
}
