/* web_keys.h: the keys that identity providers sign their tokens with: looked up, kept, and
 * held against a token.
 *
 * The state thread takes what is kept along with the question and keeps what came back; a
 * worker asks the provider and checks the signature, and touches nothing but the question.
 * Keys are kept for an hour. A token whose key is not among them has the provider asked
 * again, once a minute at most, and one provider at a time: an answer may take seconds, and
 * workers are few.
 *
 * Only providers that an account has registered are asked: at the address of
 * OpenID Connect Discovery §4, and where its answer says that the keys are, over https.
 * Redirects are not followed.
 *
 * Owns: the keys that are kept. Threads: as told. Fails: as told. */
#pragma once

#include "call.h"
#include "iam.h"
#include "jwt.h"
#include "sts.h"

struct web_keys;

struct web_keys *web_keys_new(const struct sts_web *web);
void web_keys_free(struct web_keys *k);

/* One token and its provider; all texts in the call's arena. */
struct web_question {
    struct web_keys *keys;
    struct jwt token;
    const char *provider_arn, *name; /* as in struct iam_provider_view */
    bool local;
    struct string_list thumbprints;
    const char *kept; /* keys as they were; NULL: none */
    bool may_fetch;

    bool answered;
    int result; /* 0, or as jwt_verify(), E_NETWORK, E_TIMEOUT, E_LIMIT, E_PROTOCOL, E_AGAIN */
    struct error why;
    const char *fetched; /* new keys; NULL: the provider was not asked, or in vain */
};

/* State thread: takes along what is known of the provider. */
void web_question_begin(struct call *c, struct web_question *q);
/* Worker. */
void web_question_answer(struct arena *a, struct web_question *q);
/* State thread: keeps what came. */
void web_question_end(struct call *c, const struct web_question *q);
