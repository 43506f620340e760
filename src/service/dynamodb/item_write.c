#include "item_write.h"

#include "item_key.h"

/* ---- parsing ---- */

static int parse_condition(struct item_write *w, struct expression_scope *scope,
                           struct error *err)
{
    const struct key_schema *key = &w->schema->key;
    if (!w->condition_text)
        return 0;
    int r = condition_parse(scope, "ConditionExpression", w->condition_text,
                            &w->condition, err);
    if (r == 0)
        r = condition_check_key(w->condition, "Key", key->hash.name, err);
    if (r == 0 && key->range.name)
        r = condition_check_key(w->condition, "Key", key->range.name, err);
    return r;
}

static int check_update(const struct item_write *w, struct error *err)
{
    const struct key_schema *key = &w->schema->key;
    int r = 0;
    if (w->update)
        r = update_check_key(w->update, key->hash.name, err);
    if (r == 0 && w->update && key->range.name)
        r = update_check_key(w->update, key->range.name, err);
    return r;
}

static int parse_update(struct item_write *w, struct expression_scope *scope,
                        struct error *err)
{
    if (!w->update_text)
        return 0;
    int r = update_parse(scope, w->update_text, &w->update, err);
    return r == 0 ? check_update(w, err) : r;
}

static int check_legacy_alone(const struct item_write *w, struct error *err)
{
    const struct expression_parameter legacy[] = {
        {"AttributeUpdates", w->updates && w->updates->set ? "" : NULL},
        {"Expected", w->expected && w->expected->set ? "" : NULL},
        {"ConditionalOperator", w->joined ? "" : NULL},
    };
    const struct expression_parameter expressions[] = {
        {"UpdateExpression", w->update_text},
        {"ConditionExpression", w->condition_text},
    };
    return legacy_check_alone(legacy, 3, expressions, 2, err);
}

static int parse_legacy(struct arena *a, struct item_write *w, struct error *err)
{
    int r = 0;
    if (w->updates && w->updates->set) {
        r = legacy_updates(a, w->updates, &w->update, err);
        if (r == 0)
            r = check_update(w, err);
    }
    if (r == 0 && w->expected && !w->condition)
        r = legacy_expected(a, w->expected, w->joined, &w->condition, err);
    return r;
}

static int parse_expressions(struct arena *a, struct item_write *w, struct error *err)
{
    const struct expression_parameter parameters[] = {
        {"ConditionExpression", w->condition_text},
        {"UpdateExpression", w->update_text},
    };
    struct expression_scope scope;
    int r = check_legacy_alone(w, err);
    if (r == 0)
        r = expression_begin(a, w->names, w->values, parameters,
                             w->kind == WRITE_UPDATE ? 2 : 1, &scope, err);
    if (r == 0)
        r = parse_update(w, &scope, err);
    if (r == 0)
        r = parse_condition(w, &scope, err);
    if (r == 0)
        r = expression_end(&scope, err);
    return r == 0 ? parse_legacy(a, w, err) : r;
}

int item_write_parse(struct arena *a, struct item_write *w, struct error *err)
{
    const struct item_schema *s = w->schema;
    int r = parse_expressions(a, w, err);
    if (r == 0)
        r = w->kind == WRITE_PUT ? item_key_check_item(a, s, w->item, err)
                                 : item_key_check_key(a, &s->key, w->item, err);
    if (r == 0)
        item_key_add(&s->key, w->item, &w->key);
    return r;
}

void item_write_free(struct item_write *w)
{
    str_free(&w->key);
}

/* ---- running ---- */

static int update_made(struct arena *a, struct item_write *w, struct error *err)
{
    const attribute_map *base = w->existed ? &w->old : w->item;
    w->new = *base;
    if (!w->update)
        return 0;
    int r = update_apply(a, w->update, base, &w->new, err);
    if (r == 0)
        r = item_key_check_indexes(w->schema, &w->new, true, err);
    if (r == 0 && item_size(&w->new) > ITEM_SIZE_MAX)
        r = fail(err, E_INVALID,
                 "Item size to update has exceeded the maximum allowed size");
    return r;
}

static int made(struct arena *a, struct item_write *w, struct error *err)
{
    w->exists = w->kind != WRITE_DELETE &&
                (w->existed || !w->update || update_creates(w->update));
    if (w->kind == WRITE_PUT)
        w->new = *w->item;
    return w->kind == WRITE_UPDATE ? update_made(a, w, err) : 0;
}

int item_write_run(struct arena *a, struct item_write *w, struct item_tx *tx,
                   struct error *err)
{
    struct item_bytes key = {(const uint8_t *)w->key.data, w->key.len};
    int r = item_row_read(tx, w->schema, key, a, &w->old, err);
    if (r < 0 && r != -E_NOTFOUND)
        return r;
    w->existed = r == 0;
    if (w->condition && !condition_holds(w->condition, w->existed ? &w->old : NULL))
        return fail(err, E_CONFLICT, "The conditional request failed");
    if (w->kind == WRITE_CHECK) {
        w->cost.table = write_units(w->existed ? item_size(&w->old) : 0);
        return 0;
    }
    r = made(a, w, err);
    if (r == 0 && !w->existed && !w->exists && w->kind == WRITE_UPDATE) {
        w->new = (attribute_map){0}; /* nothing was there, and nothing comes */
        return 0;
    }
    return r < 0 ? r
                 : item_row_write(tx, w->schema, key, w->existed ? &w->old : NULL,
                                  w->exists ? &w->new : NULL, &w->cost, err);
}
