/* frames.h: what server and agent say to each other about one session: binary WebSocket
 * messages whose first byte is the kind. TCP keeps the order and slows who is too fast, so
 * there are no numbers and no acknowledgements here.
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#define FRAME_BEGIN  'b' /* server: run the command; 4 bytes: columns, rows (big-endian) */
#define FRAME_INPUT  'i' /* server: for the terminal */
#define FRAME_SIZE   's' /* server: 4 bytes, as above */
#define FRAME_OUTPUT 'o' /* agent: from the terminal */
#define FRAME_EXIT   'x' /* agent: 1 byte: exit code; then text for the user, may be "" */

#define FRAME_DATA_MAX   (16 * 1024) /* bytes behind the kind */
#define FRAME_QUEUE_MAX  (1024 * 1024)
#define FRAME_QUEUE_HIGH (64 * 1024) /* nothing more is asked for above */

#define SESSION_IDLE_MS (20 * 60 * 1000) /* no byte typed or shown for so long */
#define SESSION_COLS    80
#define SESSION_ROWS    24
