/* host_room.h: what this host still has for tasks. Pure.
 *
 * The server places tasks by the same numbers, but it frees a task's share when it hears
 * of the end; here a share is free when the task is cleaned up. So a task may have to
 * wait for room although the server was right to send it.
 *
 * Need of a task: cpu is the task's, else the sum of its containers'; memory the task's,
 * else the sum of memoryReservation or memory; ports are fixed host ports.
 * Owns: nothing but the two bitmaps inside. Threads: the owner's. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "ecs_api.h"

struct port_set {
    uint64_t bits[65536 / 64];
};

struct host_room {
    int64_t cpu_units, memory_mib; /* all there is */
    int64_t cpu_used, memory_used;
    struct port_set tcp, udp;
};

struct task_need {
    int64_t cpu_units, memory_mib;
    const uint16_t *tcp, *udp;
    size_t tcp_count, udp_count;
};

/* `overrides` may be NULL. */
void task_need_of(struct arena *a, const struct ecs_task_definition *def,
                  const struct ecs_task_override *overrides, struct task_need *ret);
bool host_room_fits(const struct host_room *room, const struct task_need *need);
void host_room_take(struct host_room *room, const struct task_need *need);
void host_room_give_back(struct host_room *room, const struct task_need *need);

/* The container's override by name, or NULL. */
const struct ecs_container_override *
container_override_find(const struct ecs_task_override *overrides, const char *name);
/* "1024" → 1024; 0 when absent or not a number. */
int64_t task_size_parse(const char *text);
