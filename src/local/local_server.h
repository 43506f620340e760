/* local_server.h: a small HTTP server for who is on this machine, on a libuv loop.
 *
 * libmicrohttpd would bring threads and megabytes for answers of a few kilobytes. Here a
 * connection is one request and one answer, both bounded: reading and writing take at most
 * 5 s, at most LOCAL_CONNECTIONS_MAX are open, and more wait in the kernel's queue. One
 * address has at most LOCAL_PEER_MAX of them, so that a container that holds connections open
 * keeps nobody else out; what it opens beyond that is closed at once.
 *
 * Owns: listeners, connections, and an exchange until it is answered. Threads: the loop's.
 * Fails: E_CONFLICT the address is taken; E_INVALID no address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "error.h"
#include "local_request.h"

#define LOCAL_CONNECTIONS_MAX 128
#define LOCAL_PEER_MAX        32
#define LOCAL_TIMEOUT_MS      5000

struct local_server;

/* A request that is to be answered once, by local_reply(): at once or later. */
struct local_exchange {
    struct local_request request; /* valid until it is answered */
    uint32_t peer_be;             /* IPv4 address of who asks; 0: not known */
    int hops; /* set before the reply: routers that its packets may pass; 0: as usual */
};
typedef void local_handler(void *ctx, struct local_exchange *x);
/* Is whoever has this address answered at all? NULL: everybody is. */
typedef bool local_admits(void *ctx, uint32_t peer_be);

/* port 0: any; ret_port says which. It listens in the network of the calling thread, wherever
 * that thread goes afterwards. */
int local_server_open(uv_loop_t *loop, const char *address, uint16_t port,
                      local_handler *handler, void *ctx, struct local_server **ret,
                      uint16_t *ret_port, struct error *err);
/* Connections of others are closed at once, and so many (0: LOCAL_CONNECTIONS_MAX) may be open
 * altogether, from now on. */
void local_server_admit(struct local_server *s, local_admits *admits, unsigned most);
/* No request comes any more. It frees itself when the loop has run and every exchange has
 * been answered. NULL allowed. */
void local_server_close(struct local_server *s);

/* The exchange is gone afterwards; so are the request's parts. When the peer has gone
 * meanwhile, nothing is sent. type NULL: JSON. */
void local_reply(struct local_exchange *x, int status, const char *type, const char *body,
                 size_t len);
/* The same with headers of the caller's: whole lines, each with CR LF; NULL: none. */
void local_reply_headers(struct local_exchange *x, int status, const char *type,
                         const char *headers, const char *body, size_t len);
