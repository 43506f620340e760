#include "capacity.h"

#define READ_BYTES  4096
#define WRITE_BYTES 1024

static double units(size_t bytes, size_t unit)
{
    size_t n = (bytes + unit - 1) / unit;
    return n ? (double)n : 1;
}

double write_units(size_t bytes)
{
    return units(bytes, WRITE_BYTES);
}

double read_units(size_t bytes, bool consistent)
{
    return units(bytes, READ_BYTES) * (consistent ? 1 : 0.5);
}

struct spending spending_new(struct arena *a, const struct item_schema *s)
{
    return (struct spending){.schema = s,
                             .indexes = arena_new_array(a, double, s->index_count)};
}

void spending_add(struct spending *s, const struct write_cost *cost, double times)
{
    s->table += cost->table * times;
    for (size_t i = 0; cost->indexes && i < s->schema->index_count; i++)
        s->indexes[i] += cost->indexes[i] * times;
}

bool spending_asked(enum dynamodb_return_consumed_capacity asked)
{
    return asked == DYNAMODB_RETURN_CONSUMED_CAPACITY_TOTAL ||
           asked == DYNAMODB_RETURN_CONSUMED_CAPACITY_INDEXES;
}

static struct dynamodb_capacity capacity(double n, enum spending_kind kind)
{
    struct dynamodb_capacity c = {.capacity_units = SET_DOUBLE(n)};
    if (kind == SPENT_READING)
        c.read_capacity_units = SET_DOUBLE(n);
    if (kind == SPENT_WRITING)
        c.write_capacity_units = SET_DOUBLE(n);
    return c;
}

static void tell_indexes(struct arena *a, const struct spending *s,
                         enum spending_kind kind, struct dynamodb_consumed_capacity *ret)
{
    ret->table = arena_new(a, struct dynamodb_capacity);
    *ret->table = capacity(s->table, kind);
    for (size_t i = 0; i < s->schema->index_count; i++) {
        const struct item_index *x = &s->schema->indexes[i];
        if (s->indexes[i] <= 0)
            continue;
        struct dynamodb_capacity_map *m =
            x->global ? &ret->global_secondary_indexes : &ret->local_secondary_indexes;
        *LIST_PUSH(a, m) =
            (struct dynamodb_capacity_map_entry){x->name, capacity(s->indexes[i], kind)};
    }
}

void spending_tell(struct arena *a, const struct spending *s,
                   enum dynamodb_return_consumed_capacity asked, enum spending_kind kind,
                   struct dynamodb_consumed_capacity *ret)
{
    double all = s->table;
    for (size_t i = 0; i < s->schema->index_count; i++)
        all += s->indexes[i];
    struct dynamodb_capacity total = capacity(all, kind);
    *ret = (struct dynamodb_consumed_capacity){
        .table_name = s->schema->name,
        .capacity_units = total.capacity_units,
        .read_capacity_units = total.read_capacity_units,
        .write_capacity_units = total.write_capacity_units,
    };
    if (asked == DYNAMODB_RETURN_CONSUMED_CAPACITY_INDEXES)
        tell_indexes(a, s, kind, ret);
}
