/* items.h: items for the tests of this folder, written as JSON with ' for ".
 * Owns: all lies in the caller's arena. Threads: one. Fails: the test. */
#pragma once

#include "unit.h"

#include <string.h>

#include "expression.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The members that any operation has: Item, ExpressionAttributeNames, …Values. */
static inline struct dynamodb_put_item_input *items_read(struct arena *a, const char *json)
{
    char *text = arena_strdup(a, json);
    void *in = NULL;
    struct wire_error e = {0};
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    if (wire_json_decode(a, &dynamodb_put_item_input_shape, text, strlen(text), true, &in,
                         &e) < 0)
        fail_msg("%s: %s", json, e.text);
    return in;
}

/* "{'a': {'S': 'x'}}" */
static inline attribute_map *item_read(struct arena *a, const char *json)
{
    return &items_read(a, arena_printf(a, "{'Item': %s}", json))->item;
}

static inline attribute_value *value_read(struct arena *a, const char *json)
{
    return &item_read(a, arena_printf(a, "{'v': %s}", json))->v[0].value;
}

/* As JSON with ' for ", members in their order. */
static inline const char *item_text(struct arena *a, const attribute_map *item)
{
    struct dynamodb_put_item_input in = {.item = *item};
    AUTO_STR out = STR_INIT;
    in.item.set = true;
    wire_json_encode(&out, &dynamodb_put_item_input_shape, &in);
    for (char *p = out.data; *p; p++)
        if (*p == '"')
            *p = '\'';
    /* {'Item':…} */
    return arena_strndup(a, out.data + 8, out.len - 9);
}

static inline struct expression_scope scope_of(struct arena *a,
                                               struct dynamodb_put_item_input *in)
{
    static const struct expression_parameter any = {"ConditionExpression", "x"};
    struct expression_scope scope;
    struct error err = ERROR_INIT;
    if (expression_begin(a, &in->expression_attribute_names,
                         &in->expression_attribute_values, &any, 1, &scope, &err) < 0)
        fail_msg("%s", err.text);
    return scope;
}
