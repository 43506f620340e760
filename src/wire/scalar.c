#include "scalar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base64.h"
#include "clock.h"

/* Years 0000 to 9999, outside of which no format could write the time back. */
#define TIME_MIN_MS (-62167219200000LL)
#define TIME_MAX_MS 253402300799999LL

enum wire_timestamp_format scalar_time_format(const struct wire_member *m,
                                              const struct wire_shape *shape,
                                              enum wire_timestamp_format otherwise)
{
    if (m && m->timestamp)
        return (enum wire_timestamp_format)m->timestamp;
    return shape->timestamp ? (enum wire_timestamp_format)shape->timestamp : otherwise;
}

void scalar_add_double(struct str *out, double v)
{
    char text[40];
    if (isnan(v) || isinf(v)) {
        str_add(out, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    str_add(out, text);
}

void scalar_add_epoch(struct str *out, int64_t ms)
{
    uint64_t u = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    str_addf(out, "%s%llu", ms < 0 ? "-" : "", (unsigned long long)(u / 1000));
    if (u % 1000)
        str_addf(out, ".%03u", (unsigned)(u % 1000));
}

bool scalar_seconds_to_ms(double seconds, int64_t *ret)
{
    double ms = seconds * 1000;
    if (!(ms >= (double)TIME_MIN_MS && ms <= (double)TIME_MAX_MS))
        return false;
    *ret = llround(ms);
    return true;
}

static bool read_double(const char *text, double *ret)
{
    static const struct {
        const char *name;
        double v;
    } special[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (streq(text, special[i].name)) {
            *ret = special[i].v;
            return true;
        }
    /* strtod() also takes blanks, hexadecimal and "inf". */
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    char *end;
    *ret = strtod(text, &end);
    return *end == '\0' && !isinf(*ret);
}

static bool read_rfc822(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

/* Readers accept every format: SDKs differ, and the three can't be confused. */
static bool read_time(const char *text, int64_t *ret_ms)
{
    double seconds;
    if (read_double(text, &seconds))
        return scalar_seconds_to_ms(seconds, ret_ms);
    if (!clock_parse_iso(text, ret_ms) && !read_rfc822(text, ret_ms))
        return false;
    return *ret_ms >= TIME_MIN_MS && *ret_ms <= TIME_MAX_MS;
}

static bool read_bool(const char *text, bool *ret)
{
    *ret = streq(text, "true");
    return *ret || streq(text, "false");
}

static bool read_integer(const char *text, bool is_long, void *slot)
{
    int64_t v;
    if (!str_to_i64(text, is_long ? INT64_MIN : INT32_MIN,
                    is_long ? INT64_MAX : INT32_MAX, &v))
        return false;
    if (is_long)
        *(int64_t *)slot = v;
    else
        *(int32_t *)slot = (int32_t)v;
    return true;
}

static bool read_blob(struct arena *a, const char *text, struct wire_blob *ret)
{
    uint8_t *data;
    if (!base64_decode(a, text, strlen(text), &data, &ret->size))
        return false;
    ret->data = data;
    return true;
}

int scalar_read(struct wire_report *r, const struct wire_path *path, struct arena *a,
                const struct wire_shape *shape, enum wire_timestamp_format format,
                const char *text, void *slot)
{
    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
    case WIRE_DOCUMENT:
        *(char **)slot = arena_strdup(a, text);
        return 0;
    case WIRE_ENUM:
        *(int *)slot = wire_enum_value(shape, text);
        if (!*(int *)slot)
            report_enum(r, path, shape, text);
        return 0;
    case WIRE_BOOL:
        return read_bool(text, slot)
                   ? 0
                   : report_type(r, path, "boolean must be true or false");
    case WIRE_INT:
    case WIRE_LONG:
        if (read_integer(text, shape->type == WIRE_LONG, slot))
            return 0;
        return report_type(r, path, "not a whole number in range");
    case WIRE_DOUBLE:
        return read_double(text, slot) ? 0 : report_type(r, path, "not a number");
    case WIRE_TIMESTAMP:
        return read_time(text, slot) ? 0 : report_type(r, path, "not a timestamp");
    case WIRE_BLOB:
        return read_blob(a, text, slot) ? 0 : report_type(r, path, "not valid base64");
    case WIRE_STRUCT:
    case WIRE_LIST:
    case WIRE_MAP:
        break;
    }
    return report_type(r, path, "text where a structure belongs");
}

static void write_time(struct str *out, enum wire_timestamp_format format, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    switch (format) {
    case WIRE_TIME_RFC822:
        gmtime_r(&s, &tm);
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        str_add(out, text);
        return;
    case WIRE_TIME_ISO8601:
        clock_format_iso(ms, ms % 1000 == 0, text);
        str_add(out, text);
        return;
    case WIRE_TIME_DEFAULT:
    case WIRE_TIME_UNIX:
        scalar_add_epoch(out, ms);
        return;
    }
}

void scalar_write(struct str *out, const struct wire_shape *shape,
                  enum wire_timestamp_format format, const void *value)
{
    switch ((enum wire_type)shape->type) {
    case WIRE_BOOL:
        str_add(out, *(const bool *)value ? "true" : "false");
        break;
    case WIRE_INT:
        str_addf(out, "%d", (int)*(const int32_t *)value);
        break;
    case WIRE_LONG:
        str_addf(out, "%lld", (long long)*(const int64_t *)value);
        break;
    case WIRE_DOUBLE:
        scalar_add_double(out, *(const double *)value);
        break;
    case WIRE_TIMESTAMP:
        write_time(out, format, *(const int64_t *)value);
        break;
    case WIRE_STRING:
    case WIRE_DOCUMENT:
        str_add(out, *(const char *const *)value);
        break;
    case WIRE_ENUM:
        str_add(out, wire_enum_name(shape, *(const int *)value));
        break;
    case WIRE_BLOB:
        base64_add(out, ((const struct wire_blob *)value)->data,
                   ((const struct wire_blob *)value)->size);
        break;
    case WIRE_STRUCT:
    case WIRE_LIST:
    case WIRE_MAP:
        break;
    }
}
