/* account_settings.h: defaults that an account or one of its principals has set.
 *
 * A setting holds for a principal; the root user's hold for all who have none of their own,
 * and what nobody has set has a built-in value.
 *
 * Owns: see object.h. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

struct account_setting {
    struct object o;
    struct gantry_account_setting_record *rec;
};

/* What holds for the caller. */
const char *account_setting(struct call *c, enum ecs_setting_name name);
/* What holds for all of the account: for what happens without a caller. */
const char *account_default(struct core *core, const char *account, const char *region,
                            enum ecs_setting_name name);
