/* doctor.h: what this machine must have, one check a row.
 *
 * A check looks (and, where only trying tells, tries in a namespace or a folder of its own
 * that it removes) and says what it found and how to mend it. It changes nothing.
 *
 * Owns: a finding's texts. Threads: main; trials run in child processes.
 * Fails: a check that can't look says so as a warning. */
#pragma once

#include "options.h"
#include "str.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_MISSING };

struct finding {
    enum doctor_verdict verdict;
    struct str text; /* what was found */
    struct str mend; /* what to do; empty when nothing */
};

struct doctor_check {
    const char *name;
    void (*look)(struct options *o, struct finding *ret);
};

extern const struct doctor_check doctor_checks[]; /* ended by name NULL */

void finding_set(struct finding *f, enum doctor_verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void finding_mend(struct finding *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
