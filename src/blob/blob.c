/* Finished blobs. How one comes into being, and why a crash leaves no half blob:
 *
 *   1. its bytes are written to uploads/<name>     crash: an upload that can go on, or
 *                                                  waste that the next open removes
 *   2. fsync(file)                                 the bytes are on the disk
 *   3. rename to blobs/<algorithm>/<ab>/<hex>      the blob is there, as a whole
 *   4. fsync(folder)                               and stays there without power
 *
 * A name under blobs/ is therefore always complete content. The two-letter folders are made
 * on demand and synced into their parent before step 3. */
#include "blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "arena.h"
#include "blob_store.h"
#include "fd.h"
#include "str.h"

#define READ_SIZE    (256 * 1024)
#define LONGEST_TAIL 200 /* "/blobs/sha512/ab/" and 128 digits */

static const char *const folders[] = {[BLOB_SHA256] = "sha256", [BLOB_SHA512] = "sha512"};

const struct blob_io blob_io_real = {.pwrite = pwrite, .fsync = fsync, .rename = rename};

/* ---- names ---- */

void blob_file_path(const struct blob_store *s, const struct blob_digest *d, char *ret)
{
    char text[BLOB_DIGEST_SIZE];
    blob_digest_format(d, text);
    const char *hex = strchr(text, ':') + 1;
    snprintf(ret, BLOB_PATH_SIZE, "%s/blobs/%s/%.2s/%s", s->dir, folders[d->algorithm],
             hex, hex);
}

void upload_file_path(const struct blob_store *s, const char *name, char *ret)
{
    snprintf(ret, BLOB_PATH_SIZE, "%s/uploads/%s", s->dir, name);
}

char *blob_path(struct blob_store *s, const struct blob_digest *d)
{
    char path[BLOB_PATH_SIZE];
    blob_file_path(s, d, path);
    return xstrdup(path);
}

/* RFC 9562 §5.4. */
void blob_uuid(char ret[static BLOB_UPLOAD_ID_SIZE])
{
    unsigned char b[16];
    while (getrandom(b, sizeof(b), 0) != sizeof(b))
        ;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(ret, BLOB_UPLOAD_ID_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
             b[13], b[14], b[15]);
}

/* ---- coming into being ---- */

static int sync_folder(struct blob_store *s, const char *path, struct error *err)
{
    AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || s->io->fsync(fd) < 0)
        return fail_errno(err, errno, "syncing '%s'", path);
    return 0;
}

/* Cuts the last name off and makes the folder that is left. */
static int make_folder_of(struct blob_store *s, char *path, struct error *err)
{
    *strrchr(path, '/') = '\0';
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? 0 : fail_errno(err, errno, "making '%s'", path);
    char parent[BLOB_PATH_SIZE];
    snprintf(parent, sizeof(parent), "%s", path);
    *strrchr(parent, '/') = '\0';
    return sync_folder(s, parent, err);
}

int blob_settle(struct blob_store *s, int fd, const char *path,
                const struct blob_digest *d, struct error *err)
{
    char to[BLOB_PATH_SIZE], folder[BLOB_PATH_SIZE];
    blob_file_path(s, d, to);
    memcpy(folder, to, sizeof(folder));
    int r = 0;
    if (s->io->fsync(fd) < 0)
        r = fail_errno(err, errno, "syncing '%s'", path);
    if (r == 0)
        r = make_folder_of(s, folder, err);
    if (r == 0 && s->io->rename(path, to) < 0)
        r = fail_errno(err, errno, "renaming '%s' to '%s'", path, to);
    if (r < 0) {
        unlink(path);
        return r;
    }
    return sync_folder(s, folder, err);
}

int blob_put(struct blob_store *s, const void *data, size_t len,
             const struct blob_digest *expected, struct error *err)
{
    struct blob_digest d;
    blob_digest_of(expected ? expected->algorithm : BLOB_SHA256, data, len, &d);
    if (expected && !blob_digest_equal(expected, &d))
        return fail(err, E_CORRUPT,
                    "the content does not have the digest that was given");
    char path[BLOB_PATH_SIZE], id[BLOB_UPLOAD_ID_SIZE], name[64];
    blob_file_path(s, &d, path);
    if (utimensat(AT_FDCWD, path, NULL, 0) == 0)
        return 0;
    blob_uuid(id);
    snprintf(name, sizeof(name), "put-%s", id);
    upload_file_path(s, name, path);
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, errno, "making '%s'", path);
    for (size_t at = 0; at < len;) {
        ssize_t n = s->io->pwrite(fd, (const char *)data + at, len - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int r = fail_errno(err, errno, "writing '%s'", path);
            unlink(path);
            return r;
        }
        at += (size_t)n;
    }
    return blob_settle(s, fd, path, &d, err);
}

/* ---- what is there ---- */

int blob_open(struct blob_store *s, const struct blob_digest *d, int *ret_fd,
              uint64_t *ret_size, struct error *err)
{
    char path[BLOB_PATH_SIZE];
    struct stat st;
    blob_file_path(s, d, path);
    if (!ret_fd && stat(path, &st) < 0)
        return fail_errno(err, errno, "blob '%s'", path);
    AUTO_FD fd = -1;
    if (ret_fd) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
            return fail_errno(err, errno, "blob '%s'", path);
    }
    if (ret_size)
        *ret_size = (uint64_t)st.st_size;
    if (ret_fd)
        *ret_fd = fd_take(&fd);
    return 0;
}

int blob_hash_file(int fd, struct blob_hash *h, uint64_t *ret_size, struct error *err)
{
    char *buf = xmalloc(READ_SIZE);
    uint64_t at = 0;
    ssize_t n;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    while ((n = pread(fd, buf, READ_SIZE, (off_t)at)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        blob_hash_update(h, buf, (size_t)n);
        at += (uint64_t)n;
    }
    int sys = errno;
    free(buf);
    if (n < 0)
        return fail_errno(err, sys, "reading a blob");
    if (ret_size)
        *ret_size = at;
    return 0;
}

int blob_verify(struct blob_store *s, const struct blob_digest *d, struct error *err)
{
    AUTO_FD fd = -1;
    int r = blob_open(s, d, &fd, NULL, err);
    if (r < 0)
        return r;
    struct blob_hash *h = blob_hash_new(d->algorithm);
    struct blob_digest is;
    r = blob_hash_file(fd, h, NULL, err);
    blob_hash_peek(h, &is);
    blob_hash_free(h);
    if (r == 0 && !blob_digest_equal(&is, d)) {
        char text[BLOB_DIGEST_SIZE];
        blob_digest_format(d, text);
        return fail(err, E_CORRUPT, "the blob %s has changed on the disk", text);
    }
    return r;
}

int blob_delete(struct blob_store *s, const struct blob_digest *d, struct error *err)
{
    char path[BLOB_PATH_SIZE];
    blob_file_path(s, d, path);
    return unlink(path) < 0 ? fail_errno(err, errno, "deleting '%s'", path) : 0;
}

int blob_free_bytes(struct blob_store *s, uint64_t *ret, struct error *err)
{
    struct statvfs v;
    if (statvfs(s->dir, &v) < 0)
        return fail_errno(err, errno, "asking for free space at '%s'", s->dir);
    *ret = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

/* ---- all of them ---- */

struct walk {
    enum blob_algorithm algorithm;
    blob_visit *visit;
    void *ctx;
    struct error *err;
};

static int walk_file(struct walk *w, int dir, const char *name)
{
    char text[BLOB_DIGEST_SIZE + 300];
    struct blob_digest d;
    struct stat st;
    snprintf(text, sizeof(text), "%s:%s", folders[w->algorithm], name);
    if (blob_digest_parse(text, &d, NULL) < 0 || fstatat(dir, name, &st, 0) < 0)
        return 0;
    int64_t mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return w->visit(w->ctx, &d, (uint64_t)st.st_size, mtime_ms, w->err);
}

/* Calls for each name of the folder; one that is not there has none. */
static int each_name(struct walk *w, int at, const char *path,
                     int (*call)(struct walk *w, int dir, const char *name))
{
    AUTO_FD fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : fail_errno(w->err, errno, "opening '%s'", path);
    DIR *dir = fdopendir(dup(fd));
    if (!dir)
        return fail_errno(w->err, errno, "listing '%s'", path);
    int r = 0;
    for (struct dirent *e; r >= 0 && (e = readdir(dir));) {
        if (e->d_name[0] != '.')
            r = call(w, fd, e->d_name);
    }
    closedir(dir);
    return r < 0 ? r : 0;
}

static int walk_folder(struct walk *w, int dir, const char *name)
{
    return each_name(w, dir, name, walk_file);
}

int blob_iterate(struct blob_store *s, blob_visit *visit, void *ctx, struct error *err)
{
    int r = 0;
    for (unsigned i = 0; r >= 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
        struct walk w = {(enum blob_algorithm)i, visit, ctx, err};
        char path[BLOB_PATH_SIZE];
        snprintf(path, sizeof(path), "%s/blobs/%s", s->dir, folders[i]);
        r = each_name(&w, AT_FDCWD, path, walk_folder);
    }
    return r;
}

/* ---- opening ---- */

int blob_store_open(const char *dir, struct blob_store **ret, struct error *err)
{
    static const char *const made[] = {"uploads", "blobs/sha256", "blobs/sha512"};
    if (strlen(dir) > BLOB_PATH_SIZE - LONGEST_TAIL)
        return fail(err, E_LIMIT, "the path of the blobs is too long");
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        char path[BLOB_PATH_SIZE];
        snprintf(path, sizeof(path), "%s/%s", dir, made[i]);
        int r = dir_make_all(path, 0700, err);
        if (r < 0)
            return r;
    }
    struct blob_store *s = xcalloc(1, sizeof(*s));
    s->dir = xstrdup(dir);
    s->io = &blob_io_real;
    pthread_mutex_init(&s->lock, NULL);
    for (unsigned i = 0; i < UPLOAD_BUCKETS; i++)
        list_init(&s->uploads[i]);
    int r = uploads_load(s, err);
    if (r < 0) {
        blob_store_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void blob_store_close(struct blob_store *s)
{
    if (!s)
        return;
    uploads_free(s);
    pthread_mutex_destroy(&s->lock);
    free(s->dir);
    free(s);
}
