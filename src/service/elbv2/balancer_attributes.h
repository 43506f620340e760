/* balancer_attributes.h: attributes of load balancers. Owns: nothing. Threads: state thread.
 * Fails: lookups return NULL. */
#pragma once

#include "elbv2_state.h"

const char *balancer_setting(const struct balancer *b, const char *key);
/* All with their defaults. */
void balancer_attributes_init(struct balancer *b);
