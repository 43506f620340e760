/* core.h: the state thread: one thread that owns all state and decides everything.
 *
 * How it works. The shell (src/server, or a test) hands the core one task after another
 * with core_execute(). A task (an API call, a step of a registry upload, a host that
 * connected) reads and changes objects in memory; what it changed is encoded and added to
 * the current batch, and so is the task's own answer. core_react() then runs whatever was
 * woken by that: controllers that compare desired with observed state. The shell takes
 * the batch with core_take_batch(), makes its writes durable on the commit thread, and
 * only then delivers the answers and messages in it: so nobody outside ever sees a state
 * that a crash could take back. Batches are delivered in the order they were taken.
 *
 * An operation that fails must have changed nothing: find, check, change, fill the reply.
 * The core asserts it.
 *
 * Owns: all objects, tables and wake-ups. Threads: the state thread only, except
 * core_batch_* as noted. Fails: only core_load(), with the store's errors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "list.h"
#include "outside.h"
#include "store.h"
#include "wake.h"

struct core;
struct object;
struct table;
struct wire_shape;
struct batch_event;
struct seal_keys;

struct core_config {
    const char *region;     /* default region; calls may name another */
    const char *account_id; /* default account: 12 digits */
    bool dev;               /* any credentials are accepted */
    int64_t event_keep_ms;  /* the history goes back so far; 0: 7 days */
    uint64_t event_max;     /* and holds so many events; 0: 200,000 */
    const struct seal_keys *seal; /* for secrets at rest; outlives the core. NULL: none of
                                     the services keeps any */
};

/* Something that leaves the core once the writes before it are durable. */
struct outbound {
    struct list link;
    /* Commit thread, exactly once; frees the outbound's owner or hands it on. */
    void (*deliver)(struct outbound *);
};

/* One unit of work for the state thread; embedded in the caller's own struct. */
struct core_task {
    struct outbound reply; /* .deliver NULL: nothing to deliver, the runner frees */
    void (*run)(struct core *, struct core_task *);
    struct list link; /* the shell's queue */
};

/* What one group commit makes durable, and what may leave afterwards. */
struct core_batch {
    struct arena arena; /* of the writes */
    struct store_batch writes;
    struct list outbound;                         /* struct outbound.link, in order */
    struct batch_event *first_event, *last_event; /* event.c: not yet among the writes */
};

struct core *core_new(const struct core_config *config, const struct outside *outside);
void core_free(struct core *core);

/* Loads every table from the store; tables must have been added before. What a table's
 * `loaded` hook saves, as a record was written in a way that may not stay, is in the first
 * batch. */
int core_load(struct core *core, struct store *store, struct error *err);

void core_execute(struct core *core, struct core_task *task);

/* Runs wake-ups that are due, at most `limit` (0: 1,000); true when more are due now. */
bool core_react(struct core *core, unsigned limit);

/* When the next timed wake-up is due (wall ms), INT64_MAX when none is set. */
int64_t core_next_wake_ms(const struct core *core);

/* The batch so far, NULL when there is nothing in it. The caller calls core_batch_encode(),
 * commits &batch->writes, then calls core_batch_deliver(). */
struct core_batch *core_take_batch(struct core *core);
bool core_has_batch(const struct core *core);
/* Adds the batch's events to its writes. Any thread, before the commit. */
void core_batch_encode(struct core_batch *batch);
/* Delivers everything in order and frees the batch. Any thread, one batch at a time. */
void core_batch_deliver(struct core_batch *batch);

/* ---- for services ---- */

const struct core_config *core_config(const struct core *core);
/* For what a record must not say in clear; see seal.h. */
const struct seal_keys *core_seal(const struct core *core);
int64_t core_now_ms(const struct core *core); /* one value for the whole task */
/* `digits` lower-case hex digits (at most 64) + NUL into ret. */
void core_random_hex(struct core *core, char *ret, size_t digits);
/* `count` decimal digits, the first not 0, + NUL into ret. */
void core_random_digits(struct core *core, char *ret, size_t count);
uint64_t core_random_below(struct core *core, uint64_t bound); /* 0 <= r < bound */

/* Puts a message into the current batch; it leaves when what caused it is durable. */
void core_send(struct core *core, struct outbound *message);

/* Each service keeps one pointer here. `key` is the address of a static variable. */
void core_set_service(struct core *core, const void *key, void *state,
                      void (*free_state)(void *state));
void *core_service(const struct core *core, const void *key);

/* Called before an operation of an account in a region runs, whether it will be refused or
 * not: what an account begins with is made there. One service has it. */
void core_set_account_hook(struct core *core,
                           void (*begin)(struct core *core, const char *account,
                                         const char *region));

/* Arena that is emptied after each task and each wake-up: for what a pass computes. */
struct arena *core_scratch(struct core *core);
