/* A session's thread polls three descriptors: client, agent, and the event by which
 * arrivals and the stop are told. Nothing in it blocks otherwise, and nothing grows without
 * bound:
 *
 *   agent → client: the agent is read while the channel has room for a frame; the channel
 *     sends a window of messages and waits for the client's acknowledgements;
 *   client → agent: always read, because acknowledgements come that way; while much waits
 *     for the agent, input is not acknowledged (channel_hold) and comes again.
 *
 * Neither direction ever waits for the other, so a program that reads nothing and one
 * whose output nobody reads can both be ended. */
#include "relay_session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "arena.h"
#include "channel.h"
#include "clock.h"
#include "frames.h"
#include "log.h"
#include "relay.h"
#include "websocket.h"

#define OPEN_MESSAGE_MAX 8192
#define PING_MS          60000
#define GOODBYE_MS       2000  /* for the client to close */
#define LAST_WORDS_MS    60000 /* for it to acknowledge what the program said */
#define CLIENT_QUEUE_MAX (1024 * 1024)

struct run {
    struct relay_session *s;
    struct http_request *req[RELAY_SIDES];
    struct websocket *ws[RELAY_SIDES];
    int fd[RELAY_SIDES];
    struct channel *channel;            /* once the token was shown */
    int64_t active_ms, ping_ms, end_ms; /* end_ms: INT64_MAX unless it ends */
    unsigned cols, rows;
    bool ready, begun, ended, stop;
    bool closed; /* the WebSocket said goodbye */
    struct error err;
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ---- to the agent ---- */

static void to_agent(struct run *u, char kind, const void *data, size_t len)
{
    char small[1 + CHANNEL_PAYLOAD_MAX], *frame = small;
    if (!u->ws[RELAY_AGENT] || u->ended)
        return;
    if (len > CHANNEL_PAYLOAD_MAX)
        frame = xmalloc(len + 1);
    frame[0] = kind;
    memcpy(frame + 1, data, len);
    if (websocket_send(u->ws[RELAY_AGENT], WEBSOCKET_BINARY, frame, len + 1, &u->err) < 0)
        u->stop = true;
    if (frame != small)
        free(frame);
}

static void send_size(struct run *u, char kind)
{
    const unsigned char size[4] = {(unsigned char)(u->cols >> 8), (unsigned char)u->cols,
                                   (unsigned char)(u->rows >> 8), (unsigned char)u->rows};
    to_agent(u, kind, size, sizeof(size));
}

static void begin_if_ready(struct run *u)
{
    if (u->begun || !u->ready || !u->ws[RELAY_AGENT])
        return;
    u->begun = true;
    send_size(u, FRAME_BEGIN);
}

/* ---- what the channel does ---- */

static void on_send(void *ctx, const void *data, size_t len)
{
    struct run *u = ctx;
    if (websocket_send(u->ws[RELAY_CLIENT], WEBSOCKET_BINARY, data, len, &u->err) < 0)
        u->stop = true;
}

static void on_random(void *ctx, void *ret, size_t size)
{
    RAND_bytes(ret, (int)size);
}

static void on_ready(void *ctx)
{
    struct run *u = ctx;
    u->ready = true;
    begin_if_ready(u);
}

static void on_input(void *ctx, const void *data, size_t len)
{
    struct run *u = ctx;
    u->active_ms = now_ms();
    to_agent(u, FRAME_INPUT, data, len);
}

static void on_resize(void *ctx, unsigned cols, unsigned rows)
{
    struct run *u = ctx;
    if (u->cols == cols && u->rows == rows)
        return; /* clients repeat it twice a second */
    u->cols = cols;
    u->rows = rows;
    if (u->begun)
        send_size(u, FRAME_SIZE);
}

static void end(struct run *u, int code, const char *text)
{
    if (u->ended)
        return;
    u->ended = true;
    u->end_ms = now_ms() + LAST_WORDS_MS;
    if (u->channel)
        channel_end(u->channel, now_ms(), code, text);
    else
        u->stop = true;
}

/* ---- the client ---- */

static int open_channel(struct run *u, const void *data, size_t len, struct error *err)
{
    static const struct channel_ops ops = {on_send, on_random, on_ready, on_input,
                                           on_resize};
    json_t *o = json_loadb(data, len, 0, NULL);
    const char *token = json_string_value(json_object_get(o, "TokenValue"));
    size_t n = strlen(u->s->token);
    bool ok = token && strlen(token) == n && CRYPTO_memcmp(token, u->s->token, n) == 0;
    bool code = json_is_true(json_object_get(o, "AcceptsExitCode"));
    json_decref(o);
    if (!ok)
        return fail(err, E_DENIED, "the session's token was not shown");
    struct channel_config config = {u->s->id, u->s->command, code, &ops, u};
    u->channel = channel_new(&config, now_ms());
    return 0;
}

static int client_message(void *ctx, enum websocket_kind kind, const void *data,
                          size_t len, struct error *err)
{
    struct run *u = ctx;
    if (!u->channel)
        return kind == WEBSOCKET_TEXT && len <= OPEN_MESSAGE_MAX
                   ? open_channel(u, data, len, err)
                   : fail(err, E_PROTOCOL, "the channel was not opened first");
    /* After the last word there is nothing to answer, and no way to. */
    if (channel_is_closed(u->channel) || kind == WEBSOCKET_TEXT)
        return 0; /* clients of some versions ping by text */
    channel_hold(u->channel, u->ws[RELAY_AGENT] &&
                                 websocket_queued(u->ws[RELAY_AGENT]) > FRAME_QUEUE_HIGH);
    return channel_receive(u->channel, now_ms(), data, len, err);
}

/* ---- the agent ---- */

static bool client_takes(const struct run *u)
{
    return u->channel && channel_room(u->channel) >= FRAME_DATA_MAX;
}

static int agent_message(void *ctx, enum websocket_kind kind, const void *data,
                         size_t len, struct error *err)
{
    struct run *u = ctx;
    const char *p = data;
    AUTO_STR text = STR_INIT;
    if (len >= 1 && p[0] == FRAME_OUTPUT && len <= 1 + FRAME_DATA_MAX && u->begun) {
        u->active_ms = now_ms();
        channel_output(u->channel, u->active_ms, p + 1, len - 1);
        websocket_pause(u->ws[RELAY_AGENT], !client_takes(u));
        return 0;
    }
    if (len >= 2 && p[0] == FRAME_EXIT) {
        if (utf8_valid(p + 2, len - 2) && !memchr(p + 2, 0, len - 2))
            str_addn(&text, p + 2, len - 2);
        end(u, (unsigned char)p[1], str_text(&text));
        return 0;
    }
    return fail(err, E_PROTOCOL, "the agent said what can't be understood");
}

/* ---- arrivals ---- */

static void attach(struct run *u, enum relay_side side, struct relay_arrival *a)
{
    struct websocket_config config = {
        .fd = a->fd,
        .max_message = side == RELAY_CLIENT ? CHANNEL_MESSAGE_MAX : FRAME_DATA_MAX + 16,
        .max_queued = side == RELAY_CLIENT ? CLIENT_QUEUE_MAX : FRAME_QUEUE_MAX,
        .early = a->early.data,
        .early_len = a->early.len,
        .on_message = side == RELAY_CLIENT ? client_message : agent_message,
        .ctx = u,
    };
    u->req[side] = a->req;
    u->fd[side] = a->fd;
    u->ws[side] = websocket_new(&config);
    str_free(&a->early);
    a->req = NULL;
    begin_if_ready(u);
}

static void take_arrivals(struct run *u)
{
    eventfd_t n;
    struct relay_arrival got[RELAY_SIDES];
    eventfd_read(u->s->event, &n);
    pthread_mutex_lock(&u->s->relay->lock);
    bool stop = u->s->relay->stopping;
    for (int i = 0; i < RELAY_SIDES; i++) {
        got[i] = u->s->arrived[i];
        u->s->arrived[i] = (struct relay_arrival){0};
    }
    pthread_mutex_unlock(&u->s->relay->lock);
    for (int i = 0; i < RELAY_SIDES; i++)
        if (got[i].req)
            attach(u, (enum relay_side)i, &got[i]);
    if (stop)
        end(u, 255, "The server ends.");
    if (stop && u->end_ms > now_ms() + GOODBYE_MS)
        u->end_ms = now_ms() + GOODBYE_MS;
}

/* ---- one side's turn ---- */

static void lost(struct run *u, enum relay_side side)
{
    if (side == RELAY_CLIENT || !u->channel) {
        u->stop = true;
        return;
    }
    websocket_free(u->ws[side]);
    u->ws[side] = NULL;
    end(u, 255, "The agent or its instance is gone.");
}

static void serve(struct run *u, enum relay_side side, short events)
{
    struct error err = ERROR_INIT;
    int r = 0;
    if (!u->ws[side])
        return;
    if ((events & (POLLIN | POLLHUP | POLLERR)) || websocket_has_early(u->ws[side]))
        r = websocket_read(u->ws[side], &err);
    if (r == 0 && u->ws[side])
        r = websocket_flush(u->ws[side], &err);
    if (r >= 0)
        return;
    if (side == RELAY_CLIENT && r != -E_NETWORK && r != -E_CANCELLED)
        log_line(LOG_WARN, "a session's client is cut off", "session", u->s->id, "error",
                 err.text, NULL);
    lost(u, side);
}

static short wanted(struct run *u, enum relay_side side)
{
    short events = POLLIN;
    if (side == RELAY_AGENT) {
        bool paused = u->begun && !u->ended && !client_takes(u);
        websocket_pause(u->ws[side], paused);
        events = paused ? 0 : POLLIN;
    }
    return (short)(events | (websocket_queued(u->ws[side]) ? POLLOUT : 0));
}

/* ---- time ---- */

static int64_t next_ms(const struct run *u)
{
    int64_t at = u->end_ms;
    int64_t resend = u->channel ? channel_due_ms(u->channel) : INT64_MAX;
    int64_t idle = u->begun ? u->active_ms + SESSION_IDLE_MS : u->s->expires_ms;
    at = resend < at ? resend : at;
    at = idle < at ? idle : at;
    return u->ping_ms < at ? u->ping_ms : at;
}

static void on_time(struct run *u)
{
    int64_t now = now_ms();
    if (now >= u->end_ms)
        u->stop = true;
    if (!u->begun && now >= u->s->expires_ms)
        end(u, 255, "The container's instance did not answer.");
    if (u->begun && now >= u->active_ms + SESSION_IDLE_MS)
        end(u, 255, "The session was idle for 20 minutes.");
    if (u->channel && channel_tick(u->channel, now, &u->err) < 0)
        u->stop = true;
    if (now >= u->ping_ms) {
        u->ping_ms = now + PING_MS;
        for (int i = 0; i < RELAY_SIDES; i++)
            if (u->ws[i])
                (void)websocket_ping(u->ws[i], NULL);
    }
}

/* The channel has said its last word: so does the WebSocket, and the client closes. */
static void say_goodbye(struct run *u)
{
    if (!u->channel || !channel_is_closed(u->channel) || u->closed ||
        websocket_queued(u->ws[RELAY_CLIENT]))
        return;
    u->closed = true;
    u->end_ms = now_ms() + GOODBYE_MS;
    websocket_close(u->ws[RELAY_CLIENT], 1000);
}

static void wait_and_serve(struct run *u)
{
    struct pollfd p[RELAY_SIDES + 1] = {{.fd = -1}, {.fd = -1}, {.fd = u->s->event}};
    p[RELAY_SIDES].events = POLLIN;
    int64_t ms = next_ms(u) - now_ms();
    for (int i = 0; i < RELAY_SIDES; i++) {
        if (!u->ws[i])
            continue;
        p[i].events = wanted(u, (enum relay_side)i);
        p[i].fd = p[i].events ? u->fd[i] : -1; /* POLLHUP would come without end */
        if (websocket_has_early(u->ws[i]))
            ms = 0;
    }
    poll(p, RELAY_SIDES + 1, ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms);
    if (p[RELAY_SIDES].revents)
        take_arrivals(u);
    for (int i = 0; i < RELAY_SIDES && !u->stop; i++)
        serve(u, (enum relay_side)i, p[i].revents);
    on_time(u);
    say_goodbye(u);
}

void relay_session_run(struct relay_session *s)
{
    struct run u = {.s = s,
                    .active_ms = now_ms(),
                    .ping_ms = now_ms() + PING_MS,
                    .end_ms = INT64_MAX,
                    .cols = SESSION_COLS,
                    .rows = SESSION_ROWS};
    while (!u.stop)
        wait_and_serve(&u);
    for (int i = 0; i < RELAY_SIDES; i++) {
        if (u.ws[i])
            (void)websocket_flush(u.ws[i], NULL);
        websocket_free(u.ws[i]);
        if (u.req[i])
            http_upgrade_end(u.req[i]);
    }
    channel_free(u.channel);
    log_line(LOG_INFO, "a session ended", "session", s->id, NULL);
}
