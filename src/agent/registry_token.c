#include "registry_token.h"

#include <stdlib.h>

#include "base64.h"
#include "clock.h"
#include "ecr_api.h"
#include "log.h"
#include "reference.h"
#include "server_calls.h"
#include "str.h"

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

static void ask(struct engine *e);

static void on_timer(uv_timer_t *timer)
{
    ask(timer->data);
}

static bool try_again(struct engine *e, const struct server_answer *answer)
{
    struct registry_token *t = &e->token;
    if (e->stopping || server_answer_is_final(answer) || ++t->failures >= TRIES)
        return false;
    int64_t ms = backoff_next_ms(&t->backoff, server_random(e->calls));
    uv_timer_start(&t->timer, on_timer, (uint64_t)ms, 0);
    return true;
}

static void on_token(void *ctx, const struct server_answer *answer)
{
    struct engine *e = ctx;
    if (answer->status != 200 && try_again(e, answer))
        return;
    e->token.asked = false;
    e->token.failures = 0;
    backoff_reset(&e->token.backoff);
    if (answer->status == 200)
        take_token(&e->token, answer->body, answer->body_len);
    else
        log_line(LOG_WARN, "no token for the registry; pulling without", "error",
                 answer->status ? answer->body : answer->err->text, NULL);
    e->token.retry_at_ms = clock_wall_ms() + RETRY_MS;
    engine_advance_all(e);
}

static void ask(struct engine *e)
{
    e->token.asked = true;
    server_call(e->calls, "ecr",
                "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", "{}", 2,
                on_token, e);
}

void registry_token_init(struct engine *e)
{
    e->token.backoff = (struct backoff)BACKOFF_TOKEN;
    uv_timer_init(e->loop, &e->token.timer);
    e->token.timer.data = e;
}

bool registry_token_awaited(struct engine *e, const char *image)
{
    int64_t now = clock_wall_ms();
    struct registry_token *t = &e->token;
    if (!own(e, image))
        return false;
    if (t->password && now < t->expires_at_ms - EARLY_MS)
        return false;
    if (!t->asked && now < t->retry_at_ms)
        return false; /* asked not long ago, in vain */
    if (!t->asked)
        ask(e);
    return true;
}

const char *registry_token_for(struct engine *e, const char *image)
{
    return own(e, image) ? e->token.password : NULL;
}
