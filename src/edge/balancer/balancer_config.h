/* balancer_config.h: a load balancer as HAProxy's configuration. Pure.
 *
 * One frontend a listener, one backend a target group. A request's rule is found once, by
 * conditions in order of priority, and kept in txn.rule; every action is guarded by it, for
 * HAProxy runs all http-request lines before it chooses a backend. Shares of a forward action
 * lie in maps (ranges of 0…999999), and certificates in lists, so that both can be exchanged
 * while HAProxy runs. What can't be exchanged is the `structure`: two configurations with the
 * same structure differ in servers, maps and certificates only, and need no reload.
 *
 * Text of users enters quoted or as hexadecimal escapes of a regular expression, never bare.
 *
 * Owns: nothing; results lie in the arena. Threads: any.
 * Fails: E_UNSUPPORTED what HAProxy or gantry can't do, E_INVALID; the text says which
 * setting of which object. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "balancer_name.h"
#include "error.h"
#include "gantry_api.h"

struct balancer_server {
    char name[BALANCER_NAME_SIZE];
    const char *address;
    int port;
    bool up; /* takes new requests */
};

struct balancer_backend {
    const char *arn;
    const struct gantry_edge_target_group *group; /* NULL: not known (yet): answers 503 */
    const struct balancer_server *servers;
    size_t server_count;
};

struct balancer_view {
    const struct gantry_edge_balancer *balancer;
    const struct balancer_backend *backends;
    size_t backend_count;
    const char *dir; /* absolute: where the files below will lie */
    int threads;
    int64_t max_connections;
};

enum balancer_file_kind {
    BALANCER_CONFIG,      /* haproxy.cfg */
    BALANCER_MAP,         /* exchanged by prepare, add and commit map */
    BALANCER_LIST,        /* a crt-list */
    BALANCER_CERTIFICATE, /* PEM; the name changes with its content */
    BALANCER_BODY,        /* read when the configuration is */
};

struct balancer_file {
    enum balancer_file_kind kind;
    const char *name; /* within dir */
    const char *text;
};

struct balancer_config {
    struct balancer_file *files; /* [0] is haproxy.cfg */
    size_t count, capacity;
    uint64_t structure;
};

int balancer_config_render(struct arena *a, const struct balancer_view *view,
                           struct balancer_config *ret, struct error *err);

/* ARNs of the groups that the balancer forwards to, each once. */
size_t balancer_config_groups(struct arena *a, const struct gantry_edge_balancer *b,
                              const char ***ret);

/* Keywords of a `server` line and of `add server`, after the address. */
void balancer_server_options(struct str *out, const struct gantry_edge_target_group *g);
/* HTTP/2: a server that is added at run time can't be told max-reuse, whose 0 then means one
 * request a connection. One of the file has no such bound. */
bool balancer_servers_belong_in_file(const struct gantry_edge_target_group *g);

/* ---- between the files of this module ---- */

bool balancer_is_http(const struct gantry_edge_balancer *b);
struct balancer_file *balancer_config_file(struct arena *a, struct balancer_config *c,
                                           enum balancer_file_kind kind,
                                           const char *name);
/* 'text' in HAProxy's strong quotes. */
void config_quote(struct str *out, const char *text);
/* For a log-format in weak quotes: '%', '"', '\\' and '$' lose their meaning. */
void config_format(struct str *out, const char *text);
/* balancer_rules.c: conditions and actions of one HTTP listener, into `out`. */
int balancer_rules_render(struct arena *a, const struct balancer_view *view,
                          const struct gantry_edge_listener *l,
                          struct balancer_config *config, struct str *out,
                          struct error *err);
/* The lines that choose the backend: after all http-request lines. */
void balancer_rules_backend(struct arena *a, const struct gantry_edge_listener *l,
                            struct str *out);
/* The groups of a forward action (NULL: it is none) with their weights. */
size_t balancer_action_groups(struct arena *a, const struct elbv2_action *action,
                              struct elbv2_target_group_tuple **ret);
/* A map of ranges: each group's share of 0…999999. */
void balancer_weight_map(struct str *out, const struct elbv2_target_group_tuple *groups,
                         size_t count);
/* balancer_tls.c: "ssl crt-list … ssl-min-ver …" of a listener's bind line. */
int balancer_tls_render(struct arena *a, const struct balancer_view *view,
                        const struct gantry_edge_listener *l,
                        struct balancer_config *config, struct str *out,
                        struct error *err);
