/* error.h: how every function of gantry says that it failed.
 *
 * A function that can fail returns int: 0 or positive for success, a negative named
 * code for failure, and fills the caller's `struct error`, its last parameter. An
 * expected outcome is a code that the caller handles (`r == -E_NOTFOUND`); everything
 * else is given one line of context with wrap() and handed on unchanged.
 *
 * Owns: nothing; the struct lives in the caller's frame and needs no release.
 * Threads: any. Fails: never; a text that is too long is cut at a character's end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Append only: the names, not the numbers, are what people see. */
enum error_code {
    E_OK,
    E_INVALID,     /* the input breaks a rule; the message says which */
    E_NOTFOUND,    /* the thing named is not there */
    E_EXISTS,      /* it is there already */
    E_CONFLICT,    /* it is in a state, or in a use, that forbids this */
    E_DENIED,      /* the caller may not */
    E_LIMIT,       /* a bound would be passed: size, depth, count */
    E_FULL,        /* no room: disk, queue, ports, memory of a host */
    E_IO,          /* the kernel or a disk said no */
    E_NETWORK,     /* a peer can't be reached or broke off */
    E_PROTOCOL,    /* a peer answered something that it must not */
    E_TIMEOUT,     /* it took longer than allowed */
    E_CANCELLED,   /* the caller asked to stop */
    E_UNSUPPORTED, /* understood, but not offered here */
    E_AGAIN,       /* not now; asking later may succeed */
    E_CORRUPT,     /* stored data does not match its checksum or shape */
    E_EXEC,        /* a program could not be started or ended badly */
    E_CODE_COUNT,
};

#define ERROR_TEXT_SIZE 1024

struct error {
    enum error_code code;
    int sys_errno; /* errno behind the failure, 0 when none */
    char text[ERROR_TEXT_SIZE];
};

#define ERROR_INIT                                                                       \
    {                                                                                    \
        .code = E_OK                                                                     \
    }

/* Fills err (NULL allowed) and returns -code. */
int fail(struct error *err, enum error_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As fail(), with the code that fits `sys_errno` (ENOENT E_NOTFOUND, EEXIST E_EXISTS,
 * EACCES and EPERM E_DENIED, ENOSPC and EDQUOT E_FULL, others E_IO) and its text after
 * the message: "open '/x': No such file or directory". */
int fail_errno(struct error *err, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts one line of context before the text that is there and returns -err->code:
 * "pulling 'web:1': no such manifest". With err NULL it returns -E_IO. */
int wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "NOTFOUND" for E_NOTFOUND and so on; "UNKNOWN" for anything else. Static text. */
const char *error_name(enum error_code code);
