/* balancer_log_line.h: the lines that HAProxy writes a request, and what they say. Pure.
 *
 * One datagram a request (HTTP) or connection (TCP). The configuration asks for what this
 * reads, so both are here. Times are milliseconds, -1: it did not come to that.
 * Owns: nothing; texts point into the line. Threads: any. Fails: false, when it is no such
 * line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frontend, backend, server, status, response time, connect time, bytes in and out, how it
 * ended. */
#define BALANCER_LOG_HTTP  "H %f %b %s %ST %Tr %Tc %U %B %ts"
#define BALANCER_LOG_TCP   "T %f %b %s 0 -1 %Tc %U %B %ts"
#define BALANCER_LOG_ERROR "E %f"
#define BALANCER_LOG_ACCESS                                                              \
    " %ci:%cp %si:%sp %Ts %ms %TR %Tw %Ta %[var(txn.rule)] %sslc %sslv "                 \
    "%{+Q,+E}[var(txn.line)] %{+Q,+E}[var(txn.ua)] %{+Q,+E}[var(txn.trace)] "            \
    "%{+Q,+E}[ssl_fc_sni]"

struct balancer_log_line {
    char kind; /* 'H', 'T', 'E' */
    const char *frontend, *backend, *server;
    bool has_server; /* false: the load balancer answered by itself */
    int status;
    int64_t response_ms, connect_ms, bytes_in, bytes_out;
    const char *ended; /* two letters */
    bool access;       /* what follows is there */
    const char *client, *target;
    int64_t at_ms, request_ms, wait_ms, total_ms;
    const char *rule, *cipher, *protocol;
    const char *request, *user_agent, *trace_id, *domain; /* as in the log, unquoted */
};

/* Cuts the line into pieces. */
bool balancer_log_read(char *line, struct balancer_log_line *ret);

/* The answer's status as AWS has it: 460 when the client left before it. */
int balancer_log_status(const struct balancer_log_line *l);
