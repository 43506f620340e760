/* secret_ref.h: values that a task definition names and a store keeps: how they are named,
 * asked for, and taken out of an answer. Pure.
 *
 *   secretsmanager   arn:aws:secretsmanager:<region>:<account>:secret:<name>
 *                    [:<json key>:<version stage>:<version id>], empty parts allowed
 *   ssm              a parameter's name, or arn:aws:ssm:<region>:<account>:parameter/<name>
 *   s3               arn:aws:s3:::<bucket>/<key> (environment files)
 *
 * Owns: results lie in the arena. Threads: any.
 * Fails: E_INVALID a name that is none, E_NOTFOUND the answer lacks it, E_PROTOCOL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "error.h"
#include "oci_spec.h"
#include "str.h"

enum secret_store { SECRET_ASM, SECRET_SSM, SECRET_S3 };

struct secret_ref {
    enum secret_store store;
    const char *id;         /* ARN or name; S3: the path "/bucket/key", encoded */
    const char *value_from; /* as it was written */
    const char *json_key, *version_stage, *version_id; /* NULL: none */
};

int secret_ref_parse(struct arena *a, const char *value_from, struct secret_ref *ret,
                     struct error *err);
int secret_ref_file(struct arena *a, const char *arn, struct secret_ref *ret,
                    struct error *err);
/* Do both come in the same answer? */
bool secret_ref_same(const struct secret_ref *a, const struct secret_ref *b);

/* The call that fetches it (not for S3): service, X-Amz-Target, JSON body. */
const char *secret_service(const struct secret_ref *ref);
const char *secret_target(const struct secret_ref *ref);
const char *secret_request(struct arena *a, const struct secret_ref *ref);
/* From the answer to that call. */
int secret_take(struct arena *a, const struct secret_ref *ref, const char *body,
                size_t len, const char **ret, struct error *err);
/* "ResourceNotFoundException: …" from an error's body, or what there is of it. */
void secret_complaint(int status, const char *body, struct str *ret);

/* repositoryCredentials: {"username": …, "password": …}. */
int registry_secret_take(struct arena *a, const char *text, const char **ret_user,
                         const char **ret_password, struct error *err);

/* An environment file: NAME=VALUE a line, everything behind the first '=' as it is, quotes
 * included; lines that begin with '#' and lines without name or value are passed over. Of
 * several with one name the first counts. Adds to what ret holds already. */
struct env_list {
    struct spec_pair *v;
    size_t n, cap;
};
#define ENV_FILE_LINES_MAX 10000
int env_file_parse(struct arena *a, const char *text, size_t len, struct env_list *ret,
                   struct error *err);
