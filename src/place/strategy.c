#include <strings.h>

#include "index.h"
#include "str.h"

const struct place_strategy place_default_strategies[2] = {
    {PLACE_SPREAD, PLACE_BY_ATTRIBUTE, PLACE_ZONE_ATTRIBUTE},
    {PLACE_SPREAD, PLACE_BY_INSTANCE, NULL},
};

static int parse_spread(const char *field, struct place_strategy *ret, struct error *err)
{
    if (strcasecmp(field, "instanceId") == 0 || strcasecmp(field, "host") == 0) {
        *ret = (struct place_strategy){PLACE_SPREAD, PLACE_BY_INSTANCE, NULL};
        return 0;
    }
    if (str_starts(field, "attribute:") && field[strlen("attribute:")]) {
        *ret = (struct place_strategy){PLACE_SPREAD, PLACE_BY_ATTRIBUTE,
                                       field + strlen("attribute:")};
        return 0;
    }
    return fail(err, E_INVALID, "spread field '%s' is invalid", field);
}

int place_strategy_parse(const char *type, const char *field, struct place_strategy *ret,
                         struct error *err)
{
    if (!field)
        field = "";
    if (streq(type, "random")) {
        if (*field)
            return fail(err, E_INVALID, "random field should not be specified");
        *ret = (struct place_strategy){PLACE_RANDOM, PLACE_BY_NONE, NULL};
        return 0;
    }
    if (streq(type, "spread"))
        return parse_spread(field, ret, err);
    if (!streq(type, "binpack"))
        return fail(err, E_INVALID, "placement strategy type '%s' is invalid",
                    type ? type : "");
    if (strcasecmp(field, "cpu") != 0 && strcasecmp(field, "memory") != 0)
        return fail(err, E_INVALID, "binpack field '%s' is invalid", field);
    *ret = (struct place_strategy){
        PLACE_BINPACK, strcasecmp(field, "cpu") == 0 ? PLACE_BY_CPU : PLACE_BY_MEMORY,
        NULL};
    return 0;
}

const char *strategy_value(const struct place_strategy *s, const struct place_instance *i)
{
    if (s->field == PLACE_BY_INSTANCE)
        return i->id;
    return place_instance_attribute(i, s->attribute);
}
