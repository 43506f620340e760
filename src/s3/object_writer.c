/* Files in the making. Written back in steps while they grow, so that the fsync at the end
 * finds little to do and the page cache does not fill with dirty pages. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "fd.h"
#include "object_bytes.h"

#define WRITE_BEHIND (8 * 1024 * 1024)

int object_writer_make(const char *dir, bool unnamed, struct object_writer **ret,
                       struct error *err)
{
    unsigned char raw[16];
    AUTO_STR path = STR_INIT;
    struct object_writer *w = xcalloc(1, sizeof(*w));
    RAND_bytes(raw, sizeof(raw));
    hex_encode(raw, sizeof(raw), w->id);
    str_addf(&path, "%s/%s", dir, w->id);
    w->dir = unnamed ? NULL : dir;
    w->fd = unnamed ? open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                    : open(path.data, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->fd < 0) {
        int e = errno;
        free(w);
        return fail_errno(err, e, "making '%s'", path.data);
    }
    *ret = w;
    return 0;
}

int object_writer_add(struct object_writer *w, const void *data, size_t len,
                      struct error *err)
{
    int r = fd_write_all(w->fd, data, len, err);
    if (r < 0)
        return r;
    w->size_bytes += len;
    if (w->size_bytes - w->written_behind < WRITE_BEHIND)
        return 0;
    sync_file_range(w->fd, (off_t)w->written_behind,
                    (off_t)(w->size_bytes - w->written_behind), SYNC_FILE_RANGE_WRITE);
    w->written_behind = w->size_bytes;
    return 0;
}

int object_writers_left(const char *dir, struct arena *a, struct string_list *ret,
                        struct error *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return fail_errno(err, errno, "listing '%s'", dir);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            *LIST_PUSH(a, ret) = arena_strdup(a, e->d_name);
    closedir(d);
    return 0;
}

void object_writer_drop(struct object_writer *w)
{
    if (!w)
        return;
    if (w->dir) {
        AUTO_STR path = STR_INIT;
        str_addf(&path, "%s/%s", w->dir, w->id);
        unlink(path.data);
    }
    fd_close(&w->fd);
    free(w);
}
