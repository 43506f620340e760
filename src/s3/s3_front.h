/* s3_front.h: Amazon S3 on the wire: requests in path or virtual-host style, bytes in both
 * directions without holding them in memory.
 *
 *   I/O thread   which operation (src/wire), what it may not ask for
 *   state thread call_run(): who, may they, which bucket (src/service/s3)
 *   worker       find, open, put, list: the store of objects (object_store.h)
 *   I/O thread   receive or send the bytes
 *
 * Owns: the chain of each request. Store, core and threads are the caller's and outlive it.
 * Threads: s3_front_begin/complete/aborted/released as in http.h; the rest any.
 * Fails: every failure of a request is an answer to it. */
#pragma once

#include "core.h"
#include "http.h"
#include "object_store.h"
#include "s3.h"
#include "sigv4.h"

struct s3_front;

/* The signature as read, and what the check of it found out. Texts lie in the call's arena. */
struct s3_signature {
    enum sigv4_failure failure; /* of sigv4_parse() */
    const char *failure_text;
    struct sigv4 sigv4;
    const char *source_ip, *user_agent; /* NULL: unknown */
    bool tls;
    bool key_known; /* the signing key of chunks; unknown where signatures are not checked */
    uint8_t key[32];
};

/* What the face needs of the process around it. */
struct s3_backend {
    void *ctx;
    /* Hands the task to the state thread; any thread. */
    void (*submit)(void *ctx, struct core_task *task);
    /* Runs run(arg) on a thread that may wait for disk and network; any thread. */
    void (*work)(void *ctx, void (*run)(void *arg), void *arg);
    int64_t (*now_ms)(void *ctx); /* any thread */
    /* Whose signature it is and whether it is right; fills *ret and, if it can, sig->key. 0, or
     * -E_DENIED with why. State thread. */
    int (*authenticate)(void *ctx, struct core *core, struct arena *a,
                        struct s3_signature *sig, struct identity *ret,
                        enum wire_denial *ret_denial, const char **ret_text);
    /* A request is over: how it was answered, for the audit log. NULL: nobody asks. I/O thread. */
    void (*record)(void *ctx, const struct s3_call *call, const struct wire_fault *fault,
                   const char *fault_text, uint64_t bytes_in);
};

struct s3_front_config {
    struct s3_backend backend;
    struct object_store *store;
    const char *region; /* of requests without a signature */
};

struct s3_front *s3_front_new(const struct s3_front_config *config); /* copies the texts */
void s3_front_free(struct s3_front *f); /* after its last request; NULL allowed */

/* Is the request S3's? By the scope of its signature or its host; and, asked last, when
 * nobody else takes it: one without a signature whose path begins like a bucket's name. */
bool s3_front_owns(const struct http_request *req);
bool s3_front_owns_unsigned(const struct http_request *req);

void s3_front_begin(struct s3_front *f, struct http_request *req);
void s3_front_complete(struct http_request *req);
void s3_front_aborted(struct http_request *req);
void s3_front_released(struct http_request *req);

/* For s3_settings, with ctx = the store. */
int s3_front_bucket_close(void *store, const char *id, struct error *err);
void s3_front_bucket_reopen(void *store, const char *id);
void s3_front_bucket_forget(void *store, const char *id);
/* Tells the store which buckets there are: after core_load(), before the first request. */
int s3_front_start(struct core *core, struct object_store *store, struct error *err);
