/* edge.c: one edge from its first to its last moment. */
#include "edge.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "pool.h"
#include "shared_mount.h"
#include "str.h"
#include "stream.h"

#define LOCK_TRIES    100
#define LOCK_PAUSE_MS 20

struct edge {
    const struct edge_config *config;
    struct pool_text pool;
    struct edge_parts parts;
    struct edge_stream stream;
    struct server_calls *calls;
    uv_loop_t loop;
    uv_poll_t stop;
    bool was_ready, has_loop;
    int lock;
};

/* ---- what the parts are told ---- */

/* Texts that the parts' configurations point at. */
struct part_paths {
    struct arena arena;
    struct vpc_place place;
    struct router_config router;
    struct balancers_config balancers;
    struct instances_config instances;
    struct resolver_config resolver;
};

static const char *below(struct part_paths *p, const char *dir, const char *name)
{
    return arena_printf(&p->arena, "%s/%s", dir, name);
}

/* The server as an instance reaches it: its port at SERVICE_ADDRESS. */
static const char *service_url(struct part_paths *p, const char *server_url)
{
    struct server_url u;
    if (!server_url || server_url_parse(server_url, &u, NULL) < 0)
        return NULL;
    return arena_printf(&p->arena, "http://%s:%d", SERVICE_ADDRESS, u.port_number);
}

static void fill_paths(struct part_paths *p, const struct edge_config *c,
                       const struct pool_text *pool)
{
    const char *resolver =
        pool->resolver[0] ? arena_strdup(&p->arena, pool->resolver) : NULL;
    p->place.dir = below(p, c->run_dir, "vpc");
    p->router = (struct router_config){
        .place = p->place,
        .run = c->run,
        .public_pool = pool->cidr[0] ? arena_strdup(&p->arena, pool->cidr) : NULL,
        .server_url = c->server_url,
        .dns_address = resolver,
    };
    p->balancers = (struct balancers_config){
        .dir = below(p, c->run_dir, "balancers"),
        .run = c->run,
        .haproxy = c->haproxy,
        .log_dir = below(p, c->data_dir, "access-logs"),
        .place = p->place,
        .initial_check_gap_ms = c->initial_check_gap_ms,
    };
    p->instances = (struct instances_config){
        .dir = below(p, c->data_dir, "instances"),
        .run_dir = below(p, c->run_dir, "instances"),
        .run = c->run,
        .place = p->place,
        .server_url = service_url(p, c->server_url),
    };
    p->resolver = (struct resolver_config){
        .dir = below(p, c->run_dir, "names"),
        .run = c->run,
        .address = resolver,
        .hosts_path = c->hosts_path,
        .dnsmasq = c->dnsmasq,
    };
}

/* ---- reports: from threads of the parts ---- */

static void on_health(void *ctx, const struct gantry_edge_target_health *h)
{
    report_health(ctx, h);
}

static void on_balancer(void *ctx, const struct gantry_edge_balancer_state *s)
{
    report_balancer(ctx, s);
}

static void on_traffic(void *ctx, const struct gantry_edge_traffic *t)
{
    report_traffic(ctx, t);
}

static void on_instance(void *ctx, const struct gantry_edge_instance_state *s)
{
    report_instance(ctx, s);
}

static void on_due(void *ctx)
{
    struct edge *e = ctx;
    edge_stream_report(&e->stream);
}

/* ---- the loop ---- */

static void on_settled(void *ctx)
{
    struct edge *e = ctx;
    if (!e->was_ready && e->config->ready)
        e->config->ready(e->config->ctx);
    e->was_ready = true;
}

static void close_handle(uv_handle_t *h, void *arg)
{
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void on_stop(uv_poll_t *p, int status, int events)
{
    struct edge *e = p->data;
    log_line(LOG_INFO, "the edge ends; networks and balancers go on", NULL);
    uv_stop(&e->loop);
}

static int open_loop(struct edge *e, struct error *err)
{
    if (uv_loop_init(&e->loop) < 0)
        return fail(err, E_IO, "no event loop");
    e->has_loop = true;
    if (e->config->stop_fd < 0)
        return 0;
    if (uv_poll_init(&e->loop, &e->stop, e->config->stop_fd) < 0)
        return fail(err, E_INVALID, "stop_fd %d can't be polled", e->config->stop_fd);
    e->stop.data = e;
    uv_poll_start(&e->stop, UV_READABLE, on_stop);
    return 0;
}

static int open_calls(struct edge *e, struct error *err)
{
    const struct edge_config *c = e->config;
    struct server_config sc = {
        .name = "edge",
        .url = c->server_url,
        .region = c->region ? c->region : "us-east-1",
        .access_key_id = c->access_key_id,
        .secret_access_key = c->secret_access_key,
        .session_token = c->session_token,
    };
    return server_calls_new(&e->loop, &sc, &e->calls, err);
}

static int open_parts(struct edge *e, struct error *err)
{
    struct part_paths p = {.arena = ARENA_INIT};
    fill_paths(&p, e->config, &e->pool);
    p.balancers.state = on_balancer;
    p.balancers.health = on_health;
    p.balancers.traffic = on_traffic;
    p.balancers.ctx = p.instances.ctx = e->parts.reports;
    p.instances.state = on_instance;
    int r = router_new(&p.router, &e->parts.router, err);
    if (r == 0)
        r = resolver_new(&p.resolver, &e->parts.resolver, err);
    if (r == 0)
        r = balancers_new(&p.balancers, &e->parts.balancers, err);
    if (r == 0)
        r = instances_new(&p.instances, &e->parts.instances, err);
    if (r == 0)
        e->parts.imds = imds_new(&e->loop, &p.place);
    arena_free(&p.arena);
    return r;
}

static struct report_queue *reports_new(struct edge *e)
{
    unsigned char raw[8];
    char id[2 * sizeof(raw) + 1];
    if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
        abort(); /* never: so few bytes are not interrupted */
    hex_encode(raw, sizeof(raw), id);
    return report_queue_new(id, on_due, e);
}

static int run(struct edge *e, struct error *err)
{
    int r = open_loop(e, err);
    if (r == 0)
        r = open_calls(e, err);
    if (r < 0)
        return r;
    e->parts.reports = reports_new(e);
    e->stream = (struct edge_stream){
        .calls = e->calls,
        .server_url = e->config->server_url,
        .parts = &e->parts,
        .settled = on_settled,
        .ctx = e,
    };
    edge_stream_start(&e->stream, &e->loop);
    r = open_parts(e, err);
    if (r == 0)
        uv_run(&e->loop, UV_RUN_DEFAULT);
    return r;
}

/* The parts end before what they report to. */
static void finish(struct edge *e)
{
    if (e->parts.instances)
        instances_free(e->parts.instances);
    if (e->parts.balancers)
        balancers_free(e->parts.balancers);
    imds_free(e->parts.imds);
    if (e->parts.resolver)
        resolver_free(e->parts.resolver);
    if (e->parts.router)
        router_free(e->parts.router);
    if (e->parts.reports)
        edge_stream_close(&e->stream);
    if (e->calls)
        server_calls_close(e->calls);
    if (e->has_loop) {
        uv_walk(&e->loop, close_handle, NULL);
        uv_run(&e->loop, UV_RUN_DEFAULT);
        if (uv_loop_close(&e->loop) < 0)
            log_line(LOG_WARN, "the event loop did not close", NULL);
    }
    server_calls_free(e->calls);
    report_queue_free(e->parts.reports);
    fd_close(&e->lock);
}

/* ---- */

static int check_config(const struct edge_config *c, struct error *err)
{
    if (geteuid() != 0)
        return fail(err, E_DENIED, "the edge makes networks: it must be root");
    if (str_empty(c->server_url) || str_empty(c->access_key_id) ||
        str_empty(c->secret_access_key))
        return fail(err, E_INVALID, "the edge needs a server's URL and credentials");
    if (str_empty(c->data_dir) || c->data_dir[0] != '/' || str_empty(c->run_dir) ||
        c->run_dir[0] != '/')
        return fail(err, E_INVALID, "data and run directory must be absolute paths");
    if (str_empty(c->run) || str_empty(c->public_pool))
        return fail(err, E_INVALID, "the edge needs a name and a pool of addresses");
    return 0;
}

/* A second edge on the same folders would fight the first one. */
static int lock_run(struct edge *e, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/edge.lock", e->config->run_dir);
    e->lock = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (e->lock < 0)
        return fail_errno(err, errno, "open '%s'", path.data);
    /* As with the agent's: a child of a killed edge may hold it until it executes. */
    for (int tries = 0; flock(e->lock, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            return fail(err, E_CONFLICT, "another edge works on '%s'",
                        e->config->run_dir);
        poll(NULL, 0, LOCK_PAUSE_MS);
    }
    return 0;
}

int edge_prepare(const struct edge_config *config, struct error *err)
{
    AUTO_STR vpc = STR_INIT;
    str_addf(&vpc, "%s/vpc", config->run_dir);
    int r = dir_make_all(vpc.data, 0755, err);
    return r < 0 ? r : mount_make_shared(vpc.data, err);
}

int edge_run(const struct edge_config *config, struct error *err)
{
    struct edge e = {.config = config, .lock = -1};
    struct pool pool;
    int r = check_config(config, err);
    if (r == 0)
        r = pool_parse(config->public_pool, &pool, err);
    if (r == 0)
        r = edge_prepare(config, err);
    if (r == 0)
        r = lock_run(&e, err);
    if (r == 0) {
        e.pool = pool_text(&pool);
        mallopt(M_ARENA_MAX, 2);
        log_line(LOG_INFO, "the edge begins", "version", GANTRY_VERSION, "server",
                 config->server_url, "run", config->run, "pool", e.pool.cidr, NULL);
        r = run(&e, err);
    }
    finish(&e);
    return r;
}

int edge_unname(const struct edge_config *config, struct error *err)
{
    struct part_paths p = {.arena = ARENA_INIT};
    fill_paths(&p, config, &(struct pool_text){0});
    int r = resolver_unname(&p.resolver, err);
    arena_free(&p.arena);
    return r;
}

static int remove_folders(const struct edge_config *c, struct error *err)
{
    static const char *const ours[] = {"vpc", "balancers", "instances", "names"};
    AUTO_STR path = STR_INIT;
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(ours) / sizeof(ours[0]); i++) {
        str_clear(&path);
        str_addf(&path, "%s/%s", c->run_dir, ours[i]);
        if (i == 0)
            r = mount_end_shared(path.data, err);
        if (r == 0)
            r = dir_remove_all(path.data, err);
    }
    return r;
}

/* Everything is tried, whatever failed before; the first failure is told. */
int edge_purge(const struct edge_config *config, struct error *err)
{
    struct part_paths p = {.arena = ARENA_INIT};
    struct pool pool;
    struct pool_text text = {0};
    struct error others;
    if (config->public_pool && pool_parse(config->public_pool, &pool, NULL) == 0)
        text = pool_text(&pool);
    fill_paths(&p, config, &text);
    int r = instances_purge(&p.instances, err);
    int next = balancers_purge(&p.balancers, r < 0 ? &others : err);
    r = r < 0 ? r : next;
    next = router_purge(&p.router, r < 0 ? &others : err);
    r = r < 0 ? r : next;
    next = resolver_purge(&p.resolver, r < 0 ? &others : err);
    r = r < 0 ? r : next;
    arena_free(&p.arena);
    return r < 0 ? r : remove_folders(config, err);
}
