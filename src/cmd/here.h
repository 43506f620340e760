/* here.h: the run that a user's command is about: its record, or what the options say.
 * Owns: texts lie in the options' arena. Threads: main.
 * Fails: E_NOTFOUND gantry never ran with this run directory (and no data are where the
 * options say). */
#pragma once

#include "agent.h"
#include "layout.h"
#include "run_record.h"

struct here {
    struct layout layout;
    struct run_record record; /* url "" when it is not known */
    bool up;                  /* its supervisor is alive */
};

int here_find(struct options *o, struct here *ret, struct error *err);

/* A container of the task that the first argument names, as agent_find_container() does,
 * among the instance's tasks and Fargate's; here->layout becomes that of the agent which
 * has it. */
int here_find_container(struct options *o, struct here *here, const char *name,
                        struct agent_container *ret, struct error *err);
