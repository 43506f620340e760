#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "fd.h"

#define NSFS_MAGIC_NUMBER 0x6e736673

bool netns_exists(const char *path)
{
    struct statfs st;
    return statfs(path, &st) == 0 && st.f_type == NSFS_MAGIC_NUMBER;
}

static int loopback_up(struct error *err)
{
    AUTO_FD s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq req = {.ifr_flags = IFF_UP | IFF_RUNNING};
    memcpy(req.ifr_name, "lo", 3);
    if (s < 0 || ioctl(s, SIOCSIFFLAGS, &req) < 0)
        return fail_errno(err, errno, "loopback up");
    return 0;
}

int netns_create(const char *path, struct error *err)
{
    if (netns_exists(path))
        return 0;
    AUTO_FD file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
    if (file < 0)
        return fail_errno(err, errno, "create '%s'", path);
    int back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (back < 0)
        return fail_errno(err, errno, "open own network namespace");
    if (unshare(CLONE_NEWNET) < 0) {
        int e = errno;
        close(back);
        return fail_errno(err, e, "new network namespace");
    }
    int r = loopback_up(err);
    if (r == 0 && mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0)
        r = fail_errno(err, errno, "pin '%s'", path);
    netns_leave(&back);
    return r;
}

int netns_delete(const char *path, struct error *err)
{
    while (netns_exists(path))
        if (umount2(path, MNT_DETACH) < 0)
            return fail_errno(err, errno, "unpin '%s'", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", path);
    return 0;
}

int netns_enter(const char *path, int *ret_back, struct error *err)
{
    AUTO_FD target = open(path, O_RDONLY | O_CLOEXEC);
    if (target < 0)
        return fail_errno(err, errno, "open '%s'", path);
    AUTO_FD back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (back < 0)
        return fail_errno(err, errno, "open own network namespace");
    if (setns(target, CLONE_NEWNET) < 0)
        return fail_errno(err, errno, "enter '%s'", path);
    *ret_back = fd_take(&back);
    return 0;
}

void netns_leave(int *back)
{
    /* A thread in the wrong network would do harm without noticing. */
    if (setns(*back, CLONE_NEWNET) < 0)
        abort();
    fd_close(back);
}
