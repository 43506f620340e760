/* What a new table, or a new index, may be. Rules and texts: CreateTable of the DynamoDB API
 * reference, as the service words them. What gantry can't do is refused here, too. */
#include <stdlib.h>

#include "item_table.h"

#define LSI_MAX     5
#define GSI_MAX     20
#define NON_KEY_MAX 100 /* of all local indexes together */
#define INVALID     "One or more parameter values were invalid: "

/* What an index of either kind has. */
struct asked_index {
    const char *name;
    const struct dynamodb_key_schema_element_list *key;
    const struct dynamodb_projection *projection;
};

int table_name_check(struct call *c, const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_.-";
    size_t n = strlen(name);
    if (n >= 3 && n <= 255 && strspn(name, allowed) == n)
        return 0;
    return refuse(
        c, "Invalid table/index name.  Table/index names must be between 3 and 255 "
           "characters long, and may contain only the characters a-z, A-Z, 0-9, "
           "'_', '-', and '.'");
}

/* ---- keys ---- */

static int check_key(struct call *c, const struct dynamodb_key_schema_element_list *key)
{
    if (key->n == 0)
        return refuse(c,
                      "1 validation error detected: Value null at 'keySchema' failed to "
                      "satisfy constraint: Member must not be null");
    if (key->n > 2)
        return refuse(c,
                      "1 validation error detected: Value '[%zu entries]' at 'keySchema' "
                      "failed to satisfy constraint: Member must have length less than "
                      "or equal to 2",
                      key->n);
    if (key->v[0].key_type != DYNAMODB_KEY_TYPE_HASH)
        return refuse(c, INVALID "Invalid KeySchema: The first KeySchemaElement is not a "
                                 "HASH key type");
    if (key->n == 2 && streq(key->v[0].attribute_name, key->v[1].attribute_name))
        return refuse(c,
                      "Both the Hash Key and the Range Key element in the KeySchema have "
                      "the same name");
    if (key->n == 2 && key->v[1].key_type != DYNAMODB_KEY_TYPE_RANGE)
        return refuse(c,
                      INVALID "Invalid KeySchema: The second KeySchemaElement is not a "
                              "RANGE key type");
    return 0;
}

static bool is_listed(const struct string_list *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i], text))
            return true;
    return false;
}

static const char *joined(struct call *c, const struct string_list *l)
{
    const char *ret = "";
    for (size_t i = 0; i < l->n; i++)
        ret = call_printf(c, "%s%s%s", ret, i ? ", " : "", l->v[i]);
    return ret;
}

static void add_key(struct call *c, const struct dynamodb_key_schema_element_list *key,
                    struct string_list *used)
{
    for (size_t i = 0; i < key->n; i++)
        if (!is_listed(used, key->v[i].attribute_name))
            *LIST_PUSH(&c->arena, used) = key->v[i].attribute_name;
}

static struct string_list names_of(struct call *c,
                                   const struct dynamodb_attribute_definition_list *d)
{
    struct string_list ret = {0};
    for (size_t i = 0; i < d->n; i++)
        *LIST_PUSH(&c->arena, &ret) = d->v[i].attribute_name;
    return ret;
}

/* Each attribute of a key is defined once, and with `all` each that is defined is of a key. */
static int check_definitions(struct call *c,
                             const struct dynamodb_attribute_definition_list *definitions,
                             const struct string_list *used, bool indexes, bool all)
{
    struct string_list names = names_of(c, definitions);
    for (size_t i = 0; i < names.n; i++) {
        struct string_list before = {.v = names.v, .n = i};
        if (is_listed(&before, names.v[i]))
            return refuse(c, "Cannot have two attributes with the same name");
    }
    for (size_t i = 0; i < used->n; i++)
        if (!is_listed(&names, used->v[i]))
            return refuse(c,
                          INVALID
                          "Some index key attributes are not defined in "
                          "AttributeDefinitions. Keys: [%s], AttributeDefinitions: "
                          "[%s]",
                          joined(c, used), joined(c, &names));
    if (!all || names.n == used->n)
        return 0;
    if (!indexes)
        return refuse(c,
                      INVALID "Number of attributes in KeySchema does not exactly match "
                              "number of attributes defined in AttributeDefinitions");
    return refuse(c,
                  INVALID "Some AttributeDefinitions are not used. AttributeDefinitions: "
                          "[%s], keys used: [%s]",
                  joined(c, &names), joined(c, used));
}

/* ---- indexes ---- */

static int check_projection(struct call *c, const struct dynamodb_projection *p)
{
    if (!p->projection_type)
        return refuse(c, INVALID "Unknown ProjectionType: null");
    bool named = p->non_key_attributes.set;
    if (p->projection_type == DYNAMODB_PROJECTION_TYPE_INCLUDE && !named)
        return refuse(c, INVALID "ProjectionType is INCLUDE, but NonKeyAttributes is not "
                                 "specified");
    if (p->projection_type != DYNAMODB_PROJECTION_TYPE_INCLUDE && named)
        return refuse(
            c, INVALID "ProjectionType is %s, but NonKeyAttributes is specified",
            p->projection_type == DYNAMODB_PROJECTION_TYPE_ALL ? "ALL" : "KEYS_ONLY");
    return 0;
}

static int check_index(struct call *c, const struct asked_index *x,
                       struct string_list *names, struct string_list *used)
{
    if (check_key(c, x->key) < 0 || check_projection(c, x->projection) < 0)
        return -1;
    if (is_listed(names, x->name))
        return refuse(c, INVALID "Duplicate index name: %s", x->name);
    *LIST_PUSH(&c->arena, names) = x->name;
    add_key(c, x->key, used);
    return 0;
}

static int check_local(struct call *c, const struct dynamodb_create_table_input *in,
                       struct string_list *names, struct string_list *used)
{
    const struct dynamodb_local_secondary_index_list *l = &in->local_secondary_indexes;
    if (l->set && l->n == 0)
        return refuse(c, INVALID "List of LocalSecondaryIndexes is empty");
    if (l->n > LSI_MAX)
        return refuse(c,
                      INVALID "Number of LocalSecondaryIndexes exceeds per-table limit "
                              "of %d",
                      LSI_MAX);
    if (l->n && in->key_schema.n < 2)
        return refuse(c, INVALID "Table KeySchema does not have a range key, which is "
                                 "required when specifying a LocalSecondaryIndex");
    for (size_t i = 0; i < l->n; i++) {
        const struct asked_index x = {l->v[i].index_name, &l->v[i].key_schema,
                                      l->v[i].projection};
        if (check_index(c, &x, names, used) < 0)
            return -1;
        if (x.key->n < 2)
            return refuse(c,
                          INVALID "Index KeySchema does not have a range key for index: "
                                  "%s",
                          x.name);
        if (!streq(x.key->v[0].attribute_name, in->key_schema.v[0].attribute_name))
            return refuse(
                c,
                INVALID "Index KeySchema does not have the same leading hash key "
                        "as table KeySchema for index: %s. index hash key: %s, "
                        "table hash key: %s",
                x.name, x.key->v[0].attribute_name, in->key_schema.v[0].attribute_name);
    }
    return 0;
}

static int check_throughput(struct call *c, const char *index,
                            enum dynamodb_billing_mode mode,
                            const struct dynamodb_provisioned_throughput *t)
{
    const char *of = index ? call_printf(c, " for index: %s", index) : "";
    if (mode == DYNAMODB_BILLING_MODE_PAY_PER_REQUEST && t)
        return refuse(c,
                      INVALID "Neither ReadCapacityUnits nor WriteCapacityUnits can be "
                              "specified when BillingMode is PAY_PER_REQUEST%s",
                      of);
    if (mode != DYNAMODB_BILLING_MODE_PAY_PER_REQUEST && !t)
        return refuse(c,
                      INVALID "ReadCapacityUnits and WriteCapacityUnits must both be "
                              "specified when BillingMode is PROVISIONED%s",
                      of);
    return 0;
}

static int check_on_demand(struct call *c, const struct dynamodb_on_demand_throughput *t)
{
    if (!t || (t->max_read_request_units.v <= 0 && t->max_write_request_units.v <= 0))
        return 0; /* -1 is no bound, which is what there is */
    return refuse(
        c, "OnDemandThroughput is not supported here: requests are not throttled.");
}

static int check_warm(struct call *c, const struct dynamodb_warm_throughput *t)
{
    return t ? refuse(c,
                      "WarmThroughput is not supported here: capacity is this machine's.")
             : 0;
}

static int check_global(struct call *c, const struct dynamodb_create_table_input *in,
                        struct string_list *names, struct string_list *used)
{
    const struct dynamodb_global_secondary_index_list *l = &in->global_secondary_indexes;
    if (l->set && l->n == 0)
        return refuse(c, INVALID "List of GlobalSecondaryIndexes is empty");
    if (l->n > GSI_MAX)
        return refuse(c,
                      INVALID "GlobalSecondaryIndex count exceeds the per-table limit of "
                              "%d",
                      GSI_MAX);
    for (size_t i = 0; i < l->n; i++) {
        const struct dynamodb_global_secondary_index *g = &l->v[i];
        const struct asked_index x = {g->index_name, &g->key_schema, g->projection};
        if (check_index(c, &x, names, used) < 0 ||
            check_throughput(c, g->index_name, in->billing_mode,
                             g->provisioned_throughput) < 0 ||
            check_on_demand(c, g->on_demand_throughput) < 0 ||
            check_warm(c, g->warm_throughput) < 0)
            return -1;
    }
    return 0;
}

/* ---- what gantry can't do ---- */

static int check_offered(struct call *c, const struct dynamodb_create_table_input *in)
{
    const struct dynamodb_sse_specification *sse = in->sse_specification;
    if (in->stream_specification && in->stream_specification->stream_enabled.v)
        return refuse(c,
                      "StreamSpecification is not supported here: there are no streams.");
    if (sse && (sse->enabled.v || sse->kms_master_key_id ||
                sse->sse_type == DYNAMODB_SSE_TYPE_KMS))
        return refuse(
            c, "SSESpecification is not supported here: there are no keys of KMS.");
    if (in->global_table_source_arn || in->global_table_settings_replication_mode)
        return refuse(c, "Global tables are not supported here.");
    return check_on_demand(c, in->on_demand_throughput) < 0 ||
                   check_warm(c, in->warm_throughput) < 0
               ? -1
               : 0;
}

int table_check(struct call *c, const struct dynamodb_create_table_input *in)
{
    struct string_list names = {0}, used = {0};
    bool indexes = in->local_secondary_indexes.n || in->global_secondary_indexes.n;
    if (table_name_check(c, in->table_name) < 0 || check_key(c, &in->key_schema) < 0 ||
        check_throughput(c, NULL, in->billing_mode, in->provisioned_throughput) < 0)
        return -1;
    add_key(c, &in->key_schema, &used);
    if (check_local(c, in, &names, &used) < 0 || check_global(c, in, &names, &used) < 0 ||
        check_definitions(c, &in->attribute_definitions, &used, indexes, true) < 0)
        return -1;
    return check_offered(c, in) < 0 ? -1 : table_tags_check(c, &in->tags);
}

/* ---- UpdateTable's Create ---- */

/* Those of the table, and those that the call adds. One that is known keeps its type. */
static int merge_definitions(struct call *c, const struct item_table *t,
                             const struct dynamodb_update_table_input *in,
                             struct dynamodb_attribute_definition_list *ret)
{
    const struct dynamodb_attribute_definition_list *old =
        &t->rec->table->attribute_definitions;
    for (size_t i = 0; i < old->n; i++)
        *LIST_PUSH(&c->arena, ret) = old->v[i];
    for (size_t i = 0; i < in->attribute_definitions.n; i++) {
        const struct dynamodb_attribute_definition *d = &in->attribute_definitions.v[i];
        bool known = false;
        for (size_t k = 0; k < ret->n; k++) {
            if (!streq(ret->v[k].attribute_name, d->attribute_name))
                continue;
            known = true;
            if (ret->v[k].attribute_type != d->attribute_type)
                return refuse(c,
                              INVALID "Attribute %s is defined with another type already",
                              d->attribute_name);
        }
        if (!known)
            *LIST_PUSH(&c->arena, ret) = *d;
    }
    return 0;
}

int table_check_added(struct call *c, const struct item_table *t,
                      const struct dynamodb_update_table_input *in)
{
    const struct dynamodb_create_global_secondary_index_action *a =
        in->global_secondary_index_updates.v[0].create;
    const struct asked_index x = {a->index_name, &a->key_schema, a->projection};
    const struct dynamodb_billing_mode_summary *now = t->rec->table->billing_mode_summary;
    enum dynamodb_billing_mode mode = in->billing_mode ? in->billing_mode
                                      : now            ? now->billing_mode
                                            : DYNAMODB_BILLING_MODE_PROVISIONED;
    struct dynamodb_attribute_definition_list all = {0};
    struct string_list names = {0}, used = {0};
    if (item_schema_index(t->schema, a->index_name))
        return refuse(c, "Attempting to create an index which already exists");
    if (t->rec->table->global_secondary_indexes.n >= GSI_MAX)
        return refuse(c,
                      INVALID "GlobalSecondaryIndex count exceeds the per-table limit of "
                              "%d",
                      GSI_MAX);
    if (check_index(c, &x, &names, &used) < 0 ||
        check_throughput(c, a->index_name, mode, a->provisioned_throughput) < 0 ||
        check_on_demand(c, a->on_demand_throughput) < 0 ||
        check_warm(c, a->warm_throughput) < 0 || merge_definitions(c, t, in, &all) < 0)
        return -1;
    return check_definitions(c, &all, &used, true, false);
}
