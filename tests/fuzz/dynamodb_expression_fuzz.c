/* dynamodb_expression_fuzz.c: expressions from outside, each read as all that it could be.
 * A condition and its negation never agree; an update gives an item that is valid. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "condition.h"
#include "key_condition.h"
#include "projection.h"
#include "update.h"

static const char request[] =
    "{\"Item\":{\"a\":{\"S\":\"hello\"},\"n\":{\"N\":\"10\"},\"b\":{\"B\":\"AAEC\"},"
    "\"s\":{\"SS\":[\"x\",\"y\"]},\"l\":{\"L\":[{\"S\":\"p\"},{\"M\":{\"x\":{\"N\":\"1\"}"
    "}}]},"
    "\"m\":{\"M\":{\"x\":{\"N\":\"1\"},\"l\":{\"L\":[{\"S\":\"q\"},{\"SS\":[\"x\"]}]}}}},"
    "\"ExpressionAttributeNames\":{\"#a\":\"a\",\"#m\":\"m\"},"
    "\"ExpressionAttributeValues\":{\":s\":{\"S\":\"h\"},\":n\":{\"N\":\"2\"},"
    "\":m\":{\"N\":\"9e125\"},\":b\":{\"B\":\"AA==\"},\":x\":{\"SS\":[\"x\"]},"
    "\":l\":{\"L\":[{\"S\":\"z\"}]},\":t\":{\"S\":\"SS\"},\":y\":{\"BOOL\":true}}}";

static const struct key_schema schema = {{"a", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S},
                                         {"n", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_N}};

static bool holds(struct expression_scope *scope, const char *text,
                  const attribute_map *item, bool *ret)
{
    const struct condition *c = NULL;
    struct error err = ERROR_INIT;
    if (condition_parse(scope, "FilterExpression", text, &c, &err) < 0) {
        assert(!c && err.code == E_INVALID && err.text[0]);
        return false;
    }
    *ret = condition_holds(c, item);
    condition_holds(c, NULL);
    return true;
}

static void try_condition(struct expression_scope *scope, const char *text,
                          const attribute_map *item)
{
    AUTO_STR negated = STR_INIT;
    bool yes, no;
    str_addf(&negated, "not (%s)", text);
    if (holds(scope, text, item, &yes) && holds(scope, negated.data, item, &no))
        assert(yes != no);
}

static void try_update(struct expression_scope *scope, const char *text,
                       const attribute_map *item)
{
    const struct update *u = NULL;
    struct error err = ERROR_INIT;
    attribute_map got, part;
    if (update_parse(scope, text, &u, &err) < 0 ||
        update_apply(scope->arena, u, item, &got, &err) < 0) {
        assert(err.code == E_INVALID && err.text[0]);
        return;
    }
    assert(item_validate(scope->arena, &got, &err) == 0);
    assert(item_size(&got) <= ITEM_SIZE_MAX);
    projection_apply(scope->arena, update_paths(u), &got, &part);
    assert(item_size(&part) <= item_size(&got));
}

static void try_others(struct expression_scope *scope, const char *text,
                       const attribute_map *item)
{
    const struct projection *p = NULL;
    const struct key_condition *k = NULL;
    struct key_range range;
    struct error err = ERROR_INIT;
    attribute_map part;
    if (projection_parse(scope, text, &p, &err) == 0) {
        projection_apply(scope->arena, p, item, &part);
        assert(item_size(&part) <= item_size(item));
    }
    if (key_condition_parse(scope, text, &k, &err) == 0 &&
        key_condition_bind(k, &schema, &range, &err) == 0)
        key_range_holds(&range, item_get(item, "n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct expression_parameter any = {"FilterExpression", "x"};
    AUTO_ARENA a = ARENA_INIT;
    struct expression_scope scope;
    struct wire_error e;
    void *out = NULL;
    const char *text = arena_strndup(&a, (const char *)data, size);
    int r = wire_json_decode(&a, &dynamodb_put_item_input_shape, request,
                             sizeof(request) - 1, true, &out, &e);
    assert(r == 0);
    struct dynamodb_put_item_input *in = out;
    r = expression_begin(&a, &in->expression_attribute_names,
                         &in->expression_attribute_values, &any, 1, &scope, NULL);
    assert(r == 0);
    try_condition(&scope, text, &in->item);
    try_update(&scope, text, &in->item);
    try_others(&scope, text, &in->item);
    return 0;
}
