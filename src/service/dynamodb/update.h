/* update.h: UpdateExpression: SET, REMOVE, ADD and DELETE on an item.
 *
 * All clauses read the item as it was before the update (API reference, UpdateItem). Setting
 * a list's element past its end appends; elements that are removed are counted as they were
 * before the update; a set that loses its last member is dropped.
 *
 * Owns: nothing; an update lies in its scope's arena. Threads: any.
 * Fails: E_INVALID with the text that the service gives its ValidationException. */
#pragma once

#include "projection.h"

struct update;

int update_parse(struct expression_scope *scope, const char *text,
                 const struct update **ret, struct error *err);

/* Refuses an update of a key attribute: "… Cannot update attribute k. This attribute is
 * part of the key". */
int update_check_key(const struct update *u, const char *key, struct error *err);

/* Does it make an item where there is none? Only a legacy update that just deletes does not. */
bool update_creates(const struct update *u);

/* The new item. `item` is the old one, or what the key has when there was none; it stays as
 * it is, and unchanged values are shared with it. *ret lies in `a`. */
int update_apply(struct arena *a, const struct update *u, const attribute_map *item,
                 attribute_map *ret, struct error *err);

/* The paths that it changes: projection_apply() with the old or the new item gives
 * UPDATED_OLD and UPDATED_NEW. */
const struct projection *update_paths(const struct update *u);
