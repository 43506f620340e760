#include "resources.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"

static const char *const reason_texts[PLACE_REASON_COUNT] = {
    [PLACE_OK] = "",
    [PLACE_INACTIVE] = "INACTIVE",
    [PLACE_AGENT] = "AGENT",
    [PLACE_CPU] = "RESOURCE:CPU",
    [PLACE_MEMORY] = "RESOURCE:MEMORY",
    [PLACE_PORTS] = "RESOURCE:PORTS",
    [PLACE_PORTS_UDP] = "RESOURCE:PORTS_UDP",
    [PLACE_ENI] = "RESOURCE:ENI",
    [PLACE_GPU] = "RESOURCE:GPU",
    [PLACE_ATTRIBUTE] = "ATTRIBUTE",
    [PLACE_LOCATION] = "LOCATION",
    [PLACE_MEMBER_OF] = "MemberOf placement constraint unsatisfied.",
    [PLACE_DISTINCT_INSTANCE] = "DistinctInstance placement constraint unsatisfied.",
};

const char *place_reason_text(enum place_reason reason)
{
    if ((unsigned)reason >= PLACE_REASON_COUNT)
        return "UNKNOWN";
    return reason_texts[reason];
}

void port_set_free(struct port_set *set)
{
    free(set->v);
    *set = (struct port_set){0};
}

/* The first position whose port is not below `port`. */
static uint32_t lower_bound(const struct port_set *set, uint16_t port)
{
    uint32_t lo = 0, hi = set->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (set->v[mid] < port)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void port_set_add(struct port_set *set, uint16_t port)
{
    if (set->n == set->cap) {
        set->cap = set->cap ? set->cap * 2 : 8;
        set->v = xrealloc(set->v, set->cap * sizeof(*set->v));
    }
    uint32_t at = lower_bound(set, port);
    memmove(set->v + at + 1, set->v + at, (set->n - at) * sizeof(*set->v));
    set->v[at] = port;
    set->n++;
}

bool port_set_has(const struct port_set *set, uint16_t port)
{
    uint32_t at = lower_bound(set, port);
    return at < set->n && set->v[at] == port;
}

bool port_set_remove(struct port_set *set, uint16_t port)
{
    uint32_t at = lower_bound(set, port);
    if (at == set->n || set->v[at] != port)
        return false;
    set->n--;
    memmove(set->v + at, set->v + at + 1, (set->n - at) * sizeof(*set->v));
    return true;
}

bool port_set_meets(const struct port_set *a, const struct port_set *b)
{
    const struct port_set *few = a->n < b->n ? a : b, *many = few == a ? b : a;
    for (uint32_t i = 0; i < few->n; i++)
        if (port_set_has(many, few->v[i]))
            return true;
    return false;
}

void place_resources_free(struct place_resources *r)
{
    port_set_free(&r->tcp);
    port_set_free(&r->udp);
    *r = (struct place_resources){0};
}

enum place_reason place_resources_fit(const struct place_resources *total,
                                      const struct place_resources *used,
                                      const struct place_resources *need)
{
    /* A need of nothing always fits, even where tasks were forced beyond the total. */
    if (need->cpu > 0 && need->cpu > total->cpu - used->cpu)
        return PLACE_CPU;
    if (need->memory_mib > 0 && need->memory_mib > total->memory_mib - used->memory_mib)
        return PLACE_MEMORY;
    if (port_set_meets(&total->tcp, &need->tcp) || port_set_meets(&used->tcp, &need->tcp))
        return PLACE_PORTS;
    if (port_set_meets(&total->udp, &need->udp) || port_set_meets(&used->udp, &need->udp))
        return PLACE_PORTS_UDP;
    if (need->enis > 0 && total->enis > 0 && need->enis > total->enis - used->enis)
        return PLACE_ENI;
    if (need->gpus > 0 && need->gpus > total->gpus - used->gpus)
        return PLACE_GPU;
    return PLACE_OK;
}

void place_resources_take(struct place_resources *used,
                          const struct place_resources *need)
{
    used->cpu += need->cpu;
    used->memory_mib += need->memory_mib;
    used->gpus += need->gpus;
    used->enis += need->enis;
    for (uint32_t i = 0; i < need->tcp.n; i++)
        port_set_add(&used->tcp, need->tcp.v[i]);
    for (uint32_t i = 0; i < need->udp.n; i++)
        port_set_add(&used->udp, need->udp.v[i]);
}

void place_resources_give(struct place_resources *used,
                          const struct place_resources *need)
{
    used->cpu -= need->cpu;
    used->memory_mib -= need->memory_mib;
    used->gpus -= need->gpus;
    used->enis -= need->enis;
    for (uint32_t i = 0; i < need->tcp.n; i++)
        port_set_remove(&used->tcp, need->tcp.v[i]);
    for (uint32_t i = 0; i < need->udp.n; i++)
        port_set_remove(&used->udp, need->udp.v[i]);
}
