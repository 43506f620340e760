/* ssm.h: AWS Systems Manager's Parameter Store: parameters with versions and labels, and
 * Amazon's public ones, which tell the ids of the ECS-optimized images.
 *
 * Owns: parameters in the core's tables; values of SecureStrings are sealed (seal.h).
 * Threads: state thread. Fails: never. */
#pragma once

#include "core.h"
#include "operation.h"
#include "ssm_api.h"

/* Before core_load(). */
void ssm_attach(struct core *core);

/* Generated: one row an offered operation. */
extern const struct operation ssm_operations[];
extern const struct access_service ssm_access;
