/* query_program.h: a compiled query. Private to src/place.
 *
 * A tree of nodes in one arena; depth is bounded by QUERY_MAX_DEPTH, so walking it may
 * recurse. */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "query.h"

enum query_node_kind { QUERY_AND, QUERY_OR, QUERY_NOT, QUERY_TERM };

enum query_subject_kind {
    SUBJECT_ATTRIBUTE,
    SUBJECT_AGENT_CONNECTED,
    SUBJECT_AGENT_VERSION,
    SUBJECT_EC2_INSTANCE_ID,
    SUBJECT_REGISTERED_AT,
    SUBJECT_RUNNING_TASKS,
    SUBJECT_TASK_GROUP,
};

enum query_operator {
    OP_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_EXISTS,
    OP_IN,
    OP_MATCHES,
};

struct query_term {
    enum query_subject_kind subject;
    enum query_operator op;
    bool negated; /* !=, !exists, not_in, !~: the opposite, also of "lacks it" */
    const char *attribute;
    const char *const *args; /* literals; one but for OP_IN */
    size_t arg_count;
    int64_t number; /* the argument as number or ms, where the subject is one */
    const regex_t *regex;
};

struct query_node {
    enum query_node_kind kind;
    const struct query_node *left, *right;
    struct query_term term;
};

struct query_regex {
    regex_t compiled;
    struct query_regex *next;
};

struct query {
    struct arena arena;
    const struct query_node *root;
    struct query_regex *regexes; /* to be freed one by one */
    uint64_t signature;          /* of its text: equal ones ask the same */
    bool attributes_only;        /* no term asks for anything but attributes */
};

/* query_regex.c: compiles a Java pattern as POSIX extended, bound to the whole text. */
int query_regex_compile(struct query *q, const char *java, const regex_t **ret,
                        struct error *err);

/* Does a term ask for this attribute? */
bool query_asks_for(const struct query *q, const char *attribute);

/* "1.105.1" as a number that orders as versions do; false when it is none. */
bool query_version(const char *text, int64_t *ret);
