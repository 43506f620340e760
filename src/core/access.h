/* access.h: may the caller do this, to that?
 *
 * Before an operation runs, call_run() asks. What is asked comes from the operation's row
 * (IAM action, resource types, condition keys) and from its service's `struct
 * access_service`: how each resource type's ARN is made of the request. Most need no code,
 * only a pattern:
 *
 *   {"service", "arn:aws:ecs:{region}:{account}:service/{cluster=default}/{service|services}"}
 *
 * `{a|b}` is the first of the request's members (by the model's names, "a.b" for nested
 * ones) that is there; when it is the last in the pattern, a list asks once for each of its
 * elements, and an element that is an ARN stands for the whole pattern. Anywhere else an ARN
 * stands for its last part. `{region}` and `{account}` are the call's. `=text` stands in when
 * no member is there; `+text` does, too, but only for operations that make the thing
 * (CreateVpc: "vpc/{VpcId+*}"). A type whose last member is missing without such a text is
 * not asked for; when none of the row's types is, the resource is "*".
 *
 * Who decides is set once, by service/iam (the judge); without one everything is allowed.
 * Operations that find out only on their way what they touch (iam:PassRole, the members of a
 * batch) ask by access_check() themselves, before they change anything.
 *
 * Owns: nothing; texts lie in the call's arena or are static. Threads: state thread.
 * Fails: with the fault of the service's protocol for a denial, by call_fault(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "policy.h"

struct arena;
struct call;
struct core;
struct identity;

struct access_rule {
    const char *name;    /* resource type as the row names it, or a condition key */
    const char *pattern; /* NULL behind the last row */
};

/* A role that the request hands to a service: iam:PassRole is asked, after the row. */
struct access_pass {
    const char *pattern; /* of the role's ARN; NULL behind the last row */
    const char *service; /* iam:PassedToService */
};

struct access_service {
    const struct access_rule *resources;
    const struct access_pass *passes; /* NULL: none */
    const struct access_rule *keys; /* "ecs:cluster": pattern; NULL: none */
    /* The ARN as policies know it: with an IAM path, a task definition's revision. Returns
     * `arn` itself when there is nothing to add or no such thing. May be NULL. */
    const char *(*resolve)(struct call *, const char *type, const char *arn);
    /* Tag `key` of the resource, NULL when it has none or is not there. May be NULL. */
    const char *(*tag)(struct call *, const char *arn, const char *key);
    /* The resource's own policy. NULL when it has none. May be NULL. */
    const struct policy_source *(*policy)(struct core *, const char *arn);
    /* Condition keys that no pattern can tell, named in lower case; false: the request has
     * no such key. May be NULL. */
    bool (*key)(struct call *, const char *arn, const char *key,
                struct policy_values *ret);
    /* For operations whose questions no pattern can tell: asks access_check() as often as it
     * needs and returns 0, or <0 when that did; 1: not such an operation. May be NULL. */
    int (*ask)(struct call *, const void *in);
};

struct access_value {
    const char *key; /* "iam:PassedToService", any case */
    struct policy_values values;
};

/* One question. What is not given here (aws:SourceIp, request tags) is found in the call. */
struct access {
    const char *action;
    const char *resource;         /* ARN or "*" */
    const char *resource_account; /* NULL: as the ARN says, or the caller's */
    const struct policy_source *resource_policy; /* NULL: access_service.policy is asked */
    bool must_be_trusted; /* the resource's policy itself must allow: sts:AssumeRole */
    bool anywhere;        /* is it allowed for any resource at all? `resource` is "*" */
    const struct access_value *values;
    size_t value_count;
};

#define ACCESS_ONE(text)                                                                 \
    {                                                                                    \
        .v = (const char *const[]){text}, .n = 1                                         \
    }

/* 0, or <0 after call_fault(). */
int access_check(struct call *call, const struct access *question);

/* What call_run() does: all questions of the call's row. */
int access_check_row(struct call *call);

/* For what is no API call, or may be denied without a fault. `call` may be NULL. When it
 * is denied and ret_text is not NULL, *ret_text is AWS's sentence, in the arena. */
bool access_permits(struct core *core, struct arena *a, const struct identity *who,
                    struct call *call, const struct access *question,
                    const char **ret_text);

/* As access_permits(), and what decided; fills question->resource_policy. Without a judge
 * everything is allowed, by root. */
bool access_decide(struct core *core, struct arena *a, const struct identity *who,
                   struct call *call, struct access *question,
                   struct policy_decision *ret);
/* AWS's sentence about a denial, in the arena. */
const char *access_sentence(struct arena *a, const struct identity *who,
                            const struct access *question,
                            const struct policy_decision *decision);

/* ---- the judge ---- */

struct access_judge {
    /* Fills *ret; true: allowed. */
    bool (*decide)(struct core *, const struct identity *, const struct access *,
                   const struct policy_context *, struct policy_decision *ret);
    /* Keys about the caller: aws:PrincipalArn, aws:userid, … */
    bool (*key)(struct core *, struct arena *, const struct identity *, const char *key,
                struct policy_values *ret);
};
void core_set_judge(struct core *core, const struct access_judge *judge);

/* ---- access_pattern.c ---- */

/* Expands a pattern for the call; resources into *ret (at most one without a list). */
size_t access_pattern_expand(struct call *call, const char *pattern,
                             const char *const **ret);
