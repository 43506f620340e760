#include "log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "str.h"

static const char *part_name = "gantry";
static enum log_level least_level = LOG_INFO;

void log_init(const char *part, enum log_level least)
{
    part_name = part;
    least_level = least;
}

bool log_enabled(enum log_level level)
{
    return level >= least_level;
}

static void add_value(struct str *line, const char *v)
{
    if (*v && !strpbrk(v, " \"=\n\r\t\\")) {
        str_add(line, v);
        return;
    }
    str_addc(line, '"');
    for (; *v; v++) {
        if (*v == '"' || *v == '\\')
            str_addc(line, '\\');
        if (*v == '\n')
            str_add(line, "\\n");
        else if ((unsigned char)*v < 0x20)
            str_addc(line, ' ');
        else
            str_addc(line, *v);
    }
    str_addc(line, '"');
}

void log_line(enum log_level level, const char *msg, ...)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    if (!log_enabled(level))
        return;
    struct timespec now;
    struct tm tm;
    char stamp[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + n, sizeof(stamp) - n, ".%03ldZ", now.tv_nsec / 1000000);

    AUTO_STR line = STR_INIT;
    str_addf(&line, "time=%s level=%s part=%s msg=", stamp, levels[level], part_name);
    add_value(&line, msg);
    va_list ap;
    va_start(ap, msg);
    const char *name;
    while ((name = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);
        if (!value)
            continue;
        str_addf(&line, " %s=", name);
        add_value(&line, value);
    }
    va_end(ap);
    str_addc(&line, '\n');
    ssize_t written = write(STDERR_FILENO, line.data, line.len);
    (void)written;
}
