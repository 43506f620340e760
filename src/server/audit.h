/* audit.h: who called what, from where, and how it was answered: a line of JSON a call, in
 * CloudTrail's form, in <data-dir>/audit/audit.jsonl.
 *
 * The file is only ever appended to; when it has AUDIT_FILE_MAX bytes it becomes audit.1.jsonl,
 * that one audit.2.jsonl, and the AUDIT_FILES-th is removed. A line is written right after the
 * answer was given; it is not waited for, so a power cut can take the last ones. What the
 * model calls sensitive is not in it.
 *
 * Rules: "CloudTrail record contents" of the CloudTrail User Guide.
 *
 * Owns: a thread and what waits for it: at most AUDIT_QUEUE_MAX calls, then audit_add()
 * waits. Threads: audit_add() any. Fails: audit_open() with the errors of the folder; a line
 * that can't be written is counted, and told once a minute. */
#pragma once

#include "call.h"
#include "error.h"

#define AUDIT_FILE_MAX  (64 * 1024 * 1024)
#define AUDIT_FILES     8
#define AUDIT_QUEUE_MAX 4096
/* Longer request parameters are left out. */
#define AUDIT_PARAMETERS_MAX (100 * 1024)

struct audit;

struct audit_entry {
    const struct call *call;
    void (*release)(struct audit_entry *); /* on the audit thread, when it was written */
    struct list link;
};

int audit_open(const char *data_dir, struct audit **ret, struct error *err);
/* NULL audit: released at once. */
void audit_add(struct audit *audit, struct audit_entry *entry);
/* What was added is written. NULL allowed. */
void audit_close(struct audit *audit);

/* The line of a call, for struct str; pure. `event_id` is a UUID. */
void audit_line(struct str *ret, const struct call *call, const char *event_id,
                int64_t now_ms);
