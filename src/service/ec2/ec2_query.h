/* ec2_query.h: what all Describe… operations do alike: ids, Filters, pages.
 *
 * Filters (API reference, Filter): several filters must all hold, one of a filter's values is
 * enough; values may have the wildcards * (any text) and ? (one character), \\ quotes.
 * `tag:KEY`, `tag-key` and `tag-value` work for every resource that has tags.
 *
 * Owns: nothing. Threads: state thread. Fails: with the call's fault and -1. */
#pragma once

#include "ec2_state.h"

#define EC2_VALUES_MAX 128
/* What an object has under the name of a filter. */
struct ec2_values {
    struct arena *a;
    const char *v[EC2_VALUES_MAX];
    size_t n;
};
void ec2_value(struct ec2_values *to, const char *text); /* NULL: nothing */
void ec2_value_bool(struct ec2_values *to, bool value);
void ec2_value_enum(struct ec2_values *to, const struct wire_shape *shape, int value);

struct ec2_filter_row {
    const char *name;
    void (*values)(struct core *core, const struct object *o, struct ec2_values *to);
};

struct ec2_query {
    struct table *table;
    const char *kind;                                           /* of the keys: "vpc" */
    const struct ec2_filter_row *rows;                          /* ended by a NULL name */
    const struct ec2_tag_list *(*tags)(const struct object *o); /* NULL: has none */
    bool (*hidden)(const struct object *o);                     /* NULL: all are shown */
    /* of the request */
    const struct ec2_filter_list *filters;
    const struct string_list *ids;
    const char *missing_code; /* "InvalidVpcID.NotFound" */
    const char *missing_text; /* "The vpc ID '%s' does not exist" */
    const char *next_token;
    struct opt_int max_results;
};
struct ec2_found {
    struct object **v;
    size_t n;
    const char *next_token; /* NULL: that was all */
};
/* Both halves of what ec2_select() does with filters, for things that are no stored objects:
 * `o` is then whatever the rows cast it back to. */
int ec2_filters_check(struct call *c, const struct ec2_query *q);
bool ec2_filters_hold(struct call *c, const struct ec2_query *q, const struct object *o);
int ec2_select(struct call *c, const struct ec2_query *q, struct ec2_found *ret);

/* Pure: does the text match the pattern? */
bool ec2_wildcard(const char *pattern, const char *text);
