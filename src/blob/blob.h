/* blob.h: content-addressed files: image layers, configs, by the hash of their bytes.
 *
 *   <dir>/blobs/sha256/ab/<64 hex>     finished, immutable, named after their content
 *   <dir>/blobs/sha512/ab/<128 hex>
 *   <dir>/uploads/<uuid>               growing; its size is the upload's offset
 *
 * A finished blob appears in one step (rename) after its bytes are on the disk, so a
 * crash at any point leaves no half blob. Uploads survive a crash of the process: their
 * hash is computed again from the file. Memory is bounded: a blob is never held in it.
 *
 * Owns: the directory's two folders. Who may see a blob is not known here.
 * Threads: any. An upload has one holder at a time (blob_upload_acquire). Calls block on
 * the disk: an append for the length of a write, finish for an fsync, acquire after a
 * restart for re-hashing what is there.
 * Fails: E_CORRUPT the bytes do not have the digest that was promised; E_FULL disk;
 * E_LIMIT too many uploads; E_NOTFOUND; E_CONFLICT wrong offset; E_AGAIN another holds
 * the upload; E_INVALID digest syntax. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* ---- digests: "sha256:<hex>" (OCI image spec, descriptor.md) ---- */

enum blob_algorithm { BLOB_SHA256, BLOB_SHA512 };

struct blob_digest {
    enum blob_algorithm algorithm;
    uint8_t bytes[64]; /* 32 used by sha256, the rest zero */
};

#define BLOB_DIGEST_SIZE 136 /* text with its NUL */

/* Strict: lower-case hex of the right length. E_INVALID; E_UNSUPPORTED for other
 * algorithms. */
int blob_digest_parse(const char *text, struct blob_digest *ret, struct error *err);
void blob_digest_format(const struct blob_digest *d, char ret[static BLOB_DIGEST_SIZE]);
bool blob_digest_equal(const struct blob_digest *a, const struct blob_digest *b);
void blob_digest_of(enum blob_algorithm algorithm, const void *data, size_t len,
                    struct blob_digest *ret);

/* Hashing in pieces. */
struct blob_hash;
struct blob_hash *blob_hash_new(enum blob_algorithm algorithm);
void blob_hash_update(struct blob_hash *h, const void *data, size_t len);
void blob_hash_peek(const struct blob_hash *h,
                    struct blob_digest *ret); /* goes on after */
void blob_hash_free(struct blob_hash *h);     /* NULL allowed */

/* ---- the store ---- */

struct blob_store;

/* Makes the folders (0700) when missing; takes up uploads left by an earlier process. */
int blob_store_open(const char *dir, struct blob_store **ret, struct error *err);
void blob_store_close(
    struct blob_store *s); /* every upload released before; NULL allowed */

/* E_NOTFOUND. ret_fd O_RDONLY, the caller's; either may be NULL. */
int blob_open(struct blob_store *s, const struct blob_digest *d, int *ret_fd,
              uint64_t *ret_size, struct error *err);
/* Writes small content in one call; 0 also when it is there already. E_CORRUPT when
 * expected (may be NULL) differs. */
int blob_put(struct blob_store *s, const void *data, size_t len,
             const struct blob_digest *expected, struct error *err);
/* Reads everything again; E_CORRUPT when it is not what its name says. Slow. */
int blob_verify(struct blob_store *s, const struct blob_digest *d, struct error *err);
int blob_delete(struct blob_store *s, const struct blob_digest *d, struct error *err);
/* The path of a blob, for overlay and unpackers; no check that it exists. Caller frees.
 */
char *blob_path(struct blob_store *s, const struct blob_digest *d);

/* Calls for every blob, in no order; a negative return ends it. Blobs that come or go
 * meanwhile may or may not be seen. mtime_ms is when it was finished or last put. */
typedef int blob_visit(void *ctx, const struct blob_digest *d, uint64_t size,
                       int64_t mtime_ms, struct error *err);
int blob_iterate(struct blob_store *s, blob_visit *visit, void *ctx, struct error *err);

int blob_free_bytes(struct blob_store *s, uint64_t *ret, struct error *err);

/* ---- uploads ---- */

#define BLOB_UPLOAD_ID_SIZE 37    /* a random uuid with its NUL */
#define BLOB_MAX_UPLOADS    10000 /* E_LIMIT above */

struct blob_upload;

int blob_upload_create(struct blob_store *s, enum blob_algorithm algorithm,
                       int64_t now_ms, char ret_id[static BLOB_UPLOAD_ID_SIZE],
                       struct error *err);

/* Takes hold of the upload. E_NOTFOUND; E_AGAIN when somebody holds it. */
int blob_upload_acquire(struct blob_store *s, const char *id, struct blob_upload **ret,
                        struct error *err);
uint64_t blob_upload_size(const struct blob_upload *u);
/* Appends at the end; E_CONFLICT when offset is not the size. After E_FULL or E_IO the
 * upload has its size of before and may be tried again. */
int blob_upload_append(struct blob_upload *u, uint64_t offset, const void *data,
                       size_t len, struct error *err);
void blob_upload_release(struct blob_upload *u, int64_t now_ms); /* NULL allowed */

/* Ends the upload, whatever comes out. 0: the blob is durable and visible. E_CORRUPT: the
 * digest differs. E_FULL, E_IO: a disk that failed to sync may have dropped what it had, so
 * nothing of it is trusted any more: the client begins again. */
int blob_upload_finish(struct blob_upload *u, const struct blob_digest *expected,
                       struct error *err);
void blob_upload_cancel(struct blob_upload *u); /* deletes; gives up the hold */

/* Size without taking hold: also while another appends. E_NOTFOUND. */
int blob_upload_query(struct blob_store *s, const char *id, uint64_t *ret_size,
                      struct error *err);
/* Deletes the uploads that nobody holds and that were not touched since before_ms;
 * returns how many. */
int blob_upload_expire(struct blob_store *s, int64_t before_ms);
