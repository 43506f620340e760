#include "registry_token.h"

#include <stdlib.h>

#include "base64.h"
#include "clock.h"
#include "ecr_api.h"
#include "log.h"
#include "reference.h"
#include "server_calls.h"
#include "str.h"
#include "task_keys.h"

#define EARLY_MS (30 * 60 * 1000)
#define RETRY_MS (60 * 1000)
#define TRIES    6 /* about 10 s: a server that is started again answers before */

bool registry_is_own(const char *image, const char *url)
{
    AUTO_ARENA a = ARENA_INIT;
    struct reference ref;
    if (reference_parse(&a, image, &ref, NULL) < 0)
        return false;
    if (ref.ecr)
        return true;
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    const char *authority = arena_strndup(&a, start, strcspn(start, "/"));
    return streq(ref.registry, authority) ||
           reference_same_machine(ref.registry, authority);
}

static bool own(struct engine *e, const char *image)
{
    const struct agent_config *c = e->config;
    return registry_is_own(image, c->registry_url ? c->registry_url : c->server_url);
}

/* "AWS:<password>" in base64. */
static char *password_of(const char *token)
{
    AUTO_ARENA a = ARENA_INIT;
    uint8_t *text;
    size_t size;
    if (!token || !base64_decode(&a, token, strlen(token), &text, &size) || size < 5 ||
        memcmp(text, "AWS:", 4) != 0)
        return NULL;
    char *password = xcalloc(1, size - 3);
    memcpy(password, text + 4, size - 4);
    return password;
}

static void take_token(struct registry_token *t, const char *body, size_t len)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_error bad;
    void *value;
    if (wire_json_decode(&a, &ecr_get_authorization_token_response_shape, body, len, true,
                         &value, &bad) < 0)
        return;
    const struct ecr_get_authorization_token_response *resp = value;
    if (resp->authorization_data.n == 0)
        return;
    free(t->password);
    t->password = password_of(resp->authorization_data.v[0].authorization_token);
    t->expires_at_ms = resp->authorization_data.v[0].expires_at.v;
}

/* ---- one a role ---- */

static void token_free(struct registry_token *t)
{
    list_remove(&t->link);
    free(t->role_arn);
    free(t->password);
    free(t);
}

static void on_closed(uv_handle_t *h)
{
    token_free(h->data);
}

/* The list's first is the one that was asked for least lately. */
static void make_room(struct engine *e)
{
    size_t n = 0;
    list_for_each (it, &e->tokens) {
        n++;
    }
    list_for_each_safe (it, &e->tokens) {
        struct registry_token *t = list_entry(it, struct registry_token, link);
        if (n < REGISTRY_TOKENS_MAX)
            return;
        if (t->asked || uv_is_closing((uv_handle_t *)&t->timer))
            continue;
        uv_close((uv_handle_t *)&t->timer, on_closed);
        n--;
    }
}

static struct registry_token *token_new(struct engine *e, const char *role_arn)
{
    make_room(e);
    struct registry_token *t = xcalloc(1, sizeof(*t));
    t->engine = e;
    t->role_arn = xstrdup(role_arn);
    t->backoff = (struct backoff)BACKOFF_TOKEN;
    uv_timer_init(e->loop, &t->timer);
    t->timer.data = t;
    list_append(&e->tokens, &t->link);
    return t;
}

static const char *role_of(const struct task *t)
{
    const char *arn =
        t && t->host->execution_credentials.v ? task_execution_role_arn(t->host) : NULL;
    return arn ? arn : "";
}

static struct registry_token *token_of(struct engine *e, const char *role_arn)
{
    list_for_each (it, &e->tokens) {
        struct registry_token *t = list_entry(it, struct registry_token, link);
        if (!streq(t->role_arn, role_arn) || uv_is_closing((uv_handle_t *)&t->timer))
            continue;
        list_remove(&t->link);
        list_append(&e->tokens, &t->link);
        return t;
    }
    return token_new(e, role_arn);
}

/* ---- asking ---- */

static void ask(struct registry_token *t);

static void on_timer(uv_timer_t *timer)
{
    ask(timer->data);
}

static bool try_again(struct registry_token *t, const struct server_answer *answer)
{
    struct engine *e = t->engine;
    if (e->stopping || server_answer_is_final(answer) || ++t->failures >= TRIES)
        return false;
    int64_t ms = backoff_next_ms(&t->backoff, server_random(e->calls));
    uv_timer_start(&t->timer, on_timer, (uint64_t)ms, 0);
    return true;
}

static void over(struct registry_token *t)
{
    t->asked = false;
    t->failures = 0;
    backoff_reset(&t->backoff);
    t->retry_at_ms = clock_wall_ms() + RETRY_MS;
    engine_advance_all(t->engine);
}

static void on_token(void *ctx, const struct server_answer *answer)
{
    struct registry_token *t = ctx;
    if (answer->status != 200 && try_again(t, answer))
        return;
    if (answer->status == 200)
        take_token(t, answer->body, answer->body_len);
    else
        log_line(LOG_WARN, "no token for the registry; pulling without", "role",
                 t->role_arn, "error", answer->status ? answer->body : answer->err->text,
                 NULL);
    over(t);
}

/* Any task's of this role will do. */
static const struct sigv4_credentials *keys_of(const struct registry_token *t)
{
    list_for_each (it, &t->engine->tasks) {
        const struct task *k = list_entry(it, struct task, link);
        if (streq(role_of(k), t->role_arn) && task_execution_keys(k))
            return task_execution_keys(k);
    }
    return NULL;
}

static void ask(struct registry_token *t)
{
    const struct sigv4_credentials *as = *t->role_arn ? keys_of(t) : NULL;
    t->asked = true;
    if (*t->role_arn && !as) { /* those tasks are gone: nobody waits for it */
        over(t);
        return;
    }
    server_call_as(t->engine->calls, as, "ecr",
                   "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", "{}", 2,
                   on_token, t);
}

bool registry_token_awaited(struct engine *e, const struct task *task, const char *image)
{
    int64_t now = clock_wall_ms();
    if (!own(e, image))
        return false;
    struct registry_token *t = token_of(e, role_of(task));
    if (t->password && now < t->expires_at_ms - EARLY_MS)
        return false;
    if (task && task_execution_awaited(task))
        return true;
    if (!t->asked && now < t->retry_at_ms)
        return false; /* asked not long ago, in vain */
    if (!t->asked)
        ask(t);
    return true;
}

const char *registry_token_for(struct engine *e, const struct task *task,
                               const char *image)
{
    return own(e, image) ? token_of(e, role_of(task))->password : NULL;
}

void registry_tokens_fini(struct engine *e)
{
    list_for_each_safe (it, &e->tokens) {
        token_free(list_entry(it, struct registry_token, link));
    }
}
