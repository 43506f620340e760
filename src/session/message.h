/* message.h: one message of AWS Session Manager's data channel, as bytes.
 *
 * Big-endian, a header of 116 bytes, the payload's length, the payload; the header carries
 * the payload's SHA-256. Pure. Owns: nothing, a decoded payload points into the bytes.
 * Threads: any. Fails: E_PROTOCOL the bytes are no such message. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "str.h"

#define MESSAGE_HEADER_SIZE 120
#define MESSAGE_TYPE_SIZE   33
#define MESSAGE_ID_SIZE     16

enum message_payload {
    PAYLOAD_OUTPUT = 1, /* from the client: what was typed */
    PAYLOAD_ERROR = 2,
    PAYLOAD_SIZE = 3,
    PAYLOAD_HANDSHAKE_REQUEST = 5,
    PAYLOAD_HANDSHAKE_RESPONSE = 6,
    PAYLOAD_HANDSHAKE_COMPLETE = 7,
    PAYLOAD_FLAG = 10,
    PAYLOAD_STDERR = 11,
    PAYLOAD_EXIT_CODE = 12,
};

enum message_flag_payload { FLAG_DISCONNECT = 1, FLAG_TERMINATE = 2 };

#define MESSAGE_SYN 1u
#define MESSAGE_FIN 2u
#define MESSAGE_ACK 3u

struct message {
    char type[MESSAGE_TYPE_SIZE]; /* "input_stream_data", … */
    int64_t created_ms, sequence;
    uint64_t flags;
    uint8_t id[MESSAGE_ID_SIZE]; /* in the order in which a UUID is written */
    uint32_t payload_type;
    const void *payload;
    size_t payload_len;
};

int message_decode(const void *data, size_t len, struct message *ret, struct error *err);
void message_encode(const struct message *m, struct str *ret); /* appends */
/* "01234567-89ab-…" */
void message_id_text(const uint8_t id[MESSAGE_ID_SIZE], char ret[37]);
