#include "arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Small first block: most requests and objects fit in it. With GANTRY_ARENA_MALLOC (the
 * sanitizer builds) every slice is a block of its own, so that ASan sees overruns. */
#define FIRST_BLOCK_SIZE 1000
#define MAX_BLOCK_SIZE   (64 * 1024)
#define ALIGNMENT        _Alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    _Alignas(max_align_t) unsigned char data[];
};

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "gantry: out of memory (%zu bytes)\n", size);
    abort();
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory(count * size);
    return p;
}

void *xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    if (!q)
        out_of_memory(size);
    return q;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}

static struct arena_block *block_new(size_t size)
{
    struct arena_block *b = xmalloc(sizeof(*b) + size);
    b->next = NULL;
    b->size = size;
    b->used = 0;
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        out_of_memory(size);
    size_t need = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (need == 0)
        need = ALIGNMENT;
    struct arena_block *b = a->head;
#ifdef GANTRY_ARENA_MALLOC
    b = NULL;
    need = size ? size : 1;
#endif
    if (!b || b->size - b->used < need) {
        size_t grow = a->head ? a->head->size * 2 : FIRST_BLOCK_SIZE;
        if (grow > MAX_BLOCK_SIZE)
            grow = MAX_BLOCK_SIZE;
#ifdef GANTRY_ARENA_MALLOC
        grow = need;
#endif
        b = block_new(need > grow ? need : grow);
        b->next = a->head;
        a->head = b;
    }
    void *p = b->data + b->used;
    b->used += need;
    a->used_bytes += need;
    return memset(p, 0, size);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(SIZE_MAX);
    return arena_alloc(a, total);
}

void arena_free(struct arena *a)
{
    struct arena_block *b = a->head;
    while (b) {
        struct arena_block *next = b->next;
        if (a->wipe)
            explicit_bzero(b->data, b->used);
        free(b);
        b = next;
    }
    *a = (struct arena)ARENA_INIT;
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->head;
    bool wipe = a->wipe;
#ifdef GANTRY_ARENA_MALLOC
    keep = NULL;
#endif
    if (!keep || keep->size > MAX_BLOCK_SIZE) {
        arena_free(a);
        a->wipe = wipe;
        return;
    }
    a->head = keep->next;
    arena_free(a);
    if (wipe)
        explicit_bzero(keep->data, keep->used);
    keep->next = NULL;
    keep->used = 0;
    a->head = keep;
    a->wipe = wipe;
}

void *arena_copy(struct arena *a, const void *data, size_t size)
{
    void *p = arena_alloc(a, size);
    if (size)
        memcpy(p, data, size);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *p = arena_alloc(a, len + 1);
    if (len)
        memcpy(p, s, len);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}
