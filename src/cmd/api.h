/* api.h: calls of AWS operations, as the command line makes them: JSON in, JSON out.
 * Owns: the client its connections. Threads: one; calls block.
 * Fails: E_DENIED, E_INVALID, … as http_client.h; E_PROTOCOL with the service's own words
 * when it refuses. */
#pragma once

#include <jansson.h>

#include "arena.h"
#include "error.h"
#include "layout.h"
#include "run_record.h"
#include "str.h"

struct api;

/* With the keys of the run (any, when it accepts any). */
int api_open(const struct layout *l, const struct run_record *record, struct api **ret,
             struct error *err);
void api_close(struct api *api); /* NULL allowed */
/* ECS. `body` is taken over; *ret is the caller's to json_decref(). */
int api_ecs(struct api *api, const char *operation, json_t *body, json_t **ret,
            struct error *err);
/* "&name=value", encoded: for queries. */
void api_query_add(struct str *out, const char *name, const char *value);
/* GET with our keys: a path and a query, encoded already. Status 200 or E_PROTOCOL. */
int api_get_signed(struct api *api, const char *path, const char *query, struct str *ret,
                   struct error *err);
/* GET of a page; status 200 or E_PROTOCOL. */
int api_get(struct api *api, const char *path, struct str *ret, struct error *err);
