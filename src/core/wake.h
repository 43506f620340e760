/* wake.h: how controllers are called: by object, or by time; never by a scan.
 *
 * A `struct wake` is embedded in the object that it is about. wake_now() puts it into the
 * ready queue once however often it is called; wake_at() arms its one timer, an earlier
 * time wins. When it runs it is disarmed; the controller arms it again as it needs.
 *
 * Owns: nothing; wake_cancel() must be called before the memory goes away.
 * Threads: state thread. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "tree.h"

struct core;

struct wake {
    void (*run)(struct core *, struct wake *);
    struct list ready; /* linked while it waits to run */
    RB_ENTRY(wake) timer;
    int64_t at_ms; /* INT64_MAX: no timer */
    uint64_t seq;  /* order among equal times */
};

void wake_init(struct wake *w, void (*run)(struct core *, struct wake *));
void wake_now(struct core *core, struct wake *w);
void wake_at(struct core *core, struct wake *w, int64_t wall_ms);
void wake_cancel(struct core *core, struct wake *w);
