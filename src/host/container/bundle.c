/* The container's directory: its paths, marks and who is behind its pid files. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "crun.h"
#include "fd.h"

bool container_id_valid(const char *id)
{
    size_t n = strlen(id);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && !strchr("_.-", id[i]))
            return false;
    return n >= 1 && n <= CONTAINER_ID_MAX && id[0] != '.';
}

void bundle_path(const struct crun *c, const char *id, const char *file, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/containers/%s%s%s", c->run_dir, id, file ? "/" : "",
             file ? file : "");
}

void exit_path(const struct crun *c, const char *id, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/exits/%s", c->run_dir, id);
}

bool bundle_has(const struct crun *c, const char *id, const char *file)
{
    AUTO_STR path = STR_INIT;
    bundle_path(c, id, file, &path);
    return access(path.data, F_OK) == 0;
}

int bundle_mark(const struct crun *c, const char *id, const char *file, struct error *err)
{
    AUTO_STR path = STR_INIT;
    bundle_path(c, id, file, &path);
    AUTO_FD fd = open(path.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? fail_errno(err, errno, "create '%s'", path.data) : 0;
}

int bundle_names(const struct crun *c, const char *id, struct container_names *ret,
                 struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    bundle_path(c, id, "names", &path);
    int r = file_read(AT_FDCWD, path.data, 4096, &text, err);
    if (r < 0)
        return r;
    if (sscanf(str_text(&text), "%159[^\n]\n%259[^\n]", ret->task, ret->container) != 2)
        return fail(err, E_CORRUPT, "'%s' is not complete", path.data);
    return 0;
}

pid_t bundle_pid(const struct crun *c, const char *id, const char *file)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    struct error ignored;
    bundle_path(c, id, file, &path);
    if (file_read(AT_FDCWD, path.data, 64, &text, &ignored) < 0)
        return 0;
    while (text.len && isspace((unsigned char)text.data[text.len - 1]))
        text.data[--text.len] = '\0';
    int64_t pid;
    return str_to_i64(str_text(&text), 2, INT32_MAX, &pid) ? (pid_t)pid : 0;
}

/* Does a file of /proc/<pid> contain the bytes? */
static bool proc_contains(pid_t pid, const char *file, const struct str *bytes)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    AUTO_STR data = STR_INIT;
    struct error ignored;
    if (file_read(AT_FDCWD, path, 1 << 20, &data, &ignored) < 0 || data.len == 0)
        return false;
    return memmem(data.data, data.len, bytes->data, bytes->len) != NULL;
}

/* The pidfd is taken first: what is checked after it holds for it. */
static int open_checked(pid_t pid, const char *file, const struct str *bytes,
                        pid_t *ret_pid)
{
    if (ret_pid)
        *ret_pid = 0;
    if (pid <= 0)
        return -1;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0 && !proc_contains(pid, file, bytes))
        fd_close(&fd);
    if (fd >= 0 && ret_pid)
        *ret_pid = pid;
    return fd;
}

int supervisor_open(const struct crun *c, const char *id, pid_t *ret_pid)
{
    AUTO_STR dir = STR_INIT;
    bundle_path(c, id, NULL, &dir);
    str_addc(&dir, '\0'); /* whole argument: "a" must not find "a1" */
    return open_checked(bundle_pid(c, id, "conmon.pid"), "cmdline", &dir, ret_pid);
}

int first_process_open(const struct crun *c, const char *id, pid_t *ret_pid)
{
    struct container_names names;
    struct error ignored;
    if (ret_pid)
        *ret_pid = 0;
    if (bundle_names(c, id, &names, &ignored) < 0)
        return -1;
    AUTO_STR group = STR_INIT;
    cgroup_path(&c->cgroups, names.task, names.container, &group);
    str_addc(&group, '\n');
    return open_checked(bundle_pid(c, id, "pid"), "cgroup", &group, ret_pid);
}

/* One pass over /proc; the number of makers that were found and killed. */
static int kill_makers(const struct str *dir)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    int found = 0;
    while (d && (e = readdir(d))) {
        int64_t pid;
        if (!str_to_i64(e->d_name, 2, INT32_MAX, &pid) || pid == getpid())
            continue;
        AUTO_FD fd = open_checked((pid_t)pid, "cmdline", dir, NULL);
        if (fd < 0)
            continue;
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        found++;
    }
    if (d)
        closedir(d);
    return found;
}

int bundle_end_makers(const struct crun *c, const char *id, int deadline_ms,
                      struct error *err)
{
    AUTO_STR dir = STR_INIT;
    bundle_path(c, id, NULL, &dir);
    str_addc(&dir, '\0');
    int64_t end = clock_mono_ns() + deadline_ms * 1000000LL;
    while (kill_makers(&dir) > 0) {
        if (clock_mono_ns() > end)
            return fail(err, E_TIMEOUT, "what makes container '%s' does not end", id);
        poll(NULL, 0, 2);
    }
    return 0;
}
