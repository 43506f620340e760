/* layout.h: which files a run has, who owns them, and the name of the run.
 *
 *   <data>          0711 root     made here; holds run-id, so that purge knows it as ours
 *   <data>/run-id   0644          8 hexadecimal digits, made once: names the groups, bridge
 *                                 and nftables table of this run. Locked while `up` runs
 *   <data>/server   0700 server   state.db, root-keys.json, blobs
 *   <data>/agent    root          see agent.h
 *   <data>/fargate  root          the same of the agent in Fargate's pool
 *   <data>/public-pool  see pool.h
 *   <run>/vpc       namespaces of VPCs, see edge.h
 *   <run>/up.lock   locked while `up` runs
 *   <run>/up.json   where it is served and by which processes, see run_record.h
 *   <run>/up.log    what `up --detach` and its parts say (up.log.1: what was before)
 *   <run>/agent     see agent.h
 *   <run>/fargate   the same of the agent in Fargate's pool
 *
 * Owns: texts lie in the arena given. Threads: main.
 * Fails: E_CONFLICT a directory with somebody else's files; E_DENIED; E_NOTFOUND no run. */
#pragma once

#include <stdbool.h>

#include "options.h"
#include "server_user.h"

struct layout {
    const char *data_dir, *server_dir, *agent_dir, *run_id_path, *keys_path;
    const char *run_dir, *agent_run_dir, *lock_path, *record_path, *log_path;
    const char *pool_dir, *pool_run_dir;
    const char *vpc_dir, *public_pool_path;
    char run_id[9];     /* "" until layout_read_id() or layout_make() */
    char agent_run[10]; /* the agent's name on the machine, made of it */
};

void layout_init(struct layout *l, struct options *o);
void layout_set_id(struct layout *l, const char id[static 9]);
/* The same run with the pool's agent in place of the instance's: its directories, and a
 * name of its own, so that groups, bridges and rules of the two never meet. */
struct layout layout_of_pool(const struct layout *l);
/* E_NOTFOUND: data_dir holds no run. */
int layout_read_id(struct layout *l, struct error *err);
/* Makes data_dir, the run's id and, for the server, its folder with the user as owner.
 * `user` NULL: no server here. */
int layout_make(struct layout *l, const struct server_user *user, struct error *err);
int layout_make_run_dir(const struct layout *l, struct error *err);

struct root_key_texts {
    const char *access_key_id, *secret;
};
/* E_NOTFOUND no keys yet; E_DENIED not readable for this user. */
int layout_read_keys(const struct layout *l, struct arena *a, struct root_key_texts *ret,
                     struct error *err);
