/* `gantry logs`: a container's output, from its log file. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "clock.h"
#include "command.h"
#include "container_log.h"
#include "here.h"

#define LOOK_AGAIN_MS   1000
#define LOOK_FOR_LOG_MS 100

struct printer {
    bool timestamps;
};

static int print_entry(void *arg, const struct log_entry *e)
{
    const struct printer *p = arg;
    FILE *out = e->is_stderr ? stderr : stdout;
    char stamp[CLOCK_ISO_SIZE];
    if (p->timestamps) {
        clock_format_iso(e->time_ns / 1000000, false, stamp);
        fprintf(out, "%s ", stamp);
    }
    fwrite(e->text, 1, e->len, out);
    return fputc('\n', out) == EOF ? E_IO : 0;
}

static int parse_since(const char *text, int64_t *ret_ns, struct error *err)
{
    int64_t ms;
    if (!text)
        return 0;
    if (duration_parse(text, &ms))
        ms = clock_wall_ms() - ms;
    else if (!clock_parse_iso(text, &ms))
        return fail(err, E_INVALID,
                    "--since '%s': expected a time such as 10m or "
                    "2026-11-22T18:08:00Z",
                    text);
    *ret_ns = ms * 1000000;
    return 0;
}

static bool stopped(struct options *o, const struct here *here, const char *container)
{
    AUTO_ARENA a = ARENA_INIT;
    struct agent_container c;
    return agent_find_container(here->layout.agent_dir, o->args[0], container, &a, &c,
                                NULL) < 0 ||
           streq(c.status, "STOPPED");
}

/* What is there, then with --follow what comes, until the container has stopped and all it
 * wrote is printed. */
static int print_log(struct options *o, const struct here *here, const char *container,
                     struct log_reader *reader, struct error *err)
{
    struct printer p = {o->timestamps};
    int r = log_reader_read(reader, print_entry, &p, err);
    bool last = false;
    while (r >= 0 && o->follow && !last) {
        fflush(stdout);
        r = log_reader_wait(reader, LOOK_AGAIN_MS, err);
        if (r == 0)
            last = stopped(o, here, container);
        if (r >= 0)
            r = log_reader_read(reader, print_entry, &p, err);
    }
    return r;
}

/* A container that has not begun has no log yet: with --follow wait for it. */
static int open_log(struct options *o, const struct here *here, const char *container,
                    const char *path, const struct log_options *options,
                    struct log_reader **ret, struct error *err)
{
    for (;;) {
        int r = log_reader_open(path, options, ret, err);
        if (r != -E_NOTFOUND || !o->follow || stopped(o, here, container))
            return r;
        poll(NULL, 0, LOOK_FOR_LOG_MS);
    }
}

int logs_command(struct options *o, struct error *err)
{
    struct here here;
    struct agent_container c = {0};
    struct log_options options = {.tail = o->tail};
    struct log_reader *reader = NULL;
    const char *name = o->arg_count > 1 ? o->args[1] : o->container;
    int r = parse_since(o->since, &options.since_ns, err);
    if (r == 0)
        r = here_find(o, &here, err);
    if (r == 0)
        r = here_find_container(o, &here, name, &c, err);
    if (r < 0)
        return r;
    if (!c.log_path)
        return fail(err, E_NOTFOUND, "container '%s' has the log driver 'none'", c.name);
    r = open_log(o, &here, c.name, c.log_path, &options, &reader, err);
    if (r == -E_NOTFOUND)
        return 0; /* it never wrote */
    if (r == 0)
        r = print_log(o, &here, c.name, reader, err);
    log_reader_free(reader);
    return r < 0 ? r : 0;
}
