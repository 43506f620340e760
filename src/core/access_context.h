/* access_context.h: what a request says of itself: the condition keys of policies, each
 * found when a statement asks for it.
 *
 * From the question, the request's tags, the resource's tags, the connection, the clock, the
 * service's patterns and at last the judge, who knows the caller.
 * Owns: nothing. Threads: state thread. Fails: a key that is not there is not found. */
#pragma once

#include "access.h"

struct access_context {
    struct policy_context base;
    struct core *core;
    struct arena *arena;
    const struct identity *who;
    struct call *call; /* NULL: no API call */
    const struct access *question;
};

void access_context_init(struct access_context *ctx, struct core *core, struct arena *a,
                         const struct identity *who, struct call *call,
                         const struct access *question);
