/* shared_dirs.h: the directories below which this run mounts things that every process of
 * it must see (see cgroup_prepare_namespace). Pure. */
#pragma once

#include "agent.h"

/* NULL-ended. */
void shared_dirs(const struct agent_config *config, const char *ret[static 3]);
