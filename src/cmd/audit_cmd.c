/* `gantry audit`: who called what: the lines of the audit log, oldest first. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit.h"
#include "clock.h"
#include "command.h"
#include "event_line.h"
#include "here.h"
#include "table_text.h"

#define DEFAULT_COUNT 50
#define COUNT_MAX     1000000
#define LOOK_AGAIN_MS 500

struct filter {
    int64_t since_ms;
    const char *user, *name;
    bool errors;
};

struct log {
    const char *dir; /* the server's */
    enum audit_log which;
};

/* The last `size` lines that pass. */
struct ring {
    char **lines;
    size_t size, count; /* count: of all that came */
};

static void ring_add(struct ring *r, const char *line)
{
    char **slot = &r->lines[r->count++ % r->size];
    free(*slot);
    *slot = xstrdup(line);
}

/* ---- lines ---- */

static bool passes(const struct filter *f, const json_t *event)
{
    int64_t at;
    const char *time = text_of(event, "eventTime");
    const char *arn = words_of(json_object_get(event, "userIdentity"), "arn");
    if (f->since_ms && (!time || !clock_parse_iso(time, &at) || at < f->since_ms))
        return false;
    if (f->errors && !text_of(event, "errorCode"))
        return false;
    if (f->name && !streq(f->name, text_of(event, "eventName")))
        return false;
    return !f->user || strstr(arn, f->user);
}

/* "2026-11-23T05:41:06Z ecs:RunTask user/ann 127.0.0.1 AccessDeniedException: …" */
static void line_for_people(const json_t *event, struct str *out)
{
    const json_t *who = json_object_get(event, "userIdentity");
    const char *arn = words_of(who, "arn"), *error = text_of(event, "errorCode");
    const char *source = words_of(event, "eventSource");
    int n = 0;
    for (int i = 0; i < 5 && arn[n]; n++)
        i += arn[n] == ':';
    str_addf(out, "%s %.*s:%s %s %s", words_of(event, "eventTime"),
             (int)strcspn(source, "."), source, words_of(event, "eventName"),
             arn[n] ? arn + n : "nobody", words_of(event, "sourceIPAddress"));
    if (error)
        str_addf(out, " %s: %s", error, words_of(event, "errorMessage"));
}

static void print_line(const struct options *o, const char *line)
{
    AUTO_STR text = STR_INIT;
    json_t *event = o->json ? NULL : json_loads(line, 0, NULL);
    if (event)
        line_for_people(event, &text);
    else
        str_add(&text, line);
    json_decref(event);
    text_make_harmless(text.data);
    puts(text.data);
}

/* ---- files ---- */

static void take_line(const struct filter *f, struct ring *r, char *line, ssize_t n)
{
    if (n > 0 && line[n - 1] == '\n')
        line[n - 1] = '\0';
    json_t *event = json_loads(line, 0, NULL);
    if (event && passes(f, event))
        ring_add(r, line);
    json_decref(event);
}

static void read_file(FILE *file, const struct filter *f, struct ring *r)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, file)) > 0)
        take_line(f, r, line, n);
    free(line);
    clearerr(file);
}

/* The newest file of a log, or an older one. */
static void path_of(const struct log *log, unsigned number, struct str *ret)
{
    const char *name = audit_log_name(log->which);
    if (number)
        str_addf(ret, "%s/audit/%s.%u.jsonl", log->dir, name, number);
    else
        str_addf(ret, "%s/audit/%s.jsonl", log->dir, name);
}

static FILE *file_open(const struct log *log, unsigned number)
{
    AUTO_STR path = STR_INIT;
    path_of(log, number, &path);
    return fopen(path.data, "re");
}

static void print_ring(const struct options *o, struct ring *r)
{
    size_t n = r->count < r->size ? r->count : r->size;
    for (size_t i = r->count - n; i < r->count; i++) {
        print_line(o, r->lines[i % r->size]);
        free(r->lines[i % r->size]);
        r->lines[i % r->size] = NULL;
    }
    r->count = 0;
    fflush(stdout);
}

static bool was_moved(const struct log *log, FILE *file)
{
    struct stat now, then;
    AUTO_STR path = STR_INIT;
    path_of(log, 0, &path);
    return stat(path.data, &now) == 0 && fstat(fileno(file), &then) == 0 &&
           now.st_ino != then.st_ino;
}

static void follow(const struct options *o, const struct log *log, FILE *file,
                   const struct filter *f, struct ring *r)
{
    while (!ferror(stdout)) {
        bool moved = was_moved(log, file);
        read_file(file, f, r);
        print_ring(o, r);
        FILE *next = moved ? file_open(log, 0) : NULL;
        if (next) {
            fclose(file);
            file = next;
        } else {
            poll(NULL, 0, LOOK_AGAIN_MS);
        }
    }
    fclose(file);
}

static int print_log(const struct options *o, const struct log *log,
                     const struct filter *f, struct error *err)
{
    struct ring r = {.size = o->tail > 0 && o->tail < COUNT_MAX ? (size_t)o->tail
                             : f->since_ms || o->tail >= 0      ? COUNT_MAX
                                                                : DEFAULT_COUNT};
    FILE *last = file_open(log, 0);
    if (!last)
        return fail_errno(err, errno, "the audit log below '%s'", log->dir);
    r.lines = xcalloc(r.size, sizeof(*r.lines));
    for (unsigned i = AUDIT_FILES - 1; i > 0; i--) {
        FILE *file = file_open(log, i);
        if (!file)
            continue;
        read_file(file, f, &r);
        fclose(file);
    }
    read_file(last, f, &r);
    print_ring(o, &r);
    if (o->follow)
        follow(o, log, last, f, &r);
    else
        fclose(last);
    free(r.lines);
    return 0;
}

int audit_command(struct options *o, struct error *err)
{
    struct here here;
    int64_t ms;
    struct filter f = {
        .user = o->audit_user, .name = o->audit_call, .errors = o->audit_errors};
    if (o->since && duration_parse(o->since, &ms))
        f.since_ms = clock_wall_ms() - ms;
    else if (o->since && !clock_parse_iso(o->since, &f.since_ms))
        return fail(err, E_INVALID,
                    "--since '%s': expected a time such as 10m or 2026-11-22T18:08:00Z",
                    o->since);
    int r = here_find(o, &here, err);
    if (r < 0)
        return r;
    const struct log log = {here.layout.server_dir,
                            o->audit_data ? AUDIT_DATA : AUDIT_MANAGEMENT};
    return print_log(o, &log, &f, err);
}
