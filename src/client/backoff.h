/* backoff.h: how long to wait before the next try. Pure: random is given.
 *
 * Grows by `factor_percent` from `first_ms` to `last_ms`; a wait is spread over
 * ± `jitter_percent` of it, so that agents which lost one server do not come back as one.
 * Owns: nothing. Threads: the owner's. Fails: never. */
#pragma once

#include <stdint.h>

struct backoff {
    int64_t first_ms, last_ms;
    unsigned factor_percent; /* 200 doubles */
    unsigned jitter_percent; /* 0..50 */
    int64_t current_ms;      /* 0: fresh */
};

/* ECS waits 3 s to 192 s for its own control plane. Ours is mostly on the same machine and
 * starts beside us, so the first tries come at once and the last bound is the same. */
#define BACKOFF_REGISTER                                                                 \
    {                                                                                    \
        .first_ms = 50, .last_ms = 192000, .factor_percent = 200, .jitter_percent = 20   \
    }
#define BACKOFF_STREAM                                                                   \
    {                                                                                    \
        .first_ms = 250, .last_ms = 120000, .factor_percent = 150, .jitter_percent = 25  \
    }
#define BACKOFF_REPORT                                                                   \
    {                                                                                    \
        .first_ms = 1000, .last_ms = 30000, .factor_percent = 200, .jitter_percent = 20  \
    }
#define BACKOFF_TOKEN                                                                    \
    {                                                                                    \
        .first_ms = 250, .last_ms = 4000, .factor_percent = 200, .jitter_percent = 20    \
    }

int64_t backoff_next_ms(struct backoff *b, uint32_t random);
void backoff_reset(struct backoff *b);
