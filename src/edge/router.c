#include "router.h"

#include <stdlib.h>

#include "arena.h"

struct router {
    struct router_config config;
};

int router_new(const struct router_config *config, struct router **ret, struct error *err)
{
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->config = *config;
    return 0;
}

void router_begin(struct router *r)
{
}

void router_vpc(struct router *r, const struct gantry_edge_vpc *vpc)
{
}

void router_vpc_gone(struct router *r, const char *vpc_id)
{
}

void router_interface(struct router *r, const struct gantry_edge_interface *i)
{
}

void router_interface_gone(struct router *r, const char *vpc_id, const char *interface_id)
{
}

void router_settled(struct router *r)
{
}

int router_sync(struct router *r, int timeout_ms, struct error *err)
{
    return 0;
}

void router_free(struct router *r)
{
    free(r);
}

int router_purge(const struct router_config *config, struct error *err)
{
    return 0;
}
