/* tar_builder.h: writes tars that no archiver would, into a buffer (POSIX ustar, pax). */
#pragma once

#include <stdio.h>
#include <string.h>

#include "str.h"

struct tar_entry {
    const char *name, *link;
    char
        type; /* '0' file, '1' hard link, '2' link, '3' char, '4' block, '5' dir, '6' fifo */
    const void *data;
    size_t len;
    unsigned mode, uid, gid, major, minor;
    long mtime;
};

static inline void tar_pad(struct str *t)
{
    static const char zeros[512];
    if (t->len % 512)
        str_addn(t, zeros, 512 - t->len % 512);
}

static inline void tar_header(struct str *t, const struct tar_entry *e, size_t size)
{
    char h[512] = {0};
    unsigned sum = 0;
    strncpy(h, e->name, 100);
    snprintf(h + 100, 8, "%07o", e->mode & 07777);
    snprintf(h + 108, 8, "%07o", e->uid & 07777777);
    snprintf(h + 116, 8, "%07o", e->gid & 07777777);
    snprintf(h + 124, 12, "%011lo", (unsigned long)size);
    snprintf(h + 136, 12, "%011lo", (unsigned long)e->mtime);
    memset(h + 148, ' ', 8);
    h[156] = e->type;
    strncpy(h + 157, e->link ? e->link : "", 100);
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    snprintf(h + 329, 8, "%07o", e->major & 07777777);
    snprintf(h + 337, 8, "%07o", e->minor & 07777777);
    for (size_t i = 0; i < sizeof(h); i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum & 0777777);
    str_addn(t, h, sizeof(h));
}

static inline void tar_add(struct str *t, const struct tar_entry *e)
{
    tar_header(t, e, e->len);
    str_addn(t, e->data ? e->data : "", e->data ? e->len : 0);
    tar_pad(t);
}

/* One record of a pax header … */
static inline void tar_record(struct str *body, const char *key, const char *value,
                              size_t len)
{
    size_t rest = strlen(key) + len + 3, n = rest + 1;
    char digits[24];
    while (n != rest + (size_t)snprintf(digits, sizeof(digits), "%zu", n))
        n = rest + strlen(digits);
    str_addf(body, "%zu %s=", n, key);
    str_addn(body, value, len);
    str_addc(body, '\n');
}

/* … and the header, for the entry that follows. The body is empty afterwards. */
static inline void tar_pax(struct str *t, struct str *body)
{
    struct tar_entry e = {
        .name = "pax", .type = 'x', .data = body->data, .len = body->len};
    tar_add(t, &e);
    str_clear(body);
}

static inline void tar_end(struct str *t)
{
    static const char zeros[1024];
    str_addn(t, zeros, sizeof(zeros));
}

#define TAR_FILE(n, d)                                                                   \
    {                                                                                    \
        .name = (n), .type = '0', .data = (d), .len = strlen(d), .mode = 0644            \
    }
#define TAR_DIR(n)                                                                       \
    {                                                                                    \
        .name = (n), .type = '5', .mode = 0755                                           \
    }
#define TAR_LINK(n, to)                                                                  \
    {                                                                                    \
        .name = (n), .type = '2', .link = (to), .mode = 0777                             \
    }
#define TAR_HARD(n, to)                                                                  \
    {                                                                                    \
        .name = (n), .type = '1', .link = (to), .mode = 0644                             \
    }
