/* What an operation of DynamoDB asks of IAM, see access.h. Rules: "Actions, resources, and
 * condition keys for Amazon DynamoDB" of the Service Authorization Reference, and "Using IAM
 * policy conditions for fine-grained access control" of the Developer Guide.
 *
 * Operations on items ask by themselves (item_question.h): a query of an index is asked of the
 * index alone, a batch of each table, a transaction of each item by its own action. While one
 * question is asked, struct dynamodb holds it for the condition keys, which are only made when
 * a policy names them. */
#include "access.h"

#include "arn.h"
#include "base64.h"
#include "item_question.h"
#include "item_table.h"
#include "legacy.h"
#include "number.h"

static const struct access_rule resources[] = {
    {"table", "arn:aws:dynamodb:{region}:{account}:table/{TableName|ResourceArn}"},
    {0},
};

static const struct access_rule keys[] = {
    {"dynamodb:ReturnConsumedCapacity", "{ReturnConsumedCapacity=NONE}"},
    {0},
};

static const char *tag(struct call *c, const char *arn, const char *key)
{
    const struct item_table *t = item_table_by_arn(c->core, arn);
    return t ? table_tag(t, key) : NULL;
}

static const struct policy_source *policy(struct core *core, const char *arn)
{
    struct item_table *t = item_table_by_arn(core, arn);
    if (!t || !t->policy.policy)
        return NULL;
    t->policy.name = t->rec->table->table_arn;
    return &t->policy;
}

/* ---- questions ---- */

static const char *arn_of(struct call *c, const struct item_question *q)
{
    if (!q->table)
        return "*";
    const char *table = arn_looks_like(q->table)
                            ? q->table
                            : call_printf(c, "arn:aws:dynamodb:%s:%s:table/%s", c->region,
                                          c->who.account_id, q->table);
    return q->index ? call_printf(c, "%s/index/%s", table, q->index) : table;
}

static int ask(struct call *c, const void *in)
{
    const struct item_question *all;
    size_t n = item_questions(c, &all);
    int r = n ? 0 : 1;
    for (size_t i = 0; i < n && r == 0; i++) {
        const struct access q = {.action = all[i].action, .resource = arn_of(c, &all[i])};
        dynamodb_of(c->core)->question = &all[i];
        r = access_check(c, &q);
    }
    dynamodb_of(c->core)->question = NULL;
    return r;
}

/* ---- condition keys ---- */

static bool one(struct call *c, const char *text, struct policy_values *ret)
{
    const char **v = arena_new(&c->arena, const char *);
    v[0] = text;
    *ret = (struct policy_values){.v = v, .n = 1};
    return true;
}

static bool several(const struct string_list *l, struct policy_values *ret)
{
    *ret = (struct policy_values){.v = l->v, .n = l->n, .multi = true};
    return l->n > 0;
}

/* A number in its one form: what is the same key must be the same here. */
static const char *number_form(struct call *c, const char *text)
{
    struct decimal n;
    return number_parse(text, &n, NULL) < 0 ? text : number_text(&c->arena, &n);
}

static const char *value_text(struct call *c, const attribute_value *v)
{
    AUTO_STR out = STR_INIT;
    if (v->s || v->n)
        return v->s ? v->s : number_form(c, v->n);
    if (!v->b.data)
        return "";
    base64_add(&out, v->b.data, v->b.size);
    return arena_strdup(&c->arena, str_text(&out));
}

/* The partition of a query by KeyConditions. */
static const attribute_value *queried_by_legacy(struct call *c,
                                                const struct item_question *q,
                                                const struct key_schema *key)
{
    const struct key_condition *condition;
    struct key_range range;
    struct error err;
    if (legacy_key_conditions(&c->arena, q->key_conditions, &condition, &err) < 0 ||
        key_condition_bind(condition, key, &range, &err) < 0)
        return NULL;
    return range.hash;
}

/* The partition that a query reads; NULL when its condition is none. */
static const attribute_value *queried(struct call *c, const struct item_question *q,
                                      const struct key_schema *key)
{
    if (!q->key_condition)
        return q->key_conditions ? queried_by_legacy(c, q, key) : NULL;
    const struct expression_parameter parameter = {"KeyConditionExpression",
                                                   q->key_condition};
    struct expression_scope scope;
    const struct key_condition *condition;
    struct key_range range;
    struct error err;
    if (expression_begin(&c->arena, q->names, (attribute_map *)(uintptr_t)q->values,
                         &parameter, 1, &scope, &err) < 0 ||
        key_condition_parse(&scope, q->key_condition, &condition, &err) < 0 ||
        key_condition_bind(condition, key, &range, &err) < 0)
        return NULL;
    return range.hash;
}

static bool leading_keys(struct call *c, const struct item_question *q,
                         struct policy_values *ret)
{
    const struct item_table *t = q->table ? item_table_find(c, q->table) : NULL;
    struct string_list all = {0};
    if (!t)
        return false;
    const struct item_index *x = q->index ? item_schema_index(t->schema, q->index) : NULL;
    const struct key_schema *key = x ? &x->key : &t->schema->key;
    const attribute_value *v = queried(c, q, key);
    if (v)
        *LIST_PUSH(&c->arena, &all) = value_text(c, v);
    for (size_t i = 0; i < q->key_count; i++) {
        v = item_get(q->keys[i], key->hash.name);
        if (v)
            *LIST_PUSH(&c->arena, &all) = value_text(c, v);
    }
    return several(&all, ret);
}

static bool return_values(struct call *c, const struct item_question *q,
                          struct policy_values *ret)
{
    enum dynamodb_return_value v =
        q->return_values ? q->return_values : DYNAMODB_RETURN_VALUE_NONE;
    return q->returns &&
           one(c, wire_enum_name(&dynamodb_return_value_shape, (int)v), ret);
}

static bool key(struct call *c, const char *arn, const char *name,
                struct policy_values *ret)
{
    const struct item_question *q = dynamodb_of(c->core)->question;
    if (!q)
        return false;
    if (streq(name, "dynamodb:leadingkeys") ||
        streq(name, "dynamodb:firstpartitionkeyvalues"))
        return leading_keys(c, q, ret);
    if (streq(name, "dynamodb:attributes")) {
        struct string_list all = item_question_attributes(c, q);
        return several(&all, ret);
    }
    if (streq(name, "dynamodb:select"))
        return q->select && one(c, q->select, ret);
    if (streq(name, "dynamodb:returnvalues"))
        return return_values(c, q, ret);
    return streq(name, "dynamodb:enclosingoperation") &&
           str_starts(c->operation->wire->name, "Transact") &&
           one(c, c->operation->wire->name, ret);
}

const struct access_service dynamodb_access = {
    .resources = resources,
    .keys = keys,
    .tag = tag,
    .policy = policy,
    .key = key,
    .ask = ask,
};
