/* data_call.h: a call that is answered from the item store: its handler finds the tables and
 * hands over; on a thread of the store it reads or writes, and then it is answered.
 *
 * Owns: it lies in the call's arena, and holds a reference to each table's description until
 * the call is answered.
 * Threads: data_call_* the state thread; run() the store's, and what it gives here.
 * Fails: as noted. */
#pragma once

#include "item_table.h"

struct data_call {
    struct item_job job;
    struct call *call;
    struct item_schema *const *schemas; /* of its tables; one, or as the handler put them */
    size_t count;
    /* 0, or what data_refuse() or the store gave. The answer goes into call->out. */
    int (*run)(struct data_call *, struct item_tx *, struct error *err);
};

/* Hand over; 0, as a handler returns it, or -1 when there is no such table. */
int data_read(struct call *c, const char *table,
              int (*run)(struct data_call *, struct item_tx *, struct error *err));
int data_write(struct call *c, const char *table,
               int (*run)(struct data_call *, struct item_tx *, struct error *err));
/* With the descriptions of several tables, a reference each, in the call's arena. */
int data_read_all(struct call *c, struct item_schema *const *schemas, size_t count,
                  int (*run)(struct data_call *, struct item_tx *, struct error *err));
int data_write_all(struct call *c, struct item_schema *const *schemas, size_t count,
                   int (*run)(struct data_call *, struct item_tx *, struct error *err));

/* ---- in run() ---- */

/* Sets the call's fault and returns -E_DENIED: whatever was written is taken back. */
int data_refuse(struct data_call *d, const struct wire_fault *fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A ValidationException with the text of an E_INVALID; other errors go on as they are. */
int data_invalid(struct data_call *d, int r, struct error *err);
