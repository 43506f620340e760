#include "table_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "str.h"

void text_make_harmless(char *text)
{
    for (char *p = text; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7f)
            *p = '?';
}

static void add(struct table_text *t, char *text)
{
    text_make_harmless(text);
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = '?';
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cells = xrealloc(t->cells, t->cap * sizeof(*t->cells));
    }
    t->cells[t->count++] = text;
}

void table_text_heads(struct table_text *t, const char *const *heads, size_t columns)
{
    t->columns = columns;
    for (size_t i = 0; i < columns; i++)
        add(t, arena_strdup(&t->arena, heads[i]));
}

void table_text_add(struct table_text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = arena_vprintf(&t->arena, fmt, ap);
    va_end(ap);
    add(t, *text ? text : arena_strdup(&t->arena, "-"));
}

static size_t width_of(const struct table_text *t, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < t->count; i += t->columns) {
        size_t n = utf8_length(t->cells[i]);
        width = n > width ? n : width;
    }
    return width;
}

void table_text_print(const struct table_text *t, FILE *out)
{
    size_t widths[TABLE_TEXT_COLUMNS_MAX] = {0};
    assert(t->columns > 0 && t->columns <= TABLE_TEXT_COLUMNS_MAX);
    for (size_t c = 0; c < t->columns; c++)
        widths[c] = width_of(t, c);
    for (size_t i = 0; i < t->count; i++) {
        size_t column = i % t->columns;
        fputs(t->cells[i], out);
        if (column + 1 == t->columns) {
            fputc('\n', out);
            continue;
        }
        for (size_t n = utf8_length(t->cells[i]); n < widths[column] + 2; n++)
            fputc(' ', out);
    }
}

void table_text_free(struct table_text *t)
{
    free(t->cells);
    arena_free(&t->arena);
    *t = (struct table_text)TABLE_TEXT_INIT;
}
