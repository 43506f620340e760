/* policy_reference.h: the policy language once more, slow and obvious, for tests to compare
 * src/policy with. It reads the JSON again for each question.
 *
 * Rules: "IAM JSON policy elements reference" and "Policy evaluation logic".
 * Owns: nothing. Threads: any. Fails: never; documents are valid ones. */
#pragma once

#include <jansson.h>

#include "policy.h"

struct reference_request {
    const struct policy_principal *principal;
    const char *action, *resource, *owner; /* owner NULL: the principal's account */
    bool must_be_trusted;
    const json_t *context; /* key in lower case (not what is behind '/') -> its values */
};

/* Keys that hold several values by nature. */
bool reference_is_multi(const char *key);

struct reference_set {
    const json_t *identity, *session; /* arrays of documents */
    const json_t *boundary, *resource; /* NULL: none */
    bool resource_is_trust;
};

enum policy_verdict reference_decide(const struct reference_request *r,
                                     const struct reference_set *set);

/* Does a statement say anything about the request? `kind` is its document's. */
bool reference_statement(const struct reference_request *r, const json_t *document,
                         size_t index, enum policy_kind kind);
