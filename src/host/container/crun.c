/* The OCI runtime's commands: running them, reading what they say, exec. */
#include "crun.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "oci_spec.h"
#include "spawn.h"

#define ARGS_MAX     16
#define PROBE_PREFIX "probe-"

/* --- messages --- */

static void take_line(const char *line, struct str *ret)
{
    json_t *o = line[0] == '{' ? json_loads(line, 0, NULL) : NULL;
    const char *text = o ? json_string_value(json_object_get(o, "msg")) : line;
    bool warning = o && streq(json_string_value(json_object_get(o, "level")), "warning");
    if (!str_empty(text) && !warning)
        str_addf(ret, "%s%s", ret->len ? "; " : "", text);
    json_decref(o);
}

void crun_message(const char *output, struct str *ret)
{
    AUTO_STR copy = STR_INIT;
    str_add(&copy, output);
    char *save = NULL;
    str_clear(ret);
    for (char *line = copy.data ? strtok_r(copy.data, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save))
        take_line(line, ret);
}

int crun_run(const struct crun *c, const char *const args[], int timeout_ms,
             struct str *ret_out, struct error *err)
{
    const char *argv[ARGS_MAX] = {c->program, "--root", c->state_root};
    size_t n = 3;
    for (; *args && n < ARGS_MAX - 1; args++)
        argv[n++] = *args;
    AUTO_STR errors = STR_INIT, text = STR_INIT;
    int status = 0;
    int r = spawn_run(c->program, argv, NULL, ret_out, &errors, timeout_ms, &status, err);
    if (r < 0)
        return r;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    crun_message(str_text(&errors), &text);
    return fail(err, E_EXEC, "%s", text.len ? text.data : "the OCI runtime failed");
}

/* --- exec --- */

static void replace_list(json_t *process, const char *name, const char *const *values)
{
    json_t *list = json_array();
    for (; *values; values++)
        json_array_append_new(list, json_string(*values));
    json_object_set_new(process, name, list);
}

/* A later NAME=value wins in most programs only by luck: the earlier one is taken out. */
static void add_env(json_t *process, const char *const *env)
{
    json_t *list = json_object_get(process, "env");
    if (!json_is_array(list)) {
        json_object_set_new(process, "env", json_array());
        list = json_object_get(process, "env");
    }
    for (; env && *env; env++) {
        size_t n = strcspn(*env, "=") + 1;
        for (size_t i = json_array_size(list); i-- > 0;)
            if (strncmp(json_string_value(json_array_get(list, i)), *env, n) == 0)
                json_array_remove(list, i);
        json_array_append_new(list, json_string(*env));
    }
}

static int set_user(json_t *config, json_t *process, const char *user, struct error *err)
{
    struct user_ids ids;
    const char *rootfs =
        json_string_value(json_object_get(json_object_get(config, "root"), "path"));
    int r = user_lookup(rootfs ? rootfs : "/nonexistent", user, &ids, err);
    if (r < 0)
        return r;
    json_t *extra = json_array();
    for (size_t i = 0; i < ids.extra_count; i++)
        json_array_append_new(extra, json_integer(ids.extra[i]));
    json_object_set_new(process, "user",
                        json_pack("{s:I,s:I,s:o}", "uid", (json_int_t)ids.uid, "gid",
                                  (json_int_t)ids.gid, "additionalGids", extra));
    return 0;
}

/* "No limit" is 2^64 - 1 in an rlimit, which jansson can't hold: while it is in its hands
 * it is 2^63 - 1. */
#define UNLIMITED_TEXT ":18446744073709551615"
#define UNLIMITED_HELD ":9223372036854775807"

static void replace_all(const char *text, const char *from, const char *to,
                        struct str *ret)
{
    for (const char *hit; (hit = strstr(text, from)); text = hit + strlen(from)) {
        str_addn(ret, text, (size_t)(hit - text));
        str_add(ret, to);
    }
    str_add(ret, text);
}

static json_t *load_config(const struct crun *c, const char *id)
{
    AUTO_STR path = STR_INIT, text = STR_INIT, held = STR_INIT;
    struct error ignored;
    bundle_path(c, id, "config.json", &path);
    if (file_read(AT_FDCWD, path.data, 4 << 20, &text, &ignored) < 0)
        return NULL;
    replace_all(str_text(&text), UNLIMITED_TEXT, UNLIMITED_HELD, &held);
    return json_loads(str_text(&held), 0, NULL);
}

/* The container's own process object with what the request changes. */
static int write_process(const struct crun *c, const char *id,
                         const struct exec_request *req, struct str *ret_path,
                         struct error *err)
{
    json_t *config = load_config(c, id);
    json_t *process = json_object_get(config, "process");
    if (!process) {
        json_decref(config);
        return fail(err, E_NOTFOUND, "container '%s' is not there", id);
    }
    json_object_set_new(process, "terminal", json_boolean(req->terminal));
    replace_list(process, "args", req->args);
    add_env(process, req->env);
    if (!str_empty(req->cwd))
        json_object_set_new(process, "cwd", json_string(req->cwd));
    int r = str_empty(req->user) ? 0 : set_user(config, process, req->user, err);
    char *text = r == 0 ? json_dumps(process, JSON_COMPACT) : NULL;
    json_decref(config);
    if (r < 0)
        return r;
    if (!text)
        return fail(err, E_INVALID, "the command is not valid UTF-8");
    bundle_path(c, id, req->probe ? PROBE_PREFIX "XXXXXX" : "exec-XXXXXX", ret_path);
    AUTO_STR final = STR_INIT;
    replace_all(text, UNLIMITED_HELD, UNLIMITED_TEXT, &final);
    free(text);
    AUTO_FD fd = mkostemp(ret_path->data, O_CLOEXEC);
    r = fd < 0 ? fail_errno(err, errno, "create '%s'", ret_path->data)
               : fd_write_all(fd, final.data, final.len, err);
    return r;
}

int crun_exec(struct runtime *rt, const char *id, const struct exec_request *req,
              struct exec_process *ret, struct error *err)
{
    struct crun *c = crun_of(rt);
    if (!container_id_valid(id) || !req->args || !req->args[0])
        return fail(err, E_INVALID, "no container or no command");
    AUTO_FD first = first_process_open(c, id, NULL);
    if (first < 0)
        return fail(err, E_CONFLICT, "container '%s' is not running", id);
    AUTO_STR process = STR_INIT, pid_file = STR_INIT;
    int r = write_process(c, id, req, &process, err);
    if (r < 0)
        return r;
    str_addf(&pid_file, "%s.pid", process.data);
    const char *argv[12] = {c->program,  "--root",     c->state_root, "exec",
                            "--process", process.data, "--pid-file",  pid_file.data};
    size_t n = 8;
    if (req->console_socket) {
        argv[n++] = "--console-socket";
        argv[n++] = req->console_socket;
    }
    argv[n] = id;
    struct spawn s = {.path = c->program,
                      .argv = argv,
                      .fds = {req->fds[0], req->fds[1], req->fds[2]},
                      .cgroup_fd = -1};
    struct exec_process p = {.pidfd = -1};
    r = spawn_start(&s, &p.pid, &p.pidfd, err);
    if (r < 0) {
        unlink(process.data);
        return r;
    }
    snprintf(p.file, sizeof(p.file), "%s", process.data);
    *ret = p;
    return 0;
}

/* Is it one of the container's task? Its number may be another's by now. */
static bool is_of_task(pid_t pid, const char *task)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    str_addf(&path, "/proc/%d/cgroup", (int)pid);
    return file_read(AT_FDCWD, path.data, 65536, &text, NULL) >= 0 &&
           strstr(str_text(&text), task);
}

static void end_probe(const char *pid_file, const char *task)
{
    AUTO_STR text = STR_INIT;
    int64_t pid;
    if (file_read(AT_FDCWD, pid_file, 64, &text, NULL) < 0 ||
        !str_to_i64(str_text(&text), 2, INT32_MAX, &pid))
        return;
    AUTO_FD fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd >= 0 && is_of_task((pid_t)pid, task))
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

void crun_end_probes(struct runtime *rt, const char *id)
{
    struct crun *c = crun_of(rt);
    struct container_names names;
    AUTO_STR dir = STR_INIT, path = STR_INIT;
    bundle_path(c, id, NULL, &dir);
    DIR *d = container_id_valid(id) && bundle_names(c, id, &names, NULL) >= 0
                 ? opendir(dir.data)
                 : NULL;
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        if (!str_starts(e->d_name, PROBE_PREFIX))
            continue;
        str_clear(&path);
        str_addf(&path, "%s/%s", dir.data, e->d_name);
        end_probe(path.data, names.task);
        unlink(path.data);
    }
    closedir(d);
}

static void kill_exec(struct exec_process *p)
{
    AUTO_STR pid_file = STR_INIT, text = STR_INIT;
    struct error ignored;
    int64_t pid;
    str_addf(&pid_file, "%s.pid", p->file);
    if (file_read(AT_FDCWD, pid_file.data, 64, &text, &ignored) == 0 &&
        str_to_i64(str_text(&text), 2, INT32_MAX, &pid)) {
        /* The runtime's exec command is its parent until it ended: no other process can
         * have its number yet. */
        kill((pid_t)pid, SIGKILL);
        struct pollfd soon = {.fd = p->pidfd, .events = POLLIN};
        poll(&soon, 1, 1000);
    }
    syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

int exec_wait(struct exec_process *p, int timeout_ms, int *ret_code, struct error *err)
{
    struct pollfd poll_fd = {.fd = p->pidfd, .events = POLLIN};
    int n;
    do
        n = poll(&poll_fd, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        kill_exec(p);
    int r = spawn_reap(p->pid, ret_code);
    fd_close(&p->pidfd);
    AUTO_STR pid_file = STR_INIT;
    str_addf(&pid_file, "%s.pid", p->file);
    unlink(pid_file.data);
    unlink(p->file);
    if (n == 0)
        return fail(err, E_TIMEOUT, "no end within %d ms", timeout_ms);
    return r < 0 ? fail(err, E_NOTFOUND, "no such exec process") : 0;
}
