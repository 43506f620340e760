/* task_wiring.h: a task's own network interface (mode awsvpc) on this machine.
 *
 * The task's namespace has two ends: eth0 is the interface that the server made in a VPC
 * (vpc.h wires it to the VPC's namespace), ecs-eth0 a leg on this run's bridge by which
 * only 169.254.170.2 is reached (net.h). Both go with the namespace, so what a crash leaves
 * is found under the task's id in net.h, like every attachment.
 *
 * Owns: both ends. Threads: workers. Every call may be repeated.
 * Fails: E_AGAIN the VPC is not here yet, or its rules for the interface are not in force;
 * E_UNSUPPORTED no VPC can be here, or the server sent no interface. */
#pragma once

#include "host_work.h"

/* Waits a moment at most; ask again on E_AGAIN. */
int task_wiring_attach(struct host *h, const struct gantry_host_task *t,
                          struct net_attachment *ret, struct error *err);
int task_wiring_detach(struct host *h, const struct gantry_host_task *t,
                          struct error *err);
/* What went through the task's network, whatever its mode; the sum of its containers where
 * each has its own. E_NOTFOUND modes host and none, and before it is there. */
int task_network_stats(struct host *h, const struct gantry_host_task *t,
                       struct net_stats *ret, struct error *err);
