/* registry_route.h: what a request under /v2/ is about (distribution-spec 1.1, "Endpoints").
 *
 * Repository names hold slashes, so a path is read from the right.
 * Owns: nothing; texts lie in the arena. Threads: any. Fails: by ROUTE_NONE. */
#pragma once

#include <stdbool.h>

#include "arena.h"
#include "wire.h"

enum route_kind {
    ROUTE_NONE,
    ROUTE_ROOT,      /* /v2/ */
    ROUTE_CATALOG,   /* /v2/_catalog */
    ROUTE_TAGS,      /* /v2/N/tags/list */
    ROUTE_REFERRERS, /* /v2/N/referrers/D */
    ROUTE_MANIFEST,  /* /v2/N/manifests/T|D */
    ROUTE_BLOB,      /* /v2/N/blobs/D */
    ROUTE_UPLOADS,   /* /v2/N/blobs/uploads/ */
    ROUTE_UPLOAD,    /* /v2/N/blobs/uploads/ID */
};

struct route {
    enum route_kind kind;
    const char *repository;
    const char *reference; /* tag, digest or upload */
};

void route_parse(struct arena *a, const char *path, struct route *ret);

/* Distribution-spec: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/…)*`, up to 256 characters. */
bool route_repository_valid(const char *name);
bool route_tag_valid(const char *tag); /* `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` */

/* The decoded value of the query's first such parameter; NULL when absent. */
const char *query_get(struct arena *a, const char *query, const char *name);
/* All of them. */
void query_all(struct arena *a, const char *query, const char *name,
               struct string_list *ret);

/* "a-b", inclusive, as uploads' Content-Range has it (no unit). */
bool range_parse_upload(const char *text, uint64_t *ret_first, uint64_t *ret_last);

enum range_result {
    RANGE_ALL,  /* none, or one that may be ignored (RFC 9110 §14.2) */
    RANGE_PART, /* first and length are filled */
    RANGE_BAD,  /* 416 */
};
/* A Range header over size bytes: one range of bytes; several are ignored. */
enum range_result range_parse_read(const char *text, uint64_t size, uint64_t *ret_first,
                                   uint64_t *ret_length);
