/* dynamodb.h: Amazon DynamoDB: tables of items with indexes.
 *
 * Owns: definitions of tables in the core's tables. Items lie in an item store (item_store.h),
 * which the server opens and closes.
 * Threads: state thread. Fails: never. */
#pragma once

#include "access.h"
#include "core.h"
#include "dynamodb_api.h"
#include "item_store.h"
#include "operation.h"

struct dynamodb_settings {
    struct item_store *items; /* outlives the state thread */
    /* Hands a task to the state thread. Any thread. */
    void (*submit)(void *ctx, struct core_task *task);
    void *ctx;
};

/* Before core_load(). */
void dynamodb_attach(struct core *core, const struct dynamodb_settings *settings);

extern const struct operation dynamodb_operations[]; /* generated */
extern const struct access_service dynamodb_access;
