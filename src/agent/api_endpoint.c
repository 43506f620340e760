#include "api_endpoint.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "log.h"
#include "net.h"
#include "server_calls.h"
#include "str.h"

#define TEXT(x)    #x
#define NUMBER(x)  TEXT(x)
#define BRIDGE_URL "http://" NET_LOCAL_ADDRESS ":" NUMBER(NET_LOCAL_API_PORT)

static int find_server(const char *url, struct sockaddr_in *ret, struct error *err)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    struct server_url u;
    int r = server_url_parse(url, &u, err);
    if (r < 0)
        return r;
    int e = getaddrinfo(u.host, u.port, &hints, &found);
    if (e)
        return fail(err, E_NOTFOUND, "no IPv4 address of '%s': %s", u.host,
                    gai_strerror(e));
    memcpy(ret, found->ai_addr, sizeof(*ret));
    freeaddrinfo(found);
    return 0;
}

static int lead_there(struct net *net, const char *url, struct error *err)
{
    struct sockaddr_in server;
    int r = find_server(url, &server, err);
    return r < 0
               ? r
               : net_local_api(net, server.sin_addr.s_addr, ntohs(server.sin_port), err);
}

void api_endpoint_open(struct api_endpoint *p, const struct engine *e)
{
    struct error err = ERROR_INIT;
    *p = (struct api_endpoint){.here = e->config->server_url};
    if (!e->host->net)
        return;
    if (lead_there(e->host->net, e->config->server_url, &err) < 0)
        log_line(LOG_ERROR, "no way from containers to the server", "error", err.text,
                 NULL);
    else
        p->bridge = BRIDGE_URL;
}

const char *api_endpoint_url(const struct api_endpoint *p, const struct container *c)
{
    switch (c->task->host->task_definition->network_mode) {
    case ECS_NETWORK_MODE_HOST:
        return p->here;
    case ECS_NETWORK_MODE_NONE:
        return NULL;
    default:
        return p->bridge;
    }
}
