/* overlay.h: mounts a container's root filesystem from image layers.
 *
 *   <dir>/<id>/merged   the root filesystem, mounted
 *   <dir>/<id>/upper    what the container wrote
 *   <dir>/<id>/work     overlayfs's own
 *
 * With Linux 6.8 and later the new mount interface takes any number of layers; before that
 * they are named by /proc/self/fd/N, so that 128 of them fit in the one page that mount(2)
 * has for options. Where <dir> itself is on a file system that overlayfs can't write to
 * (another overlay, as inside a container), the layers are copied into merged instead:
 * slow and large, but right; overlay_is_supported() says which it will be and why.
 *
 * Owns: <dir>/<id> until overlay_release(). The layers must stay while mounted.
 * Threads: any, on different ids; mounts appear in the caller's mount namespace. Takes well
 * under a millisecond, a copy excepted.
 * Fails: E_NOTFOUND layer missing; E_EXISTS the id is in use; E_LIMIT too many layers;
 * E_INVALID id; E_DENIED not root; E_IO. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define OVERLAY_MAX_LAYERS 500 /* the kernel's own bound */
#define OVERLAY_MAX_ID     128 /* [A-Za-z0-9][A-Za-z0-9_.-]* */
#define OVERLAY_PATH_SIZE  4096

struct overlay_config {
    const char *dir; /* made when missing */
    const char *id;
    const char *write_dir; /* where what is written goes, on another file system perhaps;
                              NULL: dir. overlay_release() leaves it alone */
    const char *const
        *layers;        /* absolute directories, bottom first; one may come twice */
    size_t layer_count; /* 0 gives an empty root */
    bool
        read_only; /* no upper: nothing can be written, mount points must exist already */
    bool
        volatile_upper; /* never flush what the container writes; gone after a power cut */
    bool force_copy;    /* tests: as if overlayfs could not be used */
};

/* ret_merged: absolute path of the mounted root. On failure nothing is left. */
int overlay_mount(const struct overlay_config *c,
                  char ret_merged[static OVERLAY_PATH_SIZE], struct error *err);
/* Unmounts and removes everything of this id; 0 when there is nothing. Repeatable after a
 * crash at any point. */
int overlay_release(const char *dir, const char *id, struct error *err);
/* Is it mounted (or copied) and whole? 0 with ret_merged filled, or E_NOTFOUND. */
int overlay_find(const char *dir, const char *id,
                 char ret_merged[static OVERLAY_PATH_SIZE], struct error *err);
/* Every id that has something under dir, whole or not; a negative return ends it. */
int overlay_list(const char *dir,
                 int (*visit)(void *ctx, const char *id, bool mounted, struct error *err),
                 void *ctx, struct error *err);

/* Can an overlay with an upper directory in `dir` be mounted? 0, or E_UNSUPPORTED with the
 * reason (also kernels without overlayfs). */
int overlay_is_supported(const char *dir, struct error *err);

/* ---- the copying fallback (overlay_copy.c), public for its tests ---- */

/* Applies one layer directory onto `target`: whiteouts remove, opaque directories empty,
 * the rest is copied with owners, modes, times, xattrs, hard links and holes. */
int overlay_copy_layer(const char *layer, const char *target, struct error *err);
