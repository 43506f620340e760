#include "shared_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fd.h"

/* A folder bound to itself by mount_make_shared(), not somebody's file system mounted there. */
static bool is_own_bind(const char *dir)
{
    AUTO_STR parent = STR_INIT;
    str_addf(&parent, "%s/..", dir);
    struct stat a, b;
    return stat(dir, &a) == 0 && stat(parent.data, &b) == 0 && a.st_dev == b.st_dev;
}

/* In mountinfo: is `dir` a mount point, and a shared one? */
static int mount_state(const char *dir, bool *ret_mounted, bool *ret_shared,
                       struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = file_read(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &text, err);
    if (r < 0)
        return r;
    *ret_mounted = *ret_shared = false;
    char *save = NULL;
    for (char *line = strtok_r(text.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char point[4096], options[512];
        int at = 0;
        if (sscanf(line, "%*d %*d %*s %*s %4095s %511s %n", point, options, &at) < 2)
            continue;
        if (!streq(point, dir))
            continue;
        *ret_mounted = true;
        *ret_shared = strncmp(line + at, "shared:", 7) == 0;
    }
    return 0;
}

int mount_make_shared(const char *dir, struct error *err)
{
    bool mounted, shared;
    int r = mount_state(dir, &mounted, &shared, err);
    if (r < 0 || shared)
        return r;
    if (!mounted && mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0)
        return fail_errno(err, errno, "bind '%s' to itself", dir);
    if (mount(NULL, dir, NULL, MS_SHARED, NULL) < 0)
        return fail_errno(err, errno, "make '%s' shared", dir);
    return 0;
}

int mount_end_shared(const char *dir, struct error *err)
{
    bool mounted, shared;
    int r = mount_state(dir, &mounted, &shared, err);
    if (r < 0 || !mounted || !is_own_bind(dir))
        return r;
    if (umount2(dir, MNT_DETACH) < 0 && errno != EINVAL)
        return fail_errno(err, errno, "unmount '%s'", dir);
    return 0;
}
