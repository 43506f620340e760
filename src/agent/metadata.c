#include "metadata.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "fd.h"
#include "json_text.h"
#include "local_rate.h"
#include "log.h"
#include "str.h"
#include "task_keys.h"

/* ---- pure ---- */

bool metadata_rate_take(int64_t *due_ns, int64_t now_ns)
{
    return local_rate_take(due_ns, now_ns, METADATA_RATE_NS, METADATA_BURST);
}

#define SEGMENTS_MAX 8

/* Cuts "/a/b//c" into "a", "b", "c"; -1: too many, or one is too long. */
static int cut(const char *path, char seg[SEGMENTS_MAX][128])
{
    int n = 0;
    for (const char *p = path; *p;) {
        p += strspn(p, "/");
        size_t len = strcspn(p, "/");
        if (len == 0)
            break;
        if (n == SEGMENTS_MAX || len >= sizeof(seg[0]))
            return -1;
        memcpy(seg[n], p, len);
        seg[n++][len] = '\0';
        p += len;
    }
    return n;
}

static enum metadata_kind document_kind(char seg[SEGMENTS_MAX][128], int n)
{
    if (n == 2)
        return METADATA_CONTAINER;
    if (n == 3 && streq(seg[2], "task"))
        return METADATA_TASK;
    if (n == 3 && streq(seg[2], "taskWithTags"))
        return METADATA_TASK_TAGS;
    if (n == 3 && streq(seg[2], "stats"))
        return METADATA_STATS;
    if (n == 4 && streq(seg[2], "task") && streq(seg[3], "stats"))
        return METADATA_TASK_STATS;
    if ((n == 4 || n == 5) && streq(seg[2], "associations"))
        return n == 4 ? METADATA_ASSOCIATIONS : METADATA_NOTHING;
    return METADATA_NOTHING;
}

static enum metadata_kind v2_kind(char seg[SEGMENTS_MAX][128], int n)
{
    if (streq(seg[1], "metadata"))
        return n == 2 ? METADATA_TASK : METADATA_CONTAINER;
    if (streq(seg[1], "metadataWithTags") && n == 2)
        return METADATA_TASK_TAGS;
    if (streq(seg[1], "stats"))
        return n == 2 ? METADATA_TASK_STATS : METADATA_STATS;
    return streq(seg[1], "credentials") ? METADATA_CREDENTIALS : METADATA_NOTHING;
}

void metadata_route(const char *path, struct metadata_route *ret)
{
    char seg[SEGMENTS_MAX][128];
    int n = cut(path, seg);
    *ret = (struct metadata_route){.kind = METADATA_NOTHING};
    if (n < 2)
        return;
    if (streq(seg[0], "v3") || streq(seg[0], "v4")) {
        ret->version = seg[0][1] - '0';
        ret->kind = document_kind(seg, n);
        memcpy(ret->id, seg[1], sizeof(ret->id));
    } else if (streq(seg[0], "v2") && n <= 3) {
        ret->version = 2;
        ret->kind = v2_kind(seg, n);
        if (n == 3)
            memcpy(ret->id, seg[2], sizeof(ret->id));
    } else if (streq(seg[0], "api") && n == 5 && streq(seg[2], "task-protection") &&
               streq(seg[3], "v1") && streq(seg[4], "state")) {
        ret->kind = METADATA_PROTECTION;
        memcpy(ret->id, seg[1], sizeof(ret->id));
    } else if (streq(seg[0], "api") && n > 4 && streq(seg[2], "fault")) {
        ret->kind = METADATA_FAULT;
        memcpy(ret->id, seg[1], sizeof(ret->id));
    }
}

const char *metadata_new_id(struct arena *a)
{
    unsigned char raw[20];
    char hex[33];
    uint32_t tail;
    while (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
        ;
    hex_encode(raw, 16, hex);
    memcpy(&tail, raw + 16, sizeof(tail));
    return arena_printf(a, "%s-%010u", hex, (unsigned)tail);
}

/* ---- who asks ---- */

const char *metadata_net_id(const struct container *c)
{
    return task_shares_network(c->task->host) ? c->task->id : c->id;
}

/* After a restart of the agent its address is read from the disk again. */
static const char *address_of(struct container *c)
{
    struct host *h = c->task->engine->host;
    struct error ignored;
    bool up = c->step == CSTEP_CREATED || c->step == CSTEP_RUNNING;
    bool bridged =
        c->task->host->task_definition->network_mode != ECS_NETWORK_MODE_HOST &&
        c->task->host->task_definition->network_mode != ECS_NETWORK_MODE_NONE;
    if (!c->net.netns_path[0] && up && bridged && h->net)
        net_lookup(h->net, metadata_net_id(c), &c->net, &ignored);
    return c->net.address;
}

static bool task_has_address(struct task *t, uint32_t peer_be)
{
    uint32_t own;
    for (size_t i = 0; i < t->container_count; i++) {
        const char *address = address_of(&t->containers[i]);
        if (*address && inet_pton(AF_INET, address, &own) == 1 && own == peer_be)
            return true;
    }
    return false;
}

static struct task *task_by_address(struct engine *e, uint32_t peer_be)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (peer_be && task_has_address(t, peer_be))
            return t;
    }
    return NULL;
}

static struct container *container_by_endpoint(struct engine *e, const char *id)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        for (size_t i = 0; i < t->container_count; i++)
            if (streq(t->containers[i].endpoint_id, id))
                return &t->containers[i];
    }
    return NULL;
}

/* Whoever has another task's address may not use this one's id. Processes of the machine
 * itself (host mode, its owner) have none of these. */
static bool may_ask(struct engine *e, const struct task *t, uint32_t peer_be)
{
    struct task *of = task_by_address(e, peer_be);
    return !of || of == t;
}

/* ---- answers ---- */

static void reply_str(struct local_exchange *x, int status, const char *type,
                      const struct str *s)
{
    local_reply(x, status, type, str_text(s), s->len);
}

void metadata_reply_json(struct local_exchange *x, int status,
                         const struct wire_shape *shape, const void *value)
{
    AUTO_STR text = STR_INIT;
    wire_json_encode(&text, shape, value);
    reply_str(x, status, NULL, &text);
}

void metadata_reply_text(struct local_exchange *x, int status, const char *fmt, ...)
{
    AUTO_STR text = STR_INIT, json = STR_INIT;
    struct error ignored;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    jtext_open(&json, NULL, '[');
    if (jtext_string(&json, NULL, str_text(&text), &ignored) < 0)
        jtext_plain(&json, NULL, "the path is not text");
    local_reply(x, status, NULL, json.data + 1, json.len - 1);
}

static void reply_no_path(struct local_exchange *x)
{
    static const char text[] = "404 page not found\n";
    local_reply(x, 404, "text/plain; charset=utf-8", text, sizeof(text) - 1);
}

static void reply_slow_down(struct local_exchange *x)
{
    static const char text[] = "You have reached maximum request limit.";
    local_reply(x, 429, "text/plain; charset=utf-8", text, sizeof(text) - 1);
}

/* An id that is another task's is as good as none: who asks learns nothing. */
static void reply_credentials(struct local_exchange *x, const struct metadata_route *r,
                              const struct task *t)
{
    AUTO_STR text = STR_INIT;
    int status = 400;
    if (t)
        status = task_keys_answer(t, clock_wall_ms(), &text);
    else if (*r->id)
        credentials_fault(&text, 400, "InvalidIdInRequest",
                          "CredentialsV2Request: Credentials not found");
    else
        credentials_fault(&text, 400, "NoIdInRequest",
                          "CredentialsV2Request: No Credential ID in the request");
    reply_str(x, status, NULL, &text);
}

static void reply_associations(struct local_exchange *x)
{
    static const char none[] = "{\"Associations\":[]}";
    local_reply(x, 200, NULL, none, sizeof(none) - 1);
}

static void reply_fault(struct local_exchange *x, const struct task *t)
{
    AUTO_STR text = STR_INIT;
    str_addf(&text,
             "{\"Error\":\"fault injection is not offered on this instance (task %s)\"}",
             t->id);
    reply_str(x, 400, NULL, &text);
}

static void answer(struct metadata *m, struct local_exchange *x,
                   const struct metadata_route *r, struct task *t, struct container *c)
{
    AUTO_ARENA a = ARENA_INIT;
    switch (r->kind) {
    case METADATA_CONTAINER:
        metadata_reply_json(x, 200, &gantry_metadata_container_shape,
                            metadata_container(&a, c));
        break;
    case METADATA_TASK:
        metadata_reply_json(x, 200, &gantry_metadata_task_shape, metadata_task(&a, t));
        break;
    case METADATA_TASK_TAGS:
        metadata_tags(m, x, t);
        break;
    case METADATA_STATS:
        metadata_stats(x, t, c);
        break;
    case METADATA_TASK_STATS:
        metadata_stats(x, t, NULL);
        break;
    case METADATA_PROTECTION:
        metadata_protection(m, x, t);
        break;
    case METADATA_ASSOCIATIONS:
        reply_associations(x);
        break;
    case METADATA_FAULT:
        reply_fault(x, t);
        break;
    default:
        reply_no_path(x);
    }
}

static bool method_fits(const struct metadata_route *r, const char *method)
{
    if (r->kind == METADATA_FAULT)
        return true;
    return streq(method, "GET") || streq(method, "HEAD") ||
           (r->kind == METADATA_PROTECTION && streq(method, "PUT"));
}

/* v2 names no endpoint: who asks is told by the address. */
static struct task *find_v2(struct engine *e, const struct local_exchange *x,
                            const struct metadata_route *r, struct container **ret)
{
    struct task *t = task_by_address(e, x->peer_be);
    *ret = NULL;
    for (size_t i = 0; t && i < t->container_count; i++)
        if (streq(t->containers[i].id, r->id))
            *ret = &t->containers[i];
    return t && (!*r->id || *ret) ? t : NULL;
}

/* Not even a process in host mode may have those of a task that has an address of its own. */
static struct task *credentials_owner(struct engine *e, const struct metadata_route *r,
                                      uint32_t peer_be)
{
    struct task *t = *r->id ? task_by_credentials(e, r->id) : NULL;
    if (!t)
        return NULL;
    bool host = t->host->task_definition->network_mode == ECS_NETWORK_MODE_HOST;
    bool own = host ? may_ask(e, t, peer_be) : task_has_address(t, peer_be);
    return own ? t : NULL;
}

static void on_request(void *ctx, struct local_exchange *x)
{
    struct metadata *m = ctx;
    struct metadata_route r;
    struct container *c = NULL;
    struct task *t = NULL;
    metadata_route(x->request.path, &r);
    bool of_task = r.kind != METADATA_NOTHING && r.kind != METADATA_CREDENTIALS;
    if (r.kind == METADATA_CREDENTIALS) {
        t = credentials_owner(m->engine, &r, x->peer_be);
    } else if (of_task && r.version == 2) {
        t = find_v2(m->engine, x, &r, &c);
    } else if (of_task) {
        c = container_by_endpoint(m->engine, r.id);
        t = c && may_ask(m->engine, c->task, x->peer_be) ? c->task : NULL;
    }
    if (!metadata_rate_take(t ? &t->metadata_due_ns : &m->stranger_due_ns,
                            clock_mono_ns()))
        reply_slow_down(x);
    else if (r.kind == METADATA_NOTHING)
        reply_no_path(x);
    else if (!method_fits(&r, x->request.method))
        metadata_reply_text(x, 405, "%s is not for %s", x->request.method,
                            x->request.path);
    else if (r.kind == METADATA_CREDENTIALS)
        reply_credentials(x, &r, t);
    else if (!t)
        metadata_reply_text(x, r.version == 4 ? 404 : 400,
                            "unable to get the container from the request: no container "
                            "has the endpoint ID '%s'",
                            r.id);
    else
        answer(m, x, &r, t, c);
}

/* ---- life ---- */

/* The port of last time, as URIs of running containers may hold it. */
static uint16_t port_before(const char *path, uint16_t otherwise)
{
    AUTO_STR text = STR_INIT;
    int64_t port;
    if (file_read(AT_FDCWD, path, 16, &text, NULL) < 0 ||
        !str_to_i64(str_text(&text), 1, 65535, &port))
        return otherwise;
    return (uint16_t)port;
}

/* `name`: the file below run_dir that remembers the port. */
static int listen_there(struct metadata *m, const char *address, const char *name,
                        uint16_t otherwise, struct local_server **ret, uint16_t *port,
                        struct error *err)
{
    struct engine *e = m->engine;
    AUTO_STR path = STR_INIT;
    char text[8];
    str_addf(&path, "%s/%s", e->config->run_dir, name);
    uint16_t wanted = port_before(path.data, otherwise);
    int r = local_server_open(e->loop, address, wanted, on_request, m, ret, port, err);
    if (r == -E_CONFLICT)
        r = local_server_open(e->loop, address, 0, on_request, m, ret, port, err);
    if (r < 0)
        return r;
    snprintf(text, sizeof(text), "%u", *port);
    return file_replace(path.data, text, strlen(text), 0600, 0, err);
}

/* SDKs ask for credentials by http only at 169.254.170.2, which is another run's here, or at
 * the loopback. */
static void open_loopback(struct metadata *m)
{
    struct error err = ERROR_INIT;
    uint16_t port;
    if (listen_there(m, "127.0.0.1", "credentials-port", 0, &m->loopback, &port, &err) <
        0)
        log_line(LOG_ERROR, "no credentials for containers in host mode", "error",
                 err.text, NULL);
    else
        snprintf(m->full, sizeof(m->full), "http://127.0.0.1:%u", port);
}

void metadata_open(struct metadata *m, struct engine *e)
{
    struct net *net = e->host->net;
    const char *address = net ? net_gateway(net) : "127.0.0.1";
    struct error err = ERROR_INIT;
    uint16_t port;
    /* the pool has no task in host mode, so that address is left to others */
    bool here = net && !e->config->fargate && net_local_claim(net);
    *m = (struct metadata){.engine = e};
    int r = listen_there(m, address, "metadata-port", NET_LOCAL_PORT, &m->server, &port,
                         &err);
    if (r >= 0 && net)
        r = net_local_http(net, port, &err);
    if (r < 0) {
        log_line(LOG_ERROR, "no task metadata for containers", "error", err.text, NULL);
        metadata_close(m);
        return;
    }
    snprintf(m->base, sizeof(m->base), "http://" NET_LOCAL_ADDRESS);
    if (here)
        snprintf(m->base_here, sizeof(m->base_here), "http://" NET_LOCAL_ADDRESS);
    else
        snprintf(m->base_here, sizeof(m->base_here), "http://%s:%u", address, port);
    if (net && !here && !e->config->fargate)
        open_loopback(m);
    log_line(LOG_INFO, "task metadata", "bridge", m->base, "host_mode", m->base_here,
             NULL);
}

void metadata_close(struct metadata *m)
{
    local_server_close(m->server);
    local_server_close(m->loopback);
    m->server = m->loopback = NULL;
}

const char *metadata_base(const struct metadata *m, const struct container *c)
{
    if (!m->server)
        return NULL;
    return c->task->host->task_definition->network_mode == ECS_NETWORK_MODE_HOST
               ? m->base_here
               : m->base;
}

const char *metadata_credentials_uri(const struct metadata *m, const struct container *c,
                                     struct arena *a, bool *ret_full)
{
    const struct gantry_host_task *t = c->task->host;
    if (!m->server || !task_keys_offered(m->engine, t))
        return NULL;
    *ret_full = t->task_definition->network_mode == ECS_NETWORK_MODE_HOST && m->full[0];
    return arena_printf(a, "%s/v2/credentials/%s", *ret_full ? m->full : "",
                        t->credentials_id);
}
