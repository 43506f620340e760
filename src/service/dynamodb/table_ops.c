/* CreateTable, DescribeTable, ListTables, DeleteTable, DescribeContinuousBackups. */
#include "item_table.h"

#define LIST_MAX 100

/* ---- the record of a new table ---- */

static struct dynamodb_provisioned_throughput_description *
throughput(struct arena *a, const struct dynamodb_provisioned_throughput *asked)
{
    struct dynamodb_provisioned_throughput_description *ret =
        arena_new(a, struct dynamodb_provisioned_throughput_description);
    *ret = (struct dynamodb_provisioned_throughput_description){
        .number_of_decreases_today = SET_LONG(0),
        .read_capacity_units = SET_LONG(asked ? asked->read_capacity_units.v : 0),
        .write_capacity_units = SET_LONG(asked ? asked->write_capacity_units.v : 0),
    };
    return ret;
}

static void space_add(struct call *c, struct item_table *t, const char *name, bool filled)
{
    struct gantry_dynamodb_index_record *x = LIST_PUSH(&t->o.arena, &t->rec->indexes);
    *x = (struct gantry_dynamodb_index_record){
        .name = arena_strdup(&t->o.arena, name),
        .space = SET_LONG(item_space_new(c->core)),
        .filled = SET_BOOL(filled),
    };
}

static void key_copy(struct arena *a, const struct dynamodb_key_schema_element_list *from,
                     struct dynamodb_key_schema_element_list *to)
{
    for (size_t i = 0; i < from->n; i++)
        *LIST_PUSH(a, to) = (struct dynamodb_key_schema_element){
            arena_strdup(a, from->v[i].attribute_name), from->v[i].key_type};
}

static void local_add(struct call *c, struct item_table *t,
                      const struct dynamodb_local_secondary_index *asked)
{
    struct arena *a = &t->o.arena;
    struct dynamodb_local_secondary_index_description *x =
        LIST_PUSH(a, &t->rec->table->local_secondary_indexes);
    x->index_name = arena_strdup(a, asked->index_name);
    x->index_arn =
        arena_printf(a, "%s/index/%s", t->rec->table->table_arn, asked->index_name);
    key_copy(a, &asked->key_schema, &x->key_schema);
    x->projection = wire_copy(a, &dynamodb_projection_shape, asked->projection);
    space_add(c, t, asked->index_name, true);
}

void table_global_add(struct call *c, struct item_table *t,
                      const struct dynamodb_create_global_secondary_index_action *asked,
                      bool filled)
{
    struct arena *a = &t->o.arena;
    struct dynamodb_global_secondary_index_description *x =
        LIST_PUSH(a, &t->rec->table->global_secondary_indexes);
    x->index_name = arena_strdup(a, asked->index_name);
    x->index_arn =
        arena_printf(a, "%s/index/%s", t->rec->table->table_arn, asked->index_name);
    key_copy(a, &asked->key_schema, &x->key_schema);
    x->projection = wire_copy(a, &dynamodb_projection_shape, asked->projection);
    x->index_status =
        filled ? DYNAMODB_INDEX_STATUS_ACTIVE : DYNAMODB_INDEX_STATUS_CREATING;
    if (!filled)
        x->backfilling = SET_BOOL(true);
    x->provisioned_throughput = throughput(a, asked->provisioned_throughput);
    space_add(c, t, asked->index_name, filled);
}

void table_billing_set(struct core *core, struct item_table *t,
                       enum dynamodb_billing_mode mode)
{
    struct dynamodb_billing_mode_summary *s =
        arena_new(&t->o.arena, struct dynamodb_billing_mode_summary);
    s->billing_mode = mode;
    if (mode == DYNAMODB_BILLING_MODE_PAY_PER_REQUEST)
        s->last_update_to_pay_per_request_date_time = SET_TIME(core_now_ms(core));
    else if (t->rec->table->billing_mode_summary)
        s->last_update_to_pay_per_request_date_time =
            t->rec->table->billing_mode_summary->last_update_to_pay_per_request_date_time;
    t->rec->table->billing_mode_summary = s;
}

void table_class_set(struct core *core, struct item_table *t,
                     enum dynamodb_table_class class)
{
    struct dynamodb_table_class_summary *s =
        arena_new(&t->o.arena, struct dynamodb_table_class_summary);
    *s = (struct dynamodb_table_class_summary){
        .table_class = class, .last_update_date_time = SET_TIME(core_now_ms(core))};
    t->rec->table->table_class_summary = s;
}

static void identity_set(struct call *c, struct item_table *t, const char *name)
{
    struct arena *a = &t->o.arena;
    char id[33];
    core_random_hex(c->core, id, 32);
    t->rec->table->table_name = arena_strdup(a, name);
    t->rec->table->table_arn = arena_printf(a, "arn:aws:dynamodb:%s:%s:table/%s",
                                            c->region, c->who.account_id, name);
    t->rec->table->table_id = arena_printf(a, "%.8s-%.4s-4%.3s-a%.3s-%.12s", id, id + 8,
                                           id + 12, id + 16, id + 20);
    t->rec->table->creation_date_time = SET_TIME(core_now_ms(c->core));
    t->rec->table->table_status = DYNAMODB_TABLE_STATUS_ACTIVE;
}

static void settings_set(struct call *c, struct item_table *t,
                         const struct dynamodb_create_table_input *in)
{
    struct dynamodb_table_description *d = t->rec->table;
    d->deletion_protection_enabled = SET_BOOL(in->deletion_protection_enabled.v);
    d->provisioned_throughput = throughput(&t->o.arena, in->provisioned_throughput);
    if (in->billing_mode == DYNAMODB_BILLING_MODE_PAY_PER_REQUEST)
        table_billing_set(c->core, t, in->billing_mode);
    if (in->table_class == DYNAMODB_TABLE_CLASS_STANDARD_INFREQUENT_ACCESS)
        table_class_set(c->core, t, in->table_class);
    table_tags_merge(&t->o.arena, &t->rec->tags, &in->tags);
}

static void indexes_set(struct call *c, struct item_table *t,
                        const struct dynamodb_create_table_input *in)
{
    for (size_t i = 0; i < in->local_secondary_indexes.n; i++)
        local_add(c, t, &in->local_secondary_indexes.v[i]);
    for (size_t i = 0; i < in->global_secondary_indexes.n; i++) {
        const struct dynamodb_global_secondary_index *g =
            &in->global_secondary_indexes.v[i];
        const struct dynamodb_create_global_secondary_index_action asked = {
            .index_name = g->index_name,
            .key_schema = g->key_schema,
            .projection = g->projection,
            .provisioned_throughput = g->provisioned_throughput,
        };
        table_global_add(c, t, &asked, true); /* there is nothing to fill it with */
    }
}

void table_definitions_add(struct item_table *t,
                           const struct dynamodb_attribute_definition_list *asked)
{
    struct dynamodb_attribute_definition_list *d = &t->rec->table->attribute_definitions;
    for (size_t i = 0; i < asked->n; i++) {
        bool known = false;
        for (size_t k = 0; k < d->n; k++)
            known |= streq(d->v[k].attribute_name, asked->v[i].attribute_name);
        if (!known)
            *LIST_PUSH(&t->o.arena, d) = (struct dynamodb_attribute_definition){
                arena_strdup(&t->o.arena, asked->v[i].attribute_name),
                asked->v[i].attribute_type};
    }
}

/* ---- operations ---- */

int dynamodb_create_table(struct call *c, const struct dynamodb_create_table_input *in,
                          struct dynamodb_create_table_output *out)
{
    const char *name = item_table_name(c, in->table_name);
    if (!name || table_check(c, in) < 0)
        return -1;
    if (item_table_find(c, name))
        return call_fault(c, &dynamodb_resource_in_use_exception,
                          "Table already exists: %s", name);
    if (in->resource_policy && table_policy_check(c, in->resource_policy) < 0)
        return -1;
    struct item_table *t = item_table_new(c, name);
    identity_set(c, t, name);
    key_copy(&t->o.arena, &in->key_schema, &t->rec->table->key_schema);
    table_definitions_add(t, &in->attribute_definitions);
    indexes_set(c, t, in);
    settings_set(c, t, in);
    if (in->resource_policy)
        table_policy_set(c, t, in->resource_policy);
    item_table_changed(c->core, t);
    table_describe(c, t, &out->table_description);
    return 0;
}

int dynamodb_describe_table(struct call *c,
                            const struct dynamodb_describe_table_input *in,
                            struct dynamodb_describe_table_output *out)
{
    const struct item_table *t = item_table_require(c, in->table_name);
    if (!t)
        return -1;
    table_describe(c, t, &out->table);
    return 0;
}

int dynamodb_list_tables(struct call *c, const struct dynamodb_list_tables_input *in,
                         struct dynamodb_list_tables_output *out)
{
    size_t limit = in->limit.set ? (size_t)in->limit.v : LIST_MAX;
    const struct item_table *t = item_table_next(c, in->exclusive_start_table_name);
    out->table_names.set = true;
    while (t && out->table_names.n < limit) {
        *LIST_PUSH(&c->arena, &out->table_names) = t->rec->table->table_name;
        t = item_table_next(c, t->rec->table->table_name);
    }
    if (t)
        out->last_evaluated_table_name = out->table_names.v[out->table_names.n - 1];
    return 0;
}

int dynamodb_delete_table(struct call *c, const struct dynamodb_delete_table_input *in,
                          struct dynamodb_delete_table_output *out)
{
    struct item_table *t = item_table_require(c, in->table_name);
    if (!t)
        return -1;
    if (t->rec->table->deletion_protection_enabled.v)
        return refuse(c,
                      "Resource cannot be deleted as it is currently protected against "
                      "deletion. Disable deletion protection first.");
    table_describe(c, t, &out->table_description);
    out->table_description =
        wire_copy(&c->arena, &dynamodb_table_description_shape, out->table_description);
    out->table_description->table_status = DYNAMODB_TABLE_STATUS_DELETING;
    item_table_delete(c->core, t);
    return 0;
}

int dynamodb_describe_continuous_backups(
    struct call *c, const struct dynamodb_describe_continuous_backups_input *in,
    struct dynamodb_describe_continuous_backups_output *out)
{
    const char *name = item_table_name(c, in->table_name);
    if (!name)
        return -1;
    if (!item_table_find(c, in->table_name))
        return call_fault(c, &dynamodb_table_not_found_exception, "Table not found: %s",
                          name);
    struct dynamodb_continuous_backups_description *d =
        arena_new(&c->arena, struct dynamodb_continuous_backups_description);
    d->continuous_backups_status = DYNAMODB_CONTINUOUS_BACKUPS_STATUS_DISABLED;
    d->point_in_time_recovery_description =
        arena_new(&c->arena, struct dynamodb_point_in_time_recovery_description);
    d->point_in_time_recovery_description->point_in_time_recovery_status =
        DYNAMODB_POINT_IN_TIME_RECOVERY_STATUS_DISABLED;
    out->continuous_backups_description = d;
    return 0;
}
