/* Query and Scan. */
#include "data_call.h"
#include "item_page.h"
#include "legacy.h"
#include "refusals.h"

/* ---- what the two have in common ---- */

/* What both answers have. */
struct page_answer {
    struct dynamodb_attribute_map_list *items;
    struct opt_int *count, *scanned;
    attribute_map *last;
    struct dynamodb_consumed_capacity **capacity;
};

static void answer(struct item_page *p, enum dynamodb_return_consumed_capacity asked,
                   const struct page_answer *ret)
{
    *ret->items = p->items;
    *ret->count = SET_INT((int32_t)p->count);
    *ret->scanned = SET_INT((int32_t)p->scanned);
    item_page_last(p, ret->last);
    if (!spending_asked(asked))
        return;
    struct spending spent;
    item_page_spent(p, &spent);
    *ret->capacity = arena_new(p->arena, struct dynamodb_consumed_capacity);
    spending_tell(p->arena, &spent, asked, SPENT, *ret->capacity);
}

/* What is said of keys is said in the key condition. */
static int check_filter(const struct item_page *p, const char *parameter,
                        struct error *err)
{
    const struct key_schema *key = item_page_key(p);
    const char *bad = NULL;
    if (!p->filter)
        return 0;
    if (condition_names(p->filter, key->hash.name))
        bad = key->hash.name;
    else if (key->range.name && condition_names(p->filter, key->range.name))
        bad = key->range.name;
    return bad ? fail(err, E_INVALID,
                      "%s can only contain non-primary key attributes: Primary key "
                      "attribute: %s",
                      parameter, bad)
               : 0;
}

/* ---- Query ---- */

/* KeyConditions may stand beside expressions, as long as it is not told twice. */
static int query_check_alone(const struct dynamodb_query_input *in, struct error *err)
{
    const struct expression_parameter legacy[] = {
        {"QueryFilter", in->query_filter.set ? "" : NULL},
        {"ConditionalOperator", in->conditional_operator ? "" : NULL},
        {"KeyConditions",
         in->key_conditions.set && in->key_condition_expression ? "" : NULL},
    };
    const struct expression_parameter expressions[] = {
        {"ProjectionExpression", in->projection_expression},
        {"FilterExpression", in->filter_expression},
        {"KeyConditionExpression", in->key_condition_expression},
    };
    return legacy_check_alone(legacy, 3, expressions, 3, err);
}

static int query_parse(struct item_page *p, const struct dynamodb_query_input *in,
                       struct key_range *ret, struct error *err)
{
    const struct expression_parameter parameters[] = {
        {"ProjectionExpression", in->projection_expression},
        {"FilterExpression", in->filter_expression},
        {"KeyConditionExpression", in->key_condition_expression},
    };
    struct expression_scope scope;
    const struct key_condition *key = NULL;
    int r = expression_begin(p->arena, &in->expression_attribute_names,
                             (attribute_map *)(uintptr_t)&in->expression_attribute_values,
                             parameters, 3, &scope, err);
    if (r == 0)
        r = query_check_alone(in, err);
    if (r == 0)
        r = in->key_condition_expression
                ? key_condition_parse(&scope, in->key_condition_expression, &key, err)
                : legacy_key_conditions(p->arena, &in->key_conditions, &key, err);
    if (r == 0 && in->filter_expression)
        r = condition_parse(&scope, "FilterExpression", in->filter_expression, &p->filter,
                            err);
    if (r == 0)
        r = item_view_parse_within(&scope, &p->schema->key, in->projection_expression,
                                   &in->attributes_to_get, &p->view, err);
    if (r == 0)
        r = expression_end(&scope, err);
    if (r == 0 && !p->filter)
        r = legacy_filter(p->arena, &in->query_filter, in->conditional_operator,
                          &p->filter, err);
    if (r == 0)
        r = key_condition_bind(key, item_page_key(p), ret, err);
    return r == 0
               ? check_filter(
                     p, in->filter_expression ? "Filter Expression" : "QueryFilter", err)
               : r;
}

static int query_plan(struct item_page *p, const struct dynamodb_query_input *in,
                      struct error *err)
{
    const struct page_asked asked = {.index = in->index_name,
                                     .projection = in->projection_expression,
                                     .filter = in->filter_expression,
                                     .attributes = &in->attributes_to_get,
                                     .select = in->select,
                                     .consistent = in->consistent_read.v};
    struct key_range range;
    p->backward = in->scan_index_forward.set && !in->scan_index_forward.v;
    p->limit = (size_t)in->limit.v;
    int r = item_page_plan(p, &asked, err);
    if (r == 0)
        r = query_parse(p, in, &range, err);
    if (r == 0)
        r = item_page_check_view(p, err);
    if (r < 0)
        return r;
    key_bounds_query(&range, &p->bounds);
    return item_page_start(
        p, (attribute_map *)(uintptr_t)&in->exclusive_start_key,
        "The provided starting key is outside query boundaries based on "
        "provided conditions",
        err);
}

static int query(struct data_call *d, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_query_input *in = d->call->in;
    struct dynamodb_query_output *out = d->call->out;
    struct item_page p = {.arena = &d->call->arena, .schema = d->schemas[0]};
    const struct page_answer ret = {&out->items, &out->count, &out->scanned_count,
                                    &out->last_evaluated_key, &out->consumed_capacity};
    int r = query_plan(&p, in, err);
    if (r == 0)
        r = item_page_read(&p, tx, err);
    if (r == 0)
        answer(&p, in->return_consumed_capacity, &ret);
    item_page_free(&p);
    return data_invalid(d, r, err);
}

int dynamodb_query(struct call *c, const struct dynamodb_query_input *in,
                   struct dynamodb_query_output *out)
{
    if (!in->key_condition_expression && !in->key_conditions.set)
        return refuse(
            c, "Either the KeyConditions or KeyConditionExpression parameter must be "
               "specified in the request.");
    return data_read(c, in->table_name, query);
}

/* ---- Scan ---- */

static int scan_check_alone(const struct dynamodb_scan_input *in, struct error *err)
{
    const struct expression_parameter legacy[] = {
        {"ScanFilter", in->scan_filter.set ? "" : NULL},
        {"ConditionalOperator", in->conditional_operator ? "" : NULL},
    };
    const struct expression_parameter expressions[] = {
        {"ProjectionExpression", in->projection_expression},
        {"FilterExpression", in->filter_expression},
    };
    return legacy_check_alone(legacy, 2, expressions, 2, err);
}

static int scan_parse(struct item_page *p, const struct dynamodb_scan_input *in,
                      struct error *err)
{
    const struct expression_parameter parameters[] = {
        {"ProjectionExpression", in->projection_expression},
        {"FilterExpression", in->filter_expression},
    };
    struct expression_scope scope;
    int r = expression_begin(p->arena, &in->expression_attribute_names,
                             (attribute_map *)(uintptr_t)&in->expression_attribute_values,
                             parameters, 2, &scope, err);
    if (r == 0 && in->filter_expression)
        r = condition_parse(&scope, "FilterExpression", in->filter_expression, &p->filter,
                            err);
    if (r == 0)
        r = item_view_parse_within(&scope, &p->schema->key, in->projection_expression,
                                   &in->attributes_to_get, &p->view, err);
    if (r == 0)
        r = expression_end(&scope, err);
    if (r == 0)
        r = scan_check_alone(in, err);
    if (r == 0 && !p->filter)
        r = legacy_filter(p->arena, &in->scan_filter, in->conditional_operator,
                          &p->filter, err);
    return r;
}

static int scan_plan(struct item_page *p, const struct dynamodb_scan_input *in,
                     struct error *err)
{
    const struct page_asked asked = {.index = in->index_name,
                                     .projection = in->projection_expression,
                                     .filter = in->filter_expression,
                                     .attributes = &in->attributes_to_get,
                                     .select = in->select,
                                     .consistent = in->consistent_read.v};
    uint32_t total = in->total_segments.set ? (uint32_t)in->total_segments.v : 1;
    p->limit = (size_t)in->limit.v;
    int r = item_page_plan(p, &asked, err);
    if (r == 0)
        r = scan_parse(p, in, err);
    if (r == 0)
        r = item_page_check_view(p, err);
    if (r < 0)
        return r;
    key_bounds_scan((uint32_t)in->segment.v, total, &p->bounds);
    const char *outside = arena_printf(
        p->arena,
        "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use "
        "ExclusiveStartKey with correct Segment. TotalSegments: %u Segment: %d",
        total, in->segment.v);
    return item_page_start(p, (attribute_map *)(uintptr_t)&in->exclusive_start_key,
                           outside, err);
}

static int scan(struct data_call *d, struct item_tx *tx, struct error *err)
{
    const struct dynamodb_scan_input *in = d->call->in;
    struct dynamodb_scan_output *out = d->call->out;
    struct item_page p = {.arena = &d->call->arena, .schema = d->schemas[0]};
    const struct page_answer ret = {&out->items, &out->count, &out->scanned_count,
                                    &out->last_evaluated_key, &out->consumed_capacity};
    int r = scan_plan(&p, in, err);
    if (r == 0)
        r = item_page_read(&p, tx, err);
    if (r == 0)
        answer(&p, in->return_consumed_capacity, &ret);
    item_page_free(&p);
    return data_invalid(d, r, err);
}

static int check_segments(struct call *c, const struct dynamodb_scan_input *in)
{
    if (in->segment.set && !in->total_segments.set)
        return refuse(
            c, "The TotalSegments parameter is required but was not present in the "
               "request when Segment parameter is present");
    if (in->total_segments.set && !in->segment.set)
        return refuse(
            c, "The Segment parameter is required but was not present in the request "
               "when parameter TotalSegments is present");
    if (in->segment.set && in->segment.v >= in->total_segments.v)
        return refuse(
            c,
            "The Segment parameter is zero-based and must be less than parameter "
            "TotalSegments: Segment: %d is not less than TotalSegments: %d",
            in->segment.v, in->total_segments.v);
    return 0;
}

int dynamodb_scan(struct call *c, const struct dynamodb_scan_input *in,
                  struct dynamodb_scan_output *out)
{
    if (check_segments(c, in) < 0)
        return -1;
    return data_read(c, in->table_name, scan);
}
