/* elb_page.h: Marker and PageSize of ELB's Describe… operations.
 *
 * Owns: nothing. Threads: state thread. Fails: with the call's fault and -1. */
#pragma once

#include "elbv2_state.h"

struct elb_page {
    const char *prefix, *after;
    size_t left;
    const char *next_marker; /* NULL: that was all */
};
int elb_page_start(struct call *c, const char *prefix, const char *marker,
                   struct opt_int page_size, struct elb_page *ret);
/* NULL: the page, or the table, ends. */
void *elb_page_next(struct call *c, struct elb_page *p, struct table *t);
