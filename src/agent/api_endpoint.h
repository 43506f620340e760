/* api_endpoint.h: where SDKs in containers find AWS: AWS_ENDPOINT_URL.
 *
 * On AWS every service has a name that leads to it from everywhere. Our server may listen on
 * this machine's loopback alone, so containers are told of a way to it: the address of their
 * agent, port NET_LOCAL_API_PORT, which nftables leads to the server (net.h, net_local_api);
 * in mode host the server's own URL. Mode none has no way, as on ECS. What an image or a task
 * definition says of AWS_ENDPOINT_URL holds.
 *
 * Owns: nothing. Threads: opened on the loop's, then any. Fails: only logs: tasks run without
 * it. */
#pragma once

#include "engine.h"

struct api_endpoint {
    const char *here;   /* in mode host */
    const char *bridge; /* in bridge and awsvpc; NULL: the way could not be made */
};

/* After engine_init(), before engine_load(). */
void api_endpoint_open(struct api_endpoint *p, const struct engine *e);
/* NULL: this container has no way to the server. */
const char *api_endpoint_url(const struct api_endpoint *p, const struct container *c);
