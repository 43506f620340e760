/* registry_token.h: the passwords for gantry's own registry.
 *
 * An agent asks ECR's GetAuthorizationToken with the credentials of the task's execution role, or
 * of its instance for a task without one, and keeps the token until half an hour before its end.
 * While the server doesn't answer it asks again for some seconds, as a pull does, too. Without a
 * token, pulls are tried anonymously.
 * Owns: engine.tokens, one a role. Threads: the loop's. Fails: never; it is logged. */
#pragma once

#include <stdbool.h>

#include "engine.h"

#define REGISTRY_TOKENS_MAX 256 /* roles; those that nobody asked for longest go first */

/* Is a token needed for this image and still to come? Then it is asked for, and
 * engine_advance_all() is called when the answer is there. t NULL: for nobody's task. */
bool registry_token_awaited(struct engine *e, const struct task *t, const char *image);
/* NULL: not our registry, or no token to be had. */
const char *registry_token_for(struct engine *e, const struct task *t, const char *image);
void registry_tokens_fini(struct engine *e); /* after its handles are closed */

/* Pure: does the image's name stand for the registry at this URL? */
bool registry_is_own(const char *image, const char *url);
