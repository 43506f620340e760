/* arena.h: memory that is released as a whole.
 *
 * A request, a reconcile pass and a stored object each own one arena. Nothing inside an
 * arena is freed alone; what must outlive it is copied into another one.
 *
 * Owns: every block it gave out, until arena_free() or arena_reset().
 * Threads: one at a time; an arena may be handed over.
 * Fails: never. Without memory the process ends with a message (docs/adr/0007): every
 * process of gantry finds its state again, and a caller that half-handles a failed
 * allocation is the larger risk. Bounds on input keep strangers from reaching this. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* newest block */
    size_t used_bytes;        /* handed out since init or reset */
    bool wipe;                /* secrets go through it: what is released is overwritten */
};

#define ARENA_INIT                                                                       \
    {                                                                                    \
        0                                                                                \
    }

void arena_free(struct arena *a);  /* releases all; the arena is empty and usable */
void arena_reset(struct arena *a); /* as free, but keeps one block for the next use */

/* Zeroed memory, aligned for any type; size 0 gives a valid unique pointer. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t count, size_t size); /* checks overflow */
#define arena_new(a, type)          ((type *)arena_alloc((a), sizeof(type)))
#define arena_new_array(a, type, n) ((type *)arena_array((a), (n), sizeof(type)))

void *arena_copy(struct arena *a, const void *data, size_t size);
char *arena_strdup(struct arena *a, const char *s); /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);

/* Heap allocation under the same promise, for what lives in no arena. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);

#define AUTO_ARENA __attribute__((cleanup(arena_free))) struct arena
