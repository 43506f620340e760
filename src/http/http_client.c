/* Requests: plain ones by our own hands (http_plain.c), all others through libcurl. There
 * each call takes an idle connection set (an easy handle in a multi handle of its own, which
 * holds the open connections) from the client and gives it back. The multi interface, because
 * only that can be woken from another thread at once. */
#include "http_client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "http_cancel.h"
#include "http_curl.h"
#include "http_plain.h"
#include "list.h"

#define MAX_IDLE_SLOTS 8

struct slot {
    struct list node;
    CURL *easy;
    CURLM *multi;
};

struct http_client {
    const struct curl_api *curl; /* NULL until the first call */
    char *ca_file, *user_agent, *unix_socket;
    bool insecure, curl_only;
    struct plain_pool plain;
    pthread_mutex_t lock;
    struct list idle; /* struct slot */
    unsigned idle_count;
};

/* One call through libcurl, while it runs. */
struct transfer {
    struct answer answer;
    struct http_client *client;
    const struct http_client_request *req;
    const struct curl_api *curl;
    struct slot *slot;
    struct curl_slist *headers;
    char curl_text[CURL_ERROR_SIZE];
};

/* ---- client ---- */

static char *copy(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

int http_client_new(const struct http_client_config *config, struct http_client **ret,
                    struct error *err)
{
    struct http_client *c = xcalloc(1, sizeof(*c));
    c->ca_file = copy(config->ca_file);
    c->user_agent =
        xstrdup(config->user_agent ? config->user_agent : "gantry/" GANTRY_VERSION);
    c->unix_socket = copy(config->unix_socket);
    c->insecure = config->insecure;
    c->curl_only = config->curl_only;
    plain_pool_init(&c->plain, c->user_agent, c->unix_socket);
    pthread_mutex_init(&c->lock, NULL);
    list_init(&c->idle);
    *ret = c;
    return 0;
}

static void slot_free(const struct curl_api *curl, struct slot *s)
{
    curl->curl_easy_cleanup(s->easy);
    curl->curl_multi_cleanup(s->multi);
    free(s);
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    list_for_each_safe (it, &c->idle)
        slot_free(c->curl, list_entry(it, struct slot, node));
    plain_pool_fini(&c->plain);
    pthread_mutex_destroy(&c->lock);
    free(c->ca_file);
    free(c->user_agent);
    free(c->unix_socket);
    free(c);
}

static int slot_take(struct http_client *c, const struct curl_api **ret_curl,
                     struct slot **ret, struct error *err)
{
    const struct curl_api *curl;
    int r = curl_load(&curl, err);
    if (r < 0)
        return r;
    *ret_curl = curl;
    pthread_mutex_lock(&c->lock);
    c->curl = curl; /* always the same */
    struct list *first = list_first(&c->idle);
    if (first) {
        list_remove(first);
        c->idle_count--;
    }
    pthread_mutex_unlock(&c->lock);
    if (first) {
        *ret = list_entry(first, struct slot, node);
        curl->curl_easy_reset((*ret)->easy);
        return 0;
    }
    struct slot *s = xcalloc(1, sizeof(*s));
    s->easy = curl->curl_easy_init();
    s->multi = curl->curl_multi_init();
    if (!s->easy || !s->multi) {
        slot_free(curl, s);
        return fail(err, E_IO, "libcurl gave no handle");
    }
    *ret = s;
    return 0;
}

static void slot_give(struct http_client *c, const struct curl_api *curl, struct slot *s)
{
    pthread_mutex_lock(&c->lock);
    bool keep = c->idle_count < MAX_IDLE_SLOTS;
    if (keep) {
        /* Newest first: its connections are the likeliest to be open still. */
        list_append(c->idle.next, &s->node);
        c->idle_count++;
    }
    pthread_mutex_unlock(&c->lock);
    if (!keep)
        slot_free(curl, s);
}

/* ---- what curl gives us ---- */

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * n, text = len;
    while (text && (data[text - 1] == '\n' || data[text - 1] == '\r'))
        text--;
    return answer_line(&t->answer, data, text) < 0 ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    return answer_body(&t->answer, data, size * n) < 0 ? 0 : size * n;
}

static size_t on_read(char *buf, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    int64_t got = t->req->read(t->req->read_ctx, buf, size * n, t->answer.err);
    t->answer.last_byte_ns = clock_mono_ns();
    if (got >= 0)
        return (size_t)got;
    t->answer.failed = (int)got;
    return CURL_READFUNC_ABORT;
}

/* ---- setting up ---- */

static void set_body(struct transfer *t)
{
    const struct curl_api *curl = t->curl;
    const struct http_client_request *req = t->req;
    CURL *c = t->slot->easy;
    const char *method = request_method(req);
    if (req->read) {
        curl->curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl->curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
        curl->curl_easy_setopt(c, CURLOPT_READDATA, t);
        curl->curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->read_len);
    } else if (req->body || streq(method, "POST") || streq(method, "PUT") ||
               streq(method, "PATCH")) {
        curl->curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
        curl->curl_easy_setopt(c, CURLOPT_POSTFIELDS, req->body ? req->body : "");
    } else if (streq(method, "HEAD")) {
        curl->curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else {
        curl->curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    }
    curl->curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
}

static int set_headers(struct transfer *t)
{
    struct curl_slist *l = t->curl->curl_slist_append(NULL, "Expect:");
    l = t->curl->curl_slist_append(
        l, "Content-Type:"); /* curl's guess; ours comes after it */
    for (const struct http_header *h = t->req->headers; h && h->name; h++) {
        AUTO_STR line = STR_INIT;
        /* "Name;" is how curl is asked for an empty value. */
        str_addf(&line, *h->value ? "%s: %s" : "%s;", h->name, h->value);
        if (strpbrk(str_text(&line), "\r\n")) {
            t->curl->curl_slist_free_all(l);
            return fail(t->answer.err, E_INVALID, "the header %s holds a line's end",
                        h->name);
        }
        l = t->curl->curl_slist_append(l, str_text(&line));
    }
    t->headers = l;
    t->curl->curl_easy_setopt(t->slot->easy, CURLOPT_HTTPHEADER, l);
    return 0;
}

/* The environment's proxy is for the world, not for our own server beside us. */
static bool is_loopback(const char *url)
{
    return str_starts(url, "http://127.") || str_starts(url, "http://localhost") ||
           str_starts(url, "http://[::1]");
}

static void set_trust(struct transfer *t)
{
    const struct curl_api *curl = t->curl;
    CURL *c = t->slot->easy;
    bool any = t->client->insecure || t->req->show_chain;
    if (t->req->ca_pem) {
        struct curl_blob pem = {(void *)(uintptr_t)t->req->ca_pem, strlen(t->req->ca_pem),
                                CURL_BLOB_COPY};
        curl->curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &pem);
    }
    curl->curl_easy_setopt(c, CURLOPT_CERTINFO, t->req->show_chain ? 1L : 0L);
    curl->curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, any ? 0L : 1L);
    curl->curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, any ? 0L : 2L);
}

static void set_connection(struct transfer *t)
{
    const struct curl_api *curl = t->curl;
    const struct http_client_request *req = t->req;
    const struct http_client *client = t->client;
    CURL *c = t->slot->easy;
    curl->curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl->curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->curl_easy_setopt(c, CURLOPT_USERAGENT, client->user_agent);
    curl->curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)request_connect_ms(req));
    curl->curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    curl->curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, 30L);
    curl->curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, 10L);
    curl->curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 128L * 1024);
    if (is_loopback(req->url))
        curl->curl_easy_setopt(c, CURLOPT_PROXY, "");
    if (client->unix_socket)
        curl->curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
    if (client->ca_file)
        curl->curl_easy_setopt(c, CURLOPT_CAINFO, client->ca_file);
    set_trust(t);
    curl->curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, req->max_redirects ? 1L : 0L);
    curl->curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)req->max_redirects);
}

static int set_up(struct transfer *t)
{
    const struct curl_api *curl = t->curl;
    CURL *c = t->slot->easy;
    curl->curl_easy_setopt(c, CURLOPT_URL, t->req->url);
    curl->curl_easy_setopt(c, CURLOPT_PATH_AS_IS,
                           1L); /* what is signed is what is sent */
    curl->curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->curl_text);
    curl->curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl->curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl->curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl->curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    set_connection(t);
    set_body(t);
    if (t->req->ranged) {
        char range[64];
        if (t->req->range_to >= 0)
            snprintf(range, sizeof(range), "%lld-%lld", (long long)t->req->range_from,
                     (long long)t->req->range_to);
        else
            snprintf(range, sizeof(range), "%lld-", (long long)t->req->range_from);
        curl->curl_easy_setopt(c, CURLOPT_RANGE, range);
    }
    return set_headers(t);
}

/* ---- running ---- */

static const char *advice(CURLcode rc)
{
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return ADVICE_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return ADVICE_CONNECT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return "its certificate is not trusted here: give the CA's certificate, or allow "
               "this "
               "registry as insecure";
    case CURLE_SSL_CONNECT_ERROR:
        return "it may speak plain HTTP there, not TLS";
    case CURLE_OPERATION_TIMEDOUT:
        return ADVICE_TIMEOUT;
    default:
        return "try again";
    }
}

static enum error_code code_of(CURLcode rc)
{
    switch (rc) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return E_INVALID;
    case CURLE_OPERATION_TIMEDOUT:
        return E_TIMEOUT;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_TOO_MANY_REDIRECTS:
        return E_PROTOCOL;
    default:
        return E_NETWORK;
    }
}

static int finish(struct transfer *t, CURLcode rc)
{
    if (t->answer.failed < 0)
        return t->answer.failed;
    if (http_cancelled(t->req->cancel))
        return fail(t->answer.err, E_CANCELLED, "%s %s was cancelled",
                    request_method(t->req), t->req->url);
    if (rc == CURLE_OK)
        return 0;
    enum error_code code = code_of(rc);
    const char *text = t->curl_text[0] ? t->curl_text : t->curl->curl_easy_strerror(rc);
    if (code == E_INVALID)
        return fail(t->answer.err, code, "'%s' is no address for HTTP: %s", t->req->url,
                    text);
    return fail(t->answer.err, code, "%s %s: %s (%s)", request_method(t->req),
                t->req->url, text, advice(rc));
}

static bool idle_too_long(const struct transfer *t, int64_t *ret_left_ms)
{
    *ret_left_ms =
        request_idle_ms(t->req) - (clock_mono_ns() - t->answer.last_byte_ns) / 1000000;
    return *ret_left_ms <= 0;
}

static CURLcode result_of(struct transfer *t)
{
    int left;
    CURLMsg *msg = t->curl->curl_multi_info_read(t->slot->multi, &left);
    return msg && msg->msg == CURLMSG_DONE ? msg->data.result : CURLE_RECV_ERROR;
}

static int run(struct transfer *t)
{
    int running = 1;
    while (!http_cancelled(t->req->cancel)) {
        int64_t left_ms;
        if (t->curl->curl_multi_perform(t->slot->multi, &running) != CURLM_OK)
            return finish(t, CURLE_FAILED_INIT);
        if (!running)
            return finish(t, result_of(t));
        if (idle_too_long(t, &left_ms))
            return fail(t->answer.err, E_TIMEOUT, "%s %s: nothing came for %lld ms (%s)",
                        request_method(t->req), t->req->url,
                        (long long)request_idle_ms(t->req), ADVICE_TIMEOUT);
        int wait = left_ms < 60000 ? (int)left_ms + 1 : 60000;
        t->curl->curl_multi_poll(t->slot->multi, NULL, 0, wait, NULL);
    }
    return finish(t, CURLE_ABORTED_BY_CALLBACK);
}

static void wake(void *ctx)
{
    struct transfer *t = ctx;
    t->curl->curl_multi_wakeup(t->slot->multi);
}

static void note_url(struct transfer *t)
{
    char *url = NULL;
    t->curl->curl_easy_getinfo(t->slot->easy, CURLINFO_EFFECTIVE_URL, &url);
    struct http_client_response *resp = t->answer.resp;
    resp->final_url = arena_strdup(&resp->arena, url ? url : t->req->url);
}

static void note_chain(struct transfer *t)
{
    static const char name[] = "Cert:";
    struct curl_certinfo *info = NULL;
    struct http_client_response *resp = t->answer.resp;
    t->curl->curl_easy_getinfo(t->slot->easy, CURLINFO_CERTINFO, &info);
    if (!info || info->num_of_certs <= 0)
        return;
    int n = 0;
    resp->chain =
        arena_new_array(&resp->arena, const char *, (size_t)info->num_of_certs + 1);
    for (int i = 0; i < info->num_of_certs; i++)
        for (const struct curl_slist *l = info->certinfo[i]; l; l = l->next)
            if (str_starts(l->data, name) && n < info->num_of_certs)
                resp->chain[n++] = arena_strdup(&resp->arena, l->data + strlen(name));
}

static int curl_do(struct http_client *c, const struct answer *answer)
{
    struct transfer t = {.answer = *answer, .client = c, .req = answer->req};
    int r = slot_take(c, &t.curl, &t.slot, t.answer.err);
    if (r < 0)
        return r;
    t.answer.last_byte_ns = clock_mono_ns();
    r = set_up(&t);
    if (r == 0) {
        struct cancel_call call = {.wake = wake, .ctx = &t};
        http_cancel_enter(t.req->cancel, &call);
        t.curl->curl_multi_add_handle(t.slot->multi, t.slot->easy);
        r = run(&t);
        t.curl->curl_multi_remove_handle(t.slot->multi, t.slot->easy);
        http_cancel_leave(t.req->cancel, &call);
        note_url(&t);
        if (t.req->show_chain)
            note_chain(&t);
    }
    t.curl->curl_easy_reset(t.slot->easy); /* nothing may point at this frame */
    t.curl->curl_slist_free_all(t.headers);
    slot_give(c, t.curl, t.slot);
    return r;
}

int http_client_do(struct http_client *c, const struct http_client_request *req,
                   struct http_client_response *resp, struct error *err)
{
    struct error local = ERROR_INIT; /* callbacks always find a place */
    struct answer answer = {.req = req, .resp = resp, .err = err ? err : &local};
    if (!c->curl_only && plain_can(&c->plain, req))
        return plain_do(&c->plain, &answer);
    return curl_do(c, &answer);
}

const char *http_client_header(const struct http_client_response *resp, const char *name)
{
    for (size_t i = 0; i < resp->header_count; i++) {
        if (strcasecmp(resp->headers[i].name, name) == 0)
            return resp->headers[i].value;
    }
    return NULL;
}

void http_client_response_fini(struct http_client_response *resp)
{
    str_free(&resp->body);
    arena_free(&resp->arena);
    resp->headers = NULL;
    resp->header_count = 0;
    resp->final_url = NULL;
    resp->chain = NULL;
    resp->status = 0;
}
