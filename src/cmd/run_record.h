/* run_record.h: <run>/up.json: where a run is served, and by which processes.
 *
 * Written by the supervisor at every change, by rename; read by the other commands. It
 * stays after `down`, without processes, so that `down --purge` still finds the data.
 * A process is its pid with its start time, so that a pid which the kernel gave to
 * somebody else is never mistaken for ours.
 *
 * Owns: texts lie in the arena given. Threads: main.
 * Fails: E_NOTFOUND no record: gantry never ran with this run directory. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "error.h"

struct process_id {
    pid_t pid; /* 0: none */
    int64_t start_ticks;
};

/* In the order of their start. */
enum part_id { PART_SERVER, PART_EDGE, PART_AGENT, PART_FARGATE, PART_COUNT };
const char *part_name(enum part_id part); /* "server", "edge", "agent", "fargate" */

struct run_record {
    const char *url, *region, *account_id, *data_dir, *run_dir, *run_id;
    const char *hosts_file; /* "": no edge */
    bool dev;
    struct process_id up, parts[PART_COUNT];
};

int run_record_read(const char *path, struct arena *a, struct run_record *ret,
                    struct error *err);
int run_record_write(const char *path, const struct run_record *record,
                     struct error *err);

/* A process as it is now; start_ticks 0 when it isn't there. */
struct process_id process_identify(pid_t pid);
/* A pidfd, or E_NOTFOUND when it has ended (or the pid is somebody else's by now). */
int process_open(const struct process_id *id, int *ret_pidfd, struct error *err);
bool process_alive(const struct process_id *id);
/* Waits on a pidfd. 1: it ended; 0: timeout. */
int process_wait(int pidfd, int timeout_ms);
/* SIGTERM, and SIGKILL after `patience_ms`. Nothing to do is success. */
int process_end(const struct process_id *id, int patience_ms, struct error *err);
