/* `gantry up`: checks, takes over from a run that was killed, supervises. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "edge_settings.h"
#include "fd.h"
#include "program.h"
#include "ready.h"
#include "run_lock.h"
#include "str.h"
#include "supervisor.h"

#define ORPHAN_PATIENCE_MS 20000

static int check_programs(const struct options *o, struct error *err)
{
    const struct {
        const char *name, *package;
    } needed[] = {
        {o->runtime ? o->runtime : "crun", "crun"},
        {o->conmon ? o->conmon : "conmon", "conmon"},
        {"nft", "nftables"},
        {o->haproxy ? o->haproxy : "haproxy", "haproxy"},
        {o->dnsmasq ? o->dnsmasq : "dnsmasq", "dnsmasq-base"},
    };
    size_t count = sizeof(needed) / sizeof(needed[0]) - (o->no_edge ? 2 : 0);
    for (size_t i = 0; i < count; i++)
        if (!program_find(needed[i].name, NULL))
            return fail(
                err, E_NOTFOUND,
                "the program '%s' is missing: apt-get install %s; 'gantry doctor' "
                "checks everything",
                needed[i].name, needed[i].package);
    return 0;
}

/* Parts of a killed supervisor were told to end by the kernel; see that they did. */
static int end_orphans(const struct layout *l, struct options *o, struct error *err)
{
    struct run_record rec;
    int r = run_record_read(l->record_path, &o->arena, &rec, err);
    if (r == -E_NOTFOUND || r == -E_CORRUPT)
        return 0;
    for (enum part_id p = PART_COUNT; r == 0 && p-- > 0;)
        r = process_end(&rec.parts[p], ORPHAN_PATIENCE_MS, err);
    return r;
}

/* Before any part starts, as all of them must see what is mounted there. */
static int prepare_edge(struct options *o, const struct layout *l, struct error *err)
{
    struct edge_config config;
    struct pool pool;
    const struct pool_place place = edge_pool_place(l);
    if (o->no_edge) {
        o->public_pool = NULL;
        return 0;
    }
    int r = pool_settle(&place, o->public_pool, &pool, err);
    if (r < 0)
        return r;
    o->public_pool = arena_strdup(&o->arena, pool_text(&pool).cidr);
    edge_settings_fill(o, l, &config);
    return edge_prepare(&config, err);
}

static int prepare(struct options *o, struct layout *l, struct run_lock *lock,
                   struct error *err)
{
    struct server_user user;
    if (geteuid() != 0)
        return fail(err, E_DENIED,
                    "up makes containers and networks and needs root: sudo "
                    "gantry up");
    int r = check_programs(o, err);
    if (r == 0)
        r = server_user_find(o->user, &user, err);
    layout_init(l, o);
    if (r == 0)
        r = layout_make_run_dir(l, err);
    if (r == 0)
        r = run_lock_take(l, lock, err);
    if (r == 0)
        r = layout_make(l, &user, err);
    if (r == 0)
        r = run_lock_take_data(l, lock, err);
    if (r == 0)
        r = end_orphans(l, o, err);
    return r == 0 ? prepare_edge(o, l, err) : r;
}

/* ---- in the foreground ---- */

static void print_ready(void *ctx, const char *url)
{
    printf("gantry ready: %s\n", url);
    fflush(stdout);
}

/* ---- detached: the parent waits for one line and returns ---- */

static void tell_parent(void *ctx, const char *url)
{
    ready_say(*(int *)ctx, url);
    *(int *)ctx = -1;
}

static int open_log(const struct layout *l, struct error *err)
{
    AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
    AUTO_FD log =
        open(l->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (null < 0 || log < 0)
        return fail_errno(err, errno, "open '%s'", l->log_path);
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    return 0;
}

static int run_detached(struct options *o, struct layout *l, int tell, struct error *err)
{
    setsid();
    struct supervisor_config config = {
        .options = o, .layout = l, .watch_fd = tell, .ready = tell_parent, .ctx = &tell};
    int r = open_log(l, err);
    if (r == 0)
        r = supervisor_run(&config, err);
    if (r < 0) {
        log_line(LOG_ERROR, "up ends", "error", err->text, NULL);
        ready_failed(tell, r, err);
    }
    return r < 0 ? 1 : 0;
}

/* Its line: ready or failed. Nothing at all: it died. */
static int hear_child(int fd, const struct layout *l, struct error *err)
{
    char buf[READY_LINE_MAX + 1];
    size_t len = 0;
    ssize_t n;
    while (len < READY_LINE_MAX && (n = read(fd, buf + len, READY_LINE_MAX - len)) != 0) {
        if (n < 0 && errno != EINTR)
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    buf[len] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
    if (str_starts(buf, "ready ")) {
        print_ready(NULL, buf + strlen("ready "));
        return 0;
    }
    if (str_starts(buf, "failed "))
        return fail(err, E_EXEC, "%s", buf + strlen("failed "));
    return fail(err, E_EXEC, "it ended before it was ready; see '%s'", l->log_path);
}

static int detach(struct options *o, struct layout *l, struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail_errno(err, errno, "pipe");
    pid_t pid = fork();
    if (pid < 0)
        return fail_errno(err, errno, "fork");
    if (pid == 0) {
        close(ends[0]);
        return run_detached(o, l, ends[1], err);
    }
    close(ends[1]);
    int r = hear_child(ends[0], l, err);
    close(ends[0]);
    return r;
}

int up_command(struct options *o, struct error *err)
{
    struct layout l;
    struct run_lock lock = RUN_LOCK_INIT;
    prctl(PR_SET_NAME, "gantry-up");
    umask(022);
    log_init("up", o->log_level);
    int r = prepare(o, &l, &lock, err);
    if (r == 0 && o->detach) {
        r = detach(o, &l, err);
    } else if (r == 0) {
        struct supervisor_config config = {
            .options = o, .layout = &l, .watch_fd = -1, .ready = print_ready};
        r = supervisor_run(&config, err);
    }
    run_lock_release(&lock);
    return r;
}
