/* runtime.h: containers: make, start, signal, exec, remove, and find again.
 *
 * A container is a directory <run_dir>/containers/<id>/ (the OCI bundle with config.json,
 * pid files and sockets), a supervisor process (conmon) that outlives the agent, and the
 * container itself. The supervisor writes the log and, when the container ends, one file
 * <run_dir>/exits/<id> with the exit code. Nothing else is remembered: a new agent reads
 * these and goes on.
 *
 * Life:  (nothing) --create--> CREATED --start--> RUNNING --ends--> STOPPED --remove--> (nothing)
 * Every call may be repeated after a crash: create() of a container that is CREATED
 * succeeds, of one that RUNS or STOPPED says E_EXISTS; remove() of nothing succeeds.
 *
 * Owns: the directories above and the processes. Not the root file system, the log
 * file's directory, the network namespace or the task's cgroup.
 * Threads: any, one call a container at a time. create() and start() block some
 * milliseconds, exec_wait() as long as the program runs.
 * Fails: E_EXEC with the OCI runtime's own words (they are what ECS shows after
 * "CannotStartContainerError: "), E_NOTFOUND, E_EXISTS, E_CONFLICT wrong state, E_TIMEOUT. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup.h"
#include "error.h"
#include "str.h"

#define CONTAINER_ID_MAX 128 /* [A-Za-z0-9_.-], no leading dot */

struct runtime;
struct runtime_ops;

struct runtime_config {
    const char *run_dir;      /* tmpfs or disk; gone after a boot is fine */
    const char *runtime_path; /* NULL: "crun" looked up in PATH */
    const char *conmon_path;  /* NULL: "conmon" */
    struct cgroups cgroups;
};

enum log_kind { LOG_FILE, LOG_NONE };

struct container_create {
    const char *id;
    const char *task, *container; /* names of its cgroup, see cgroup.h */
    const char *config_json;      /* what oci_spec_write() made */
    size_t config_len;
    bool terminal;
    bool stdin_open; /* keep a pipe as stdin; else /dev/null */
    enum log_kind log;
    const char *log_path;  /* CRI lines, see container_log.h; for LOG_FILE */
    int64_t log_max_bytes; /* 0: unbounded; else the file begins anew at this size and
                                  what it held is lost (max-file 1). For more files leave 0
                                  and call container_log_rotate() */
    const char *name;      /* shown by ps; NULL: id */
};

enum container_status {
    CONTAINER_NONE,
    CONTAINER_CREATED,
    CONTAINER_RUNNING,
    CONTAINER_STOPPED,
};
const char *container_status_name(enum container_status status); /* "CREATED", … */

struct container_exit {
    int code;            /* 0..255; 128 + n when signal n ended it */
    bool oom_killed;     /* the kernel killed it, or a part of it, for its memory */
    bool abandoned;      /* its supervisor died, so gantry ended it (code 137) */
    int64_t finished_ms; /* wall clock; the exit file's time */
};

struct container_state {
    enum container_status status;
    pid_t pid;                      /* of the first process; 0 when none */
    pid_t supervisor_pid;           /* 0 when gone */
    int64_t created_ms, started_ms; /* 0 when not yet */
    struct container_exit exit;     /* when STOPPED */
};

struct exec_request {
    const char *const *args; /* NULL-ended */
    const char *const *env;  /* NULL or added to the container's own */
    const char *cwd, *user;  /* NULL: the container's */
    bool terminal;           /* the fds are the caller's terminal: interactive */
    /* NULL, or with `terminal`: a listening unix socket to which the runtime sends the
     * other end of the program's terminal; fds are then the runtime's own. */
    const char *console_socket;
    bool probe;              /* may be ended by runtime_end_probes() */
    int fds[3]; /* become stdin, stdout, stderr; -1: /dev/null */
};

struct exec_process {
    pid_t pid;      /* of the runtime's exec command, whose end is the program's end */
    int pidfd;      /* readable when it ended; for poll or a loop */
    char file[256]; /* its process description, removed by exec_wait() */
};

/* The promise of every slot is that of the function of the same name below. */
struct runtime_ops {
    const char *name;
    int (*create)(struct runtime *rt, const struct container_create *c,
                  struct error *err);
    int (*start)(struct runtime *rt, const char *id, struct error *err);
    int (*signal)(struct runtime *rt, const char *id, int signo, struct error *err);
    int (*kill)(struct runtime *rt, const char *id, int deadline_ms, struct error *err);
    int (*remove)(struct runtime *rt, const char *id, struct error *err);
    int (*state)(struct runtime *rt, const char *id, struct container_state *ret,
                 struct error *err);
    int (*each)(struct runtime *rt, void (*each)(void *arg, const char *id), void *arg,
                struct error *err);
    int (*adopt)(struct runtime *rt, const char *id, struct container_state *ret,
                 int *ret_pidfd, struct error *err);
    int (*exec)(struct runtime *rt, const char *id, const struct exec_request *req,
                struct exec_process *ret, struct error *err);
    void (*end_probes)(struct runtime *rt, const char *id);
    void (*free)(struct runtime *rt);
};

struct runtime {
    const struct runtime_ops *ops;
};

/* crun (or another OCI runtime) under conmon. Makes run_dir's folders and the
 * supervisors' cgroup. */
int runtime_open(const struct runtime_config *config, struct runtime **ret,
                 struct error *err);
void runtime_free(struct runtime *rt); /* containers go on */

/* Writes the bundle, starts the supervisor, which makes the container; its first
 * instruction waits for start(). E_EXEC: the runtime's message. */
int runtime_create(struct runtime *rt, const struct container_create *c,
                   struct error *err);
/* A CREATED container begins. One that RUNS or is STOPPED has begun already: success; what
 * became of it is in its state. E_EXEC: the runtime's message. */
int runtime_start(struct runtime *rt, const char *id, struct error *err);
/* To the first process. A container that does not run: E_CONFLICT. */
int runtime_signal(struct runtime *rt, const char *id, int signo, struct error *err);
/* SIGKILL to all its processes; returns when none is left. The exit record follows. */
int runtime_kill(struct runtime *rt, const char *id, int deadline_ms, struct error *err);
/* Removes runtime state, cgroup, bundle and exit record; kills first if need be. */
int runtime_remove(struct runtime *rt, const char *id, struct error *err);
/* CONTAINER_NONE is a status, not an error. */
int runtime_state(struct runtime *rt, const char *id, struct container_state *ret,
                  struct error *err);
int runtime_each(struct runtime *rt, void (*each)(void *arg, const char *id), void *arg,
                 struct error *err);

/* The state as it is now, settled: a container whose supervisor died is killed and gets
 * an exit record with `abandoned`; a half-made one is removed and reported as
 * CONTAINER_NONE. ret_pidfd: the supervisor's pidfd, readable when it ends (-1 when
 * STOPPED or NONE). Call it after create, after a restart, and when the pidfd fires. */
int runtime_adopt(struct runtime *rt, const char *id, struct container_state *ret,
                  int *ret_pidfd, struct error *err);

/* Runs a program in a RUNNING container. E_EXEC can also come from exec_wait(). */
int runtime_exec(struct runtime *rt, const char *id, const struct exec_request *req,
                 struct exec_process *ret, struct error *err);
/* Kills the probes that an earlier process began and did not live to see the end of. */
void runtime_end_probes(struct runtime *rt, const char *id);
/* Blocks; ret_code 0..255, 128 + n for a signal. Closes the pidfd. timeout_ms < 0: none;
 * on E_TIMEOUT the program in the container is killed and reaped. */
int exec_wait(struct exec_process *p, int timeout_ms, int *ret_code, struct error *err);

/* --- exits, for an event loop --- */

struct exit_watch;
/* An inotify descriptor on <run_dir>/exits. Exits from before are not repeated: open it,
 * then runtime_adopt() what you know. */
int exit_watch_open(struct runtime *rt, struct exit_watch **ret, struct error *err);
int exit_watch_fd(const struct exit_watch *w); /* poll for reading; non-blocking */
/* Drains it: one call of `each` an exit file that appeared; read the rest with
 * runtime_state() (cheap for a STOPPED container). Returns the number, or E_AGAIN when the
 * kernel dropped events: then ask runtime_state() for all. */
int exit_watch_read(struct exit_watch *w, void (*each)(void *arg, const char *id),
                    void *arg, struct error *err);
void exit_watch_free(struct exit_watch *w);
