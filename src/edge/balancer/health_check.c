#include "health_check.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#include "arena.h"
#include "balancer_name.h"
#include "clock.h"
#include "http_curl.h"
#include "list.h"
#include "netns.h"
#include "str.h"
#include "tree.h"

struct check {
    char *key, *netns, *address;
    int port;
    struct target_health_rule rule;
    struct target_health health;
    int64_t due_ms, started_ms;
    CURL *easy; /* it runs */
    int grpc_status;
    bool waits; /* in the tree */
    UT_hash_handle hh;
    RB_ENTRY(check) due;
};

static int earlier(const struct check *a, const struct check *b)
{
    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms ? -1 : 1;
    return (a > b) - (a < b);
}
RB_HEAD(due_tree, check);
TREE_GENERATE(due_tree, check, due, earlier)

struct order {
    struct list link;
    bool gone, known_healthy;
    char *key, *netns, *address;
    int port;
    struct target_health_rule rule;
};

struct checker {
    const struct curl_api *api;
    CURLM *multi;
    checker_changed *changed;
    void *ctx;
    pthread_t thread;
    pthread_mutex_t lock; /* of orders and ends */
    struct list orders;
    bool ends;
    /* the thread's own */
    struct check *checks;
    struct due_tree due;
    int running;
    struct curl_slist *plain_headers, *grpc_headers;
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ---- one check ---- */

static curl_socket_t open_in_namespace(void *ctx, curlsocktype purpose,
                                       struct curl_sockaddr *to)
{
    const struct check *k = ctx;
    struct error err = ERROR_INIT;
    int back;
    if (netns_enter(k->netns, &back, &err) < 0)
        return CURL_SOCKET_BAD;
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    netns_leave(&back);
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static size_t ignore_body(char *data, size_t size, size_t n, void *ctx)
{
    return size * n;
}

static size_t read_header(char *data, size_t size, size_t n, void *ctx)
{
    struct check *k = ctx;
    static const char name[] = "grpc-status:";
    if (size * n > sizeof(name) && strncasecmp(data, name, sizeof(name) - 1) == 0)
        k->grpc_status = (int)strtol(data + sizeof(name) - 1, NULL, 10);
    return size * n;
}

static bool is_http(const struct check *k)
{
    return k->rule.protocol == ELBV2_PROTOCOL_ENUM_HTTP ||
           k->rule.protocol == ELBV2_PROTOCOL_ENUM_HTTPS;
}

static bool is_tls(const struct check *k)
{
    return k->rule.protocol == ELBV2_PROTOCOL_ENUM_HTTPS ||
           k->rule.protocol == ELBV2_PROTOCOL_ENUM_TLS;
}

static void set_http(struct checker *c, struct check *k)
{
    CURL *e = k->easy;
    c->api->curl_easy_setopt(e, CURLOPT_USERAGENT, "ELB-HealthChecker/2.0");
    c->api->curl_easy_setopt(e, CURLOPT_HTTPHEADER,
                             k->rule.grpc ? c->grpc_headers : c->plain_headers);
    c->api->curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                             !k->rule.http2 ? (long)CURL_HTTP_VERSION_1_1
                             : is_tls(k)    ? (long)CURL_HTTP_VERSION_2TLS
                                            : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    if (!k->rule.grpc)
        return;
    /* An empty message: no compression, no bytes. */
    c->api->curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, 5L);
    c->api->curl_easy_setopt(e, CURLOPT_POSTFIELDS, "\0\0\0\0\0");
    c->api->curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, read_header);
    c->api->curl_easy_setopt(e, CURLOPT_HEADERDATA, k);
}

static void set_up(struct checker *c, struct check *k)
{
    CURL *e = k->easy;
    AUTO_STR url = STR_INIT;
    str_addf(&url, "%s://%s:%d%s", is_tls(k) ? "https" : "http", k->address,
             k->rule.port ? k->rule.port : k->port, is_http(k) ? k->rule.path : "/");
    c->api->curl_easy_setopt(e, CURLOPT_URL, str_text(&url));
    c->api->curl_easy_setopt(e, CURLOPT_PRIVATE, k);
    c->api->curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    c->api->curl_easy_setopt(e, CURLOPT_PROXY, "");
    c->api->curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)k->rule.timeout_ms);
    c->api->curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    c->api->curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    c->api->curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    c->api->curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
    c->api->curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    c->api->curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_in_namespace);
    c->api->curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, k);
    c->api->curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, ignore_body);
    if (is_http(k))
        set_http(c, k);
    else
        c->api->curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
}

static void wait_until(struct checker *c, struct check *k, int64_t due_ms)
{
    if (k->waits)
        RB_REMOVE(due_tree, &c->due, k);
    k->due_ms = due_ms;
    k->waits = true;
    RB_INSERT(due_tree, &c->due, k);
}

static void begin(struct checker *c, struct check *k)
{
    RB_REMOVE(due_tree, &c->due, k);
    k->waits = false;
    k->started_ms = now_ms();
    k->grpc_status = -1;
    k->easy = c->api->curl_easy_init();
    if (k->easy) {
        set_up(c, k);
        if (c->api->curl_multi_add_handle(c->multi, k->easy) == CURLM_OK) {
            c->running++;
            return;
        }
        c->api->curl_easy_cleanup(k->easy);
        k->easy = NULL;
    }
    wait_until(c, k, k->started_ms + target_health_gap_ms(&k->rule, &k->health));
}

static void abandon(struct checker *c, struct check *k)
{
    if (!k->easy)
        return;
    c->api->curl_multi_remove_handle(c->multi, k->easy);
    c->api->curl_easy_cleanup(k->easy);
    k->easy = NULL;
    c->running--;
}

/* The target's own moment within the interval. */
static int64_t spread(const struct check *k, int64_t now)
{
    int64_t interval = k->rule.interval_ms;
    uint64_t h = balancer_hash(BALANCER_HASH_SEED, k->key, strlen(k->key));
    int64_t phase = (int64_t)((h >> 16) % (uint64_t)interval);
    return now + 1 + (phase + interval - (now + 1) % interval) % interval;
}

static enum check_outcome outcome_of(struct checker *c, const struct check *k,
                                     CURLcode result, int *ret_code)
{
    long status = 0;
    if (result == CURLE_OPERATION_TIMEDOUT)
        return CHECK_TIMEOUT;
    if (result != CURLE_OK)
        return CHECK_FAILED;
    if (!is_http(k))
        return CHECK_OK;
    c->api->curl_easy_getinfo(k->easy, CURLINFO_RESPONSE_CODE, &status);
    *ret_code = k->rule.grpc ? k->grpc_status : (int)status;
    if (*ret_code < 0 || status == 0)
        return CHECK_FAILED;
    return target_health_matches(k->rule.matcher, *ret_code) ? CHECK_OK : CHECK_CODE;
}

static void finish(struct checker *c, struct check *k, CURLcode result)
{
    int code = 0;
    enum check_outcome outcome = outcome_of(c, k, result, &code);
    enum target_state before = k->health.state;
    abandon(c, k);
    bool changed = target_health_note(&k->rule, &k->health, k->started_ms, outcome, code);
    int64_t due = k->started_ms + target_health_gap_ms(&k->rule, &k->health);
    if (k->health.state == TARGET_HEALTHY && before != TARGET_HEALTHY)
        due = spread(k, now_ms());
    wait_until(c, k, due);
    if (changed)
        c->changed(c->ctx, k->key, &k->health);
}

/* ---- orders ---- */

static void order_free(struct order *o)
{
    free(o->key);
    free(o->netns);
    free(o->address);
    free(o);
}

static void check_free(struct checker *c, struct check *k)
{
    abandon(c, k);
    if (k->waits)
        RB_REMOVE(due_tree, &c->due, k);
    assert(c->checks);
    HASH_DEL(c->checks, k);
    free(k->key);
    free(k->netns);
    free(k->address);
    free(k);
}

static void obey(struct checker *c, struct order *o)
{
    struct check *k;
    HASH_FIND_STR(c->checks, o->key, k);
    if (o->gone) {
        if (k)
            check_free(c, k);
        return;
    }
    if (!k) {
        k = xcalloc(1, sizeof(*k));
        k->key = xstrdup(o->key);
        k->netns = xstrdup(o->netns);
        k->address = xstrdup(o->address);
        target_health_begin(&k->health);
        if (o->known_healthy)
            k->health.state = TARGET_HEALTHY;
        HASH_ADD_KEYPTR(hh, c->checks, k->key, strlen(k->key), k);
    }
    bool as_before = target_health_rule_equal(&k->rule, &o->rule);
    k->rule = o->rule;
    k->port = o->port;
    if (as_before || k->easy)
        return;
    int64_t now = now_ms();
    wait_until(c, k, k->health.state == TARGET_HEALTHY ? spread(k, now) : now);
}

static bool take_orders(struct checker *c)
{
    struct list mine;
    list_init(&mine);
    pthread_mutex_lock(&c->lock);
    bool ends = c->ends;
    while (!list_empty(&c->orders)) {
        struct list *first = list_first(&c->orders);
        list_remove(first);
        list_append(&mine, first);
    }
    pthread_mutex_unlock(&c->lock);
    list_for_each_safe (it, &mine) {
        struct order *o = list_entry(it, struct order, link);
        if (!ends)
            obey(c, o);
        order_free(o);
    }
    return !ends;
}

static void give_order(struct checker *c, struct order *o)
{
    pthread_mutex_lock(&c->lock);
    list_append(&c->orders, &o->link);
    pthread_mutex_unlock(&c->lock);
    c->api->curl_multi_wakeup(c->multi);
}

void checker_target(struct checker *c, const struct checker_target *t)
{
    struct order *o = xcalloc(1, sizeof(*o));
    o->key = xstrdup(t->key);
    o->netns = xstrdup(t->netns);
    o->address = xstrdup(t->address);
    o->port = t->port;
    o->known_healthy = t->known_healthy;
    o->rule = t->rule;
    give_order(c, o);
}

void checker_target_gone(struct checker *c, const char *key)
{
    struct order *o = xcalloc(1, sizeof(*o));
    o->key = xstrdup(key);
    o->gone = true;
    give_order(c, o);
}

/* ---- the thread ---- */

static void begin_due(struct checker *c)
{
    int64_t now = now_ms();
    struct check *k;
    while (c->running < HEALTH_CHECKS_AT_ONCE && (k = RB_MIN(due_tree, &c->due)) &&
           k->due_ms <= now)
        begin(c, k);
}

static void *check_main(void *arg)
{
    struct checker *c = arg;
    while (take_orders(c)) {
        begin_due(c);
        int running, left;
        c->api->curl_multi_perform(c->multi, &running);
        for (CURLMsg *m; (m = c->api->curl_multi_info_read(c->multi, &left));) {
            struct check *k = NULL;
            c->api->curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&k);
            if (m->msg == CURLMSG_DONE && k)
                finish(c, k, m->data.result);
        }
        const struct check *next = RB_MIN(due_tree, &c->due);
        int64_t wait = next ? next->due_ms - now_ms() : 60000;
        if (c->running >= HEALTH_CHECKS_AT_ONCE)
            wait = 1000; /* an end of one wakes us sooner */
        wait = wait < 0 ? 0 : wait > 60000 ? 60000 : wait;
        c->api->curl_multi_poll(c->multi, NULL, 0, (int)wait, NULL);
    }
    return NULL;
}

int checker_new(checker_changed *changed, void *ctx, struct checker **ret,
                struct error *err)
{
    const struct curl_api *api;
    int r = curl_load(&api, err);
    if (r < 0)
        return r;
    struct checker *c = xcalloc(1, sizeof(*c));
    *c = (struct checker){.api = api, .changed = changed, .ctx = ctx};
    list_init(&c->orders);
    RB_INIT(&c->due);
    pthread_mutex_init(&c->lock, NULL);
    c->multi = api->curl_multi_init();
    c->plain_headers = api->curl_slist_append(NULL, "Connection: close");
    c->plain_headers =
        api->curl_slist_append(c->plain_headers, "Accept-Encoding: gzip, compressed");
    c->grpc_headers = api->curl_slist_append(NULL, "Content-Type: application/grpc");
    c->grpc_headers = api->curl_slist_append(c->grpc_headers, "TE: trailers");
    if (!c->multi || pthread_create(&c->thread, NULL, check_main, c) != 0) {
        free(c);
        return fail(err, E_IO, "the thread of health checks can't begin");
    }
    *ret = c;
    return 0;
}

void checker_free(struct checker *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->ends = true;
    pthread_mutex_unlock(&c->lock);
    c->api->curl_multi_wakeup(c->multi);
    pthread_join(c->thread, NULL);
    struct check *k, *next;
    HASH_ITER (hh, c->checks, k, next)
        check_free(c, k);
    list_for_each_safe (it, &c->orders)
        order_free(list_entry(it, struct order, link));
    c->api->curl_multi_cleanup(c->multi);
    c->api->curl_slist_free_all(c->plain_headers);
    c->api->curl_slist_free_all(c->grpc_headers);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
