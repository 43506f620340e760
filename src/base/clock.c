#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void clock_format_iso(int64_t wall_ms, bool seconds, char ret[static CLOCK_ISO_SIZE])
{
    int64_t s = wall_ms / 1000, ms = wall_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        s--;
    }
    time_t t = (time_t)s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900)
        memset(&tm, 0, sizeof(tm));
    size_t n = strftime(ret, CLOCK_ISO_SIZE, "%04Y-%m-%dT%H:%M:%S", &tm);
    if (seconds)
        snprintf(ret + n, CLOCK_ISO_SIZE - n, "Z");
    else
        snprintf(ret + n, CLOCK_ISO_SIZE - n, ".%03dZ", (int)ms);
}

/* Reads exactly `n` digits. */
static bool digits(const char **p, int n, int *ret)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

static bool literal(const char **p, char c)
{
    return *(*p)++ == c;
}

static bool parse_fraction(const char **p, int *ret_ms)
{
    *ret_ms = 0;
    if (**p != '.')
        return true;
    (*p)++;
    int scale = 100, count = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++, count++) {
        *ret_ms += (**p - '0') * scale;
        scale /= 10;
    }
    return count > 0;
}

static bool parse_offset(const char **p, int *ret_minutes)
{
    *ret_minutes = 0;
    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        return true;
    }
    if (**p != '+' && **p != '-')
        return false;
    int sign = *(*p)++ == '-' ? -1 : 1, h, m;
    if (!digits(p, 2, &h) || !literal(p, ':') || !digits(p, 2, &m) || h > 23 || m > 59)
        return false;
    *ret_minutes = sign * (h * 60 + m);
    return true;
}

bool clock_parse_iso(const char *text, int64_t *ret_wall_ms)
{
    const char *p = text;
    struct tm tm = {0};
    int year, month, ms, offset;
    if (!digits(&p, 4, &year) || !literal(&p, '-') || !digits(&p, 2, &month) ||
        !literal(&p, '-') || !digits(&p, 2, &tm.tm_mday))
        return false;
    if (*p != 'T' && *p != 't' && *p != ' ')
        return false;
    p++;
    if (!digits(&p, 2, &tm.tm_hour) || !literal(&p, ':') || !digits(&p, 2, &tm.tm_min) ||
        !literal(&p, ':') || !digits(&p, 2, &tm.tm_sec))
        return false;
    if (!parse_fraction(&p, &ms) || !parse_offset(&p, &offset) || *p)
        return false;
    if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *ret_wall_ms = ((int64_t)timegm(&tm) - offset * 60) * 1000 + ms;
    return true;
}
