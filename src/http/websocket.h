/* websocket.h: WebSocket (RFC 6455) over a connected socket, for either end of it.
 *
 * The socket has been upgraded already: the server's side by http_reply_upgrade(), the
 * client's by its own request. The owner polls the descriptor and calls websocket_read()
 * and websocket_flush(); messages are given to on_message, whole and bounded. Pings are
 * answered, a close frame is answered with one. libwslay knows the frames.
 *
 * Owns: the queue of what is to be sent; not the descriptor. Threads: one at a time.
 * Fails: E_NETWORK the peer is gone or said goodbye; E_PROTOCOL it broke the rules;
 * E_LIMIT its message is too long; E_FULL the queue is. After a failure only
 * websocket_free() is of use. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct websocket;

enum websocket_kind { WEBSOCKET_TEXT, WEBSOCKET_BINARY };

struct websocket_config {
    int fd; /* non-blocking */
    bool client;
    size_t max_message; /* of the peer */
    size_t max_queued;  /* bytes that wait to be sent */
    const void *early;  /* bytes that came with the handshake; copied */
    size_t early_len;
    /* A negative return ends websocket_read() with that code. */
    int (*on_message)(void *ctx, enum websocket_kind kind, const void *data, size_t len,
                      struct error *err);
    void *ctx;
};

struct websocket *websocket_new(const struct websocket_config *config);
void websocket_free(struct websocket *w); /* NULL allowed */

/* Reads what is there. After websocket_pause() the message being read is the last one. */
int websocket_read(struct websocket *w, struct error *err);
void websocket_pause(struct websocket *w, bool paused);
/* Are there bytes from the handshake that no poll will tell of? */
bool websocket_has_early(const struct websocket *w);

/* Queues a copy; websocket_flush() sends as much as the socket takes. */
int websocket_send(struct websocket *w, enum websocket_kind kind, const void *data,
                   size_t len, struct error *err);
int websocket_flush(struct websocket *w, struct error *err);
size_t websocket_queued(const struct websocket *w); /* bytes */
int websocket_ping(struct websocket *w, struct error *err);
/* Queues a close frame (code of RFC 6455 §7.4). It overtakes messages that wait, which are
 * lost then; and nothing may be sent after it. So first see websocket_queued() at 0. */
void websocket_close(struct websocket *w, uint16_t code);

/* ---- the handshake, pure ---- */

#define WEBSOCKET_ACCEPT_SIZE 29
#define WEBSOCKET_KEY_SIZE    25
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key; false: the key is none. */
bool websocket_accept(const char *key, char ret[WEBSOCKET_ACCEPT_SIZE]);
void websocket_key(char ret[WEBSOCKET_KEY_SIZE]); /* a random one */
