/* registry_private.h: what the registry's own files share.
 *
 * A request is a `struct visit` in the request's arena. It moves along a chain:
 *   visit_ask(v, decide, then)  decide() on the state thread, then() when that is durable
 *   visit_work(v, run)          run() on a worker
 * and ends with one answer. At every point one thread has it. A decide() that refuses sets
 * the refusal and returns; the answer leaves in then()'s place. */
#pragma once

#include <pthread.h>

#include "registry.h"
#include "registry_manifest.h"
#include "registry_route.h"
#include "str.h"

#define MAX_LAYER (52428800000ULL) /* ECR: 52,428,800,000 bytes */
#define PAGE      1000

enum upload_goal {
    UPLOAD_NONE,
    UPLOAD_APPEND,  /* PATCH */
    UPLOAD_FINISH,  /* PUT */
    UPLOAD_AT_ONCE, /* POST ?digest= */
};

struct visit {
    struct registry *registry;
    struct http_request *req;
    struct arena *a; /* the request's */
    struct route route;
    struct registry_caller who;
    struct ecr_scope scope;
    const char *action; /* what IAM is asked for the repository; NULL: nothing */

    struct core_task task;
    void (*decide)(struct core *core, struct visit *v);
    void (*then)(struct visit *v);
    void (*run)(struct visit *v);

    int refused; /* HTTP status of a refusal; 0: none */
    const char *code, *message;

    struct blob_digest digest;
    const char *digest_text; /* canonical */
    uint64_t size;
    const char *media_type;

    /* uploads */
    enum upload_goal goal;
    struct blob_upload *upload; /* held */
    char upload_id[BLOB_UPLOAD_ID_SIZE];
    uint64_t offset; /* where this piece begins, then where the next one goes */
    struct error sink_error;
    bool mounted, pinned;

    /* manifests */
    struct manifest_facts facts;
    struct string_list tags; /* to be set; or read, for lists */

    /* lists */
    const char *last;
    size_t limit;
    bool more;
    struct referrer *referrers;
    size_t referrer_count, referrer_bytes;
    const char *fallback; /* digest of the fallback tag's index */
};

struct referrer {
    const char *digest, *json;
};

struct registry {
    struct registry_config config;
    pthread_mutex_t pin_lock;
    struct list pins;
};

/* ---- registry.c: the chain ---- */
void visit_ask(struct visit *v, void (*decide)(struct core *, struct visit *),
               void (*then)(struct visit *));
void visit_work(struct visit *v, void (*run)(struct visit *));
/* One more question to IAM, in a decide(). False: refused. */
bool visit_authorize(struct core *core, struct visit *v, const char *action,
                     const char *repository);
int64_t visit_now_ms(const struct visit *v);

/* ---- registry_reply.c: answers ---- */

struct head {
    struct http_header v[32];
    size_t n;
};
void head_init(struct head *h); /* with what every answer has */
void head_add(struct head *h, const char *name, const char *value);

/* The first refusal stays. */
void visit_refuse(struct visit *v, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void visit_refuse_ecr(struct visit *v, enum ecr_result result); /* ECR_OK: nothing */
/* Of blob.h's errors; `code` is for what has none of its own. */
void visit_refuse_error(struct visit *v, const struct error *err);
void visit_answer_refusal(struct visit *v);
void visit_answer(struct visit *v, int status, struct head *h); /* without a body */
void visit_answer_json(struct visit *v, struct head *h,
                       struct str *body); /* takes body */
/* 416 with what the upload has. */
void visit_answer_range(struct visit *v, uint64_t size);
void visit_add_upload(struct visit *v, struct head *h, uint64_t size);

/* ---- registry_auth.c ---- */
/* True: v->who and v->scope are filled. False: it was answered. */
bool visit_identify(struct visit *v);

/* ---- the operations; each answers, or asks and answers later ---- */
void blob_get(struct visit *v);
void blob_remove(struct visit *v);
void manifest_get(struct visit *v);
void manifest_remove_one(struct visit *v);
void tags_list(struct visit *v);
void referrers_list(struct visit *v);
void catalog_list(struct visit *v);
const char *upload_name(struct visit *v); /* of v->upload_id, in URLs */
void upload_post(struct visit *v);
void upload_patch(struct visit *v);
void upload_put(struct visit *v);
void upload_get(struct visit *v);
void upload_cancel(struct visit *v);
void upload_complete(struct visit *v); /* the piece has arrived */
void upload_gone(struct visit *v);     /* it will not; or the visit ends */
void manifest_put(struct visit *v);
void manifest_complete(struct visit *v);

/* ---- registry_pin.c ---- */
/* Between these the file of v->digest is not deleted. A refusal after visit_ask() unpins. */
void visit_pin(struct visit *v);
void visit_unpin(struct visit *v);
