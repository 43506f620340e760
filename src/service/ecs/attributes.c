/* PutAttributes, DeleteAttributes, ListAttributes: what people say of container instances.
 * Constraints, strategies and filters see a change at once. */
#include <string.h>

#include "instance.h"
#include "page.h"

#define MAX_CUSTOM     10 /* of an instance */
#define MAX_IN_REQUEST 10

/* What agents and ECS say of an instance, as against what people say. */
bool attribute_reserved(const char *name)
{
    return str_starts(name, "ecs.") || str_starts(name, "com.amazonaws.ecs.") ||
           str_starts(name, "gantry.");
}

static bool text_valid(const char *text, const char *more)
{
    size_t n = strlen(text);
    if (n < 1 || n > 128)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)text[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= '0' && ch <= '9');
        if (!plain && !strchr(more, ch))
            return false;
    }
    return true;
}

static int attribute_check(struct call *c, const struct ecs_attribute *at)
{
    if (str_empty(at->name) || !text_valid(at->name, "-_./\\"))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Attribute names must be 1 to 128 letters, numbers, hyphens, "
                          "underscores, slashes, backslashes or periods long.");
    if (attribute_reserved(at->name))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The attribute %s is reserved.", at->name);
    if (!at->value)
        return 0;
    size_t n = strlen(at->value);
    if (!text_valid(at->value, "-_./\\@: ") || at->value[0] == ' ' ||
        at->value[n - 1] == ' ')
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Attribute values must be 1 to 128 letters, numbers, hyphens, "
                          "underscores, periods, at signs, slashes, backslashes, colons "
                          "or spaces long, without spaces at the ends.");
    return 0;
}

/* The instance by ARN or id; with a plain id the target type has to be named too. */
static struct instance *target(struct call *c, struct cluster *cl,
                               const struct ecs_attribute *at)
{
    if (str_empty(at->target_id)) {
        call_fault(c, &ecs_invalid_parameter_exception, "targetId cannot be empty.");
        return NULL;
    }
    if (!arn_looks_like(at->target_id) && !at->target_type) {
        call_fault(c, &ecs_invalid_parameter_exception,
                   "A targetType must be specified when targetId is not an ARN.");
        return NULL;
    }
    struct instance *i = instance_find(c->core, cl, at->target_id);
    if (!i)
        call_fault(c, &ecs_target_not_found_exception,
                   "The specified target wasn't found: %s", at->target_id);
    return i;
}

static int list_check(struct call *c, const struct ecs_attribute_list *l)
{
    if (l->n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Attributes cannot be empty.");
    if (l->n > MAX_IN_REQUEST)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "A request can have at most 10 attributes.");
    return 0;
}

static struct ecs_attribute *attribute_named(struct instance *i, const char *name)
{
    struct ecs_attribute_list *l = &i->rec->instance->attributes;
    for (size_t n = 0; n < l->n; n++)
        if (streq(l->v[n].name, name))
            return &l->v[n];
    return NULL;
}

static size_t custom_count(const struct instance *i)
{
    const struct ecs_attribute_list *l = &i->rec->instance->attributes;
    size_t custom = 0;
    for (size_t n = 0; n < l->n; n++)
        custom += !attribute_reserved(l->v[n].name);
    return custom;
}

/* How many names the request brings that the instance does not have, up to `at`. */
static size_t new_names(struct call *c, struct cluster *cl, struct instance *i,
                        const struct ecs_attribute_list *l, size_t at)
{
    size_t n = 0;
    for (size_t k = 0; k <= at; k++) {
        bool first = !attribute_named(i, l->v[k].name) &&
                     instance_find(c->core, cl, l->v[k].target_id) == i;
        for (size_t j = 0; j < k && first; j++)
            first = !streq(l->v[j].name, l->v[k].name) ||
                    instance_find(c->core, cl, l->v[j].target_id) != i;
        n += first;
    }
    return n;
}

static void reply_with(struct call *c, const struct instance *i,
                       const struct ecs_attribute *at, struct ecs_attribute_list *ret)
{
    struct ecs_attribute *slot = LIST_PUSH(&c->arena, ret);
    *slot = (struct ecs_attribute){
        .name = arena_strdup(&c->arena, at->name),
        .value = arena_strdup(&c->arena, at->value),
        .target_type = ECS_TARGET_TYPE_CONTAINER_INSTANCE,
        .target_id = arena_strdup(&c->arena, i->rec->instance->container_instance_arn),
    };
}

/* Everything is checked before anything is changed. */
int ecs_put_attributes(struct call *c, const struct ecs_put_attributes_request *in,
                       struct ecs_put_attributes_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl || list_check(c, &in->attributes) < 0)
        return -1;
    for (size_t n = 0; n < in->attributes.n; n++) {
        struct instance *i;
        if (attribute_check(c, &in->attributes.v[n]) < 0 ||
            !(i = target(c, cl, &in->attributes.v[n])))
            return -1;
        if (custom_count(i) + new_names(c, cl, i, &in->attributes, n) > MAX_CUSTOM)
            return call_fault(c, &ecs_attribute_limit_exceeded_exception,
                              "A container instance can have at most 10 custom "
                              "attributes.");
    }
    out->attributes.set = true;
    for (size_t n = 0; n < in->attributes.n; n++) {
        const struct ecs_attribute *at = &in->attributes.v[n];
        struct instance *i = target(c, cl, at);
        struct ecs_attribute *slot = attribute_named(i, at->name);
        if (!slot) {
            slot = LIST_PUSH(&i->o.arena, &i->rec->instance->attributes);
            slot->name = arena_strdup(&i->o.arena, at->name);
        }
        slot->value = arena_strdup(&i->o.arena, at->value);
        instance_changed(c->core, i);
        reply_with(c, i, at, &out->attributes);
    }
    instance_room_in(c->core, cl);
    return 0;
}

/* With a value: only that value goes. */
int ecs_delete_attributes(struct call *c, const struct ecs_delete_attributes_request *in,
                          struct ecs_delete_attributes_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl || list_check(c, &in->attributes) < 0)
        return -1;
    for (size_t n = 0; n < in->attributes.n; n++)
        if (attribute_check(c, &in->attributes.v[n]) < 0 ||
            !target(c, cl, &in->attributes.v[n]))
            return -1;
    out->attributes.set = true;
    for (size_t n = 0; n < in->attributes.n; n++) {
        const struct ecs_attribute *at = &in->attributes.v[n];
        struct instance *i = target(c, cl, at);
        struct ecs_attribute_list *l = &i->rec->instance->attributes;
        struct ecs_attribute *slot = attribute_named(i, at->name);
        if (slot && (!at->value || streq(at->value, slot->value))) {
            reply_with(c, i, slot, &out->attributes);
            memmove(slot, slot + 1, (size_t)(l->v + l->n - slot - 1) * sizeof(*slot));
            l->n--;
            instance_changed(c->core, i);
        } else {
            reply_with(c, i, at, &out->attributes);
        }
    }
    instance_room_in(c->core, cl);
    return 0;
}

/* ---- ListAttributes ---- */

/* The page goes on behind "instance's key" + '\n' + index of an attribute. */
struct position {
    const char *key;
    size_t index;
};

static int position_read(struct call *c, const char *token, const char *prefix,
                         struct position *ret)
{
    const char *text;
    int64_t index = 0;
    *ret = (struct position){prefix, 0};
    if (ecs_page_start(c, token, prefix, &text) < 0)
        return -1;
    const char *line = strchr(text, '\n');
    if (!line)
        return 0;
    if (!str_to_i64(line + 1, 0, INT32_MAX, &index))
        return call_fault(c, &ecs_invalid_parameter_exception, "Invalid token.");
    *ret = (struct position){arena_strndup(&c->arena, text, (size_t)(line - text)),
                             (size_t)index};
    return 0;
}

/* False when the page is full. */
static bool list_instance(struct call *c, const struct ecs_list_attributes_request *in,
                          const struct instance *i, size_t from, size_t limit,
                          struct ecs_list_attributes_response *out)
{
    const struct ecs_attribute_list *l = &i->rec->instance->attributes;
    for (size_t n = from; n < l->n; n++) {
        const struct ecs_attribute *at = &l->v[n];
        if (in->attribute_name && !streq(in->attribute_name, at->name))
            continue;
        if (in->attribute_value && !streq(in->attribute_value, at->value))
            continue;
        if (out->attributes.n == limit) {
            out->next_token =
                page_token(&c->arena, call_printf(c, "%s\n%zu", i->o.key, n));
            return false;
        }
        reply_with(c, i, at, &out->attributes);
    }
    return true;
}

int ecs_list_attributes(struct call *c, const struct ecs_list_attributes_request *in,
                        struct ecs_list_attributes_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl)
        return -1;
    if (in->attribute_value && !in->attribute_name)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "An attribute name must be specified when an attribute value "
                          "is specified.");
    size_t limit;
    struct position at;
    struct table *table = ecs_of(c->core)->instances;
    const char *prefix = ecs_key(&c->arena, "instance", cl->account, cl->region,
                                 call_printf(c, "%s/", cl->name));
    if (ecs_page_size(c, in->max_results, 100, 100, &limit) < 0 ||
        position_read(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->attributes.set = true;
    const struct instance *i = table_find(table, at.key);
    if (i && !list_instance(c, in, i, at.index, limit, out))
        return 0;
    while ((i = table_next(table, prefix, at.key))) {
        if (!list_instance(c, in, i, 0, limit, out))
            break;
        at.key = i->o.key;
    }
    return 0;
}
