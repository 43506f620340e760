/* tree.h: ordered trees: the red-black trees of <bsd/sys/tree.h>, generated as static
 * functions. (The header's own static form needs a macro that libbsd leaves undefined.)
 *
 *   RB_HEAD(timer_tree, wake);                            the head's type
 *   struct wake { RB_ENTRY(wake) timer; … };              the links in the entry
 *   TREE_GENERATE(timer_tree, wake, timer, wake_order)    in one .c file
 *   RB_INIT, RB_INSERT, RB_FIND, RB_NFIND, RB_MIN, RB_NEXT, RB_REMOVE, RB_FOREACH_SAFE
 *
 * Owns: nothing. Threads: the owner's. Fails: never. */
#pragma once

#include <bsd/sys/tree.h>

#define TREE_GENERATE(name, type, field, order)                                          \
    RB_GENERATE_INTERNAL(name, type, field, order, static __attribute__((unused)))
