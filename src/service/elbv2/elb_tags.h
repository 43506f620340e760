/* elb_tags.h: tags of ELB's resources. Owns: nothing. Threads: state thread.
 * Fails: with the call's fault and -1. */
#pragma once

#include "elbv2_state.h"

#define ELB_TAGS_MAX 50

int elb_tags_check(struct call *c, const struct elbv2_tag_list *tags);
void elb_tags_merge(struct arena *a, struct elbv2_tag_list *into,
                    const struct elbv2_tag_list *from);
