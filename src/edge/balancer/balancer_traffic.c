#include "balancer_traffic.h"

#include <stdlib.h>

#include "str.h"

const int64_t traffic_bounds[TRAFFIC_BUCKETS] = {
    1,    2,    3,    5,     7,     10,    15,    20,       30,   50,
    70,   100,  150,  200,   300,   500,   700,   1000,     1500, 2000,
    3000, 5000, 7000, 10000, 20000, 30000, 60000, INT64_MAX};

static struct traffic_counts *group_of(struct traffic *t, const char *backend)
{
    if (!str_starts(backend, "tg-"))
        return NULL;
    for (size_t i = 0; i < t->group_count; i++)
        if (streq(t->groups[i].backend, backend))
            return &t->groups[i].counts;
    t->groups = xrealloc(t->groups, (t->group_count + 1) * sizeof(*t->groups));
    struct traffic_group *g = &t->groups[t->group_count++];
    *g = (struct traffic_group){.backend = xstrdup(backend)};
    return &g->counts;
}

static void note_http(struct traffic_counts *c, const struct balancer_log_line *l)
{
    int status = balancer_log_status(l), hundred = status / 100 - 2;
    bool answered = l->has_server && l->response_ms >= 0;
    if (hundred >= 0 && hundred < 4)
        (answered ? c->target : c->own)[hundred]++;
    if (l->has_server)
        c->requests++;
    if (!answered)
        return;
    size_t i = 0;
    while (l->response_ms > traffic_bounds[i])
        i++;
    c->times[i]++;
}

static void note(struct traffic_counts *c, const struct balancer_log_line *l)
{
    if (l->kind == 'H')
        note_http(c, l);
    else
        c->connections++;
    if (l->bytes_in > 0)
        c->bytes_in += l->bytes_in;
    if (l->bytes_out > 0)
        c->bytes_out += l->bytes_out;
    if (l->ended[0] && strchr("sS", l->ended[0]) && l->ended[1] == 'C')
        c->connect_errors++;
}

void traffic_note(struct traffic *t, const struct balancer_log_line *l)
{
    if (l->kind == 'E') {
        t->all.tls_errors++;
        return;
    }
    struct traffic_counts *g = group_of(t, l->backend);
    note(&t->all, l);
    if (g)
        note(g, l);
}

void traffic_clear(struct traffic *t)
{
    t->all = (struct traffic_counts){0};
    for (size_t i = 0; i < t->group_count; i++)
        t->groups[i].counts = (struct traffic_counts){0};
}

void traffic_fini(struct traffic *t)
{
    for (size_t i = 0; i < t->group_count; i++)
        free(t->groups[i].backend);
    free(t->groups);
    *t = (struct traffic){0};
}

void traffic_report(struct arena *a, const struct traffic_counts *c,
                    struct gantry_edge_traffic *ret)
{
    ret->requests = SET_LONG(c->requests);
    ret->elb2xx = SET_LONG(c->own[0]);
    ret->elb3xx = SET_LONG(c->own[1]);
    ret->elb4xx = SET_LONG(c->own[2]);
    ret->elb5xx = SET_LONG(c->own[3]);
    ret->target2xx = SET_LONG(c->target[0]);
    ret->target3xx = SET_LONG(c->target[1]);
    ret->target4xx = SET_LONG(c->target[2]);
    ret->target5xx = SET_LONG(c->target[3]);
    ret->connections = SET_LONG(c->connections);
    ret->bytes_in = SET_LONG(c->bytes_in);
    ret->bytes_out = SET_LONG(c->bytes_out);
    ret->target_connection_errors = SET_LONG(c->connect_errors);
    ret->client_tls_errors = SET_LONG(c->tls_errors);
    for (size_t i = 0; i < TRAFFIC_BUCKETS; i++) {
        if (c->times[i] == 0)
            continue;
        struct gantry_edge_traffic_bucket *b = LIST_PUSH(a, &ret->response_milliseconds);
        b->up_to = SET_LONG(traffic_bounds[i]);
        b->count = SET_LONG(c->times[i]);
    }
}
