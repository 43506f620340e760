/* secretsmanager.h: AWS Secrets Manager: secrets with versions, which stages name.
 *
 * Owns: secrets in the core's tables; their values are sealed (seal.h). Threads: state thread.
 * Fails: never. */
#pragma once

#include "core.h"
#include "operation.h"
#include "secretsmanager_api.h"

/* Before core_load(). */
void secretsmanager_attach(struct core *core);

/* Generated: one row an offered operation. */
extern const struct operation secretsmanager_operations[];
extern const struct access_service secretsmanager_access;
