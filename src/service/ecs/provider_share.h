/* provider_share.h: which capacity provider of a strategy takes the next task.
 *
 * First the base is filled; then each task goes to the provider with the lowest
 * (placed - base) / weight, the first of equals. One with weight 0 gets nothing beyond its
 * base. Deterministic, so that a service's tasks keep their proportions for ever.
 *
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct provider_share {
    const char *name;
    int32_t weight, base;
    int32_t placed; /* tasks that it has already: of this call, or of the deployment */
    int kind;       /* enum provider_kind */
};

/* NULL when none may take one. A single provider takes all, whatever its weight. */
struct provider_share *provider_share_next(struct provider_share *shares, size_t n);
