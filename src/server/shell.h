/* shell.h: the two threads around the core: one decides, one makes durable.
 *
 *   any thread ── shell_submit() ──► inbox ──► state thread ── batch ──► commit thread
 *                                              core_execute()            store_commit()
 *                                              core_react()              deliver
 *
 * The state thread fills a batch for as long as the commit thread is busy with the one
 * before: so under load one fsync makes many calls durable (group commit), and alone a
 * call waits for nobody. Every answer passes the commit thread, also those of reads: a
 * read may have seen what is not yet durable.
 *
 * A commit that fails ends the process: memory is ahead of the disk then, and the way
 * back is to load it anew. Nobody was told of what is lost. A full disk is refused
 * earlier, by store_room().
 *
 * Owns: the threads. Core and store are the caller's and outlive it.
 * Threads: shell_submit() any; the rest the caller's.
 * Fails: shell_start() with E_IO when a thread can't be made. */
#pragma once

#include <stdint.h>

#include "core.h"
#include "error.h"
#include "store.h"

struct shell;

struct shell_counters {
    uint64_t tasks;       /* executed */
    uint64_t commits;     /* batches made durable */
    uint64_t writes;      /* keys in them */
    uint64_t commit_ns;   /* time spent in store_commit() */
    uint64_t batch_bytes; /* keys and values */
};

/* *ret is set before the threads run: what they call may use it. */
int shell_start(struct core *core, struct store *store, struct shell **ret,
                struct error *err);
void shell_submit(struct shell *sh, struct core_task *task);
/* Everything submitted before is executed, committed and delivered; then the threads end. */
void shell_stop(struct shell *sh); /* NULL allowed */
/* After shell_stop() and after the last thread that may still submit; what it submitted
 * meanwhile is never executed. NULL allowed. */
void shell_free(struct shell *sh);
void shell_counters(struct shell *sh, struct shell_counters *ret);
