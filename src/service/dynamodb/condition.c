#include "condition_tree.h"

#include <stdio.h>

/* What an operand is worth for an item; size() makes a number of its own. */
struct worth {
    const attribute_value *v; /* NULL: it is not there */
    attribute_value made;
    char text[24];
};

/* The service counts a text as Java does: UTF-16, two units for what is beyond 16 bits. */
static size_t text_units(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) == 0x80 ? 0
             : (unsigned char)*text >= 0xf0        ? 2
                                                   : 1;
    return n;
}

static bool size_of(const attribute_value *v, size_t *ret)
{
    switch (attribute_type(v)) {
    case ATTRIBUTE_S:
        *ret = text_units(v->s);
        return true;
    case ATTRIBUTE_B:
        *ret = v->b.size;
        return true;
    case ATTRIBUTE_SS:
        *ret = v->ss.n;
        return true;
    case ATTRIBUTE_NS:
        *ret = v->ns.n;
        return true;
    case ATTRIBUTE_BS:
        *ret = v->bs.n;
        return true;
    case ATTRIBUTE_M:
        *ret = v->m.n;
        return true;
    case ATTRIBUTE_L:
        *ret = v->l.n;
        return true;
    default:
        return false;
    }
}

static const attribute_value *plain(const struct operand *o, const attribute_map *item)
{
    return o->kind == OPERAND_VALUE ? o->value : path_get(&o->path, item);
}

static const attribute_value *worth(const struct operand *o, const attribute_map *item,
                                    struct worth *ret)
{
    if (o->kind != OPERAND_FUNCTION)
        return ret->v = plain(o, item);
    size_t size;
    const attribute_value *v = plain(&o->args[0], item);
    if (!v || !size_of(v, &size))
        return ret->v = NULL;
    snprintf(ret->text, sizeof(ret->text), "%zu", size);
    ret->made = (attribute_value){.n = ret->text};
    return ret->v = &ret->made;
}

static bool compares(enum comparison how, const attribute_value *a,
                     const attribute_value *b)
{
    int order;
    if (how == COMPARE_EQUAL || how == COMPARE_NOT_EQUAL)
        return (a && b && attribute_equal(a, b)) == (how == COMPARE_EQUAL);
    if (!a || !b || !attribute_order(a, b, &order))
        return false;
    switch (how) {
    case COMPARE_LESS:
        return order < 0;
    case COMPARE_LESS_EQUAL:
        return order <= 0;
    case COMPARE_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool compare_holds(const struct condition *c, const attribute_map *item)
{
    struct worth a, b;
    return compares(c->comparison, worth(&c->args[0], item, &a),
                    worth(&c->args[1], item, &b));
}

static bool between_holds(const struct condition *c, const attribute_map *item)
{
    struct worth v, low, high;
    worth(&c->args[0], item, &v);
    return compares(COMPARE_GREATER_EQUAL, v.v, worth(&c->args[1], item, &low)) &&
           compares(COMPARE_LESS_EQUAL, v.v, worth(&c->args[2], item, &high));
}

static bool in_holds(const struct condition *c, const attribute_map *item)
{
    struct worth v, one;
    worth(&c->args[0], item, &v);
    for (size_t i = 1; i < c->n; i++)
        if (compares(COMPARE_EQUAL, v.v, worth(&c->args[i], item, &one)))
            return true;
    return false;
}

static struct wire_blob bytes_of(const attribute_value *v)
{
    return v->s ? (struct wire_blob){(const uint8_t *)v->s, strlen(v->s)} : v->b;
}

/* Text and text, or bytes and bytes? */
static bool both_bytes(const attribute_value *a, const attribute_value *b,
                       struct wire_blob *ret_a, struct wire_blob *ret_b)
{
    if (attribute_type(a) != attribute_type(b))
        return false;
    *ret_a = bytes_of(a);
    *ret_b = bytes_of(b);
    return ret_a->data && ret_b->data;
}

static bool begins_with(const attribute_value *whole, const attribute_value *part)
{
    struct wire_blob a, b;
    return both_bytes(whole, part, &a, &b) && a.size >= b.size &&
           memcmp(a.data, b.data, b.size) == 0;
}

static bool has_text(const struct string_list *l, const char *text)
{
    for (size_t i = 0; i < l->n && text; i++)
        if (streq(l->v[i], text))
            return true;
    return false;
}

static bool has_blob(const struct blob_list *l, const struct wire_blob *b)
{
    for (size_t i = 0; i < l->n && b->data; i++)
        if (l->v[i].size == b->size && memcmp(l->v[i].data, b->data, b->size) == 0)
            return true;
    return false;
}

static bool has_element(const struct dynamodb_attribute_value_list *l,
                        const attribute_value *v)
{
    for (size_t i = 0; i < l->n; i++)
        if (attribute_equal(&l->v[i], v))
            return true;
    return false;
}

static bool contains(const attribute_value *whole, const attribute_value *part)
{
    struct wire_blob a, b;
    if (both_bytes(whole, part, &a, &b))
        return b.size == 0 || memmem(a.data, a.size, b.data, b.size);
    switch (attribute_type(whole)) {
    case ATTRIBUTE_SS:
        return has_text(&whole->ss, part->s);
    case ATTRIBUTE_NS:
        return has_text(&whole->ns, part->n);
    case ATTRIBUTE_BS:
        return has_blob(&whole->bs, &part->b);
    case ATTRIBUTE_L:
        return has_element(&whole->l, part);
    default:
        return false;
    }
}

static bool function_holds(const struct condition *c, const attribute_map *item)
{
    struct worth first, second;
    const attribute_value *a = worth(&c->args[0], item, &first);
    const attribute_value *b = c->n > 1 ? worth(&c->args[1], item, &second) : NULL;
    switch (c->function) {
    case FUNCTION_EXISTS:
        return a;
    case FUNCTION_NOT_EXISTS:
        return !a;
    case FUNCTION_TYPE:
        return a && b && attribute_type(a) == attribute_type_find(b->s);
    case FUNCTION_BEGINS_WITH:
        return a && b && begins_with(a, b);
    case FUNCTION_CONTAINS:
        return a && b && contains(a, b);
    default:
        return false;
    }
}

static bool holds(const struct condition *c, const attribute_map *item)
{
    switch (c->kind) {
    case CONDITION_AND:
        return holds(c->left, item) && holds(c->right, item);
    case CONDITION_OR:
        return holds(c->left, item) || holds(c->right, item);
    case CONDITION_NOT:
        return !holds(c->left, item);
    case CONDITION_COMPARE:
        return compare_holds(c, item);
    case CONDITION_BETWEEN:
        return between_holds(c, item);
    case CONDITION_IN:
        return in_holds(c, item);
    default:
        return function_holds(c, item);
    }
}

bool condition_holds(const struct condition *c, const attribute_map *item)
{
    static const attribute_map nothing;
    return holds(c, item ? item : &nothing);
}

int condition_parse(struct expression_scope *scope, const char *parameter,
                    const char *text, const struct condition **ret, struct error *err)
{
    struct condition *c = NULL;
    int r = condition_tree_parse(scope, parameter, text, &c, err);
    if (r == 0)
        *ret = c;
    return r;
}

/* ---- which attributes it looks at ---- */

static bool operand_names(const struct operand *o, const char *attribute)
{
    if (o->kind == OPERAND_PATH && streq(o->path.steps[0].name, attribute))
        return true;
    for (size_t i = 0; i < o->n; i++)
        if (operand_names(&o->args[i], attribute))
            return true;
    return false;
}

bool condition_names(const struct condition *c, const char *attribute)
{
    for (size_t i = 0; i < c->n; i++)
        if (operand_names(&c->args[i], attribute))
            return true;
    return (c->left && condition_names(c->left, attribute)) ||
           (c->right && condition_names(c->right, attribute));
}

static int operand_check_key(const struct operand *o, const char *label, const char *key,
                             struct error *err)
{
    int r = o->kind == OPERAND_PATH ? path_check_key(&o->path, label, key, err) : 0;
    for (size_t i = 0; i < o->n && r == 0; i++)
        r = operand_check_key(&o->args[i], label, key, err);
    return r;
}

int condition_check_key(const struct condition *c, const char *label, const char *key,
                        struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < c->n && r == 0; i++)
        r = operand_check_key(&c->args[i], label, key, err);
    if (r == 0 && c->left)
        r = condition_check_key(c->left, label, key, err);
    if (r == 0 && c->right)
        r = condition_check_key(c->right, label, key, err);
    return r;
}
