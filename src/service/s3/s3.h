/* s3.h: Amazon S3's buckets, and the state thread's half of every operation on objects.
 *
 * The HTTP face (src/s3) embeds `struct s3_call`, runs it through call_run(), and reads out
 * of it what was decided: which bucket, may a missing key be told, what the caller may not
 * delete. Objects themselves are found and moved on workers.
 *
 * Owns: buckets, in the core's tables. Threads: state thread, except as noted in s3_settings.
 * Fails: with the faults of s3_fault.h. */
#pragma once

#include <stdbool.h>

#include "access.h"
#include "call.h"
#include "core.h"
#include "gantry_api.h"
#include "operation.h"
#include "s3_api.h"

/* What buckets need of the store of objects; worker threads. */
struct s3_settings {
    /* From now on nothing is put into the bucket. -E_CONFLICT: there are objects in it, and
     * it stays open. */
    int (*bucket_close)(void *ctx, const char *id, struct error *err);
    void (*bucket_reopen)(void *ctx, const char *id); /* it was not deleted after all */
    void (*bucket_forget)(void *ctx, const char *id); /* it is gone for good */
    void *ctx;
};

void s3_attach(struct core *core, const struct s3_settings *settings);

extern const struct operation s3_operations[]; /* generated */
extern const struct access_service s3_access;

/* Ids of all buckets, which objects are kept under. */
void s3_bucket_ids(struct core *core, void (*visit)(void *ctx, const char *id),
                   void *ctx);

/* To be called on a worker when a call that was prepared ends in a fault. */
void s3_call_refused(struct call *call);

/* One call of S3. Only the face makes them. */
struct s3_call {
    struct call call;
    bool anonymous; /* set by call.authenticate: no signature at all */

    /* filled by the operation; texts in the call's arena */
    const char *bucket, *bucket_id, *bucket_account, *key;
    const char *source_id, *source_key; /* of a copy */
    bool asked;    /* IAM was */
    bool may_list; /* a missing key may be told as such */
    const char **denied;                /* DeleteObjects: why not, for each; NULL: it may */
    /* What the error's document says beside the message. */
    struct gantry_s3_error_detail detail;

    /* Tags of the object are fetched only when a policy asks for them: then the call is run
     * once more, with them. */
    bool tags_wanted, tags_known;
    struct string_map tags;
};

static inline struct s3_call *s3_call_of(struct call *c)
{
    return list_entry(c, struct s3_call, call);
}
