/* audit.h: who called what, from where, and how it was answered: a line of JSON a call, in
 * CloudTrail's form, below <data-dir>/audit.
 *
 * There are two logs, so that what is done to data (objects of S3, items of DynamoDB, layers of
 * images) does not push out what is done to everything else: audit.jsonl has the management
 * events, data.jsonl the data events. A file is only ever appended to; when it has
 * AUDIT_FILE_MAX bytes it becomes audit.1.jsonl, that one audit.2.jsonl, and the AUDIT_FILES-th
 * is removed. A line is written right after the answer was given; it is not waited for, so a
 * power cut can take the last ones. What the model calls sensitive is not in it, and of what is
 * done to data only which thing it is done to.
 *
 * Rules: "CloudTrail record contents" of the CloudTrail User Guide.
 *
 * Owns: a thread and what waits for it: at most AUDIT_QUEUE_MAX events, then audit_add() and
 * audit_tell() wait. Threads: these two any. Fails: audit_open() with the errors of the folder; a
 * line that can't be written is counted, and told once a minute. */
#pragma once

#include "call.h"
#include "error.h"

#define AUDIT_FILE_MAX  (64 * 1024 * 1024)
#define AUDIT_FILES     8
#define AUDIT_QUEUE_MAX 4096
/* Longer request parameters are left out. */
#define AUDIT_PARAMETERS_MAX (100 * 1024)

enum audit_log { AUDIT_MANAGEMENT, AUDIT_DATA, AUDIT_LOGS };
/* "audit", "data": the file's name before ".jsonl" or ".1.jsonl". */
const char *audit_log_name(enum audit_log log);

struct audit;

struct audit_entry {
    const struct call *call;
    void (*release)(struct audit_entry *); /* on the audit thread, when it was written */
    struct list link;
};

/* What an event says; texts are the caller's, NULL: left out. */
struct audit_event {
    const struct identity *who;
    const char *service; /* "s3" */
    const char *name;    /* "GetObject" */
    const char *region, *request_id;
    const char *error_code, *error_text; /* NULL: it was done */
    bool reads;
    enum audit_log log;
    /* requestParameters: a structure, or some texts. */
    const struct wire_shape *shape;
    const void *in;
    struct string_map parameters;
    const char *resource, *resource_type; /* an ARN, "AWS::S3::Object" */
    uint64_t bytes_in;                    /* 0: not told */
};

int audit_open(const char *data_dir, struct audit **ret, struct error *err);
/* A call of the API. NULL audit: released at once. */
void audit_add(struct audit *audit, struct audit_entry *entry);
/* What is no call of the API; nothing of it is kept. NULL audit: nothing happens. */
void audit_tell(struct audit *audit, const struct audit_event *event);
/* What was added is written. NULL allowed. */
void audit_close(struct audit *audit);

/* The event of a call; `a` for what has to be made. */
struct audit_event audit_event_of(struct arena *a, const struct call *call);
/* Its line, for struct str; pure. `event_id` is a UUID. */
void audit_line(struct str *ret, const struct audit_event *event, const char *event_id,
                int64_t now_ms);
