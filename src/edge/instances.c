#include "instances.h"

#include <stdlib.h>

#include "arena.h"

struct instances {
    struct instances_config config;
};

int instances_new(const struct instances_config *config, struct instances **ret,
                  struct error *err)
{
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->config = *config;
    return 0;
}

void instances_begin(struct instances *i)
{
}

void instances_instance(struct instances *i, const struct gantry_edge_instance *instance)
{
}

void instances_instance_gone(struct instances *i, const char *instance_id)
{
}

void instances_settled(struct instances *i)
{
}

void instances_free(struct instances *i)
{
    free(i);
}

int instances_purge(const struct instances_config *config, struct error *err)
{
    return 0;
}
