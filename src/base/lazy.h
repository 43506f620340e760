/* lazy.h: shared libraries that are loaded when they are first used.
 *
 * Linking a library costs its memory, and that of all its own libraries, in every process
 * of ours, used or not: libcurl 5.5 MB, libmicrohttpd 2.6 MB, libarchive 2.8 MB. So a
 * library that only one kind of process or only some moments need is described by a
 * struct lazy_library, whose functions are called through a table:
 *
 *     #define ARCHIVE_CALLS(X) X(archive_read_new) X(archive_read_free)
 *     struct archive_calls { ARCHIVE_CALLS(LAZY_FIELD) };
 *     static struct archive_calls calls;
 *     static const char *const names[] = { ARCHIVE_CALLS(LAZY_NAME) };
 *     static struct lazy_library library = LAZY_LIBRARY("libarchive.so.13", "libarchive13",
 *                                                       calls, names);
 *     if (lazy_load(&library, err) == 0) calls.archive_read_new();
 *
 * Types and constants come from the library's header; the table's types too, so that a
 * call is checked like any other.
 *
 * Owns: the loaded library, until the process ends. Threads: any.
 * Fails: E_UNSUPPORTED with the package to install. */
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "error.h"

#define LAZY_FIELD(function) __typeof__(&function) function;
#define LAZY_NAME(function)  #function,

struct lazy_library {
    const char *soname;       /* "libarchive.so.13" */
    const char *package;      /* Debian's, for the error's text */
    const char *const *names; /* in the order of the table */
    size_t count;
    void **table; /* a struct of function pointers */
    pthread_mutex_t lock;
    void *handle; /* NULL: not loaded */
};

#define LAZY_LIBRARY(file, debian_package, calls, function_names)                        \
    {                                                                                    \
        .soname = (file), .package = (debian_package), .names = (function_names),        \
        .count = sizeof(function_names) / sizeof((function_names)[0]),                   \
        .table = (void **)(void *)&(calls), .lock = PTHREAD_MUTEX_INITIALIZER,           \
    }

/* Cheap when it is loaded already. Not loaded after a failure: a later call tries again. */
int lazy_load(struct lazy_library *library, struct error *err);
