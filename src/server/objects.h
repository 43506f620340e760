/* objects.h: S3 in the server: its store, its threads, its face.
 * Owns: them. Threads: set up before requests are taken. Fails: as server.h. */
#pragma once

#include "server_private.h"

/* Opens the store of objects; before core_start(). */
int objects_open(struct server *s, const struct server_config *config, struct error *err);
/* Attaches S3 to the core. */
void objects_attach(struct server *s);
/* Tells the store which buckets there are; behind core_load(), before requests. */
int objects_start(struct server *s, const struct server_config *config, struct error *err);
void objects_stop(struct server *s); /* its threads: no request is left */
void objects_close(struct server *s);
