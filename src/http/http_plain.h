/* http_plain.h: HTTP/1.1 without TLS and without libcurl: between our own processes.
 *
 * Owns: open connections that wait for reuse. Threads: any. Fails: as http_client.h. */
#pragma once

#include <pthread.h>

#include "http_answer.h"
#include "list.h"

struct plain_pool {
    pthread_mutex_t lock;
    struct list idle; /* struct plain_conn, newest first */
    unsigned idle_count;
    const char *user_agent, *unix_socket; /* the client's; unix_socket may be NULL */
};

void plain_pool_init(struct plain_pool *p, const char *user_agent,
                     const char *unix_socket);
void plain_pool_fini(struct plain_pool *p);

/* Can this request be made here? No: TLS, redirects to follow, a proxy to go through. */
bool plain_can(const struct plain_pool *p, const struct http_client_request *req);
int plain_do(struct plain_pool *p, struct answer *t);
