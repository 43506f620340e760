/* iam_entity.h: makes, links and changes users, groups and roles, for IAM's operations.
 *
 * Every change goes through here, so that records, links and compiled policies agree and
 * what was kept for decisions is dropped. The caller has checked that the change is allowed.
 *
 * Owns: compiled policies that are handed in belong to the entity. Threads: state thread.
 * Fails: iam_entity_tables() never; loading with E_CORRUPT. */
#pragma once

#include "iam_state.h"

void iam_entity_tables(struct core *core, struct iam *iam);

/* A new one with id and ARN, saved. `path` NULL: "/". The name must be free. */
struct iam_entity *iam_entity_new(struct core *core, enum iam_kind kind,
                                  const char *account, const char *path,
                                  const char *name);
/* It must have no members, keys, profiles. */
void iam_entity_delete(struct core *core, struct iam_entity *e);
/* Id and links stay; the name must be free. */
void iam_entity_rename(struct core *core, struct iam_entity *e, const char *path,
                       const char *name);

/* Replaces the one of that name, or adds it. */
void iam_inline_set(struct core *core, struct iam_entity *e, const char *name,
                    const char *document, struct policy *compiled);
/* NULL: none of that name. Names differ by more than case. */
const struct gantry_iam_inline_policy *iam_inline_find(const struct iam_entity *e,
                                                       const char *name);
void iam_inline_remove(struct core *core, struct iam_entity *e, const char *name);

void iam_attach_policy(struct core *core, struct iam_entity *e,
                       struct iam_managed_policy *p);
struct iam_policy_use *iam_attached(const struct iam_entity *e,
                                    const struct iam_managed_policy *p);
void iam_detach_policy(struct core *core, struct iam_policy_use *use);
/* NULL: no boundary any more. */
void iam_boundary_set(struct core *core, struct iam_entity *e,
                      struct iam_managed_policy *p);

void iam_trust_set(struct core *core, struct iam_role_entity *role, const char *bound,
                   struct policy *compiled);

struct iam_membership *iam_member(const struct iam_user_entity *user,
                                  const struct iam_group_entity *group);
void iam_member_add(struct core *core, struct iam_user_entity *user,
                    struct iam_group_entity *group);
void iam_member_remove(struct core *core, struct iam_membership *m);

/* Something that decisions see is another: of the entity, of its groups' members too. */
void iam_entity_changed(struct iam_entity *e);
/* … of a policy that others have. */
void iam_policy_users_changed(struct iam_policy_users *users);

/* ---- links alone, for what was loaded: nothing is saved ---- */

/* Room for the compiled form of the record's i-th inline policy. */
void iam_inline_link(struct iam_entity *e, size_t i, struct policy *compiled);
void iam_use_link(struct iam_entity *e, struct iam_managed_policy *p, bool boundary);
void iam_use_unlink(struct iam_policy_use *use);
void iam_trust_link(struct iam_role_entity *role, struct policy *compiled);
void iam_member_link(struct iam_user_entity *user, struct iam_group_entity *group);
void iam_member_unlink(struct iam_membership *m);
void iam_source_end(struct policy_source *s); /* frees policy and name */
void iam_sources_drop(struct iam_entity *e);

/* "user", "group", "role": in ARNs and texts. */
const char *iam_kind_word(enum iam_kind kind);
