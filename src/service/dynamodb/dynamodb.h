/* dynamodb.h: Amazon DynamoDB: tables of items with indexes.
 *
 * Owns: definitions of tables in the core's tables. Threads: state thread. Fails: never. */
#pragma once

#include "access.h"
#include "core.h"
#include "dynamodb_api.h"
#include "operation.h"

extern const struct operation dynamodb_operations[]; /* generated */
extern const struct access_service dynamodb_access;
