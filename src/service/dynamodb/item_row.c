#include "item_row.h"

#include "capacity.h"
#include "item_key.h"
#include "wire.h"

static struct item_bytes bytes(const struct str *s)
{
    return (struct item_bytes){(const uint8_t *)s->data, s->len};
}

/* ---- reading ---- */

int item_row_decode(struct arena *a, struct item_bytes value, attribute_map *ret,
                    struct error *err)
{
    struct wire_error why;
    void *item;
    if (wire_json_decode(a, &dynamodb_attribute_map_shape, (const char *)value.data,
                         value.size, true, &item, &why) < 0)
        return fail(err, E_CORRUPT, "an item that can't be read: %s", why.text);
    *ret = *(const attribute_map *)item;
    return 0;
}

int item_row_read(struct item_tx *tx, const struct item_schema *s, struct item_bytes key,
                  struct arena *a, attribute_map *ret, struct error *err)
{
    struct item_bytes value;
    int r = row_get(tx, s->space, key, a, &value, err);
    return r < 0 ? r : item_row_decode(a, value, ret, err);
}

/* ---- projections ---- */

size_t item_row_projected_size(const struct item_schema *s, const struct item_index *x,
                               const attribute_map *item)
{
    size_t n = 0;
    if (x->projection == DYNAMODB_PROJECTION_TYPE_ALL)
        return item_size(item);
    for (size_t i = 0; i < item->n; i++)
        if (item_index_has(s, x, item->v[i].key))
            n += strlen(item->v[i].key) + attribute_size(&item->v[i].value);
    return n;
}

void item_row_project(struct arena *a, const struct item_schema *s,
                      const struct item_index *x, const attribute_map *item,
                      attribute_map *ret)
{
    *ret = *item;
    if (x->projection == DYNAMODB_PROJECTION_TYPE_ALL)
        return;
    *ret = (attribute_map){.set = true};
    for (size_t i = 0; i < item->n; i++)
        if (item_index_has(s, x, item->v[i].key))
            *LIST_PUSH(a, ret) = item->v[i];
}

static size_t projected_count(const struct item_schema *s, const struct item_index *x,
                              const attribute_map *item)
{
    size_t n = 0;
    for (size_t i = 0; i < item->n; i++)
        n += item_index_has(s, x, item->v[i].key);
    return n;
}

static bool projected_equal(const struct item_schema *s, const struct item_index *x,
                            const attribute_map *old, const attribute_map *new)
{
    if (projected_count(s, x, old) != projected_count(s, x, new))
        return false;
    for (size_t i = 0; i < old->n; i++) {
        const char *name = old->v[i].key;
        const attribute_value *v = item_get(new, name);
        if (item_index_has(s, x, name) && (!v || !attribute_equal(&old->v[i].value, v)))
            return false;
    }
    return true;
}

/* ---- writing ---- */

/* Where an item stands in an index before and after a write. */
struct place {
    bool was, is, same;
    struct str old_key, new_key;
    int64_t old_size, new_size;
};

static void place_free(struct place *p)
{
    str_free(&p->old_key);
    str_free(&p->new_key);
}

static void place_find(struct place *p, const struct item_schema *s,
                       const struct item_index *x, const attribute_map *old,
                       const attribute_map *new)
{
    p->was = old && index_key_add(s, x, old, &p->old_key);
    p->is = new &&index_key_add(s, x, new, &p->new_key);
    p->same = p->was && p->is && p->old_key.len == p->new_key.len &&
              memcmp(p->old_key.data, p->new_key.data, p->old_key.len) == 0;
    p->old_size = p->was ? (int64_t)item_row_projected_size(s, x, old) : 0;
    p->new_size = p->is ? (int64_t)item_row_projected_size(s, x, new) : 0;
}

/* While an index is being filled, an item may not be in it yet: what the rows say counts. */
static int place_move(struct item_tx *tx, const struct item_index *x,
                      const struct place *p, struct item_totals *more, struct error *err)
{
    int r = 0;
    if (p->same && x->filled) {
        more->bytes = p->new_size - p->old_size;
        return 0;
    }
    if (p->was) {
        r = entry_remove(tx, x->space, bytes(&p->old_key), err);
        if (r > 0) {
            more->rows--;
            more->bytes -= p->old_size;
        }
    }
    if (r >= 0 && p->is) {
        r = entry_put(tx, x->space, bytes(&p->new_key), err);
        if (r > 0) {
            more->rows++;
            more->bytes += p->new_size;
        }
    }
    return r < 0 ? r : 0;
}

/* A row that moves is removed and written: two writes. */
static double place_cost(const struct item_schema *s, const struct item_index *x,
                         const struct place *p, const attribute_map *old,
                         const attribute_map *new)
{
    if (p->same && old && new) /* which it means */
        return projected_equal(s, x, old, new)
                   ? 0
                   : write_units(
                         (size_t)(p->old_size > p->new_size ? p->old_size : p->new_size));
    return (p->was ? write_units((size_t)p->old_size) : 0) +
           (p->is ? write_units((size_t)p->new_size) : 0);
}

static int write_index(struct item_tx *tx, const struct item_schema *s,
                       const struct item_index *x, const attribute_map *old,
                       const attribute_map *new, double *cost, struct error *err)
{
    struct item_totals more = {0};
    struct place p = {0};
    place_find(&p, s, x, old, new);
    int r = place_move(tx, x, &p, &more, err);
    if (r == 0)
        r = totals_add(tx, x->space, &more, err);
    if (cost)
        *cost = place_cost(s, x, &p, old, new);
    place_free(&p);
    return r;
}

static int write_expiry(struct item_tx *tx, const struct item_schema *s,
                        const attribute_map *old, const attribute_map *new,
                        struct error *err)
{
    AUTO_STR before = STR_INIT;
    AUTO_STR after = STR_INIT;
    int r = 0;
    if (!s->expiry_attribute)
        return 0;
    if (old && expiry_key_add(s, old, &before))
        r = entry_remove(tx, s->expiry_space, bytes(&before), err);
    if (r >= 0 && new &&expiry_key_add(s, new, &after))
        r = entry_put(tx, s->expiry_space, bytes(&after), err);
    return r < 0 ? r : 0;
}

static int write_item(struct item_tx *tx, const struct item_schema *s,
                      struct item_bytes key, const attribute_map *new, struct error *err)
{
    AUTO_STR json = STR_INIT;
    if (!new) {
        int r = row_remove(tx, s->space, key, err);
        return r < 0 ? r : 0;
    }
    wire_json_encode(&json, &dynamodb_attribute_map_shape, new);
    return row_put(tx, s->space, key, bytes(&json), err);
}

int item_row_write(struct item_tx *tx, const struct item_schema *s, struct item_bytes key,
                   const attribute_map *old, const attribute_map *new,
                   struct write_cost *cost, struct error *err)
{
    size_t before = old ? item_size(old) : 0, after = new ? item_size(new) : 0;
    const struct item_totals more = {.rows = !!new - !!old,
                                     .bytes = (int64_t)after - (int64_t)before};
    cost->table = write_units(before > after ? before : after);
    if (!old && !new)
        return 0;
    int r = write_item(tx, s, key, new, err);
    if (r == 0)
        r = totals_add(tx, s->space, &more, err);
    for (size_t i = 0; i < s->index_count && r == 0; i++)
        r = write_index(tx, s, &s->indexes[i], old, new,
                        cost->indexes ? &cost->indexes[i] : NULL, err);
    return r == 0 ? write_expiry(tx, s, old, new, err) : r;
}

int item_row_enter(struct item_tx *tx, const struct item_schema *s,
                   const struct item_index *x, const attribute_map *item,
                   struct error *err)
{
    AUTO_STR key = STR_INIT;
    if (!x)
        return write_expiry(tx, s, NULL, item, err);
    if (!index_key_add(s, x, item, &key))
        return 0;
    int r = entry_put(tx, x->space, bytes(&key), err);
    if (r <= 0)
        return r;
    const struct item_totals more = {
        .rows = 1, .bytes = (int64_t)item_row_projected_size(s, x, item)};
    return totals_add(tx, x->space, &more, err);
}
