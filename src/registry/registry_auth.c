/* Who asks: HTTP Basic with a token of ecr:GetAuthorizationToken, as ECR has it. */
#include <string.h>
#include <strings.h>

#include "base64.h"
#include "registry_private.h"

#define ECR_HOST ".dkr.ecr."

/* "<account>.dkr.ecr.<region>.amazonaws.com[:port]" names the registry that is meant. */
static void scope_of_host(struct visit *v)
{
    const char *host = http_header(v->req, "Host");
    if (!host || strspn(host, "0123456789") != 12 || !str_starts(host + 12, ECR_HOST))
        return;
    const char *region = host + 12 + strlen(ECR_HOST);
    size_t n = strcspn(region, ".");
    if (n == 0 || !str_starts(region + n, ".amazonaws.com"))
        return;
    v->scope.account = arena_strndup(v->a, host, 12);
    v->scope.region = arena_strndup(v->a, region, n);
}

/* The password of "Basic base64(AWS:password)"; NULL when it is anything else. */
static const char *password_of(struct visit *v)
{
    const char *text = http_header(v->req, "Authorization");
    uint8_t *pair;
    size_t n;
    if (!text || strncasecmp(text, "Basic ", 6) != 0)
        return NULL;
    text += 6 + strspn(text + 6, " ");
    if (!base64_decode(v->a, text, strlen(text), &pair, &n))
        return NULL;
    const char *plain = arena_strndup(v->a, (const char *)pair, n);
    return str_starts(plain, "AWS:") ? plain + 4 : NULL;
}

static void challenge(struct visit *v)
{
    struct head h;
    const char *realm =
        arena_printf(v->a,
                     "Basic realm=\"https://%s.dkr.ecr.%s.amazonaws.com/\","
                     "service=\"ecr.amazonaws.com\"",
                     v->scope.account, v->scope.region);
    head_init(&h);
    head_add(&h, "WWW-Authenticate", realm);
    head_add(&h, "Content-Type", "text/plain; charset=utf-8");
    http_reply(v->req, 401, h.v, "Not Authorized\n", 15, HTTP_ARENA);
}

bool visit_identify(struct visit *v)
{
    const struct registry_config *c = &v->registry->config;
    const char *password = password_of(v);
    struct ecr_token t;
    v->who = (struct registry_caller){.account = c->account, .region = c->region};
    bool known = password && ecr_token_check(v->a, c->token_secret, password, &t);
    if (known)
        v->who =
            (struct registry_caller){t.access_key, t.account, t.region, t.session_token};
    v->scope = (struct ecr_scope){v->who.account, v->who.region};
    scope_of_host(v);
    if (!known && !c->dev) {
        challenge(v);
        return false;
    }
    if (!known) /* dev: whoever asks is the account that is asked */
        v->who.account = v->scope.account;
    if (known && t.expires_at_ms <= visit_now_ms(v)) {
        visit_refuse(
            v, 403, "DENIED",
            "Your authorization token has expired. Reauthenticate and try again.");
        visit_answer_refusal(v);
        return false;
    }
    return true;
}
