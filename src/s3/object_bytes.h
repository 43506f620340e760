/* object_bytes.h: where the bytes of objects are. What objects are called, and all else that is
 * known of them, is in the index (object_index.h); here are two drivers for the rest: files on
 * this machine (file_bytes.c), and any service that speaks S3 (upstream_bytes.c).
 *
 * Bytes have a place, a text of the driver's own: the id of the writer that they came by, or
 * what join() made. Nothing is changed at a place: it is made once and dropped once.
 *
 * Owns: its connections and folders. Threads: any; may wait for disk and network.
 * Fails: as object_store.h; E_NETWORK, E_TIMEOUT an upstream is away, E_DENIED it refuses. */
#pragma once

#include "object_index.h"
#include "object_store.h"

struct object_bytes;

struct object_bytes_ops {
    const char *name;
    int (*writer_new)(struct object_bytes *b, struct object_writer **ret, struct error *err);
    /* The bytes of the writer are durable at the place of its id, though nothing names it
     * yet: after a crash sweep() finds them. */
    int (*keep)(struct object_bytes *b, const struct object_writer *w, struct error *err);
    /* They are named now. Ends the writer. */
    void (*settle)(struct object_bytes *b, struct object_writer *w);
    /* They will not be. Ends the writer. */
    void (*discard)(struct object_bytes *b, struct object_writer *w);
    /* As object_store_ops.open. */
    int (*open)(struct object_bytes *b, const char *place, uint64_t first,
                uint64_t length, int *ret_fd, uint64_t *ret_offset, struct error *err);
    /* The place, in `a`, of all parts one behind the other. *ret_writer is to be kept and
     * settled like any other, or stays NULL: then the new place holds the parts' own places,
     * which are not dropped. */
    int (*join)(struct object_bytes *b, struct arena *a, const struct object_part *parts,
                size_t count, const char **ret_place, struct object_writer **ret_writer,
                struct error *err);
    /* 0 also when nothing is there. */
    int (*drop)(struct object_bytes *b, const char *place, struct error *err);
    /* At the start: what a crash left behind, named or not. */
    int (*sweep)(struct object_bytes *b, struct object_index *index, struct error *err);
    int (*free_bytes)(struct object_bytes *b, uint64_t *ret, struct error *err);
    void (*close)(struct object_bytes *b);
};

struct object_bytes { /* every driver's struct begins like this */
    const struct object_bytes_ops *ops;
};

/* Files below `dir`, which is made. */
int file_bytes_open(const char *dir, struct object_bytes **ret, struct error *err);
/* Objects of a bucket elsewhere; `dir`, which is made, holds what is on its way. */
int upstream_bytes_open(const char *dir, const struct object_upstream *upstream,
                        struct object_bytes **ret, struct error *err);

/* Names of the files in `dir`, for sweep(). */
int object_writers_left(const char *dir, struct arena *a, struct string_list *ret,
                        struct error *err);
