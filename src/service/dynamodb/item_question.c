#include "item_question.h"

#include <ctype.h>
#include <strings.h>

#include "dynamodb_handlers.h"

/* ---- by operation ---- */

static const attribute_map *const *one_key(struct call *c, const attribute_map *key)
{
    const attribute_map **ret = arena_new(&c->arena, const attribute_map *);
    ret[0] = key;
    return ret;
}

static const char *select_of(bool specific)
{
    return specific ? "SPECIFIC_ATTRIBUTES" : "ALL_ATTRIBUTES";
}

static struct item_question of_get(struct call *c,
                                   const struct dynamodb_get_item_input *in)
{
    return (struct item_question){
        .action = "dynamodb:GetItem",
        .table = in->table_name,
        .keys = one_key(c, &in->key),
        .key_count = 1,
        .expressions = {in->projection_expression},
        .names = &in->expression_attribute_names,
        .attributes = &in->attributes_to_get,
        .select = select_of(in->projection_expression || in->attributes_to_get.set)};
}

static struct item_question of_put(struct call *c,
                                   const struct dynamodb_put_item_input *in)
{
    return (struct item_question){.action = "dynamodb:PutItem",
                                  .table = in->table_name,
                                  .keys = one_key(c, &in->item),
                                  .key_count = 1,
                                  .expressions = {in->condition_expression},
                                  .names = &in->expression_attribute_names,
                                  .expected = &in->expected,
                                  .return_values = in->return_values,
                                  .returns = true};
}

static struct item_question of_delete(struct call *c,
                                      const struct dynamodb_delete_item_input *in)
{
    return (struct item_question){.action = "dynamodb:DeleteItem",
                                  .table = in->table_name,
                                  .keys = one_key(c, &in->key),
                                  .key_count = 1,
                                  .expressions = {in->condition_expression},
                                  .names = &in->expression_attribute_names,
                                  .expected = &in->expected,
                                  .return_values = in->return_values,
                                  .returns = true};
}

static struct item_question of_update(struct call *c,
                                      const struct dynamodb_update_item_input *in)
{
    return (struct item_question){
        .action = "dynamodb:UpdateItem",
        .table = in->table_name,
        .keys = one_key(c, &in->key),
        .key_count = 1,
        .expressions = {in->condition_expression, in->update_expression},
        .names = &in->expression_attribute_names,
        .expected = &in->expected,
        .updates = &in->attribute_updates,
        .return_values = in->return_values,
        .returns = true};
}

static const char *select_text(enum dynamodb_select asked, bool specific,
                               const char *index)
{
    if (asked)
        return wire_enum_name(&dynamodb_select_shape, (int)asked);
    return specific ? "SPECIFIC_ATTRIBUTES"
           : index  ? "ALL_PROJECTED_ATTRIBUTES"
                    : "ALL_ATTRIBUTES";
}

static struct item_question of_query(const struct dynamodb_query_input *in)
{
    bool specific = in->projection_expression || in->attributes_to_get.set;
    return (struct item_question){
        .action = "dynamodb:Query",
        .table = in->table_name,
        .index = in->index_name,
        .expressions = {in->filter_expression, in->projection_expression,
                        in->key_condition_expression},
        .key_condition = in->key_condition_expression,
        .names = &in->expression_attribute_names,
        .values = &in->expression_attribute_values,
        .attributes = &in->attributes_to_get,
        .key_conditions = &in->key_conditions,
        .filter = &in->query_filter,
        .select = select_text(in->select, specific, in->index_name)};
}

static struct item_question of_scan(const struct dynamodb_scan_input *in)
{
    bool specific = in->projection_expression || in->attributes_to_get.set;
    return (struct item_question){
        .action = "dynamodb:Scan",
        .table = in->table_name,
        .index = in->index_name,
        .expressions = {in->filter_expression, in->projection_expression},
        .names = &in->expression_attribute_names,
        .attributes = &in->attributes_to_get,
        .filter = &in->scan_filter,
        .select = select_text(in->select, specific, in->index_name)};
}

static struct item_question of_batch_get(struct call *c, const char *table,
                                         const struct dynamodb_keys_and_attributes *asked)
{
    const attribute_map **keys =
        arena_new_array(&c->arena, const attribute_map *, asked->keys.n);
    for (size_t i = 0; i < asked->keys.n; i++)
        keys[i] = &asked->keys.v[i];
    return (struct item_question){.action = "dynamodb:BatchGetItem",
                                  .table = table,
                                  .keys = keys,
                                  .key_count = asked->keys.n,
                                  .expressions = {asked->projection_expression},
                                  .names = &asked->expression_attribute_names,
                                  .attributes = &asked->attributes_to_get,
                                  .select = select_of(asked->projection_expression ||
                                                      asked->attributes_to_get.set)};
}

static struct item_question of_batch_write(struct call *c, const char *table,
                                           const struct dynamodb_write_request_list *l)
{
    const attribute_map **keys = arena_new_array(&c->arena, const attribute_map *, l->n);
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].put_request)
            keys[n++] = &l->v[i].put_request->item;
        else if (l->v[i].delete_request)
            keys[n++] = &l->v[i].delete_request->key;
    return (struct item_question){.action = "dynamodb:BatchWriteItem",
                                  .table = table,
                                  .keys = keys,
                                  .key_count = n};
}

static struct item_question of_transact_get(struct call *c, const struct dynamodb_get *in)
{
    return (struct item_question){.action = "dynamodb:GetItem",
                                  .table = in->table_name,
                                  .keys = one_key(c, &in->key),
                                  .key_count = 1,
                                  .expressions = {in->projection_expression},
                                  .names = &in->expression_attribute_names,
                                  .select = select_of(in->projection_expression)};
}

/* Without any of the four it is refused, but only to who may write. */
static struct item_question
of_transact_write(struct call *c, const struct dynamodb_transact_write_item *in)
{
    if (in->put)
        return (struct item_question){.action = "dynamodb:PutItem",
                                      .table = in->put->table_name,
                                      .keys = one_key(c, &in->put->item),
                                      .key_count = 1,
                                      .expressions = {in->put->condition_expression},
                                      .names = &in->put->expression_attribute_names};
    if (in->delete)
        return (struct item_question){.action = "dynamodb:DeleteItem",
                                      .table = in->delete->table_name,
                                      .keys = one_key(c, &in->delete->key),
                                      .key_count = 1,
                                      .expressions = {in->delete->condition_expression},
                                      .names = &in->delete->expression_attribute_names};
    if (in->update)
        return (struct item_question){.action = "dynamodb:UpdateItem",
                                      .table = in->update->table_name,
                                      .keys = one_key(c, &in->update->key),
                                      .key_count = 1,
                                      .expressions = {in->update->condition_expression,
                                                      in->update->update_expression},
                                      .names = &in->update->expression_attribute_names};
    if (in->condition_check)
        return (struct item_question){
            .action = "dynamodb:ConditionCheckItem",
            .table = in->condition_check->table_name,
            .keys = one_key(c, &in->condition_check->key),
            .key_count = 1,
            .expressions = {in->condition_check->condition_expression},
            .names = &in->condition_check->expression_attribute_names};
    return (struct item_question){.action = "dynamodb:PutItem"};
}

static size_t single(struct call *c, struct item_question q,
                     const struct item_question **ret)
{
    *ret = arena_copy(&c->arena, &q, sizeof(q));
    return 1;
}

static size_t of_batch(struct call *c, const struct item_question **ret)
{
    bool get = c->operation->wire->index == DYNAMODB_OP_BATCH_GET_ITEM;
    const struct dynamodb_batch_get_item_input *g = c->in;
    const struct dynamodb_batch_write_item_input *w = c->in;
    size_t n = get ? g->request_items.n : w->request_items.n;
    struct item_question *all = arena_new_array(&c->arena, struct item_question, n + 1);
    all[0].action = c->operation->action; /* of no table at all */
    for (size_t i = 0; i < n; i++)
        all[i] =
            get ? of_batch_get(c, g->request_items.v[i].key, &g->request_items.v[i].value)
                : of_batch_write(c, w->request_items.v[i].key,
                                 &w->request_items.v[i].value);
    *ret = all;
    return n ? n : 1;
}

static size_t of_transaction(struct call *c, const struct item_question **ret)
{
    bool get = c->operation->wire->index == DYNAMODB_OP_TRANSACT_GET_ITEMS;
    const struct dynamodb_transact_get_items_input *g = c->in;
    const struct dynamodb_transact_write_items_input *w = c->in;
    size_t n = get ? g->transact_items.n : w->transact_items.n;
    struct item_question *all = arena_new_array(&c->arena, struct item_question, n + 1);
    for (size_t i = 0; i < n; i++)
        all[i] = get ? of_transact_get(c, g->transact_items.v[i].get)
                     : of_transact_write(c, &w->transact_items.v[i]);
    *ret = all;
    return n;
}

size_t item_questions(struct call *c, const struct item_question **ret)
{
    switch (c->operation->wire->index) {
    case DYNAMODB_OP_GET_ITEM:
        return single(c, of_get(c, c->in), ret);
    case DYNAMODB_OP_PUT_ITEM:
        return single(c, of_put(c, c->in), ret);
    case DYNAMODB_OP_DELETE_ITEM:
        return single(c, of_delete(c, c->in), ret);
    case DYNAMODB_OP_UPDATE_ITEM:
        return single(c, of_update(c, c->in), ret);
    case DYNAMODB_OP_QUERY:
        return single(c, of_query(c->in), ret);
    case DYNAMODB_OP_SCAN:
        return single(c, of_scan(c->in), ret);
    case DYNAMODB_OP_BATCH_GET_ITEM:
    case DYNAMODB_OP_BATCH_WRITE_ITEM:
        return of_batch(c, ret);
    case DYNAMODB_OP_TRANSACT_GET_ITEMS:
    case DYNAMODB_OP_TRANSACT_WRITE_ITEMS:
        return of_transaction(c, ret);
    default:
        return 0;
    }
}

/* ---- names of attributes ---- */

static void add_name(struct call *c, struct string_list *ret, const char *name)
{
    for (size_t i = 0; i < ret->n; i++)
        if (streq(ret->v[i], name))
            return;
    *LIST_PUSH(&c->arena, ret) = name;
}

static bool is_keyword(const char *word)
{
    static const char *const all[] = {"AND", "OR",     "NOT", "BETWEEN", "IN",
                                      "SET", "REMOVE", "ADD", "DELETE"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcasecmp(word, all[i]) == 0)
            return true;
    return false;
}

static void add_word(struct call *c, const struct item_question *q, const char *word,
                     struct string_list *ret)
{
    for (size_t i = 0; *word == '#' && i < q->names->n; i++)
        if (streq(q->names->v[i].key, word))
            add_name(c, ret, q->names->v[i].value);
    if (*word != '#' && !is_keyword(word))
        add_name(c, ret, word);
}

/* Names that stand at the beginning of a path; an expression that is no expression is refused
 * later. Functions are followed by '(', keywords are reserved as names. */
static void add_expression(struct call *c, const struct item_question *q, const char *p,
                           struct string_list *ret)
{
    bool deeper = false; /* behind a '.' */
    while (*p) {
        size_t n = 1;
        if (isalpha((unsigned char)*p) || *p == '#' || *p == ':' || *p == '_') {
            while (isalnum((unsigned char)p[n]) || p[n] == '_')
                n++;
            size_t blanks = strspn(p + n, " \t\r\n");
            if (!deeper && *p != ':' && p[n + blanks] != '(')
                add_word(c, q, arena_strndup(&c->arena, p, n), ret);
        } else if (isdigit((unsigned char)*p)) {
            n = strspn(p, "0123456789");
        }
        if (!isspace((unsigned char)*p))
            deeper = *p == '.';
        p += n;
    }
}

static void add_legacy(struct call *c, const struct item_question *q,
                       struct string_list *ret)
{
    for (size_t i = 0; q->key_conditions && i < q->key_conditions->n; i++)
        add_name(c, ret, q->key_conditions->v[i].key);
    for (size_t i = 0; q->filter && i < q->filter->n; i++)
        add_name(c, ret, q->filter->v[i].key);
    for (size_t i = 0; q->expected && i < q->expected->n; i++)
        add_name(c, ret, q->expected->v[i].key);
    for (size_t i = 0; q->updates && i < q->updates->n; i++)
        add_name(c, ret, q->updates->v[i].key);
}

struct string_list item_question_attributes(struct call *c, const struct item_question *q)
{
    struct string_list ret = {0};
    for (size_t i = 0; i < q->key_count; i++)
        for (size_t k = 0; k < q->keys[i]->n; k++)
            add_name(c, &ret, q->keys[i]->v[k].key);
    for (size_t i = 0; i < QUESTION_EXPRESSIONS; i++)
        if (q->expressions[i])
            add_expression(c, q, q->expressions[i], &ret);
    for (size_t i = 0; q->attributes && i < q->attributes->n; i++)
        add_name(c, &ret, q->attributes->v[i]);
    add_legacy(c, q, &ret);
    return ret;
}
