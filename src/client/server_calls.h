/* server_calls.h: the way of an agent or edge to its server: signed calls and a long stream.
 *
 * Calls are AWS JSON 1.1 POSTs over at most CALLS_PARALLEL kept connections; more wait in
 * line (callers bound their number: one a task). The stream is one GET whose answer does
 * not end: lines of JSON. Everything runs on the loop (libuv, no thread, no libcurl).
 *
 * Owns: connections and copies of what is sent. Threads: the loop's only; callbacks come
 * from the loop, never from within the call that asked (a stream's bad URL excepted).
 * Fails: by the callback: status 0 and an error. E_NETWORK, E_TIMEOUT, E_PROTOCOL, E_LIMIT,
 * E_CANCELLED when the caller ends. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "error.h"
#include "sigv4.h"

#define CALLS_PARALLEL  8
#define CALL_TIMEOUT_MS 30000
#define ANSWER_MAX      (8u << 20)
#define STREAM_LINE_MAX                                                                  \
    (64u << 20) /* the desired state of a whole instance is one line */

struct server_calls;

struct server_config {
    const char *name; /* "agent", for User-Agent */
    const char *url;
    const char *region, *access_key_id, *secret_access_key, *session_token;
    /* Instead of keys: those of the instance's role, asked at this URL and kept fresh
     * (instance_role.h). NULL: the keys above. "": there are neither, nothing is signed. */
    const char *role_url;
};

/* E_INVALID the URL; E_UNSUPPORTED https. */
int server_calls_new(uv_loop_t *loop, const struct server_config *config,
                     struct server_calls **ret, struct error *err);
/* What calls are signed with now; NULL: there is nothing (yet). Valid until the loop goes on. */
const struct sigv4_credentials *server_credentials(struct server_calls *s);
/* Called when there are credentials after there were none. */
void server_when_credentials(struct server_calls *s, void (*come)(void *ctx), void *ctx);
/* Ends everything; callbacks come with E_CANCELLED. Run the loop, then free. */
void server_calls_close(struct server_calls *s);
void server_calls_free(struct server_calls *s);

struct server_answer {
    int status;       /* HTTP; 0: no answer, see err */
    const char *body; /* NUL-terminated, "" when none */
    size_t body_len;
    const struct error *err;
};
typedef void server_done(void *ctx, const struct server_answer *answer);

/* `target` is X-Amz-Target's value. The body is copied. Until the instance's role has given
 * credentials for the first time, calls wait; later they fail with E_DENIED without any. */
void server_call(struct server_calls *s, const char *service, const char *target,
                 const char *body, size_t len, server_done *done, void *ctx);
/* GET of a path ("/bucket/key", encoded), signed for `service`. */
void server_get(struct server_calls *s, const char *service, const char *path,
                server_done *done, void *ctx);
/* A signed POST of JSON to another path of the server. */
void server_post(struct server_calls *s, const char *path, const char *service,
                 const char *body, size_t len, server_done *done, void *ctx);
/* The same, signed as somebody else; copied. NULL: as ever. */
void server_call_as(struct server_calls *s, const struct sigv4_credentials *as,
                    const char *service, const char *target, const char *body, size_t len,
                    server_done *done, void *ctx);
void server_get_as(struct server_calls *s, const struct sigv4_credentials *as,
                   const char *service, const char *path, server_done *done, void *ctx);
/* Unsigned, with one header; header_name NULL: none. */
void server_request(struct server_calls *s, const char *method, const char *path,
                    const char *header_name, const char *header_value, server_done *done,
                    void *ctx);
/* Will the same call never succeed? (400 with a client's error, but no throttling and
 * nothing about credentials.) */
bool server_answer_is_final(const struct server_answer *answer);

/* One stream at a time. `line` gets each line; `ended` comes once, whatever the reason
 * (status 200: the peer ended it, or idle_ms passed without a byte). */
typedef void server_line(void *ctx, const char *line, size_t len);
void server_stream_open(struct server_calls *s, const char *url, int64_t idle_ms,
                        server_line *line, server_done *ended, void *ctx);

uint32_t server_random(struct server_calls *s);

/* ---- pure, for tests ---- */

struct server_url {
    int port_number;
    char host[256], port[8], path[1024]; /* path begins with '/', without query */
    char authority[300];                 /* as Host says it */
    const char *query;                   /* in the text given; NULL: none */
};
int server_url_parse(const char *url, struct server_url *ret, struct error *err);
