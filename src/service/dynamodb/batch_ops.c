/* BatchGetItem, BatchWriteItem. */
#include "data_call.h"
#include "item_key.h"
#include "item_view.h"
#include "item_write.h"
#include "refusals.h"

#define GET_MAX_KEYS    100
#define GET_MAX_SIZE    (16 * 1024 * 1024)
#define WRITE_MAX_ITEMS 25

static const char *key_text(struct arena *a, const struct item_schema *s,
                            const struct str *key, size_t *ret_size)
{
    struct str all = STR_INIT;
    str_addn(&all, &s->space, sizeof(s->space));
    str_addn(&all, key->data, key->len);
    const char *ret = arena_copy(a, all.data, all.len);
    *ret_size = all.len;
    str_free(&all);
    return ret;
}

/* Tables and keys that a batch has named so far; there are few. */
struct seen {
    struct item_bytes keys[GET_MAX_KEYS];
    size_t n;
};

static int see(struct seen *seen, struct arena *a, const struct item_schema *s,
               const struct str *key, struct error *err)
{
    size_t size;
    const char *text = key_text(a, s, key, &size);
    for (size_t i = 0; i < seen->n; i++)
        if (seen->keys[i].size == size && memcmp(seen->keys[i].data, text, size) == 0)
            return fail(err, E_INVALID, "Provided list of item keys contains duplicates");
    seen->keys[seen->n++] = (struct item_bytes){(const uint8_t *)text, size};
    return 0;
}

static void tell(struct arena *a, const struct spending *s,
                 enum dynamodb_return_consumed_capacity asked,
                 struct dynamodb_consumed_capacity_list *ret)
{
    if (spending_asked(asked))
        spending_tell(a, s, asked, SPENT, LIST_PUSH(a, ret));
}

/* ---- BatchGetItem ---- */

struct batch_get {
    struct data_call *d;
    struct item_tx *tx;
    struct seen *seen;
    size_t size; /* of what was found so far */
};

/* As much as fits is answered; the rest is to be asked for again. */
static int get_key(struct batch_get *b, const struct item_schema *s,
                   const struct item_view *view,
                   const struct dynamodb_keys_and_attributes *asked, size_t i,
                   struct dynamodb_attribute_map_list *found,
                   struct dynamodb_keys_and_attributes *left, struct spending *spent,
                   struct error *err)
{
    struct arena *a = &b->d->call->arena;
    AUTO_STR key = STR_INIT;
    attribute_map item, wanted;
    int r = item_key_check_key(a, &s->key, &asked->keys.v[i], err);
    if (r < 0)
        return r;
    item_key_add(&s->key, &asked->keys.v[i], &key);
    r = see(b->seen, a, s, &key, err);
    if (r < 0)
        return r;
    r = item_row_read(b->tx, s, (struct item_bytes){(const uint8_t *)key.data, key.len},
                      a, &item, err);
    if (r < 0 && r != -E_NOTFOUND)
        return r;
    size_t size = r == 0 ? item_size(&item) : 0;
    if (b->size + size > GET_MAX_SIZE) {
        *LIST_PUSH(a, &left->keys) = asked->keys.v[i];
        return 0;
    }
    b->size += size;
    spent->table += read_units(size, asked->consistent_read.v);
    if (r == 0) {
        item_view_apply(a, view, &item, &wanted);
        wanted.set = true;
        *LIST_PUSH(a, found) = wanted;
    }
    return 0;
}

static int get_table(struct batch_get *b, size_t at, struct error *err)
{
    const struct dynamodb_batch_get_item_input *in = b->d->call->in;
    struct dynamodb_batch_get_item_output *out = b->d->call->out;
    struct arena *a = &b->d->call->arena;
    const char *name = in->request_items.v[at].key;
    const struct dynamodb_keys_and_attributes *asked = &in->request_items.v[at].value;
    const struct item_schema *s = b->d->schemas[at];
    struct dynamodb_keys_and_attributes left = *asked;
    struct spending spent = spending_new(a, s);
    struct item_view view;
    left.keys = (struct dynamodb_key_list){0};
    int r = item_view_parse(a, &s->key, asked->projection_expression,
                            &asked->expression_attribute_names, &asked->attributes_to_get,
                            &view, err);
    __typeof__(out->responses.v) found = LIST_PUSH(a, &out->responses);
    found->key = name;
    found->value.set = true;
    for (size_t i = 0; i < asked->keys.n && r == 0; i++)
        r = get_key(b, s, &view, asked, i, &found->value, &left, &spent, err);
    if (r == 0 && left.keys.n) {
        __typeof__(out->unprocessed_keys.v) again = LIST_PUSH(a, &out->unprocessed_keys);
        again->key = name;
        again->value = left;
    }
    tell(a, &spent, in->return_consumed_capacity, &out->consumed_capacity);
    return r;
}

static int get(struct data_call *d, struct item_tx *tx, struct error *err)
{
    struct dynamodb_batch_get_item_output *out = d->call->out;
    struct seen seen = {.n = 0};
    struct batch_get b = {.d = d, .tx = tx, .seen = &seen};
    int r = 0;
    out->unprocessed_keys.set = true;
    out->responses.set = true;
    for (size_t i = 0; i < d->count && r == 0; i++)
        r = get_table(&b, i, err);
    return data_invalid(d, r, err);
}

int dynamodb_batch_get_item(struct call *c,
                            const struct dynamodb_batch_get_item_input *in,
                            struct dynamodb_batch_get_item_output *out)
{
    size_t n = in->request_items.n, keys = 0;
    struct item_schema **schemas = arena_new_array(&c->arena, struct item_schema *, n);
    if (n == 0)
        return refuse(c, "The requestItems parameter is required for BatchGetItem");
    for (size_t i = 0; i < n; i++) {
        const struct item_table *t =
            item_table_require_data(c, in->request_items.v[i].key);
        keys += in->request_items.v[i].value.keys.n;
        if (!t)
            return -1;
        schemas[i] = t->schema;
    }
    if (keys > GET_MAX_KEYS)
        return refuse(c, "Too many items requested for the BatchGetItem call");
    for (size_t i = 0; i < n; i++)
        item_schema_ref(schemas[i]);
    return data_read_all(c, schemas, n, get);
}

/* ---- BatchWriteItem ---- */

static int write_item(struct data_call *d, const struct dynamodb_write_request *asked,
                      const struct item_schema *s, struct seen *seen, struct item_tx *tx,
                      struct spending *spent, struct error *err)
{
    static const struct string_map no_names;
    struct arena *a = &d->call->arena;
    attribute_map no_values = {0};
    struct item_write w = {.kind = asked->put_request ? WRITE_PUT : WRITE_DELETE,
                           .schema = s,
                           .item = asked->put_request ? &asked->put_request->item
                                                      : &asked->delete_request->key,
                           .names = &no_names,
                           .values = &no_values};
    w.cost.indexes = arena_new_array(a, double, s->index_count);
    int r = item_write_parse(a, &w, err);
    if (r == 0)
        r = see(seen, a, s, &w.key, err);
    if (r == 0)
        r = item_write_run(a, &w, tx, err);
    if (r == 0)
        spending_add(spent, &w.cost, 1);
    item_write_free(&w);
    return r;
}

static int write_table(struct data_call *d, size_t at, struct seen *seen,
                       struct item_tx *tx, struct error *err)
{
    const struct dynamodb_batch_write_item_input *in = d->call->in;
    struct dynamodb_batch_write_item_output *out = d->call->out;
    const struct item_schema *s = d->schemas[at];
    struct spending spent = spending_new(&d->call->arena, s);
    int r = refuse_metrics(d, s, in->return_item_collection_metrics);
    for (size_t i = 0; i < in->request_items.v[at].value.n && r == 0; i++)
        r = write_item(d, &in->request_items.v[at].value.v[i], s, seen, tx, &spent, err);
    tell(&d->call->arena, &spent, in->return_consumed_capacity, &out->consumed_capacity);
    return r;
}

static int write(struct data_call *d, struct item_tx *tx, struct error *err)
{
    struct dynamodb_batch_write_item_output *out = d->call->out;
    struct seen seen = {.n = 0};
    int r = 0;
    out->unprocessed_items.set = true; /* nothing ever is left over */
    for (size_t i = 0; i < d->count && r == 0; i++)
        r = write_table(d, i, &seen, tx, err);
    return data_invalid(d, r, err);
}

static int check_requests(struct call *c, const struct dynamodb_write_request_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!l->v[i].put_request == !l->v[i].delete_request)
            return refuse(
                c, "Supplied WriteRequest must contain exactly one of PutRequest or "
                   "DeleteRequest");
    return 0;
}

int dynamodb_batch_write_item(struct call *c,
                              const struct dynamodb_batch_write_item_input *in,
                              struct dynamodb_batch_write_item_output *out)
{
    size_t n = in->request_items.n, items = 0;
    struct item_schema **schemas = arena_new_array(&c->arena, struct item_schema *, n);
    if (n == 0)
        return refuse(c, "The requestItems parameter is required for BatchWriteItem");
    for (size_t i = 0; i < n; i++) {
        const struct item_table *t =
            item_table_require_data(c, in->request_items.v[i].key);
        items += in->request_items.v[i].value.n;
        if (!t || check_requests(c, &in->request_items.v[i].value) < 0)
            return -1;
        schemas[i] = t->schema;
    }
    if (items > WRITE_MAX_ITEMS)
        return refuse(c, "Too many items requested for the BatchWriteItem call");
    for (size_t i = 0; i < n; i++)
        item_schema_ref(schemas[i]);
    return data_write_all(c, schemas, n, write);
}
