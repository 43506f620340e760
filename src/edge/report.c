#include "report.h"

#include <pthread.h>
#include <stdlib.h>

#include <uthash.h>

#include "list.h"
#include "log.h"
#include "str.h"

enum kind { KIND_HEALTH, KIND_BALANCER, KIND_INSTANCE };

static const struct wire_shape *const shapes[] = {
    &gantry_edge_target_health_shape,
    &gantry_edge_balancer_state_shape,
    &gantry_edge_instance_state_shape,
};

/* A target group whose targets have states. */
struct group {
    char *arn;
    struct list states; /* by `sibling` */
    UT_hash_handle hh;
};

/* The last state of one object. */
struct state {
    enum kind kind;
    char *key; /* "0<group ARN> <id> <port>", "1<balancer ARN>", "2<instance id>" */
    struct list link;    /* q->due, q->flight, or none */
    struct group *group; /* of a target */
    struct list sibling;
    struct arena arena;
    void *value;
    bool named;
    UT_hash_handle hh;
};

/* Counters since the last report that took them. */
struct traffic {
    char *key;
    struct arena arena;
    struct gantry_edge_traffic *sum;
    UT_hash_handle hh;
};

struct report_queue {
    pthread_mutex_t mutex;
    char *edge_id;
    void (*wake)(void *ctx);
    void *ctx;
    struct state *states;
    struct group *groups;
    struct list due, flight;
    struct traffic *traffic, *flight_traffic;
    int64_t sequence; /* of flight_traffic */
    bool full;        /* said so */
};

/* ---- life ---- */

struct report_queue *report_queue_new(const char *edge_id, void (*wake)(void *ctx),
                                      void *ctx)
{
    struct report_queue *q = xcalloc(1, sizeof(*q));
    pthread_mutex_init(&q->mutex, NULL);
    q->edge_id = xstrdup(edge_id);
    q->wake = wake;
    q->ctx = ctx;
    list_init(&q->due);
    list_init(&q->flight);
    return q;
}

static void leave_group(struct report_queue *q, struct state *s)
{
    struct group *g = s->group;
    list_remove(&s->sibling);
    if (!g || !list_empty(&g->states))
        return;
    HASH_DELETE(hh, q->groups, g);
    free(g->arn);
    free(g);
}

static void forget(struct report_queue *q, struct state *s)
{
    HASH_DELETE(hh, q->states, s);
    list_remove(&s->link);
    leave_group(q, s);
    arena_free(&s->arena);
    free(s->key);
    free(s);
}

static void traffic_free(struct traffic **all)
{
    struct traffic *t, *next;
    HASH_ITER (hh, *all, t, next) {
        HASH_DELETE(hh, *all, t);
        arena_free(&t->arena);
        free(t->key);
        free(t);
    }
}

void report_queue_free(struct report_queue *q)
{
    struct state *s, *next;
    if (!q)
        return;
    HASH_ITER (hh, q->states, s, next)
        forget(q, s);
    traffic_free(&q->traffic);
    traffic_free(&q->flight_traffic);
    pthread_mutex_destroy(&q->mutex);
    free(q->edge_id);
    free(q);
}

static void wake(struct report_queue *q)
{
    if (q->wake)
        q->wake(q->ctx);
}

/* ---- states ---- */

static struct state *find(struct report_queue *q, const char *key)
{
    struct state *s;
    HASH_FIND_STR(q->states, key, s);
    return s;
}

static struct group *group_find(struct report_queue *q, const char *arn)
{
    struct group *g;
    HASH_FIND_STR(q->groups, arn, g);
    return g;
}

static void join_group(struct report_queue *q, struct state *s, const char *arn)
{
    struct group *g = group_find(q, arn);
    if (!g) {
        g = xcalloc(1, sizeof(*g));
        g->arn = xstrdup(arn);
        list_init(&g->states);
        HASH_ADD_KEYPTR(hh, q->groups, g->arn, strlen(g->arn), g);
    }
    s->group = g;
    list_append(&g->states, &s->sibling);
}

static struct state *state_new(struct report_queue *q, enum kind kind, const char *key)
{
    if (HASH_COUNT(q->states) >= REPORT_OBJECTS_MAX) {
        if (!q->full)
            log_line(LOG_ERROR, "too many states to report; new ones are dropped", NULL);
        q->full = true;
        return NULL;
    }
    struct state *s = xcalloc(1, sizeof(*s));
    s->kind = kind;
    s->key = xstrdup(key);
    s->named = true;
    list_init(&s->link);
    list_init(&s->sibling);
    HASH_ADD_KEYPTR(hh, q->states, s->key, strlen(s->key), s);
    return s;
}

static void say(struct report_queue *q, enum kind kind, const char *key,
                const char *group, const void *value)
{
    pthread_mutex_lock(&q->mutex);
    struct state *s = find(q, key);
    bool news = !s || !wire_equal(shapes[kind], s->value, value);
    if (!s) {
        s = state_new(q, kind, key);
        if (s && group)
            join_group(q, s, group);
    }
    if (s && news) {
        arena_free(&s->arena);
        s->arena = (struct arena)ARENA_INIT;
        s->value = wire_copy(&s->arena, shapes[kind], value);
        list_remove(&s->link); /* in flight is what was before */
        list_append(&q->due, &s->link);
    }
    pthread_mutex_unlock(&q->mutex);
    if (news)
        wake(q);
}

static void target_key(struct str *ret, const char *group, const char *id, int32_t port)
{
    str_addf(ret, "%d%s %s %d", KIND_HEALTH, group, id ? id : "", (int)port);
}

void report_health(struct report_queue *q, const struct gantry_edge_target_health *h)
{
    AUTO_STR key = STR_INIT;
    if (!h->target_group_arn)
        return;
    target_key(&key, h->target_group_arn, h->id, h->port.v);
    say(q, KIND_HEALTH, key.data, h->target_group_arn, h);
}

void report_balancer(struct report_queue *q, const struct gantry_edge_balancer_state *s)
{
    AUTO_STR key = STR_INIT;
    if (!s->load_balancer_arn)
        return;
    str_addf(&key, "%d%s", KIND_BALANCER, s->load_balancer_arn);
    say(q, KIND_BALANCER, key.data, NULL, s);
}

void report_instance(struct report_queue *q, const struct gantry_edge_instance_state *s)
{
    AUTO_STR key = STR_INIT;
    if (!s->instance_id)
        return;
    str_addf(&key, "%d%s", KIND_INSTANCE, s->instance_id);
    say(q, KIND_INSTANCE, key.data, NULL, s);
}

/* ---- who is still of interest ---- */

void report_begin(struct report_queue *q)
{
    struct state *s, *next;
    pthread_mutex_lock(&q->mutex);
    HASH_ITER (hh, q->states, s, next)
        s->named = false;
    pthread_mutex_unlock(&q->mutex);
}

void report_settled(struct report_queue *q)
{
    struct state *s, *next;
    pthread_mutex_lock(&q->mutex);
    HASH_ITER (hh, q->states, s, next)
        if (!s->named)
            forget(q, s);
    q->full = false;
    pthread_mutex_unlock(&q->mutex);
}

static void name_one(struct report_queue *q, const char *key)
{
    struct state *s = find(q, key);
    if (s)
        s->named = true;
}

static void name_target(struct report_queue *q, const char *group,
                        const struct gantry_edge_target *t)
{
    AUTO_STR key = STR_INIT;
    target_key(&key, group, t->id, t->port.v);
    name_one(q, key.data);
}

void report_name_targets(struct report_queue *q,
                         const struct gantry_edge_target_group *group)
{
    const char *arn = group->target_group ? group->target_group->target_group_arn : NULL;
    pthread_mutex_lock(&q->mutex);
    struct group *g = arn ? group_find(q, arn) : NULL;
    if (g) {
        list_for_each (it, &g->states)
            list_entry(it, struct state, sibling)->named = false;
        for (size_t i = 0; i < group->targets.n; i++)
            name_target(q, arn, &group->targets.v[i]);
        /* The group goes with its last state: it is not looked at after that. */
        for (struct list *it = g->states.next, *next; it && q->states; it = next) {
            struct state *s = list_entry(it, struct state, sibling);
            next = it->next == &g->states ? NULL : it->next;
            if (!s->named)
                forget(q, s);
        }
    }
    pthread_mutex_unlock(&q->mutex);
}

static void name_other(struct report_queue *q, enum kind kind, const char *id, bool gone)
{
    AUTO_STR key = STR_INIT;
    if (!id)
        return;
    str_addf(&key, "%d%s", kind, id);
    pthread_mutex_lock(&q->mutex);
    struct state *s = find(q, key.data);
    if (s && gone)
        forget(q, s);
    else if (s)
        s->named = true;
    pthread_mutex_unlock(&q->mutex);
}

void report_name_balancer(struct report_queue *q, const char *arn)
{
    name_other(q, KIND_BALANCER, arn, false);
}

void report_name_instance(struct report_queue *q, const char *instance_id)
{
    name_other(q, KIND_INSTANCE, instance_id, false);
}

void report_balancer_gone(struct report_queue *q, const char *arn)
{
    name_other(q, KIND_BALANCER, arn, true);
}

void report_instance_gone(struct report_queue *q, const char *instance_id)
{
    name_other(q, KIND_INSTANCE, instance_id, true);
}

void report_targets_gone(struct report_queue *q, const char *group_arn)
{
    struct elbv2_target_group tg = {.target_group_arn = group_arn};
    struct gantry_edge_target_group none = {.target_group = &tg};
    report_name_targets(q, &none);
}

/* ---- traffic ---- */

static void add_long(struct opt_long *into, const struct opt_long *from)
{
    if (!from->set)
        return;
    into->v = (into->set ? into->v : 0) + from->v;
    into->set = true;
}

static void add_buckets(struct arena *a, struct gantry_edge_traffic_bucket_list *into,
                        const struct gantry_edge_traffic_bucket_list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct gantry_edge_traffic_bucket *b = &from->v[i];
        size_t k = 0;
        while (k < into->n && into->v[k].up_to.v != b->up_to.v)
            k++;
        if (k == into->n)
            *LIST_PUSH(a, into) = (struct gantry_edge_traffic_bucket){.up_to = b->up_to};
        add_long(&into->v[k].count, &b->count);
    }
}

static void add_traffic(struct arena *a, struct gantry_edge_traffic *into,
                        const struct gantry_edge_traffic *t)
{
#define FIELD(name) offsetof(struct gantry_edge_traffic, name)
    static const size_t sums[] = {
        FIELD(requests),
        FIELD(elb2xx),
        FIELD(elb3xx),
        FIELD(elb4xx),
        FIELD(elb5xx),
        FIELD(target2xx),
        FIELD(target3xx),
        FIELD(target4xx),
        FIELD(target5xx),
        FIELD(connections),
        FIELD(bytes_in),
        FIELD(bytes_out),
        FIELD(target_connection_errors),
        FIELD(target_tls_errors),
        FIELD(client_tls_errors),
    };
#undef FIELD
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
        add_long((struct opt_long *)(void *)((char *)into + sums[i]),
                 (const struct opt_long *)(const void *)((const char *)t + sums[i]));
    into->active_connections = t->active_connections;
    add_buckets(a, &into->response_milliseconds, &t->response_milliseconds);
}

void report_traffic(struct report_queue *q, const struct gantry_edge_traffic *t)
{
    AUTO_STR key = STR_INIT;
    struct traffic *sum;
    str_addf(&key, "%s %s", t->load_balancer_arn ? t->load_balancer_arn : "",
             t->target_group_arn ? t->target_group_arn : "");
    pthread_mutex_lock(&q->mutex);
    HASH_FIND_STR(q->traffic, key.data, sum);
    if (sum) {
        add_traffic(&sum->arena, sum->sum, t);
    } else if (HASH_COUNT(q->traffic) < REPORT_OBJECTS_MAX) {
        sum = xcalloc(1, sizeof(*sum));
        sum->key = str_take(&key);
        sum->sum = wire_copy(&sum->arena, &gantry_edge_traffic_shape, t);
        HASH_ADD_KEYPTR(hh, q->traffic, sum->key, strlen(sum->key), sum);
    }
    pthread_mutex_unlock(&q->mutex);
    wake(q);
}

/* ---- sending ---- */

static void due_again(struct report_queue *q)
{
    list_for_each_safe (it, &q->flight) {
        list_remove(it);
        list_append(&q->due, it);
    }
}

void report_resend(struct report_queue *q)
{
    struct state *s, *next;
    pthread_mutex_lock(&q->mutex);
    HASH_ITER (hh, q->states, s, next) {
        list_remove(&s->link);
        list_append(&q->due, &s->link);
    }
    pthread_mutex_unlock(&q->mutex);
}

static void put_state(struct state *s, struct arena *a, struct gantry_edge_report *ret)
{
    void *to = s->kind == KIND_HEALTH     ? (void *)LIST_PUSH(a, &ret->target_health)
               : s->kind == KIND_BALANCER ? (void *)LIST_PUSH(a, &ret->balancers)
                                          : (void *)LIST_PUSH(a, &ret->instances);
    wire_copy_into(a, shapes[s->kind], s->value, to);
}

/* What was sent and not acknowledged is sent as it was, and nothing else. */
static void take_traffic(struct report_queue *q, struct arena *a,
                         struct gantry_edge_report *ret)
{
    struct traffic *t, *next;
    if (!q->flight_traffic && q->traffic) {
        q->sequence++;
        HASH_ITER (hh, q->traffic, t, next) {
            if (HASH_COUNT(q->flight_traffic) >= REPORT_BATCH_MAX)
                break;
            HASH_DELETE(hh, q->traffic, t);
            HASH_ADD_KEYPTR(hh, q->flight_traffic, t->key, strlen(t->key), t);
        }
    }
    if (!q->flight_traffic)
        return;
    ret->sequence = (struct opt_long){.set = true, .v = q->sequence};
    HASH_ITER (hh, q->flight_traffic, t, next)
        wire_copy_into(a, &gantry_edge_traffic_shape, t->sum,
                       LIST_PUSH(a, &ret->traffic));
}

bool report_take(struct report_queue *q, struct arena *a, struct gantry_edge_report *ret)
{
    *ret = (struct gantry_edge_report){.edge_id = arena_strdup(a, q->edge_id)};
    pthread_mutex_lock(&q->mutex);
    due_again(q);
    for (size_t n = 0; n < REPORT_BATCH_MAX && !list_empty(&q->due); n++) {
        struct state *s = list_entry(list_first(&q->due), struct state, link);
        list_remove(&s->link);
        list_append(&q->flight, &s->link);
        put_state(s, a, ret);
    }
    take_traffic(q, a, ret);
    pthread_mutex_unlock(&q->mutex);
    return ret->target_health.n || ret->balancers.n || ret->instances.n || ret->traffic.n;
}

void report_taken(struct report_queue *q, bool acknowledged)
{
    pthread_mutex_lock(&q->mutex);
    if (acknowledged) {
        list_for_each_safe (it, &q->flight)
            list_remove(it);
        traffic_free(&q->flight_traffic);
    } else {
        due_again(q);
    }
    pthread_mutex_unlock(&q->mutex);
}
