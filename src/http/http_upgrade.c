/* A connection that speaks HTTP no more. libmicrohttpd gives its socket away after the
 * 101; it stays counted as a connection, and its request alive, until it is given back. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "http_server.h"

static void on_upgraded(void *cls, struct MHD_Connection *conn, void *con_cls,
                        const char *early, size_t early_len, MHD_socket fd,
                        struct MHD_UpgradeResponseHandle *handle)
{
    struct request *r = cls;
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    socket_keepalive(fd);
    r->upgraded = handle;
    request_ref(r); /* the taker's, until http_upgrade_end() */
    r->on_upgraded(&r->pub, fd, early, early_len);
}

void http_reply_upgrade(struct http_request *req, const char *protocol,
                        const struct http_header *headers, http_upgraded *taker)
{
    struct request *r = request_of(req);
    r->on_upgraded = taker;
    struct MHD_Response *m = mhd.MHD_create_response_for_upgrade(on_upgraded, r);
    mhd.MHD_add_response_header(m, "Upgrade", protocol);
    for (const struct http_header *h = headers; h && h->name; h++)
        mhd.MHD_add_response_header(m, h->name, h->value);
    request_answer(r, 101, m, NULL);
}

void http_upgrade_end(struct http_request *req)
{
    struct request *r = request_of(req);
    mhd.MHD_upgrade_action(r->upgraded, MHD_UPGRADE_ACTION_CLOSE);
    request_unref(r);
}
