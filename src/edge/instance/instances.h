/* instances.h: EC2 instances on this machine. An instance is a network namespace with its
 * interface as eth0, a cgroup of its type's size, and an agent process in both.
 *
 * Level-triggered like router.h, by instanceId, `state` (running, stopped, terminated) and
 * `generation`, which counts starts and reboots: a higher one means a new boot. Stopping
 * kills everything in the cgroup at once, as a power cut would; data stays until it is
 * terminated. An agent that dies is started again.
 *
 * Owns: <dir>/<instance id>/, namespaces, cgroups, agent processes.
 * Threads: one caller; own threads; `state` comes on them. Fails: instances_new(). */
#pragma once

#include "error.h"
#include "gantry_api.h"
#include "vpc.h"

struct instances;

struct instances_config {
    const char *dir, *run_dir; /* <data_dir>/instances, <run_dir>/instances */
    const char *run;
    struct vpc_place place;
    const char *server_url; /* as an instance reaches it: router.h's SERVICE_ADDRESS */
    void (*state)(void *ctx, const struct gantry_edge_instance_state *s);
    void *ctx;
};

int instances_new(const struct instances_config *config, struct instances **ret,
                  struct error *err);
void instances_begin(struct instances *i);
void instances_instance(struct instances *i, const struct gantry_edge_instance *instance);
void instances_instance_gone(struct instances *i, const char *instance_id);
void instances_settled(struct instances *i);
void instances_free(struct instances *i); /* agents go on and are adopted */
int instances_purge(const struct instances_config *config, struct error *err);
