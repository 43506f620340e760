/* web_fetch.h: asks identity providers for what they publish (sts.h: struct sts_web).
 *
 * Owns: an HTTP client, made when the first is asked. Threads: web_fetch_new() and free as
 * the server starts and ends, the rest workers. Fails: see sts.h. */
#pragma once

#include "sts.h"

struct web_fetch;

struct web_fetch *web_fetch_new(void);
const struct sts_web *web_fetch_web(struct web_fetch *f);
/* Ends what is under way. NULL allowed. */
void web_fetch_stop(struct web_fetch *f);
/* After the workers ended. NULL allowed. */
void web_fetch_free(struct web_fetch *f);
