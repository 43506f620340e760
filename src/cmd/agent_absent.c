/* Stands in until the agent is there; the build leaves it out then. */
#include "agent.h"

static int absent(struct error *err)
{
    return fail(err, E_UNSUPPORTED, "this build has no agent");
}

int agent_prepare(const struct agent_config *config, struct error *err)
{
    return 0;
}

int agent_run(const struct agent_config *config, struct error *err)
{
    return absent(err);
}

int agent_purge(const struct agent_config *config, struct error *err)
{
    return 0;
}

int agent_each_container(const char *data_dir,
                         int (*visit)(void *ctx, const struct agent_container *c,
                                      struct error *err),
                         void *ctx, struct error *err)
{
    return 0;
}

int agent_find_container(const char *data_dir, const char *task, const char *name,
                         struct arena *a, struct agent_container *ret, struct error *err)
{
    return absent(err);
}
