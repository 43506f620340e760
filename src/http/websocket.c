#include "websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <wslay/wslay.h>

#include "arena.h"
#include "str.h"

struct websocket {
    struct websocket_config config;
    wslay_event_context_ptr frames;
    struct str early;
    size_t early_used;
    bool paused, ended;
    int failed; /* of on_message */
    struct error *err;
};

/* ---- bytes ---- */

static ssize_t take_early(struct websocket *w, uint8_t *buf, size_t len)
{
    size_t n = w->early.len - w->early_used;
    n = n < len ? n : len;
    memcpy(buf, w->early.data + w->early_used, n);
    w->early_used += n;
    if (w->early_used == w->early.len) {
        str_free(&w->early);
        w->early_used = 0;
    }
    return (ssize_t)n;
}

static ssize_t on_recv(wslay_event_context_ptr frames, uint8_t *buf, size_t len,
                       int flags, void *ctx)
{
    struct websocket *w = ctx;
    ssize_t n;
    if (w->paused || w->failed < 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (websocket_has_early(w))
        return take_early(w, buf, len);
    do
        n = recv(w->config.fd, buf, len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    bool later = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    w->ended |= !later;
    wslay_event_set_error(frames,
                          later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *data, size_t len,
                       int flags, void *ctx)
{
    struct websocket *w = ctx;
    ssize_t n;
    do
        n = send(w->config.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    bool later = errno == EAGAIN || errno == EWOULDBLOCK;
    w->ended |= !later;
    wslay_event_set_error(frames,
                          later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *buf, size_t len, void *ctx)
{
    return RAND_bytes(buf, (int)len) == 1 ? 0 : -1;
}

static void on_frame(wslay_event_context_ptr frames,
                     const struct wslay_event_on_msg_recv_arg *m, void *ctx)
{
    struct websocket *w = ctx;
    if (wslay_is_ctrl_frame(m->opcode) || w->failed < 0)
        return;
    enum websocket_kind kind =
        m->opcode == WSLAY_TEXT_FRAME ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
    int r = w->config.on_message(w->config.ctx, kind, m->msg, m->msg_length, w->err);
    w->failed = r < 0 ? r : 0;
}

/* ---- life ---- */

struct websocket *websocket_new(const struct websocket_config *config)
{
    struct wslay_event_callbacks calls = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .genmask_callback = on_mask,
        .on_msg_recv_callback = on_frame,
    };
    struct websocket *w = xcalloc(1, sizeof(*w));
    w->config = *config;
    int r = config->client ? wslay_event_context_client_init(&w->frames, &calls, w)
                           : wslay_event_context_server_init(&w->frames, &calls, w);
    if (r != 0)
        abort(); /* memory exhaustion is its only failure */
    wslay_event_config_set_max_recv_msg_length(w->frames, config->max_message);
    str_addn(&w->early, config->early, config->early_len);
    return w;
}

void websocket_free(struct websocket *w)
{
    if (!w)
        return;
    wslay_event_context_free(w->frames);
    str_free(&w->early);
    free(w);
}

/* ---- reading ---- */

bool websocket_has_early(const struct websocket *w)
{
    return w->early.len > w->early_used;
}

void websocket_pause(struct websocket *w, bool paused)
{
    w->paused = paused;
}

static int read_failure(struct websocket *w, struct error *err)
{
    uint16_t sent = wslay_event_get_close_sent(w->frames)
                        ? wslay_event_get_status_code_sent(w->frames)
                        : 0;
    if (w->ended || wslay_event_get_close_received(w->frames))
        return fail(err, E_NETWORK, "the WebSocket's peer is gone");
    if (sent == WSLAY_CODE_MESSAGE_TOO_BIG)
        return fail(err, E_LIMIT, "a WebSocket message is longer than %zu bytes",
                    w->config.max_message);
    return fail(err, E_PROTOCOL, "the WebSocket's peer broke the protocol");
}

int websocket_read(struct websocket *w, struct error *err)
{
    struct error ignored;
    w->err = err ? err : &ignored;
    int r = wslay_event_recv(w->frames);
    w->err = NULL;
    if (w->failed < 0)
        return w->failed;
    /* A frame that breaks a rule stops reading, and libwslay queues the close for it. */
    if (r != 0 || !wslay_event_get_read_enabled(w->frames)) {
        (void)wslay_event_send(w->frames);
        return read_failure(w, err);
    }
    return 0;
}

/* ---- writing ---- */

size_t websocket_queued(const struct websocket *w)
{
    return wslay_event_get_queued_msg_length(w->frames);
}

static int queue(struct websocket *w, uint8_t opcode, const void *data, size_t len,
                 struct error *err)
{
    struct wslay_event_msg m = {.opcode = opcode, .msg = data, .msg_length = len};
    if (len > w->config.max_queued || websocket_queued(w) > w->config.max_queued - len)
        return fail(err, E_FULL, "%zu bytes wait for the WebSocket's peer",
                    websocket_queued(w));
    return wslay_event_queue_msg(w->frames, &m) == 0
               ? 0
               : fail(err, E_NETWORK, "the WebSocket is closing");
}

int websocket_send(struct websocket *w, enum websocket_kind kind, const void *data,
                   size_t len, struct error *err)
{
    return queue(w, kind == WEBSOCKET_TEXT ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, data,
                 len, err);
}

int websocket_ping(struct websocket *w, struct error *err)
{
    return queue(w, WSLAY_PING, "", 0, err);
}

void websocket_close(struct websocket *w, uint16_t code)
{
    (void)wslay_event_queue_close(w->frames, code, NULL, 0);
}

int websocket_flush(struct websocket *w, struct error *err)
{
    if (!wslay_event_want_write(w->frames))
        return 0;
    return wslay_event_send(w->frames) == 0
               ? 0
               : fail(err, E_NETWORK, "the WebSocket's peer is gone");
}

/* ---- the handshake ---- */

bool websocket_accept(const char *key, char ret[WEBSOCKET_ACCEPT_SIZE])
{
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* §1.3 */
    unsigned char raw[24], hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    /* 16 bytes are 24 characters of base64; EVP counts those of the padding too. */
    if (!key || strlen(key) != 24 || !str_ends(key, "==") ||
        EVP_DecodeBlock(raw, (const unsigned char *)key, 24) != 18)
        return false;
    AUTO_STR text = STR_INIT;
    str_addf(&text, "%s%s", key, suffix);
    if (!EVP_Digest(text.data, text.len, hash, &n, EVP_sha1(), NULL) || n != 20)
        return false;
    EVP_EncodeBlock((unsigned char *)ret, hash, 20);
    return true;
}

void websocket_key(char ret[WEBSOCKET_KEY_SIZE])
{
    unsigned char raw[16];
    RAND_bytes(raw, sizeof(raw));
    EVP_EncodeBlock((unsigned char *)ret, raw, sizeof(raw));
}
