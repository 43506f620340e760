#include "web_keys.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define PROVIDERS_MAX 64
#define KEEP_MS       (60 * 60 * 1000)
#define AGAIN_MS      (60 * 1000)
#define DISCOVERY     "/.well-known/openid-configuration"

struct kept {
    char *provider_arn, *jwks; /* in the heap; NULL: free */
    int64_t fetched_at;
};

struct web_keys {
    const struct sts_web *web;
    struct kept kept[PROVIDERS_MAX];
    atomic_flag asking; /* a worker waits for a provider */
};

struct web_keys *web_keys_new(const struct sts_web *web)
{
    struct web_keys *k = xcalloc(1, sizeof(*k));
    k->web = web;
    atomic_flag_clear(&k->asking);
    return k;
}

static void forget(struct kept *x)
{
    free(x->provider_arn);
    free(x->jwks);
    *x = (struct kept){0};
}

void web_keys_free(struct web_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < PROVIDERS_MAX; i++)
        forget(&k->kept[i]);
    free(k);
}

/* Its own place, or else the one whose keys are oldest. */
static struct kept *place_of(struct web_keys *k, const char *provider_arn)
{
    struct kept *oldest = &k->kept[0];
    for (size_t i = 0; i < PROVIDERS_MAX; i++) {
        if (streq(k->kept[i].provider_arn, provider_arn))
            return &k->kept[i];
        if (k->kept[i].fetched_at < oldest->fetched_at)
            oldest = &k->kept[i];
    }
    return oldest;
}

void web_question_begin(struct call *c, struct web_question *q)
{
    const struct kept *x = place_of(q->keys, q->provider_arn);
    int64_t age = core_now_ms(c->core) - x->fetched_at;
    bool known = streq(x->provider_arn, q->provider_arn) && age >= 0 && age < KEEP_MS;
    q->kept = known ? arena_strdup(&c->arena, x->jwks) : NULL;
    q->may_fetch = !known || age >= AGAIN_MS;
}

void web_question_end(struct call *c, const struct web_question *q)
{
    if (!q->fetched)
        return;
    struct kept *x = place_of(q->keys, q->provider_arn);
    forget(x);
    x->provider_arn = xstrdup(q->provider_arn);
    x->jwks = xstrdup(q->fetched);
    x->fetched_at = core_now_ms(c->core);
}

/* ---- worker ---- */

static bool may_be_asked(const struct web_question *q, const char *url)
{
    const char *name = iam_provider_name(url);
    return name && (str_starts(url, "https://") || q->local) && !strpbrk(name, "@\\ ");
}

/* Says the provider itself that it is the issuer, and where are its keys? */
static int configuration_read(struct arena *a, const struct web_question *q,
                              const json_t *root, const char **ret_url, struct error *err)
{
    const char *issuer = json_string_value(json_object_get(root, "issuer"));
    const char *url = json_string_value(json_object_get(root, "jwks_uri"));
    const char *name = issuer ? iam_provider_name(issuer) : NULL;
    size_t n = strlen(q->name);
    if (!name || strncmp(name, q->name, n) != 0 || name[n + strspn(name + n, "/")])
        return fail(err, E_PROTOCOL, "%s" DISCOVERY " is of another issuer", q->name);
    if (!url || !may_be_asked(q, url))
        return fail(err, E_PROTOCOL, "%s" DISCOVERY " has no jwks_uri of https", q->name);
    *ret_url = arena_strdup(a, url);
    return 0;
}

static int ask(struct arena *a, struct web_question *q)
{
    const struct sts_web *web = q->keys->web;
    AUTO_STR text = STR_INIT;
    const char *url = NULL;
    int r = web->fetch(
        web->ctx,
        arena_printf(a, "%s://%s" DISCOVERY, q->local ? "http" : "https", q->name),
        &q->thumbprints, &text, &q->why);
    if (r < 0)
        return r;
    json_t *root = json_loadb(str_text(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
    r = configuration_read(a, q, root, &url, &q->why);
    json_decref(root);
    if (r < 0)
        return r;
    str_clear(&text);
    r = web->fetch(web->ctx, url, &q->thumbprints, &text, &q->why);
    if (r == 0)
        q->fetched = arena_strndup(a, str_text(&text), text.len);
    return r;
}

static int ask_alone(struct arena *a, struct web_question *q)
{
    if (!q->keys->web)
        return fail(&q->why, E_NETWORK, "identity providers can't be asked here");
    if (atomic_flag_test_and_set(&q->keys->asking))
        return fail(&q->why, E_AGAIN, "another identity provider is being asked");
    int r = ask(a, q);
    atomic_flag_clear(&q->keys->asking);
    return r;
}

static int check(struct web_question *q, const char *jwks)
{
    return jwt_verify(&q->token, jwks, strlen(jwks), &q->why);
}

void web_question_answer(struct arena *a, struct web_question *q)
{
    q->result = q->kept ? check(q, q->kept) : -E_NOTFOUND;
    if (q->result == -E_NOTFOUND && q->may_fetch) {
        q->result = ask_alone(a, q);
        if (q->result == 0)
            q->result = check(q, q->fetched);
    }
    if (q->result == -E_INVALID)
        q->fetched = NULL; /* no key set: not to be kept */
    q->answered = true;
}
