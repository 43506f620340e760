/* How much a table and its indexes hold, as its description tells: read where the items are. */
#include "data_call.h"

/* The answers of CreateTable, DescribeTable, UpdateTable and DeleteTable are one pointer. */
static struct dynamodb_table_description *answer_of(const struct call *c)
{
    return *(struct dynamodb_table_description **)c->out;
}

static void count_local(struct dynamodb_table_description *t, const char *name,
                        const struct item_totals *n)
{
    for (size_t i = 0; i < t->local_secondary_indexes.n; i++) {
        struct dynamodb_local_secondary_index_description *x =
            &t->local_secondary_indexes.v[i];
        if (streq(x->index_name, name)) {
            x->item_count = SET_LONG(n->rows);
            x->index_size_bytes = SET_LONG(n->bytes);
        }
    }
}

static void count_global(struct dynamodb_table_description *t, const char *name,
                         const struct item_totals *n)
{
    for (size_t i = 0; i < t->global_secondary_indexes.n; i++) {
        struct dynamodb_global_secondary_index_description *x =
            &t->global_secondary_indexes.v[i];
        if (streq(x->index_name, name)) {
            x->item_count = SET_LONG(n->rows);
            x->index_size_bytes = SET_LONG(n->bytes);
        }
    }
}

static int count(struct data_call *d, struct item_tx *tx, struct error *err)
{
    struct dynamodb_table_description *t = answer_of(d->call);
    const struct item_schema *s = d->schemas[0];
    struct item_totals n;
    int r = totals_get(tx, s->space, &n, err);
    if (r < 0)
        return r;
    t->item_count = SET_LONG(n.rows);
    t->table_size_bytes = SET_LONG(n.bytes);
    for (size_t i = 0; i < s->index_count; i++) {
        const struct item_index *x = &s->indexes[i];
        r = totals_get(tx, x->space, &n, err);
        if (r < 0)
            return r;
        if (x->global)
            count_global(t, x->name, &n);
        else
            count_local(t, x->name, &n);
    }
    return 0;
}

void table_describe(struct call *c, const struct item_table *t,
                    struct dynamodb_table_description **ret)
{
    struct item_schema **schema = arena_new(&c->arena, struct item_schema *);
    *schema = item_schema_ref(t->schema);
    *ret = t->rec->table;
    data_read_all(c, schema, 1, count);
}
