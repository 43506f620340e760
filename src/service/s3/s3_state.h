/* s3_state.h: buckets in memory. Names are one namespace for all accounts.
 * Owns: see object.h. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "object.h"
#include "s3.h"
#include "s3_fault.h"
#include "s3_handlers.h"

struct s3 {
    struct s3_settings settings;
    struct table *buckets;
};

struct bucket {
    struct object o;
    struct gantry_s3_bucket_record *rec;
    struct policy *policy; /* compiled; NULL: none */
    struct policy_source source;
};

#define S3_NAMESPACE_PREFIX "/s3/bucket/"
#define S3_MAX_BUCKETS      10000 /* of one account; AWS: the same by default */

struct s3 *s3_of(const struct core *core);
struct bucket *bucket_find(struct core *core, const char *name);
bool bucket_name_valid(const char *name);
/* What names an object: "arn:aws:s3:::bucket/key"; NULL key: the bucket. */
const char *s3_arn(struct call *c, const char *bucket, const char *key);

/* Finds the operation's bucket and fills the s3_call: exists, is in this region, belongs to
 * whom the caller expects; and a caller without a signature is let in by the bucket's
 * policy. 0 or <0 after call_fault(). */
int bucket_begin(struct call *c, const char *name, const char *expected_owner,
                 const char *key, struct bucket **ret);
struct s3_owner *bucket_owner(struct call *c, const char *account);
/* Is the caller, who did not sign, let in by the policy? */
bool bucket_public(struct call *c, struct bucket *b, const char *action,
                   const char *resource);
/* "[/]bucket/key[?versionId=…]", percent-encoded; false: not a source. */
bool copy_source_parse(struct call *c, const char *text, const char **ret_bucket,
                       const char **ret_key);

#define s3_fail(call, fault) call_fault((call), &(fault), "%s", s3_fault_text(&(fault)))
