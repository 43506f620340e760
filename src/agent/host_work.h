/* host_work.h: the blocking work on the host, one function a step.
 *
 * Each can be repeated after a crash at any point inside it. Workers call them; what they
 * find out is returned in plain structs, and the loop takes it over.
 *
 * Owns: struct host the opened parts of src/host. Threads: any, one call a container at a
 * time (work_network may run beside work_image).
 * Fails: as the parts of src/host do; `ret_step` says which reason the failure gives. */
#pragma once

#include "agent.h"
#include "cgroup.h"
#include "image_store.h"
#include "net.h"
#include "reason.h"
#include "registry_client.h"
#include "runtime.h"
#include "task.h"

struct host {
    const struct agent_config *config;
    struct cgroups cgroups;
    struct runtime *runtime;
    struct net *net; /* NULL: no bridge on this machine; net_error says why */
    struct error net_error;
    struct registry_client *registry;
    struct image_store *images;
    char roots[256]; /* overlay.h's dir */
    int64_t nofile;  /* of a Fargate task: FARGATE_NOFILE, or what this machine allows */
};

int host_open(struct host *h, const struct agent_config *config, struct error *err);
void host_close(struct host *h);

/* The task's group with its limits. */
int work_task(struct host *h, const struct task *t, struct error *err);

struct image_result {
    struct image *image;
    char rootfs[CONTAINER_ROOT_SIZE];
};
/* The image is local, pinned for the container and mounted. auth may be NULL. */
int work_image(struct host *h, const struct container *c,
               const struct registry_auth *auth, struct image_result *ret,
               enum reason_step *ret_step, struct error *err);

/* Of a container with a network of its own (not awsvpc). Fills the host ports in. */
int work_network(struct host *h, const struct container *c, struct net_port *ports,
                 struct net_attachment *ret, enum reason_step *ret_step,
                 struct error *err);

struct create_request {
    const struct container *c;
    const struct image *image;
    const struct net_attachment *net;
    const char *rootfs;
    bool start;                /* and start it at once */
    const char *metadata_base; /* see metadata_base(); NULL: none */
    const char *credentials_uri; /* see metadata_credentials_uri(); NULL: none */
    bool credentials_full;
    const char *api_url; /* see api_endpoint_url(); NULL: none */
};
struct create_times { /* how long each part took, for the log */
    int64_t config_ns, create_ns, start_ns;
};
int work_create(struct host *h, const struct create_request *q,
                struct create_times *times, enum reason_step *ret_step,
                struct error *err);

/* A container that ended begins again: same configuration, root, network and log. What the
 * runtime still has of its last life is removed. */
int work_restart(struct host *h, const struct container *c, enum reason_step *ret_step,
                 struct error *err);

/* Nothing of the task is left on the host but its folder with logs and state. */
int work_clean(struct host *h, const struct task *t, struct error *err);

/* Removes everything of this run that belongs to no task of `known`. */
int work_sweep(struct host *h, bool (*known)(void *ctx, const char *container_id),
               bool (*known_task)(void *ctx, const char *task_id), void *ctx,
               struct error *err);
