/* outside.h: all that the core may ask of the world.
 *
 * The core is a deterministic state machine: given the same tasks in the same order and
 * the same answers from here, it does the same things. The server answers with the
 * machine's clock and random source; unit tests and the simulator with virtual ones.
 *
 * Threads: called on the state thread only. Fails: never. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct outside {
    void *ctx;
    int64_t (*wall_ms)(void *ctx); /* milliseconds since 1970 UTC; may jump */
    void (*random)(void *ctx, void *ret, size_t size);
};
