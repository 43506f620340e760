/* registry.h: the OCI Distribution API (v1.1) over ecr's tables and the blob store.
 *
 * Bytes flow between sockets and files; every question of who may and what is there goes to
 * ecr on the state thread first. One request is a short chain of steps:
 *
 *   I/O thread   parse the path, check the token
 *   state thread authorise, find or change (ecr.h); the answer waits until it is durable
 *   worker       open, create, finish files
 *   I/O thread   receive or send the bytes
 *
 * Facts: OCI distribution-spec 1.1; Amazon ECR's Basic authentication and messages.
 *
 * Owns: the chain of each request (in the request's arena), the digests that are being
 * linked right now. The blob store, core and threads are the caller's and outlive it.
 * Threads: registry_begin/complete/aborted/released as in http.h; the rest as noted.
 * Fails: every failure of a request is an answer to it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "blob.h"
#include "core.h"
#include "ecr.h"
#include "http.h"

struct registry;

/* Who asks: from the token, or the defaults where none is needed. */
struct registry_caller {
    const char *access_key; /* NULL: nobody in particular (dev only) */
    const char *account, *region;
    const char *session_token; /* of temporary credentials; NULL: none */
};

/* What the registry needs from the process around it. */
struct registry_backend {
    void *ctx;

    /* Hands the task to the state thread (shell_submit). Its reply.deliver is called when
     * everything that it changed or saw is durable. Any thread. */
    void (*submit)(void *ctx, struct core_task *task);

    /* Runs run(arg) on a thread that may wait for the disk. Any thread. */
    void (*work)(void *ctx, void (*run)(void *arg), void *arg);

    /* Wall time in ms: for tokens and for the age of uploads. Any thread. */
    int64_t (*now_ms)(void *ctx);

    /* May the caller do this (an action such as "ecr:PutImage") to the repository? Asked for
     * every request, with the policies of that moment. 0, or -E_DENIED with the text that
     * AWS would give. NULL: every valid token may do all in its account. State thread. */
    int (*authorize)(void *ctx, struct core *core, const struct registry_caller *who,
                     const char *action, const char *repository_arn, struct error *err);
};

struct registry_config {
    struct registry_backend backend;
    struct blob_store *blobs;
    const char *token_secret;     /* as in ecr_settings */
    const char *account, *region; /* of requests without a token (dev) */
    bool dev;                     /* any credentials, or none, are accepted */
    bool sparse_indexes;          /* an index may name manifests that are not there */
};

struct registry *
registry_new(const struct registry_config *config); /* copies the texts */
void registry_free(struct registry *r); /* after its last request; NULL allowed */

/* Is the request ours ("/v2", "/v2/…")? Then hand it all four events of http_handler; the
 * registry uses req->ctx. */
bool registry_owns(const char *path);
void registry_begin(struct registry *r, struct http_request *req);
void registry_complete(struct http_request *req);
void registry_aborted(struct http_request *req);
void registry_released(struct http_request *req);

/* For ecr_settings, with ctx = the registry. */
int registry_read_manifest(void *registry, const char *digest, struct str *ret);
void registry_blob_unused(void *registry, const char *digest);

/* Housekeeping, to be called at start and every few minutes from any thread; returns at
 * once. Ends uploads that were idle for 24 h, and deletes files that nothing names and that
 * were not touched for an hour (a crash between "file is there" and "link is durable"). */
#define REGISTRY_UPLOAD_IDLE_MS (24LL * 60 * 60 * 1000)
#define REGISTRY_ORPHAN_MS      (60LL * 60 * 1000)
void registry_housekeeping(struct registry *r);
