/* key_schema.h: which attributes are the key of a table or an index, and their types.
 *
 * Owns: nothing; names are the owner's of the table. Threads: any. Fails: never. */
#pragma once

#include "dynamodb_api.h"

struct key_attribute {
    const char *name; /* NULL: there is none */
    enum dynamodb_scalar_attribute_type type;
};

struct key_schema {
    struct key_attribute hash, range;
};
