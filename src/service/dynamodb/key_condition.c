#include "key_condition.h"

#include "condition_tree.h"

struct key_part {
    const char *name;
    enum key_comparison comparison;
    const attribute_value *values[2];
};

struct key_condition {
    struct key_part parts[2];
    size_t n; /* may be more than there is room for, and is refused then */
};

/* ---- parsing ---- */

/* Conditions that no index can be asked. */
static const char *unusable(const struct condition *c)
{
    switch (c->kind) {
    case CONDITION_OR:
    case CONDITION_NOT:
    case CONDITION_IN:
        return c->name;
    case CONDITION_COMPARE:
        return c->comparison == COMPARE_NOT_EQUAL ? c->name : NULL;
    case CONDITION_FUNCTION:
        return c->function == FUNCTION_BEGINS_WITH ? NULL : c->name;
    default:
        return NULL;
    }
}

static enum key_comparison comparison_of(const struct condition *c, bool turned)
{
    static const enum key_comparison as_is[] = {
        [COMPARE_EQUAL] = KEY_EQUAL,
        [COMPARE_LESS] = KEY_LESS,
        [COMPARE_LESS_EQUAL] = KEY_LESS_EQUAL,
        [COMPARE_GREATER] = KEY_GREATER,
        [COMPARE_GREATER_EQUAL] = KEY_GREATER_EQUAL,
    };
    static const enum key_comparison the_other_way[] = {
        [COMPARE_EQUAL] = KEY_EQUAL,
        [COMPARE_LESS] = KEY_GREATER,
        [COMPARE_LESS_EQUAL] = KEY_GREATER_EQUAL,
        [COMPARE_GREATER] = KEY_LESS,
        [COMPARE_GREATER_EQUAL] = KEY_LESS_EQUAL,
    };
    if (c->kind == CONDITION_BETWEEN)
        return KEY_BETWEEN;
    if (c->kind == CONDITION_FUNCTION)
        return KEY_BEGINS_WITH;
    return turned ? the_other_way[c->comparison] : as_is[c->comparison];
}

static int check_operands(const struct condition *c, struct error *err)
{
    size_t paths = 0;
    if (c->kind != CONDITION_COMPARE && c->args[0].kind != OPERAND_PATH)
        return fail(
            err, E_INVALID,
            "Invalid condition in KeyConditionExpression: %s operator must have the "
            "key attribute as its first operand",
            c->name);
    for (size_t i = 0; i < c->n; i++) {
        const struct operand *o = &c->args[i];
        if (o->kind == OPERAND_FUNCTION)
            return fail(err, E_INVALID,
                        "KeyConditionExpressions cannot contain nested operations");
        if (o->kind == OPERAND_PATH && paths++)
            return fail(
                err, E_INVALID,
                "Invalid condition in KeyConditionExpression: Multiple attribute names "
                "used in one condition");
        if (o->kind == OPERAND_PATH && o->path.n > 1)
            return fail(
                err, E_INVALID,
                "KeyConditionExpressions cannot have conditions on nested attributes");
    }
    if (paths == 0)
        return fail(
            err, E_INVALID,
            "Invalid condition in KeyConditionExpression: No key attribute specified");
    return 0;
}

static int part_add(struct key_condition *k, const struct condition *c, struct error *err)
{
    int r = check_operands(c, err);
    if (r < 0)
        return r;
    bool turned = c->args[0].kind == OPERAND_VALUE;
    struct key_part part = {.name = c->args[turned].path.steps[0].name,
                            .comparison = comparison_of(c, turned)};
    for (size_t i = 0, n = 0; i < c->n; i++)
        if (c->args[i].kind == OPERAND_VALUE)
            part.values[n++] = c->args[i].value;
    for (size_t i = 0; i < k->n && i < 2; i++)
        if (streq(k->parts[i].name, part.name))
            return fail(
                err, E_INVALID,
                "KeyConditionExpressions must only contain one condition per key");
    if (k->n < 2)
        k->parts[k->n] = part;
    k->n++;
    return 0;
}

static int parts_collect(struct key_condition *k, const struct condition *c,
                         struct error *err)
{
    const char *name = unusable(c);
    if (name)
        return fail(err, E_INVALID, "Invalid operator used in KeyConditionExpression: %s",
                    name);
    if (c->kind != CONDITION_AND)
        return part_add(k, c, err);
    int r = parts_collect(k, c->left, err);
    return r < 0 ? r : parts_collect(k, c->right, err);
}

int key_condition_of(struct arena *a, const struct condition *tree,
                     const struct key_condition **ret, struct error *err)
{
    struct key_condition *k = arena_new(a, struct key_condition);
    int r = parts_collect(k, tree, err);
    if (r == 0 && k->n > 2)
        r = fail(err, E_INVALID, "Conditions can be of length 1 or 2 only");
    if (r == 0)
        *ret = k;
    return r;
}

int key_condition_parse(struct expression_scope *scope, const char *text,
                        const struct key_condition **ret, struct error *err)
{
    struct condition *tree = NULL;
    int r = condition_tree_parse(scope, "KeyConditionExpression", text, &tree, err);
    return r < 0 ? r : key_condition_of(scope->arena, tree, ret, err);
}

/* ---- binding ---- */

#define NOT_SUPPORTED "Query key condition not supported"

static enum attribute_type wanted(const struct key_attribute *k)
{
    switch (k->type) {
    case DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S:
        return ATTRIBUTE_S;
    case DYNAMODB_SCALAR_ATTRIBUTE_TYPE_N:
        return ATTRIBUTE_N;
    default:
        return ATTRIBUTE_B;
    }
}

static int part_find(const struct key_condition *c, const struct key_attribute *key,
                     const struct key_part **ret, struct error *err)
{
    *ret = NULL;
    for (size_t i = 0; i < c->n && key->name; i++)
        if (streq(c->parts[i].name, key->name))
            *ret = &c->parts[i];
    for (size_t i = 0; *ret && i < 2; i++)
        if ((*ret)->values[i] && attribute_type((*ret)->values[i]) != wanted(key))
            return fail(
                err, E_INVALID,
                "One or more parameter values were invalid: Condition parameter type "
                "does not match schema type");
    return 0;
}

static int missed(const struct key_attribute *key, struct error *err)
{
    return fail(err, E_INVALID, "Query condition missed key schema element: %s",
                key->name);
}

int key_condition_bind(const struct key_condition *c, const struct key_schema *schema,
                       struct key_range *ret, struct error *err)
{
    const struct key_part *hash = NULL, *range = NULL;
    if (c->n > 1 && !schema->range.name)
        return fail(err, E_INVALID, NOT_SUPPORTED);
    int r = part_find(c, &schema->hash, &hash, err);
    if (r == 0 && !hash)
        r = missed(&schema->hash, err);
    if (r == 0 && hash->comparison != KEY_EQUAL)
        r = fail(err, E_INVALID, NOT_SUPPORTED);
    if (r == 0)
        r = part_find(c, &schema->range, &range, err);
    if (r == 0 && c->n > 1 && !range)
        r = missed(&schema->range, err);
    if (r < 0)
        return r;
    *ret = (struct key_range){.hash = hash->values[0]};
    if (range) {
        ret->comparison = range->comparison;
        memcpy(ret->range, range->values, sizeof(ret->range));
    }
    return 0;
}

static bool begins(const attribute_value *v, const attribute_value *part)
{
    if (v->s && part->s)
        return str_starts(v->s, part->s);
    return v->b.data && part->b.data && v->b.size >= part->b.size &&
           memcmp(v->b.data, part->b.data, part->b.size) == 0;
}

bool key_range_holds(const struct key_range *r, const attribute_value *range_key)
{
    int order, end;
    if (r->comparison == KEY_ANY)
        return true;
    if (r->comparison == KEY_BEGINS_WITH)
        return begins(range_key, r->range[0]);
    if (!attribute_order(range_key, r->range[0], &order))
        return false;
    switch (r->comparison) {
    case KEY_EQUAL:
        return order == 0;
    case KEY_LESS:
        return order < 0;
    case KEY_LESS_EQUAL:
        return order <= 0;
    case KEY_GREATER:
        return order > 0;
    case KEY_GREATER_EQUAL:
        return order >= 0;
    default:
        return order >= 0 && attribute_order(range_key, r->range[1], &end) && end <= 0;
    }
}
