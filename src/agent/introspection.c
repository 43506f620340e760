#include "introspection.h"

#include <stdio.h>
#include <string.h>

#include "json_text.h"
#include "log.h"
#include "metadata.h"
#include "str.h"

#define ID_BEGINNING_MIN 12 /* of a DockerId, as Docker's own short ids */

/* ---- documents ---- */

/* Names and ARNs are plain (checked when the task came); text of others is not. */
static void put_text(struct str *s, const char *name, const char *value)
{
    struct error ignored;
    if (!value || jtext_string(s, name, value, &ignored) < 0)
        jtext_plain(s, name, "");
}

/* Lists that the container's own document has, too. */
static void put_lists(struct str *s, const struct gantry_metadata_container *c)
{
    jtext_open(s, "Ports", '[');
    for (size_t i = 0; i < c->ports.n; i++) {
        jtext_key(s, NULL);
        wire_json_encode(s, &gantry_metadata_port_shape, &c->ports.v[i]);
    }
    jtext_close(s, ']');
    jtext_open(s, "Networks", '[');
    for (size_t i = 0; i < c->networks.n; i++) {
        jtext_key(s, NULL);
        wire_json_encode(s, &gantry_metadata_network_shape, &c->networks.v[i]);
    }
    jtext_close(s, ']');
    jtext_open(s, "Volumes", '[');
    for (size_t i = 0; i < c->volumes.n; i++) {
        jtext_key(s, NULL);
        wire_json_encode(s, &gantry_metadata_volume_shape, &c->volumes.v[i]);
    }
    jtext_close(s, ']');
}

static void put_task(struct str *s, const struct task *t)
{
    AUTO_ARENA a = ARENA_INIT;
    const struct gantry_metadata_task *m = metadata_task(&a, t);
    jtext_open(s, NULL, '{');
    put_text(s, "Arn", m->task_arn);
    put_text(s, "DesiredStatus", m->desired_status);
    put_text(s, "KnownStatus", m->known_status);
    put_text(s, "Family", m->family);
    put_text(s, "Version", m->revision);
    jtext_open(s, "Containers", '[');
    for (size_t i = 0; i < m->containers.n; i++) {
        const struct gantry_metadata_container *c = &m->containers.v[i];
        jtext_open(s, NULL, '{');
        put_text(s, "DockerId", c->docker_id);
        put_text(s, "DockerName", c->docker_name);
        put_text(s, "Name", c->name);
        put_text(s, "Image", c->image);
        put_lists(s, c);
        jtext_close(s, '}');
    }
    jtext_close(s, ']');
    jtext_close(s, '}');
}

static void reply(struct local_exchange *x, int status, const struct str *s)
{
    local_reply(x, status, NULL, str_text(s), s->len);
}

static void reply_metadata(struct engine *e, struct local_exchange *x)
{
    AUTO_STR s = STR_INIT;
    jtext_open(&s, NULL, '{');
    put_text(&s, "Cluster", e->config->cluster ? e->config->cluster : "default");
    if (e->instance_arn)
        put_text(&s, "ContainerInstanceArn", e->instance_arn);
    else
        str_add(&s, ",\"ContainerInstanceArn\":null"); /* not registered yet */
    put_text(&s, "Version", "gantry agent - v" GANTRY_VERSION);
    jtext_close(&s, '}');
    reply(x, 200, &s);
}

/* ---- tasks ---- */

static bool has_container(const struct task *t, const char *id)
{
    size_t n = strlen(id);
    for (size_t i = 0; i < t->container_count; i++) {
        const char *own = t->containers[i].id;
        if (streq(own, id) || (n >= ID_BEGINNING_MIN && str_starts(own, id)))
            return true;
    }
    return false;
}

static void reply_all(struct engine *e, struct local_exchange *x)
{
    AUTO_STR s = STR_INIT;
    jtext_open(&s, NULL, '{');
    jtext_open(&s, "Tasks", '[');
    list_for_each (it, &e->tasks) {
        put_task(&s, list_entry(it, struct task, link));
    }
    jtext_close(&s, ']');
    jtext_close(&s, '}');
    reply(x, 200, &s);
}

static void reply_tasks(struct engine *e, struct local_exchange *x)
{
    char arn[512], id[256];
    const char *query = x->request.query;
    bool by_arn = local_query_value(query, "taskarn", arn, sizeof(arn));
    bool by_id = local_query_value(query, "dockerid", id, sizeof(id));
    if (!by_arn && !by_id) {
        reply_all(e, x);
        return;
    }
    if (by_arn && by_id) {
        metadata_reply_text(x, 400, "either taskarn or dockerid");
        return;
    }
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (by_arn ? !streq(t->arn, arn) : !has_container(t, id))
            continue;
        AUTO_STR s = STR_INIT;
        put_task(&s, t);
        reply(x, 200, &s);
        return;
    }
    local_reply(x, 404, NULL, "{}", 2);
}

/* ---- routes ---- */

static void on_request(void *ctx, struct local_exchange *x)
{
    static const char index[] =
        "{\"AvailableCommands\":[\"/v1/metadata\",\"/v1/tasks\",\"/license\"]}";
    static const char license[] =
        "gantry is free software under the Apache License, Version 2.0:\n"
        "https://www.apache.org/licenses/LICENSE-2.0\n";
    struct introspection *i = ctx;
    const char *path = x->request.path;
    if (!streq(x->request.method, "GET") && !streq(x->request.method, "HEAD"))
        metadata_reply_text(x, 405, "only GET");
    else if (streq(path, "/v1/metadata"))
        reply_metadata(i->engine, x);
    else if (streq(path, "/v1/tasks"))
        reply_tasks(i->engine, x);
    else if (streq(path, "/license"))
        local_reply(x, 200, "text/plain; charset=utf-8", license, sizeof(license) - 1);
    else if (streq(path, "/"))
        local_reply(x, 200, NULL, index, sizeof(index) - 1);
    else
        local_reply(x, 404, NULL, index, sizeof(index) - 1);
}

void introspection_open(struct introspection *i, struct engine *e)
{
    struct error err = ERROR_INIT;
    int wanted = e->config->introspection_port;
    uint16_t port = (uint16_t)(wanted ? wanted : INTROSPECTION_PORT);
    *i = (struct introspection){.engine = e};
    if (wanted < 0)
        return;
    if (local_server_open(e->loop, "127.0.0.1", port, on_request, i, &i->server, &port,
                          &err) >= 0)
        return;
    /* another run on this machine has it, unless it was asked for by name */
    log_line(wanted ? LOG_ERROR : LOG_INFO, "no introspection", "error", err.text, NULL);
}

void introspection_close(struct introspection *i)
{
    local_server_close(i->server);
    i->server = NULL;
}
