/* channel.h: the agent's end of a Session Manager data channel, as a state machine.
 *
 * The client is session-manager-plugin. Order of things, once the channel is open:
 *
 *   we: handshake request ──► client: response ──► we: complete ──► data both ways
 *   ──► (exit code, if the client asked) ──► channel_closed
 *
 * Stream data of each direction is numbered from 0. Each such message is acknowledged; one
 * that is not is sent again after a time that follows the measured round trip (200 ms to
 * 1 s). Data that arrives early waits in a bounded buffer, what was seen is acknowledged
 * again and dropped. At most CHANNEL_WINDOW messages are on their way: what is more waits
 * in channel_output()'s buffer, whose room the caller has to respect.
 *
 * Pure: bytes come in by channel_receive(), leave by ops->send, time is an argument.
 * Owns: its buffers. Threads: one at a time. Fails: E_PROTOCOL the client said nonsense,
 * E_TIMEOUT it does not acknowledge, E_CANCELLED it wants the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define CHANNEL_WINDOW      256
#define CHANNEL_PAYLOAD_MAX 1024
#define CHANNEL_EARLY_MAX   256          /* messages of the client that wait */
#define CHANNEL_OUTPUT_MAX  (256 * 1024) /* bytes that wait for the window */
#define CHANNEL_MESSAGE_MAX 8320 /* of the client: what it types comes by 1024 bytes */
#define CHANNEL_RESEND_MAX  3000
#define CHANNEL_SHOOK_MS    30000 /* for the client's part of the handshake */

struct channel;

struct channel_ops {
    void (*send)(void *ctx, const void *data, size_t len); /* one binary message */
    void (*random)(void *ctx, void *ret, size_t size);
    /* The client's part of the handshake is done: the program may begin. */
    void (*ready)(void *ctx);
    void (*input)(void *ctx, const void *data, size_t len);
    void (*resize)(void *ctx, unsigned cols, unsigned rows);
};

struct channel_config {
    const char *session_id; /* copied */
    const char *command;    /* shown in the handshake; copied */
    bool tell_exit_code;    /* the client asked for it */
    const struct channel_ops *ops;
    void *ctx;
};

/* Sends the handshake request. */
struct channel *channel_new(const struct channel_config *config, int64_t now_ms);
void channel_free(struct channel *c); /* NULL allowed */

/* One binary message of the client. */
int channel_receive(struct channel *c, int64_t now_ms, const void *data, size_t len,
                    struct error *err);
/* How many bytes channel_output() takes now; 0 before the handshake is done. */
size_t channel_room(const struct channel *c);
void channel_output(struct channel *c, int64_t now_ms, const void *data, size_t len);
/* The program can't take more input now: what comes is not acknowledged, so that the client
 * sends it again. What it sent early may still be given out: CHANNEL_EARLY_MAX messages. */
void channel_hold(struct channel *c, bool held);
/* The program ended: what waits is sent first, then the code if it is wanted, then
 * channel_closed with the text. */
void channel_end(struct channel *c, int64_t now_ms, int exit_code, const char *text);
/* channel_closed went out, or went out and nothing is left to be acknowledged before it. */
bool channel_is_closed(const struct channel *c);

/* When channel_tick() is due; INT64_MAX: nothing waits for time. */
int64_t channel_due_ms(const struct channel *c);
int channel_tick(struct channel *c, int64_t now_ms, struct error *err);
