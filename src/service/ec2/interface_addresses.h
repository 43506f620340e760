/* interface_addresses.h: an interface's addresses besides its primary one.
 *
 * An operation fills a wish and checks it; then it can be had, and nothing of it was taken
 * yet. Reserving marks the given addresses in the subnet's map, taking gives all to the
 * interface.
 *
 * Owns: nothing. Threads: state thread. Fails: interface_wish_check() with the call's fault. */
#pragma once

#include "interface.h"

#define INTERFACE_ADDRESSES_MAX 50

struct interface_wish {
    const char *primary;      /* NULL: an interface that is there, or any address */
    struct string_list given; /* these */
    struct opt_int count;     /* or so many */
};
/* `i` is NULL while the interface is not there yet. */
int interface_wish_check(struct call *c, const struct subnet *s,
                         const struct network_interface *i,
                         const struct interface_wish *w);
void interface_wish_reserve(struct subnet *s, const struct interface_wish *w);
void interface_wish_release(struct subnet *s, const struct interface_wish *w);
/* After reserving. What it got is pushed to ret_got, if that is not NULL; the caller saves. */
void interface_wish_take(struct core *core, struct network_interface *i,
                         const struct interface_wish *w, struct string_list *ret_got);
