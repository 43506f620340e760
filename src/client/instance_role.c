#include "instance_role.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "arena.h"
#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "server_calls.h"
#include "str.h"

#define TOKEN_PATH     "/latest/api/token"
#define ROLES_PATH     "/latest/meta-data/iam/security-credentials/"
#define TOKEN_TTL      "60"
#define NAME_MAX_BYTES 128

struct instance_role {
    struct server_calls *calls; /* of the metadata service; unsigned */
    void (*changed)(void *ctx, bool have);
    void *ctx;
    uv_timer_t timer;
    struct backoff backoff;
    struct role_keys keys;
    struct sigv4_credentials view;
    char *token;
    struct error why;
    bool asked, tried, closing;
};

/* ---- pure ---- */

int64_t instance_role_refresh_ms(int64_t left_ms)
{
    int64_t early = left_ms > 2 * ROLE_EARLY_MS ? ROLE_EARLY_MS : left_ms / 2;
    int64_t ms = left_ms - early;
    return ms < 200 ? 200 : ms;
}

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void role_keys_free(struct role_keys *k)
{
    wipe(&k->access_key_id);
    wipe(&k->secret);
    wipe(&k->token);
}

static const char *text_of(const json_t *root, const char *name)
{
    const char *text = json_string_value(json_object_get(root, name));
    return text ? text : "";
}

static int read_keys(const json_t *root, struct role_keys *ret, struct error *err)
{
    const char *code = text_of(root, "Code"), *message = text_of(root, "Message");
    int64_t expires;
    if (*code && !streq(code, "Success"))
        return fail(err, E_NOTFOUND, "%s%s%s", code, *message ? ": " : "", message);
    if (!*text_of(root, "AccessKeyId") || !*text_of(root, "SecretAccessKey") ||
        !*text_of(root, "Token") ||
        !clock_parse_iso(text_of(root, "Expiration"), &expires))
        return fail(err, E_PROTOCOL,
                    "the metadata service's answer holds no credentials");
    *ret = (struct role_keys){.access_key_id = xstrdup(text_of(root, "AccessKeyId")),
                              .secret = xstrdup(text_of(root, "SecretAccessKey")),
                              .token = xstrdup(text_of(root, "Token")),
                              .expires_ms = expires};
    return 0;
}

int role_keys_parse(const char *json, size_t len, struct role_keys *ret,
                    struct error *err)
{
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
    int r =
        json_is_object(root)
            ? read_keys(root, ret, err)
            : fail(err, E_PROTOCOL, "the metadata service's answer is no JSON object");
    json_decref(root);
    return r;
}

/* ---- asking ---- */

static void ask(struct instance_role *r);

static void on_timer(uv_timer_t *t)
{
    ask(t->data);
}

static void ask_in(struct instance_role *r, int64_t ms)
{
    if (!r->closing)
        uv_timer_start(&r->timer, on_timer, (uint64_t)ms, 0);
}

static bool valid(const struct instance_role *r)
{
    return r->keys.access_key_id && clock_wall_ms() < r->keys.expires_ms;
}

static void tell(struct instance_role *r, bool had)
{
    bool first = !r->tried, have = valid(r);
    r->tried = true;
    if (!r->closing && (have ? !had : first))
        r->changed(r->ctx, have);
}

/* One line for each new reason; `why` is what calls fail with. */
static void failed(struct instance_role *r, const struct error *why)
{
    bool news = !streq(r->why.text, why->text);
    r->asked = false;
    if (r->closing)
        return;
    r->why = *why;
    if (news)
        log_line(LOG_WARN, "no credentials from the instance's metadata service", "error",
                 r->why.text, NULL);
    ask_in(r, backoff_next_ms(&r->backoff, server_random(r->calls)));
    tell(r, valid(r));
}

static void take(struct instance_role *r, struct role_keys *keys)
{
    bool had = valid(r);
    role_keys_free(&r->keys);
    r->keys = *keys;
    r->view = (struct sigv4_credentials){keys->access_key_id, keys->secret, keys->token};
    r->why.text[0] = '\0';
    r->asked = false;
    backoff_reset(&r->backoff);
    ask_in(r, instance_role_refresh_ms(keys->expires_ms - clock_wall_ms()));
    tell(r, had);
}

#define ADVICE                                                                           \
    "give the instance an IAM instance profile (aws ec2 "                                \
    "associate-iam-instance-profile) whose role has the actions of "                     \
    "AmazonEC2ContainerServiceforEC2Role, such as ecs:RegisterContainerInstance"

/* False: the answer was none, and that is told. */
static bool good(struct instance_role *r, const struct server_answer *answer,
                 const char *what)
{
    struct error why = ERROR_INIT;
    if (answer->status == 200 && answer->body_len > 0)
        return true;
    if (answer->status == 0)
        why = *answer->err;
    else if (answer->status == 404)
        fail(&why, E_NOTFOUND, "the instance has no role; " ADVICE);
    else
        fail(&why, E_NETWORK, "%s: status %d", what, answer->status);
    failed(r, &why);
    return false;
}

static void on_keys(void *ctx, const struct server_answer *answer)
{
    struct instance_role *r = ctx;
    struct role_keys keys;
    struct error why = ERROR_INIT;
    if (!good(r, answer, "credentials"))
        return;
    if (role_keys_parse(answer->body, answer->body_len, &keys, &why) < 0)
        failed(r, &why);
    else
        take(r, &keys);
}

static void get(struct instance_role *r, const char *path, server_done *done)
{
    server_request(r->calls, "GET", path, "X-aws-ec2-metadata-token", r->token, done, r);
}

static void on_role(void *ctx, const struct server_answer *answer)
{
    struct instance_role *r = ctx;
    struct error why = ERROR_INIT;
    if (!good(r, answer, "the role's name"))
        return;
    size_t n = strcspn(answer->body, "\r\n");
    if (n == 0 || n > NAME_MAX_BYTES || strcspn(answer->body, " ?#%/") < n) {
        fail(&why, E_PROTOCOL, "the metadata service's answer names no role");
        failed(r, &why);
        return;
    }
    AUTO_STR path = STR_INIT;
    str_addf(&path, ROLES_PATH "%.*s", (int)n, answer->body);
    get(r, path.data, on_keys);
}

static void on_token(void *ctx, const struct server_answer *answer)
{
    struct instance_role *r = ctx;
    if (!good(r, answer, "a session's token"))
        return;
    free(r->token);
    r->token = xstrdup(answer->body);
    get(r, ROLES_PATH, on_role);
}

static void ask(struct instance_role *r)
{
    if (r->asked || r->closing)
        return;
    r->asked = true;
    server_request(r->calls, "PUT", TOKEN_PATH, "X-aws-ec2-metadata-token-ttl-seconds",
                   TOKEN_TTL, on_token, r);
}

/* ---- */

const struct sigv4_credentials *instance_role_get(struct instance_role *r)
{
    return valid(r) ? &r->view : NULL;
}

bool instance_role_is_new(const struct instance_role *r)
{
    return !r->tried;
}

const char *instance_role_complaint(const struct instance_role *r)
{
    return r->why.text[0] ? r->why.text : "those of the instance's role have ended";
}

void instance_role_renew(struct instance_role *r)
{
    if (!r->asked)
        ask_in(r, backoff_next_ms(&r->backoff, server_random(r->calls)));
}

int instance_role_new(uv_loop_t *loop, const char *url,
                      void (*changed)(void *ctx, bool have), void *ctx,
                      struct instance_role **ret, struct error *err)
{
    struct server_config config = {
        .name = "role", .url = url, .region = "none", .role_url = ""};
    struct server_calls *calls;
    int x = server_calls_new(loop, &config, &calls, err);
    if (x < 0)
        return x;
    struct instance_role *r = xcalloc(1, sizeof(*r));
    r->calls = calls;
    r->changed = changed;
    r->ctx = ctx;
    r->backoff = (struct backoff){.first_ms = 200,
                                  .last_ms = ROLE_RETRY_MOST_MS,
                                  .factor_percent = 200,
                                  .jitter_percent = 20};
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    *ret = r;
    ask(r);
    return 0;
}

void instance_role_close(struct instance_role *r)
{
    if (!r || r->closing)
        return;
    r->closing = true;
    uv_close((uv_handle_t *)&r->timer, NULL);
    server_calls_close(r->calls);
}

void instance_role_free(struct instance_role *r)
{
    if (!r)
        return;
    server_calls_free(r->calls);
    role_keys_free(&r->keys);
    free(r->token);
    free(r);
}
