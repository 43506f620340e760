/* `gantry agent`: the agent in this process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent_settings.h"
#include "command.h"
#include "ready.h"
#include "renew.h"
#include "run_record.h"
#include "str.h"

static int stop_fd = -1;

/* An eventfd and not a signalfd: that would need blocked signals, which every program that
 * the agent starts would inherit. */
static void on_stop_signal(int signo)
{
    uint64_t one = 1;
    ssize_t n = write(stop_fd, &one, sizeof(one));
    (void)n;
}

static int open_stop(struct error *err)
{
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_fd < 0)
        return fail_errno(err, errno, "eventfd");
    struct sigaction act = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    return 0;
}

/* The environment's keys, or those that the server under this data directory made. */
static int find_credentials(struct options *o, const struct layout *l,
                            struct agent_config *config, struct error *err)
{
    struct root_key_texts keys;
    config->access_key_id = getenv("AWS_ACCESS_KEY_ID");
    config->secret_access_key = getenv("AWS_SECRET_ACCESS_KEY");
    config->session_token = getenv("AWS_SESSION_TOKEN");
    int r = layout_read_keys(l, &o->arena, &keys, err);
    if (r == 0) {
        config->access_key_id = keys.access_key_id;
        config->secret_access_key = keys.secret;
        config->session_token = NULL;
        return 0;
    }
    if (!str_empty(config->access_key_id) && !str_empty(config->secret_access_key))
        return 0;
    return wrap(err,
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run it beside the "
                "server");
}

static int find_server(struct options *o, const struct layout *l,
                       struct agent_config *config, struct error *err)
{
    struct run_record rec;
    config->server_url = o->server_url;
    if (o->server_url)
        return 0;
    int r = run_record_read(l->record_path, &o->arena, &rec, err);
    if (r == 0)
        config->server_url = rec.url;
    return r == -E_NOTFOUND
               ? fail(err, E_INVALID, "say where the server is: --server URL")
               : r;
}

static int prepare(struct options *o, struct layout *l, struct agent_config *config,
                   struct error *err)
{
    if (geteuid() != 0)
        return fail(err, E_DENIED,
                    "the agent makes containers and networks and needs root: "
                    "sudo gantry agent");
    layout_init(l, o);
    int r = layout_make(l, NULL, err);
    if (r == 0)
        r = layout_make_run_dir(l, err);
    if (o->fargate)
        *l = layout_of_pool(l);
    if (r == 0)
        r = agent_settings_fill(o, l, config, err);
    if (r == 0)
        r = find_server(o, l, config, err);
    if (r == 0)
        r = find_credentials(o, l, config, err);
    if (r == 0)
        r = agent_prepare(config, err); /* 1: it made a namespace */
    return r < 0 ? r : 0;
}

int agent_command(struct options *o, struct error *err)
{
    struct layout l;
    struct agent_config config;
    prctl(PR_SET_NAME, o->fargate ? "gantry-fargate" : "gantry-agent");
    log_init(o->fargate ? "fargate" : "agent", o->log_level);
    if (o->ready_fd >= 0) /* no container may inherit it */
        fcntl((int)o->ready_fd, F_SETFD, FD_CLOEXEC);
    int r = open_stop(err);
    if (r == 0)
        r = prepare(o, &l, &config, err);
    if (r == 0) {
        config.stop_fd = stop_fd;
        r = agent_run(&config, err);
        if (r > 0)
            r = renew_exec(err);
    }
    return r < 0 ? ready_failed(o->ready_fd, r, err) : 0;
}
