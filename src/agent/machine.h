/* machine.h: what this machine is, as RegisterContainerInstance says it.
 * Owns: nothing; texts lie in the arena. Threads: any. Fails: never: unknown is left out. */
#pragma once

#include "agent.h"
#include "arena.h"
#include "ecs_api.h"

int64_t machine_cpu_units(void); /* 1024 a processor that this process may use */
int64_t machine_memory_mib(void);

/* Attributes, resources, versions; cluster and containerInstanceArn are the caller's. */
void machine_describe(struct arena *a, const struct agent_config *config,
                      struct ecs_register_container_instance_request *ret);
