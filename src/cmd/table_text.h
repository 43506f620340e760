/* table_text.h: a table for a terminal: columns as wide as their widest cell.
 *
 * Owns: its cells, until table_text_free(). Threads: one.
 * Fails: never. Control characters in cells are shown as '?', as they may come from
 * others and a terminal would obey them. */
#pragma once

#include <stdio.h>

#include "arena.h"

#define TABLE_TEXT_COLUMNS_MAX 16

struct table_text {
    struct arena arena;
    char **cells; /* heads first, row by row */
    size_t count, cap, columns;
};
#define TABLE_TEXT_INIT                                                                  \
    {                                                                                    \
        .columns = 0                                                                     \
    }

void table_text_heads(struct table_text *t, const char *const *heads, size_t columns);
void table_text_add(struct table_text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void table_text_print(const struct table_text *t, FILE *out);
void table_text_free(struct table_text *t);

/* Control characters other than line ends become '?'. */
void text_make_harmless(char *text);
