/* iam_state.h: IAM's objects in memory, for IAM's own operations and for the judge.
 *
 * Users, groups and roles are entities: one record, one struct, three tables. They are found
 * by name (keys end in the name in lower case: names differ by more than case) and by unique
 * id. Policies are compiled when they are stored or loaded; what a decision needs of an
 * entity, iam_policies_of(), is an array that is kept until one of its parts changes.
 *
 * Names that the API's shapes have already (struct iam_user, iam_role, iam_policy) are not
 * ours: entities end in _entity.
 *
 * Keys: /iam/user/<account>/<name>, group, role, policy, profile, oidc, server-certificate;
 * /iam/key/<key id>, /iam/alias/<alias>, /iam/deletion/<uuid>.
 *
 * Owns: see object.h; compiled policies, links and texts in the heap are their object's.
 * Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "arn.h"
#include "call.h"
#include "certificate_users.h"
#include "gantry_api.h"
#include "iam.h"
#include "iam_api.h"
#include "iam_handlers.h"
#include "iam_id.h"
#include "iam_index.h"
#include "list.h"
#include "object.h"
#include "policy.h"
#include "iam_session.h"

struct iam_managed_policy;

enum iam_kind { IAM_USER, IAM_GROUP, IAM_ROLE, IAM_KINDS };

struct iam {
    struct iam_session_cache sessions;
    struct policy *nothing; /* allows nothing */
    struct table *entities[IAM_KINDS];
    struct table *policies, *profiles, *providers, *keys, *aliases, *deletions;
    struct table *server_certificates;
    struct iam_index accounts;  /* struct iam_account.by_id */
    struct iam_index ids;       /* struct iam_entity.by_id */
    struct iam_index key_ids;   /* struct iam_key.by_id */
    struct iam_managed_policy *aws; /* AWS's own, see aws_policies.h */
    size_t aws_count;
};

/* Who has a policy attached: struct iam_policy_use.of_policy. */
struct iam_policy_users {
    struct list uses;
    size_t attached, boundaries;
};

/* What we know of an account; made when something of it is stored. */
struct iam_account {
    struct iam_index_entry by_id;
    char id[IAM_ACCOUNT_SIZE];
    size_t entities[IAM_KINDS];
    size_t policies, versions, profiles, providers;
    struct list root_keys;             /* struct iam_key.of_user */
    const char *alias;                 /* NULL: none. The alias' key, behind its prefix */
    struct iam_policy_users *aws_uses; /* of the policies in iam.aws, by index */
};

/* A managed policy: the customer's, or AWS's own (then it is in no table). */
struct iam_managed_policy {
    struct object o;
    struct gantry_iam_policy_record *rec;
    struct policy_source source; /* its default version; named by its ARN */
    struct iam_account *account; /* NULL: AWS's own, visible to every account */
    struct iam_policy_users users; /* of a customer's */
    size_t aws_index;              /* of AWS's own, in iam.aws */
};

/* An entity has a policy: attached, or as its boundary. */
struct iam_policy_use {
    struct list of_policy, of_entity;
    struct iam_managed_policy *policy;
    struct iam_entity *entity;
    bool boundary;
};

struct iam_entity {
    struct object o;
    struct gantry_iam_entity_record *rec;
    enum iam_kind kind;
    struct iam_account *account;
    char *id, *arn; /* in the heap: stay while the entity is there */
    struct iam_index_entry by_id;
    struct policy_source *inline_; /* as rec->inline_policies; names in the heap */
    size_t inline_count;
    struct list attached;            /* struct iam_policy_use.of_entity, in order */
    struct iam_policy_use *boundary; /* NULL: none */
    size_t attached_count;
    struct policy_source *sources; /* what iam_policies_of() gave; NULL: to be made */
    size_t source_count;
};

struct iam_user_entity {
    struct iam_entity e;
    struct list groups; /* struct iam_membership.of_user */
    size_t group_count;
    struct list keys; /* struct iam_key.of_user */
};

struct iam_group_entity {
    struct iam_entity e;
    struct list members; /* struct iam_membership.of_group */
};

struct iam_role_entity {
    struct iam_entity e;
    struct policy_source trust; /* compiled; principals are unique ids */
    struct list profiles;       /* struct iam_profile.of_role */
};

struct iam_membership {
    struct list of_user, of_group;
    struct iam_user_entity *user;
    struct iam_group_entity *group;
};

struct iam_profile {
    struct object o;
    struct gantry_iam_profile_record *rec;
    struct iam_account *account;
    struct iam_role_entity *role; /* NULL: none */
    struct list of_role;
    char *arn; /* in the heap */
};

struct iam_provider {
    struct object o;
    struct gantry_iam_oidc_record *rec;
    struct iam_account *account;
    char *arn; /* in the heap */
};

/* An access key of a user, or of an account's root. */
struct iam_key {
    struct object o;
    struct gantry_iam_key_record *rec;
    struct iam_account *account;
    struct iam_user_entity *user; /* NULL: root */
    struct iam_index_entry by_id;
    char *id;     /* in the heap */
    char *secret; /* opened on first use, see iam_key_secret(); in the heap */
    struct list of_user;
};

struct server_certificate {
    struct object o;
    struct gantry_server_certificate_record *rec;
    struct certificate_users users;
};

struct iam *iam_of(const struct core *core);
void iam_alias_tables(struct core *core, struct iam *iam); /* account_ops.c */

/* ---- accounts ---- */

struct iam_account *iam_account_find(const struct core *core, const char *id);
struct iam_account *iam_account_make(struct core *core, const char *id); /* or the one there */
/* Of a key /iam/<kind>/<account>/…; in the scratch arena. */
const char *iam_key_account(struct core *core, const struct object *o);

/* ---- entities ---- */

struct iam_user_entity *iam_user_find(const struct core *core, const char *account,
                                      const char *name);
struct iam_group_entity *iam_group_find(const struct core *core, const char *account,
                                        const char *name);
struct iam_role_entity *iam_role_find(const struct core *core, const char *account,
                                      const char *name);
struct iam_entity *iam_entity_find(const struct core *core, enum iam_kind kind,
                                   const char *account, const char *name);
struct iam_entity *iam_entity_by_id(const struct core *core, const char *id);
/* The ARN must be exact: path and case count. */
struct iam_entity *iam_entity_by_arn(const struct core *core, const char *arn);
/* The same of that kind; NULL for others. */
struct iam_user_entity *iam_user_of(struct iam_entity *e);
struct iam_group_entity *iam_group_of(struct iam_entity *e);
struct iam_role_entity *iam_role_of(struct iam_entity *e);

/* The identity side of a decision: its own inline and attached policies and, for a user,
 * those of its groups. Good until anything of them changes, which is never within a
 * decision. */
const struct policy_source *iam_policies_of(struct iam_entity *e, size_t *ret_count);
/* NULL: it has none. */
const struct policy_source *iam_boundary_of(const struct iam_entity *e);
const char *iam_boundary_arn(const struct iam_entity *e); /* NULL: none */
/* NULL: it has no such tag. */
const char *iam_tag_of(const struct iam_entity *e, const char *key);

/* ---- keys ---- */

/* By access key id; may be inactive. NULL: not one of ours. */
struct iam_key *iam_access_key_find(const struct core *core, const char *access_key_id);
bool iam_key_active(const struct iam_key *key);
/* Its 40 characters; they stay while the key is there. E_CORRUPT: it can't be unsealed. */
int iam_key_secret(const struct core *core, struct iam_key *key, const char **ret,
                   struct error *err);
/* It was used now for that service in that region. Stored at most every 15 minutes. */
void iam_key_used(struct core *core, struct iam_key *key, const char *service,
                  const char *region);
void iam_role_used(struct core *core, struct iam_role_entity *role, const char *region);

/* ---- OpenID Connect providers ---- */

struct iam_provider *iam_provider_find(const struct core *core, const char *account,
                                       const char *arn);
/* By the issuer of a token: "https://host/path". */
struct iam_provider *iam_provider_by_issuer(const struct core *core, const char *account,
                                            const char *issuer);

/* ---- server certificates ---- */

void iam_certificate_tables(struct core *core, struct iam *iam);
const char *server_certificate_key(struct arena *a, const char *account,
                                   const char *name);
struct server_certificate *server_certificate_find(struct core *core, const char *account,
                                                   const char *name);
