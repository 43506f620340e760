/* How a session gets its Authorization header: reading the challenge of a 401 and, for
 * Bearer, asking the token service that it names. */
#include <ctype.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "registry_session.h"

#define TOKEN_LIFE_S     60 /* when the service says nothing; its own specification */
#define TOKEN_MAX_BYTES  (256u << 10)
#define HEADER_MAX_BYTES 16384

/* ---- challenges (RFC 9110 §11.6.1) ---- */

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_blank(const char *p)
{
    return p + strspn(p, " \t");
}

/* value = token / quoted-string; NULL when it is neither. */
static const char *read_value(struct arena *a, const char *p, const char **ret)
{
    char *out = arena_alloc(a, strlen(p) + 1), *o = out;
    if (*p == '"') {
        for (p++; *p && *p != '"'; p++) {
            if (*p == '\\' && p[1])
                p++;
            *o++ = *p;
        }
        if (*p++ != '"')
            return NULL;
    } else {
        while (is_token_char(*p) || *p == '/' || *p == ':' || *p == '=')
            *o++ = *p++;
    }
    *o = '\0';
    *ret = out;
    return p;
}

static void set_param(struct challenge *c, const char *name, size_t len,
                      const char *value)
{
    if (len == 5 && strncasecmp(name, "realm", 5) == 0)
        c->realm = value;
    else if (len == 7 && strncasecmp(name, "service", 7) == 0)
        c->service = value;
    else if (len == 5 && strncasecmp(name, "scope", 5) == 0)
        c->scope = value;
}

/* One challenge; the next one begins where a token is followed by no '='. */
static const char *read_challenge(struct arena *a, const char *p, struct challenge *ret)
{
    struct challenge c = {CHALLENGE_NONE, "", "", ""};
    const char *start = p;
    while (is_token_char(*p))
        p++;
    if (p - start == 5 && strncasecmp(start, "basic", 5) == 0)
        c.scheme = CHALLENGE_BASIC;
    else if (p - start == 6 && strncasecmp(start, "bearer", 6) == 0)
        c.scheme = CHALLENGE_BEARER;
    if (p == start)
        return NULL;
    for (;;) {
        p += strspn(p, " \t,");
        const char *name = p, *value;
        while (is_token_char(*p))
            p++;
        const char *end = p, *eq = skip_blank(p);
        if (end == name || *eq != '=') {
            *ret = c;
            return name;
        }
        p = read_value(a, skip_blank(eq + 1), &value);
        if (!p)
            return NULL;
        set_param(&c, name, (size_t)(end - name), value);
    }
}

int challenge_parse(struct arena *a, const char *header, struct challenge *ret,
                    struct error *err)
{
    struct challenge best = {CHALLENGE_NONE, "", "", ""}, c;
    if (strlen(header) > HEADER_MAX_BYTES)
        return fail(err, E_LIMIT, "the registry's challenge is too long");
    for (const char *p = header + strspn(header, " \t,"); p && *p;) {
        p = read_challenge(a, p, &c);
        if (!p)
            break;
        if (c.scheme == CHALLENGE_BEARER && *c.realm) {
            *ret = c;
            return 0;
        }
        if (c.scheme == CHALLENGE_BASIC && best.scheme == CHALLENGE_NONE)
            best = c;
    }
    if (best.scheme == CHALLENGE_NONE)
        return fail(err, E_UNSUPPORTED,
                    "the registry asks for an authorisation that is "
                    "neither Basic nor Bearer: '%.200s'",
                    header);
    *ret = best;
    return 0;
}

/* ---- Basic and Bearer ---- */

static void add_basic(const struct registry_session *s, struct str *ret)
{
    AUTO_STR plain = STR_INIT;
    str_addf(&plain, "%s:%s", s->username, s->password);
    size_t cap = 4 * ((plain.len + 2) / 3) + 1;
    char *b64 = xmalloc(cap);
    EVP_EncodeBlock((unsigned char *)b64, (const unsigned char *)plain.data,
                    (int)plain.len);
    str_addf(ret, "Basic %s", b64);
    free(b64);
}

static void add_query(struct str *url, const char *name, const char *value)
{
    str_addf(url, "%c%s=", strchr(url->data, '?') ? '&' : '?', name);
    for (const char *p = value; *p; p++) {
        if (isalnum((unsigned char)*p) || strchr("-._~", *p))
            str_addc(url, *p);
        else
            str_addf(url, "%%%02X", (unsigned char)*p);
    }
}

static int token_url(const struct registry_session *s, const struct challenge *c,
                     struct str *ret, struct error *err)
{
    bool secure = str_starts(c->realm, "https://");
    if (!secure && !str_starts(c->realm, "http://"))
        return fail(err, E_PROTOCOL,
                    "the registry names no usable token service: '%.200s'", c->realm);
    if (!secure && str_starts(s->base, "https://"))
        return fail(err, E_PROTOCOL,
                    "the registry names a token service without TLS, '%.200s';"
                    " credentials are not sent there",
                    c->realm);
    str_add(ret, c->realm);
    if (*c->service)
        add_query(ret, "service", c->service);
    if (*c->scope) {
        add_query(ret, "scope", c->scope);
    } else {
        AUTO_STR scope = STR_INIT;
        str_addf(&scope, "repository:%s:pull", s->ref.repository);
        add_query(ret, "scope", scope.data);
    }
    if (s->username)
        add_query(ret, "account", s->username);
    return 0;
}

/* RFC 6749 §5.1 names it access_token, the older specification token. */
static int read_token(struct registry_session *s, const struct str *body,
                      struct error *err)
{
    json_t *j = json_loadb(str_text(body), body->len, JSON_REJECT_DUPLICATES, NULL);
    const char *token = json_string_value(json_object_get(j, "token"));
    if (str_empty(token))
        token = json_string_value(json_object_get(j, "access_token"));
    json_int_t life = json_integer_value(json_object_get(j, "expires_in"));
    if (life < TOKEN_LIFE_S)
        life = TOKEN_LIFE_S;
    if (life > 86400)
        life = 86400;
    int r = 0;
    if (str_empty(token) || strpbrk(token, "\r\n")) {
        r = fail(err, E_PROTOCOL, "the token service's answer has no token");
    } else {
        str_clear(&s->authorization);
        str_addf(&s->authorization, "Bearer %s", token);
        int64_t now = s->client->env.mono_ns(s->client->env.ctx);
        s->expires_ns = now + (life - 10) * 1000000000ll;
    }
    json_decref(j);
    return r;
}

static int fetch_token(struct registry_session *s, const struct challenge *c,
                       struct error *err)
{
    AUTO_STR url = STR_INIT;
    AUTO_STR basic = STR_INIT;
    AUTO_STR text = STR_INIT;
    int r = token_url(s, c, &url, err);
    if (r < 0)
        return r;
    if (s->username)
        add_basic(s, &basic);
    struct http_header headers[] = {
        {"Accept", "application/json"}, {"Authorization", basic.data}, {NULL, NULL}};
    if (!s->username)
        headers[1] = (struct http_header){NULL, NULL};
    struct http_client_request req = {
        .url = url.data,
        .headers = headers,
        .timeout_ms = 60000,
        .max_body_bytes = TOKEN_MAX_BYTES,
        .cancel = s->cancel,
    };
    struct http_client_response resp = HTTP_CLIENT_RESPONSE_INIT;
    r = http_client_do(s->http, &req, &resp, err);
    if (r < 0) {
        wrap(err, "token service '%.200s'", c->realm);
    } else if (resp.status == 200) {
        r = read_token(s, &resp.body, err);
    } else {
        registry_error_text(&resp, &text);
        /* Of the service's trouble the caller may try again; of a refusal not. */
        r = fail(err, resp.status >= 500 || resp.status == 429 ? E_NETWORK : E_DENIED,
                 "the token service refused with status %d: %s", resp.status,
                 str_text(&text));
    }
    http_client_response_fini(&resp);
    return r;
}

int registry_authorize(struct registry_session *s,
                       const struct http_client_response *resp, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR all = STR_INIT;
    struct challenge c;
    for (size_t i = 0; i < resp->header_count; i++)
        if (strcasecmp(resp->headers[i].name, "WWW-Authenticate") == 0)
            str_addf(&all, "%s%s", all.len ? ", " : "", resp->headers[i].value);
    int r = challenge_parse(&a, str_text(&all), &c, err);
    if (r == 0 && c.scheme == CHALLENGE_BEARER)
        r = fetch_token(s, &c, err);
    else if (r == 0 && !s->username)
        r = fail(err, E_DENIED, "the registry wants credentials, and none are given");
    else if (r == 0) {
        str_clear(&s->authorization);
        add_basic(s, &s->authorization);
        s->expires_ns = INT64_MAX;
    }
    if (r == 0)
        s->generation++;
    return r;
}
