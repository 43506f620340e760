/* agent.c: one agent from its first to its last moment. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include <uv.h>

#include "api_endpoint.h"
#include "clock.h"
#include "container_session.h"
#include "engine.h"
#include "fd.h"
#include "host_work.h"
#include "introspection.h"
#include "log.h"
#include "machine.h"
#include "metadata.h"
#include "server_calls.h"
#include "session.h"
#include "shared_dirs.h"
#include "str.h"
#include "upkeep.h"

#define IMDS_URL "http://169.254.169.254"

struct agent {
    struct agent_config config;
    uv_loop_t loop;
    uv_poll_t stop;
    uv_timer_t ending;
    struct host host;
    struct engine engine;
    struct session session;
    struct metadata metadata;
    struct api_endpoint api;
    struct introspection introspection;
    struct server_calls *calls;
    int lock;
    bool has_stop, is_ending, closed;
    bool renew; /* end with 1 */
};

void shared_dirs(const struct agent_config *config, const char *ret[static 3])
{
    ret[0] = config->data_dir;
    ret[1] = config->run_dir;
    ret[2] = NULL;
}

int agent_prepare(const struct agent_config *config, struct error *err)
{
    const char *shared[3];
    shared_dirs(config, shared);
    for (int i = 0; shared[i]; i++) {
        int r = dir_make_all(shared[i], 0700, err);
        if (r < 0)
            return r;
    }
    int r = cgroup_prepare_namespace(
        config->cgroup_root ? config->cgroup_root : CGROUP_ROOT, shared, err);
    return r < 0 ? r : 0; /* whether it had to make one is nobody's concern here */
}

/* ---- settings ---- */

static int check_config(const struct agent_config *c, struct error *err)
{
    if (geteuid() != 0)
        return fail(err, E_DENIED, "the agent runs containers: it must be root");
    if (str_empty(c->server_url) ||
        str_empty(c->access_key_id) != str_empty(c->secret_access_key))
        return fail(err, E_INVALID, "the agent needs a server's URL and credentials");
    if (str_empty(c->data_dir) || c->data_dir[0] != '/' || str_empty(c->run_dir) ||
        c->run_dir[0] != '/')
        return fail(err, E_INVALID, "data and run directory must be absolute paths");
    if (str_empty(c->run))
        return fail(err, E_INVALID, "the run needs a name");
    return 0;
}

static void fill_config(struct agent_config *c)
{
    if (!c->region)
        c->region = "us-east-1";
    if (c->cpu_units <= 0)
        c->cpu_units = machine_cpu_units();
    if (c->memory_mib <= 0)
        c->memory_mib = machine_memory_mib();
    if (c->share > 0) {
        c->cpu_units = c->cpu_units * c->share / 100;
        c->memory_mib = c->memory_mib * c->share / 100;
    }
    if (c->workers == 0)
        c->workers = 8;
}

#define LOCK_TRIES    50
#define LOCK_PAUSE_MS 20

/* A second agent on the same files would fight the first one. */
static int lock_data(struct agent *a, struct error *err)
{
    AUTO_STR path = STR_INIT;
    int r = dir_make_all(a->config.data_dir, 0700, err);
    if (r < 0)
        return r;
    str_addf(&path, "%s/lock", a->config.data_dir);
    a->lock = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock < 0)
        return fail_errno(err, errno, "open '%s'", path.data);
    /* An agent that was killed while it started a program leaves a child with this
     * descriptor, until that one has got as far as executing. */
    for (int tries = 0; flock(a->lock, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            return fail(err, E_CONFLICT, "another agent works on '%s'",
                        a->config.data_dir);
        poll(NULL, 0, LOCK_PAUSE_MS);
    }
    return 0;
}

static void size_workers(const struct agent_config *c)
{
    char n[16];
    snprintf(n, sizeof(n), "%u", c->workers);
    setenv("UV_THREADPOOL_SIZE", n, 1);
    mallopt(M_ARENA_MAX,
            2); /* workers come and go in memory; see docs/adr on footprints */
}

/* ---- the end ---- */

static void close_handle(uv_handle_t *h, void *arg)
{
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

/* When no job is under way: connections, timers, polls. Polls of containers are closed by
 * the walk too: their tasks are freed after the loop. */
static void close_all(struct agent *a)
{
    if (a->closed)
        return;
    a->closed = true;
    metadata_close(&a->metadata);
    introspection_close(&a->introspection);
    session_close(&a->session);
    server_calls_close(a->calls);
}

static void on_ending(uv_timer_t *t)
{
    struct agent *a = t->data;
    if (a->engine.jobs > 0)
        return;
    close_all(a);
    uv_stop(&a->loop);
}

static void end(struct agent *a)
{
    if (a->is_ending)
        return;
    log_line(LOG_INFO, "the agent ends; containers go on", NULL);
    a->is_ending = true;
    engine_stop(&a->engine);
    uv_timer_start(&a->ending, on_ending, 0, 5);
}

static void on_stop(uv_poll_t *p, int status, int events)
{
    struct agent *a = p->data;
    uv_poll_stop(p);
    a->renew = false;
    end(a);
}

static void renew(struct engine *e)
{
    struct agent *a = list_entry(e, struct agent, engine);
    a->renew = !a->is_ending;
    end(a);
}

static int open_loop(struct agent *a, struct error *err)
{
    if (uv_loop_init(&a->loop) < 0)
        return fail(err, E_IO, "no event loop");
    uv_timer_init(&a->loop, &a->ending);
    a->ending.data = a;
    if (a->config.stop_fd < 0)
        return 0;
    if (uv_poll_init(&a->loop, &a->stop, a->config.stop_fd) < 0)
        return fail(err, E_INVALID, "stop_fd %d can't be polled", a->config.stop_fd);
    a->stop.data = a;
    uv_poll_start(&a->stop, UV_READABLE, on_stop);
    return 0;
}

static int begin(struct agent *a, struct error *err)
{
    const struct agent_config *c = &a->config;
    struct server_config sc = {.name = "agent",
                               .url = c->server_url,
                               .region = c->region,
                               .access_key_id = c->access_key_id,
                               .secret_access_key = c->secret_access_key,
                               .session_token = c->session_token,
                               .role_url = c->access_key_id ? NULL : IMDS_URL};
    int r = server_calls_new(&a->loop, &sc, &a->calls, err);
    if (r < 0)
        return r;
    engine_init(&a->engine, &a->loop, &a->host, c);
    a->engine.calls = a->calls;
    introspection_open(&a->introspection, &a->engine);
    a->engine.renew = renew;
    a->engine.sessions = container_sessions_new(&a->config, a->host.runtime);
    a->engine.metadata = &a->metadata;
    a->engine.api = &a->api;
    metadata_open(&a->metadata, &a->engine); /* before anything is started */
    api_endpoint_open(&a->api, &a->engine);
    r = engine_load(&a->engine, err);
    if (r < 0)
        return r;
    upkeep_start(&a->engine);
    session_start(&a->session, &a->engine);
    return 0;
}

static void drain(struct agent *a)
{
    uv_walk(&a->loop, close_handle, NULL);
    uv_run(&a->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&a->loop) < 0)
        log_line(LOG_WARN, "the event loop did not close", NULL);
}

static void log_begin(const struct agent_config *c)
{
    char workers[16];
    snprintf(workers, sizeof(workers), "%u", c->workers);
    log_line(LOG_INFO, "the agent begins", "version", GANTRY_VERSION, "server",
             c->server_url, "data", c->data_dir, "run", c->run, "workers", workers, NULL);
}

int agent_run(const struct agent_config *config, struct error *err)
{
    int r = check_config(config, err);
    if (r < 0)
        return r;
    struct agent *a = xcalloc(1, sizeof(*a));
    a->config = *config;
    a->lock = -1;
    fill_config(&a->config);
    size_workers(&a->config);
    r = lock_data(a, err);
    if (r >= 0)
        r = host_open(&a->host, &a->config, err);
    if (r < 0) {
        fd_close(&a->lock);
        free(a);
        return r;
    }
    log_begin(&a->config);
    r = open_loop(a, err);
    if (r >= 0)
        r = begin(a, err);
    if (r >= 0)
        uv_run(&a->loop, UV_RUN_DEFAULT);
    metadata_close(&a->metadata);
    introspection_close(&a->introspection);
    drain(a);
    engine_fini(&a->engine);
    session_fini(&a->session);
    container_sessions_free(a->engine.sessions);
    server_calls_free(a->calls);
    host_close(&a->host);
    fd_close(&a->lock);
    int result = r < 0 ? r : a->renew;
    free(a);
    return result;
}
