/* Rules of what runs in a container: health check, restarts, limits, Linux parameters. */
#include <stdio.h>
#include <strings.h>

#include "str.h"
#include "taskdef_private.h"

typedef struct ecs_container_definition container;

static int in_range(const container *c, const char *name, const struct opt_int *v,
                    int32_t min, int32_t max, struct ecs_taskdef_error *err)
{
    if (!v->set || (v->v >= min && v->v <= max))
        return 0;
    return taskdef_bad(err,
                       "the '%s' setting for container '%s' must be between %d and %d",
                       name, c->name, min, max);
}

static int check_health(const container *c, struct ecs_taskdef_error *err)
{
    const struct ecs_health_check *h = c->health_check;
    if (!h)
        return 0;
    const char *first = h->command.n ? h->command.v[0] : "";
    if (!streq(first, "CMD") && !streq(first, "CMD-SHELL"))
        return taskdef_bad(err,
                           "The health check command for container '%s' must begin with "
                           "CMD or CMD-SHELL",
                           c->name);
    if (h->command.n < 2)
        return taskdef_bad(err, "The health check command for container '%s' is empty",
                           c->name);
    int r = in_range(c, "interval", &h->interval, 5, 300, err);
    if (r == 0)
        r = in_range(c, "timeout", &h->timeout, 2, 60, err);
    if (r == 0)
        r = in_range(c, "retries", &h->retries, 1, 10, err);
    return r < 0 ? r : in_range(c, "startPeriod", &h->start_period, 0, 300, err);
}

static int check_restart(const container *c, struct ecs_taskdef_error *err)
{
    const struct ecs_container_restart_policy *p = c->restart_policy;
    if (!p)
        return 0;
    if (p->ignored_exit_codes.n > 50)
        return taskdef_bad(
            err,
            "the 'ignoredExitCodes' setting for container '%s' can have at "
            "most 50 items",
            c->name);
    return in_range(c, "restartAttemptPeriod", &p->restart_attempt_period, 60, 1800, err);
}

static int check_ulimits(const container *c, struct ecs_taskdef_error *err)
{
    unsigned seen = 0;
    FOR_EACH(u, &c->ulimits)
    {
        if (seen & (1u << u->name))
            return taskdef_bad(err, "Duplicate ulimit found for container '%s'", c->name);
        seen |= 1u << u->name;
        if (u->soft_limit.v > u->hard_limit.v && u->hard_limit.v != -1)
            return taskdef_bad(err,
                               "The soft limit of a ulimit for container '%s' cannot be "
                               "greater than its hard limit",
                               c->name);
    }
    return 0;
}

static const char *const capability_names[] = {
    "ALL",        "AUDIT_CONTROL",   "AUDIT_WRITE",      "BLOCK_SUSPEND",
    "CHOWN",      "DAC_OVERRIDE",    "DAC_READ_SEARCH",  "FOWNER",
    "FSETID",     "IPC_LOCK",        "IPC_OWNER",        "KILL",
    "LEASE",      "LINUX_IMMUTABLE", "MAC_ADMIN",        "MAC_OVERRIDE",
    "MKNOD",      "NET_ADMIN",       "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_RAW",    "SETFCAP",         "SETGID",           "SETPCAP",
    "SETUID",     "SYS_ADMIN",       "SYS_BOOT",         "SYS_CHROOT",
    "SYS_MODULE", "SYS_NICE",        "SYS_PACCT",        "SYS_PTRACE",
    "SYS_RAWIO",  "SYS_RESOURCE",    "SYS_TIME",         "SYS_TTY_CONFIG",
    "SYSLOG",     "WAKE_ALARM"};

static int check_capabilities(const struct string_list *names,
                              struct ecs_taskdef_error *err)
{
    FOR_EACH(name, names)
    {
        bool known = false;
        for (size_t k = 0; k < sizeof(capability_names) / sizeof(char *); k++)
            known |= streq(*name, capability_names[k]);
        if (!known)
            return taskdef_bad(err, "%s is not a valid Linux capability", *name);
    }
    return 0;
}

static int check_linux(const container *c, struct ecs_taskdef_error *err)
{
    const struct ecs_linux_parameters *l = c->linux_parameters;
    if (!l)
        return 0;
    int r = in_range(c, "swappiness", &l->swappiness, 0, 100, err);
    if (r == 0)
        r = in_range(c, "maxSwap", &l->max_swap, 0, INT32_MAX, err);
    if (r == 0)
        r = in_range(c, "sharedMemorySize", &l->shared_memory_size, 0, INT32_MAX, err);
    FOR_EACH(t, &l->tmpfs)
    {
        if (r == 0)
            r = in_range(c, "size", &t->size, 1, INT32_MAX, err);
        if (r == 0 && (!t->container_path || t->container_path[0] != '/'))
            r = taskdef_bad(err, "The tmpfs path for container '%s' must be absolute",
                            c->name);
    }
    if (r == 0 && l->capabilities)
        r = check_capabilities(&l->capabilities->add, err);
    if (r == 0 && l->capabilities)
        r = check_capabilities(&l->capabilities->drop, err);
    return r;
}

static int check_gpus(const container *c, struct ecs_taskdef_error *err)
{
    FOR_EACH(q, &c->resource_requirements)
    {
        int64_t n;
        if (q->type == ECS_RESOURCE_TYPE_GPU && !str_to_i64(q->value, 1, 1024, &n))
            return taskdef_bad(err, "Invalid GPU value '%s' for container '%s'.",
                               q->value, c->name);
    }
    return 0;
}

static int check_sysctls(const taskdef_request *def, const container *c,
                         struct ecs_taskdef_error *err)
{
    FOR_EACH(s, &c->system_controls)
    {
        if (str_empty(s->namespace) || !s->value)
            return taskdef_bad(
                err,
                "A system control for container '%s' needs a namespace and "
                "a value",
                c->name);
        bool net = str_starts(s->namespace, "net.");
        if (net && def->network_mode == ECS_NETWORK_MODE_HOST)
            return taskdef_bad(
                err, "System control '%s' is not supported when networkMode=host",
                s->namespace);
        if (!net && (def->ipc_mode == ECS_IPC_MODE_HOST))
            return taskdef_bad(err,
                               "System control '%s' is not supported when ipcMode=host",
                               s->namespace);
    }
    return 0;
}

static int check_timeouts(const container *c, struct ecs_taskdef_error *err)
{
    int r = in_range(c, "startTimeout", &c->start_timeout, 2, INT32_MAX, err);
    return r < 0 ? r : in_range(c, "stopTimeout", &c->stop_timeout, 0, INT32_MAX, err);
}

static int check_one(const taskdef_request *def, const container *c,
                     struct ecs_taskdef_error *err)
{
    static int (*const checks[])(const container *, struct ecs_taskdef_error *) = {
        check_health, check_restart, check_ulimits,
        check_linux,  check_gpus,    check_timeouts,
    };
    for (size_t k = 0; k < sizeof(checks) / sizeof(checks[0]); k++) {
        int r = checks[k](c, err);
        if (r < 0)
            return r;
    }
    return check_sysctls(def, c, err);
}

int taskdef_check_runtime(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    FOR_EACH(c, &def->container_definitions)
    {
        int r = check_one(def, c, err);
        if (r < 0)
            return r;
    }
    return 0;
}
