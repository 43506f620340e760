/* Tokens and their claims; see jwt.h. Keys are in jwt_key.c. */
#include "jwt.h"

#include <string.h>

#include <jansson.h>

#include "jwt_key.h"
#include "str.h"

int jwt_decode64(struct arena *a, const char *text, size_t len, uint8_t **ret,
                 size_t *ret_len)
{
    AUTO_STR plain = STR_INIT;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '+' || text[i] == '/' || text[i] == '=')
            return -E_INVALID;
        str_addc(&plain, text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
    }
    while (plain.len % 4)
        str_addc(&plain, '=');
    return base64_decode(a, str_text(&plain), plain.len, ret, ret_len) ? 0 : -E_INVALID;
}

/* ---- members ---- */

static const char *text_of(struct arena *a, const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? arena_strdup(a, text) : NULL;
}

/* A string, or a list of strings; others are left out. */
static int texts_of(struct arena *a, const json_t *o, const char *name,
                    struct jwt_texts *ret, struct error *err)
{
    const json_t *v = json_object_get(o, name);
    size_t n = json_is_array(v) ? json_array_size(v) : v != NULL;
    if (n > JWT_TEXTS_MAX)
        return fail(err, E_INVALID, "%s has more than %d values", name, JWT_TEXTS_MAX);
    ret->v = arena_new_array(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (text)
            ret->v[ret->n++] = arena_strdup(a, text);
    }
    return 0;
}

/* Seconds since 1970; some write them with a fraction. False: not there, or no such. */
static bool seconds_of(const json_t *o, const char *name, int64_t *ret)
{
    const json_t *v = json_object_get(o, name);
    double d = json_number_value(v);
    if (!json_is_number(v) || !(d >= 0 && d < 1e11))
        return false;
    *ret = (int64_t)d;
    return true;
}

/* ---- the token ---- */

static json_t *object_of(struct arena *a, const char *text, size_t len)
{
    uint8_t *bytes;
    size_t n;
    if (jwt_decode64(a, text, len, &bytes, &n) < 0)
        return NULL;
    json_t *o = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(o))
        return o;
    json_decref(o);
    return NULL;
}

static int header_read(struct arena *a, const json_t *o, struct jwt *t, struct error *err)
{
    t->algorithm = text_of(a, o, "alg");
    t->key_id = text_of(a, o, "kid");
    if (!t->algorithm || !jwt_algorithm_known(t->algorithm))
        return fail(err, E_INVALID,
                    "the algorithm is not one of RS256, RS384, RS512, "
                    "ES256 and ES384");
    /* RFC 7515 §4.1.11: what it names must be understood; we understand none. */
    return json_object_get(o, "crit") ? fail(err, E_INVALID, "'crit' is not understood")
                                      : 0;
}

static int claims_read(struct arena *a, const json_t *o, struct jwt *t, struct error *err)
{
    t->issuer = text_of(a, o, "iss");
    t->subject = text_of(a, o, "sub");
    t->authorized_party = text_of(a, o, "azp");
    int r = texts_of(a, o, "aud", &t->audience, err);
    if (r >= 0)
        r = texts_of(a, o, "amr", &t->amr, err);
    if (r < 0)
        return r;
    const char *missing =
        str_empty(t->issuer)                                                   ? "iss"
        : str_empty(t->subject)                                                ? "sub"
        : t->audience.n == 0                                                   ? "aud"
        : !seconds_of(o, "exp", &t->expires_s)                                 ? "exp"
        : !seconds_of(o, "iat", &t->issued_s)                                  ? "iat"
        : json_object_get(o, "nbf") && !seconds_of(o, "nbf", &t->not_before_s) ? "nbf"
                                                                               : NULL;
    return missing ? fail(err, E_INVALID, "Missing a required claim: %s", missing) : 0;
}

static int parts_read(struct arena *a, const json_t *header, const json_t *claims,
                      struct jwt *t, struct error *err)
{
    if (!header || !claims)
        return fail(err, E_INVALID, "its parts are no JSON objects");
    int r = header_read(a, header, t, err);
    return r < 0 ? r : claims_read(a, claims, t, err);
}

int jwt_parse(struct arena *a, const char *token, struct jwt *ret, struct error *err)
{
    size_t len = strlen(token), first = strcspn(token, ".");
    const char *claims_text = token[first] ? token + first + 1 : token + first;
    size_t second = strcspn(claims_text, ".");
    const char *end = claims_text + second;
    uint8_t *signature;
    struct jwt t = {.signed_text = token, .signed_len = (size_t)(end - token)};
    if (len > JWT_MAX_BYTES || !*end || strchr(end + 1, '.') ||
        jwt_decode64(a, end + 1, strlen(end + 1), &signature, &t.signature_len) < 0)
        return fail(err, E_INVALID, "it has not three parts in base64");
    t.signature = signature;
    json_t *header = object_of(a, token, first);
    json_t *claims = object_of(a, claims_text, second);
    int r = parts_read(a, header, claims, &t, err);
    json_decref(header);
    json_decref(claims);
    if (r == 0)
        *ret = t;
    return r;
}
