/* item_table.h: tables in memory (their definitions; items lie in the item store), and what
 * is done for them in the background.
 *
 * Keys are /dynamodb/table/<account>/<region>/<name>. A table that is deleted is gone at once;
 * a removal, /dynamodb/removal/<space>, remembers which rows are still to go.
 *
 * Owns: see object.h; a table holds one reference of its description.
 * Threads: state thread. Fails: lookups return NULL, `require` after a fault of the call. */
#pragma once

#include "call.h"
#include "dynamodb.h"
#include "dynamodb_handlers.h"
#include "gantry_api.h"
#include "item_schema.h"
#include "object.h"
#include "wake.h"

struct dynamodb {
    struct table *tables, *removals;
    struct dynamodb_settings settings;
    /* What access.h asks about just now, for its condition keys (dynamodb_access.c). */
    const struct item_question *question;
};

struct item_table {
    struct object o;
    struct gantry_dynamodb_table_record *rec;
    struct item_schema *schema; /* of rec */
    struct policy_source policy;
    struct wake upkeep;         /* indexes to fill, items that expire */
    struct upkeep_work *work;   /* under way; NULL: nothing is */
};

struct dynamodb *dynamodb_of(const struct core *core);

/* ---- item_table.c ---- */

/* By name, in the caller's account and the call's region, or by ARN. */
struct item_table *item_table_find(struct call *c, const char *name);
/* "Requested resource not found: Table: T not found" */
struct item_table *item_table_require(struct call *c, const char *name);
/* "Requested resource not found" */
struct item_table *item_table_require_data(struct call *c, const char *name);
struct item_table *item_table_by_arn(struct core *core, const char *arn);
struct item_table *item_table_next(struct call *c, const char *after);
/* An unsaved table of that name, which must be free. */
struct item_table *item_table_new(struct call *c, const char *name);
/* Saves what was changed and makes its description anew. */
void item_table_changed(struct core *core, struct item_table *t);
/* Its rows are removed in the background. */
void item_table_delete(struct core *core, struct item_table *t);
/* What an ARN or a name says is the name; NULL after a fault of the call. */
const char *item_table_name(struct call *c, const char *given);
/* A number for rows that nothing else has. */
int64_t item_space_new(struct core *core);

extern const struct wire_fault dynamodb_validation_fault;
/* ValidationException; returns -1. */
#define refuse(call, ...) call_fault((call), &dynamodb_validation_fault, __VA_ARGS__)

/* ---- table_check.c ---- */

int table_check(struct call *c, const struct dynamodb_create_table_input *in);
/* A global index that is added to the table. */
int table_check_added(struct call *c, const struct item_table *t,
                      const struct dynamodb_update_table_input *in);
int table_name_check(struct call *c, const char *name);

/* ---- table_ops.c: parts of a table's record, unsaved ---- */

/* `filled`: it has all that belongs into it. */
void table_global_add(struct call *c, struct item_table *t,
                      const struct dynamodb_create_global_secondary_index_action *asked,
                      bool filled);
void table_definitions_add(struct item_table *t,
                           const struct dynamodb_attribute_definition_list *asked);
void table_billing_set(struct core *core, struct item_table *t,
                       enum dynamodb_billing_mode mode);
void table_class_set(struct core *core, struct item_table *t,
                     enum dynamodb_table_class class);

/* ---- table_describe.c ---- */

/* The answer's description tells how many items there are: asked of the item store before the
 * call is answered. */
void table_describe(struct call *c, const struct item_table *t,
                    struct dynamodb_table_description **ret);

/* ---- table_tags.c ---- */

int table_tags_check(struct call *c, const struct dynamodb_tag_list *tags);
void table_tags_merge(struct arena *a, struct dynamodb_tag_list *into,
                      const struct dynamodb_tag_list *from);
const char *table_tag(const struct item_table *t, const char *key);

/* ---- table_policy.c ---- */

/* May it be a table's policy? */
int table_policy_check(struct call *c, const char *text);
void table_policy_set(struct call *c, struct item_table *t, const char *text);
int table_policy_compile(struct item_table *t, struct error *err);
void table_policy_free(struct item_table *t);

/* ---- table_upkeep.c ---- */

/* The table is new, or another one than it was: what is under way for it ends, and what it
 * needs now begins. */
void table_upkeep_start(struct core *core, struct item_table *t);
/* It goes away. */
void table_upkeep_stop(struct core *core, struct item_table *t);

/* ---- removal.c ---- */

/* Rows of these spaces are removed, also after a restart. */
void removal_new(struct core *core, const int64_t *spaces, size_t n);
extern const struct table_type removal_table;
