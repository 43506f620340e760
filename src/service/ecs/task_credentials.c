#include "task_credentials.h"

#include <stdlib.h>
#include <string.h>

#include "role_session.h"

#define RETRY_MS INT64_C(60000)
#define USES     2

struct task_credentials {
    struct task *task;
    struct wake wake;
    struct arena arena; /* of the sets; made anew with each */
    struct gantry_host_credentials set[USES];
    bool has[USES], told;
    bool denied; /* from the start: the task is to be stopped */
};

static const enum gantry_host_credentials_use uses[USES] = {
    GANTRY_HOST_CREDENTIALS_USE_TASK, GANTRY_HOST_CREDENTIALS_USE_EXECUTION};

/* ---- which roles ---- */

static const char *either(const char *override, const char *own)
{
    const char *arn = str_empty(override) ? own : override;
    return str_empty(arn) ? NULL : arn;
}

static const char *role_of(const struct task *t, enum gantry_host_credentials_use use)
{
    const struct ecs_task_override *o = t->rec->task->overrides;
    const struct ecs_task_definition *def =
        t->taskdef ? t->taskdef->rec->task_definition : NULL;
    if (!def)
        return NULL;
    if (use == GANTRY_HOST_CREDENTIALS_USE_TASK)
        return either(o ? o->task_role_arn : NULL, def->task_role_arn);
    return either(o ? o->execution_role_arn : NULL, def->execution_role_arn);
}

void task_credentials_want(struct core *core, struct task *t)
{
    if (role_of(t, GANTRY_HOST_CREDENTIALS_USE_TASK))
        t->rec->credentials_id = ecs_new_uuid(core, &t->o.arena);
}

/* ---- making them ---- */

static void wipe(struct task_credentials *c)
{
    for (int i = 0; i < USES; i++) {
        char *secret = (char *)(uintptr_t)c->set[i].secret_access_key;
        char *token = (char *)(uintptr_t)c->set[i].session_token;
        if (secret)
            explicit_bzero(secret, strlen(secret));
        if (token)
            explicit_bzero(token, strlen(token));
        c->set[i] = (struct gantry_host_credentials){0};
        c->has[i] = false;
    }
    arena_free(&c->arena);
}

static int open_one(struct core *core, struct task *t, int i, struct arena *a,
                    struct gantry_host_credentials *ret, const char **ret_role,
                    struct error *err)
{
    struct role_session s;
    const char *arn = *ret_role = role_of(t, uses[i]);
    if (!arn)
        return 0;
    int r = role_session_open(core, arn, "ecs-tasks.amazonaws.com",
                              ecs_last_segment(t->rec->task->task_arn), a, &s, err);
    if (r < 0)
        return r;
    *ret = (struct gantry_host_credentials){
        .task_arn = arena_strdup(a, t->rec->task->task_arn),
        .use = uses[i],
        .role_arn = arena_strdup(a, arn),
        .access_key_id = s.access_key_id,
        .secret_access_key = s.secret_access_key,
        .session_token = s.session_token,
        .expiration = SET_TIME(s.expires_ms),
    };
    return 1;
}

/* All sets anew, or none: <0 and *ret_role is the one that can't be had. */
static int open_all(struct core *core, struct task_credentials *c, const char **ret_role,
                    struct error *err)
{
    struct arena a = ARENA_INIT;
    struct gantry_host_credentials set[USES] = {0};
    bool has[USES] = {0};
    int64_t first = INT64_MAX;
    for (int i = 0; i < USES; i++) {
        int r = open_one(core, c->task, i, &a, &set[i], ret_role, err);
        if (r < 0) {
            arena_free(&a);
            return r;
        }
        has[i] = r > 0;
        if (r > 0 && set[i].expiration.v < first)
            first = set[i].expiration.v;
    }
    wipe(c);
    c->arena = a;
    memcpy(c->set, set, sizeof(set));
    memcpy(c->has, has, sizeof(has));
    c->told = false;
    if (first < INT64_MAX)
        wake_at(core, &c->wake, role_session_refresh_at(core, first));
    return 0;
}

static void stop_for(struct core *core, struct task *t, const char *role)
{
    task_stop(core, t, ECS_TASK_STOP_CODE_TASK_FAILED_TO_START,
              arena_printf(core_scratch(core),
                           "ECS was unable to assume the role '%s' that was provided for "
                           "this task. Please verify that the role being passed has the "
                           "proper trust relationship and permissions and that your IAM "
                           "user has permissions to pass this role.",
                           role));
}

static void tell_host(struct core *core, struct task *t)
{
    struct ecs *ecs = ecs_of(core);
    struct gantry_host_credentials_list l = {0};
    if (!t->instance || !ecs->host_ops || !ecs->host_ops->credentials)
        return;
    task_credentials_tell(t, true, core_scratch(core), &l);
    if (l.n)
        ecs->host_ops->credentials(
            ecs->host_ctx, core, t->instance->rec->instance->container_instance_arn, &l);
}

static void on_wake(struct core *core, struct wake *w)
{
    struct task_credentials *c = list_entry(w, struct task_credentials, wake);
    struct task *t = c->task;
    struct error err = ERROR_INIT;
    const char *role = NULL;
    if (open_all(core, c, &role, &err) == 0) {
        c->denied = false;
        tell_host(core, t);
    } else if (c->denied) {
        stop_for(core, t, role);
    } else {
        wake_at(core, &c->wake, core_now_ms(core) + RETRY_MS);
    }
}

void task_credentials_init(struct task *t)
{
    t->credentials = NULL;
}

/* In development a role need not exist: then the task has no credentials of it. */
static bool forgiven(const struct core *core, int r)
{
    return r == -E_UNSUPPORTED || (r == -E_NOTFOUND && core_config(core)->dev);
}

bool task_credentials_make(struct core *core, struct task *t)
{
    struct error err = ERROR_INIT;
    const char *role = NULL;
    if (t->credentials)
        return !t->credentials->denied;
    if (!role_of(t, uses[0]) && !role_of(t, uses[1]))
        return true;
    struct task_credentials *c = t->credentials = xcalloc(1, sizeof(*c));
    c->task = t;
    wake_init(&c->wake, on_wake);
    int r = open_all(core, c, &role, &err);
    /* What runs goes on without, as it does when a role ends under it. */
    c->denied = r < 0 && !forgiven(core, r) && !t->rec->reached_running.v;
    if (c->denied) /* not from within whatever tells the host of it */
        wake_now(core, &c->wake);
    else if (r < 0 && r != -E_UNSUPPORTED)
        wake_at(core, &c->wake, core_now_ms(core) + RETRY_MS);
    return !c->denied;
}

/* ---- telling ---- */

bool task_credentials_has(const struct task *t, enum gantry_host_credentials_use use)
{
    for (int i = 0; t->credentials && i < USES; i++)
        if (uses[i] == use)
            return t->credentials->has[i];
    return false;
}

void task_credentials_tell(struct task *t, bool news, struct arena *a,
                           struct gantry_host_credentials_list *ret)
{
    struct task_credentials *c = t->credentials;
    if (!c || (news && c->told))
        return;
    for (int i = 0; i < USES; i++)
        if (c->has[i])
            *LIST_PUSH(a, ret) = c->set[i];
    c->told = true;
}

void task_credentials_forget(struct core *core, struct task *t)
{
    if (!t->credentials)
        return;
    wake_cancel(core, &t->credentials->wake);
    wipe(t->credentials);
    free(t->credentials);
    t->credentials = NULL;
}
