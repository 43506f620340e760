#include "forwarding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "link.h"
#include "net_rules.h"

#define FORWARD_SYSCTL "net/ipv4/ip_forward"
#define BEFORE_ROOT    "/run/gantry-ports"

/* Beside the ports that runs share. Like the setting itself it is gone after a reboot. */
static int before_path(struct str *ret, struct error *err)
{
    struct stat st;
    if (stat("/proc/thread-self/ns/net", &st) < 0)
        return fail_errno(err, errno, "own network namespace");
    str_addf(ret, BEFORE_ROOT "/%llu.ip_forward", (unsigned long long)st.st_ino);
    return 0;
}

int forwarding_allow(struct error *err)
{
    AUTO_STR path = STR_INIT;
    char value[16];
    int r = sysctl_read(FORWARD_SYSCTL, value, sizeof(value), err);
    if (r < 0 || streq(value, "1"))
        return r;
    r = before_path(&path, err);
    if (r == 0)
        r = dir_make_all(BEFORE_ROOT, 0755, err);
    if (r == 0 && access(path.data, F_OK) < 0)
        r = file_replace(path.data, value, strlen(value), 0600, 0, err);
    return r < 0 ? r : sysctl_write(FORWARD_SYSCTL, "1", err);
}

static void count_ours(void *arg, const char *name, int index)
{
    size_t n = strlen(name);
    if ((str_starts(name, "gt") && n == 10) || (str_starts(name, "gu") && n > 10))
        ++*(int *)arg;
}

int forwarding_forget(struct error *err)
{
    AUTO_STR path = STR_INIT, before = STR_INIT;
    AUTO_LINK s = {.fd = -1};
    struct error ignored;
    int left = 0;
    int r = link_open(&s, err);
    if (r == 0)
        r = link_each(&s, count_ours, &left, err);
    if (r == 0)
        r = before_path(&path, err);
    if (r < 0 || left || !path.data)
        return r;
    if (file_read(AT_FDCWD, path.data, 64, &before, &ignored) == 0)
        r = sysctl_write(FORWARD_SYSCTL, str_text(&before), err);
    unlink(path.data);
    rmdir(BEFORE_ROOT); /* others may still have something there */
    return r;
}
