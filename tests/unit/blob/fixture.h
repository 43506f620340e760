/* fixture.h: a blob store in a folder of its own, and a disk that fails on order. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "blob.h"
#include "blob_store.h"
#include "fd.h"
#include "str.h"

struct world {
    char dir[64];
    struct blob_store *s;
};

static inline int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    strcpy(w->dir, "/tmp/gantry-blob-XXXXXX");
    *state = w;
    return mkdtemp(w->dir) ? blob_store_open(w->dir, &w->s, NULL) : -1;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    blob_store_close(w->s);
    int r = dir_remove_all(w->dir, NULL);
    free(w);
    return r;
}

static inline void restart(struct world *w)
{
    blob_store_close(w->s);
    assert_int_equal(blob_store_open(w->dir, &w->s, NULL), 0);
}

static inline int count_blob(void *ctx, const struct blob_digest *d, uint64_t size,
                             int64_t mtime_ms, struct error *err)
{
    assert_true(mtime_ms > 1600000000000);
    *(uint64_t *)ctx += 1000000 + size;
    return 0;
}

/* A million for each blob, and their bytes. */
static inline uint64_t sum(struct world *w)
{
    uint64_t n = 0;
    assert_int_equal(blob_iterate(w->s, count_blob, &n, NULL), 0);
    return n;
}

static inline unsigned files_in_uploads(struct world *w)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/uploads", w->dir);
    DIR *d = opendir(path);
    unsigned n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static inline struct blob_digest digest(const char *text)
{
    struct blob_digest d;
    blob_digest_of(BLOB_SHA256, text, strlen(text), &d);
    return d;
}

/* ---- the disk ---- */

static int fail_in; /* 1: the next step of the disk fails; 0: none */
static int fail_with;
static int half_writes;

static inline bool fails_now(void)
{
    if (fail_in == 0 || --fail_in > 0)
        return false;
    errno = fail_with;
    return true;
}

static inline ssize_t bad_pwrite(int fd, const void *data, size_t len, off_t at)
{
    if (fails_now()) {
        if (len > 1)
            (void)!pwrite(fd, data, len / 2, at); /* some of it got there */
        errno = fail_with;
        return -1;
    }
    return pwrite(fd, data, half_writes && len > 1 ? len / 2 : len, at);
}

static inline int bad_fsync(int fd)
{
    return fails_now() ? -1 : fsync(fd);
}

static inline int bad_rename(const char *from, const char *to)
{
    return fails_now() ? -1 : rename(from, to);
}

static const struct blob_io bad_disk = {bad_pwrite, bad_fsync, bad_rename};
