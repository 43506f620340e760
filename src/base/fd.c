#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"

void fd_close(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
    *fd = -1;
}

int fd_take(int *fd)
{
    int v = *fd;
    *fd = -1;
    return v;
}

int fd_write_all(int fd, const void *data, size_t len, struct error *err)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "write");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_read(int dir, const char *path, size_t max_bytes, struct str *ret,
              struct error *err)
{
    AUTO_FD fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", path);
    str_clear(ret);
    for (;;) {
        str_reserve(ret, 4096);
        ssize_t n = read(fd, ret->data + ret->len, ret->cap - ret->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "read '%s'", path);
        if (n == 0)
            break;
        ret->len += (size_t)n;
        ret->data[ret->len] = '\0';
        if (ret->len > max_bytes)
            return fail(err, E_LIMIT, "'%s' is larger than %zu bytes", path, max_bytes);
    }
    return 0;
}

static int sync_parent(const char *path, struct error *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof(dir))
        return fail(err, E_LIMIT, "path too long: '%s'", path);
    memcpy(dir, path, n);
    dir[n] = '\0';
    const char *name = n ? dir : slash ? "/" : ".";
    AUTO_FD fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return fail_errno(err, errno, "sync '%s'", name);
    return 0;
}

int file_replace(const char *path, const void *data, size_t len, mode_t mode, int durable,
                 struct error *err)
{
    AUTO_STR aside = STR_INIT;
    str_addf(&aside, "%s.XXXXXX", path);
    AUTO_FD fd = mkostemp(aside.data, O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, errno, "create '%s'", aside.data);
    int r = fd_write_all(fd, data, len, err);
    if (r == 0 && (fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0) ||
                   rename(aside.data, path) < 0))
        r = fail_errno(err, errno, "replace '%s'", path);
    if (r < 0) {
        unlink(aside.data);
        return r;
    }
    return durable ? sync_parent(path, err) : 0;
}

int dir_make_all(const char *path, mode_t mode, struct error *err)
{
    AUTO_STR part = STR_INIT;
    str_add(&part, path);
    for (size_t i = 1; i <= part.len; i++) {
        if (part.data[i] != '/' && part.data[i] != '\0')
            continue;
        char saved = part.data[i];
        part.data[i] = '\0';
        if (mkdir(part.data, mode) < 0 && errno != EEXIST)
            return fail_errno(err, errno, "mkdir '%s'", part.data);
        part.data[i] = saved;
    }
    return 0;
}

/* Depth is bounded by the file system's own limits; a descriptor a level, so a tree of
 * hostile depth ends in EMFILE, never in a stack overflow. */
static int remove_entries(int fd, dev_t dev, const char *shown, struct error *err)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        int e = errno;
        close(fd);
        return fail_errno(err, e, "read directory '%s'", shown);
    }
    int r = 0;
    struct dirent *e;
    while (r == 0 && (e = readdir(d))) {
        if (streq(e->d_name, ".") || streq(e->d_name, ".."))
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM) {
            r = fail_errno(err, errno, "remove '%s/%s'", shown, e->d_name);
            break;
        }
        int sub =
            openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        if (sub < 0 || fstat(sub, &st) < 0) {
            r = fail_errno(err, errno, "open '%s/%s'", shown, e->d_name);
            fd_close(&sub);
            break;
        }
        if (st.st_dev != dev) {
            close(sub);
            r = fail(err, E_CONFLICT, "'%s/%s' is a mount point", shown, e->d_name);
            break;
        }
        r = remove_entries(sub, dev, e->d_name, err);
        if (r == 0 && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
            r = fail_errno(err, errno, "remove '%s/%s'", shown, e->d_name);
    }
    closedir(d);
    return r;
}

int dir_remove_all(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT || unlink(path) == 0)
            return 0;
        return fail_errno(err, errno, "remove '%s'", path);
    }
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int e = errno;
        close(fd);
        return fail_errno(err, e, "stat '%s'", path);
    }
    int r = remove_entries(fd, st.st_dev, path, err);
    if (r < 0)
        return r;
    if (rmdir(path) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", path);
    return 0;
}
