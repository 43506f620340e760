/* query.h: the cluster query language of Amazon ECS.
 *
 * An expression (memberOf constraints, the filter of ListContainerInstances) is compiled
 * once into a small program and then asked about many instances.
 *   expr    := and ( ("or" | "||") and )*
 *   and     := unary ( ("and" | "&&") unary )*
 *   unary   := ("not" | "!") unary | "(" expr ")" | subject operator [argument]
 *   subject := attribute:NAME | agentConnected | agentVersion | ec2InstanceId
 *              | registeredAt | runningTasksCount | task:group
 * Rules that AWS leaves open: "and" binds tighter than "or"; a negated operator (!=,
 * !exists, not_in, !~) holds for an instance that lacks the attribute, every other
 * operator does not. Regular expressions are POSIX extended, matched against the whole
 * value; of Java's syntax \d \w \s (and capitals) and non-capturing groups are
 * translated, look-around, back references and lazy quantifiers are refused.
 *
 * Owns: a compiled query owns its memory until query_free().
 * Threads: a query may be asked from one thread at a time.
 * Fails: query_compile() with E_INVALID (text names the place) or E_LIMIT (length, terms,
 * depth, size of a regular expression). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define QUERY_MAX_LENGTH 2000 /* characters (API reference, PlacementConstraint) */
#define QUERY_MAX_TERMS  256
#define QUERY_MAX_DEPTH  32

struct query;

/* What is asked about. The strings stay the caller's. */
struct query_subject {
    /* The value of an attribute, NULL when the instance lacks it, "" when it has it
     * without a value. */
    const char *(*attribute)(const void *ctx, const char *name);
    /* Calls `visit` for every group on the instance until it returns true; true if one
     * did. NULL: no groups. */
    bool (*any_group)(const void *ctx, bool (*visit)(void *arg, const char *group),
                      void *arg);
    const void *ctx;
    bool agent_connected;
    const char *agent_version;   /* "1.105.1"; NULL unknown */
    const char *ec2_instance_id; /* NULL: none */
    int64_t registered_at_ms;
    int64_t running_tasks;
};

int query_compile(const char *text, struct query **ret, struct error *err);
bool query_matches(const struct query *q, const struct query_subject *subject);
void query_free(struct query *q);
