#include "container_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "crun.h"
#include "fd.h"

#define READ_BYTES 65536
#define FILES_MAX  100 /* rotated files that are looked for */
#define REOPEN_MS  5000

/* --- lines --- */

/* Digits of the fraction after the second, as nanoseconds. */
static int64_t fraction_ns(const char *text)
{
    const char *dot = strchr(text, '.');
    int64_t ns = 0, unit = 100000000;
    for (const char *p = dot ? dot + 1 : ""; *p >= '0' && *p <= '9' && unit > 0; p++) {
        ns += (*p - '0') * unit;
        unit /= 10;
    }
    return ns;
}

static bool parse_time(const char *line, size_t len, int64_t *ret_ns)
{
    char text[48];
    int64_t ms;
    if (len >= sizeof(text))
        return false;
    memcpy(text, line, len);
    text[len] = '\0';
    if (!clock_parse_iso(text, &ms))
        return false;
    /* The parser may round below a millisecond: whole seconds from it, the rest from us. */
    int64_t seconds = ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
    /* Nanoseconds in 64 bits reach from 1677 to 2262; no container wrote beyond. */
    return !__builtin_mul_overflow(seconds, 1000000000, ret_ns) &&
           !__builtin_add_overflow(*ret_ns, fraction_ns(text), ret_ns);
}

bool cri_line_parse(const char *line, size_t len, struct log_entry *ret,
                    bool *ret_partial)
{
    const char *end = line + len;
    const char *stream = memchr(line, ' ', len);
    struct log_entry e = {0};
    if (!stream || !parse_time(line, (size_t)(stream - line), &e.time_ns))
        return false;
    stream++;
    /* "stdout F text" or "stderr P text"; the text may be empty, its blank too. */
    if (end - stream < 8 || stream[6] != ' ')
        return false;
    e.is_stderr = memcmp(stream, "stderr", 6) == 0;
    if (!e.is_stderr && memcmp(stream, "stdout", 6) != 0)
        return false;
    char tag = stream[7];
    const char *text = stream + 8;
    if ((tag != 'F' && tag != 'P') || (text < end && *text != ' '))
        return false;
    if (text < end)
        text++;
    e.text = text;
    e.len = (size_t)(end - text);
    *ret_partial = tag == 'P';
    *ret = e;
    return true;
}

/* --- the reader --- */

struct log_reader {
    char *path;
    int fd; /* the file being read */
    ino_t inode;
    int older; /* path.<older> is being read; 0: path itself */
    int notify;
    int64_t since_ns;
    int64_t skip;         /* entries to pass over, for tail */
    struct str pending;   /* bytes of an unfinished line */
    struct str joined[2]; /* partial lines of stdout, stderr */
    int64_t joined_ns[2];
};

static void older_path(const char *path, int n, struct str *ret)
{
    str_clear(ret);
    str_add(ret, path);
    if (n > 0)
        str_addf(ret, ".%d", n);
}

static int open_file(struct log_reader *r, int older, struct error *err)
{
    AUTO_STR path = STR_INIT;
    older_path(r->path, older, &path);
    int fd = open(path.data, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int e = errno;
        fd_close(&fd);
        return fail_errno(err, e, "open '%s'", path.data);
    }
    fd_close(&r->fd);
    r->fd = fd;
    r->inode = st.st_ino;
    r->older = older;
    return 0;
}

static int oldest(const char *path)
{
    AUTO_STR name = STR_INIT;
    int n = 0;
    for (; n < FILES_MAX; n++) {
        older_path(path, n + 1, &name);
        if (access(name.data, F_OK) < 0)
            break;
    }
    return n;
}

typedef int (*entry_fn)(void *arg, const struct log_entry *e);

static int hand_on(struct log_reader *r, const struct log_entry *e, entry_fn each,
                   void *arg)
{
    if (e->time_ns < r->since_ns && r->since_ns > 0)
        return 0;
    if (r->skip > 0) {
        r->skip--;
        return 0;
    }
    int stop = each(arg, e);
    return stop > 0 ? -stop : stop;
}

/* Joins parts; a line that grows past the bound is handed on in pieces. */
static int take_entry(struct log_reader *r, const struct log_entry *e, bool partial,
                      entry_fn each, void *arg, int *count)
{
    struct str *j = &r->joined[e->is_stderr];
    struct log_entry whole = *e;
    if (j->len == 0)
        r->joined_ns[e->is_stderr] = e->time_ns;
    if (partial || j->len > 0) {
        str_addn(j, e->text, e->len);
        if (partial && j->len < LOG_LINE_MAX)
            return 0;
        whole.time_ns = r->joined_ns[e->is_stderr];
        whole.text = str_text(j);
        whole.len = j->len;
    }
    (*count)++;
    int stop = hand_on(r, &whole, each, arg);
    str_clear(j);
    return stop;
}

static int take_line(struct log_reader *r, const char *line, size_t len, entry_fn each,
                     void *arg, int *count)
{
    struct log_entry e;
    bool partial = false;
    if (!cri_line_parse(line, len, &e, &partial))
        e = (struct log_entry){.text = line, .len = len};
    return take_entry(r, &e, partial, each, arg, count);
}

/* Whole lines out of pending; what is left stays for the next read. */
static int take_lines(struct log_reader *r, entry_fn each, void *arg, int *count)
{
    size_t from = 0;
    int stop = 0;
    while (stop == 0) {
        char *start = r->pending.data + from;
        char *nl = memchr(start, '\n', r->pending.len - from);
        size_t len = nl ? (size_t)(nl - start) : r->pending.len - from;
        if (!nl && len < LOG_LINE_MAX)
            break;
        stop = take_line(r, start, len, each, arg, count);
        from += len + (nl ? 1 : 0);
    }
    memmove(r->pending.data, r->pending.data + from, r->pending.len - from);
    r->pending.len -= from;
    r->pending.data[r->pending.len] = '\0';
    return stop;
}

/* At the end of a file: is there a newer one? 1 when it was opened. */
static int next_file(struct log_reader *r, struct error *err)
{
    struct stat st;
    if (r->older > 0) {
        int now = r->older - 1;
        return open_file(r, now, err) == 0 ? 1 : -E_IO;
    }
    /* Rotated, or begun anew by the supervisor: another file has our name. */
    if (stat(r->path, &st) < 0)
        return 0;
    if (st.st_ino != r->inode)
        return open_file(r, 0, err) == 0 ? 1 : 0;
    /* Cut in place. */
    if (lseek(r->fd, 0, SEEK_CUR) > st.st_size)
        lseek(r->fd, 0, SEEK_SET);
    return 0;
}

static int read_some(struct log_reader *r, entry_fn each, void *arg, int *count,
                     struct error *err)
{
    for (;;) {
        str_reserve(&r->pending, READ_BYTES);
        ssize_t n = read(r->fd, r->pending.data + r->pending.len, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "read '%s'", r->path);
        if (n == 0) {
            int next = next_file(r, err);
            if (next <= 0)
                return next;
            continue;
        }
        r->pending.len += (size_t)n;
        r->pending.data[r->pending.len] = '\0';
        int stop = take_lines(r, each, arg, count);
        if (stop)
            return stop;
    }
}

int log_reader_read(struct log_reader *r, entry_fn each, void *arg, struct error *err)
{
    int count = 0;
    int stop = read_some(r, each, arg, &count, err);
    return stop < 0 ? stop : count;
}

/* --- open, follow --- */

static int count_entry(void *arg, const struct log_entry *e)
{
    (void)e;
    ++*(int64_t *)arg;
    return 0;
}

static void rewind_reader(struct log_reader *r)
{
    str_clear(&r->pending);
    str_clear(&r->joined[0]);
    str_clear(&r->joined[1]);
}

static int begin(struct log_reader *r, struct error *err)
{
    int n = oldest(r->path);
    int e = open_file(r, n, err);
    /* A rotation may have come between looking and opening. */
    return e == -E_NOTFOUND ? open_file(r, 0, err) : e;
}

/* Two passes for tail: how many there are, then those before are passed over. */
static int skip_to_tail(struct log_reader *r, int64_t tail, struct error *err)
{
    int64_t total = 0;
    int e = log_reader_read(r, count_entry, &total, err);
    if (e < 0)
        return e;
    rewind_reader(r);
    r->skip = total > tail ? total - tail : 0;
    return begin(r, err);
}

static int watch(struct log_reader *r, struct error *err)
{
    /* The folder, not the file: a new file under our name counts as well. */
    AUTO_STR dir = STR_INIT;
    const char *slash = strrchr(r->path, '/');
    str_addn(&dir, slash ? r->path : ".",
             slash ? (size_t)(slash - r->path) + (slash == r->path) : 1);
    r->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (r->notify < 0 ||
        inotify_add_watch(r->notify, dir.data, IN_MODIFY | IN_MOVED_TO | IN_CREATE) < 0)
        return fail_errno(err, errno, "watch '%s'", dir.data);
    return 0;
}

int log_reader_open(const char *path, const struct log_options *options,
                    struct log_reader **ret, struct error *err)
{
    struct log_reader *r = xcalloc(1, sizeof(*r));
    r->path = xstrdup(path);
    r->fd = r->notify = -1;
    r->since_ns = options ? options->since_ns : 0;
    int e = watch(r, err);
    if (e == 0)
        e = begin(r, err);
    if (e == 0 && options && options->tail >= 0)
        e = skip_to_tail(r, options->tail, err);
    if (e < 0) {
        log_reader_free(r);
        return e;
    }
    *ret = r;
    return 0;
}

int log_reader_wait(struct log_reader *r, int timeout_ms, struct error *err)
{
    struct pollfd p = {.fd = r->notify, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail_errno(err, errno, "wait for '%s'", r->path);
    char drain[4096];
    while (n > 0 && read(r->notify, drain, sizeof(drain)) > 0)
        ;
    return n > 0;
}

int log_reader_fd(const struct log_reader *r)
{
    return r->notify;
}

void log_reader_free(struct log_reader *r)
{
    if (!r)
        return;
    fd_close(&r->fd);
    fd_close(&r->notify);
    str_free(&r->pending);
    str_free(&r->joined[0]);
    str_free(&r->joined[1]);
    free(r->path);
    free(r);
}

/* --- rotation --- */

/* conmon's control pipe: "<kind> <height> <width>"; kind 2 opens the log anew. */
static int tell_reopen(struct crun *c, const char *id, struct error *err)
{
    AUTO_STR path = STR_INIT;
    bundle_path(c, id, "ctl", &path);
    AUTO_FD fd = open(path.data, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", path.data);
    return fd_write_all(fd, "2 0 0\n", 6, err);
}

/* conmon makes the new file in its own time; until then it writes into the old one. */
static int wait_reopened(const char *path, struct error *err)
{
    int64_t end = clock_mono_ns() + REOPEN_MS * 1000000LL;
    while (access(path, F_OK) < 0) {
        if (clock_mono_ns() > end)
            return fail(err, E_TIMEOUT, "'%s' is not opened anew", path);
        poll(NULL, 0, 1);
    }
    return 0;
}

static int shift_files(const char *path, int max_files, struct error *err)
{
    AUTO_STR from = STR_INIT, to = STR_INIT;
    for (int n = max_files - 2; n >= 0; n--) {
        older_path(path, n, &from);
        older_path(path, n + 1, &to);
        if (rename(from.data, to.data) < 0 && errno != ENOENT)
            return fail_errno(err, errno, "rename '%s'", from.data);
    }
    return 0;
}

int container_log_rotate(struct runtime *rt, const char *id, const char *path,
                         int64_t max_bytes, int max_files, struct error *err)
{
    struct crun *c = crun_of(rt);
    struct stat st;
    if (stat(path, &st) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "stat '%s'", path);
    AUTO_FD supervisor = supervisor_open(c, id, NULL);
    if (access(path, F_OK) == 0 && st.st_size <= max_bytes)
        return 0;
    if (supervisor < 0)
        return 0; /* nobody writes any more */
    int r = 0;
    if (max_files > FILES_MAX)
        return fail(err, E_LIMIT, "%d log files", max_files);
    /* A missing file is a rotation that was cut short: only the telling is left. */
    if (access(path, F_OK) == 0)
        r = max_files > 1
                ? shift_files(path, max_files, err)
                : (unlink(path) < 0 ? fail_errno(err, errno, "remove '%s'", path) : 0);
    if (r == 0)
        r = tell_reopen(c, id, err);
    if (r == 0)
        r = wait_reopened(path, err);
    return r < 0 ? wrap(err, "rotating the log of '%s'", id) : 1;
}
