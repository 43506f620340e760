/* Long answers: order, promptness, slow and vanished peers, the end of the server. */
#include "unit.h"

#include "fixture.h"

static int setup(void **state)
{
    *state = fixture_new("127.0.0.1:0", (struct http_limits){0});
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static int open_one(struct fixture *f, struct http_stream **ret)
{
    int fd = dial(f);
    say(fd, "GET /later/open HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_FOR(opened(f) != NULL);
    *ret = opened(f);
    return fd;
}

static void ten_thousand_lines_arrive_in_order(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/lines", "/later/lines"};
    for (int k = 0; k < 2; k++) {
        AUTO_STR body = STR_INIT, want = STR_INIT;
        assert_int_equal(get(f, paths[k], &body), 200);
        for (int i = 0; i < 10000; i++)
            str_addf(&want, "line %d\n", i);
        assert_int_equal(body.len, want.len);
        assert_memory_equal(body.data, want.data, want.len);
    }
    assert_int_equal(atomic_load(&f->closed), 0); /* the owner closed: no callback */
}

static void headers_and_lines_leave_at_once(void **state)
{
    struct fixture *f = *state;
    struct http_stream *st;
    int64_t t = clock_mono_ns();
    int fd = open_one(f, &st);
    char *text = hear(fd, "\r\n\r\n");
    assert_non_null(strstr(text, "Transfer-Encoding: chunked"));
    free(text);
    for (int i = 0; i < 20; i++) {
        char line[32];
        snprintf(line, sizeof(line), "ping %d\n", i);
        assert_int_equal(http_stream_send(st, line, strlen(line), NULL), 0);
        free(hear(fd, line));
    }
    /* The kernel holds data that is not pushed for 200 ms; without that this takes about 5. */
    assert_true(clock_mono_ns() - t < 180000000);
    http_stream_close(st);
    text = hear(fd, "0\r\n\r\n");
    assert_non_null(strstr(text, "0\r\n\r\n"));
    free(text);
    say(fd, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"); /* and the connection lives on */
    text = hear(fd, "hello");
    assert_non_null(strstr(text, "200"));
    free(text);
    close(fd);
}

static void a_peer_that_hangs_up_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct http_stream *st;
    int fd = open_one(f, &st);
    free(hear(fd, "\r\n\r\n"));
    close(fd); /* the stream is idle: nothing is being sent */
    WAIT_FOR(atomic_load(&f->closed) == 1);
    struct error err = ERROR_INIT;
    assert_int_equal(http_stream_send(st, "x", 1, &err), -E_NETWORK);
    http_stream_close(st);
    WAIT_FOR(atomic_load(&f->released) == 1);
}

static void a_peer_that_does_not_read_is_cut(void **state)
{
    struct fixture *f =
        fixture_new("127.0.0.1:0", (struct http_limits){.stream_queue_bytes = 1 << 20});
    struct http_stream *st;
    int fd = open_one(f, &st);
    AUTO_ARENA a = ARENA_INIT;
    char *data = arena_alloc(&a, 100000);
    struct error err = ERROR_INIT;
    int r = 0;
    for (int i = 0; i < 1000 && r == 0; i++) {
        r = http_stream_send(st, data, 100000, &err);
        assert_true(http_stream_queued(st) <= 1 << 20);
    }
    assert_int_equal(r, -E_FULL);
    assert_int_equal(http_stream_send(st, "x", 1, &err), -E_NETWORK);
    close(fd);
    WAIT_FOR(atomic_load(&f->closed) == 1);
    http_stream_close(st);
    fixture_free(f);
}

static void an_idle_stream_outlives_the_idle_limit(void **state)
{
    struct fixture *f =
        fixture_new("127.0.0.1:0", (struct http_limits){.idle_seconds = 1});
    struct http_stream *st;
    int fd = open_one(f, &st), probe = dial(f);
    free(hear(fd, "\r\n\r\n"));
    free(hear(probe, NULL)); /* an idle connection was closed meanwhile … */
    assert_int_equal(http_stream_send(st, "still here\n", 11, NULL), 0);
    char *text = hear(fd, "still here"); /* … the stream was not */
    assert_non_null(strstr(text, "still here"));
    free(text);
    http_stream_close(st);
    close(fd);
    close(probe);
    fixture_free(f);
}

static void stop_ends_streams(void **state)
{
    struct fixture *f = fixture_new("127.0.0.1:0", (struct http_limits){0});
    struct http_stream *st;
    int fd = open_one(f, &st);
    assert_int_equal(http_stream_send(st, "last words\n", 11, NULL), 0);
    http_server_stop(f->server, 1000);
    f->server = NULL;
    assert_int_equal(atomic_load(&f->closed), 1);
    char *text = hear(fd, NULL);
    assert_non_null(strstr(text, "last words"));
    assert_non_null(strstr(text, "0\r\n\r\n"));
    free(text);
    http_stream_close(st);
    close(fd);
    fixture_free(f);
}

/* Senders, a closing owner and vanishing peers, all at once. */
static void races_end_well(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        struct http_stream *st;
        int fd = open_one(f, &st);
        pthread_mutex_lock(&f->lock);
        f->stream = NULL;
        pthread_mutex_unlock(&f->lock);
        if (i % 2)
            close(fd);
        for (int k = 0; k < i % 7; k++)
            http_stream_send(st, "some words\n", 11, NULL);
        http_stream_close(st);
        if (!(i % 2))
            close(fd);
    }
    WAIT_FOR(atomic_load(&f->released) == 100);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(ten_thousand_lines_arrive_in_order),
        CASE(headers_and_lines_leave_at_once),
        CASE(a_peer_that_hangs_up_is_noticed),
        cmocka_unit_test(a_peer_that_does_not_read_is_cut),
        cmocka_unit_test(an_idle_stream_outlives_the_idle_limit),
        cmocka_unit_test(stop_ends_streams),
        CASE(races_end_well),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
