/* The data channel against a client in the same process, under a virtual clock: by the book,
 * and over a network that loses, repeats and mixes messages. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "arena.h"
#include "channel.h"
#include "message.h"
#include "str.h"
#include "unit.h"

#define WIRE_MAX   4096
#define INPUT_SIZE 20000
#define OUT_SIZE   60000

struct packet {
    char *data;
    size_t len;
};

struct wire {
    struct packet v[WIRE_MAX];
    size_t n;
};

struct world {
    struct channel *channel;
    int64_t now_ms;
    uint64_t seed;
    struct wire to_client, to_channel;
    bool ready;
    struct str input; /* what the program got */
    unsigned cols, rows;

    /* the client */
    int64_t next_in, next_out;
    struct str held[WIRE_MAX]; /* its output messages by sequence, "" when unknown */
    uint32_t held_type[WIRE_MAX];
    struct packet unacked[WIRE_MAX]; /* by sequence */
    struct str output;
    bool closed;
    int exit_code, acks;
    char closing[64];
};

static uint64_t dice(struct world *w, uint64_t below)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (w->seed >> 33) % below;
}

static void put(struct wire *wire, const void *data, size_t len)
{
    assert_true(wire->n < WIRE_MAX);
    char *copy = xmalloc(len);
    memcpy(copy, data, len);
    wire->v[wire->n++] = (struct packet){copy, len};
}

static struct packet take(struct wire *wire, size_t i)
{
    struct packet p = wire->v[i];
    memmove(&wire->v[i], &wire->v[i + 1], (--wire->n - i) * sizeof(p));
    return p;
}

/* ---- the channel's surroundings ---- */

static void on_send(void *ctx, const void *data, size_t len)
{
    struct world *w = ctx;
    put(&w->to_client, data, len);
}

static void on_random(void *ctx, void *ret, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)ret)[i] = (uint8_t)dice(ctx, 256);
}

static void on_ready(void *ctx)
{
    ((struct world *)ctx)->ready = true;
}

static void on_input(void *ctx, const void *data, size_t len)
{
    str_addn(&((struct world *)ctx)->input, data, len);
}

static void on_resize(void *ctx, unsigned cols, unsigned rows)
{
    struct world *w = ctx;
    w->cols = cols;
    w->rows = rows;
}

static struct world *world_new(uint64_t seed)
{
    static const struct channel_ops ops = {on_send, on_random, on_ready, on_input,
                                           on_resize};
    struct world *w = xcalloc(1, sizeof(*w));
    w->seed = seed;
    w->exit_code = -1;
    struct channel_config config = {"session", "sh", true, &ops, w};
    w->channel = channel_new(&config, w->now_ms);
    return w;
}

static void world_free(struct world *w)
{
    channel_free(w->channel);
    while (w->to_client.n)
        free(take(&w->to_client, 0).data);
    while (w->to_channel.n)
        free(take(&w->to_channel, 0).data);
    for (size_t i = 0; i < WIRE_MAX; i++) {
        str_free(&w->held[i]);
        free(w->unacked[i].data);
    }
    str_free(&w->input);
    str_free(&w->output);
    free(w);
}

/* ---- the client ---- */

static void client_say(struct world *w, const char *type, int64_t sequence,
                       uint32_t payload_type, const void *data, size_t len)
{
    AUTO_STR out = STR_INIT;
    struct message m = {.sequence = sequence,
                        .payload_type = payload_type,
                        .payload = data,
                        .payload_len = len};
    snprintf(m.type, sizeof(m.type), "%s", type);
    message_encode(&m, &out);
    put(&w->to_channel, out.data, out.len);
    if (!streq(type, "input_stream_data"))
        return;
    struct packet *kept = &w->unacked[sequence];
    kept->data = xmalloc(out.len);
    kept->len = out.len;
    memcpy(kept->data, out.data, out.len);
}

static void client_data(struct world *w, uint32_t payload_type, const void *data,
                        size_t len)
{
    client_say(w, "input_stream_data", w->next_out++, payload_type, data, len);
}

static void client_text(struct world *w, uint32_t payload_type, const char *text)
{
    client_data(w, payload_type, text, strlen(text));
}

#define SHAKE                                                                            \
    "{\"ClientVersion\":\"1\",\"ProcessedClientActions\":[{\"ActionType\":"              \
    "\"SessionType\",\"ActionStatus\":1}]}"

static void client_takes(struct world *w, uint32_t type, const struct str *s)
{
    if (type == PAYLOAD_HANDSHAKE_REQUEST)
        client_text(w, PAYLOAD_HANDSHAKE_RESPONSE, SHAKE);
    else if (type == PAYLOAD_OUTPUT)
        str_addn(&w->output, s->data, s->len);
    else if (type == PAYLOAD_EXIT_CODE)
        w->exit_code = atoi(str_text(s));
}

static void client_gets(struct world *w, const struct packet *p)
{
    struct message m;
    struct error err = ERROR_INIT;
    assert_int_equal(message_decode(p->data, p->len, &m, &err), 0);
    json_t *o =
        m.payload_type == 0 ? json_loadb(m.payload, m.payload_len, 0, NULL) : NULL;
    if (streq(m.type, "channel_closed")) {
        w->closed = true;
        snprintf(w->closing, sizeof(w->closing), "%s",
                 json_string_value(json_object_get(o, "Output")));
    } else if (streq(m.type, "acknowledge")) {
        json_int_t n =
            json_integer_value(json_object_get(o, "AcknowledgedMessageSequenceNumber"));
        assert_int_equal(m.flags, MESSAGE_ACK);
        assert_true(n < w->next_out);
        w->acks++;
        free(w->unacked[n].data);
        w->unacked[n] = (struct packet){0};
    } else {
        char ack[200];
        assert_true(m.sequence < WIRE_MAX && m.payload_len <= CHANNEL_PAYLOAD_MAX);
        if (m.sequence >= w->next_in && !w->held[m.sequence].len) {
            str_addn(&w->held[m.sequence], m.payload, m.payload_len);
            w->held_type[m.sequence] = m.payload_type;
        }
        snprintf(ack, sizeof(ack), "{\"AcknowledgedMessageSequenceNumber\":%" PRId64 "}",
                 m.sequence);
        client_say(w, "acknowledge", 0, 0, ack, strlen(ack));
        while (w->held[w->next_in].len) {
            client_takes(w, w->held_type[w->next_in], &w->held[w->next_in]);
            w->next_in++;
        }
    }
    json_decref(o);
}

/* ---- by the book ---- */

static void run(struct world *w)
{
    struct error err = ERROR_INIT;
    while (w->to_client.n || w->to_channel.n) {
        if (w->to_client.n) {
            struct packet p = take(&w->to_client, 0);
            client_gets(w, &p);
            free(p.data);
        }
        if (w->to_channel.n) {
            struct packet p = take(&w->to_channel, 0);
            assert_int_equal(channel_receive(w->channel, w->now_ms, p.data, p.len, &err),
                             0);
            free(p.data);
        }
    }
}

static void a_session(void **state)
{
    struct world *w = world_new(1);
    assert_int_equal(channel_room(w->channel), 0);
    run(w);
    assert_true(w->ready);
    assert_int_equal(channel_room(w->channel), CHANNEL_OUTPUT_MAX);
    client_text(w, PAYLOAD_SIZE, "{\"cols\":100,\"rows\":30}");
    client_text(w, PAYLOAD_OUTPUT, "ls\r");
    run(w);
    assert_int_equal(w->cols, 100);
    assert_int_equal(w->rows, 30);
    assert_string_equal(str_text(&w->input), "ls\r");
    channel_output(w->channel, 0, "file\r\n", 6);
    channel_end(w->channel, 0, 3, "bye");
    assert_false(channel_is_closed(w->channel));
    run(w);
    assert_string_equal(str_text(&w->output), "file\r\n");
    assert_true(channel_is_closed(w->channel) && w->closed);
    assert_int_equal(w->exit_code, 3);
    assert_string_equal(w->closing, "bye");
    world_free(w);
}

static void the_window_is_bounded(void **state)
{
    struct world *w = world_new(2);
    static char much[CHANNEL_OUTPUT_MAX];
    run(w);
    channel_output(w->channel, 0, much, sizeof(much));
    assert_int_equal(w->to_client.n, CHANNEL_WINDOW);
    assert_true(channel_room(w->channel) < CHANNEL_OUTPUT_MAX + CHANNEL_WINDOW * 1024);
    channel_output(w->channel, 0, much, channel_room(w->channel));
    assert_int_equal(channel_room(w->channel), 0);
    assert_int_equal(w->to_client.n, CHANNEL_WINDOW);
    world_free(w);
}

static void what_was_not_acknowledged_comes_again(void **state)
{
    struct world *w = world_new(3);
    struct error err = ERROR_INIT;
    assert_int_equal(w->to_client.n, 1);
    int64_t due = channel_due_ms(w->channel);
    assert_in_range(due, 200, 1000);
    assert_int_equal(channel_tick(w->channel, due - 1, &err), 0);
    assert_int_equal(w->to_client.n, 1);
    assert_int_equal(channel_tick(w->channel, due, &err), 0);
    assert_int_equal(w->to_client.n, 2);
    assert_int_equal(w->to_client.v[0].len, w->to_client.v[1].len);
    assert_memory_equal(w->to_client.v[0].data, w->to_client.v[1].data,
                        w->to_client.v[0].len);
    assert_int_equal(channel_tick(w->channel, CHANNEL_SHOOK_MS, &err), -E_TIMEOUT);
    world_free(w);
}

static void who_never_acknowledges_is_given_up(void **state)
{
    struct world *w = world_new(4);
    struct error err = ERROR_INIT;
    int r = 0, times = 0;
    run(w);
    channel_output(w->channel, 0, "x", 1);
    while (r == 0) {
        while (w->to_client.n)
            free(take(&w->to_client, 0).data);
        w->now_ms = channel_due_ms(w->channel);
        r = channel_tick(w->channel, w->now_ms, &err);
        assert_true(++times <= CHANNEL_RESEND_MAX + 1);
    }
    assert_int_equal(r, -E_TIMEOUT);
    assert_int_equal(times, CHANNEL_RESEND_MAX + 1);
    world_free(w);
}

static void input_that_is_held_comes_again(void **state)
{
    struct world *w = world_new(5);
    run(w);
    channel_hold(w->channel, true);
    client_text(w, PAYLOAD_OUTPUT, "a");
    run(w);
    assert_non_null(w->unacked[1].data);
    assert_int_equal(w->input.len, 0);
    channel_hold(w->channel, false);
    put(&w->to_channel, w->unacked[1].data, w->unacked[1].len);
    put(&w->to_channel, w->unacked[1].data, w->unacked[1].len); /* twice: taken once */
    run(w);
    assert_null(w->unacked[1].data);
    assert_string_equal(str_text(&w->input), "a");
    world_free(w);
}

static void pause_and_start(void **state)
{
    struct world *w = world_new(6);
    run(w);
    client_say(w, "pause_publication", 0, 0, "", 0);
    run(w);
    channel_output(w->channel, 0, "x", 1);
    assert_int_equal(w->to_client.n, 0);
    client_say(w, "start_publication", 0, 0, "", 0);
    run(w);
    assert_string_equal(str_text(&w->output), "x");
    world_free(w);
}

static int says(uint32_t type, const void *data, size_t len)
{
    struct world *w = world_new(7);
    struct error err = ERROR_INIT;
    run(w);
    client_data(w, type, data, len);
    struct packet p = take(&w->to_channel, 0);
    int r = channel_receive(w->channel, 0, p.data, p.len, &err);
    free(p.data);
    world_free(w);
    return r;
}

static void nonsense_ends_the_session(void **state)
{
    assert_int_equal(says(PAYLOAD_FLAG, "\0\0\0\2", 4), -E_CANCELLED);
    assert_int_equal(says(PAYLOAD_FLAG, "\0\0\0\1", 4), 0);
    assert_int_equal(says(PAYLOAD_FLAG, "\0\0\2", 3), -E_PROTOCOL);
    assert_int_equal(says(PAYLOAD_SIZE, "{\"cols\":70000,\"rows\":1}", 23), -E_PROTOCOL);
    assert_int_equal(says(PAYLOAD_SIZE, "no", 2), 0);
    assert_int_equal(says(PAYLOAD_HANDSHAKE_RESPONSE, "{}", 2), -E_PROTOCOL);
    assert_int_equal(
        says(PAYLOAD_HANDSHAKE_RESPONSE,
             "{\"ProcessedClientActions\":[{\"ActionStatus\":3,\"Error\":\"no\"}]}", 59),
        -E_PROTOCOL);
    assert_int_equal(says(77, "x", 1), 0);
}

/* ---- a bad network ---- */

/* One packet of the wire, any of the first few, goes to its end, is lost or stays too. */
static bool shuffle(struct world *w, struct wire *wire, struct packet *ret)
{
    if (!wire->n)
        return false;
    size_t i = dice(w, wire->n < 40 ? wire->n : 40);
    if (dice(w, 10) == 0)
        put(wire, wire->v[i].data, wire->v[i].len);
    *ret = take(wire, i);
    if (dice(w, 8) != 0)
        return true;
    free(ret->data);
    return false;
}

static void client_resends(struct world *w)
{
    for (int64_t i = 0; i < w->next_out; i++)
        if (w->unacked[i].data && w->to_channel.n < WIRE_MAX / 2)
            put(&w->to_channel, w->unacked[i].data, w->unacked[i].len);
}

static void bad_network(uint64_t seed)
{
    struct world *w = world_new(seed);
    struct error err = ERROR_INIT;
    struct packet p;
    AUTO_STR in = STR_INIT, out = STR_INIT;
    for (int i = 0; i < INPUT_SIZE; i++)
        str_addc(&in, (char)('a' + dice(w, 26)));
    for (int i = 0; i < OUT_SIZE; i++)
        str_addc(&out, (char)('a' + dice(w, 26)));
    size_t typed = 0, printed = 0;
    for (int step = 0; !w->closed; step++) {
        assert_true(step < 2000000);
        if (typed < in.len && w->ready && dice(w, 20) == 0) {
            size_t n = 1 + dice(w, 200);
            n = n < in.len - typed ? n : in.len - typed;
            client_data(w, PAYLOAD_OUTPUT, in.data + typed, n);
            typed += n;
        }
        size_t room = channel_room(w->channel);
        if (printed < out.len && room && dice(w, 5) == 0) {
            size_t n = 1 + dice(w, 3000);
            n = n < out.len - printed ? n : out.len - printed;
            n = n < room ? n : room;
            channel_output(w->channel, w->now_ms, out.data + printed, n);
            printed += n;
        }
        channel_hold(w->channel, dice(w, 10) == 0);
        if (shuffle(w, &w->to_client, &p)) {
            client_gets(w, &p);
            free(p.data);
        }
        if (shuffle(w, &w->to_channel, &p)) {
            assert_int_equal(channel_receive(w->channel, w->now_ms, p.data, p.len, &err),
                             0);
            free(p.data);
        }
        w->now_ms += (int64_t)dice(w, 3);
        assert_int_equal(channel_tick(w->channel, w->now_ms, &err), 0);
        if (dice(w, 300) == 0)
            client_resends(w);
        if (printed == out.len && w->input.len == in.len)
            channel_end(w->channel, w->now_ms, 5, "");
        if (channel_is_closed(w->channel) && !w->to_client.n)
            break; /* channel_closed itself is said once, and may be lost */
    }
    assert_int_equal(w->input.len, in.len);
    assert_memory_equal(w->input.data, in.data, in.len);
    assert_int_equal(w->output.len, out.len);
    assert_memory_equal(w->output.data, out.data, out.len);
    assert_int_equal(w->exit_code, 5);
    world_free(w);
}

static void nothing_is_lost_on_a_bad_network(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        bad_network(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session),
        cmocka_unit_test(the_window_is_bounded),
        cmocka_unit_test(what_was_not_acknowledged_comes_again),
        cmocka_unit_test(who_never_acknowledges_is_given_up),
        cmocka_unit_test(input_that_is_held_comes_again),
        cmocka_unit_test(pause_and_start),
        cmocka_unit_test(nonsense_ends_the_session),
        cmocka_unit_test(nothing_is_lost_on_a_bad_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
