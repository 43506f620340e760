/* iam_reply.h: what IAM's operations have in common: things that must be there, documents,
 * tags, pages.
 *
 * Owns: nothing; texts lie in the call's arena. Threads: state thread. Fails: by
 * call_fault(): then NULL, false or a negative value is returned. */
#pragma once

#include "iam_policy.h"
#include "iam_state.h"

#define IAM_TAGS_MAX  50
#define IAM_PAGE_SIZE 100

/* The query protocol's own fault, which no model names. */
extern const struct wire_fault iam_validation_fault;

/* ---- things that must be there ---- */

struct iam_user_entity *iam_user_require(struct call *c, const char *name);
struct iam_group_entity *iam_group_require(struct call *c, const char *name);
struct iam_role_entity *iam_role_require(struct call *c, const char *name);
/* … and may be changed: a service-linked role is only its service's. */
struct iam_role_entity *iam_role_change(struct call *c, const char *name);
struct iam_profile *iam_profile_require(struct call *c, const char *name);
/* `name` NULL: the user who calls. For what is about a user's own keys and the like. */
struct iam_user_entity *iam_user_or_caller(struct call *c, const char *name);
/* Who calls, NULL: root. Refuses those who are neither. */
int iam_caller_user(struct call *c, struct iam_user_entity **ret);
struct iam_managed_policy *iam_policy_require(struct call *c, const char *arn);
/* … and may be changed: AWS's own may not. */
struct iam_managed_policy *iam_policy_change(struct call *c, const char *arn);
int iam_policy_size_check(struct call *c, const char *document);

/* The policy that somebody gets as a boundary; *ret is NULL when arn is. */
int iam_boundary_given(struct call *c, const char *arn, struct iam_managed_policy **ret);
/* It has no policies any more. */
int iam_entity_deletable(struct call *c, const struct iam_entity *e);
/* The same as entities, for what users, groups and roles have alike. A role's `_change` is
 * iam_role_change(). */
struct iam_entity *iam_user_entity_require(struct call *c, const char *name);
struct iam_entity *iam_group_entity_require(struct call *c, const char *name);
struct iam_entity *iam_role_entity_require(struct call *c, const char *name);
struct iam_entity *iam_role_entity_change(struct call *c, const char *name);

/* "/" or "/…/". NULL is good. */
int iam_path_check(struct call *c, const char *path);

/* ---- documents ---- */

/* Compiles, and words what is wrong. */
int iam_document_compile(struct call *c, const char *document, enum policy_kind kind,
                         struct policy **ret);
/* Percent-encoded (RFC 3986), as IAM returns documents. NULL gives NULL. */
const char *iam_document_encode(struct arena *a, const char *document);

/* ---- shapes ---- */

/* With `whole`: what lists leave out (tags, boundary, last use), too. */
void iam_user_describe(struct call *c, const struct iam_user_entity *u, bool whole,
                       struct iam_user *ret);
void iam_group_describe(const struct iam_group_entity *g, struct iam_group *ret);
void iam_role_describe(struct call *c, const struct iam_role_entity *r, bool whole,
                       struct iam_role *ret);
void iam_profile_describe(struct call *c, const struct iam_profile *p, bool whole,
                          struct iam_instance_profile *ret);
void iam_policy_describe(struct call *c, const struct iam_managed_policy *p, bool whole,
                         struct iam_policy *ret);
void iam_version_describe(struct call *c, const struct iam_managed_policy *p,
                          const struct iam_policy_version *v, bool document,
                          struct iam_policy_version *ret);
struct iam_attached_permissions_boundary *iam_boundary_describe(
    struct call *c, const struct iam_entity *e);

/* ---- tags ---- */

int iam_tags_check(struct call *c, const struct iam_tag_list *given);
/* Of something new: checked before. */
void iam_tags_set(struct arena *a, struct iam_tag_list *tags,
                  const struct iam_tag_list *given);
/* Checks, adds and saves. */
int iam_tags_add(struct call *c, struct object *o, struct iam_tag_list *tags,
                 const struct iam_tag_list *given);
int iam_tags_remove(struct call *c, struct object *o, struct iam_tag_list *tags,
                    const struct string_list *keys);

/* ---- pages ---- */

/* The part [from, end) of a list of `total`; its marker is how many have been told. */
struct iam_page {
    size_t from, end;
    struct opt_bool is_truncated;
    const char *marker;
};
int iam_page(struct call *c, const char *marker, struct opt_int max_items, size_t total,
             struct iam_page *ret);

/* A page of a table, in key order; its marker is the last key's end. */
struct iam_listing {
    struct call *call;
    const struct table *table;
    const char *prefix, *after, *last;
    size_t limit, n;
    struct opt_bool is_truncated;
    const char *marker;
};
int iam_listing_begin(struct iam_listing *l, struct call *c, const struct table *table,
                      const char *prefix, const char *marker, struct opt_int max_items);
/* The next object, whether it will be listed or not; NULL at the end. */
void *iam_listing_next(struct iam_listing *l);
/* The object that was last given is to be listed. False: the page is full, and it begins
 * the next one. */
bool iam_listing_take(struct iam_listing *l);
