/* item_tx.h: a connection to the file and its transaction, for the store's threads.
 *
 * Owns: connection and statements. Threads: one at a time. Fails: as item_store.h. */
#pragma once

#include "item_store.h"

/* The writer's comes first: it makes the file. */
int item_tx_open(const char *path, bool writes, struct item_tx **ret, struct error *err);
void item_tx_close(struct item_tx *tx); /* NULL allowed */

int item_tx_begin(struct item_tx *tx, struct error *err);
int item_tx_commit(struct item_tx *tx, struct error *err);
void item_tx_rollback(struct item_tx *tx); /* nothing when none is open */
/* Is it open? An error of the disk may have ended it. */
bool item_tx_is_open(const struct item_tx *tx);

int item_tx_save(struct item_tx *tx, struct error *err);    /* a savepoint */
int item_tx_release(struct item_tx *tx, struct error *err); /* keeps what was done since */
int item_tx_undo(struct item_tx *tx, struct error *err);    /* takes it back */

/* Bytes of keys and values that were written since the transaction began. */
size_t item_tx_written(const struct item_tx *tx);
