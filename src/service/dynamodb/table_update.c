/* UpdateTable: billing, throughput, class, protection, and one global index at a time. */
#include "item_table.h"

static enum dynamodb_billing_mode billing_of(const struct item_table *t)
{
    const struct dynamodb_billing_mode_summary *s = t->rec->table->billing_mode_summary;
    return s ? s->billing_mode : DYNAMODB_BILLING_MODE_PROVISIONED;
}

static struct dynamodb_global_secondary_index_description *
global_find(const struct item_table *t, const char *name)
{
    struct dynamodb_global_secondary_index_description_list *l =
        &t->rec->table->global_secondary_indexes;
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].index_name, name))
            return &l->v[i];
    return NULL;
}

/* ---- is it allowed? ---- */

static int check_offered(struct call *c, const struct dynamodb_update_table_input *in)
{
    const struct dynamodb_sse_specification *sse = in->sse_specification;
    if (in->stream_specification && in->stream_specification->stream_enabled.v)
        return refuse(c,
                      "StreamSpecification is not supported here: there are no streams.");
    if (sse && (sse->enabled.v || sse->kms_master_key_id ||
                sse->sse_type == DYNAMODB_SSE_TYPE_KMS))
        return refuse(
            c, "SSESpecification is not supported here: there are no keys of KMS.");
    if (in->replica_updates.n || in->global_table_witness_updates.n ||
        in->multi_region_consistency || in->global_table_settings_replication_mode)
        return refuse(c, "Global tables are not supported here.");
    if (in->on_demand_throughput &&
        (in->on_demand_throughput->max_read_request_units.v > 0 ||
         in->on_demand_throughput->max_write_request_units.v > 0))
        return refuse(c, "OnDemandThroughput is not supported here: requests are not "
                         "throttled.");
    if (in->warm_throughput)
        return refuse(
            c, "WarmThroughput is not supported here: capacity is this machine's.");
    return 0;
}

static int check_billing(struct call *c, const struct item_table *t,
                         const struct dynamodb_update_table_input *in)
{
    const struct dynamodb_provisioned_throughput *asked = in->provisioned_throughput;
    const struct dynamodb_provisioned_throughput_description *now =
        t->rec->table->provisioned_throughput;
    enum dynamodb_billing_mode was = billing_of(t),
                               mode = in->billing_mode ? in->billing_mode : was;
    if (mode == DYNAMODB_BILLING_MODE_PAY_PER_REQUEST && asked)
        return refuse(c, "One or more parameter values were invalid: Neither "
                         "ReadCapacityUnits nor WriteCapacityUnits can be specified when "
                         "BillingMode is PAY_PER_REQUEST");
    if (mode != was && mode == DYNAMODB_BILLING_MODE_PROVISIONED && !asked)
        return refuse(c,
                      "One or more parameter values were invalid: ReadCapacityUnits and "
                      "WriteCapacityUnits must both be specified when BillingMode is "
                      "PROVISIONED");
    if (asked && mode == was &&
        asked->read_capacity_units.v == now->read_capacity_units.v &&
        asked->write_capacity_units.v == now->write_capacity_units.v)
        return refuse(
            c,
            "The provisioned throughput for the table will not change. The "
            "requested value equals the current value. Current ReadCapacityUnits "
            "provisioned for the table: %lld. Requested ReadCapacityUnits: %lld. "
            "Current WriteCapacityUnits provisioned for the table: %lld. Requested "
            "WriteCapacityUnits: %lld. Refer to the Amazon DynamoDB Developer Guide "
            "for current limits and how to request higher limits.",
            (long long)now->read_capacity_units.v,
            (long long)asked->read_capacity_units.v,
            (long long)now->write_capacity_units.v,
            (long long)asked->write_capacity_units.v);
    return 0;
}

static int check_index_update(struct call *c, const struct item_table *t,
                              const struct dynamodb_global_secondary_index_update *u)
{
    const char *name = u->update ? u->update->index_name : u->delete->index_name;
    if (!global_find(t, name))
        return call_fault(c, &dynamodb_resource_not_found_exception,
                          "Requested resource not found");
    if (u->update && (u->update->warm_throughput || u->update->on_demand_throughput))
        return refuse(c, "WarmThroughput and OnDemandThroughput are not supported here.");
    return 0;
}

/* One index is made or removed at a time. */
static int check_indexes(struct call *c, const struct item_table *t,
                         const struct dynamodb_update_table_input *in)
{
    const struct dynamodb_global_secondary_index_update_list *l =
        &in->global_secondary_index_updates;
    size_t made = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct dynamodb_global_secondary_index_update *u = &l->v[i];
        if (!!u->create + !!u->update + !!u->delete != 1)
            return refuse(c, "One or more parameter values were invalid: Only one of "
                             "Create, Update or Delete is allowed in a "
                             "GlobalSecondaryIndexUpdate");
        made += u->create || u->delete;
        if (!u->create && check_index_update(c, t, u) < 0)
            return -1;
    }
    if (made > 1 || (made && l->n > 1))
        return call_fault(
            c, &dynamodb_limit_exceeded_exception,
            "Subscriber limit exceeded: Only 1 online index can be created or "
            "deleted simultaneously per table");
    if (made && t->rec->table->table_status != DYNAMODB_TABLE_STATUS_ACTIVE)
        return call_fault(c, &dynamodb_resource_in_use_exception,
                          "Attempt to change a resource which is still in use: Table is "
                          "being updated: %s",
                          t->rec->table->table_name);
    return l->n && l->v[0].create ? table_check_added(c, t, in) : 0;
}

static int check(struct call *c, const struct item_table *t,
                 const struct dynamodb_update_table_input *in)
{
    if (!in->billing_mode && !in->provisioned_throughput &&
        !in->global_secondary_index_updates.n && !in->stream_specification &&
        !in->sse_specification && !in->replica_updates.n && !in->table_class &&
        !in->deletion_protection_enabled.set && !in->on_demand_throughput &&
        !in->warm_throughput && !in->multi_region_consistency)
        return refuse(c, "At least one of ProvisionedThroughput, BillingMode, "
                         "UpdateStreamEnabled, GlobalSecondaryIndexUpdates or "
                         "SSESpecification or ReplicaUpdates is required");
    return check_offered(c, in) < 0 || check_billing(c, t, in) < 0
               ? -1
               : check_indexes(c, t, in);
}

/* ---- the change ---- */

static void throughput_set(struct core *core,
                           struct dynamodb_provisioned_throughput_description *now,
                           const struct dynamodb_provisioned_throughput *asked)
{
    struct opt_time at = SET_TIME(core_now_ms(core));
    if (asked->read_capacity_units.v > now->read_capacity_units.v ||
        asked->write_capacity_units.v > now->write_capacity_units.v)
        now->last_increase_date_time = at;
    if (asked->read_capacity_units.v < now->read_capacity_units.v ||
        asked->write_capacity_units.v < now->write_capacity_units.v)
        now->last_decrease_date_time = at;
    now->read_capacity_units = asked->read_capacity_units;
    now->write_capacity_units = asked->write_capacity_units;
}

static void billing_change(struct call *c, struct item_table *t,
                           const struct dynamodb_update_table_input *in)
{
    static const struct dynamodb_provisioned_throughput none = {
        .read_capacity_units = SET_LONG(0), .write_capacity_units = SET_LONG(0)};
    struct dynamodb_table_description *d = t->rec->table;
    if (in->billing_mode && in->billing_mode != billing_of(t))
        table_billing_set(c->core, t, in->billing_mode);
    if (billing_of(t) == DYNAMODB_BILLING_MODE_PAY_PER_REQUEST) {
        throughput_set(c->core, d->provisioned_throughput, &none);
        for (size_t i = 0; i < d->global_secondary_indexes.n; i++)
            throughput_set(
                c->core, d->global_secondary_indexes.v[i].provisioned_throughput, &none);
    } else if (in->provisioned_throughput) {
        throughput_set(c->core, d->provisioned_throughput, in->provisioned_throughput);
    }
}

static void definitions_trim(struct item_table *t)
{
    struct dynamodb_attribute_definition_list *d = &t->rec->table->attribute_definitions;
    struct item_schema *s = item_schema_new(t->rec);
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        bool used = key_schema_has(&s->key, d->v[i].attribute_name);
        for (size_t k = 0; k < s->index_count; k++)
            used |= key_schema_has(&s->indexes[k].key, d->v[i].attribute_name);
        if (used)
            d->v[n++] = d->v[i];
    }
    d->n = n;
    item_schema_unref(s);
}

/* Calls that have the description of before may still write into the index: its rows are
 * removed behind them. */
static void global_delete(struct call *c, struct item_table *t, const char *name)
{
    struct dynamodb_global_secondary_index_description_list *l =
        &t->rec->table->global_secondary_indexes;
    struct gantry_dynamodb_index_record_list *x = &t->rec->indexes;
    size_t n = 0, m = 0;
    for (size_t i = 0; i < l->n; i++)
        if (!streq(l->v[i].index_name, name))
            l->v[n++] = l->v[i];
    l->n = n;
    l->set = n > 0;
    for (size_t i = 0; i < x->n; i++)
        if (streq(x->v[i].name, name))
            removal_new(c->core, &x->v[i].space.v, 1);
        else
            x->v[m++] = x->v[i];
    x->n = m;
    definitions_trim(t);
}

static void index_change(struct call *c, struct item_table *t,
                         const struct dynamodb_update_table_input *in,
                         const struct dynamodb_global_secondary_index_update *u)
{
    if (u->create) {
        table_definitions_add(t, &in->attribute_definitions);
        table_global_add(c, t, u->create, false);
        t->rec->table->table_status = DYNAMODB_TABLE_STATUS_UPDATING;
        definitions_trim(t);
    } else if (u->delete) {
        global_delete(c, t, u->delete->index_name);
    } else if (u->update->provisioned_throughput) {
        throughput_set(c->core,
                       global_find(t, u->update->index_name)->provisioned_throughput,
                       u->update->provisioned_throughput);
    }
}

int dynamodb_update_table(struct call *c, const struct dynamodb_update_table_input *in,
                          struct dynamodb_update_table_output *out)
{
    struct item_table *t = item_table_require(c, in->table_name);
    if (!t || check(c, t, in) < 0)
        return -1;
    billing_change(c, t, in);
    if (in->deletion_protection_enabled.set)
        t->rec->table->deletion_protection_enabled = in->deletion_protection_enabled;
    if (in->table_class)
        table_class_set(c->core, t, in->table_class);
    for (size_t i = 0; i < in->global_secondary_index_updates.n; i++)
        index_change(c, t, in, &in->global_secondary_index_updates.v[i]);
    item_table_changed(c->core, t);
    table_describe(c, t, &out->table_description);
    return 0;
}
