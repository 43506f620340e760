/* Exit records as they appear: conmon renames each into place, so one kind of inotify
 * event is enough. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "arena.h"
#include "crun.h"
#include "fd.h"

struct exit_watch {
    int fd;
};

int exit_watch_open(struct runtime *rt, struct exit_watch **ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/exits", crun_of(rt)->run_dir);
    AUTO_FD fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0 || inotify_add_watch(fd, path.data, IN_MOVED_TO | IN_ONLYDIR) < 0)
        return fail_errno(err, errno, "watch '%s'", path.data);
    struct exit_watch *w = xcalloc(1, sizeof(*w));
    w->fd = fd_take(&fd);
    *ret = w;
    return 0;
}

int exit_watch_fd(const struct exit_watch *w)
{
    return w->fd;
}

int exit_watch_read(struct exit_watch *w, void (*each)(void *arg, const char *id),
                    void *arg, struct error *err)
{
    char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    int count = 0;
    bool lost = false;
    for (;;) {
        ssize_t n = read(w->fd, buf, sizeof(buf));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return fail_errno(err, errno, "read exits");
        if (n <= 0)
            break;
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(void *)p;
            p += sizeof(*e) + e->len;
            if (e->mask & IN_Q_OVERFLOW)
                lost = true;
            if (e->len == 0 || !container_id_valid(e->name))
                continue;
            each(arg, e->name);
            count++;
        }
    }
    return lost ? fail(err, E_AGAIN, "exits came too fast") : count;
}

void exit_watch_free(struct exit_watch *w)
{
    if (w)
        fd_close(&w->fd);
    free(w);
}
