/* instance_profile.h: the IAM instance profile of an instance: which it is, and the credentials
 * of the role in it, which the instance's metadata service hands out.
 *
 * Credentials are made when the edge is told of a running instance for the first time, and again
 * (a timer of the instance's) before they end; a role that can't be had is tried again every
 * PROFILE_RETRY_MS, as people mend roles while instances run.
 *
 * Owns: credentials, in memory only. Threads: state thread. Fails: with the call's fault. */
#pragma once

#include "ec2_instance.h"

#define PROFILE_RETRY_MS INT64_C(10000)

struct instance_profile {
    const char *arn, *id; /* NULL: none */
};
/* What a request names; may the caller pass its role? In the call's arena. */
int instance_profile_find(struct call *c,
                          const struct ec2_iam_instance_profile_specification *want,
                          struct instance_profile *ret);
/* From now on; both NULL: none. The record is the caller's to save, the edge to tell. */
void instance_profile_set(struct core *core, struct ec2_instance_object *i,
                          const struct instance_profile *p);

void instance_credentials_init(struct ec2_instance_object *i);
/* What its metadata shows; NULL: it has no profile, or nobody here knows roles. */
struct gantry_edge_credentials *
instance_credentials(struct core *core, const struct ec2_instance_object *i);
/* It does not run, or has another profile. */
void instance_credentials_forget(struct core *core, const struct ec2_instance_object *i);
/* And its memory goes. */
void instance_credentials_fini(struct core *core, struct ec2_instance_object *i);
