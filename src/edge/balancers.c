#include "balancers.h"

#include <stdlib.h>

#include "arena.h"

struct balancers {
    struct balancers_config config;
};

int balancers_new(const struct balancers_config *config, struct balancers **ret,
                  struct error *err)
{
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->config = *config;
    return 0;
}

void balancers_begin(struct balancers *b)
{
}

void balancers_balancer(struct balancers *b, const struct gantry_edge_balancer *balancer)
{
}

void balancers_balancer_gone(struct balancers *b, const char *arn)
{
}

void balancers_targets(struct balancers *b, const struct gantry_edge_target_group *group)
{
}

void balancers_targets_gone(struct balancers *b, const char *group_arn)
{
}

void balancers_settled(struct balancers *b)
{
}

void balancers_free(struct balancers *b)
{
    free(b);
}

int balancers_purge(const struct balancers_config *config, struct error *err)
{
    return 0;
}
