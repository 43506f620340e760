/* ExecuteCommand: announces a session; its bytes never come here (src/server/relay.h). */
#include "execute_command.h"

#include <string.h>

#define COMMAND_MAX 8192
#define AGENT_OFF                                                                        \
    "The execute command failed because execute command was not enabled when the task "  \
    "was run or the execute command agent isn\xe2\x80\x99t running. Wait and try again " \
    "or run a new task with execute command enabled and try again."
#define NOT_CONNECTED                                                                    \
    "The execute command failed due to an internal error. Try again later."

/* ---- the managed agent ---- */

void exec_agents_add(struct task *t)
{
    struct ecs_task *rec = t->rec->task;
    for (size_t i = 0; rec->enable_execute_command.v && i < rec->containers.n; i++) {
        struct ecs_container *c = &rec->containers.v[i];
        struct ecs_managed_agent *agent = LIST_PUSH(&t->o.arena, &c->managed_agents);
        agent->name = ECS_MANAGED_AGENT_NAME_EXECUTE_COMMAND_AGENT;
        agent->last_status = "PENDING";
    }
}

void exec_agent_follow(struct core *core, struct ecs_container *c)
{
    static const char *const known[] = {"PENDING", "RUNNING", "STOPPED"};
    for (size_t i = 0; i < c->managed_agents.n; i++) {
        struct ecs_managed_agent *agent = &c->managed_agents.v[i];
        if (streq(agent->last_status, c->last_status))
            continue;
        for (size_t k = 0; k < 3; k++)
            if (streq(c->last_status, known[k]))
                agent->last_status = known[k];
        if (streq(agent->last_status, "RUNNING"))
            agent->last_started_at = SET_TIME(core_now_ms(core));
    }
}

static bool agent_runs(const struct ecs_container *c)
{
    return c->managed_agents.n > 0 &&
           streq(c->managed_agents.v[0].last_status, "RUNNING");
}

/* ---- the operation ---- */

static struct ecs_container *container_for(struct call *c, const struct task *t,
                                           const char *name)
{
    struct ecs_container_list *all = &t->rec->task->containers;
    if (str_empty(name) && all->n == 1)
        return &all->v[0];
    if (str_empty(name)) {
        call_fault(c, &ecs_invalid_parameter_exception,
                   "A container name must be specified for tasks with more than one "
                   "container.");
        return NULL;
    }
    for (size_t i = 0; i < all->n; i++)
        if (streq(all->v[i].name, name))
            return &all->v[i];
    call_fault(c, &ecs_invalid_parameter_exception,
               "Container '%s' is not part of the task.", name);
    return NULL;
}

static int check(struct call *c, const struct ecs_execute_command_request *in)
{
    if (!in->interactive.v)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Interactive is the only mode supported currently.");
    if (strspn(in->command, " \t\r\n") == strlen(in->command))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Command cannot be empty.");
    if (strlen(in->command) > COMMAND_MAX)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Command cannot be longer than %d bytes.", COMMAND_MAX);
    return 0;
}

/* Where the caller reaches us, as a WebSocket's address: http becomes ws, https wss. */
static const char *stream_base(struct call *c)
{
    const char *own = call_own_url(c, ecs_of(c->core)->settings.poll_endpoint);
    return call_printf(c, "ws%s",
                       own && str_starts(own, "http") ? own + 4 : "://localhost");
}

static int session_open(struct call *c, const struct task *t,
                        const struct ecs_container *ct, const char *command,
                        struct ecs_session *ret)
{
    struct ecs *ecs = ecs_of(c->core);
    char id[18], token[65];
    struct error err = ERROR_INIT;
    core_random_hex(c->core, id, 17);
    core_random_hex(c->core, token, 64);
    ret->session_id = call_printf(c, "ecs-execute-command-%s", id);
    ret->token_value = call_printf(c, "%s", token);
    ret->stream_url = call_printf(c, "%s/v1/data-channel/%s?role=publish_subscribe",
                                  stream_base(c), ret->session_id);
    struct gantry_host_session s = {
        .session_id = ret->session_id,
        .task_id = ecs_last_segment(t->rec->task->task_arn),
        .container_name = ct->name,
        .command = command,
    };
    int r =
        !ecs->host_ops || !ecs->host_ops->session_open || !t->instance
            ? fail(&err, E_NETWORK, "no host")
            : ecs->host_ops->session_open(
                  ecs->host_ctx, c->core,
                  t->instance->rec->instance->container_instance_arn, &s, token, &err);
    if (r == -E_FULL)
        return call_fault(c, &ecs_client_exception, "Too many sessions: %s.", err.text);
    return r < 0 ? call_fault(c, &ecs_target_not_connected_exception, NOT_CONNECTED) : 0;
}

int ecs_execute_command(struct call *c, const struct ecs_execute_command_request *in,
                        struct ecs_execute_command_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl || check(c, in) < 0)
        return -1;
    const struct task *t = task_find(c->core, cl, in->task);
    if (!t)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The referenced task was not found.");
    const struct ecs_container *ct = container_for(c, t, in->container);
    if (!ct)
        return -1;
    if (t->status != TASK_RUNNING || !agent_runs(ct))
        return call_fault(c, &ecs_invalid_parameter_exception, "%s", AGENT_OFF);
    out->session = arena_new(&c->arena, struct ecs_session);
    if (session_open(c, t, ct, in->command, out->session) < 0)
        return -1;
    out->cluster_arn = cl->rec->cluster->cluster_arn;
    out->task_arn = t->rec->task->task_arn;
    out->container_arn = ct->container_arn;
    out->container_name = ct->name;
    out->interactive = SET_BOOL(true);
    return 0;
}
