/* secret.h: secrets and their versions in memory. Keys are
 * /secretsmanager/secret/<account>/<region>/<name> and
 * /secretsmanager/version/<the secret's id>/<version id>: a value may have 64 KiB and a secret
 * a hundred of them, so each is a record of its own. A value is sealed, bound to its
 * version's key.
 *
 * Owns: see object.h; a secret's list holds its versions, oldest first. Threads: state thread.
 * Fails: lookups return NULL, `require` after a fault of the call. */
#pragma once

#include "access.h"
#include "arn.h"
#include "call.h"
#include "gantry_api.h"
#include "object.h"
#include "seal.h"
#include "secretsmanager.h"
#include "secretsmanager_handlers.h"

#define STAGE_CURRENT  "AWSCURRENT"
#define STAGE_PREVIOUS "AWSPREVIOUS"

struct secrets {
    struct table *secrets, *versions;
};

struct secret {
    struct object o;
    struct gantry_secret_record *rec;
    struct list versions; /* struct secret_version.link */
    size_t version_count;
    struct wake deletion;
    struct policy_source policy; /* compiled; .policy NULL: it has none */
};

struct secret_version {
    struct object o;
    struct gantry_secret_version_record *rec;
    struct secret *secret;
    struct list link;
};

struct secrets *secrets_of(const struct core *core);

/* ---- secrets (secret.c) ---- */

struct secret *secret_find(struct core *core, const char *account, const char *region,
                           const char *name);
/* Whoever asks. */
struct secret *secret_by_arn(struct core *core, const char *arn);
/* By name, whole ARN, or ARN without its suffix: of the call's region and, unless the ARN
 * says otherwise, account. */
struct secret *secret_find_id(struct call *c, const char *id);
struct secret *secret_require(struct call *c, const char *id);
/* As above; faults one that waits for its deletion, too. */
struct secret *secret_require_live(struct call *c, const char *id);
struct secret *secret_new(struct call *c, const char *name);
/* It and all its versions. */
void secret_destroy(struct core *core, struct secret *s);
/* Arms the timer that destroys it, as the record says. */
void secret_watch_deletion(struct core *core, struct secret *s);

/* ---- versions (secret_version.c) ---- */

/* What a version holds. */
struct secret_value {
    const void *data;
    size_t size;
    bool binary;
};
/* 1 one is given, 0 none is, -1 after a fault: both are. */
int secret_value_given(struct call *c, const char *text, const struct wire_blob *binary,
                       struct secret_value *ret);

struct secret_version *version_by_id(const struct secret *s, const char *id);
struct secret_version *version_by_stage(const struct secret *s, const char *stage);
bool version_has_stage(const struct secret_version *v, const char *stage);

/* Makes a version, or finds the one that the same request made before: *ret_made tells.
 * `token` NULL: an id is made up. Faults a token that has another value. A new one has no
 * stages yet. */
struct secret_version *version_put(struct call *c, struct secret *s, const char *token,
                                   const struct secret_value *value, bool *ret_made);
/* The stage leaves whichever version has it for `v` (NULL: for none). What AWSCURRENT leaves
 * becomes AWSPREVIOUS. Who listens hears of a new AWSCURRENT. */
void version_stage_move(struct core *core, struct secret *s, const char *stage,
                        struct secret_version *v);
/* Opens the value and notes the access. */
int version_show(struct call *c, struct secret_version *v, const char **ret_text,
                 struct wire_blob *ret_binary);
void version_free_all(struct core *core, struct secret *s);
/* For the tables: links it to its secret. */
int version_loaded(struct core *core, struct object *o, struct error *err);
void version_unlink(struct core *core, struct object *o);
/* {version id: stages}, of those with any. */
void version_stages_fill(struct arena *a, const struct secret *s,
                         struct secretsmanager_secret_version_stages_type_map *ret);

/* Days are all that LastAccessedDate tells. True: it is another one now. */
bool secret_note_access(struct core *core, struct opt_time *at);

/* ---- policies (secret_policy.c) ---- */

int secret_policy_compile(struct secret *s, struct error *err);
void secret_policy_free(struct secret *s);

/* ---- tags (secret_tags.c) ---- */

const char *secret_tag(const struct secret *s, const char *key);

int secret_tags_check(struct call *c, const struct secretsmanager_tag_list *tags);
void secret_tags_merge(struct arena *a, struct secretsmanager_tag_list *into,
                       const struct secretsmanager_tag_list *from);
