/* arn.h: Amazon Resource Names: arn:partition:service:region:account:resource.
 *
 * Owns: parsed parts lie in the caller's arena. Threads: any.
 * Fails: arn_parse() returns false for anything that is not an ARN. */
#pragma once

#include <stdbool.h>

#include "arena.h"

struct arn {
    const char *partition, *service, *region, *account, *resource;
};

bool arn_parse(struct arena *a, const char *text, struct arn *ret);
bool arn_looks_like(const char *text); /* begins with "arn:" */
