/* iam_index.h: finds things by a text in constant time: unique ids, access keys, accounts.
 *
 * A hash table of entries that are embedded in what they find.
 * Owns: its buckets; entries and their keys are the caller's, until removed.
 * Threads: one. Fails: never. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct iam_index_entry {
    struct iam_index_entry *next;
    const char *key; /* NULL: in no index */
    uint64_t hash;
};

struct iam_index {
    struct iam_index_entry **buckets;
    size_t size, count; /* size: 0 or a power of two */
};

/* The key must not be in the index, and live as long as it is. */
void iam_index_add(struct iam_index *x, struct iam_index_entry *e, const char *key);
/* Does nothing when it is in none. */
void iam_index_remove(struct iam_index *x, struct iam_index_entry *e);
struct iam_index_entry *iam_index_find(const struct iam_index *x, const char *key);
void iam_index_free(struct iam_index *x);
