/* oci_spec.h: writes the OCI runtime-spec config.json of a container.
 *
 * The input is plain: no AWS type, no JSON. Defaults (capabilities, masked and read-only
 * paths, device nodes, mounts, seccomp policy) are those that an image built for Docker
 * expects. The seccomp part is made once a process and pasted in.
 *
 * Owns: nothing of the input; strings are borrowed for the call.
 * Threads: any. Fails: E_INVALID a setting that can't be met (unknown capability or user
 * name, bad sysctl), E_NOTFOUND a device that the host lacks, E_CORRUPT passwd file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cgroup.h"
#include "error.h"
#include "str.h"

struct spec_ulimit {
    const char *name;   /* "nofile": as ECS names them, lower case without RLIMIT_ */
    int64_t soft, hard; /* -1: unlimited */
};

struct spec_mount {
    const char *source;      /* host path; for type "tmpfs" ignored */
    const char *destination; /* absolute path in the container */
    bool read_only;
    bool tmpfs;
    const char *propagation; /* NULL: rprivate; rslave, rshared, … */
    const char *options;     /* tmpfs: comma-separated extra options, or NULL */
    int64_t size_bytes;      /* tmpfs: 0 no limit */
};

struct spec_device {
    const char *host_path;
    const char *container_path; /* NULL: as host_path */
    bool read, write, mknod;    /* all false: all */
};

struct spec_pair {
    const char *name, *value;
};

enum spec_namespace {
    SPEC_NS_NEW,  /* its own */
    SPEC_NS_HOST, /* the instance's */
    SPEC_NS_PATH, /* the one at *_path (a task's, pinned) */
};

enum spec_seccomp { SPEC_SECCOMP_DEFAULT, SPEC_SECCOMP_NONE };

struct container_spec {
    const char
        *rootfs; /* absolute host path, mounted already: user names are read there */
    bool rootfs_readonly; /* readonlyRootFilesystem */

    const char *const *args; /* NULL-ended, at least one */
    const char *const
        *env;         /* NULL-ended "NAME=value"; PATH and HOSTNAME are added if absent,
                                HOME too, from passwd */
    const char *cwd;  /* NULL or "": "/" */
    const char *user; /* "", "name", "uid", "name:group", "uid:gid"; NULL: root */
    const char *hostname; /* NULL: not set */
    bool terminal;        /* pseudoTerminal */
    bool init_process;    /* initProcessEnabled: see init_path */
    const char
        *init_path; /* host path of a static init program; bind-mounted as /dev/init */

    bool privileged;
    bool no_new_privileges;
    const char *const
        *cap_add; /* NULL or NULL-ended; "NET_ADMIN", "CAP_NET_ADMIN", "ALL" */
    const char *const *cap_drop;
    enum spec_seccomp seccomp; /* privileged implies none */

    const struct spec_ulimit *ulimits;
    size_t ulimit_count;
    const struct spec_device *devices;
    size_t device_count;
    const struct spec_mount *mounts; /* after the default ones, in this order */
    size_t mount_count;
    const struct spec_pair *sysctls;
    size_t sysctl_count;
    const struct spec_pair *annotations;
    size_t annotation_count;
    int64_t shm_bytes;    /* 0: 64 MiB */
    const char *shm_path; /* bind-mounted as /dev/shm, for a shared IPC namespace */
    bool no_shm;          /* no /dev/shm at all */

    enum spec_namespace net, ipc, pid;
    const char *net_path, *ipc_path, *pid_path;

    const char *cgroups_path; /* cgroup_path() of the container */
    enum cgroup_version cgroup_version;
    /* Limits that crun writes with the group; leave unlimited when
     * cgroup_container_create() has set them. */
    struct cgroup_limits limits;
    int64_t oom_score_adj; /* 0: not set */
};
#define CONTAINER_SPEC_INIT                                                              \
    {                                                                                    \
        .limits = CGROUP_LIMITS_INIT                                                     \
    }

/* Appends the JSON text. */
int oci_spec_write(const struct container_spec *spec, struct str *ret, struct error *err);

/* --- parts with rules of their own, for tests and for exec --- */

/* Bit n is capability n of <linux/capability.h>. Docker's default set. */
uint64_t capability_defaults(void);
/* Docker's arithmetic: drop ALL leaves `add` alone; add ALL is every capability less
 * `drop`; otherwise defaults - drop + add. Names with or without CAP_, any case.
 * E_INVALID names an unknown one. */
int capability_set(const char *const *add, const char *const *drop, uint64_t *ret,
                   struct error *err);
const char *capability_name(unsigned n); /* "CAP_CHOWN"; NULL past the last */

struct user_ids {
    uint32_t uid, gid;
    uint32_t extra[64]; /* supplementary groups */
    size_t extra_count;
    char home[256]; /* from passwd, "/" when none */
};
/* Resolves "user[:group]" against <rootfs>/etc/passwd and /etc/group. Paths are resolved
 * inside the root (openat2 RESOLVE_IN_ROOT); files are read to a bound, and lines that do
 * not parse are skipped. Numbers need no entry. E_INVALID: unknown name. */
int user_lookup(const char *rootfs, const char *user, struct user_ids *ret,
                struct error *err);

/* The "seccomp" object for a capability set: deny by default with EPERM, allow what
 * Docker allows. Made on first use for each distinct set (bounded cache). */
void seccomp_profile_write(uint64_t capabilities, struct str *ret);
/* The same, compiled and in base64, for crun's annotation run.oci.seccomp_bpf_data. False
 * when it can't be compiled here. */
bool seccomp_filter_write(uint64_t capabilities, struct str *ret);
