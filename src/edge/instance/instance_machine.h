/* instance_machine.h: one EC2 instance on this machine: its boot, its power cut, and what is
 * left of it. instances.c decides which of them when.
 *
 *   <run_dir>/<id>/net       its network namespace, pinned
 *   <run_dir>/<id>/boot      the generation that runs; appears when all else is made
 *   <run_dir>/<id>/run       the agent's run directory
 *   <dir>/<id>/data          the agent's data directory; the instance's disk
 *   <dir>/<id>/agent.log     what the agent says
 *   gantry-<run>-<id>        its cgroup, sized by its type, with the agent and all tasks
 *
 * Owns: all of that. Threads: one; blocks for milliseconds, a power cut for seconds at worst.
 * Fails: E_NOTFOUND its VPC is not here yet, E_TIMEOUT its rules are not yet in force, E_IO …
 * Every call may be repeated, also after a crash in the midst of it. */
#pragma once

#include <sys/types.h>

#include "instances.h"
#include "str.h"

/* Memory of an instance that is its own system's: not offered to tasks. */
#define INSTANCE_SYSTEM_MIB 64

struct instance_place {
    const struct instances_config *config;
    const char *id;
};

/* The generation that was booted; 0: it is off. */
int64_t machine_booted(const struct instance_place *p);
/* Everything up to the agent's process; console gets what a reader should know. */
int machine_boot(const struct instance_place *p, const struct gantry_edge_instance *want,
                 struct str *console, struct error *err);
/* The agent's pid, 0 when none runs. */
pid_t machine_agent(const struct instance_place *p);
/* A process of the agent's own, in an instance that was booted. */
int machine_start_agent(const struct instance_place *p,
                        const struct gantry_edge_instance *want, struct str *console,
                        struct error *err);
/* Everything that runs ends at once; the disk stays. */
int machine_power_off(const struct instance_place *p, struct error *err);
/* Off, and the disk away. */
int machine_destroy(const struct instance_place *p, struct error *err);
