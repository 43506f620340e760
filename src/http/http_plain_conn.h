/* http_plain_conn.h: the connections of the plain client: made, waited for, kept for reuse.
 *
 * Owns: a plain_conn is its call's until it is given to the pool or freed.
 * Threads: a connection one, the pool any. Fails: as http_client.h. */
#pragma once

#include "http_plain.h"

#define BUFFER      (16 * 1024) /* also the longest line of a head */
#define SEND_BUFFER (64 * 1024)

struct plain_conn {
    struct list node;
    int fd, wake; /* wake: an eventfd that cancelling writes to */
    char *peer;   /* "host:port" */
    bool reused;
    size_t start, end;
    char buf[BUFFER];
};

struct url {
    char host[256], port[8];
    const char *path; /* from '/' or '?' on; "" when there is none */
};

struct plain {
    struct answer *t;
    struct plain_conn *c;
    int64_t deadline_ns; /* 0: none */
    bool keep;           /* the connection can be used again */
    bool answered;       /* the first byte of the answer came */
};

bool plain_url_parse(const char *text, struct url *ret);

/* Until the socket is ready, at most limit_ms after the last byte. */
int plain_wait(struct plain *p, short events, int64_t limit_ms);
/* E_NETWORK with what happened and what to do. */
int plain_broken(struct plain *p, const char *what);

struct plain_conn *plain_conn_new(const char *peer);
void plain_conn_free(struct plain_conn *c); /* NULL allowed */
int plain_connect(struct plain *p, const struct plain_pool *pool, const struct url *u);

struct plain_conn *plain_pool_take(struct plain_pool *pool,
                                   const char *peer); /* or NULL */
void plain_pool_give(struct plain_pool *pool, struct plain_conn *c);
