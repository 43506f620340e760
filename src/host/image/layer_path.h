/* layer_path.h: finds the place of a layer's entry without ever leaving the layer.
 *
 * Names come from a stranger's tar. layer_name_check() refuses what no honest tar has;
 * layer_path_parent() then resolves the directory part with openat2(2) RESOLVE_IN_ROOT, so
 * that links an earlier entry made are followed as if the layer were the root directory.
 *
 * Owns: the descriptor of the parent that was asked for last: most entries share it.
 * Threads: one. Nobody else changes the tree meanwhile (it is in a private directory).
 * Fails: E_INVALID with the rule; E_LIMIT; E_UNSUPPORTED kernel older than 5.6. */
#pragma once

#include <stdbool.h>

#include "error.h"
#include "str.h"

struct layer_path {
    int root_fd; /* borrowed */
    bool unprivileged;
    struct str last; /* the directory part that last_fd stands for */
    int last_fd;
};

void layer_path_init(struct layer_path *p, int root_fd, bool unprivileged);
void layer_path_fini(struct layer_path *p);

/* "./a//b/" to "a/b" in ret (cleared first); "" is the root itself. Refuses absolute names,
 * "..", components over 255 bytes, names over 4095, depth over LAYER_MAX_DEPTH. */
int layer_name_check(const char *name, struct str *ret, struct error *err);

/* The directory that holds `path` (checked), as a descriptor that stays valid until the
 * next call, and the last component (points into path). With create, missing directories
 * are made (0755, root) and a whiteout in the way becomes an opaque directory; without it
 * E_NOTFOUND. path is not "". */
int layer_path_parent(struct layer_path *p, const char *path, bool create, int *ret_fd,
                      const char **ret_name, struct error *err);
/* Something was removed or replaced: what was resolved may be stale. */
void layer_path_forget(struct layer_path *p);

/* Is this a whiteout: character device 0:0? */
bool layer_is_whiteout(int dir_fd, const char *name);
int layer_set_opaque(int dir_fd, const char *name, struct error *err);
/* "/proc/self/fd/N/name": for calls that have no *at form; the last part is not followed. */
void layer_fd_path(int dir_fd, const char *name, struct str *ret);
