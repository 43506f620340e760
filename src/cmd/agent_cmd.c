/* `gantry agent`: the agent in this process. */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent_settings.h"
#include "cgroup.h"
#include "command.h"
#include "fd.h"
#include "netns.h"
#include "ready.h"
#include "renew.h"
#include "server_access.h"
#include "stop_signal.h"

static int find_server(struct options *o, const struct layout *l,
                       struct agent_config *config, struct error *err)
{
    struct server_access access;
    if (o->instance_netns) { /* it has the instance's role, and nothing else */
        config->server_url = o->server_url;
        return 0;
    }
    int r = server_access_find(o, l, &access, err);
    if (r < 0)
        return r;
    config->server_url = access.url;
    config->access_key_id = access.access_key_id;
    config->secret_access_key = access.secret_access_key;
    config->session_token = access.session_token;
    return 0;
}

/* An EC2 instance on this machine: this process belongs into its namespace and group, before
 * it makes anything. */
static int enter_instance(const struct options *o, struct error *err)
{
    struct cgroups cg;
    int r = 0, left = -1;
    if (o->instance_group) {
        r = cgroups_open(CGROUP_ROOT, o->instance_group, &cg, err);
        if (r == 0)
            r = cgroup_run_add(&cg, getpid(), err);
    }
    if (r == 0 && o->instance_netns)
        r = netns_enter(o->instance_netns, &left, err);
    fd_close(&left);
    return r;
}

static int prepare(struct options *o, struct layout *l, struct agent_config *config,
                   struct error *err)
{
    if (geteuid() != 0)
        return fail(err, E_DENIED,
                    "the agent makes containers and networks and needs root: "
                    "sudo gantry agent");
    layout_init(l, o);
    int r = enter_instance(o, err);
    if (r == 0)
        r = layout_make(l, NULL, err);
    if (r == 0)
        r = layout_make_run_dir(l, err);
    if (o->fargate)
        *l = layout_of_pool(l);
    if (r == 0)
        r = agent_settings_fill(o, l, config, err);
    if (r == 0)
        r = find_server(o, l, config, err);
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
    int stop_fd = -1, r = stop_signal_open(&stop_fd, err);
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
