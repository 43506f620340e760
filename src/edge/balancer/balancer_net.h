/* balancer_net.h: a load balancer's network namespace: its interfaces as eth0, eth1, …, each
 * address answering through its own, and every port free for a user without rights.
 * Owns: the namespace at `path`. Threads: any; blocks for milliseconds. Every call may be
 * repeated. Fails: as vpc.h and netns.h; E_AGAIN rules of an interface are not in force yet. */
#pragma once

#include "error.h"
#include "gantry_api.h"
#include "vpc.h"

int balancer_net_make(const struct vpc_place *place, const char *path,
                      const struct gantry_edge_interface_list *interfaces,
                      struct error *err);
void balancer_net_remove(const struct vpc_place *place, const char *path,
                         const struct gantry_edge_interface_list *interfaces);
