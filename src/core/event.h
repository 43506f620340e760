/* event.h: the bus: services tell what happened, and others of this process listen.
 *
 * core_event() is called where the change that it tells of is made. The event becomes part
 * of the current batch: it is stored in the same commit as the change, so there is never
 * one for something that a crash took back, and never a change whose event was lost.
 * Subscribers are called at once, on the state thread; what they change is in the batch too.
 *
 * An event has EventBridge's envelope. Its detail is any generated struct. The state thread
 * only copies it; the commit thread encodes it (core_batch_encode()).
 *
 * The history is what the store holds below /event/. It is not loaded at the start:
 *   /event/log/<moment>     a line an event: <moment>{"about":[ARN…],"event":{envelope}}
 *   /event/hash/<moment>    hashes of all ARNs in that row, 16 hexadecimal digits each
 * Events of one commit share rows, which are named by their first: two keys a commit, both
 * at the end of their kind, cost it little. Who asks for one resource reads hashes.
 * A moment is <ms><number>, 12 and 10 hexadecimal digits, and never goes back, whatever the
 * clock does: key order is the order of events, and the number tells how many there were.
 * It is also the cursor of a reader. Reading and finding what is old go to the store directly
 * and block on it: a worker does that. Removing is a change like any other.
 *
 * Owns: copies lie in the batch; subscribers are the caller's.
 * Threads: state thread, but core_batch_encode() the commit thread, event_history_*() any.
 * Fails: event_history_*() with the store's errors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "core.h"
#include "error.h"
#include "list.h"
#include "store.h"
#include "wire.h"

#define EVENT_MAX_ABOUT   8  /* resources and about together */
#define EVENT_CURSOR_SIZE 23 /* with NUL */

struct event {
    const char *source;      /* "aws.ecs" */
    const char *detail_type; /* "ECS Task State Change" */
    const char *account, *region;
    struct string_list resources; /* ARNs in the envelope */
    struct string_list about;     /* other ARNs to find it by in the history */
    const struct wire_shape *shape;
    const void *detail;
    bool updated_at; /* adds updatedAt, the time of the event, to the detail */
    int64_t at_ms;   /* filled in by core_event() */
    char id[37];     /* uuid; same */
};

/* All that the event points at may go when this returns. */
void core_event(struct core *core, const struct event *event);

struct event_subscriber {
    struct list link;
    /* The event and what it points at are valid during the call. It emits no event itself. */
    void (*event)(struct event_subscriber *self, struct core *core,
                  const struct event *event);
};
void core_event_subscribe(struct core *core, struct event_subscriber *s);

/* {"version":"0","id":…}: the event as it travels. */
void event_encode(struct str *out, const struct event *event);

/* ---- the history ---- */

struct event_query {
    const char *resource;    /* ARN; NULL: of all */
    const char *detail_type; /* NULL: all */
    const char *account;     /* NULL: all */
    int64_t from_ms;         /* 0: from the beginning */
    const char *after;       /* cursor; NULL: none. Only later ones (earlier ones when
                                newest_first) */
    bool newest_first;
    size_t limit;       /* events at most */
    size_t limit_reads; /* entries that are looked at, at most */
};

/* Negative: ends the reading, which then returns it. */
typedef int event_visit(void *ctx, const char *cursor, const char *json, size_t len,
                        struct error *err);

/* *ret_cursor, when not empty, is where to go on: a limit was reached. */
int event_history_read(struct store *store, const struct event_query *query,
                       event_visit *visit, void *ctx, char ret_cursor[EVENT_CURSOR_SIZE],
                       struct error *err);

/* What is older is forgotten. */
struct event_bounds {
    int64_t before_ms;
    uint64_t before_number;
};
/* By core_config's event_keep_ms and event_max. */
void core_event_bounds(const struct core *core, struct event_bounds *ret);
/* Some keys of the oldest events outside the bounds, in the arena; none: all is forgotten. */
int event_history_old(struct store *store, const struct event_bounds *bounds,
                      struct arena *a, struct string_list *ret_keys, struct error *err);
void core_event_forget(struct core *core, const struct string_list *keys);
