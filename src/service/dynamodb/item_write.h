/* item_write.h: one write of one item, alone or within a transaction: put, update, delete, or
 * only a condition.
 *
 *   item_write_parse()   checks what was asked; touches nothing
 *   item_write_run()     reads what is there, asks the condition, writes
 *
 * Owns: nothing; everything lies in the arena that is given. Threads: that of the transaction.
 * Fails: E_INVALID with the text of a ValidationException, E_CONFLICT the condition does not
 * hold, or as the item store. */
#pragma once

#include "capacity.h"
#include "legacy.h"

enum item_write_kind { WRITE_PUT, WRITE_UPDATE, WRITE_DELETE, WRITE_CHECK };

struct item_write {
    enum item_write_kind kind;
    const struct item_schema *schema;
    attribute_map *item; /* of a put the item, of others the key; validated in place */
    const char *condition_text, *update_text;
    const struct string_map *names;
    attribute_map *values;
    /* In the place of texts; NULL where an operation has none. */
    const struct dynamodb_expected_attribute_value_map *expected;
    enum dynamodb_conditional_operator joined;
    const struct dynamodb_attribute_value_update_map *updates;

    const struct condition *condition;
    const struct update *update;
    struct str key; /* item_write_free() */

    bool existed, exists;
    attribute_map old, new;
    struct write_cost cost;
};

int item_write_parse(struct arena *a, struct item_write *w, struct error *err);
int item_write_run(struct arena *a, struct item_write *w, struct item_tx *tx,
                   struct error *err);
void item_write_free(struct item_write *w);
