/* wire_report.h: how decoders and the checks say what is wrong with a body.
 *
 * A decoder stops at the first fault of syntax or type. Bad values are collected, as
 * AWS's own front end does: "2 validation errors detected: Value 'x' at 'a' failed to
 * satisfy constraint: Member must …; Value …". Paths are written as it writes them:
 * containerDefinitions.1.member.name.
 *
 * Owns: nothing; paths live on the stack of the walker. Threads: one at a time.
 * Fails: never; texts that are too long are cut at a character's end. */
#pragma once

#include "wire.h"

struct wire_path {
    const struct wire_path *up;
    const char *name; /* of a member or a map's key; NULL for a list's element */
    size_t index;     /* of a list's element, from 1 */
    bool element;     /* a map's value: followed by ".member" */
    bool sensitive;   /* its value is not repeated */
};

struct wire_report {
    struct wire_error *error;
    int count; /* bad values */
    struct str list;
    const struct arena *arena; /* what is decoded goes here … */
    size_t limit;              /* … up to this many used_bytes; 0: no limit */
};

/* A body of `len` bytes is about to be decoded into the arena. */
void report_init(struct wire_report *r, struct wire_error *error, const struct arena *a,
                 size_t len);
/* A few bytes ("{},") can stand for an element of a kilobyte: -E_INVALID when the body has
 * cost more memory than an honest one would. */
int report_budget(struct wire_report *r);

/* Both return -E_INVALID, so that a decoder can return them. */
int report_syntax(struct wire_report *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int report_type(struct wire_report *r, const struct wire_path *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* One bad value; `value` NULL stands for an absent one. */
void report_value(struct wire_report *r, const struct wire_path *path, const char *value,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void report_enum(struct wire_report *r, const struct wire_path *path,
                 const struct wire_shape *shape, const char *value);

/* 0, or -E_INVALID when bad values were reported. Releases the report. */
int report_finish(struct wire_report *r);
void report_free(struct wire_report *r);

/* Required members, lengths, ranges, patterns of a whole value. */
void check_value(struct wire_report *r, const struct wire_shape *shape,
                 const void *value);
