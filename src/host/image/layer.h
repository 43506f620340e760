/* layer.h: unpacks one image layer (a tar) into a directory that overlayfs can use.
 *
 * The tar may be plain, gzip (also several members) or zstd (several frames); what it is,
 * its first bytes say. Whiteouts become what overlayfs reads (OCI image spec layer.md to
 * Documentation/filesystems/overlayfs.rst): `.wh.X` a character device 0:0 named X,
 * `.wh..wh..opq` the xattr trusted.overlay.opaque=y of its directory. Owners, modes with
 * setuid, times, xattrs, hard links, holes, device nodes and fifos are kept.
 *
 * A layer is a stranger's program for writing files as root, so:
 * - every parent directory is resolved by openat2(2) with RESOLVE_IN_ROOT: links inside the
 *   layer are followed as a container would (`lib -> usr/lib`, then `lib/x` lands in
 *   usr/lib), and nothing leads out; the last component is never followed;
 * - absolute names, "..", names and depths over the limits, hard links to what this layer
 *   doesn't hold, and xattrs of overlayfs itself are refused;
 * - entries, bytes written, logical size and the unpacked stream are bounded.
 * A later entry replaces an earlier one of the same name, also a directory by a file.
 *
 * Owns: nothing; on failure the directory holds a part of the tree and the caller removes it.
 * Threads: any, on different directories; a second thread decompresses while one writes.
 * Fails: E_INVALID names the entry and the rule; E_LIMIT; E_CORRUPT compressed data or tar
 * broken or cut short, diff_id differs; E_FULL; E_IO; E_CANCELLED from the reader. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blob.h"
#include "error.h"

#define LAYER_MAX_BYTES   (64ull << 30) /* default bound of the unpacked stream and files */
#define LAYER_MAX_ENTRIES 1000000
#define LAYER_MAX_DEPTH   256 /* components: removing a tree holds a descriptor a level */

struct layer_options {
    uint64_t max_bytes;   /* 0: LAYER_MAX_BYTES */
    uint32_t max_entries; /* 0: LAYER_MAX_ENTRIES */
    /* For tests and fuzzing without root: no owners, devices or trusted xattrs; a whiteout
     * becomes an empty file. Never for a container. */
    bool unprivileged;
    const struct blob_digest *diff_id; /* the stream's digest must be this; NULL: any */
};

struct layer_result {
    struct blob_digest diff_id; /* of the uncompressed tar */
    uint64_t tar_bytes;         /* its length */
    uint64_t file_bytes;        /* written to files */
    uint32_t entries;
};

/* Fills buf with up to cap bytes: count, 0 at the end, negative code. */
typedef int64_t layer_read(void *ctx, void *buf, size_t cap, struct error *err);

/* Into the empty directory root_fd. The whole source is read, also what follows the
 * tar's end marker: the digest covers it. ret may be NULL. */
int layer_unpack(int root_fd, layer_read *read, void *ctx, const struct layer_options *o,
                 struct layer_result *ret, struct error *err);
/* The same from a file descriptor, from its offset to its end. */
int layer_unpack_fd(int root_fd, int fd, const struct layer_options *o,
                    struct layer_result *ret, struct error *err);

/* Did the tar say nothing about the root directory itself ("./")? Then a lower layer's
 * owner and mode are the ones that count. */
bool layer_root_is_implicit(const char *layer_dir);
