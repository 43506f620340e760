#include "task_keys.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "engine.h"
#include "json_text.h"
#include "log.h"
#include "str.h"
#include "task_secrets.h"

/* ---- roles ---- */

static const char *either(const char *override, const char *own)
{
    const char *arn = str_empty(override) ? own : override;
    return str_empty(arn) ? NULL : arn;
}

const char *task_role_arn(const struct gantry_host_task *t)
{
    return either(t->overrides ? t->overrides->task_role_arn : NULL,
                  t->task_definition->task_role_arn);
}

const char *task_execution_role_arn(const struct gantry_host_task *t)
{
    return either(t->overrides ? t->overrides->execution_role_arn : NULL,
                  t->task_definition->execution_role_arn);
}

bool task_keys_offered(const struct engine *e, const struct gantry_host_task *t)
{
    const struct agent_config *c = e->config;
    enum ecs_network_mode mode = t->task_definition->network_mode;
    if (!task_role_arn(t) || str_empty(t->credentials_id) ||
        mode == ECS_NETWORK_MODE_NONE)
        return false;
    return mode == ECS_NETWORK_MODE_HOST ? !c->no_task_role_host : !c->no_task_role;
}

/* ---- keeping ---- */

static void wipe(const char **text)
{
    char *mine = (char *)(uintptr_t)*text;
    if (mine)
        explicit_bzero(mine, strlen(mine));
    free(mine);
    *text = NULL;
}

static void forget(struct role_credentials **c)
{
    if (!*c)
        return;
    wipe(&(*c)->keys.access_key_id);
    wipe(&(*c)->keys.secret);
    wipe(&(*c)->keys.session_token);
    free((*c)->role_arn);
    free(*c);
    *c = NULL;
}

void task_keys_forget(struct task *t)
{
    forget(&t->role);
    forget(&t->execution_role);
}

static void keep(struct role_credentials **to, const struct gantry_host_credentials *c)
{
    forget(to);
    *to = xcalloc(1, sizeof(**to));
    (*to)->role_arn = xstrdup(c->role_arn ? c->role_arn : "");
    (*to)->keys = (struct sigv4_credentials){
        xstrdup(c->access_key_id), xstrdup(c->secret_access_key),
        c->session_token ? xstrdup(c->session_token) : NULL};
    (*to)->expires_ms = c->expiration.v;
}

static struct task *find(struct engine *e, const char *arn)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (streq(t->arn, arn))
            return t;
    }
    return NULL;
}

static void take(struct engine *e, const struct gantry_host_credentials *c)
{
    struct task *t = c->task_arn ? find(e, c->task_arn) : NULL;
    if (!t || str_empty(c->access_key_id) || str_empty(c->secret_access_key))
        return;
    if (c->use == GANTRY_HOST_CREDENTIALS_USE_TASK) {
        keep(&t->role, c);
    } else if (c->use == GANTRY_HOST_CREDENTIALS_USE_EXECUTION) {
        keep(&t->execution_role, c);
        task_secrets_go_on(t);
        if (!e->stopping)
            engine_advance(e, t);
    }
}

void task_keys_take(struct engine *e, const struct gantry_host_credentials_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        take(e, &l->v[i]);
}

/* ---- using ---- */

static const struct sigv4_credentials *keys_of(const struct role_credentials *c)
{
    return c && clock_wall_ms() < c->expires_ms ? &c->keys : NULL;
}

const struct sigv4_credentials *task_execution_keys(const struct task *t)
{
    return keys_of(t->execution_role);
}

const struct sigv4_credentials *task_role_keys(const struct task *t)
{
    return keys_of(t->role);
}

bool task_execution_awaited(const struct task *t)
{
    return t->host->execution_credentials.v && !task_execution_keys(t);
}

/* ---- telling ---- */

struct task *task_by_credentials(struct engine *e, const char *id)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (streq(t->host->credentials_id, id) && task_keys_offered(e, t->host))
            return t;
    }
    return NULL;
}

void credentials_fault(struct str *ret, int status, const char *code, const char *message)
{
    jtext_open(ret, NULL, '{');
    jtext_plain(ret, "code", code);
    jtext_plain(ret, "message", message);
    jtext_i64(ret, "HTTPErrorCode", status);
    jtext_close(ret, '}');
}

int task_keys_answer(const struct task *t, int64_t now_ms, struct str *ret)
{
    const struct role_credentials *c = t->role;
    struct error ignored; /* what came was text */
    char expires[CLOCK_ISO_SIZE];
    if (!c || now_ms >= c->expires_ms) {
        credentials_fault(ret, 503, "CredentialsUninitialized",
                          "CredentialsV2Request: Credentials uninitialized for ID");
        return 503;
    }
    clock_format_iso(c->expires_ms, true, expires);
    jtext_open(ret, NULL, '{');
    jtext_string(ret, "RoleArn", c->role_arn, &ignored);
    jtext_string(ret, "AccessKeyId", c->keys.access_key_id, &ignored);
    jtext_string(ret, "SecretAccessKey", c->keys.secret, &ignored);
    jtext_string(ret, "Token", c->keys.session_token ? c->keys.session_token : "",
                 &ignored);
    jtext_plain(ret, "Expiration", expires);
    jtext_close(ret, '}');
    return 200;
}
