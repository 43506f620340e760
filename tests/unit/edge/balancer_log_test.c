/* The pipe between HAProxy and the edge: what is written is counted, whoever runs when. The
 * test is HAProxy; it waits until a sum is reached. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "balancer_log.h"
#include "fd.h"
#include "str.h"

struct world {
    struct arena arena;
    char dir[64];
    int out;
    struct balancer_log *log;
    int64_t all, group, slowest;
};

static struct gantry_edge_balancer *balancer(struct world *w)
{
    static const char text[] =
        "{\"balancer\":{\"loadBalancer\":{\"LoadBalancerArn\":\"arn:aws:e:r:1:"
        "loadbalancer/"
        "app/web/1\",\"Type\":\"application\"},\"attributes\":[],\"interfaces\":[],"
        "\"listeners\":[{\"listener\":{\"ListenerArn\":\"arn:x:listener/app/web/1/l1\","
        "\"Port\":80,\"Protocol\":\"HTTP\",\"DefaultActions\":[{\"Type\":\"forward\","
        "\"TargetGroupArn\":\"arn:aws:e:r:1:targetgroup/g/a\"}]}}]}}";
    struct wire_error bad;
    void *m = NULL;
    if (wire_json_decode(&w->arena, &gantry_edge_message_shape, text, strlen(text), true,
                         &m, &bad) < 0)
        fail_msg("%s", bad.text);
    return ((struct gantry_edge_message *)m)->balancer;
}

static void edge_begins(struct world *w)
{
    struct error err = ERROR_INIT;
    assert_int_equal(balancer_log_new(NULL, &w->log, &err), 0);
    assert_int_equal(balancer_log_open(w->log, "1", w->dir, balancer(w), &err), 0);
}

static int begin(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct error err = ERROR_INIT;
    snprintf(w->dir, sizeof(w->dir), "/tmp/balancer-log-XXXXXX");
    *state = w;
    return mkdtemp(w->dir) ? balancer_log_pipe(w->dir, &w->out, &err) : -1;
}

static int end(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    balancer_log_free(w->log);
    fd_close(&w->out);
    dir_remove_all(w->dir, &err);
    arena_free(&w->arena);
    free(w);
    return 0;
}

static void say(struct world *w, const char *text)
{
    assert_int_equal(write(w->out, text, strlen(text)), strlen(text));
}

static void count(void *ctx, const struct gantry_edge_traffic *t)
{
    struct world *w = ctx;
    *(t->target_group_arn ? &w->group : &w->all) += t->requests.v;
    for (size_t i = 0; i < t->response_milliseconds.n; i++)
        if (t->response_milliseconds.v[i].up_to.v > w->slowest)
            w->slowest = t->response_milliseconds.v[i].up_to.v;
}

static void until(struct world *w, int64_t requests)
{
    w->all = w->group = 0;
    while (w->all < requests)
        balancer_log_take(w->log, "1", 1, 0, 0, count, w);
    assert_int_equal(w->all, requests);
    assert_int_equal(w->group, requests);
}

#define LINE "H l-l1 tg-a t1 200 12 1 300 4000 --\n"

static void lines_are_counted_whole_or_in_parts(void **state)
{
    struct world *w = *state;
    edge_begins(w);
    say(w, LINE LINE);
    until(w, 2);
    say(w, "H l-l1 tg-a t1 200 ");
    say(w, "700 1 300 4000 --\nServer tg-a/t1 is UP.\n\n" LINE);
    until(w, 2);
    assert_int_equal(w->slowest, 700);
}

static void what_was_written_without_an_edge_is_there_for_the_next(void **state)
{
    struct world *w = *state;
    edge_begins(w);
    say(w, LINE);
    until(w, 1);
    balancer_log_free(w->log);
    say(w, LINE LINE LINE);
    edge_begins(w);
    until(w, 3);
}

static void a_full_pipe_keeps_what_it_has_and_no_half_lines(void **state)
{
    struct world *w = *state;
    int64_t n = 0;
    while (write(w->out, LINE, strlen(LINE)) == (ssize_t)strlen(LINE))
        n++;
    assert_true(n * (int64_t)strlen(LINE) > BALANCER_LOG_PIPE_BYTES * 9 / 10);
    edge_begins(w);
    until(w, n);
}

static void a_line_without_an_end_is_no_line(void **state)
{
    struct world *w = *state;
    static char junk[100000];
    memset(junk, 'x', sizeof(junk) - 1);
    say(w, junk);
    say(w, "\n" LINE);
    edge_begins(w);
    until(w, 1);
}

int main(void)
{
#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(lines_are_counted_whole_or_in_parts),
        WITH_WORLD(what_was_written_without_an_edge_is_there_for_the_next),
        WITH_WORLD(a_full_pipe_keeps_what_it_has_and_no_half_lines),
        WITH_WORLD(a_line_without_an_end_is_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
