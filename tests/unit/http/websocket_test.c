/* Both ends of a WebSocket over a pair of sockets, and what breaks its rules. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "str.h"
#include "unit.h"
#include "websocket.h"

struct end {
    struct websocket *ws;
    int fd, messages, answer;
    enum websocket_kind kind;
    struct str got;
};

static int on_message(void *ctx, enum websocket_kind kind, const void *data, size_t len,
                      struct error *err)
{
    struct end *e = ctx;
    e->messages++;
    e->kind = kind;
    str_clear(&e->got);
    str_addn(&e->got, data, len);
    return e->answer;
}

static void open_end(struct end *e, int fd, bool client, const char *early)
{
    *e = (struct end){.fd = fd};
    struct websocket_config config = {.fd = fd,
                                      .client = client,
                                      .max_message = 1000,
                                      .max_queued = 200000,
                                      .early = early,
                                      .early_len = early ? strlen(early) : 0,
                                      .on_message = on_message,
                                      .ctx = e};
    e->ws = websocket_new(&config);
}

static void close_end(struct end *e)
{
    websocket_free(e->ws);
    str_free(&e->got);
    close(e->fd);
}

static void pair(int fds[2])
{
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void messages_go_both_ways(void **state)
{
    int fds[2];
    struct end a, b;
    pair(fds);
    open_end(&a, fds[0], true, NULL);
    open_end(&b, fds[1], false, NULL);
    assert_int_equal(websocket_send(a.ws, WEBSOCKET_TEXT, "hello", 5, NULL), 0);
    assert_int_equal(websocket_flush(a.ws, NULL), 0);
    assert_int_equal(websocket_queued(a.ws), 0);
    assert_int_equal(websocket_read(b.ws, NULL), 0);
    assert_string_equal(str_text(&b.got), "hello");
    assert_int_equal(b.kind, WEBSOCKET_TEXT);
    assert_int_equal(websocket_send(b.ws, WEBSOCKET_BINARY, "\0x", 2, NULL), 0);
    assert_int_equal(websocket_ping(b.ws, NULL), 0);
    assert_int_equal(websocket_flush(b.ws, NULL), 0);
    assert_int_equal(websocket_read(a.ws, NULL), 0);
    assert_int_equal(a.messages, 1);
    assert_int_equal(a.got.len, 2);
    websocket_close(a.ws, 1000);
    assert_int_equal(websocket_flush(a.ws, NULL), 0);
    assert_int_equal(websocket_read(b.ws, NULL), -E_NETWORK);
    close_end(&a);
    close_end(&b);
}

static void bounds_hold(void **state)
{
    int fds[2];
    struct end a, b;
    static char much[150000];
    pair(fds);
    open_end(&a, fds[0], true, NULL);
    open_end(&b, fds[1], false, NULL);
    assert_int_equal(websocket_send(a.ws, WEBSOCKET_BINARY, much, sizeof(much), NULL), 0);
    assert_int_equal(websocket_send(a.ws, WEBSOCKET_BINARY, much, sizeof(much), NULL),
                     -E_FULL);
    assert_int_equal(websocket_flush(a.ws, NULL), 0);
    assert_int_equal(websocket_read(b.ws, NULL), -E_LIMIT);
    assert_int_equal(b.messages, 0);
    close_end(&a);
    close_end(&b);
}

static void a_paused_end_takes_nothing_more(void **state)
{
    int fds[2];
    struct end a, b;
    pair(fds);
    open_end(&a, fds[0], true, NULL);
    open_end(&b, fds[1], false, NULL);
    websocket_pause(b.ws, true);
    assert_int_equal(websocket_send(a.ws, WEBSOCKET_BINARY, "1", 1, NULL), 0);
    assert_int_equal(websocket_flush(a.ws, NULL), 0);
    assert_int_equal(websocket_read(b.ws, NULL), 0);
    assert_int_equal(b.messages, 0);
    websocket_pause(b.ws, false);
    assert_int_equal(websocket_read(b.ws, NULL), 0);
    assert_int_equal(b.messages, 1);
    b.answer = -E_DENIED;
    assert_int_equal(websocket_send(a.ws, WEBSOCKET_BINARY, "2", 1, NULL), 0);
    assert_int_equal(websocket_flush(a.ws, NULL), 0);
    assert_int_equal(websocket_read(b.ws, NULL), -E_DENIED);
    close_end(&a);
    close_end(&b);
}

static void broken_frames(void **state)
{
    /* not masked; a reserved bit; an unknown opcode; a ping in pieces */
    static const char *const wrong[] = {"\x82\x01x",
                                        "\xc2\x81"
                                        "aaaax",
                                        "\x83\x81"
                                        "aaaax",
                                        "\x09\x81"
                                        "aaaax"};
    for (size_t i = 0; i < 4; i++) {
        int fds[2];
        struct end e;
        pair(fds);
        open_end(&e, fds[0], false, wrong[i]);
        assert_true(websocket_has_early(e.ws));
        int r = websocket_read(e.ws, NULL);
        assert_int_equal(r, -E_PROTOCOL);
        assert_int_equal(e.messages, 0);
        close_end(&e);
        close(fds[1]);
    }
}

static void the_peer_goes(void **state)
{
    int fds[2];
    struct end e;
    pair(fds);
    open_end(&e, fds[0], false, NULL);
    assert_int_equal(websocket_read(e.ws, NULL), 0);
    close(fds[1]);
    assert_int_equal(websocket_read(e.ws, NULL), -E_NETWORK);
    close_end(&e);
}

static void the_handshake(void **state)
{
    char accept[WEBSOCKET_ACCEPT_SIZE], key[WEBSOCKET_KEY_SIZE];
    assert_true(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept)); /* RFC 6455 §1.3 */
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    websocket_key(key);
    assert_true(websocket_accept(key, accept));
    static const char *const bad[] = {NULL,
                                      "",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      "dGhlIHNhbXBsZSBub25jZQQQ",
                                      "dGhlIHNhb XBsZSBub25jZ==",
                                      "dGhlIHNhbXBsZSBub25jZQ==="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(websocket_accept(bad[i], accept));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_go_both_ways),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(a_paused_end_takes_nothing_more),
        cmocka_unit_test(broken_frames),
        cmocka_unit_test(the_peer_goes),
        cmocka_unit_test(the_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
