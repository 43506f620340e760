/* edge_settings.h: the edge's configuration from our options, for all commands that need its
 * view of the machine: edge, up, down.
 * Owns: texts lie in the options' arena or the layout. Threads: main. Fails: never. */
#pragma once

#include "edge.h"
#include "layout.h"
#include "pool.h"

/* Needs l->run_id. Server and credentials are left to the caller. */
void edge_settings_fill(const struct options *o, const struct layout *l,
                        struct edge_config *ret);
struct pool_place edge_pool_place(const struct layout *l);
