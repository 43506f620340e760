/* iam_session.h: temporary credentials: what AssumeRole and its like hand out, and how they are
 * known again.
 *
 * A session has no place in the store: everything about it is in its token, which is sealed
 * (seal.h) and bound to its access key id. So a million tasks' credentials cost nothing at
 * rest, survive a restart, and end by themselves; those of a role or user that is gone end at
 * once, as the entity is looked up by its unique id. Tokens that were opened are kept in a
 * cache of SESSION_CACHE_MAX, with their policies compiled.
 *
 * Owns: the cache. Threads: state thread. Fails: as noted. */
#pragma once

#include <uthash.h>

#include "gantry_api.h"
#include "iam.h"
#include "policy.h"

#define SESSION_CACHE_MAX 8192
/* The longest token: it travels in a header. */
#define SESSION_TOKEN_MAX 6144

/* gantry_iam_session_record.kind */
#define SESSION_OF_ROLE   "role"
#define SESSION_OF_USER   "user"      /* sts:GetSessionToken; of root: entityId is the account */
#define SESSION_FEDERATED "federated" /* sts:GetFederationToken */

struct iam_session {
    struct arena arena;
    const struct gantry_iam_session_record *rec;
    const char *token;
    struct policy *policy;       /* of rec->policy; NULL: none */
    struct policy_source source; /* the same */
    UT_hash_handle by_key;
};

/* The cache, for struct iam. */
struct iam_session_cache {
    struct iam_session *sessions; /* in order of use */
};
void iam_sessions_free(struct iam_session_cache *cache);

/* Makes key, secret and token of a session; `what` has everything else. E_LIMIT: policies and
 * tags are more than a token holds; E_INVALID: its policy does not compile. */
int iam_session_issue(struct core *core, struct arena *a,
                      const struct gantry_iam_session_record *what,
                      struct iam_credentials *ret, struct error *err);

/* The session of a key; NULL: the token is not one that we made for this key. It stays until
 * the end of the task that asked. */
const struct iam_session *iam_session_open(struct core *core, const char *access_key_id,
                                           const char *token);
