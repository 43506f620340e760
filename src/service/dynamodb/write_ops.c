/* PutItem, UpdateItem, DeleteItem. */
#include "data_call.h"
#include "item_write.h"
#include "refusals.h"

/* ---- what the three have in common ---- */

struct write_asked {
    enum dynamodb_return_values_on_condition_check_failure on_failure;
    enum dynamodb_return_item_collection_metrics metrics;
    enum dynamodb_return_consumed_capacity capacity;
};

static int refused(struct data_call *d, struct item_write *w,
                   const struct write_asked *asked, struct error *err)
{
    struct dynamodb_conditional_check_failed_exception *e;
    if (asked->on_failure == DYNAMODB_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_ALL_OLD &&
        w->existed) {
        e = arena_new(&d->call->arena,
                      struct dynamodb_conditional_check_failed_exception);
        e->item = w->old;
        d->call->fault_details = e;
    }
    return data_refuse(d, &dynamodb_conditional_check_failed_exception, "%s", err->text);
}

static int write_one(struct data_call *d, struct item_tx *tx, struct item_write *w,
                     const struct write_asked *asked,
                     struct dynamodb_consumed_capacity **ret_capacity, struct error *err)
{
    struct arena *a = &d->call->arena;
    struct spending spent;
    w->schema = d->schemas[0];
    if (refuse_metrics(d, w->schema, asked->metrics) < 0)
        return -E_DENIED;
    if (spending_asked(asked->capacity)) {
        spent = spending_new(a, w->schema);
        w->cost.indexes = arena_new_array(a, double, w->schema->index_count);
    }
    int r = item_write_parse(a, w, err);
    if (r == 0)
        r = item_write_run(a, w, tx, err);
    item_write_free(w);
    if (r == -E_CONFLICT)
        return refused(d, w, asked, err);
    if (r < 0)
        return data_invalid(d, r, err);
    if (spending_asked(asked->capacity)) {
        spending_add(&spent, &w->cost, 1);
        *ret_capacity = arena_new(a, struct dynamodb_consumed_capacity);
        spending_tell(a, &spent, asked->capacity, SPENT, *ret_capacity);
    }
    return 0;
}

/* What an operation answers of the item; nothing when nothing is in it. */
static void tell(attribute_map *ret, const attribute_map *what)
{
    if (what->n)
        *ret = *what;
}

static bool is_plain(enum dynamodb_return_value v)
{
    return !v || v == DYNAMODB_RETURN_VALUE_NONE || v == DYNAMODB_RETURN_VALUE_ALL_OLD;
}

/* ---- PutItem ---- */

static int put(struct data_call *d, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_put_item_input *in = d->call->in;
    struct dynamodb_put_item_output *out = d->call->out;
    struct item_write w = {
        .kind = WRITE_PUT,
        .item = (attribute_map *)(uintptr_t)&in->item,
        .condition_text = in->condition_expression,
        .names = &in->expression_attribute_names,
        .values = (attribute_map *)(uintptr_t)&in->expression_attribute_values,
        .expected = &in->expected,
        .joined = in->conditional_operator};
    const struct write_asked asked = {in->return_values_on_condition_check_failure,
                                      in->return_item_collection_metrics,
                                      in->return_consumed_capacity};
    int r = write_one(d, tx, &w, &asked, &out->consumed_capacity, err);
    if (r == 0 && w.existed && in->return_values == DYNAMODB_RETURN_VALUE_ALL_OLD)
        tell(&out->attributes, &w.old);
    return r;
}

int dynamodb_put_item(struct call *c, const struct dynamodb_put_item_input *in,
                      struct dynamodb_put_item_output *out)
{
    if (!is_plain(in->return_values))
        return refuse(c, "ReturnValues can only be ALL_OLD or NONE");
    return data_write(c, in->table_name, put);
}

/* ---- DeleteItem ---- */

static int delete (struct data_call *d, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_delete_item_input *in = d->call->in;
    struct dynamodb_delete_item_output *out = d->call->out;
    struct item_write w = {
        .kind = WRITE_DELETE,
        .item = (attribute_map *)(uintptr_t)&in->key,
        .condition_text = in->condition_expression,
        .names = &in->expression_attribute_names,
        .values = (attribute_map *)(uintptr_t)&in->expression_attribute_values,
        .expected = &in->expected,
        .joined = in->conditional_operator};
    const struct write_asked asked = {in->return_values_on_condition_check_failure,
                                      in->return_item_collection_metrics,
                                      in->return_consumed_capacity};
    int r = write_one(d, tx, &w, &asked, &out->consumed_capacity, err);
    if (r == 0 && w.existed && in->return_values == DYNAMODB_RETURN_VALUE_ALL_OLD)
        tell(&out->attributes, &w.old);
    return r;
}

int dynamodb_delete_item(struct call *c, const struct dynamodb_delete_item_input *in,
                         struct dynamodb_delete_item_output *out)
{
    if (!is_plain(in->return_values))
        return refuse(c, "ReturnValues can only be ALL_OLD or NONE");
    return data_write(c, in->table_name, delete);
}

/* ---- UpdateItem ---- */

static void tell_updated(struct data_call *d, const struct item_write *w)
{
    const struct dynamodb_update_item_input *in = d->call->in;
    struct dynamodb_update_item_output *out = d->call->out;
    attribute_map part = {0};
    bool old = in->return_values == DYNAMODB_RETURN_VALUE_UPDATED_OLD;
    switch (in->return_values) {
    case DYNAMODB_RETURN_VALUE_UNSET:
    case DYNAMODB_RETURN_VALUE_NONE:
        return;
    case DYNAMODB_RETURN_VALUE_ALL_OLD:
        if (w->existed)
            tell(&out->attributes, &w->old);
        return;
    case DYNAMODB_RETURN_VALUE_ALL_NEW:
        tell(&out->attributes, &w->new);
        return;
    case DYNAMODB_RETURN_VALUE_UPDATED_OLD:
    case DYNAMODB_RETURN_VALUE_UPDATED_NEW:
        if (!w->update || (old && !w->existed))
            return;
        projection_apply(&d->call->arena, update_paths(w->update),
                         old ? &w->old : &w->new, &part);
        tell(&out->attributes, &part);
        return;
    }
}

static int update(struct data_call *d, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_update_item_input *in = d->call->in;
    struct dynamodb_update_item_output *out = d->call->out;
    struct item_write w = {
        .kind = WRITE_UPDATE,
        .item = (attribute_map *)(uintptr_t)&in->key,
        .condition_text = in->condition_expression,
        .update_text = in->update_expression,
        .updates = &in->attribute_updates,
        .names = &in->expression_attribute_names,
        .values = (attribute_map *)(uintptr_t)&in->expression_attribute_values,
        .expected = &in->expected,
        .joined = in->conditional_operator};
    const struct write_asked asked = {in->return_values_on_condition_check_failure,
                                      in->return_item_collection_metrics,
                                      in->return_consumed_capacity};
    int r = write_one(d, tx, &w, &asked, &out->consumed_capacity, err);
    if (r == 0)
        tell_updated(d, &w);
    return r;
}

int dynamodb_update_item(struct call *c, const struct dynamodb_update_item_input *in,
                         struct dynamodb_update_item_output *out)
{
    return data_write(c, in->table_name, update);
}
