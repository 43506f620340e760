/* event_history.h: the server's history of events, as the command line reads it.
 * Owns: arrays are the caller's to json_decref(). Threads: main; calls block.
 * Fails: as api.h. */
#pragma once

#include "api.h"

struct history_query {
    const char *resource; /* an ARN, or "task/default/0123…"; NULL: all */
    const char *type;     /* NULL: all */
    int64_t since_ms;
    bool newest; /* newest first */
    size_t limit;
    char after[32];  /* cursor; "": none; moves on with each read */
    char latest[32]; /* of the latest event that was read; "": none */
};

/* Appends envelopes to the array, `limit` at most, in the order of reading. */
int history_read(struct api *api, struct history_query *q, json_t *ret,
                 struct error *err);
