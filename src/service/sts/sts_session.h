/* sts_session.h: what the operations of STS that give out sessions have in common.
 *
 * Owns: nothing; texts lie in the call's arena. Threads: state thread.
 * Fails: with -1 after call_fault(). */
#pragma once

#include "call.h"
#include "gantry_api.h"
#include "iam.h"
#include "sts_api.h"

#define STS_ROLE_DEFAULT_S 3600

/* The query protocol's own fault, which no model names. */
extern const struct wire_fault sts_validation_fault;

/* AccessDenied, in these words. */
int sts_refuse(struct call *c, const char *text);

/* Makes the session; ret_packed (may be NULL) is how full its token is, in percent. */
int sts_issue(struct call *c, const struct gantry_iam_session_record *what,
              struct sts_credentials **ret, struct opt_int *ret_packed);
int sts_take_policies(struct call *c, const char *policy,
                      const struct sts_policy_descriptor_type_list *arns,
                      struct gantry_iam_session_record *rec);
struct sts_assumed_role_user *
sts_assumed_role(struct call *c, const struct iam_role_view *role, const char *name);
