/* ec2_tags.h: tags of EC2's resources: at creation (TagSpecifications) and later.
 *
 * Owns: nothing. Threads: state thread. Fails: with the call's fault and -1. */
#pragma once

#include "ec2_state.h"

#define EC2_TAGS_MAX 50

/* The tags for this type ("vpc") of a request; faults what tags may not be, and types that
 * the operation does not make (`types`: NULL-ended, the first is ours). */
int ec2_tags_given(struct call *c, const struct ec2_tag_specification_list *specs,
                   const char *const *types);
int ec2_tags_check(struct call *c, const struct ec2_tag_list *tags);
/* Those of one type, copied. */
void ec2_tags_take(struct arena *a, const struct ec2_tag_specification_list *specs,
                   const char *type, struct ec2_tag_list *ret);
void ec2_tags_merge(struct arena *a, struct ec2_tag_list *into,
                    const struct ec2_tag_list *from);
