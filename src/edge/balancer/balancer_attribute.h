/* balancer_attribute.h: attributes of load balancers, listeners and target groups, with AWS's
 * defaults where one was not said (elasticloadbalancingv2 API: LoadBalancerAttribute,
 * ListenerAttribute, TargetGroupAttribute).
 * Owns: nothing; texts are the caller's. Threads: any. Fails: never: what is not a number, or
 * out of range, counts as not said. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "elbv2_api.h"

const char *balancer_attribute(const struct elbv2_load_balancer_attribute_list *list,
                               const char *key, const char *fallback);
const char *listener_attribute(const struct elbv2_listener_attribute_list *list,
                               const char *key, const char *fallback);
const char *group_attribute(const struct elbv2_target_group_attribute_list *list,
                            const char *key, const char *fallback);
int64_t attribute_number(const char *value, int64_t min, int64_t max, int64_t fallback);
bool attribute_true(const char *value);
