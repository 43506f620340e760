/* attribute.h: attribute values: what is valid, what is equal, what comes first, how large.
 *
 * It works on the generated structs as the codec reads them; numbers in them are texts and,
 * once attribute_validate() has passed, in their one canonical form (number.h).
 *
 * Owns: nothing; what it makes lies in the caller's arena. Threads: any.
 * Fails: E_INVALID with the text that the service gives its ValidationException. */
#pragma once

#include "arena.h"
#include "dynamodb_api.h"
#include "error.h"
#include "str.h"

/* Maps and lists within each other (Developer Guide, Quotas: Nested attribute depth). */
#define ATTRIBUTE_DEPTH_MAX 32
#define ITEM_SIZE_MAX       (400 * 1024)

enum attribute_type {
    ATTRIBUTE_ABSENT, /* no member is set */
    ATTRIBUTE_S,
    ATTRIBUTE_N,
    ATTRIBUTE_B,
    ATTRIBUTE_SS,
    ATTRIBUTE_NS,
    ATTRIBUTE_BS,
    ATTRIBUTE_M,
    ATTRIBUTE_L,
    ATTRIBUTE_NULL,
    ATTRIBUTE_BOOL,
    ATTRIBUTE_TYPE_COUNT,
};

/* Short names for the two generated types that all of this folder is about. */
typedef struct dynamodb_attribute_value attribute_value;
typedef struct dynamodb_attribute_value_map attribute_map;

/* The first member that is set; a value that passed attribute_validate() has only one. */
enum attribute_type attribute_type(const attribute_value *v);
const char *attribute_type_name(enum attribute_type type); /* "S", "NULL" */
enum attribute_type attribute_type_find(const char *name); /* ABSENT: no such type */

/* Checks a value as received: one member, sets without doubles and not empty, numbers,
 * depth. Numbers are rewritten in place to their canonical text. */
int attribute_validate(struct arena *a, attribute_value *v, struct error *err);
/* The same for each of the map's values. */
int item_validate(struct arena *a, attribute_map *item, struct error *err);

/* Sets are equal in any order, numbers by value; different types never. */
bool attribute_equal(const attribute_value *a, const attribute_value *b);
/* Do two values have an order (S, N and B with their own kind)? *ret < 0, 0, > 0 then. */
bool attribute_order(const attribute_value *a, const attribute_value *b, int *ret);

/* Appends the bytes of a key (S, N, B), of which memcmp() knows the order within a type.
 * S and B are the plain bytes: whoever puts something behind them must mark the end. */
void attribute_key(const attribute_value *v, struct str *out);

/* The members of both sets, which are of one type; of the first that are not in the second
 * (which may leave none). Members are shared. */
void attribute_set_add(struct arena *a, const attribute_value *set,
                       const attribute_value *more, attribute_value *ret);
void attribute_set_remove(struct arena *a, const attribute_value *set,
                          const attribute_value *less, attribute_value *ret);
bool attribute_is_set(enum attribute_type type);

/* Maps and lists within each other: 0 for a plain value. */
int attribute_depth(const attribute_value *v);

/* Bytes as the service counts them (Developer Guide, Item sizes and formats). */
size_t attribute_size(const attribute_value *v);
size_t item_size(const attribute_map *item); /* names and values */

/* NULL when there is none. */
attribute_value *item_get(const attribute_map *item, const char *name);
/* Adds or replaces (the value's struct is copied, what it points at is shared). */
void item_set(struct arena *a, attribute_map *item, const char *name, const attribute_value *v);
/* Takes an attribute out, keeping the others' order; false when there was none. */
bool item_remove(attribute_map *item, const char *name);

/* "{N:1}": a value as the service names it in its errors. */
void attribute_describe(const attribute_value *v, struct str *out);
