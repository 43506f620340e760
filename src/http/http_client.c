/* Requests through libcurl. Each call takes an idle connection set (an easy handle in a
 * multi handle of its own, which holds the open connections) from the client and gives it
 * back. The multi interface, because only that can be woken from another thread at once. */
#include "http_client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "http_cancel.h"
#include "http_curl.h"
#include "list.h"

#define CONNECT_TIMEOUT_MS 10000
#define IDLE_TIMEOUT_MS    60000
#define MAX_BODY           (16 * 1024 * 1024)
#define MAX_HEADERS        200
#define MAX_HEADER_BYTES   (64 * 1024)
#define MAX_IDLE_SLOTS     8

struct slot {
    struct list node;
    CURL *easy;
    CURLM *multi;
};

struct http_client {
    const struct curl_api *curl; /* NULL until the first call */
    char *ca_file, *user_agent, *unix_socket;
    bool insecure;
    pthread_mutex_t lock;
    struct list idle; /* struct slot */
    unsigned idle_count;
};

/* One call, while it runs. */
struct transfer {
    struct http_client *client;
    const struct http_client_request *req;
    struct http_client_response *resp;
    const struct curl_api *curl;
    struct slot *slot;
    struct error *err;
    int failed; /* negative: a callback ended the call, and filled err */
    int64_t last_byte_ns;
    size_t header_bytes;
    bool told_headers;
    struct curl_slist *headers;
    char curl_text[CURL_ERROR_SIZE];
};

static const char *method_of(const struct http_client_request *req)
{
    return req->method ? req->method : "GET";
}

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
    pthread_mutex_init(&c->lock, NULL);
    list_init(&c->idle);
    *ret = c;
    return 0;
}

static void slot_free(const struct curl_api *curl, struct slot *s)
{
    curl->easy_cleanup(s->easy);
    curl->multi_cleanup(s->multi);
    free(s);
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    list_for_each_safe (it, &c->idle)
        slot_free(c->curl, list_entry(it, struct slot, node));
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
        curl->easy_reset((*ret)->easy);
        return 0;
    }
    struct slot *s = xcalloc(1, sizeof(*s));
    s->easy = curl->easy_init();
    s->multi = curl->multi_init();
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

static void add_header(struct http_client_response *resp, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || resp->header_count >= MAX_HEADERS)
        return;
    struct http_header *h = &resp->headers[resp->header_count++];
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    h->name = arena_strndup(&resp->arena, line, (size_t)(colon - line));
    h->value = arena_strndup(&resp->arena, value, (size_t)(end - value));
}

static void start_answer(struct http_client_response *resp, const char *line)
{
    const char *space = strchr(line, ' ');
    resp->status = space ? atoi(space + 1) : 0;
    if (!resp->headers)
        resp->headers =
            arena_new_array(&resp->arena, struct http_header, MAX_HEADERS + 1);
    memset(resp->headers, 0, (MAX_HEADERS + 1) * sizeof(*resp->headers));
    resp->header_count = 0;
    str_clear(&resp->body);
}

/* Is this answer one that the caller gets to see? */
static bool is_last(const struct transfer *t)
{
    if (t->resp->status < 200)
        return false;
    return !(t->req->max_redirects && t->resp->status >= 300 && t->resp->status < 400 &&
             http_client_header(t->resp, "Location"));
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * n, text = len;
    t->last_byte_ns = clock_mono_ns();
    t->header_bytes += len;
    if (t->header_bytes > MAX_HEADER_BYTES) {
        t->failed =
            fail(t->err, E_LIMIT, "%s %s: the answer's headers are longer than %d bytes",
                 method_of(t->req), t->req->url, MAX_HEADER_BYTES);
        return 0;
    }
    while (text && (data[text - 1] == '\n' || data[text - 1] == '\r'))
        text--;
    if (text > 5 && strncmp(data, "HTTP/", 5) == 0) {
        char line[64];
        snprintf(line, sizeof(line), "%.*s", (int)(text < 60 ? text : 60), data);
        start_answer(t->resp, line);
    } else if (text) {
        add_header(t->resp, data, text);
    } else if (t->resp->on_headers && !t->told_headers && is_last(t)) {
        t->told_headers = true;
        t->failed = t->resp->on_headers(t->resp->ctx, t->resp, t->err);
    }
    return t->failed < 0 ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    struct http_client_response *resp = t->resp;
    size_t len = size * n,
           max = t->req->max_body_bytes ? t->req->max_body_bytes : MAX_BODY;
    t->last_byte_ns = clock_mono_ns();
    if (resp->sink && resp->status / 100 == 2)
        t->failed = resp->sink(resp->ctx, data, len, t->err);
    else if (len > max - resp->body.len)
        t->failed = fail(t->err, E_LIMIT, "%s %s: the answer is longer than %zu bytes",
                         method_of(t->req), t->req->url, max);
    else
        str_addn(&resp->body, data, len);
    return t->failed < 0 ? 0 : len;
}

static size_t on_read(char *buf, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    int64_t got = t->req->read(t->req->read_ctx, buf, size * n, t->err);
    t->last_byte_ns = clock_mono_ns();
    if (got >= 0)
        return (size_t)got;
    t->failed = (int)got;
    return CURL_READFUNC_ABORT;
}

/* ---- setting up ---- */

static void set_body(struct transfer *t)
{
    const struct curl_api *curl = t->curl;
    const struct http_client_request *req = t->req;
    CURL *c = t->slot->easy;
    const char *method = method_of(req);
    if (req->read) {
        curl->easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl->easy_setopt(c, CURLOPT_READFUNCTION, on_read);
        curl->easy_setopt(c, CURLOPT_READDATA, t);
        curl->easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->read_len);
    } else if (req->body || streq(method, "POST") || streq(method, "PUT") ||
               streq(method, "PATCH")) {
        curl->easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
        curl->easy_setopt(c, CURLOPT_POSTFIELDS, req->body ? req->body : "");
    } else if (streq(method, "HEAD")) {
        curl->easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else {
        curl->easy_setopt(c, CURLOPT_HTTPGET, 1L);
    }
    curl->easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
}

static int set_headers(struct transfer *t)
{
    struct curl_slist *l = t->curl->slist_append(NULL, "Expect:");
    l = t->curl->slist_append(l, "Content-Type:"); /* curl's guess; ours comes after it */
    for (const struct http_header *h = t->req->headers; h && h->name; h++) {
        AUTO_STR line = STR_INIT;
        /* "Name;" is how curl is asked for an empty value. */
        str_addf(&line, *h->value ? "%s: %s" : "%s;", h->name, h->value);
        if (strpbrk(str_text(&line), "\r\n")) {
            t->curl->slist_free_all(l);
            return fail(t->err, E_INVALID, "the header %s holds a line's end", h->name);
        }
        l = t->curl->slist_append(l, str_text(&line));
    }
    t->headers = l;
    t->curl->easy_setopt(t->slot->easy, CURLOPT_HTTPHEADER, l);
    return 0;
}

/* The environment's proxy is for the world, not for our own server beside us. */
static bool is_loopback(const char *url)
{
    return str_starts(url, "http://127.") || str_starts(url, "http://localhost") ||
           str_starts(url, "http://[::1]");
}

static void set_connection(struct transfer *t)
{
    const struct curl_api *curl = t->curl;
    const struct http_client_request *req = t->req;
    const struct http_client *client = t->client;
    CURL *c = t->slot->easy;
    curl->easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(c, CURLOPT_USERAGENT, client->user_agent);
    curl->easy_setopt(
        c, CURLOPT_CONNECTTIMEOUT_MS,
        (long)(req->connect_timeout_ms ? req->connect_timeout_ms : CONNECT_TIMEOUT_MS));
    curl->easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    curl->easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->easy_setopt(c, CURLOPT_TCP_KEEPIDLE, 30L);
    curl->easy_setopt(c, CURLOPT_TCP_KEEPINTVL, 10L);
    curl->easy_setopt(c, CURLOPT_BUFFERSIZE, 128L * 1024);
    if (is_loopback(req->url))
        curl->easy_setopt(c, CURLOPT_PROXY, "");
    if (client->unix_socket)
        curl->easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
    if (client->ca_file)
        curl->easy_setopt(c, CURLOPT_CAINFO, client->ca_file);
    curl->easy_setopt(c, CURLOPT_SSL_VERIFYPEER, client->insecure ? 0L : 1L);
    curl->easy_setopt(c, CURLOPT_SSL_VERIFYHOST, client->insecure ? 0L : 2L);
    curl->easy_setopt(c, CURLOPT_FOLLOWLOCATION, req->max_redirects ? 1L : 0L);
    curl->easy_setopt(c, CURLOPT_MAXREDIRS, (long)req->max_redirects);
}

static int set_up(struct transfer *t)
{
    const struct curl_api *curl = t->curl;
    CURL *c = t->slot->easy;
    curl->easy_setopt(c, CURLOPT_URL, t->req->url);
    curl->easy_setopt(c, CURLOPT_PATH_AS_IS, 1L); /* what is signed is what is sent */
    curl->easy_setopt(c, CURLOPT_ERRORBUFFER, t->curl_text);
    curl->easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl->easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(c, CURLOPT_WRITEDATA, t);
    set_connection(t);
    set_body(t);
    if (t->req->ranged) {
        char range[64];
        if (t->req->range_to >= 0)
            snprintf(range, sizeof(range), "%lld-%lld", (long long)t->req->range_from,
                     (long long)t->req->range_to);
        else
            snprintf(range, sizeof(range), "%lld-", (long long)t->req->range_from);
        curl->easy_setopt(c, CURLOPT_RANGE, range);
    }
    return set_headers(t);
}

/* ---- running ---- */

static const char *advice(CURLcode rc)
{
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "check the host's name and this machine's DNS";
    case CURLE_COULDNT_CONNECT:
        return "check that it runs there and that no firewall is between";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return "its certificate is not trusted here: give the CA's certificate, or allow "
               "this "
               "registry as insecure";
    case CURLE_SSL_CONNECT_ERROR:
        return "it may speak plain HTTP there, not TLS";
    case CURLE_OPERATION_TIMEDOUT:
        return "it may be overloaded or unreachable; try again later";
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
    if (t->failed < 0)
        return t->failed;
    if (http_cancelled(t->req->cancel))
        return fail(t->err, E_CANCELLED, "%s %s was cancelled", method_of(t->req),
                    t->req->url);
    if (rc == CURLE_OK)
        return 0;
    enum error_code code = code_of(rc);
    const char *text = t->curl_text[0] ? t->curl_text : t->curl->easy_strerror(rc);
    if (code == E_INVALID)
        return fail(t->err, code, "'%s' is no address for HTTP: %s", t->req->url, text);
    return fail(t->err, code, "%s %s: %s (%s)", method_of(t->req), t->req->url, text,
                advice(rc));
}

static bool idle_too_long(const struct transfer *t, int64_t *ret_left_ms)
{
    int64_t max = t->req->idle_timeout_ms ? t->req->idle_timeout_ms : IDLE_TIMEOUT_MS;
    *ret_left_ms = max - (clock_mono_ns() - t->last_byte_ns) / 1000000;
    return *ret_left_ms <= 0;
}

static CURLcode result_of(struct transfer *t)
{
    int left;
    CURLMsg *msg = t->curl->multi_info_read(t->slot->multi, &left);
    return msg && msg->msg == CURLMSG_DONE ? msg->data.result : CURLE_RECV_ERROR;
}

static int run(struct transfer *t)
{
    int running = 1;
    while (!http_cancelled(t->req->cancel)) {
        int64_t left_ms;
        if (t->curl->multi_perform(t->slot->multi, &running) != CURLM_OK)
            return finish(t, CURLE_FAILED_INIT);
        if (!running)
            return finish(t, result_of(t));
        if (idle_too_long(t, &left_ms))
            return fail(t->err, E_TIMEOUT, "%s %s: nothing came for %u ms (%s)",
                        method_of(t->req), t->req->url,
                        t->req->idle_timeout_ms ? t->req->idle_timeout_ms
                                                : IDLE_TIMEOUT_MS,
                        advice(CURLE_OPERATION_TIMEDOUT));
        int wait = left_ms < 60000 ? (int)left_ms + 1 : 60000;
        t->curl->multi_poll(t->slot->multi, NULL, 0, wait, NULL);
    }
    return finish(t, CURLE_ABORTED_BY_CALLBACK);
}

static void wake(void *ctx)
{
    struct transfer *t = ctx;
    t->curl->multi_wakeup(t->slot->multi);
}

static void note_url(struct transfer *t)
{
    char *url = NULL;
    t->curl->easy_getinfo(t->slot->easy, CURLINFO_EFFECTIVE_URL, &url);
    t->resp->final_url = arena_strdup(&t->resp->arena, url ? url : t->req->url);
}

int http_client_do(struct http_client *c, const struct http_client_request *req,
                   struct http_client_response *resp, struct error *err)
{
    struct error local = ERROR_INIT; /* callbacks always find a place */
    struct transfer t = {
        .client = c, .req = req, .resp = resp, .err = err ? err : &local};
    int r = slot_take(c, &t.curl, &t.slot, t.err);
    if (r < 0)
        return r;
    t.last_byte_ns = clock_mono_ns();
    r = set_up(&t);
    if (r == 0) {
        struct cancel_call call = {.wake = wake, .ctx = &t};
        http_cancel_enter(req->cancel, &call);
        t.curl->multi_add_handle(t.slot->multi, t.slot->easy);
        r = run(&t);
        t.curl->multi_remove_handle(t.slot->multi, t.slot->easy);
        http_cancel_leave(req->cancel, &call);
        note_url(&t);
    }
    t.curl->easy_reset(t.slot->easy); /* nothing may point at this frame */
    t.curl->slist_free_all(t.headers);
    slot_give(c, t.curl, t.slot);
    return r;
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
    resp->status = 0;
}
