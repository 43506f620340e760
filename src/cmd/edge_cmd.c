/* `gantry edge`: the edge in this process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "command.h"
#include "edge_settings.h"
#include "ready.h"
#include "server_access.h"
#include "signal_action.h"
#include "stop_signal.h"

/* Beside an `up` it is the pool of that; with a server elsewhere it must be said. */
static int find_pool(struct options *o, const struct layout *l, struct error *err)
{
    struct pool pool;
    if (o->public_pool)
        return 0;
    if (pool_read(l->public_pool_path, &pool, NULL) < 0)
        return fail(err, E_INVALID,
                    "say which public addresses the server gives: --public-pool CIDR");
    o->public_pool = arena_strdup(&o->arena, pool_text(&pool).cidr);
    return 0;
}

static int prepare(struct options *o, struct layout *l, struct edge_config *config,
                   struct error *err)
{
    struct server_access access;
    if (geteuid() != 0)
        return fail(err, E_DENIED,
                    "the edge makes networks and needs root: sudo gantry edge");
    layout_init(l, o);
    int r = layout_make(l, NULL, err);
    if (r == 0)
        r = layout_make_run_dir(l, err);
    if (r == 0)
        r = find_pool(o, l, err);
    if (r == 0)
        r = server_access_find(o, l, &access, err);
    if (r != 0)
        return r;
    edge_settings_fill(o, l, config);
    config->server_url = access.url;
    config->access_key_id = access.access_key_id;
    config->secret_access_key = access.secret_access_key;
    config->session_token = access.session_token;
    return 0;
}

static void on_ready(void *ctx)
{
    const struct options *o = ctx;
    ready_say(o->ready_fd, "edge");
}

int edge_command(struct options *o, struct error *err)
{
    struct layout l;
    struct edge_config config;
    prctl(PR_SET_NAME, "gantry-edge");
    log_init("edge", o->log_level);
    if (o->ready_fd >= 0) /* what it starts must not inherit it */
        fcntl((int)o->ready_fd, F_SETFD, FD_CLOEXEC);
    int stop_fd = -1, r = stop_signal_open(&stop_fd, err);
    signal_action(SIGPIPE, SIG_IGN);
    if (r == 0)
        r = prepare(o, &l, &config, err);
    if (r == 0) {
        config.stop_fd = stop_fd;
        config.ready = on_ready;
        config.ctx = o;
        r = edge_run(&config, err);
    }
    return r < 0 ? ready_failed(o->ready_fd, r, err) : 0;
}
