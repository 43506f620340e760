#include "provider_share.h"

static int64_t beyond_base(const struct provider_share *s)
{
    return s->placed > s->base ? (int64_t)s->placed - s->base : 0;
}

struct provider_share *provider_share_next(struct provider_share *shares, size_t n)
{
    if (n == 1)
        return shares;
    for (size_t i = 0; i < n; i++)
        if (shares[i].placed < shares[i].base)
            return &shares[i];
    struct provider_share *best = NULL;
    for (size_t i = 0; i < n; i++) {
        struct provider_share *s = &shares[i];
        if (s->weight > 0 &&
            (!best || beyond_base(s) * best->weight < beyond_base(best) * s->weight))
            best = s;
    }
    return best;
}
