/* cgroup.h: limits, use and end of groups of processes, on cgroup v2 and v1.
 *
 * A task has a group with the task's limits; each container has one below it:
 *     v2  gantry-<run>/ecstasks.slice/ecstasks-<task>.slice/<container>.scope
 *     v1  gantry-<run>/ecs/<task>/<container>         (in every hierarchy that we use)
 * `run` is the id of this run of gantry on the machine, so that two runs never meet.
 * conmon processes live in gantry-<run>/conmon, outside of the agent's own group.
 *
 * A hybrid machine (v1 controllers and a cgroup2 mount at <root>/unified) counts as v1.
 *
 * Owns: groups until cgroup_*_remove(); files below `root` are the only state.
 * Threads: any; every call is a few short system calls, removal and kill may wait.
 * Fails: E_NOTFOUND no such group, E_UNSUPPORTED a controller is missing, E_IO,
 * E_TIMEOUT processes do not die. Every call may be repeated. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "str.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

enum cgroup_version { CGROUP_V1 = 1, CGROUP_V2 = 2 };

enum cgroup_controller { /* bits */
                         CGROUP_CPU = 1,
                         CGROUP_MEMORY = 2,
                         CGROUP_PIDS = 4,
                         CGROUP_FREEZER = 8,  /* v1 only */
                         CGROUP_CPUACCT = 16, /* v1 only */
                         CGROUP_SYSTEMD =
                             32, /* v1 only: the hierarchy by which systemd ends a service */
                         CGROUP_CPUSET = 64,
};

struct cgroups {
    enum cgroup_version version;
    unsigned controllers; /* those that exist here */
    bool hybrid;          /* v1 with a cgroup2 mount that has controllers beside it */
    bool has_swap;        /* swap accounting is there */
    char root[256];       /* CGROUP_ROOT, or a fake tree in a test */
    char run[128];
};

/* Looks at `root` and fills ret; makes nothing. `run` is [A-Za-z0-9-]{1,40}. */
int cgroups_open(const char *root, const char *run, struct cgroups *ret,
                 struct error *err);

/* This run's groups lie in the group of the run `parent` from now on: in
 * gantry-<parent>/gantry-<run>. An EC2 instance's agent works so (src/edge). */
int cgroups_nest(struct cgroups *cg, const char *parent, struct error *err);

/* For hybrid machines, where crun refuses to work: gives this process a mount namespace
 * of its own from which <root>/unified is gone. `shared_dirs` (NULL-ended) become shared
 * mounts first, so what gantry mounts below them (root file systems, pinned network
 * namespaces) is seen by every process of this run, now and after a restart. Returns 1
 * when a namespace was made, 0 when none is needed. Call in main() before any thread
 * starts; `gantry exec` and the agent call it alike. */
int cgroup_prepare_namespace(const char *root, const char *const shared_dirs[],
                             struct error *err);
/* Undoes the shared mounts (purge); what is mounted below must be gone. */
int cgroup_release_namespace(const char *const shared_dirs[], struct error *err);

/* What is 0 (or negative where said) is not limited. */
struct cgroup_limits {
    int64_t cpu_quota_us;     /* of each 100 ms period; hard. See cgroup_cpu_quota_us() */
    int64_t cpu_shares;       /* v1 shares 2..262144; v2 weight is made from it */
    int64_t memory_max_bytes; /* hard */
    int64_t memory_low_bytes; /* v2 memory.low, v1 soft limit */
    int64_t swap_max_bytes;   /* swap beyond memory; < 0: not set. 0: no swap at all */
    int64_t swappiness;       /* 0..100; < 0: not set; v1 only */
    int64_t pids_max;
};
#define CGROUP_LIMITS_INIT                                                               \
    {                                                                                    \
        .swap_max_bytes = -1, .swappiness = -1                                           \
    }

#define CGROUP_CPU_PERIOD_US 100000
/* ECS: 1024 units are one vCPU; a task's cpu is a hard quota (never below 1 ms). */
int64_t cgroup_cpu_quota_us(int64_t cpu_units);
/* A container's cpu is a weight: clamped to [2, 262144]. */
int64_t cgroup_cpu_shares(int64_t cpu_units);
/* 1 + (shares - 2) * 9999 / 262142, as the OCI runtimes do. */
int64_t cgroup_cpu_weight(int64_t shares);

/* Makes the task's group (and its parents, with controllers enabled downwards) and sets
 * the limits; repeated, it sets them again. Task ids: [A-Za-z0-9_-]{1,128}. */
int cgroup_task_create(const struct cgroups *cg, const char *task,
                       const struct cgroup_limits *limits, struct error *err);
int cgroup_container_create(const struct cgroups *cg, const char *task,
                            const char *container, const struct cgroup_limits *limits,
                            struct error *err);

/* Moving a process between groups waits for an RCU grace period (5 to 15 ms), unless
 * another move was just made: then for about as long it costs nothing. This makes one that
 * moves nobody, from a thread of its own, and returns at once. Call it when a task arrives:
 * the wait passes while images and network are prepared. Optional; failures are silent. */
void cgroup_warm(const struct cgroups *cg);

/* The path below the hierarchy's root, with '/' in front; also the OCI cgroupsPath.
 * container NULL gives the task's group. */
void cgroup_path(const struct cgroups *cg, const char *task, const char *container,
                 struct str *ret);

/* True when the kernel's OOM killer ended a process of this container, or (container
 * NULL) of any container of the task. Ask before the group is removed. */
int cgroup_oom_killed(const struct cgroups *cg, const char *task, const char *container,
                      bool *ret, struct error *err);

struct cgroup_usage {
    int64_t cpu_ns; /* total so far */
    int64_t cpu_user_ns, cpu_system_ns;
    int64_t throttled_ns; /* time held back by the quota */
    int64_t memory_bytes; /* without page cache that can be dropped, as docker stats */
    int64_t memory_max_bytes; /* the limit; 0: none */
    int64_t pids;
};
/* container NULL: the whole task. E_NOTFOUND when the group is gone. */
int cgroup_usage(const struct cgroups *cg, const char *task, const char *container,
                 struct cgroup_usage *ret, struct error *err);

/* Sends SIGKILL to every process in the group and below until none is left (v2
 * cgroup.kill; v1 freezer, kill, thaw) or deadline_ms passed (E_TIMEOUT). A group that is
 * not there is success. */
int cgroup_kill(const struct cgroups *cg, const char *task, const char *container,
                int deadline_ms, struct error *err);
/* Pids in the group and below, at most max; returns the number. */
int cgroup_pids(const struct cgroups *cg, const char *task, const char *container,
                pid_t *ret, int max, struct error *err);

/* Removes the group and groups below, retrying while the kernel says busy. */
int cgroup_remove(const struct cgroups *cg, const char *task, const char *container,
                  struct error *err);
/* Names of tasks that have a group: one call of `each` a task. */
int cgroup_each_task(const struct cgroups *cg, void (*each)(void *arg, const char *task),
                     void *arg, struct error *err);
/* The run's own group with limits for all that is in it, and gantry-<run>/agent in it. */
int cgroup_run_create(const struct cgroups *cg, const struct cgroup_limits *limits,
                      struct error *err);
/* Moves a process into gantry-<run>/agent. */
int cgroup_run_add(const struct cgroups *cg, pid_t pid, struct error *err);
/* Those in gantry-<run>/agent, at most max; returns the number, 0 when there is none. */
int cgroup_run_pids(const struct cgroups *cg, pid_t *ret, int max, struct error *err);
/* Kills and removes all that this run has, gantry-<run> included. */
int cgroup_purge(const struct cgroups *cg, int deadline_ms, struct error *err);

/* Makes gantry-<run>/conmon. Its cgroup.procs files are what a supervisor's pid is
 * written to; see spawn.h. Once a run. */
int cgroup_supervisor_create(const struct cgroups *cg, struct error *err);
/* Moves a process there. */
int cgroup_supervisor_add(const struct cgroups *cg, pid_t pid, struct error *err);
/* Cheap; adding one that is there already is not. */
bool cgroup_supervisor_has(const struct cgroups *cg, pid_t pid);
