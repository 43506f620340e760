#include "balancer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "balancer_net.h"
#include "fd.h"
#include "log.h"

#define FILE_MAX_BYTES (64 * 1024 * 1024)

struct balancer *balancer_new(const struct balancer_host *h, const char *arn)
{
    struct balancer *b = xcalloc(1, sizeof(*b));
    AUTO_STR text = STR_INIT;
    b->arn = xstrdup(arn);
    balancer_id(arn, b->id);
    str_addf(&text, "%s/%s", h->dir, b->id);
    b->dir = xstrdup(str_text(&text));
    str_add(&text, "/netns");
    b->netns = xstrdup(str_text(&text));
    b->process = (struct balancer_process)BALANCER_PROCESS_INIT;
    b->process.dir = b->dir;
    b->process.netns = b->netns;
    b->process.haproxy = h->haproxy;
    b->process.user = h->user;
    return b;
}

void balancer_free(struct balancer *b)
{
    balancer_runtime_forget(b);
    balancer_process_forget(&b->process);
    arena_free(&b->arena);
    str_free(&b->reason);
    free(b->netns);
    free(b->dir);
    free(b->arn);
    free(b);
}

/* ---- files ---- */

static void path_of(const struct balancer *b, const char *name, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/%s", b->dir, name);
}

static void read_file(const struct balancer *b, const char *name, struct str *ret)
{
    AUTO_STR path = STR_INIT;
    path_of(b, name, &path);
    if (file_read(AT_FDCWD, str_text(&path), FILE_MAX_BYTES, ret, NULL) < 0)
        str_clear(ret);
}

/* Readable for HAProxy's user and nobody else: keys are among them. */
static int write_file(const struct balancer *b, const char *name, const char *text,
                      struct error *err)
{
    AUTO_STR path = STR_INIT;
    path_of(b, name, &path);
    int r = file_replace(str_text(&path), text, strlen(text), 0640, 0, err);
    if (r == 0 && lchown(str_text(&path), 0, b->process.user.gid) < 0)
        r = fail_errno(err, errno, "give '%s' to HAProxy", str_text(&path));
    return r;
}

static int write_files(const struct balancer *b, const struct balancer_config *config,
                       struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < config->count; i++) {
        AUTO_STR before = STR_INIT;
        read_file(b, config->files[i].name, &before);
        if (!streq(str_text(&before), config->files[i].text) || before.len == 0)
            r = write_file(b, config->files[i].name, config->files[i].text, err);
    }
    return r;
}

static bool is_ours(const char *name)
{
    static const char *const ends[] = {".map", ".list", ".pem", ".body", ".http"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (str_ends(name, ends[i]))
            return true;
    return false;
}

/* Old workers hold what they read in memory. */
static void remove_stale_files(const struct balancer *b,
                               const struct balancer_config *config)
{
    DIR *d = opendir(b->dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t i = 0;
        while (i < config->count && !streq(config->files[i].name, e->d_name))
            i++;
        if (i == config->count && is_ours(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

static void note_structure(struct balancer *b, uint64_t structure)
{
    char text[32];
    b->structure = structure;
    snprintf(text, sizeof(text), "%016llx\n", (unsigned long long)structure);
    write_file(b, "structure", text, NULL);
}

/* ---- adoption ---- */

void balancer_adopt(struct balancer *b,
                    void (*found)(void *ctx, const char *server, bool up), void *ctx)
{
    struct error err = ERROR_INIT;
    AUTO_STR text = STR_INIT;
    if (balancer_process_adopt(&b->process, &err) < 0)
        return;
    if (balancer_runtime_read(b, &err) < 0) {
        balancer_process_stop(&b->process);
        return;
    }
    read_file(b, "structure", &text);
    b->structure = strtoull(str_text(&text), NULL, 16);
    for (struct balancer_running_server *s = b->running; s; s = s->hh.next)
        found(ctx, s->name, s->up);
}

/* ---- making it so ---- */

static int make_dir(const struct balancer *b, struct error *err)
{
    int r = dir_make_all(b->dir, 0711, err);
    if (r < 0)
        return r;
    if (lchown(b->dir, 0, b->process.user.gid) < 0 || chmod(b->dir, 0750) < 0)
        return fail_errno(err, errno, "give '%s' to HAProxy", b->dir);
    return 0;
}

static int make_net(struct balancer *b, const struct balancer_host *h, struct error *err)
{
    if (b->net_ready)
        return 0;
    int r = make_dir(b, err);
    if (r == 0)
        r = balancer_net_make(h->place, b->netns, &b->b->interfaces, err);
    b->net_ready = r == 0;
    return r;
}

static size_t servers_of(struct arena *a, struct balancer_group *g,
                         const struct balancer_server **ret)
{
    size_t n = 0;
    struct balancer_server *list =
        arena_new_array(a, struct balancer_server, HASH_COUNT(g->targets) + 1);
    for (struct balancer_target *t = g->targets; t; t = t->hh.next) {
        memcpy(list[n].name, t->server, sizeof(t->server));
        list[n].address = t->address;
        list[n].port = t->port;
        list[n++].up = t->up;
    }
    *ret = list;
    return n;
}

static int render(struct arena *a, const struct balancer *b,
                  const struct balancer_host *h, struct balancer_group *groups,
                  struct balancer_config *ret, struct error *err)
{
    const char **arns;
    size_t n = balancer_config_groups(a, b->b, &arns);
    struct balancer_backend *backends =
        arena_new_array(a, struct balancer_backend, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct balancer_group *g;
        HASH_FIND_STR(groups, arns[i], g);
        backends[i] =
            (struct balancer_backend){.arn = arns[i], .group = g ? g->group : NULL};
        if (g && g->group)
            backends[i].server_count = servers_of(a, g, &backends[i].servers);
    }
    struct balancer_view view = {.balancer = b->b,
                                 .backends = backends,
                                 .backend_count = n,
                                 .dir = b->dir,
                                 .threads = h->threads,
                                 .max_connections = h->max_connections};
    return balancer_config_render(a, &view, ret, err);
}

static int start(struct balancer *b, const struct balancer_config *config,
                 struct balancer_group *groups, struct error *err)
{
    int r = write_files(b, config, err);
    if (r == 0)
        r = balancer_process_check(&b->process, err);
    if (r == 0)
        r = balancer_process_start(&b->process, err);
    if (r < 0)
        return r;
    remove_stale_files(b, config);
    note_structure(b, config->structure);
    balancer_runtime_reset(b, groups);
    log_line(LOG_INFO, "load balancer serves", "balancer", b->arn, NULL);
    return 0;
}

static int reload(struct balancer *b, const struct balancer_config *config,
                  struct balancer_group *groups, struct error *err)
{
    struct error ignored = ERROR_INIT;
    /* What is gone has connections in the worker that now becomes an old one. */
    balancer_runtime_servers(b, groups, &ignored);
    int r = write_files(b, config, err);
    if (r == 0)
        r = balancer_process_check(&b->process, err);
    if (r == 0)
        r = balancer_process_reload(&b->process, err);
    if (r < 0)
        return r;
    remove_stale_files(b, config);
    note_structure(b, config->structure);
    balancer_runtime_reset(b, groups);
    return 0;
}

/* Shares and certificates. Files first, so that whatever fails later a reload is right. */
static int exchange_files(struct balancer *b, const struct balancer_config *config,
                          struct error *err)
{
    int r = 0;
    for (size_t i = 1; r == 0 && i < config->count; i++) {
        const struct balancer_file *f = &config->files[i];
        AUTO_STR before = STR_INIT;
        read_file(b, f->name, &before);
        if (streq(str_text(&before), f->text))
            continue;
        r = write_file(b, f->name, f->text, err);
        if (r == 0 && f->kind == BALANCER_MAP)
            r = balancer_runtime_map(b, f, err);
        if (r == 0 && f->kind == BALANCER_LIST)
            r = balancer_runtime_list(b, config, f, str_text(&before), err);
    }
    return r;
}

int balancer_sync_servers(struct balancer *b, struct balancer_group *groups,
                          struct error *err)
{
    return balancer_runtime_servers(b, groups, err);
}

int balancer_make(struct balancer *b, const struct balancer_host *h,
                  struct balancer_group *groups, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct balancer_config config = {0};
    struct error ignored = ERROR_INIT;
    int r = make_net(b, h, err);
    if (r == 0)
        r = render(&a, b, h, groups, &config, err);
    if (r < 0)
        return r;
    if (balancer_process_ended(&b->process))
        return start(b, &config, groups, err);
    if (config.structure != b->structure)
        return reload(b, &config, groups, err);
    if (exchange_files(b, &config, &ignored) < 0)
        return reload(b, &config, groups, err);
    r = balancer_runtime_servers(b, groups, err);
    if (r < 0 && r != -E_AGAIN)
        return reload(b, &config, groups, err);
    return r;
}

void balancer_remove(struct balancer *b, const struct balancer_host *h)
{
    struct error err = ERROR_INIT;
    balancer_process_stop(&b->process);
    balancer_net_remove(h->place, b->netns, b->b ? &b->b->interfaces : NULL);
    if (dir_remove_all(b->dir, &err) < 0)
        log_line(LOG_WARN, "a load balancer's files stay", "dir", b->dir, "error",
                 err.text, NULL);
}
