/* server_access.h: which server an agent or edge joins, and with which keys.
 *
 * --server, or the one that `gantry up` runs here; AWS's environment variables, or the root
 * keys under the data directory.
 * Owns: texts lie in the options' arena or the environment. Threads: main.
 * Fails: E_INVALID nothing says where the server is; E_NOTFOUND, E_DENIED no keys. */
#pragma once

#include "layout.h"

struct server_access {
    const char *url, *access_key_id, *secret_access_key, *session_token;
};

int server_access_find(struct options *o, const struct layout *l,
                       struct server_access *ret, struct error *err);
