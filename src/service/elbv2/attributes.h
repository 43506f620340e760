/* attributes.h: the attribute keys of load balancers, target groups and listeners, with their
 * defaults and what values they take (traffic as the API reference has it).
 *
 * Owns: nothing. Threads: any. Fails: attribute_check() with the call's fault. */
#pragma once

#include "elbv2_state.h"

enum attribute_kind {
    ATTRIBUTE_BOOL,
    ATTRIBUTE_NUMBER,
    ATTRIBUTE_PERCENT, /* "off" or 1 to 100 */
    ATTRIBUTE_WORD,
    ATTRIBUTE_HEADER, /* the name of one */
    ATTRIBUTE_TEXT,
};
enum attribute_of { OF_APPLICATION = 1, OF_NETWORK = 2, OF_BOTH = 3 };

struct attribute_row {
    const char *key, *fallback; /* NULL: only shown when it was set */
    enum attribute_of of;
    enum attribute_kind kind;
    int64_t min, max;
    const char *words; /* "a|b" */
    bool fixed;        /* can't be anything but its default here */
};

extern const struct attribute_row balancer_attribute_rows[], group_attribute_rows[],
    listener_attribute_rows[]; /* ended by a NULL key */

/* `what` for people: "Load balancer". */
int attribute_check(struct call *c, const struct attribute_row *rows,
                    enum attribute_of of, const char *what, const char *key,
                    const char *value);
