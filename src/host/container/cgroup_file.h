/* cgroup_file.h: the small files of a cgroup hierarchy (inside of cgroup*.c only).
 * Threads: any. Fails: as fail_errno(). */
#pragma once

#include "cgroup.h"

/* One v1 hierarchy or the v2 one. */
struct cgroup_dir {
    enum cgroup_controller controller;
    const char *name; /* folder below root on v1 */
};
extern const struct cgroup_dir cgroup_v1_dirs[];
extern const unsigned cgroup_v1_dir_count;

/* <root>[/<hierarchy>]<path>; hierarchy NULL on v2. */
void cgroup_dir_path(const struct cgroups *cg, const char *hierarchy, const char *path,
                     struct str *ret);
int cgroup_write(const char *dir, const char *file, const char *value, struct error *err);
int cgroup_write_i64(const char *dir, const char *file, int64_t value, struct error *err);
int cgroup_read(const char *dir, const char *file, struct str *ret, struct error *err);
/* A file that holds one number; "max" and v1's huge values give INT64_MAX. */
int cgroup_read_i64(const char *dir, const char *file, int64_t *ret, struct error *err);
/* The number after `key` in a flat-keyed text; false when it is not there. */
bool cgroup_key(const char *text, const char *key, int64_t *ret);
/* mkdir -p below a hierarchy; "is there already" is success. */
int cgroup_make_dirs(const char *path, struct error *err);

/* Every hierarchy folder of root: v1 all of them (also those that we set nothing in, as
 * the OCI runtime makes groups there), v2 the root itself. */
int cgroup_each_hierarchy(const struct cgroups *cg,
                          int (*each)(void *arg, const char *dir, struct error *err),
                          void *arg, struct error *err);
