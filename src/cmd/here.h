/* here.h: the run that a user's command is about: its record, or what the options say.
 * Owns: texts lie in the options' arena. Threads: main.
 * Fails: E_NOTFOUND gantry never ran with this run directory (and no data are where the
 * options say). */
#pragma once

#include "layout.h"
#include "run_record.h"

struct here {
    struct layout layout;
    struct run_record record; /* url "" when it is not known */
    bool up;                  /* its supervisor is alive */
};

int here_find(struct options *o, struct here *ret, struct error *err);
