/* operation.h: one row an AWS operation: what api/generate.py writes from
 * api/<service>/operations.json and a service's handlers fill.
 *
 * A handler reads as: find, check, change, fill the reply. It runs on the state thread,
 * never waits, and returns 0, or a negative value after call_fault(). `in` has passed the
 * model's checks (types, required members, lengths, ranges, enums); `out` is zeroed and
 * lies in the call's arena; what a handler puts into it may point into records, too, as the
 * answer is copied when the handler returns.
 *
 * Owns: nothing, rows are static. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>

struct call;
struct wire_operation;
struct wire_service;

enum operation_kind {
    OPERATION_READS,
    OPERATION_CHANGES,
    OPERATION_STREAMS, /* authorised on the state thread, then served by workers */
};

struct operation {
    const struct wire_operation *wire;
    int (*run)(struct call *, const void *in, void *out);
    enum operation_kind kind;
    const char *action;                /* IAM action */
    const char *const *resources;      /* ARN patterns, NULL-ended */
    const char *const *condition_keys; /* NULL-ended */
    bool is_open; /* needs no signature: what it carries says who calls */
};
