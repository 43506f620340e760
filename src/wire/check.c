/* The model's rules for values: required members, lengths in characters, ranges, patterns. One walk
 * over the decoded struct, the same for every protocol. Enums are checked while decoding,
 * because only the decoder still has the unknown name. */
#include <stdio.h>

#include "pattern.h"
#include "slot.h"
#include "wire_report.h"

static void check(struct wire_report *r, const struct wire_path *path,
                  const struct wire_shape *shape, const void *value);

#define PATTERN_TEXT_MAX 65536 /* bytes; longer texts are not worth the time */

static void check_length(struct wire_report *r, const struct wire_path *path,
                         const struct wire_shape *shape, size_t n, const char *shown)
{
    if (shape->has_min && (double)n < shape->min)
        report_value(r, path, shown,
                     "Member must have length greater than or equal to %.0f", shape->min);
    if (shape->has_max && (double)n > shape->max)
        report_value(r, path, shown, "Member must have length less than or equal to %.0f",
                     shape->max);
}

static void check_string(struct wire_report *r, const struct wire_path *path,
                         const struct wire_shape *shape, const char *text)
{
    int before = r->count;
    if (shape->has_min || shape->has_max)
        check_length(r, path, shape, utf8_length(text), text);
    if (r->count == before && shape->matcher && strlen(text) <= PATTERN_TEXT_MAX &&
        !pattern_matches(shape->matcher, text))
        report_value(r, path, text, "Member must satisfy regular expression pattern: %s",
                     shape->pattern);
}

static void check_range(struct wire_report *r, const struct wire_path *path,
                        const struct wire_shape *shape, double n, const char *shown)
{
    if (shape->has_min && n < shape->min)
        report_value(r, path, shown,
                     "Member must have value greater than or equal to %.15g", shape->min);
    if (shape->has_max && n > shape->max)
        report_value(r, path, shown, "Member must have value less than or equal to %.15g",
                     shape->max);
}

static void check_number(struct wire_report *r, const struct wire_path *path,
                         const struct wire_shape *shape, const void *value)
{
    char shown[40];
    double n;
    if (shape->type == WIRE_DOUBLE) {
        n = *(const double *)value;
        snprintf(shown, sizeof(shown), "%.15g", n);
    } else {
        int64_t i =
            shape->type == WIRE_INT ? *(const int32_t *)value : *(const int64_t *)value;
        n = (double)i;
        snprintf(shown, sizeof(shown), "%lld", (long long)i);
    }
    check_range(r, path, shape, n, shown);
}

static void check_struct(struct wire_report *r, const struct wire_path *path,
                         const struct wire_shape *shape, const void *value)
{
    uint32_t present = 0;
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        const void *v = slot_get(m, value);
        struct wire_path here = {
            .up = path, .name = m->name, .sensitive = m->flags & WIRE_SENSITIVE};
        present += v != NULL;
        if (v)
            check(r, &here, m->shape, v);
        else if (m->flags & WIRE_REQUIRED)
            report_value(r, &here, NULL, "Member must not be null");
    }
    if (shape->is_union && present != 1)
        report_value(r, path, "{}", "Member must have exactly one of its members set");
}

static void check_entries(struct wire_report *r, const struct wire_path *path,
                          const struct wire_shape *shape, const void *value)
{
    const struct wire_list *list = value;
    char shown[40];
    snprintf(shown, sizeof(shown), list->n ? "[%zu entries]" : "[]", list->n);
    check_length(r, path, shape, list->n, shown);
    for (size_t i = 0; i < list->n; i++) {
        const void *entry = slot_entry(shape, list, i);
        struct wire_path here = {
            .up = path, .index = i + 1, .sensitive = path && path->sensitive};
        if (shape->type == WIRE_MAP) {
            here.name = slot_key(entry);
            check(r, &here, shape->key, entry);
            here.element = true;
            entry = slot_map_value(shape, entry);
        }
        check(r, &here, shape->element, entry);
    }
}

static void check(struct wire_report *r, const struct wire_path *path,
                  const struct wire_shape *shape, const void *value)
{
    switch ((enum wire_type)shape->type) {
    case WIRE_INT:
    case WIRE_LONG:
    case WIRE_DOUBLE:
        if (shape->has_min || shape->has_max)
            check_number(r, path, shape, value);
        break;
    case WIRE_STRING:
        check_string(r, path, shape, *(const char *const *)value);
        break;
    case WIRE_BLOB:
        check_length(r, path, shape, ((const struct wire_blob *)value)->size, "[binary]");
        break;
    case WIRE_STRUCT:
        check_struct(r, path, shape, value);
        break;
    case WIRE_LIST:
    case WIRE_MAP:
        check_entries(r, path, shape, value);
        break;
    case WIRE_BOOL:
    case WIRE_ENUM:
    case WIRE_TIMESTAMP:
    case WIRE_DOCUMENT:
        break;
    }
}

void check_value(struct wire_report *r, const struct wire_shape *shape, const void *value)
{
    check(r, NULL, shape, value);
}
