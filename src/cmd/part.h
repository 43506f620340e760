/* part.h: one child of the supervisor: start, what it says, how it ends, when to try again.
 *
 * Owns: the child, its pidfd and the pipe on which it says that it is ready (ready.h).
 * Threads: one. Fails: part_start() when the kernel refuses; a program that can't run says
 * so by ending. */
#pragma once

#include <stdbool.h>

#include "ready.h"
#include "run_record.h"
#include "str.h"

struct part {
    enum part_id id;
    struct process_id process; /* pid 0: not running */
    int pidfd, pipe;           /* -1 when there is none */
    struct str said;
    int64_t started_ns, restart_ns; /* monotonic; restart_ns 0: no restart is due */
    int64_t backoff_ms;
    bool said_ready;
};

void part_init(struct part *p, enum part_id id);
/* args: NULL-ended, args[0] is the command's name; room for one more must follow. */
int part_start(struct part *p, const char **args, size_t count, struct error *err);

enum part_word { PART_SAID_NOTHING, PART_SAID_READY, PART_SAID_FAILED };
/* Reads the pipe; *ret_text (valid until the next call) is the URL or the reason. */
enum part_word part_read(struct part *p, const char **ret_text);
/* After the pidfd fired: reaps, describes the end ("exit status 1", "signal 9") and sets
 * when to start again. */
void part_ended(struct part *p, struct str *ret_how);
void part_signal(struct part *p, int signo);
bool part_runs(const struct part *p);
