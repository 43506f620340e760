#include "task_steps.h"

#include <stddef.h>

#include "str.h"

static const struct {
    enum task_step from;
    enum task_event event;
    enum task_step to;
} moves[] = {
    {STEP_ACCEPTED, TASK_ROOM, STEP_STARTING},  {STEP_ACCEPTED, TASK_END, STEP_CLEANING},
    {STEP_STARTING, TASK_STEADY, STEP_RUNNING}, {STEP_STARTING, TASK_END, STEP_STOPPING},
    {STEP_RUNNING, TASK_END, STEP_STOPPING},    {STEP_STOPPING, TASK_DOWN, STEP_CLEANING},
    {STEP_CLEANING, TASK_CLEAN, STEP_STOPPED},  {STEP_STOPPED, TASK_EXPIRED, STEP_GONE},
};

static const struct {
    const char *name, *status;
    bool holds;
} steps[] = {
    [STEP_ACCEPTED] = {"ACCEPTED", "PENDING", false},
    [STEP_STARTING] = {"STARTING", "PENDING", true},
    [STEP_RUNNING] = {"RUNNING", "RUNNING", true},
    [STEP_STOPPING] = {"STOPPING", "RUNNING", true},
    [STEP_CLEANING] = {"CLEANING", "RUNNING", true},
    [STEP_STOPPED] = {"STOPPED", "STOPPED", false},
    [STEP_GONE] = {"GONE", "STOPPED", false},
};
_Static_assert(sizeof(steps) / sizeof(steps[0]) == STEP_COUNT, "a name for every step");

static const char *const events[] = {
    [TASK_ROOM] = "ROOM", [TASK_STEADY] = "STEADY", [TASK_END] = "END",
    [TASK_DOWN] = "DOWN", [TASK_CLEAN] = "CLEAN",   [TASK_EXPIRED] = "EXPIRED",
};
_Static_assert(sizeof(events) / sizeof(events[0]) == TASK_EVENT_COUNT,
               "a name for every event");

bool task_step_after(enum task_step step, enum task_event event, enum task_step *ret)
{
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        if (moves[i].from == step && moves[i].event == event) {
            *ret = moves[i].to;
            return true;
        }
    }
    return false;
}

const char *task_step_name(enum task_step step)
{
    return steps[step].name;
}

bool task_step_parse(const char *name, enum task_step *ret)
{
    for (int i = 0; i < STEP_COUNT; i++) {
        if (streq(name, steps[i].name)) {
            *ret = (enum task_step)i;
            return true;
        }
    }
    return false;
}

const char *task_event_name(enum task_event event)
{
    return events[event];
}

const char *task_step_status(enum task_step step)
{
    return steps[step].status;
}

bool task_step_holds(enum task_step step)
{
    return steps[step].holds;
}
