#include "balancer_attribute.h"

#include "str.h"

#define LOOK_UP(function, list_type)                                                     \
    const char *function(const struct list_type *list, const char *key,                  \
                         const char *fallback)                                           \
    {                                                                                    \
        for (size_t i = 0; i < list->n; i++)                                             \
            if (streq(list->v[i].key, key) && !str_empty(list->v[i].value))              \
                return list->v[i].value;                                                 \
        return fallback;                                                                 \
    }

LOOK_UP(balancer_attribute, elbv2_load_balancer_attribute_list)
LOOK_UP(listener_attribute, elbv2_listener_attribute_list)
LOOK_UP(group_attribute, elbv2_target_group_attribute_list)

int64_t attribute_number(const char *value, int64_t min, int64_t max, int64_t fallback)
{
    int64_t v;
    return value && str_to_i64(value, min, max, &v) ? v : fallback;
}

bool attribute_true(const char *value)
{
    return streq(value, "true");
}
