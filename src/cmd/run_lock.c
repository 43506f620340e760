#include "run_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "run_record.h"

/* One that was killed, and its children, may hold it a moment longer. */
#define PATIENCE_NS (1000 * INT64_C(1000000))
#define LOOK_MS     10

static int lock(int fd)
{
    int64_t until = clock_mono_ns() + PATIENCE_NS;
    int r;
    while ((r = flock(fd, LOCK_EX | LOCK_NB)) < 0 && errno == EWOULDBLOCK &&
           clock_mono_ns() < until)
        poll(NULL, 0, LOOK_MS);
    return r;
}

/* 0, -E_AGAIN when somebody else has it. */
static int take(const char *path, int flags, int *ret_fd, struct error *err)
{
    AUTO_FD fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", path);
    if (lock(fd) < 0)
        return errno == EWOULDBLOCK ? fail(err, E_AGAIN, "'%s' is locked", path)
                                    : fail_errno(err, errno, "locking '%s'", path);
    *ret_fd = fd_take(&fd);
    return 0;
}

static int already_up(const struct layout *l, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct run_record rec;
    if (run_record_read(l->record_path, &a, &rec, NULL) == 0 && rec.up.pid && *rec.url)
        return fail(err, E_CONFLICT,
                    "gantry is already up here: process %d, %s (run "
                    "directory '%s')",
                    (int)rec.up.pid, rec.url, l->run_dir);
    return fail(err, E_CONFLICT,
                "another 'gantry up' or 'down' is at work with the run "
                "directory '%s'",
                l->run_dir);
}

int run_lock_take(const struct layout *l, struct run_lock *lock, struct error *err)
{
    int r = take(l->lock_path, O_RDWR | O_CREAT, &lock->run_fd, err);
    return r == -E_AGAIN ? already_up(l, err) : r;
}

int run_lock_take_data(const struct layout *l, struct run_lock *lock, struct error *err)
{
    int r = take(l->run_id_path, O_RDONLY, &lock->data_fd, err);
    if (r == -E_AGAIN)
        return fail(err, E_CONFLICT,
                    "the data directory '%s' is in use by a run with "
                    "another --run-dir",
                    l->data_dir);
    return r;
}

void run_lock_release(struct run_lock *lock)
{
    fd_close(&lock->data_fd);
    fd_close(&lock->run_fd);
}
