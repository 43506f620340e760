/* crun.h: the inside of the crun + conmon backend (runtime.c, conmon.c, crun.c only).
 *
 * What is on disk, <run_dir>/…
 *     containers/<id>/config.json   the bundle, written before anything starts
 *     containers/<id>/names         task and container name: where its cgroup is
 *     containers/<id>/conmon.pid    once the supervisor runs
 *     containers/<id>/pid           once the container is made
 *     containers/<id>/started       made after start() succeeded
 *     containers/<id>/abandoned     the supervisor died before the container
 *     exits/<id>                    exit code: the container has ended
 *     crun/<id>/                    the OCI runtime's own state
 * so each step leaves a file that the next process understands. */
#pragma once

#include "runtime.h"

#define CREATE_TIMEOUT_MS 240000
#define START_TIMEOUT_MS  180000
#define REMOVE_TIMEOUT_MS 30000

struct crun {
    struct runtime base;
    char *run_dir, *program, *conmon;
    char *state_root; /* crun --root */
    struct cgroups cgroups;
    int supervisor_fd; /* v2: the supervisors' group, to be born in; else -1 */
};

struct container_names {
    char task[160], container[260];
};

static inline struct crun *crun_of(struct runtime *rt)
{
    return (struct crun *)(void *)rt;
}

bool container_id_valid(const char *id);
void bundle_path(const struct crun *c, const char *id, const char *file, struct str *ret);
void exit_path(const struct crun *c, const char *id, struct str *ret);
bool bundle_has(const struct crun *c, const char *id, const char *file);
int bundle_mark(const struct crun *c, const char *id, const char *file,
                struct error *err);
int bundle_names(const struct crun *c, const char *id, struct container_names *ret,
                 struct error *err);
/* A pid from a file of the bundle; 0 when there is none. */
pid_t bundle_pid(const struct crun *c, const char *id, const char *file);
/* pidfd of the supervisor or of the first process, -1 when it is gone or another one
 * has its number now. */
int supervisor_open(const struct crun *c, const char *id, pid_t *ret_pid);
int first_process_open(const struct crun *c, const char *id, pid_t *ret_pid);

/* Ends whoever may still be making the container: a supervisor whose agent died before it
 * was known, the OCI runtime below it. Found by the bundle's path among the arguments of
 * all processes, so only for containers that never began. */
int bundle_end_makers(const struct crun *c, const char *id, int deadline_ms,
                      struct error *err);

/* Starts conmon, which runs the OCI runtime's create; waits for its verdict. */
int conmon_create(struct crun *c, const struct container_create *cc, struct error *err);

/* Runs `crun --root … <args>`; a failure carries its standard error. */
int crun_run(const struct crun *c, const char *const args[], int timeout_ms,
             struct str *ret_out, struct error *err);
/* The message inside the runtime's error output, be it text or JSON lines. */
void crun_message(const char *output, struct str *ret);

void crun_end_probes(struct runtime *rt, const char *id);
int crun_exec(struct runtime *rt, const char *id, const struct exec_request *req,
              struct exec_process *ret, struct error *err);
