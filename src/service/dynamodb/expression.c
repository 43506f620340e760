#include "expression.h"

#include <ctype.h>

static bool any_given(const struct expression_parameter *p, size_t count, bool values)
{
    for (size_t i = 0; i < count; i++)
        if (p[i].text && !(values && streq(p[i].name, "ProjectionExpression")))
            return true;
    return false;
}

static int without_expression(const struct expression_parameter *p, size_t count,
                              struct error *err)
{
    AUTO_STR names = STR_INIT;
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!streq(p[i].name, "ProjectionExpression"))
            str_addf(&names, "%s%s", n++ ? " and " : "", p[i].name);
    return fail(
        err, E_INVALID,
        "ExpressionAttributeValues can only be specified when using expressions: %s "
        "%s null",
        str_text(&names), n > 1 ? "are" : "is");
}

static bool is_placeholder(const char *key, char sign)
{
    if (*key++ != sign || !*key)
        return false;
    while (isalnum((unsigned char)*key) || *key == '_')
        key++;
    return !*key;
}

static int names_check(const struct string_map *names, struct error *err)
{
    if (names->n == 0)
        return fail(err, E_INVALID, "ExpressionAttributeNames must not be empty");
    for (size_t i = 0; i < names->n; i++) {
        if (!is_placeholder(names->v[i].key, '#'))
            return fail(
                err, E_INVALID,
                "ExpressionAttributeNames contains invalid key: Syntax error; key: "
                "\"%s\"",
                names->v[i].key);
        if (str_empty(names->v[i].value))
            return fail(
                err, E_INVALID,
                "ExpressionAttributeNames contains invalid value: Empty attribute "
                "name for key %s",
                names->v[i].key);
    }
    return 0;
}

static int values_check(struct arena *a, attribute_map *values, struct error *err)
{
    struct error why = ERROR_INIT;
    if (values->n == 0)
        return fail(err, E_INVALID, "ExpressionAttributeValues must not be empty");
    for (size_t i = 0; i < values->n; i++)
        if (!is_placeholder(values->v[i].key, ':'))
            return fail(
                err, E_INVALID,
                "ExpressionAttributeValues contains invalid key: Syntax error; key: "
                "\"%s\"",
                values->v[i].key);
    for (size_t i = 0; i < values->n; i++)
        if (attribute_validate(a, &values->v[i].value, &why) < 0)
            return fail(err, E_INVALID,
                        "ExpressionAttributeValues contains invalid value: %s for key %s",
                        why.text, values->v[i].key);
    return 0;
}

int expression_begin(struct arena *a, const struct string_map *names,
                     attribute_map *values, const struct expression_parameter *parameters,
                     size_t count, struct expression_scope *ret, struct error *err)
{
    int r = 0;
    if (names->set && !any_given(parameters, count, false))
        return fail(
            err, E_INVALID,
            "ExpressionAttributeNames can only be specified when using expressions");
    if (values->set && !any_given(parameters, count, true))
        return without_expression(parameters, count, err);
    if (names->set)
        r = names_check(names, err);
    if (r == 0 && values->set)
        r = values_check(a, values, err);
    if (r < 0)
        return r;
    *ret = (struct expression_scope){.arena = a,
                                     .names = names,
                                     .values = values,
                                     .name_used = arena_new_array(a, bool, names->n),
                                     .value_used = arena_new_array(a, bool, values->n)};
    return 0;
}

static int refuse_unused(const char *parameter, const struct str *keys, struct error *err)
{
    return fail(err, E_INVALID, "Value provided in %s unused in expressions: keys: {%s}",
                parameter, keys->data);
}

int expression_end(const struct expression_scope *scope, struct error *err)
{
    AUTO_STR names = STR_INIT;
    AUTO_STR values = STR_INIT;
    for (size_t i = 0; i < scope->names->n; i++)
        if (!scope->name_used[i])
            str_addf(&names, "%s%s", names.len ? ", " : "", scope->names->v[i].key);
    for (size_t i = 0; i < scope->values->n; i++)
        if (!scope->value_used[i])
            str_addf(&values, "%s%s", values.len ? ", " : "", scope->values->v[i].key);
    if (names.len)
        return refuse_unused("ExpressionAttributeNames", &names, err);
    if (values.len)
        return refuse_unused("ExpressionAttributeValues", &values, err);
    return 0;
}
