#include "run_record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <jansson.h>

#include "fd.h"
#include "str.h"

const char *part_name(enum part_id part)
{
    static const char *const names[] = {"server", "edge", "agent", "fargate"};
    _Static_assert(sizeof(names) / sizeof(names[0]) == PART_COUNT,
                   "a name for each part");
    return names[part];
}

/* ---- the file ---- */

static const char *text_of(json_t *root, const char *name, struct arena *a)
{
    const char *text = json_string_value(json_object_get(root, name));
    return arena_strdup(a, text ? text : "");
}

static struct process_id process_of(json_t *root, const char *name)
{
    json_t *p = json_object_get(root, name);
    return (struct process_id){
        .pid = (pid_t)json_integer_value(json_object_get(p, "pid")),
        .start_ticks = json_integer_value(json_object_get(p, "startTicks")),
    };
}

int run_record_read(const char *path, struct arena *a, struct run_record *ret,
                    struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = file_read(AT_FDCWD, path, 65536, &text, err);
    if (r < 0)
        return r;
    json_t *root = json_loadb(text.data, text.len, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return fail(err, E_CORRUPT, "'%s' is not a record of a run", path);
    }
    *ret = (struct run_record){
        .url = text_of(root, "url", a),
        .region = text_of(root, "region", a),
        .account_id = text_of(root, "accountId", a),
        .data_dir = text_of(root, "dataDir", a),
        .run_dir = text_of(root, "runDir", a),
        .run_id = text_of(root, "runId", a),
        .hosts_file = text_of(root, "hostsFile", a),
        .dev = json_is_true(json_object_get(root, "dev")),
        .up = process_of(root, "up"),
    };
    for (enum part_id p = 0; p < PART_COUNT; p++)
        ret->parts[p] = process_of(root, part_name(p));
    json_decref(root);
    return 0;
}

static void put_process(json_t *root, const char *name, const struct process_id *id)
{
    if (id->pid)
        json_object_set_new(root, name,
                            json_pack("{s:i, s:I}", "pid", (int)id->pid, "startTicks",
                                      (json_int_t)id->start_ticks));
}

int run_record_write(const char *path, const struct run_record *rec, struct error *err)
{
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s}", "url", rec->url, "region",
                  rec->region, "accountId", rec->account_id, "dev", rec->dev, "dataDir",
                  rec->data_dir, "runDir", rec->run_dir, "runId", rec->run_id,
                  "hostsFile", rec->hosts_file ? rec->hosts_file : "");
    if (!root)
        return fail(err, E_INVALID, "the record '%s' would not be UTF-8", path);
    put_process(root, "up", &rec->up);
    for (enum part_id p = 0; p < PART_COUNT; p++)
        put_process(root, part_name(p), &rec->parts[p]);
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    AUTO_STR all = STR_INIT;
    str_addf(&all, "%s\n", text);
    free(text);
    return file_replace(path, all.data, all.len, 0644, 0, err);
}

/* ---- processes ---- */

struct process_id process_identify(pid_t pid)
{
    struct process_id id = {.pid = pid};
    AUTO_STR path = STR_INIT, text = STR_INIT;
    str_addf(&path, "/proc/%d/stat", (int)pid);
    if (file_read(AT_FDCWD, path.data, 4096, &text, NULL) < 0)
        return id;
    /* The second field is the name in parentheses, which may hold anything; the start time
     * is the 22nd, so the 20th behind it (proc(5)). */
    const char *p = strrchr(text.data, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    long long ticks = 0;
    if (p && sscanf(p, " %lld", &ticks) == 1)
        id.start_ticks = ticks;
    return id;
}

int process_open(const struct process_id *id, int *ret_pidfd, struct error *err)
{
    if (id->pid <= 0)
        return fail(err, E_NOTFOUND, "no such process");
    AUTO_FD fd = pidfd_open(id->pid, 0);
    if (fd < 0 && errno != ESRCH)
        return fail_errno(err, errno, "pidfd_open %d", (int)id->pid);
    /* The descriptor is of who has the pid now; its start time says whether that is ours. */
    if (fd < 0 || process_identify(id->pid).start_ticks != id->start_ticks ||
        process_wait(fd, 0) != 0)
        return fail(err, E_NOTFOUND, "process %d has ended", (int)id->pid);
    *ret_pidfd = fd_take(&fd);
    return 0;
}

bool process_alive(const struct process_id *id)
{
    int fd = -1;
    bool alive = process_open(id, &fd, NULL) == 0;
    fd_close(&fd);
    return alive;
}

int process_wait(int pidfd, int timeout_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int n;
    while ((n = poll(&p, 1, timeout_ms)) < 0 && errno == EINTR)
        ;
    return n > 0;
}

int process_end(const struct process_id *id, int patience_ms, struct error *err)
{
    AUTO_FD fd = -1;
    int r = process_open(id, &fd, err);
    if (r < 0)
        return r == -E_NOTFOUND ? 0 : r;
    if (pidfd_send_signal(fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
        return fail_errno(err, errno, "ending process %d", (int)id->pid);
    if (process_wait(fd, patience_ms))
        return 0;
    pidfd_send_signal(fd, SIGKILL, NULL, 0);
    return process_wait(fd, 10000)
               ? 0
               : fail(err, E_TIMEOUT, "process %d does not end", (int)id->pid);
}
