/* iam_linked.h: service-linked roles: roles that only one service uses and changes.
 *
 * Which services have one is a table here; what such a role may do is one of AWS's policies.
 * Deletion is done at once; that it was asked for is remembered, as clients ask what became
 * of it.
 *
 * Owns: see object.h. Threads: state thread. Fails: never. */
#pragma once

#include "iam_state.h"

/* "AWSServiceRoleForECS", with the suffix when there is one; "*" for a service without. */
const char *iam_linked_role_name(struct call *c, const char *service, const char *suffix);

void iam_deletion_tables(struct core *core, struct iam *iam);
