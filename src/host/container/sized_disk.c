#include "sized_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "spawn.h"
#include "str.h"
#include "volume_mount.h"

#define MKFS_TIMEOUT_MS 60000
#define LOOP_TRIES      32 /* somebody else may take the free one before us */

static int make_file_system(const char *image, struct error *err)
{
    AUTO_STR path = STR_INIT, errors = STR_INIT;
    int status = 0;
    if (spawn_find("mkfs.ext4", &path, NULL) < 0)
        return fail(
            err, E_UNSUPPORTED,
            "ephemeral storage of a fixed size needs mkfs.ext4 (e2fsprogs) on the "
            "container instance");
    /* blocks for root none; inode tables are written when they are used */
    const char *const argv[] = {
        "mkfs.ext4",          "-q",  "-F", "-m", "0", "-O", "^has_journal", "-E",
        "lazy_itable_init=1", image, NULL};
    int r =
        spawn_run(path.data, argv, NULL, NULL, &errors, MKFS_TIMEOUT_MS, &status, err);
    if (r < 0)
        return r;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return fail(err, E_EXEC, "mkfs.ext4: %s", str_text(&errors));
}

static int make_image(const char *image, int64_t size_bytes, struct error *err)
{
    AUTO_FD fd = open(image, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, size_bytes) < 0)
        return fail_errno(err, errno, "making '%s'", image);
    return make_file_system(image, err);
}

/* A loop device of the image that frees itself when nobody uses it any more. */
static int attach(const char *image, char *ret_device, size_t size, int *ret_fd,
                  struct error *err)
{
    AUTO_FD control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    AUTO_FD file = open(image, O_RDWR | O_CLOEXEC);
    if (control < 0)
        return fail(err, E_UNSUPPORTED, "this machine has no loop devices");
    if (file < 0)
        return fail_errno(err, errno, "open '%s'", image);
    for (int i = 0; i < LOOP_TRIES; i++) {
        int n = ioctl(control, LOOP_CTL_GET_FREE);
        if (n < 0)
            return fail_errno(err, errno, "a free loop device");
        snprintf(ret_device, size, "/dev/loop%d", n);
        AUTO_FD loop = open(ret_device, O_RDWR | O_CLOEXEC);
        struct loop_config config = {.fd = (uint32_t)file,
                                     .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
        if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0) {
            *ret_fd = fd_take(&loop);
            return 0;
        }
        if (errno != EBUSY && errno != ENOENT && errno != ENXIO)
            return fail_errno(err, errno, "loop device '%s'", ret_device);
    }
    return fail(err, E_AGAIN, "no loop device stays free");
}

int sized_disk_create(const char *image, const char *target, int64_t size_bytes,
                      struct error *err)
{
    char device[32];
    AUTO_FD loop = -1;
    int r = dir_make_all(target, 0711, err);
    if (r < 0 || volume_is_mounted(target))
        return r;
    r = make_image(image, size_bytes, err);
    if (r >= 0)
        r = attach(image, device, sizeof(device), &loop, err);
    if (r >= 0 && mount(device, target, "ext4", MS_NOATIME, "discard") < 0)
        r = fail_errno(err, errno, "mounting '%s'", image);
    return r;
}

int sized_disk_delete(const char *image, const char *target, struct error *err)
{
    int r = volume_unmount(target, err);
    if (r >= 0 && unlink(image) < 0 && errno != ENOENT)
        r = fail_errno(err, errno, "remove '%s'", image);
    return r;
}
