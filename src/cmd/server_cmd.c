/* `gantry server`: the server in this process. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "command.h"
#include "layout.h"
#include "ready.h"
#include "server.h"
#include "signal_action.h"

static void on_stop_signal(int signo)
{
    server_stop();
}

static void stop_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(how, &set, NULL);
}

/* server_stop() works from here on. Every thread was made with these signals blocked, so
 * they come to the thread that waits in server_run(). */
static void on_ready(void *ctx, const char *url)
{
    struct options *o = ctx;
    signal_action(SIGTERM, on_stop_signal);
    signal_action(SIGINT, on_stop_signal);
    stop_signals(SIG_UNBLOCK);
    ready_say(o->ready_fd, url);
}

/* Keys and secrets are in this process's memory: it leaves no core file, and others of its
 * user may not look into it. After the change of user, which the kernel answers with its
 * own choice. */
static int memory_hide(struct error *err)
{
    static const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return fail_errno(err, errno, "forbid core files");
    return 0;
}

static int prepare(struct options *o, struct layout *l, struct error *err)
{
    struct server_user user;
    layout_init(l, o);
    int r = server_user_find(o->user, &user, err);
    if (r == 0)
        r = layout_make(l, &user, err);
    if (r == 0)
        r = server_user_become(&user, err);
    if (r == 0)
        r = server_user_reaches(l->server_dir, err);
    if (r == 0)
        r = memory_hide(err);
    return r;
}

/* Before the change of user: the file is root's as a rule. */
static int upstream_keys(const struct options *o, struct root_keys *ret,
                         struct error *err)
{
    if (!o->s3_upstream)
        return 0;
    if (!o->s3_upstream_keys)
        return fail(err, E_INVALID, "--s3-upstream needs --s3-upstream-keys");
    int r = root_keys_read(o->s3_upstream_keys, ret, err);
    return r < 0 ? wrap(err, "--s3-upstream-keys") : 0;
}

int server_command(struct options *o, struct error *err)
{
    struct layout l;
    struct root_keys keys = {0};
    prctl(PR_SET_NAME, "gantry-server");
    log_init("server", o->log_level);
    stop_signals(SIG_BLOCK);
    signal_action(SIGPIPE, SIG_IGN);
    int r = upstream_keys(o, &keys, err);
    if (r == 0)
        r = prepare(o, &l, err);
    umask(077);
    if (r == 0) {
        struct server_config config = {
            .data_dir = l.server_dir,
            .listen = o->listen,
            .region = o->region,
            .account_id = o->account_id,
            .public_pool = o->public_pool,
            .dev = o->dev,
            .s3_upstream = o->s3_upstream,
            .s3_upstream_region = o->s3_upstream_region,
            .s3_upstream_key_id = keys.access_key_id,
            .s3_upstream_secret = keys.secret,
            .role_session_ms = o->role_session_ms,
            .stopped_task_retention_ms = o->stopped_task_retention_ms,
            .disconnect_grace_ms = o->disconnect_grace_ms,
            .event_keep_ms = o->event_keep_ms,
            .provisioning_timeout_ms = o->provisioning_timeout_ms,
            .ready = on_ready,
            .ready_ctx = o,
        };
        r = server_run(&config, err);
    }
    return r < 0 ? ready_failed(o->ready_fd, r, err) : 0;
}
