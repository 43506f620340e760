/* GetItem, TransactGetItems. */
#include "capacity.h"
#include "data_call.h"
#include "item_key.h"
#include "item_view.h"

#define TRANSACTION_MAX_SIZE (4 * 1024 * 1024)

/* ---- one item ---- */

struct item_read {
    const struct item_schema *schema;
    attribute_map *key; /* validated in place */
    struct item_view view;
    bool found;
    size_t size;
    attribute_map item; /* as it is wanted */
};

static int read_one(struct arena *a, struct item_read *g, struct item_tx *tx,
                    struct error *err)
{
    AUTO_STR key = STR_INIT;
    attribute_map whole;
    int r = item_key_check_key(a, &g->schema->key, g->key, err);
    if (r < 0)
        return r;
    item_key_add(&g->schema->key, g->key, &key);
    r = item_row_read(tx, g->schema,
                      (struct item_bytes){(const uint8_t *)key.data, key.len}, a, &whole,
                      err);
    if (r == -E_NOTFOUND)
        return 0;
    if (r < 0)
        return r;
    g->found = true;
    g->size = item_size(&whole);
    item_view_apply(a, &g->view, &whole, &g->item);
    g->item.set = true;
    return 0;
}

static int get(struct data_call *d, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_get_item_input *in = d->call->in;
    struct dynamodb_get_item_output *out = d->call->out;
    struct arena *a = &d->call->arena;
    struct item_read g = {.schema = d->schemas[0],
                          .key = (attribute_map *)(uintptr_t)&in->key};
    int r = item_view_parse(a, &g.schema->key, in->projection_expression,
                            &in->expression_attribute_names, &in->attributes_to_get,
                            &g.view, err);
    if (r == 0)
        r = read_one(a, &g, tx, err);
    if (r < 0)
        return data_invalid(d, r, err);
    if (g.found)
        out->item = g.item;
    if (!spending_asked(in->return_consumed_capacity))
        return 0;
    struct spending spent = spending_new(a, g.schema);
    spent.table = read_units(g.size, in->consistent_read.v);
    out->consumed_capacity = arena_new(a, struct dynamodb_consumed_capacity);
    spending_tell(a, &spent, in->return_consumed_capacity, SPENT, out->consumed_capacity);
    return 0;
}

int dynamodb_get_item(struct call *c, const struct dynamodb_get_item_input *in,
                      struct dynamodb_get_item_output *out)
{
    return data_read(c, in->table_name, get);
}

/* ---- several, as of one moment ---- */

static void tell_spent(struct data_call *d, double *units)
{
    const struct dynamodb_transact_get_items_input *in = d->call->in;
    struct dynamodb_transact_get_items_output *out = d->call->out;
    struct arena *a = &d->call->arena;
    for (size_t i = 0; i < d->count; i++) {
        struct spending spent = spending_new(a, d->schemas[i]);
        bool told = false;
        for (size_t k = 0; k < d->count; k++) {
            bool same = d->schemas[k]->space == d->schemas[i]->space;
            told |= same && k < i;
            spent.table += same ? units[k] : 0;
        }
        if (!told)
            spending_tell(a, &spent, in->return_consumed_capacity, SPENT_READING,
                          LIST_PUSH(a, &out->consumed_capacity));
    }
}

static int check_once(const struct data_call *d, size_t at, struct error *err)
{
    const struct dynamodb_transact_get_items_input *in = d->call->in;
    for (size_t i = 0; i < at; i++)
        if (d->schemas[i]->space == d->schemas[at]->space &&
            wire_equal(&dynamodb_key_shape, &in->transact_items.v[i].get->key,
                       &in->transact_items.v[at].get->key))
            return fail(
                err, E_INVALID,
                "Transaction request cannot include multiple operations on one item");
    return 0;
}

static int get_part(struct data_call *d, size_t i, struct item_tx *tx, size_t *size,
                    double *units, struct error *err)
{
    const struct dynamodb_transact_get_items_input *in = d->call->in;
    struct dynamodb_transact_get_items_output *out = d->call->out;
    struct arena *a = &d->call->arena;
    static const struct string_list none;
    const struct dynamodb_get *asked = in->transact_items.v[i].get;
    struct item_read g = {.schema = d->schemas[i],
                          .key = (attribute_map *)(uintptr_t)&asked->key};
    int r = item_view_parse(a, &g.schema->key, asked->projection_expression,
                            &asked->expression_attribute_names, &none, &g.view, err);
    if (r == 0)
        r = read_one(a, &g, tx, err);
    if (r == 0)
        r = check_once(d, i, err);
    if (r < 0)
        return r;
    struct dynamodb_item_response *answer = LIST_PUSH(a, &out->responses);
    if (g.found)
        answer->item = g.item;
    *size += g.size;
    units[i] = read_units(g.size, true) * 2;
    return 0;
}

static int get_all(struct data_call *d, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_transact_get_items_input *in = d->call->in;
    double *units = arena_new_array(&d->call->arena, double, d->count);
    size_t size = 0;
    int r = 0;
    for (size_t i = 0; i < d->count && r == 0; i++)
        r = get_part(d, i, tx, &size, units, err);
    if (r == 0 && size > TRANSACTION_MAX_SIZE)
        r = fail(err, E_INVALID,
                 "The items of the transaction are larger than 4 MB together");
    if (r < 0)
        return data_invalid(d, r, err);
    if (spending_asked(in->return_consumed_capacity))
        tell_spent(d, units);
    return 0;
}

int dynamodb_transact_get_items(struct call *c,
                                const struct dynamodb_transact_get_items_input *in,
                                struct dynamodb_transact_get_items_output *out)
{
    size_t n = in->transact_items.n;
    struct item_schema **schemas = arena_new_array(&c->arena, struct item_schema *, n);
    for (size_t i = 0; i < n; i++) {
        const struct item_table *t =
            item_table_require_data(c, in->transact_items.v[i].get->table_name);
        if (!t)
            return -1;
        schemas[i] = t->schema;
    }
    for (size_t i = 0; i < n; i++)
        item_schema_ref(schemas[i]);
    return data_read_all(c, schemas, n, get_all);
}
