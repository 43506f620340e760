/* TransactWriteItems: all of it or nothing.
 *
 * A token makes it safe to ask twice: what was asked with it is remembered for ten minutes as
 * a hash, in the same transaction as what it did. The rows of tokens are in a space of their
 * own, in the order in which they are forgotten in another; each transaction with a token
 * forgets a few that are over. */
#include "clock.h"
#include "data_call.h"
#include "item_key.h"
#include "item_write.h"
#include "refusals.h"
#include "sigv4.h"

#define MAX_SIZE      (4 * 1024 * 1024)
#define TOKEN_SPACE   0 /* of no table: item_space_new() gives none below 1 */
#define TOKEN_KEEP_S  600
#define TOKENS_A_CALL 8
#define TOKEN_SECONDS 8 /* bytes before the token in the row that tells its end */

/* ---- what is asked ---- */

/* False: not exactly one of the four. */
static bool part_of(const struct dynamodb_transact_write_item *t, struct item_write *ret)
{
    *ret = (struct item_write){0};
    if (!!t->condition_check + !!t->put + !!t->delete + !!t->update != 1)
        return false;
    if (t->put)
        *ret = (struct item_write){.kind = WRITE_PUT,
                                   .item = &t->put->item,
                                   .condition_text = t->put->condition_expression,
                                   .names = &t->put->expression_attribute_names,
                                   .values = &t->put->expression_attribute_values};
    else if (t->delete)
        *ret = (struct item_write){.kind = WRITE_DELETE,
                                   .item = &t->delete->key,
                                   .condition_text = t->delete->condition_expression,
                                   .names = &t->delete->expression_attribute_names,
                                   .values = &t->delete->expression_attribute_values};
    else if (t->update)
        *ret = (struct item_write){.kind = WRITE_UPDATE,
                                   .item = &t->update->key,
                                   .condition_text = t->update->condition_expression,
                                   .update_text = t->update->update_expression,
                                   .names = &t->update->expression_attribute_names,
                                   .values = &t->update->expression_attribute_values};
    else
        *ret = (struct item_write){
            .kind = WRITE_CHECK,
            .item = &t->condition_check->key,
            .condition_text = t->condition_check->condition_expression,
            .names = &t->condition_check->expression_attribute_names,
            .values = &t->condition_check->expression_attribute_values};
    return true;
}

static bool wants_old(const struct dynamodb_transact_write_item *t)
{
    enum dynamodb_return_values_on_condition_check_failure v =
        t->put      ? t->put->return_values_on_condition_check_failure
        : t->delete ? t->delete->return_values_on_condition_check_failure
        : t->update ? t->update->return_values_on_condition_check_failure
                    : t->condition_check->return_values_on_condition_check_failure;
    return v == DYNAMODB_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_ALL_OLD;
}

static const char *table_of(const struct dynamodb_transact_write_item *t)
{
    return t->put               ? t->put->table_name
           : t->delete          ? t->delete->table_name
           : t->update          ? t->update->table_name
           : t->condition_check ? t->condition_check->table_name
                                : NULL;
}

/* ---- tokens ---- */

struct token {
    struct str key;             /* account, region, token */
    char hash[SIGV4_HASH_SIZE]; /* of what is asked */
};

static void token_make(struct data_call *d, const char *text, struct token *ret)
{
    const struct dynamodb_transact_write_items_input *in = d->call->in;
    struct dynamodb_transact_write_items_input plain = *in;
    AUTO_STR json = STR_INIT;
    plain.client_request_token = NULL;
    wire_json_encode(&json, &dynamodb_transact_write_items_input_shape, &plain);
    sigv4_hash(json.data, json.len, ret->hash);
    str_addf(&ret->key, "%s/%s/%s", d->call->who.account_id, d->call->region, text);
}

static struct item_bytes bytes(const struct str *s)
{
    return (struct item_bytes){(const uint8_t *)s->data, s->len};
}

/* 1: done before; 0: not yet; the value is "<seconds of its end>:<hash>". */
static int token_find(struct data_call *d, struct item_tx *tx, const struct token *t,
                      int64_t now_s, struct error *err)
{
    struct item_bytes value;
    int64_t end_s;
    int r = row_get(tx, TOKEN_SPACE, bytes(&t->key), &d->call->arena, &value, err);
    if (r == -E_NOTFOUND)
        return 0;
    if (r < 0)
        return r;
    const char *text =
        arena_strndup(&d->call->arena, (const char *)value.data, value.size);
    size_t n = strcspn(text, ":");
    if (!text[n] ||
        !str_to_i64(arena_strndup(&d->call->arena, text, n), 0, INT64_MAX, &end_s) ||
        end_s <= now_s)
        return 0;
    if (streq(text + n + 1, t->hash))
        return 1;
    return data_refuse(
        d, &dynamodb_idempotent_parameter_mismatch_exception,
        "The provided client token %s is already in use with other parameters",
        ((const struct dynamodb_transact_write_items_input *)d->call->in)
            ->client_request_token);
}

struct old_tokens {
    struct arena *arena;
    struct item_bytes rows[TOKENS_A_CALL];
    size_t n;
};

static int old_token(void *ctx, struct item_bytes key, struct item_bytes value,
                     struct error *err)
{
    struct old_tokens *o = ctx;
    o->rows[o->n++] =
        (struct item_bytes){arena_copy(o->arena, key.data, key.size), key.size};
    return o->n == TOKENS_A_CALL;
}

static int tokens_forget(struct data_call *d, struct item_tx *tx, int64_t now_s,
                         struct error *err)
{
    struct old_tokens old = {.arena = &d->call->arena};
    AUTO_STR end = STR_INIT;
    expiry_key_bound(now_s, &end);
    const struct item_range range = {
        .space = TOKEN_SPACE, .to = bytes(&end), .entries = true};
    int r = rows_walk(tx, &range, old_token, &old, err);
    for (size_t i = 0; i < old.n && r >= 0; i++) {
        const struct item_bytes token = {old.rows[i].data + TOKEN_SECONDS,
                                         old.rows[i].size - TOKEN_SECONDS};
        r = entry_remove(tx, TOKEN_SPACE, old.rows[i], err);
        if (r >= 0)
            r = row_remove(tx, TOKEN_SPACE, token, err);
    }
    return r < 0 ? r : 0;
}

static int token_keep(struct data_call *d, struct item_tx *tx, const struct token *t,
                      int64_t now_s, struct error *err)
{
    AUTO_STR end = STR_INIT;
    AUTO_STR value = STR_INIT;
    int r = tokens_forget(d, tx, now_s, err);
    if (r < 0)
        return r;
    long long end_s = now_s + TOKEN_KEEP_S;
    expiry_key_bound(end_s, &end);
    str_addn(&end, t->key.data, t->key.len);
    str_addf(&value, "%lld:%s", end_s, t->hash);
    r = entry_put(tx, TOKEN_SPACE, bytes(&end), err);
    return r < 0 ? r : row_put(tx, TOKEN_SPACE, bytes(&t->key), bytes(&value), err);
}

/* ---- all or nothing ---- */

struct transaction {
    struct data_call *d;
    struct item_write *parts;
    struct dynamodb_cancellation_reason *reasons;
    size_t n;
    bool cancelled;
};

static int parse(struct transaction *x, struct error *err)
{
    const struct dynamodb_transact_write_items_input *in = x->d->call->in;
    size_t size = 0;
    int r = 0;
    for (size_t i = 0; i < x->n && r == 0; i++) {
        struct item_write *w = &x->parts[i];
        part_of(&in->transact_items.v[i], w);
        w->schema = x->d->schemas[i];
        w->cost.indexes =
            arena_new_array(&x->d->call->arena, double, w->schema->index_count);
        r = item_write_parse(&x->d->call->arena, w, err);
        size += item_size(w->item);
        for (size_t k = 0; k < i && r == 0; k++)
            if (x->parts[k].schema->space == w->schema->space &&
                x->parts[k].key.len == w->key.len &&
                memcmp(x->parts[k].key.data, w->key.data, w->key.len) == 0)
                r = fail(
                    err, E_INVALID,
                    "Transaction request cannot include multiple operations on one item");
    }
    if (r == 0 && size > MAX_SIZE)
        r = fail(err, E_INVALID,
                 "The items of the transaction are larger than 4 MB together");
    return r;
}

/* What one part says does not keep the others from being asked: all reasons are told. */
static int run_part(struct transaction *x, size_t i, struct item_tx *tx,
                    struct error *err)
{
    const struct dynamodb_transact_write_items_input *in = x->d->call->in;
    struct item_write *w = &x->parts[i];
    int r = item_write_run(&x->d->call->arena, w, tx, err);
    x->reasons[i].code = "None";
    if (r != -E_CONFLICT && r != -E_INVALID)
        return r;
    x->cancelled = true;
    x->reasons[i].code = r == -E_CONFLICT ? "ConditionalCheckFailed" : "ValidationError";
    x->reasons[i].message = arena_strdup(&x->d->call->arena, err->text);
    if (r == -E_CONFLICT && w->existed && wants_old(&in->transact_items.v[i]))
        x->reasons[i].item = w->old;
    return 0;
}

static int cancel(struct transaction *x)
{
    struct arena *a = &x->d->call->arena;
    struct dynamodb_transaction_canceled_exception *e =
        arena_new(a, struct dynamodb_transaction_canceled_exception);
    AUTO_STR codes = STR_INIT;
    e->cancellation_reasons.v = x->reasons;
    e->cancellation_reasons.n = x->n;
    e->cancellation_reasons.set = true;
    for (size_t i = 0; i < x->n; i++)
        str_addf(&codes, "%s%s", i ? ", " : "", x->reasons[i].code);
    x->d->call->fault_details = e;
    return data_refuse(
        x->d, &dynamodb_transaction_canceled_exception,
        "Transaction cancelled, please refer cancellation reasons for specific "
        "reasons [%s]",
        codes.data);
}

static void tell_spent(struct transaction *x)
{
    const struct dynamodb_transact_write_items_input *in = x->d->call->in;
    struct dynamodb_transact_write_items_output *out = x->d->call->out;
    struct arena *a = &x->d->call->arena;
    for (size_t i = 0; i < x->n; i++) {
        struct spending spent = spending_new(a, x->parts[i].schema);
        bool told = false;
        for (size_t k = 0; k < x->n; k++) {
            bool same = x->parts[k].schema->space == spent.schema->space;
            told |= same && k < i;
            if (same)
                spending_add(&spent, &x->parts[k].cost, 2);
        }
        if (!told)
            spending_tell(a, &spent, in->return_consumed_capacity, SPENT_WRITING,
                          LIST_PUSH(a, &out->consumed_capacity));
    }
}

static int run_all(struct transaction *x, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_transact_write_items_input *in = x->d->call->in;
    int r = parse(x, err);
    for (size_t i = 0; i < x->n && r == 0; i++)
        r = run_part(x, i, tx, err);
    if (r == 0 && x->cancelled)
        return cancel(x);
    if (r == 0 && spending_asked(in->return_consumed_capacity))
        tell_spent(x);
    return data_invalid(x->d, r, err);
}

static int run_once(struct transaction *x, const char *text, struct item_tx *tx,
                    struct error *err)
{
    struct token t = {0};
    int64_t now_s = clock_wall_ms() / 1000;
    token_make(x->d, text, &t);
    int r = token_find(x->d, tx, &t, now_s, err);
    if (r == 0) {
        r = run_all(x, tx, err);
        if (r == 0)
            r = token_keep(x->d, tx, &t, now_s, err);
    }
    str_free(&t.key);
    return r < 0 ? r : 0;
}

static int write(struct data_call *d, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_transact_write_items_input *in = d->call->in;
    struct arena *a = &d->call->arena;
    struct transaction x = {.d = d, .n = d->count};
    x.parts = arena_new_array(a, struct item_write, x.n);
    x.reasons = arena_new_array(a, struct dynamodb_cancellation_reason, x.n);
    int r = 0;
    for (size_t i = 0; i < x.n && r == 0; i++)
        r = refuse_metrics(d, d->schemas[i], in->return_item_collection_metrics);
    if (r == 0)
        r = in->client_request_token ? run_once(&x, in->client_request_token, tx, err)
                                     : run_all(&x, tx, err);
    for (size_t i = 0; i < x.n; i++)
        item_write_free(&x.parts[i]);
    return r;
}

int dynamodb_transact_write_items(struct call *c,
                                  const struct dynamodb_transact_write_items_input *in,
                                  struct dynamodb_transact_write_items_output *out)
{
    size_t n = in->transact_items.n;
    struct item_schema **schemas = arena_new_array(&c->arena, struct item_schema *, n);
    for (size_t i = 0; i < n; i++) {
        struct item_write ignored;
        if (!part_of(&in->transact_items.v[i], &ignored))
            return refuse(c,
                          "TransactItems can only contain one of Check, Put, Update or "
                          "Delete");
        const struct item_table *t =
            item_table_require_data(c, table_of(&in->transact_items.v[i]));
        if (!t)
            return -1;
        schemas[i] = t->schema;
    }
    for (size_t i = 0; i < n; i++)
        item_schema_ref(schemas[i]);
    return data_write_all(c, schemas, n, write);
}
