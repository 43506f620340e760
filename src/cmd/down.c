/* `gantry down [--purge]`: ends a run, whatever became of it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_settings.h"
#include "clock.h"
#include "command.h"
#include "edge_settings.h"
#include "fd.h"
#include "run_lock.h"
#include "run_record.h"

#define STOP_PATIENCE_MS 60000
#define PROGRESS_MS      3000
#define DEFAULT_DATA_DIR "/var/lib/gantry"

static void progress(const char *text)
{
    fprintf(stderr, "gantry: %s\n", text);
}

/* Where the run says that its data are; an explicit --data-dir must not differ from it. */
static int choose_data_dir(struct options *o, const struct run_record *rec,
                           struct error *err)
{
    if (str_empty(rec->data_dir) || streq(o->data_dir, rec->data_dir))
        return 0;
    if (!streq(o->data_dir, DEFAULT_DATA_DIR))
        return fail(err, E_CONFLICT, "the run in '%s' has its data in '%s', not in '%s'",
                    o->run_dir, rec->data_dir, o->data_dir);
    o->data_dir = rec->data_dir;
    return 0;
}

static int wait_for_end(const struct process_id *up, int pidfd, struct error *err)
{
    int64_t until = clock_mono_ns() + STOP_PATIENCE_MS * INT64_C(1000000);
    while (!process_wait(pidfd, PROGRESS_MS)) {
        if (clock_mono_ns() < until) {
            progress("waiting for agents, edge and server to end …");
            continue;
        }
        progress("it does not end and is killed");
        pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        if (!process_wait(pidfd, 10000))
            return fail(err, E_TIMEOUT, "process %d does not end", (int)up->pid);
    }
    return 0;
}

/* 1 when there was something to end. */
static int stop_run(const struct run_record *rec, struct error *err)
{
    AUTO_FD pidfd = -1;
    int found = 0;
    int r = process_open(&rec->up, &pidfd, err);
    if (r < 0 && r != -E_NOTFOUND)
        return r;
    if (r == 0) {
        found = 1;
        if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
            return fail_errno(err, errno, "ending process %d", (int)rec->up.pid);
        if ((r = wait_for_end(&rec->up, pidfd, err)) < 0)
            return r;
    }
    return found;
}

/* Parts whose supervisor was killed. */
static int stop_orphans(const struct run_record *rec, struct error *err)
{
    int found = 0;
    for (enum part_id p = PART_COUNT; p-- > 0;) {
        found |= process_alive(&rec->parts[p]);
        int r = process_end(&rec->parts[p], STOP_PATIENCE_MS, err);
        if (r < 0)
            return r;
    }
    return found;
}

/* ---- purge ---- */

static int remove_dir(const char *path, struct error *err)
{
    int r = dir_remove_all(path, err);
    return r < 0 ? wrap(err, "removing '%s'", path) : 0;
}

static int purge_agent(struct options *o, const struct layout *l, struct error *err)
{
    struct agent_config config;
    int r = agent_settings_fill(o, l, &config, err);
    if (r == 0)
        r = agent_prepare(&config, err);
    if (r >= 0)
        r = agent_purge(&config, err);
    return r < 0 ? wrap(err, "removing what the agent made") : 0;
}

static void edge_of_run(struct options *o, const struct layout *l,
                        const struct run_record *rec, struct edge_config *ret)
{
    struct pool pool;
    if (!str_empty(rec->hosts_file))
        o->hosts_file = rec->hosts_file;
    if (pool_read(l->public_pool_path, &pool, NULL) == 0)
        o->public_pool = arena_strdup(&o->arena, pool_text(&pool).cidr);
    edge_settings_fill(o, l, ret);
    ret->server_url = str_empty(rec->url) ? NULL : rec->url;
}

/* While this process is still in the machine's mount namespace: see purge_pool(). */
static int purge_edge(struct options *o, const struct layout *l,
                      const struct run_record *rec, struct error *err)
{
    struct edge_config config;
    const struct pool_place place = edge_pool_place(l);
    edge_of_run(o, l, rec, &config);
    int r = edge_purge(&config, err);
    if (r == 0)
        r = pool_release(&place, err);
    return r < 0 ? wrap(err, "removing networks and load balancers") : 0;
}

/* Names of load balancers lead nowhere that is looked after from now on. */
static int unname(struct options *o, struct layout *l, const struct run_record *rec,
                  struct error *err)
{
    struct edge_config config;
    if (str_empty(rec->hosts_file) || layout_read_id(l, NULL) < 0)
        return 0;
    edge_of_run(o, l, rec, &config);
    return edge_unname(&config, err);
}

/* In a process of its own: agent_prepare() takes this one into a namespace that is made
 * for one agent. */
static int purge_pool(struct options *o, const struct layout *l, struct error *err)
{
    const struct layout pool = layout_of_pool(l);
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return fail_errno(err, errno, "fork");
    if (pid == 0) {
        int r = purge_agent(o, &pool, err);
        if (r < 0)
            progress(err->text);
        _exit(r < 0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status ? fail(err, E_EXEC, "what Fargate's agent made could not be removed")
                  : 0;
}

static int purge(struct options *o, struct layout *l, const struct run_record *rec,
                 struct error *err)
{
    int r = layout_read_id(l, err);
    if (r == -E_NOTFOUND && access(l->data_dir, F_OK) == 0 && rmdir(l->data_dir) < 0)
        return fail(err, E_CONFLICT,
                    "'%s' is not gantry's (it has no run-id); nothing was "
                    "removed",
                    l->data_dir);
    if (r < 0 && r != -E_NOTFOUND)
        return r;
    if (r == -E_NOTFOUND && !str_empty(rec->run_id) && strlen(rec->run_id) == 8)
        layout_set_id(l, rec->run_id); /* the data are gone already */
    if (*l->run_id) {
        progress("removing containers, networks and data …");
        r = purge_pool(o, l, err);
        if (r == 0)
            r = purge_edge(o, l, rec, err);
        if (r == 0)
            r = purge_agent(o, l, err);
        if (r < 0)
            return r;
    }
    /* The run's id goes last: after a crash in between, purge still knows its own. */
    r = remove_dir(l->server_dir, err);
    if (r == 0)
        r = remove_dir(l->agent_dir, err);
    if (r == 0)
        r = remove_dir(l->pool_dir, err);
    if (r == 0)
        r = remove_dir(l->data_dir, err);
    if (r == 0 && access(l->lock_path, F_OK) == 0)
        r = remove_dir(l->run_dir, err);
    return r;
}

int down_command(struct options *o, struct error *err)
{
    struct layout l;
    struct run_record rec = {0};
    struct run_lock lock = RUN_LOCK_INIT;
    if (geteuid() != 0)
        return fail(err, E_DENIED, "down needs root: sudo gantry down");
    layout_init(&l, o);
    int r = run_record_read(l.record_path, &o->arena, &rec, err);
    bool known = r == 0;
    if (r < 0 && r != -E_NOTFOUND && r != -E_CORRUPT)
        return r;
    r = choose_data_dir(o, &rec, err);
    layout_init(&l, o);
    int found = r == 0 ? stop_run(&rec, err) : r;
    if (found < 0)
        return found;
    /* From here on no new `up` may come between. */
    if (access(l.run_dir, F_OK) == 0 && (r = run_lock_take(&l, &lock, err)) < 0)
        return r;
    if (known && run_record_read(l.record_path, &o->arena, &rec, err) == 0) {
        r = stop_orphans(&rec, err);
        if (r < 0)
            return r;
        found |= r;
    }
    if (!found)
        progress(o->purge ? "nothing runs here; removing what was left"
                          : "nothing runs here");
    r = o->purge ? purge(o, &l, &rec, err) : unname(o, &l, &rec, err);
    run_lock_release(&lock);
    return r < 0 ? r : 0;
}
