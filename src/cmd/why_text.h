/* why_text.h: why a task stopped or does not run, why a service is not steady, in sentences.
 *
 * From what ECS says of it now (an element of DescribeTasks or DescribeServices, NULL when
 * it is forgotten) and from its events, newest first. Pure; one sentence a line.
 *
 * Owns: nothing. Threads: any.
 * Fails: E_NOTFOUND when neither says anything. */
#pragma once

#include <jansson.h>

#include "error.h"
#include "str.h"

int why_task(const json_t *task, const json_t *events, struct str *out,
             struct error *err);
int why_service(const json_t *service, const json_t *events, struct str *out,
                struct error *err);
