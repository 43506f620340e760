/* One request with everything that may have to happen before it is answered: finding out
 * the scheme, authorising, waiting and trying again. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "registry_session.h"

#define MAX_TRIES       5   /* without a byte of progress */
#define MAX_ALL_TRIES   200 /* a download that advances a little each time ends, too */
#define MAX_REDIRECTS   5
#define MAX_RETRY_AFTER 30 /* seconds that a registry may ask us to wait */

int64_t registry_backoff_ms(unsigned n, uint32_t random)
{
    int64_t ms = n > 3 ? 5000 : 1100ll << (n ? n - 1 : 0);
    ms += ms * ((int64_t)(random % 2001) - 1000) / 10000;
    return ms < 1100 ? 1100 : ms > 5000 ? 5000 : ms;
}

void registry_error_text(const struct http_client_response *resp, struct str *ret)
{
    json_t *j = json_loadb(str_text(&resp->body), resp->body.len, 0, NULL);
    const json_t *e = json_array_get(json_object_get(j, "errors"), 0);
    const char *code = json_string_value(json_object_get(e, "code"));
    const char *message = json_string_value(json_object_get(e, "message"));
    if (!message)
        message = json_string_value(json_object_get(j, "details"));
    if (code && message) {
        str_addf(ret, "%.100s: %.500s", code, message);
    } else if (code || message) {
        str_addf(ret, "%.500s", message ? message : code);
    } else {
        /* Some page of a proxy: its beginning, in one line. */
        for (size_t i = 0; i < resp->body.len && i < 160; i++) {
            unsigned char c = (unsigned char)resp->body.data[i];
            str_addc(ret, c < 0x20 || c > 0x7e ? ' ' : (char)c);
        }
    }
    if (ret->len == 0)
        str_add(ret, "no reason given");
    json_decref(j);
}

/* ---- one try ---- */

struct
try {
    struct registry_session *s;
    const struct registry_request *req;
    struct http_client_response *resp;
    const char *base;
    struct str authorization;
    unsigned generation;
};

static void reset_response(struct try *t)
{
    http_client_response_fini(t->resp);
    *t->resp = (struct http_client_response)HTTP_CLIENT_RESPONSE_INIT;
    const struct registry_download *d = t->req->download;
    if (d) {
        t->resp->on_headers = d->on_headers;
        t->resp->sink = d->sink;
        t->resp->ctx = d->ctx;
    }
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

static int send_once(struct try *t, struct error *err)
{
    AUTO_STR url = STR_INIT;
    struct http_header headers[4] = {{NULL, NULL}};
    const struct registry_download *d = t->req->download;
    size_t n = 0;
    str_addf(&url, "%s%s", t->base, t->req->path);
    if (t->req->accept)
        headers[n++] = (struct http_header){"Accept", t->req->accept};
    if (t->authorization.len)
        headers[n++] = (struct http_header){"Authorization", t->authorization.data};
    struct http_client_request h = {
        .url = url.data,
        .headers = headers,
        .ranged = d && d->have > 0,
        .range_from = d ? (int64_t)d->have : 0,
        .range_to = -1,
        .idle_timeout_ms = t->s->client->idle_timeout_ms,
        .timeout_ms = d ? 0 : 60000,
        .max_redirects = MAX_REDIRECTS,
        .max_body_bytes = t->req->max_body_bytes,
        .cancel = t->s->cancel,
    };
    /* Plain HTTP without redirects needs no libcurl; our own registry never redirects. */
    if (str_starts(t->base, "http://"))
        h.max_redirects = 0;
    reset_response(t);
    int r = http_client_do(t->s->http, &h, t->resp, err);
    if (r < 0 || h.max_redirects || !is_redirect(t->resp->status))
        return r;
    h.max_redirects = MAX_REDIRECTS;
    reset_response(t);
    return http_client_do(t->s->http, &h, t->resp, err);
}

static void snapshot(struct try *t)
{
    struct registry_session *s = t->s;
    pthread_mutex_lock(&s->lock);
    if (s->client->env.mono_ns(s->client->env.ctx) >= s->expires_ns)
        str_clear(&s->authorization);
    t->base = s->base;
    t->generation = s->generation;
    str_clear(&t->authorization);
    str_add(&t->authorization, str_text(&s->authorization));
    pthread_mutex_unlock(&s->lock);
}

/* Go's TLS servers answer plain HTTP with a 400 that says so; others just hang up. */
static bool wants_tls(int r, const struct http_client_response *resp)
{
    if (r < 0)
        return r == -E_PROTOCOL || r == -E_NETWORK;
    return resp->status == 400 && strstr(str_text(&resp->body), "HTTPS");
}

/* While it is not known whether the peer speaks TLS, a failure may mean the other scheme. */
static int send_any_scheme(struct try *t, struct error *err)
{
    struct registry_session *s = t->s;
    int r = send_once(t, err);
    pthread_mutex_lock(&s->lock);
    const char *other = s->other;
    bool known = !other || !wants_tls(r, t->resp);
    if (known && r >= 0)
        s->other = NULL;
    pthread_mutex_unlock(&s->lock);
    if (known)
        return r;
    const char *first = t->base;
    struct error ignored;
    t->base = streq(other, first) ? s->base : other;
    if (send_once(t, &ignored) < 0) {
        t->base = first;
        return r < 0 ? r
                     : fail(err, E_NETWORK, "it speaks TLS, and that failed: %s",
                            ignored.text);
    }
    pthread_mutex_lock(&s->lock);
    s->base = t->base;
    s->other = NULL;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static int authorize(struct try *t, struct error *err)
{
    struct registry_session *s = t->s;
    int r = 0;
    pthread_mutex_lock(&s->lock);
    /* Another thread of this session may have done it meanwhile. */
    if (s->generation == t->generation)
        r = registry_authorize(s, t->resp, err);
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* Twice authorised is enough: a token that ended on the way, then a fresh one. */
static int try_once(struct try *t, struct error *err)
{
    for (int round = 0;; round++) {
        snapshot(t);
        int r = send_any_scheme(t, err);
        if (r < 0 || t->resp->status != 401 || round == 2)
            return r;
        if (round > 0 && !t->s->username)
            return 0;
        r = authorize(t, err);
        if (r < 0)
            return r;
    }
}

/* ---- all tries ---- */

static bool status_is_passing(int status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

static bool may_repeat(int r, const struct http_client_response *resp)
{
    if (r < 0)
        return r == -E_NETWORK || r == -E_TIMEOUT;
    return status_is_passing(resp->status);
}

static int wait_for_next(struct registry_session *s, unsigned n,
                         const struct http_client_response *resp, struct error *err)
{
    const struct registry_env *env = &s->client->env;
    int64_t ms = registry_backoff_ms(n, env->random(env->ctx)), after;
    const char *header = http_client_header(resp, "Retry-After");
    if (header && str_to_i64(header, 0, 86400, &after)) {
        after = (after > MAX_RETRY_AFTER ? MAX_RETRY_AFTER : after) * 1000;
        ms = after > ms ? after : ms;
    }
    return env->sleep(env->ctx, ms, s->cancel, err);
}

static int fail_status(const struct registry_session *s,
                       const struct http_client_response *resp, struct error *err)
{
    AUTO_STR text = STR_INIT;
    registry_error_text(resp, &text);
    switch (resp->status) {
    case 401:
    case 403:
        return fail(
            err, E_DENIED,
            "pull access denied for %s, the repository does not exist or may need "
            "other credentials: %s",
            s->shown, text.data);
    case 404:
        return fail(err, E_NOTFOUND, "%s not found: %s", s->shown, text.data);
    case 429:
        return fail(err, E_NETWORK, "%s: toomanyrequests: %s", s->shown, text.data);
    default:
        return fail(err, resp->status >= 500 ? E_NETWORK : E_PROTOCOL,
                    "%s: unexpected status %d from the registry: %s", s->shown,
                    resp->status, text.data);
    }
}

static int run_tries(struct try *t, struct error *err)
{
    const struct registry_download *d = t->req->download;
    unsigned tries = 0;
    for (unsigned all = 1;; all++) {
        uint64_t before = d ? d->have : 0;
        int r = try_once(t, err);
        if (r >= 0 && t->resp->status >= 200 && t->resp->status < 300)
            return 0;
        tries = d && d->have > before ? 1 : tries + 1;
        if (!may_repeat(r, t->resp) || tries >= MAX_TRIES || all >= MAX_ALL_TRIES)
            return r < 0 ? wrap(err, "%s", t->s->shown) : fail_status(t->s, t->resp, err);
        r = wait_for_next(t->s, tries, t->resp, err);
        if (r < 0)
            return r;
    }
}

int registry_request(struct registry_session *s, const struct registry_request *req,
                     struct http_client_response *resp, struct error *err)
{
    struct error own;
    struct try t = {.s = s, .req = req, .resp = resp};
    int r = run_tries(&t, err ? err : &own);
    str_free(&t.authorization);
    return r;
}
