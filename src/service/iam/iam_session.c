#include "iam_session.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "iam_id.h"
#include "iam_state.h"
#include "seal.h"

#define SEAL_PREFIX "sealed:1:"

/* ---- token ---- */

static const char *bound_to(struct arena *a, const char *access_key_id)
{
    return arena_printf(a, "/iam/session/%s", access_key_id);
}

/* What is the same in all tokens is left away, and ':' has a meaning in some places that a
 * token travels through. */
static const char *token_make(const struct core *core, struct arena *a,
                              const struct gantry_iam_session_record *rec)
{
    AUTO_SECRET text = STR_INIT;
    str_reserve(&text, SESSION_TOKEN_MAX * 2);
    wire_json_encode(&text, &gantry_iam_session_record_shape, rec);
    const char *sealed =
        seal(core_seal(core), a, text.data, text.len, bound_to(a, rec->access_key_id));
    char *token = arena_strdup(a, sealed + strlen(SEAL_PREFIX));
    char *colon = strchr(token, ':');
    *colon = '.';
    return token;
}

static const char *sealed_of(struct arena *a, const char *token)
{
    const char *dot = strchr(token, '.');
    return dot ? arena_printf(a, SEAL_PREFIX "%.*s:%s", (int)(dot - token), token,
                              dot + 1)
               : NULL;
}

int iam_session_issue(struct core *core, struct arena *a,
                      const struct gantry_iam_session_record *what,
                      struct iam_credentials *ret, struct error *err)
{
    char key[IAM_KEY_LENGTH + 1], secret[IAM_SECRET_LENGTH + 1];
    struct gantry_iam_session_record rec = *what;
    if (rec.policy) {
        struct policy *p = NULL;
        int r = policy_compile(rec.policy, strlen(rec.policy), POLICY_IDENTITY, &p, err);
        policy_free(p);
        if (r < 0)
            return r;
    }
    iam_id_make(core, "ASIA", rec.account, IAM_KEY_LENGTH, key);
    iam_secret_make(core, secret);
    rec.access_key_id = arena_strdup(a, key);
    rec.secret = arena_strdup(a, secret);
    rec.issued_at = SET_TIME(core_now_ms(core));
    *ret = (struct iam_credentials){rec.access_key_id, rec.secret,
                                    token_make(core, a, &rec), rec.expires_at.v};
    return strlen(ret->session_token) <= SESSION_TOKEN_MAX
               ? 0
               : fail(err, E_LIMIT,
                      "Packed policy consumes %zu%% of allotted space, "
                      "please use smaller policy.",
                      strlen(ret->session_token) * 100 / SESSION_TOKEN_MAX);
}

/* ---- cache ---- */

static void session_free(struct iam_session_cache *cache, struct iam_session *s)
{
    HASH_DELETE(by_key, cache->sessions, s);
    policy_free(s->policy);
    arena_free(&s->arena);
    free(s);
}

void iam_sessions_free(struct iam_session_cache *cache)
{
    while (cache->sessions)
        session_free(cache, cache->sessions);
}

static const struct gantry_iam_session_record *record_open(const struct core *core,
                                                           struct arena *a,
                                                           const char *access_key_id,
                                                           const char *token)
{
    AUTO_SECRET text = STR_INIT;
    struct wire_error bad;
    void *rec;
    const char *sealed = sealed_of(a, token);
    if (!sealed || strlen(token) > SESSION_TOKEN_MAX ||
        seal_open(core_seal(core), sealed, bound_to(a, access_key_id), &text, NULL) < 0 ||
        wire_json_decode(a, &gantry_iam_session_record_shape, text.data, text.len, true,
                         &rec, &bad) < 0)
        return NULL;
    return rec;
}

static struct iam_session *session_load(struct core *core, const char *access_key_id,
                                        const char *token)
{
    struct iam_session *s = xcalloc(1, sizeof(*s));
    s->rec = record_open(core, &s->arena, access_key_id, token);
    if (!s->rec || !streq(s->rec->access_key_id, access_key_id)) {
        arena_free(&s->arena);
        free(s);
        return NULL;
    }
    s->token = arena_strdup(&s->arena, token);
    if (s->rec->policy)
        (void)policy_compile(s->rec->policy, strlen(s->rec->policy), POLICY_IDENTITY,
                             &s->policy, NULL); /* it did when it was issued */
    s->source = (struct policy_source){s->policy, "session policy"};
    return s;
}

const struct iam_session *iam_session_open(struct core *core, const char *access_key_id,
                                           const char *token)
{
    struct iam_session_cache *cache = &iam_of(core)->sessions;
    struct iam_session *s;
    HASH_FIND(by_key, cache->sessions, access_key_id, strlen(access_key_id), s);
    if (s) {
        size_t n = strlen(s->token);
        if (strlen(token) != n || CRYPTO_memcmp(token, s->token, n) != 0)
            return NULL;
        return s;
    }
    s = session_load(core, access_key_id, token);
    if (!s)
        return NULL;
    HASH_ADD_KEYPTR(by_key, cache->sessions, s->rec->access_key_id,
                    strlen(s->rec->access_key_id), s);
    if (HASH_CNT(by_key, cache->sessions) > SESSION_CACHE_MAX)
        session_free(cache, cache->sessions); /* the oldest; never the one just added */
    return s;
}
