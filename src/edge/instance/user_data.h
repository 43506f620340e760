/* user_data.h: what an instance's user data says to the ECS agent. Pure.
 *
 * On EC2 a script would run; here nothing of it is run. Understood are the ways in which people
 * write /etc/ecs/ecs.config: `echo NAME=VALUE >> …`, here-documents, cloud-config's
 * write_files, several of these in a MIME message. Everything else becomes a note, which the
 * instance's console log shows.
 *
 * Owns: nothing; results lie in the arena. Threads: any. Fails: never: what is not understood
 * is noted. */
#pragma once

#include "arena.h"
#include "wire.h"

struct user_data {
    struct string_map settings; /* ECS_CLUSTER …; the last assignment counts */
    struct string_list notes;
};

/* `base64` as RunInstances has it; NULL: none. */
void user_data_parse(struct arena *a, const char *base64, struct user_data *ret);
/* NULL: not said. */
const char *user_data_setting(const struct user_data *u, const char *name);

/* Arguments of `gantry agent` for the settings, appended; notes for those that it does not
 * know. */
void user_data_arguments(struct arena *a, struct user_data *u, struct string_list *ret);
