/* names.h: which names the objects of a message have.
 *
 * A balancer's DNS name leads to the public addresses of its interfaces when it is
 * internet-facing, else to the private ones. Private names of interfaces are made of their
 * addresses (resolver_domain()), so only the VPC's domain has to be known.
 *
 * Owns: nothing. Threads: the resolver's caller. Fails: never. */
#pragma once

#include "gantry_api.h"
#include "resolver.h"

void names_of_balancer(struct resolver *r, const struct gantry_edge_balancer *b);
void names_of_balancer_gone(struct resolver *r, const char *arn);
void names_of_vpc(struct resolver *r, const struct gantry_edge_vpc *v);
