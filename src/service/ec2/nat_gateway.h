/* nat_gateway.h: NAT gateways: where subnets without public addresses reach the outside.
 *
 * One has an interface in its subnet and an elastic address. A deleted or failed one has
 * neither and is no part of its VPC any more, but is shown for an hour.
 *
 * Owns: NAT gateways, in the table. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "ec2_state.h"

#define NAT_GATEWAY_SHOWN_MS INT64_C(3600000)

struct nat_gateway *nat_gateway_find(struct core *core, const struct ec2_scope *s,
                                     const char *id);
/* Pending, and part of the VPC; the caller fills in the rest and saves. */
struct nat_gateway *nat_gateway_new(struct core *core, const struct subnet *subnet);
/* It is no more: its routes lead nowhere, its interface goes, its address is free for
 * another. `state` is deleted or failed. */
void nat_gateway_end(struct core *core, struct nat_gateway *n,
                     enum ec2_nat_gateway_state state);
