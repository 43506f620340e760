/* Describe and Modify of the attributes of load balancers, target groups, listeners. */
#include "attributes.h"
#include "balancer_attributes.h"
#include "target_group_ops.h"

/* ---- load balancers ---- */

static enum attribute_of of_balancer(const struct balancer *b)
{
    return b->rec->load_balancer->type == ELBV2_LOAD_BALANCER_TYPE_ENUM_NETWORK
               ? OF_NETWORK
               : OF_APPLICATION;
}

const char *balancer_setting(const struct balancer *b, const char *key)
{
    for (size_t i = 0; i < b->rec->attributes.n; i++)
        if (streq(b->rec->attributes.v[i].key, key))
            return b->rec->attributes.v[i].value;
    return NULL;
}

void balancer_attributes_init(struct balancer *b)
{
    for (const struct attribute_row *r = balancer_attribute_rows; r->key; r++) {
        if (!(r->of & of_balancer(b)))
            continue;
        struct elbv2_load_balancer_attribute *x =
            LIST_PUSH(&b->o.arena, &b->rec->attributes);
        x->key = r->key;
        x->value = r->fallback;
    }
}

int elbv2_describe_load_balancer_attributes(
    struct call *c, const struct elbv2_describe_load_balancer_attributes_input *in,
    struct elbv2_describe_load_balancer_attributes_output *out)
{
    const struct balancer *b = balancer_require(c, in->load_balancer_arn);
    if (!b)
        return -1;
    out->attributes = b->rec->attributes;
    return 0;
}

int elbv2_modify_load_balancer_attributes(
    struct call *c, const struct elbv2_modify_load_balancer_attributes_input *in,
    struct elbv2_modify_load_balancer_attributes_output *out)
{
    struct balancer *b = balancer_require(c, in->load_balancer_arn);
    if (!b)
        return -1;
    for (size_t i = 0; i < in->attributes.n; i++)
        if (attribute_check(c, balancer_attribute_rows, of_balancer(b), "Load balancer",
                            in->attributes.v[i].key ? in->attributes.v[i].key : "",
                            in->attributes.v[i].value ? in->attributes.v[i].value : "") <
            0)
            return -1;
    for (size_t i = 0; i < in->attributes.n; i++)
        for (size_t k = 0; k < b->rec->attributes.n; k++)
            if (streq(b->rec->attributes.v[k].key, in->attributes.v[i].key))
                b->rec->attributes.v[k].value =
                    arena_strdup(&b->o.arena, in->attributes.v[i].value);
    object_save(c->core, &b->o);
    balancer_changed(c->core, b);
    out->attributes = b->rec->attributes;
    return 0;
}

/* ---- target groups ---- */

static enum attribute_of of_group(const struct target_group *g)
{
    enum elbv2_protocol_enum p = g->rec->target_group->protocol;
    return p == ELBV2_PROTOCOL_ENUM_HTTP || p == ELBV2_PROTOCOL_ENUM_HTTPS
               ? OF_APPLICATION
               : OF_NETWORK;
}

void group_attributes_init(struct target_group *g)
{
    for (const struct attribute_row *r = group_attribute_rows; r->key; r++) {
        if (!(r->of & of_group(g)))
            continue;
        struct elbv2_target_group_attribute *x =
            LIST_PUSH(&g->o.arena, &g->rec->attributes);
        x->key = r->key;
        x->value = r->fallback;
    }
}

int elbv2_describe_target_group_attributes(
    struct call *c, const struct elbv2_describe_target_group_attributes_input *in,
    struct elbv2_describe_target_group_attributes_output *out)
{
    const struct target_group *g = target_group_require(c, in->target_group_arn);
    if (!g)
        return -1;
    out->attributes = g->rec->attributes;
    return 0;
}

static int group_value_check(struct call *c, const struct target_group *g,
                             const struct elbv2_target_group_attribute *x)
{
    int64_t seconds = 0;
    const char *key = x->key ? x->key : "", *value = x->value ? x->value : "";
    if (attribute_check(c, group_attribute_rows, of_group(g), "Target group", key,
                        value) < 0)
        return -1;
    if (streq(key, "slow_start.duration_seconds") && str_to_i64(value, 1, 29, &seconds))
        return call_fault(c, &elbv2_invalid_configuration_request_exception,
                          "Slow start duration must be 0 or between 30 and 900 seconds");
    if (streq(key, "stickiness.app_cookie.cookie_name") && str_starts(value, "AWSALB"))
        return call_fault(c, &elbv2_invalid_configuration_request_exception,
                          "Cookie names with the prefix 'AWSALB' are reserved");
    return 0;
}

int elbv2_modify_target_group_attributes(
    struct call *c, const struct elbv2_modify_target_group_attributes_input *in,
    struct elbv2_modify_target_group_attributes_output *out)
{
    struct target_group *g = target_group_require(c, in->target_group_arn);
    if (!g)
        return -1;
    for (size_t i = 0; i < in->attributes.n; i++)
        if (group_value_check(c, g, &in->attributes.v[i]) < 0)
            return -1;
    for (size_t i = 0; i < in->attributes.n; i++)
        for (size_t k = 0; k < g->rec->attributes.n; k++)
            if (streq(g->rec->attributes.v[k].key, in->attributes.v[i].key))
                g->rec->attributes.v[k].value =
                    arena_strdup(&g->o.arena, in->attributes.v[i].value);
    object_save(c->core, &g->o);
    group_changed(c->core, g);
    out->attributes = g->rec->attributes;
    return 0;
}

/* ---- listeners ---- */

static enum attribute_of of_listener(const struct listener *l)
{
    return of_balancer(l->balancer);
}

void listener_attributes_init(struct listener *l)
{
    for (const struct attribute_row *r = listener_attribute_rows; r->key; r++) {
        if (!(r->of & of_listener(l)))
            continue;
        struct elbv2_listener_attribute *x = LIST_PUSH(&l->o.arena, &l->rec->attributes);
        x->key = r->key;
        x->value = r->fallback;
    }
}

int elbv2_describe_listener_attributes(
    struct call *c, const struct elbv2_describe_listener_attributes_input *in,
    struct elbv2_describe_listener_attributes_output *out)
{
    const struct listener *l = listener_require(c, in->listener_arn);
    if (!l)
        return -1;
    out->attributes = l->rec->attributes;
    return 0;
}

int elbv2_modify_listener_attributes(
    struct call *c, const struct elbv2_modify_listener_attributes_input *in,
    struct elbv2_modify_listener_attributes_output *out)
{
    struct listener *l = listener_require(c, in->listener_arn);
    if (!l)
        return -1;
    for (size_t i = 0; i < in->attributes.n; i++)
        if (attribute_check(c, listener_attribute_rows, of_listener(l), "Listener",
                            in->attributes.v[i].key ? in->attributes.v[i].key : "",
                            in->attributes.v[i].value ? in->attributes.v[i].value : "") <
            0)
            return -1;
    for (size_t i = 0; i < in->attributes.n; i++)
        for (size_t k = 0; k < l->rec->attributes.n; k++)
            if (streq(l->rec->attributes.v[k].key, in->attributes.v[i].key))
                l->rec->attributes.v[k].value =
                    arena_strdup(&l->o.arena, in->attributes.v[i].value);
    object_save(c->core, &l->o);
    balancer_changed(c->core, l->balancer);
    out->attributes = l->rec->attributes;
    return 0;
}
