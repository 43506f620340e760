/* resources.h: amounts of what a task needs and an instance offers.
 *
 * CPU in units (1024 a vCPU), memory in MiB, host ports by protocol, GPUs and network
 * interfaces by count. Dynamic host ports are not accounted here: the agent picks them.
 *
 * Owns: a port set owns its array until port_set_free(); everything else is plain values.
 * Threads: one at a time. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why an instance can't take a task, in the order in which ECS looks. */
enum place_reason {
    PLACE_OK,
    PLACE_INACTIVE, /* not ACTIVE: DRAINING, DEREGISTERING, … */
    PLACE_AGENT,    /* the agent is disconnected */
    PLACE_CPU,
    PLACE_MEMORY,
    PLACE_PORTS,
    PLACE_PORTS_UDP,
    PLACE_ENI,
    PLACE_GPU,
    PLACE_ATTRIBUTE,
    PLACE_LOCATION, /* no subnet of the task lies in the instance's zone */
    PLACE_MEMBER_OF,
    PLACE_DISTINCT_INSTANCE,
    PLACE_REASON_COUNT,
};

/* "RESOURCE:CPU", "AGENT", …: the `reason` of an API failure. Static text. */
const char *place_reason_text(enum place_reason reason);

/* Sorted ports. The same port may be in it twice (two tasks that were forced onto one
 * instance), so that giving back one use leaves the other. */
struct port_set {
    uint16_t *v;
    uint32_t n, cap;
};

void port_set_free(struct port_set *set);
void port_set_add(struct port_set *set, uint16_t port);
bool port_set_remove(struct port_set *set, uint16_t port); /* false: it was not there */
bool port_set_has(const struct port_set *set, uint16_t port);
bool port_set_meets(const struct port_set *a,
                    const struct port_set *b); /* share a port */

struct place_resources {
    int64_t cpu;        /* units */
    int64_t memory_mib; /* MiB */
    int32_t gpus;
    int32_t enis;
    struct port_set tcp, udp; /* a need: host ports wanted; an offer: ports in use */
};

void place_resources_free(struct place_resources *r);

/* Does `need` fit beside `used` in `total`? Ports of `total` are those that the host
 * keeps for itself. An offer without interfaces (total->enis 0) is without that limit:
 * how many a host can take is known to the agent that attaches them. Returns PLACE_OK or
 * one of PLACE_CPU … PLACE_GPU. */
enum place_reason place_resources_fit(const struct place_resources *total,
                                      const struct place_resources *used,
                                      const struct place_resources *need);
void place_resources_take(struct place_resources *used,
                          const struct place_resources *need);
void place_resources_give(struct place_resources *used,
                          const struct place_resources *need);
