/* UpdateTimeToLive, DescribeTimeToLive. */
#include "item_table.h"

int dynamodb_update_time_to_live(struct call *c,
                                 const struct dynamodb_update_time_to_live_input *in,
                                 struct dynamodb_update_time_to_live_output *out)
{
    struct item_table *t = item_table_require(c, in->table_name);
    const struct dynamodb_time_to_live_specification *asked =
        in->time_to_live_specification;
    if (!t)
        return -1;
    const struct gantry_dynamodb_expiry_record *now = t->rec->expiry;
    if (asked->enabled.v && now)
        return refuse(c, "TimeToLive is already enabled");
    if (!asked->enabled.v && !now)
        return refuse(c, "TimeToLive is already disabled");
    if (now && !streq(now->attribute_name, asked->attribute_name))
        return refuse(c,
                      "TimeToLive is active on a different AttributeName: current "
                      "AttributeName is %s",
                      now->attribute_name);
    if (now) {
        removal_new(c->core, &now->space.v, 1);
        t->rec->expiry = NULL;
    } else {
        struct arena *a = &t->o.arena;
        t->rec->expiry = arena_new(a, struct gantry_dynamodb_expiry_record);
        *t->rec->expiry = (struct gantry_dynamodb_expiry_record){
            .attribute_name = arena_strdup(a, asked->attribute_name),
            .space = SET_LONG(item_space_new(c->core)),
            .filled = SET_BOOL(false),
        };
    }
    item_table_changed(c->core, t);
    out->time_to_live_specification =
        (struct dynamodb_time_to_live_specification *)(uintptr_t)asked;
    return 0;
}

int dynamodb_describe_time_to_live(struct call *c,
                                   const struct dynamodb_describe_time_to_live_input *in,
                                   struct dynamodb_describe_time_to_live_output *out)
{
    const struct item_table *t = item_table_require(c, in->table_name);
    if (!t)
        return -1;
    struct dynamodb_time_to_live_description *d =
        arena_new(&c->arena, struct dynamodb_time_to_live_description);
    d->time_to_live_status = t->rec->expiry ? DYNAMODB_TIME_TO_LIVE_STATUS_ENABLED
                                            : DYNAMODB_TIME_TO_LIVE_STATUS_DISABLED;
    if (t->rec->expiry)
        d->attribute_name = t->rec->expiry->attribute_name;
    out->time_to_live_description = d;
    return 0;
}
