/* registry_token.h: the password for gantry's own registry.
 *
 * An agent asks ECR's GetAuthorizationToken with its instance's credentials and keeps the
 * token until half an hour before its end. While the server doesn't answer it asks again for
 * some seconds, as a pull does, too. Without a token, pulls are tried anonymously.
 * Owns: engine.token. Threads: the loop's. Fails: never; it is logged. */
#pragma once

#include <stdbool.h>

#include "engine.h"

void registry_token_init(struct engine *e);
/* Is a token needed for this image and still to come? Then it is asked for, and
 * engine_advance_all() is called when the answer is there. */
bool registry_token_awaited(struct engine *e, const char *image);
/* NULL: not our registry, or no token to be had. */
const char *registry_token_for(struct engine *e, const char *image);

/* Pure: does the image's name stand for the registry at this URL? */
bool registry_is_own(const char *image, const char *url);
