/* Tables in memory: how they are found, begin and end. */
#include "item_table.h"

#include <stdlib.h>

#include "arn.h"

static const char dynamodb_service_key;

const struct wire_fault dynamodb_validation_fault = {.code = "ValidationException",
                                                     .status = 400};

struct dynamodb *dynamodb_of(const struct core *core)
{
    return core_service(core, &dynamodb_service_key);
}

/* ---- the tables of the core ---- */

static int table_loaded(struct core *core, struct object *o, struct error *err)
{
    struct item_table *t = (struct item_table *)o;
    if (!t->rec->table || !t->rec->table->table_name || !t->rec->table->table_arn)
        return fail(err, E_CORRUPT, "table without its parts");
    t->schema = item_schema_new(t->rec);
    int r = table_policy_compile(t, err);
    if (r == 0)
        table_upkeep_start(core, t);
    return r;
}

static void table_unlink(struct core *core, struct object *o)
{
    struct item_table *t = (struct item_table *)o;
    table_upkeep_stop(core, t);
    table_policy_free(t);
    item_schema_unref(t->schema);
}

static const struct table_type item_table_type = {
    .prefix = "/dynamodb/table/",
    .shape = &gantry_dynamodb_table_record_shape,
    .object_size = sizeof(struct item_table),
    .record_offset = offsetof(struct item_table, rec),
    .loaded = table_loaded,
    .unlink = table_unlink,
};

void dynamodb_attach(struct core *core, const struct dynamodb_settings *settings)
{
    struct dynamodb *all = xcalloc(1, sizeof(*all));
    all->settings = *settings;
    core_set_service(core, &dynamodb_service_key, all, free);
    all->tables = table_add(core, &item_table_type);
    all->removals = table_add(core, &removal_table);
}

/* ---- finding ---- */

static const char *key_of(struct arena *a, const char *account, const char *region,
                          const char *name)
{
    return arena_printf(a, "%s%s/%s/%s", item_table_type.prefix, account, region, name);
}

struct item_table *item_table_by_arn(struct core *core, const char *text)
{
    struct arena *a = core_scratch(core);
    struct arn arn;
    if (!arn_parse(a, text, &arn) || !streq(arn.service, "dynamodb") ||
        !str_starts(arn.resource, "table/"))
        return NULL;
    const char *name = arn.resource + strlen("table/");
    name = arena_strndup(a, name, strcspn(name, "/")); /* an index's is its table's */
    return table_find(dynamodb_of(core)->tables,
                      key_of(a, arn.account, arn.region, name));
}

/* Another account's table is there for those whom its own policy can have let in. */
static bool may_be_seen(const struct call *c, const struct arn *arn,
                        const struct item_table *t)
{
    return streq(arn->account, c->who.account_id) || t->rec->policy;
}

struct item_table *item_table_find(struct call *c, const char *name)
{
    struct arn arn;
    if (!arn_parse(&c->arena, name, &arn))
        return table_find(dynamodb_of(c->core)->tables,
                          key_of(&c->arena, c->who.account_id, c->region, name));
    struct item_table *t =
        streq(arn.region, c->region) ? item_table_by_arn(c->core, name) : NULL;
    return t && may_be_seen(c, &arn, t) ? t : NULL;
}

const char *item_table_name(struct call *c, const char *given)
{
    struct arn arn;
    if (!arn_parse(&c->arena, given, &arn))
        return table_name_check(c, given) < 0 ? NULL : given;
    if (streq(arn.service, "dynamodb") && str_starts(arn.resource, "table/"))
        return arn.resource + strlen("table/");
    refuse(c, "Invalid table ARN");
    return NULL;
}

struct item_table *item_table_require(struct call *c, const char *name)
{
    const char *plain = item_table_name(c, name);
    if (!plain)
        return NULL;
    struct item_table *t = item_table_find(c, name);
    if (!t)
        call_fault(c, &dynamodb_resource_not_found_exception,
                   "Requested resource not found: Table: %s not found", plain);
    return t;
}

struct item_table *item_table_require_data(struct call *c, const char *name)
{
    if (!item_table_name(c, name))
        return NULL;
    struct item_table *t = item_table_find(c, name);
    if (!t)
        call_fault(c, &dynamodb_resource_not_found_exception,
                   "Requested resource not found");
    return t;
}

struct item_table *item_table_next(struct call *c, const char *after)
{
    const char *prefix = key_of(&c->arena, c->who.account_id, c->region, "");
    return table_next(dynamodb_of(c->core)->tables, prefix,
                      call_printf(c, "%s%s", prefix, after ? after : ""));
}

/* ---- beginning and end ---- */

/* 47 bits at random: six bytes in each row, and as good as never the same one twice. */
int64_t item_space_new(struct core *core)
{
    return (int64_t)core_random_below(core, INT64_C(1) << 47) + 1;
}

struct item_table *item_table_new(struct call *c, const char *name)
{
    struct item_table *t =
        object_new(c->core, dynamodb_of(c->core)->tables,
                   key_of(&c->arena, c->who.account_id, c->region, name));
    t->rec->table = arena_new(&t->o.arena, struct dynamodb_table_description);
    t->rec->space = SET_LONG(item_space_new(c->core));
    return t;
}

/* The old description goes on for the calls that have it. */
void item_table_changed(struct core *core, struct item_table *t)
{
    object_save(core, &t->o);
    item_schema_unref(t->schema);
    t->schema = item_schema_new(t->rec);
    table_upkeep_start(core, t);
}

void item_table_delete(struct core *core, struct item_table *t)
{
    const struct gantry_dynamodb_table_record *rec = t->rec;
    size_t n = 0;
    int64_t *spaces = arena_new_array(core_scratch(core), int64_t, rec->indexes.n + 2);
    spaces[n++] = rec->space.v;
    for (size_t i = 0; i < rec->indexes.n; i++)
        spaces[n++] = rec->indexes.v[i].space.v;
    if (rec->expiry)
        spaces[n++] = rec->expiry->space.v;
    object_delete(core, &t->o);
    removal_new(core, spaces, n);
}
