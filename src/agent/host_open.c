/* host_open.c: opens the parts of src/host for one agent, and removes what no task has. */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fargate_rule.h"
#include "fd.h"
#include "firelens.h"
#include "host_work.h"
#include "log.h"
#include "overlay.h"
#include "str.h"
#include "task_space.h"
#include "volume_place.h"

static int make_folders(struct host *h, struct error *err)
{
    static const char *const below[] = {"tasks", "images", "roots", "volumes"};
    AUTO_STR path = STR_INIT;
    int r = dir_make_all(h->config->run_dir, 0700, err);
    for (size_t i = 0; i < sizeof(below) / sizeof(below[0]) && r >= 0; i++) {
        str_clear(&path);
        str_addf(&path, "%s/%s", h->config->data_dir, below[i]);
        r = dir_make_all(path.data, 0700, err);
    }
    return r;
}

static int open_images(struct host *h, struct error *err)
{
    const struct agent_config *c = h->config;
    struct registry_client_config rc = {.ecr_url = c->registry_url ? c->registry_url
                                                                   : c->server_url,
                                        .ca_file = c->ca_file,
                                        .insecure_registries = c->insecure_registries};
    int r = registry_client_new(&rc, &h->registry, err);
    if (r < 0)
        return r;
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/images", c->data_dir);
    struct image_store_config ic = {.dir = dir.data, .registry = h->registry};
    return image_store_open(&ic, &h->images, err);
}

static void open_net(struct host *h)
{
    struct net_config nc = {.run_dir = h->config->run_dir,
                            .run = h->config->run,
                            .subnet = h->config->subnet,
                            .port_low = h->config->port_low,
                            .port_high = h->config->port_high};
    if (net_open(&nc, &h->net, &h->net_error) >= 0)
        return;
    h->net = NULL;
    log_line(LOG_ERROR, "no network for tasks: only networkMode host works", "error",
             h->net_error.text, NULL);
}

/* A container's hard limit can't be above ours, unless we may raise that. */
static int64_t nofile_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_max >= FARGATE_NOFILE)
        return FARGATE_NOFILE;
    struct rlimit raised = {l.rlim_cur, FARGATE_NOFILE};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? FARGATE_NOFILE : (int64_t)l.rlim_max;
}

int host_open(struct host *h, const struct agent_config *config, struct error *err)
{
    memset(h, 0, sizeof(*h));
    h->config = config;
    h->nofile = nofile_limit();
    snprintf(h->roots, sizeof(h->roots), "%s/roots", config->data_dir);
    int r = make_folders(h, err);
    if (r >= 0)
        r = cgroups_open(config->cgroup_root ? config->cgroup_root : CGROUP_ROOT,
                         config->run, &h->cgroups, err);
    if (r >= 0 && config->cgroup_parent)
        r = cgroups_nest(&h->cgroups, config->cgroup_parent, err);
    struct runtime_config rt = {.run_dir = config->run_dir,
                                .runtime_path = config->runtime_path,
                                .conmon_path = config->conmon_path,
                                .cgroups = h->cgroups};
    if (r >= 0)
        r = runtime_open(&rt, &h->runtime, err);
    if (r >= 0)
        r = open_images(h, err);
    if (r < 0) {
        host_close(h);
        return r;
    }
    open_net(h);
    return 0;
}

void host_close(struct host *h)
{
    firelens_stop_all();
    image_store_close(h->images);
    registry_client_free(h->registry);
    if (h->net)
        net_free(h->net);
    if (h->runtime)
        runtime_free(h->runtime);
    h->images = NULL;
    h->registry = NULL;
    h->net = NULL;
    h->runtime = NULL;
}

/* ---- what belongs to nobody ---- */

struct sweep {
    bool (*known)(void *ctx, const char *id);
    void *ctx;
    struct arena arena;
    const char **ids;
    size_t n, cap;
};

/* Only collects: removing while a directory is read would change what is read. */
static void note(void *arg, const char *id)
{
    struct sweep *s = arg;
    if (s->known(s->ctx, id))
        return;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->ids = xrealloc(s->ids, s->cap * sizeof(*s->ids));
    }
    s->ids[s->n++] = arena_strdup(&s->arena, id);
}

static int note_root(void *ctx, const char *id, bool mounted, struct error *err)
{
    note(ctx, id);
    return 0;
}

static void sweep_fini(struct sweep *s)
{
    free(s->ids);
    arena_free(&s->arena);
}

static void remove_all(struct host *h, const struct sweep *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct error e = ERROR_INIT;
        log_line(LOG_INFO, "removing what belongs to no task", "container", s->ids[i],
                 NULL);
        int r = runtime_remove(h->runtime, s->ids[i], &e);
        if (r >= 0 && h->net)
            r = net_detach(h->net, s->ids[i], &e);
        if (r >= 0)
            r = overlay_release(h->roots, s->ids[i], &e);
        if (r < 0)
            log_line(LOG_ERROR, "can't remove it", "container", s->ids[i], "error",
                     e.text, NULL);
    }
}

static int sweep_groups(struct host *h, bool (*known_task)(void *, const char *),
                        void *ctx, struct error *err)
{
    struct sweep s = {.known = known_task, .ctx = ctx};
    int r = cgroup_each_task(&h->cgroups, note, &s, err);
    for (size_t i = 0; i < s.n && r >= 0; i++) {
        r = cgroup_kill(&h->cgroups, s.ids[i], NULL, 10000, err);
        if (r >= 0)
            r = cgroup_remove(&h->cgroups, s.ids[i], NULL, err);
    }
    sweep_fini(&s);
    return r == -E_NOTFOUND ? 0 : r;
}

struct either {
    bool (*known)(void *ctx, const char *container_id);
    bool (*known_task)(void *ctx, const char *task_id);
    void *ctx;
};

/* A network may be a task's or a container's. */
static bool either_known(void *ctx, const char *id)
{
    const struct either *e = ctx;
    return e->known(e->ctx, id) || e->known_task(e->ctx, id);
}

int work_sweep(struct host *h, bool (*known)(void *ctx, const char *container_id),
               bool (*known_task)(void *ctx, const char *task_id), void *ctx,
               struct error *err)
{
    struct either either = {known, known_task, ctx};
    struct sweep s = {.known = either_known, .ctx = &either};
    int r = runtime_each(h->runtime, note, &s, err);
    if (r >= 0 && h->net)
        r = net_each(h->net, note, &s, err);
    if (r >= 0)
        r = overlay_list(h->roots, note_root, &s, err);
    remove_all(h, &s);
    sweep_fini(&s);
    if (r >= 0)
        r = task_space_sweep(h->config->run_dir, known_task, ctx, err);
    if (r >= 0)
        r = volume_place_sweep(h->config->data_dir, known_task, ctx, err);
    if (r >= 0)
        r = sweep_groups(h, known_task, ctx, err);
    if (r >= 0)
        r = image_unpin_dead(h->images, known, ctx, err);
    return r;
}
