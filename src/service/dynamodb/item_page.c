#include "item_page.h"

#define INVALID "One or more parameter values were invalid: "

const struct key_schema *item_page_key(const struct item_page *p)
{
    return p->index ? &p->index->key : &p->schema->key;
}

void item_page_free(struct item_page *p)
{
    key_bounds_free(&p->bounds);
}

/* ---- what may be asked ---- */

static int plan_index(struct item_page *p, const struct page_asked *asked,
                      struct error *err)
{
    if (!asked->index)
        return 0;
    p->index = item_schema_index(p->schema, asked->index);
    if (!p->index)
        return fail(err, E_INVALID, "The table does not have the specified index: %s",
                    asked->index);
    if (!p->index->filled)
        return fail(err, E_INVALID,
                    "Cannot read from backfilling global secondary index: %s",
                    asked->index);
    if (p->index->global && asked->consistent)
        return fail(err, E_INVALID,
                    "Consistent reads are not supported on global secondary indexes");
    return 0;
}

static int plan_select(struct item_page *p, const struct page_asked *asked,
                       struct error *err)
{
    bool parts = asked->projection || asked->attributes->set;
    const char *parameter =
        asked->projection ? "ProjectionExpression" : "AttributesToGet";
    static const char *const words[] = {
        [DYNAMODB_SELECT_ALL_ATTRIBUTES] = "ALL_ATTRIBUTES",
        [DYNAMODB_SELECT_ALL_PROJECTED_ATTRIBUTES] = "ALL_PROJECTED_ATTRIBUTES",
        [DYNAMODB_SELECT_COUNT_] = "only the Count",
    };
    enum dynamodb_select s = asked->select;
    if (!s)
        s = parts      ? DYNAMODB_SELECT_SPECIFIC_ATTRIBUTES
            : p->index ? DYNAMODB_SELECT_ALL_PROJECTED_ATTRIBUTES
                       : DYNAMODB_SELECT_ALL_ATTRIBUTES;
    p->select = s;
    if (parts && s != DYNAMODB_SELECT_SPECIFIC_ATTRIBUTES)
        return fail(err, E_INVALID, "Cannot specify the %s when choosing to get %s",
                    parameter, words[s]);
    if (!parts && s == DYNAMODB_SELECT_SPECIFIC_ATTRIBUTES)
        return fail(err, E_INVALID,
                    "Must specify the AttributesToGet or "
                    "ProjectionExpression when choosing to get "
                    "SPECIFIC_ATTRIBUTES");
    if (s == DYNAMODB_SELECT_ALL_PROJECTED_ATTRIBUTES && !p->index)
        return fail(err, E_INVALID,
                    "ALL_PROJECTED_ATTRIBUTES can be used only when Querying "
                    "using an IndexName");
    if (s == DYNAMODB_SELECT_ALL_ATTRIBUTES && p->index && p->index->global &&
        p->index->projection != DYNAMODB_PROJECTION_TYPE_ALL)
        return fail(err, E_INVALID,
                    INVALID
                    "Select type ALL_ATTRIBUTES is not supported for global secondary "
                    "index %s because its projection type is not ALL",
                    p->index->name);
    return 0;
}

int item_page_plan(struct item_page *p, const struct page_asked *asked, struct error *err)
{
    p->consistent = asked->consistent;
    int r = plan_index(p, asked, err);
    return r == 0 ? plan_select(p, asked, err) : r;
}

static int not_projected(const struct item_page *p, const char *name, struct error *err)
{
    return item_index_has(p->schema, p->index, name)
               ? 0
               : fail(err, E_INVALID,
                      INVALID "Global secondary index %s does not project [%s]",
                      p->index->name, name);
}

int item_page_check_view(const struct item_page *p, struct error *err)
{
    int r = 0;
    if (!p->index || !p->index->global)
        return 0; /* what a local index lacks is read from the table */
    for (size_t i = 0; p->view.projection && i < p->view.projection->n && r == 0; i++)
        r = not_projected(p, p->view.projection->paths[i].steps[0].name, err);
    for (size_t i = 0; p->view.attributes && i < p->view.attributes->n && r == 0; i++)
        r = not_projected(p, p->view.attributes->v[i], err);
    return r;
}

/* ---- where it begins ---- */

int item_page_start(struct item_page *p, attribute_map *start, const char *outside,
                    struct error *err)
{
    AUTO_STR row = STR_INIT;
    if (!start->set)
        return 0;
    int r = item_key_check_start(p->arena, p->schema, p->index, start, err);
    if (r < 0)
        return r;
    if (p->index)
        index_key_add(p->schema, p->index, start, &row);
    else
        item_key_add(&p->schema->key, start, &row);
    return key_bounds_after(&p->bounds, &row, p->backward)
               ? 0
               : fail(err, E_INVALID, "%s", outside);
}

static void last_add(const struct item_page *p, const struct key_attribute *k,
                     attribute_map *ret)
{
    const attribute_value *v = k->name ? item_get(&p->last, k->name) : NULL;
    if (v && !item_get(ret, k->name))
        item_set(p->arena, ret, k->name, v);
}

void item_page_last(const struct item_page *p, attribute_map *ret)
{
    if (!p->more)
        return;
    last_add(p, &p->schema->key.hash, ret);
    last_add(p, &p->schema->key.range, ret);
    if (p->index) {
        last_add(p, &p->index->key.hash, ret);
        last_add(p, &p->index->key.range, ret);
    }
}

/* ---- reading ---- */

/* Has the reader of a local index to see what only the table has? */
static bool fetches(const struct item_page *p)
{
    if (!p->index || p->index->global ||
        p->index->projection == DYNAMODB_PROJECTION_TYPE_ALL)
        return false;
    if (p->select == DYNAMODB_SELECT_ALL_ATTRIBUTES)
        return true;
    for (size_t i = 0; p->view.projection && i < p->view.projection->n; i++)
        if (!item_index_has(p->schema, p->index,
                            p->view.projection->paths[i].steps[0].name))
            return true;
    for (size_t i = 0; p->view.attributes && i < p->view.attributes->n; i++)
        if (!item_index_has(p->schema, p->index, p->view.attributes->v[i]))
            return true;
    return false;
}

/* One item is looked at. 1: the page is full, and it is not in it. */
static int look(struct item_page *p, const attribute_map *whole)
{
    attribute_map item = *whole, wanted;
    size_t size =
        p->index ? item_row_projected_size(p->schema, p->index, whole) : item_size(whole);
    if (p->scanned && p->size + size > PAGE_MAX_SIZE) {
        p->more = true;
        return 1;
    }
    if (fetches(p))
        p->fetched += read_units(item_size(whole), p->consistent);
    else if (p->index)
        item_row_project(p->arena, p->schema, p->index, whole, &item);
    p->size += size;
    p->scanned++;
    p->last = *whole;
    if (p->filter && !condition_holds(p->filter, &item))
        return 0;
    p->count++;
    if (p->select == DYNAMODB_SELECT_COUNT_)
        return 0;
    item_view_apply(p->arena, &p->view, &item, &wanted);
    wanted.set = true;
    *LIST_PUSH(p->arena, &p->items) = wanted;
    return 0;
}

static int visit(void *ctx, struct item_bytes key, struct item_bytes value,
                 struct error *err)
{
    struct item_page *p = ctx;
    attribute_map item;
    int r = p->index ? item_row_read(p->tx, p->schema, index_key_item(key), p->arena,
                                     &item, err)
                     : item_row_decode(p->arena, value, &item, err);
    if (r == -E_NOTFOUND && p->index)
        return fail(err, E_CORRUPT,
                    "index %s of table %s tells of an item that is not there",
                    p->index->name, p->schema->name);
    if (r == 0)
        r = look(p, &item);
    if (r == 0 && p->limit && p->scanned == p->limit) {
        p->more = true;
        return 1;
    }
    return r;
}

int item_page_read(struct item_page *p, struct item_tx *tx, struct error *err)
{
    const struct item_range range = {
        .space = p->index ? p->index->space : p->schema->space,
        .from = {(const uint8_t *)p->bounds.from.data, p->bounds.from.len},
        .to = {(const uint8_t *)p->bounds.to.data, p->bounds.to.len},
        .backward = p->backward,
        .entries = p->index != NULL,
    };
    p->tx = tx;
    p->items.set = p->select != DYNAMODB_SELECT_COUNT_;
    return rows_walk(tx, &range, visit, p, err);
}

void item_page_spent(const struct item_page *p, struct spending *ret)
{
    double units = read_units(p->size, p->consistent);
    *ret = spending_new(p->arena, p->schema);
    ret->table = p->index ? p->fetched : units;
    if (p->index)
        ret->indexes[p->index - p->schema->indexes] = units;
}
