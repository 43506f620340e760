/* purge.c: ends and removes everything of a run, whoever is still alive of it. */
#include <stdlib.h>

#include "agent.h"
#include "cgroup.h"
#include "fd.h"
#include "net.h"
#include "overlay.h"
#include "runtime.h"
#include "shared_dirs.h"
#include "str.h"
#include "task_space.h"
#include "volume_place.h"

struct names {
    struct arena a;
    const char **v;
    size_t n, cap;
};

static void note(void *arg, const char *id)
{
    struct names *l = arg;
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 32;
        l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
    }
    l->v[l->n++] = arena_strdup(&l->a, id);
}

static int note_root(void *ctx, const char *id, bool mounted, struct error *err)
{
    note(ctx, id);
    return 0;
}

static void names_fini(struct names *l)
{
    free(l->v);
    arena_free(&l->a);
}

static int purge_containers(const struct agent_config *c, const struct cgroups *cg,
                            struct error *err)
{
    struct runtime *rt;
    struct names l = {0};
    struct runtime_config rc = {.run_dir = c->run_dir,
                                .runtime_path = c->runtime_path,
                                .conmon_path = c->conmon_path,
                                .cgroups = *cg};
    int r = runtime_open(&rc, &rt, err);
    if (r < 0)
        return r;
    r = runtime_each(rt, note, &l, err);
    for (size_t i = 0; i < l.n && r >= 0; i++)
        r = runtime_remove(rt, l.v[i], err);
    names_fini(&l);
    runtime_free(rt);
    return r;
}

static int purge_roots(const struct agent_config *c, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    struct names l = {0};
    str_addf(&dir, "%s/roots", c->data_dir);
    int r = overlay_list(dir.data, note_root, &l, err);
    for (size_t i = 0; i < l.n && r >= 0; i++)
        r = overlay_release(dir.data, l.v[i], err);
    names_fini(&l);
    return r == -E_NOTFOUND ? 0 : r;
}

int agent_purge(const struct agent_config *config, struct error *err)
{
    struct cgroups cg;
    const char *shared[3];
    struct net_config nc = {
        .run_dir = config->run_dir, .run = config->run, .subnet = config->subnet};
    int r = cgroups_open(config->cgroup_root ? config->cgroup_root : CGROUP_ROOT,
                         config->run, &cg, err);
    if (r >= 0)
        r = purge_containers(config, &cg, err);
    if (r >= 0)
        r = net_purge(&nc, err);
    if (r >= 0)
        r = purge_roots(config, err);
    if (r >= 0)
        r = task_space_sweep(config->run_dir, NULL, NULL, err);
    if (r >= 0)
        r = volume_place_purge(config->data_dir, err);
    if (r >= 0)
        r = cgroup_purge(&cg, 10000, err);
    if (r >= 0) {
        shared_dirs(config, shared);
        r = cgroup_release_namespace(shared, err);
    }
    if (r >= 0)
        r = dir_remove_all(config->data_dir, err);
    if (r >= 0)
        r = dir_remove_all(config->run_dir, err);
    return r < 0 ? wrap(err, "purging run '%s'", config->run) : 0;
}
