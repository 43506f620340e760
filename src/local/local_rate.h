/* local_rate.h: how often one asker may ask. Pure.
 *
 * Virtual scheduling (ITU-T I.371's leaky bucket): one number remembers it all.
 * Owns: nothing; *due_ns is the caller's memory, 0 at first. Threads: the owner's.
 * Fails: never. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One request more at now_ns (monotonic)? One each `every_ns`, `burst` at once. */
bool local_rate_take(int64_t *due_ns, int64_t now_ns, int64_t every_ns, int64_t burst);
