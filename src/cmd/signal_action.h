/* signal_action.h: what one signal does to this process, for those that only need that.
 * Owns: nothing. Threads: before others exist. Fails: never. */
#pragma once

#include <signal.h>

static inline void signal_action(int signo, void (*action)(int))
{
    struct sigaction act = {.sa_handler = action};
    sigaction(signo, &act, NULL);
}
