#include "item_view.h"

int item_view_parse_within(struct expression_scope *scope, const struct key_schema *key,
                           const char *projection, const struct string_list *attributes,
                           struct item_view *ret, struct error *err)
{
    *ret = (struct item_view){.attributes = attributes->set ? attributes : NULL};
    if (projection && ret->attributes)
        return fail(
            err, E_INVALID,
            "Can not use both expression and non-expression parameters in the same "
            "request: Non-expression parameters: {AttributesToGet} Expression "
            "parameters: {ProjectionExpression}");
    if (!projection)
        return 0;
    int r = projection_parse(scope, projection, &ret->projection, err);
    if (r == 0)
        r = projection_check_key(ret->projection, "Key", key->hash.name, err);
    if (r == 0 && key->range.name)
        r = projection_check_key(ret->projection, "Key", key->range.name, err);
    return r;
}

int item_view_parse(struct arena *a, const struct key_schema *key, const char *projection,
                    const struct string_map *names, const struct string_list *attributes,
                    struct item_view *ret, struct error *err)
{
    const struct expression_parameter parameters[] = {
        {"ProjectionExpression", projection}};
    struct expression_scope scope;
    attribute_map none = {0};
    int r = expression_begin(a, names, &none, parameters, 1, &scope, err);
    if (r == 0)
        r = item_view_parse_within(&scope, key, projection, attributes, ret, err);
    return r == 0 ? expression_end(&scope, err) : r;
}

void item_view_apply(struct arena *a, const struct item_view *v,
                     const attribute_map *item, attribute_map *ret)
{
    *ret = *item;
    if (v->projection) {
        projection_apply(a, v->projection, item, ret);
        return;
    }
    if (!v->attributes)
        return;
    *ret = (attribute_map){.set = true};
    for (size_t i = 0; i < item->n; i++)
        for (size_t k = 0; k < v->attributes->n; k++)
            if (streq(item->v[i].key, v->attributes->v[k])) {
                *LIST_PUSH(a, ret) = item->v[i];
                break;
            }
}
