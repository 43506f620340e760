/* imds.h: the instance metadata service: what EC2 instances ask at http://169.254.169.254.
 *
 * The address is one of the VPC's own namespace, as if it were outside of every instance: a
 * listener a VPC, there while an instance of it runs. Who asks is told by the address that the
 * connection comes from, which nobody else can have (router_rules.h, "sender"): an instance's
 * own interface, also for what runs on it behind its bridge, or the interface of an awsvpc task
 * on it. Others (Fargate tasks, load balancers) are not answered: their connections are closed.
 *
 * A session's token goes back in packets with HttpPutResponseHopLimit hops to live, so with 1
 * it dies at the instance when a container behind the instance's bridge has asked; a task with
 * an interface of its own is one hop away like its instance.
 *
 * Every instance may ask IMDS_RATE times a second, twice as often at once.
 *
 * Owns: listeners, a copy of what instances are; credentials are in memory only and in no log.
 * Threads: the loop's. Fails: never: a VPC that is not there yet is tried again. */
#pragma once

#include <uv.h>

#include "arena.h"
#include "gantry_api.h"
#include "local_server.h"
#include "vpc.h"

#define IMDS_RATE        100
#define IMDS_RETRY_MS    200
#define IMDS_CONNECTIONS 512 /* of a VPC */

struct imds;

struct imds *imds_new(uv_loop_t *loop, const struct vpc_place *place);
/* Level-triggered, as router.h. An instance that does not run has no metadata. NULL allowed. */
void imds_begin(struct imds *m);
void imds_instance(struct imds *m, const struct gantry_edge_instance *instance);
void imds_instance_gone(struct imds *m, const char *instance_id);
void imds_interface(struct imds *m, const struct gantry_edge_interface *i);
void imds_interface_gone(struct imds *m, const char *interface_id);
void imds_settled(struct imds *m);
void imds_free(struct imds *m); /* then run the loop; NULL allowed */

/* ---- tokens (imds_token.c); pure ---- */

#define IMDS_TTL_MAX_S  21600
#define IMDS_TOKEN_SIZE 80 /* with NUL */

struct imds_key {
    unsigned char v[32];
};
/* A token tells until when it is valid and for which instance; only who has the key can make
 * one. Nothing of it is remembered, so there is no number of them. */
void imds_token_make(const struct imds_key *key, const char *instance_id, int64_t until_s,
                     char ret[IMDS_TOKEN_SIZE]);
bool imds_token_valid(const struct imds_key *key, const char *instance_id,
                      const char *token, int64_t now_s);

/* ---- answers (imds_document.c); pure ---- */

enum imds_found { IMDS_NOTHING, IMDS_VALUE, IMDS_LISTING };

/* What `path` (behind the version: "meta-data/iam/info") says of the instance; text and length
 * lie in the arena. */
enum imds_found imds_find(struct arena *a, const struct gantry_edge_instance *i,
                          const char *path, const char **ret, size_t *ret_len);

struct imds_answer {
    int status;
    const char *type, *headers; /* headers NULL: none */
    const char *body;
    size_t len;
    int hops; /* 0: as usual */
};
/* The whole service but for the network and the rate. */
void imds_answer(struct arena *a, const struct gantry_edge_instance *i,
                 const struct imds_key *key, const struct local_request *q, int64_t now_s,
                 struct imds_answer *ret);
