/* iam_policy.h: managed policies: the customers' and AWS's own, for IAM's operations.
 *
 * AWS's own are a table of the program (aws_policies.json): all accounts see them, nobody
 * changes them. Who uses one is kept for each account.
 *
 * Owns: compiled policies that are handed in belong to the policy. Threads: state thread.
 * Fails: as noted. */
#pragma once

#include "iam_state.h"

/* One row of AWS's own: see aws_policies.json. */
struct aws_policy {
    const char *name, *path, *version, *description, *document;
};
extern const struct aws_policy aws_policies[]; /* generated */
extern const size_t aws_policy_count;

/* Makes AWS's own, and the table of the customers'. */
void iam_policy_tables(struct core *core, struct iam *iam);
void iam_aws_policies_free(struct iam *iam);

/* As an account sees it: its own, and AWS's. NULL: none. */
struct iam_managed_policy *iam_policy_find(const struct core *core, const char *account,
                                           const char *arn);
/* Of the account itself, by name. */
struct iam_managed_policy *iam_policy_named(const struct core *core, const char *account,
                                            const char *name);
/* The key up to the name: for listings. */
const char *iam_policy_prefix(struct arena *a, const char *account);

/* Who of the account has it. */
struct iam_policy_users *iam_policy_users(const struct iam_managed_policy *p,
                                          struct iam_account *account);

/* With its first version, saved. The name must be free. */
struct iam_managed_policy *iam_policy_new(struct core *core, const char *account,
                                          const char *path, const char *name,
                                          const char *document, struct policy *compiled);
/* A version more; `compiled` NULL: it does not become the default one. */
struct iam_policy_version *iam_policy_version_add(struct core *core,
                                                  struct iam_managed_policy *p,
                                                  const char *document,
                                                  struct policy *compiled);
/* NULL: no version of that name. */
struct iam_policy_version *iam_policy_version(const struct iam_managed_policy *p,
                                              const char *id);
/* `v` becomes the default one, compiled. */
void iam_policy_default_set(struct core *core, struct iam_managed_policy *p,
                            struct iam_policy_version *v, struct policy *compiled);
void iam_policy_version_remove(struct core *core, struct iam_managed_policy *p,
                               struct iam_policy_version *v);
/* It has no users. */
void iam_policy_delete(struct core *core, struct iam_managed_policy *p);
