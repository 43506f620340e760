/* http_answer.h: how an answer is taken in, whoever reads it from the wire (libcurl or
 * http_plain.c): headers under their bounds, then the body to the sink or into memory.
 *
 * Owns: nothing; fills the caller's response. Threads: the call's. Fails: as http_client.h. */
#pragma once

#include "http_client.h"

struct answer {
    const struct http_client_request *req;
    struct http_client_response *resp;
    struct error *err; /* never NULL */
    int failed;        /* negative: taking it in failed, err is filled */
    int64_t last_byte_ns;
    size_t header_bytes;
    bool told_headers;
};

/* One line of the head without its end; the empty one ends the head. 0 or negative. */
int answer_line(struct answer *t, const char *line, size_t len);
int answer_body(struct answer *t, const void *data, size_t len);

static inline const char *request_method(const struct http_client_request *req)
{
    return req->method ? req->method : "GET";
}
static inline int64_t request_idle_ms(const struct http_client_request *req)
{
    return req->idle_timeout_ms ? req->idle_timeout_ms : 60000;
}
static inline int64_t request_connect_ms(const struct http_client_request *req)
{
    return req->connect_timeout_ms ? req->connect_timeout_ms : 10000;
}

#define ADVICE_RESOLVE "check the host's name and this machine's DNS"
#define ADVICE_CONNECT "check that it runs there and that no firewall is between"
#define ADVICE_TIMEOUT "it may be overloaded or unreachable; try again later"
