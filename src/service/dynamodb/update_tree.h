/* update_tree.h: a parsed update; for those of this folder who read or apply it.
 * Owns: it lies in its scope's arena. Threads: any. Fails: see expression_read.h. */
#pragma once

#include "expression_read.h"
#include "update.h"

enum update_action {
    UPDATE_SET,
    UPDATE_REMOVE,
    UPDATE_ADD,
    UPDATE_DELETE,
};

struct update_clause {
    enum update_action action;
    struct operand value; /* not of REMOVE */
};

struct update {
    struct update_clause *clauses;
    struct projection paths; /* of each clause */
    bool legacy;             /* from AttributeUpdates, which has words and rules of its own */
};
