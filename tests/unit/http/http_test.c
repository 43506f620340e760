/* Requests and answers: bodies, hand-over between threads, limits, stop. */
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

static void answers_come_from_the_io_thread_or_another(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/hello", "/later/hello", "/defer/hello"};
    for (size_t i = 0; i < 3; i++) {
        AUTO_STR body = STR_INIT;
        assert_int_equal(get(f, paths[i], &body), 200);
        assert_string_equal(str_text(&body), "hello");
    }
}

static void the_path_and_query_stay_raw(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd,
        "GET /describe/a%2Fb/../%41?x=%20y&z HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-B: 2\r\n"
        "X-A: 3\r\n\r\n");
    char *text = hear(fd, "X-A=3;");
    assert_non_null(
        strstr(text, "GET|/describe/a%2Fb/../%41|x=%20y&z|0|X-A=1;X-B=2;X-A=3;"));
    free(text);
    say(fd, "GET http://host:80/describe HTTP/1.1\r\nHost: h\r\nX-Q: 1\r\n\r\n");
    text = hear(fd, "X-Q=1;");
    assert_non_null(strstr(text, "GET|/describe|-|0|"));
    free(text);
    close(fd);
}

static void bodies_are_echoed(void **state)
{
    struct fixture *f = *state;
    AUTO_ARENA a = ARENA_INIT;
    enum { SIZE = 1 << 20 };
    char *data = arena_alloc(&a, SIZE + 1);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)('a' + i * 7 % 26);
    static const char *const paths[] = {"/echo", "/later/echo", "/defer/echo"};
    for (size_t i = 0; i < 3; i++) {
        for (int chunked = 0; chunked < 2; chunked++) {
            AUTO_STR body = STR_INIT;
            assert_int_equal(post(f, paths[i], data, SIZE, chunked, &body), 200);
            assert_int_equal(body.len, SIZE);
            assert_memory_equal(body.data, data, SIZE);
        }
    }
}

static void a_body_above_the_limit_is_413(void **state)
{
    struct fixture *f = *state;
    AUTO_ARENA a = ARENA_INIT;
    char *data = arena_alloc(&a, (1 << 20) + 1);
    AUTO_STR body = STR_INIT;
    assert_int_equal(post(f, "/echo", data, (1 << 20) + 1, true, &body), 413);
    assert_int_equal(atomic_load(&f->aborted), 1);
    assert_int_equal(post(f, "/echo", data, (1 << 20) + 1, false, &body), 413);
    assert_int_equal(atomic_load(&f->aborted), 2);
    assert_int_equal(atomic_load(&f->completed), 0);
}

static void a_sink_takes_the_body_in_pieces(void **state)
{
    struct fixture *f = *state;
    AUTO_ARENA a = ARENA_INIT;
    enum { SIZE = 20 << 20 };
    char *data = arena_alloc(&a, SIZE);
    AUTO_STR body = STR_INIT;
    assert_int_equal(post(f, "/sink", data, SIZE, true, &body), 201);
    assert_int_equal(atomic_load(&f->sunk), SIZE);
    assert_int_equal(post(f, "/defer/sink", data, SIZE, false, &body), 201);
    assert_int_equal(atomic_load(&f->sunk), 2 * SIZE);
    data[SIZE / 2] = '!'; /* refused in the middle: the peer still gets the answer */
    assert_int_equal(post(f, "/sink", data, SIZE, false, &body), 507);
}

static void a_refusal_comes_before_the_body(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/deny", "/defer/deny"};
    for (int i = 0; i < 2; i++) {
        int fd = dial(f);
        char head[200];
        snprintf(head, sizeof(head),
                 "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n"
                 "Expect: 100-continue\r\n\r\n",
                 paths[i]);
        say(fd, head);
        char *text = hear(fd, NULL); /* and the connection ends */
        assert_ptr_equal(strstr(text, "HTTP/1.1 403"), text);
        assert_null(strstr(text, "100 Continue"));
        free(text);
        close(fd);
    }
}

static void expect_continue_is_answered_after_the_choice(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd, "POST /defer/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
            "Expect: 100-continue\r\n\r\n");
    char *text = hear(fd, "\r\n\r\n");
    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    free(text);
    say(fd, "abc");
    text = hear(fd, "abc");
    assert_non_null(strstr(text, "HTTP/1.1 200"));
    free(text);
    close(fd);
}

static void a_small_refused_body_keeps_the_connection(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    for (int i = 0; i < 3; i++) {
        say(fd, "POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        char *text = hear(fd, "denied");
        assert_non_null(strstr(text, "HTTP/1.1 403"));
        free(text);
    }
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    AUTO_STR all = STR_INIT;
    for (int i = 0; i < 50; i++)
        str_addf(&all, "GET /later/describe/%d HTTP/1.1\r\nHost: h\r\n\r\n", i);
    say(fd, str_text(&all));
    char *text = hear(fd, "/describe/49|"), *p = text;
    for (int i = 0; i < 50; i++) {
        char want[40];
        snprintf(want, sizeof(want), "/describe/%d|", i);
        p = strstr(p, want);
        assert_non_null(p);
    }
    free(text);
    close(fd);
}

static void head_has_a_length_and_no_body(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd,
        "HEAD /size HTTP/1.1\r\nHost: h\r\n\r\nHEAD /later/hello HTTP/1.1\r\nHost: h\r\n"
        "\r\nGET /describe HTTP/1.1\r\nHost: h\r\n\r\n");
    char *text = hear(fd, "GET|");
    assert_non_null(strstr(text, "Content-Length: 123456789\r\n"));
    assert_non_null(strstr(text, "X-Kind: layer\r\n"));
    assert_non_null(strstr(text, "Content-Length: 5\r\n"));
    assert_null(strstr(text, "hello"));
    free(text);
    close(fd);
}

static void files_are_sent_from_their_offset(void **state)
{
    struct fixture *f = *state;
    AUTO_STR body = STR_INIT;
    assert_int_equal(get(f, "/file", &body), 206);
    assert_int_equal(body.len, 40000);
    char want[64];
    AUTO_FD fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, want, sizeof(want), 1), sizeof(want));
    assert_memory_equal(body.data, want, sizeof(want));
}

/* ---- many at once ---- */

struct hammer {
    struct fixture *f;
    int ok;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;
    AUTO_STR body = STR_INIT;
    CURL *c = easy_new(h->f, "/later/hello", &body);
    for (int i = 0; i < 300; i++) {
        str_clear(&body);
        h->ok += easy_go(c) == 200 && streq(str_text(&body), "hello");
    }
    curl_easy_cleanup(c);
    return NULL;
}

static void parallel_requests_all_get_their_answer(void **state)
{
    struct fixture *f = *state;
    enum { THREADS = 16 };
    pthread_t t[THREADS];
    struct hammer h[THREADS];
    for (int i = 0; i < THREADS; i++) {
        h[i] = (struct hammer){.f = f};
        pthread_create(&t[i], NULL, hammer, &h[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(h[i].ok, 300);
    }
    WAIT_FOR(atomic_load(&f->released) == 300 * THREADS);
}

static void connections_beyond_number_wait_or_work(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 400 };
    int fd[MANY];
    for (int i = 0; i < MANY; i++)
        fd[i] = dial(f);
    for (int i = 0; i < MANY; i++)
        say(fd[i], "GET /later/hello HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < MANY; i++) {
        char *text = hear(fd[i], "hello");
        if (!strstr(text, "HTTP/1.1 200"))
            fail_msg("connection %d of %d heard '%s'", i, MANY, text);
        free(text);
        close(fd[i]);
    }
}

/* ---- peers that vanish ---- */

static void vanishing_in_mid_body_is_aborted(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd, "POST /sink HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");
    WAIT_FOR(atomic_load(&f->sunk) == 3);
    close(fd);
    WAIT_FOR(atomic_load(&f->released) == 1);
    assert_int_equal(atomic_load(&f->aborted), 1);
    assert_int_equal(atomic_load(&f->completed), 0);
}

static void vanishing_while_suspended_harms_nobody(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd, "GET /hang HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_FOR(held(f) == 1);
    struct linger now = {.l_onoff = 1}; /* a reset, not a polite end */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    http_reply_text(f->held[0], 200, "too late");
    WAIT_FOR(atomic_load(&f->released) == 1);
    assert_int_equal(atomic_load(&f->aborted), 0); /* complete() was called: not both */
}

/* ---- what is refused ---- */

static void expect_refusal(struct fixture *f, const char *request, const char *status)
{
    int fd = dial(f);
    (void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
    char *text = hear(fd, "\r\n\r\n");
    char want[32];
    snprintf(want, sizeof(want), "HTTP/1.1 %s", status);
    if (strncmp(text, want, strlen(want)) != 0)
        print_message("for %.60s: %.200s\n", request, text);
    assert_true(strncmp(text, want, strlen(want)) == 0);
    free(text);
    close(fd);
}

static void bad_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    AUTO_STR flood = STR_INIT, big = STR_INIT;
    str_add(&flood, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 300; i++)
        str_addf(&flood, "X-%d: y\r\n", i);
    str_add(&flood, "\r\n");
    expect_refusal(f, str_text(&flood), "431");
    str_add(&big, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 100; i++)
        str_addf(&big, "X-%d: %0900d\r\n", i, i);
    str_add(&big, "\r\n");
    expect_refusal(f, str_text(&big), "431");
    expect_refusal(f,
                   "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   "400");
    expect_refusal(f,
                   "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                   "Content-Length: 3\r\n\r\nabc",
                   "400");
    expect_refusal(f, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -3\r\n\r\n", "400");
    expect_refusal(f,
                   "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n"
                   "\r\n0\r\n\r\n",
                   "501");
    expect_refusal(f, "GET / HTTP/1.1\r\n\r\n", "400");
    assert_int_equal(atomic_load(&f->begun), 0);
}

static void collected_bodies_have_a_common_bound(void **state)
{
    struct fixture *f =
        fixture_new("127.0.0.1:0", (struct http_limits){.buffered_bytes = 600000});
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR body = STR_INIT;
    char *data = arena_alloc(&a, 1 << 20);
    assert_int_equal(post(f, "/echo", data, 400000, false, &body), 200);
    WAIT_FOR(atomic_load(&f->released) == 1);
    assert_int_equal(post(f, "/echo", data, 900000, false, &body), 503);
    WAIT_FOR(atomic_load(&f->released) == 2);
    assert_int_equal(post(f, "/echo", data, 400000, false, &body), 200); /* given back */
    fixture_free(f);
}

static void idle_connections_are_closed(void **state)
{
    struct fixture *f =
        fixture_new("127.0.0.1:0", (struct http_limits){.idle_seconds = 1});
    int idle = dial(f), half = dial(f);
    say(half, "GET /hello HTT");
    char *text = hear(idle, NULL); /* returns at once when the peer closes */
    assert_string_equal(text, "");
    free(text);
    text = hear(half, NULL);
    free(text);
    close(idle);
    close(half);
    fixture_free(f);
}

/* ---- start and stop ---- */

static void addresses_are_checked(void **state)
{
    struct fixture *f = *state;
    struct http_server *s = NULL;
    struct error err = ERROR_INIT;
    static const char *const bad[] = {
        "",        "4566",   "localhost",  "1.2.3:4", "127.0.0.1:65536",
        "[::1:80", "::1:80", "127.0.0.1:", "unix:"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct http_config c = {.listen = bad[i], .handler = {on_begin, on_complete}};
        assert_int_equal(http_server_start(&c, &s, &err), -E_INVALID);
    }
    struct http_config c = {.listen = http_server_address(f->server),
                            .handler = {on_begin, on_complete}};
    assert_int_equal(http_server_start(&c, &s, &err), -E_CONFLICT);
    assert_non_null(strstr(err.text, "already"));
}

static void a_unix_socket_works(void **state)
{
    char path[64], listen[80];
    snprintf(path, sizeof(path), "/tmp/gantry-http-%d.sock", (int)getpid());
    snprintf(listen, sizeof(listen), "unix:%s", path);
    for (int i = 0; i < 2; i++) {
        struct fixture *f = fixture_new(listen, (struct http_limits){0});
        AUTO_STR body = STR_INIT;
        CURL *c = curl_easy_init();
        curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, path);
        curl_easy_setopt(c, CURLOPT_URL, "http://localhost/later/hello");
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect_body);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
        assert_int_equal(easy_go(c), 200);
        curl_easy_cleanup(c);
        fixture_free(f);
        assert_int_equal(access(path, F_OK), -1);
        if (i == 0) { /* a killed server leaves its socket: the next one takes it over */
            int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            struct sockaddr a = {.sa_family = AF_UNIX};
            char raw[sizeof(a) + 64] = {0};
            memcpy(raw, &a, sizeof(a.sa_family));
            strcpy(raw + sizeof(a.sa_family), path);
            assert_int_equal(bind(fd, (void *)raw, (socklen_t)(2 + strlen(path) + 1)), 0);
            close(fd);
        }
    }
}

static void stop_waits_for_those_who_answer(void **state)
{
    struct fixture *f = fixture_new("127.0.0.1:0", (struct http_limits){0});
    int fd = dial(f);
    say(fd, "GET /later/hello HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_FOR(atomic_load(&f->begun) == 1);
    http_server_stop(f->server, 5000);
    f->server = NULL;
    char *text = hear(fd, NULL);
    assert_non_null(strstr(text, "HTTP/1.1 200"));
    free(text);
    close(fd);
    fixture_free(f);
}

static void stop_answers_503_for_those_who_do_not(void **state)
{
    struct fixture *f = fixture_new("127.0.0.1:0", (struct http_limits){0});
    int a = dial(f), b = dial(f), c = dial(f);
    say(a, "GET /hang HTTP/1.1\r\nHost: h\r\n\r\n");
    say(b, "GET /defer/hold HTTP/1.1\r\nHost: h\r\n\r\n");
    say(c, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    WAIT_FOR(held(f) == 2 && atomic_load(&f->begun) == 3);
    http_server_stop(f->server, 10);
    f->server = NULL;
    char *text = hear(a, NULL);
    assert_non_null(strstr(text, "HTTP/1.1 503"));
    free(text);
    text = hear(b, NULL);
    assert_non_null(strstr(text, "HTTP/1.1 503"));
    free(text);
    text = hear(c, NULL);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(atomic_load(&f->aborted), 1); /* the half body */
    /* Handlers that come late still find their request. */
    for (int i = 0; i < 2; i++) {
        if (streq(f->held[i]->path, "/hang"))
            http_reply_text(f->held[i], 200, f->held[i]->path);
        else
            http_accept_body(f->held[i], 100);
    }
    assert_int_equal(atomic_load(&f->aborted), 2);
    assert_int_equal(atomic_load(&f->released), 3);
    close(a);
    close(b);
    close(c);
    fixture_free(f);
}

static void stop_under_load_is_clean(void **state)
{
    for (int round = 0; round < 10; round++) {
        struct fixture *f = fixture_new("127.0.0.1:0", (struct http_limits){0});
        enum { MANY = 40 };
        int fd[MANY];
        for (int i = 0; i < MANY; i++) {
            fd[i] = dial(f);
            say(fd[i], i % 3 == 0   ? "GET /later/hello HTTP/1.1\r\nHost: h\r\n\r\n"
                       : i % 3 == 1 ? "GET /defer/lines HTTP/1.1\r\nHost: h\r\n\r\n"
                                    : "POST /later/echo HTTP/1.1\r\nHost: h\r\n"
                                      "Content-Length: 3\r\n\r\nabc");
        }
        http_server_stop(f->server, (unsigned)round);
        f->server = NULL;
        for (int i = 0; i < MANY; i++)
            close(fd[i]);
        fixture_free(f);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answers_come_from_the_io_thread_or_another),
        CASE(the_path_and_query_stay_raw),
        CASE(bodies_are_echoed),
        CASE(a_body_above_the_limit_is_413),
        CASE(a_sink_takes_the_body_in_pieces),
        CASE(a_refusal_comes_before_the_body),
        CASE(expect_continue_is_answered_after_the_choice),
        CASE(a_small_refused_body_keeps_the_connection),
        CASE(pipelined_requests_are_answered_in_order),
        CASE(head_has_a_length_and_no_body),
        CASE(files_are_sent_from_their_offset),
        CASE(parallel_requests_all_get_their_answer),
        CASE(connections_beyond_number_wait_or_work),
        CASE(vanishing_in_mid_body_is_aborted),
        CASE(vanishing_while_suspended_harms_nobody),
        CASE(bad_requests_are_refused),
        cmocka_unit_test(collected_bodies_have_a_common_bound),
        cmocka_unit_test(idle_connections_are_closed),
        CASE(addresses_are_checked),
        cmocka_unit_test(a_unix_socket_works),
        cmocka_unit_test(stop_waits_for_those_who_answer),
        cmocka_unit_test(stop_answers_503_for_those_who_do_not),
        cmocka_unit_test(stop_under_load_is_clean),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
