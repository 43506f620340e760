#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [E_OK] = "OK",
    [E_INVALID] = "INVALID",
    [E_NOTFOUND] = "NOTFOUND",
    [E_EXISTS] = "EXISTS",
    [E_CONFLICT] = "CONFLICT",
    [E_DENIED] = "DENIED",
    [E_LIMIT] = "LIMIT",
    [E_FULL] = "FULL",
    [E_IO] = "IO",
    [E_NETWORK] = "NETWORK",
    [E_PROTOCOL] = "PROTOCOL",
    [E_TIMEOUT] = "TIMEOUT",
    [E_CANCELLED] = "CANCELLED",
    [E_UNSUPPORTED] = "UNSUPPORTED",
    [E_AGAIN] = "AGAIN",
    [E_CORRUPT] = "CORRUPT",
    [E_EXEC] = "EXEC",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == E_CODE_COUNT, "a code without a name");

const char *error_name(enum error_code code)
{
    return (unsigned)code < E_CODE_COUNT ? names[code] : "UNKNOWN";
}

/* A cut must not leave half a UTF-8 sequence: the text goes into JSON replies. */
static void trim_utf8(char *text, size_t len)
{
    size_t i = len;
    while (i > 0 && ((unsigned char)text[i - 1] & 0xc0) == 0x80)
        i--;
    if (i == 0)
        return;
    unsigned char lead = (unsigned char)text[i - 1];
    size_t need = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (len - (i - 1) < need)
        text[i - 1] = '\0';
}

static void format(char *buf, size_t size, const char *fmt, va_list ap)
{
    int n = vsnprintf(buf, size, fmt, ap);
    if (n < 0)
        buf[0] = '\0';
    else if ((size_t)n >= size)
        trim_utf8(buf, size - 1);
}

int fail(struct error *err, enum error_code code, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        err->code = code;
        err->sys_errno = 0;
        format(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
    }
    return -(int)code;
}

static enum error_code code_of_errno(int e)
{
    switch (e) {
    case ENOENT:
        return E_NOTFOUND;
    case EEXIST:
        return E_EXISTS;
    case EACCES:
    case EPERM:
        return E_DENIED;
    case ENOSPC:
    case EDQUOT:
        return E_FULL;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return E_NETWORK;
    case ETIMEDOUT:
        return E_TIMEOUT;
    default:
        return E_IO;
    }
}

int fail_errno(struct error *err, int sys_errno, const char *fmt, ...)
{
    enum error_code code = code_of_errno(sys_errno);
    if (err) {
        char text[ERROR_TEXT_SIZE / 2];
        va_list ap;
        va_start(ap, fmt);
        format(text, sizeof(text), fmt, ap);
        va_end(ap);
        fail(err, code, "%s: %s", text, strerror(sys_errno));
        err->sys_errno = sys_errno;
    }
    return -(int)code;
}

int wrap(struct error *err, const char *fmt, ...)
{
    if (!err)
        return -E_IO;
    char text[ERROR_TEXT_SIZE], old[ERROR_TEXT_SIZE];
    va_list ap;
    va_start(ap, fmt);
    format(text, sizeof(text), fmt, ap);
    va_end(ap);
    memcpy(old, err->text, sizeof(old));
    int n = snprintf(err->text, sizeof(err->text), "%s: %s", text, old);
    if (n >= (int)sizeof(err->text))
        trim_utf8(err->text, sizeof(err->text) - 1);
    return -(int)err->code;
}
