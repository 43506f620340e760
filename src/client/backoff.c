#include "backoff.h"

int64_t backoff_next_ms(struct backoff *b, uint32_t random)
{
    if (b->current_ms == 0)
        b->current_ms = b->first_ms;
    else if (b->current_ms < b->last_ms)
        b->current_ms = b->current_ms * b->factor_percent / 100;
    if (b->current_ms > b->last_ms)
        b->current_ms = b->last_ms;
    int64_t spread = b->current_ms * b->jitter_percent / 100;
    return spread > 0 ? b->current_ms - spread + (int64_t)random % (2 * spread + 1)
                      : b->current_ms;
}

void backoff_reset(struct backoff *b)
{
    b->current_ms = 0;
}
