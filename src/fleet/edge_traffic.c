#include "edge_traffic.h"

#include <stdlib.h>

#include <uthash.h>

#include "arena.h"

#define BUCKETS_MAX 64
#define FIELD(name) offsetof(struct gantry_edge_traffic, name)

static const struct counter {
    size_t offset;
    const char *name, *help;
} counters[] = {
    {FIELD(requests), "requests_total", "Requests that were answered."},
    {FIELD(elb2xx), "balancer_2xx_total", "Answers 2xx of the balancer itself."},
    {FIELD(elb3xx), "balancer_3xx_total", "Answers 3xx of the balancer itself."},
    {FIELD(elb4xx), "balancer_4xx_total", "Answers 4xx of the balancer itself."},
    {FIELD(elb5xx), "balancer_5xx_total", "Answers 5xx of the balancer itself."},
    {FIELD(target2xx), "target_2xx_total", "Answers 2xx of targets."},
    {FIELD(target3xx), "target_3xx_total", "Answers 3xx of targets."},
    {FIELD(target4xx), "target_4xx_total", "Answers 4xx of targets."},
    {FIELD(target5xx), "target_5xx_total", "Answers 5xx of targets."},
    {FIELD(connections), "connections_total", "Connections of clients."},
    {FIELD(bytes_in), "received_bytes_total", "Bytes from clients."},
    {FIELD(bytes_out), "sent_bytes_total", "Bytes to clients."},
    {FIELD(target_connection_errors), "target_connection_errors_total",
     "Connections to targets that failed."},
    {FIELD(target_tls_errors), "target_tls_errors_total",
     "TLS handshakes with targets that failed."},
    {FIELD(client_tls_errors), "client_tls_errors_total",
     "TLS handshakes with clients that failed."},
};
#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

struct pair {
    char *key; /* "<balancer ARN> <group ARN>" */
    char *labels;
    int64_t totals[COUNTERS];
    int64_t active;
    bool has[COUNTERS], has_active;
    struct {
        int64_t up_to, count;
    } buckets[BUCKETS_MAX];
    size_t bucket_count;
    struct arena arena;
    const struct gantry_edge_traffic *latest;
    UT_hash_handle hh;
};

struct edge_traffic {
    struct pair *pairs;
    char *edge_id; /* of the last report that counted, with its sequence */
    int64_t sequence;
};

struct edge_traffic *edge_traffic_new(void)
{
    return xcalloc(1, sizeof(struct edge_traffic));
}

static void pair_free(struct edge_traffic *t, struct pair *p)
{
    HASH_DELETE(hh, t->pairs, p);
    arena_free(&p->arena);
    free(p->key);
    free(p->labels);
    free(p);
}

void edge_traffic_free(struct edge_traffic *t)
{
    struct pair *p, *next;
    if (!t)
        return;
    HASH_ITER (hh, t->pairs, p, next)
        pair_free(t, p);
    free(t->edge_id);
    free(t);
}

void edge_traffic_forget(struct edge_traffic *t, const char *balancer_arn)
{
    AUTO_STR prefix = STR_INIT;
    struct pair *p, *next;
    str_addf(&prefix, "%s ", balancer_arn);
    HASH_ITER (hh, t->pairs, p, next)
        if (str_starts(p->key, prefix.data))
            pair_free(t, p);
}

/* ---- counting ---- */

static void key_of(struct str *ret, const char *balancer_arn, const char *group_arn)
{
    str_addf(ret, "%s %s", balancer_arn, group_arn ? group_arn : "");
}

/* What CloudWatch calls the dimension: "app/web/0123", "targetgroup/web/0123". */
static void add_label(struct str *ret, const char *name, const char *arn,
                      const char *before)
{
    const char *at = arn ? strstr(arn, before) : NULL;
    if (str_empty(arn))
        return;
    str_addf(ret, "%s%s=\"", ret->len ? "," : "", name);
    for (const char *c = at ? at + strlen(before) : arn; *c; c++) {
        if (*c == '"' || *c == '\\')
            str_addc(ret, '\\');
        if ((unsigned char)*c >= ' ')
            str_addc(ret, *c);
    }
    str_addc(ret, '"');
}

static struct pair *pair_of(struct edge_traffic *t, const struct gantry_edge_traffic *x)
{
    AUTO_STR key = STR_INIT, labels = STR_INIT;
    struct pair *p;
    key_of(&key, x->load_balancer_arn, x->target_group_arn);
    HASH_FIND_STR(t->pairs, key.data, p);
    if (p || HASH_COUNT(t->pairs) >= EDGE_TRAFFIC_MAX)
        return p;
    p = xcalloc(1, sizeof(*p));
    p->key = str_take(&key);
    add_label(&labels, "load_balancer", x->load_balancer_arn, ":loadbalancer/");
    add_label(&labels, "target_group", x->target_group_arn, ":targetgroup/");
    p->labels = str_take(&labels);
    HASH_ADD_KEYPTR(hh, t->pairs, p->key, strlen(p->key), p);
    return p;
}

static void add_bucket(struct pair *p, const struct gantry_edge_traffic_bucket *b)
{
    size_t at = 0;
    int64_t up_to = b->up_to.set ? b->up_to.v : INT64_MAX;
    while (at < p->bucket_count && p->buckets[at].up_to < up_to)
        at++;
    if (at == p->bucket_count || p->buckets[at].up_to != up_to) {
        if (p->bucket_count == BUCKETS_MAX)
            return;
        memmove(&p->buckets[at + 1], &p->buckets[at],
                (p->bucket_count - at) * sizeof(p->buckets[0]));
        p->buckets[at].up_to = up_to;
        p->buckets[at].count = 0;
        p->bucket_count++;
    }
    p->buckets[at].count += b->count.v;
}

static void count(struct pair *p, const struct gantry_edge_traffic *x)
{
    for (size_t i = 0; i < COUNTERS; i++) {
        const struct opt_long *v = (const void *)((const char *)x + counters[i].offset);
        p->totals[i] += v->set ? v->v : 0;
        p->has[i] = p->has[i] || v->set;
    }
    p->has_active = x->active_connections.set;
    p->active = x->active_connections.v;
    for (size_t i = 0; i < x->response_milliseconds.n; i++)
        add_bucket(p, &x->response_milliseconds.v[i]);
    arena_free(&p->arena);
    p->arena = (struct arena)ARENA_INIT;
    p->latest = wire_copy(&p->arena, &gantry_edge_traffic_shape, x);
}

void edge_traffic_add(struct edge_traffic *t, const struct gantry_edge_report *report)
{
    bool numbered = report->edge_id && report->sequence.set;
    if (numbered && streq(t->edge_id, report->edge_id) &&
        report->sequence.v <= t->sequence)
        return;
    if (numbered && !streq(t->edge_id, report->edge_id)) {
        free(t->edge_id);
        t->edge_id = xstrdup(report->edge_id);
    }
    if (numbered)
        t->sequence = report->sequence.v;
    for (size_t i = 0; i < report->traffic.n; i++) {
        const struct gantry_edge_traffic *x = &report->traffic.v[i];
        struct pair *p = str_empty(x->load_balancer_arn) ? NULL : pair_of(t, x);
        if (p)
            count(p, x);
    }
}

const struct gantry_edge_traffic *edge_traffic_latest(const struct edge_traffic *t,
                                                      const char *balancer_arn,
                                                      const char *group_arn)
{
    AUTO_STR key = STR_INIT;
    struct pair *p;
    key_of(&key, balancer_arn, group_arn);
    HASH_FIND_STR(t->pairs, key.data, p);
    return p ? p->latest : NULL;
}

/* ---- metrics ---- */

static void add_head(struct str *ret, const char *name, const char *type,
                     const char *help)
{
    str_addf(ret, "# HELP gantry_elb_%s %s\n# TYPE gantry_elb_%s %s\n", name, help, name,
             type);
}

static void add_buckets(const struct pair *p, struct str *ret)
{
    int64_t sum = 0;
    if (p->bucket_count == 0)
        return;
    for (size_t i = 0; i < p->bucket_count; i++) {
        sum += p->buckets[i].count;
        if (p->buckets[i].up_to != INT64_MAX)
            str_addf(ret, "gantry_elb_response_seconds_bucket{%s,le=\"%g\"} %lld\n",
                     p->labels, (double)p->buckets[i].up_to / 1000, (long long)sum);
    }
    str_addf(ret,
             "gantry_elb_response_seconds_bucket{%s,le=\"+Inf\"} %lld\n"
             "gantry_elb_response_seconds_count{%s} %lld\n",
             p->labels, (long long)sum, p->labels, (long long)sum);
}

void edge_traffic_metrics(const struct edge_traffic *t, struct str *ret)
{
    if (!t->pairs)
        return;
    for (size_t i = 0; i < COUNTERS; i++) {
        add_head(ret, counters[i].name, "counter", counters[i].help);
        for (const struct pair *p = t->pairs; p; p = p->hh.next)
            if (p->has[i])
                str_addf(ret, "gantry_elb_%s{%s} %lld\n", counters[i].name, p->labels,
                         (long long)p->totals[i]);
    }
    add_head(ret, "active_connections", "gauge", "Connections of clients now.");
    for (const struct pair *p = t->pairs; p; p = p->hh.next)
        if (p->has_active)
            str_addf(ret, "gantry_elb_active_connections{%s} %lld\n", p->labels,
                     (long long)p->active);
    add_head(ret, "response_seconds", "histogram", "Times of targets to answer.");
    for (const struct pair *p = t->pairs; p; p = p->hh.next)
        add_buckets(p, ret);
}
