/* blob_store.h: what the files of this folder share; the public face is blob.h. */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "blob.h"
#include "list.h"

#define UPLOAD_BUCKETS 256
#define BLOB_PATH_SIZE 4096

/* The steps that a disk can refuse. Tests put their own here. */
struct blob_io {
    ssize_t (*pwrite)(int fd, const void *data, size_t len, off_t at);
    int (*fsync)(int fd);
    int (*rename)(const char *from, const char *to);
};
extern const struct blob_io blob_io_real;

struct blob_store {
    char *dir;
    const struct blob_io *io;
    pthread_mutex_t lock; /* the table, and held, size, last_used_ms of each upload */
    struct list uploads[UPLOAD_BUCKETS];
    unsigned upload_count;
};

/* Ask for the text of a path in a buffer of BLOB_PATH_SIZE; blob_store_open() made sure
 * that it fits. */
void blob_file_path(const struct blob_store *s, const struct blob_digest *d, char *ret);
void upload_file_path(const struct blob_store *s, const char *name, char *ret);

void blob_uuid(char ret[static BLOB_UPLOAD_ID_SIZE]);

/* Makes a finished, written file the blob: sync, rename, sync of the folder. Consumes the
 * file at `path`, also on failure. */
int blob_settle(struct blob_store *s, int fd, const char *path,
                const struct blob_digest *d, struct error *err);

/* Hashes the open file from its start; ret_size may be NULL. */
int blob_hash_file(int fd, struct blob_hash *h, uint64_t *ret_size, struct error *err);

int uploads_load(struct blob_store *s, struct error *err);
void uploads_free(struct blob_store *s);
