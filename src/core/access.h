/* access.h: may the caller do this, to that?
 *
 * Before an operation runs, call_run() asks. What is asked comes from the operation's row
 * (IAM action, resource types, condition keys) and from its service's `struct
 * access_service`: how each resource type's ARN is made of the request. Most need no code,
 * only a pattern:
 *
 *   {"service", "arn:aws:ecs:{region}:{account}:service/{cluster=default}/{service|services}"}
 *
 * `{a|b}` is the first of the request's members (by wire name, "a.b" for nested ones, "" in
 * `{}` never) that is there; a list asks once for each of its elements. `=text` stands in
 * when none is. A member that holds an ARN stands for the whole pattern when it is the last
 * in it, and for the ARN's last part otherwise; `{region}` and `{account}` are the call's.
 * When the last member is missing and has no default, the resource is "*".
 *
 * Who decides is set once, by service/iam (the judge); without one everything is allowed.
 * Operations that find out only on their way what they touch (iam:PassRole, the members of a
 * batch) ask the judge themselves, by access_check().
 *
 * Owns: nothing; texts lie in the call's arena or are static. Threads: state thread.
 * Fails: with the fault of the service's protocol for a denial, by call_fault(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "policy.h"

struct call;
struct core;
struct arena;

struct access_rule {
    const char *name;    /* resource type as the row names it, or a condition key */
    const char *pattern; /* NULL behind the last row */
};

struct access_service {
    const struct access_rule *resources;
    const struct access_rule *keys; /* "ecs:cluster": pattern; NULL: none */
    /* Tag `key` of the resource, NULL when it has none or is not there. May be NULL. */
    const char *(*tag)(struct call *, const char *arn, const char *key);
    /* The resource's own policy. NULL when it has none. May be NULL. */
    const struct policy_source *(*policy)(struct call *, const char *arn);
    /* Condition keys that no pattern can tell; false: not one of ours. May be NULL. */
    bool (*key)(struct call *, const char *arn, const char *key,
                struct policy_values *ret);
    /* For operations whose resources no pattern can tell: asks access_check() as often as it
     * needs. Returns 1 when the operation is not such a one. May be NULL. */
    int (*ask)(struct call *, const void *in);
};

struct access_value {
    const char *key; /* "iam:PassedToService", any case */
    struct policy_values values;
};

/* One question. What is not given here (aws:SourceIp, aws:PrincipalTag/…, request tags) is
 * found in the call. */
struct access {
    const char *action;
    const char *resource;         /* ARN or "*" */
    const char *resource_account; /* NULL: as the ARN says, or the caller's */
    const struct policy_source *resource_policy; /* NULL: access_service.policy is asked */
    const struct access_value *values;
    size_t value_count;
};

/* 0, or <0 after call_fault(). */
int access_check(struct call *call, const struct access *question);

/* As access_check(), but no fault is set: for lists that leave out what may not be seen. */
bool access_allowed(struct call *call, const struct access *question);

/* What call_run() does: all questions of the call's row. */
int access_check_row(struct call *call);

/* The judge: fills *ret and returns true when it is allowed. */
typedef bool access_judge(struct call *call, const struct access *question,
                          struct policy_decision *ret);
void core_set_judge(struct core *core, access_judge *judge);
