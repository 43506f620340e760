/* policy_page.h: may this user or role do that, and which statement says so?
 *
 *   GET /gantry/v1/policy?principal=ARN&action=ecs:RunTask[&resource=ARN][&key=name=value]…
 *
 * Signed by who may iam:SimulatePrincipalPolicy. The answer is JSON: decision ("allowed",
 * "explicitDeny", "implicitDeny"), by (kind of policy), policy (name or ARN), sid, statement,
 * message (as a denied caller would read it). Members are null when they say nothing.
 *
 * Owns: nothing. Threads: I/O threads. Fails: by HTTP status and a line of text. */
#pragma once

#include "server_private.h"

#define POLICY_PATH "/gantry/v1/policy"
void policy_page_open(struct server *s, struct http_request *req);
