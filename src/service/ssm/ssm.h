/* ssm.h: AWS Systems Manager's Parameter Store, as far as Amazon's public parameters go: the
 * ids of the ECS-optimized images, which are what launch templates ask it for. Parameters of
 * one's own can't be stored.
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "operation.h"
#include "ssm_api.h"

/* Generated: one row an offered operation. */
extern const struct operation ssm_operations[];
