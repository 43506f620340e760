/* edge.h: the edge of a machine: its networks (VPCs), load balancers and EC2 instances.
 *
 * One process a machine, root. It holds one stream on which the server says what should be
 * (DESIRED first, then changes), makes it so through its parts (router.h, balancers.h,
 * instances.h, resolver.h), and reports what it found out. The parts keep all they made
 * outside of this process (namespaces, rules, HAProxy, dnsmasq), so kill -9 at any moment
 * stops no packet: the next edge compares and goes on.
 *
 *   <run_dir>/vpc        namespaces of VPCs (vpc.h); a shared mount
 *   <run_dir>/balancers  <run_dir>/instances  <run_dir>/names    see the parts
 *   <data_dir>/instances   <data_dir>/access-logs
 *
 * The first /24 of the public pool is the edge's own: the machine's end of the VPCs' uplinks,
 * and at its second address dnsmasq.
 *
 * Owns: the folders above and what `run` names on the machine. Threads: edge_run() makes a
 * loop and returns when it is done; the parts have threads of their own.
 * Fails: edge_run() only when it can't begin: afterwards it retries for ever. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct edge_config {
    const char *server_url; /* "http://127.0.0.1:4566" */
    const char *region;     /* NULL: "us-east-1" */
    const char *access_key_id, *secret_access_key;
    const char *session_token; /* NULL: long-lived keys */

    const char *data_dir, *run_dir; /* of the whole run, absolute */
    const char *run;                /* [A-Za-z0-9-]{1,40}: this run on this machine */
    const char *public_pool;        /* "198.18.16.0/20" */
    const char *hosts_path;         /* "/etc/hosts"; NULL: none */
    const char *haproxy, *dnsmasq;  /* NULL: from PATH */
    int64_t initial_check_gap_ms;   /* see balancers.h; 0: its default */

    /* All that the server wants was handed to the parts for the first time. */
    void (*ready)(void *ctx);
    void *ctx;
    int stop_fd; /* edge_run() returns once it is readable; -1: never */
};
#define EDGE_CONFIG_INIT                                                                 \
    {                                                                                    \
        .stop_fd = -1                                                                    \
    }

/* Makes the folders, and the VPCs' a shared mount; before any agent of the run starts, so
 * that all see what is mounted there. May be repeated. */
int edge_prepare(const struct edge_config *config, struct error *err);

/* Blocks until stop_fd is readable. What was made stays. E_INVALID settings; E_DENIED not
 * root; E_CONFLICT another edge has these folders; E_NOTFOUND a program is missing. */
int edge_run(const struct edge_config *config, struct error *err);

/* Takes the names out of the machine's hosts file: they lead nowhere while nothing runs. */
int edge_unname(const struct edge_config *config, struct error *err);

/* Ends and removes everything of this run, in any state; no edge may run. Needs no server. */
int edge_purge(const struct edge_config *config, struct error *err);
