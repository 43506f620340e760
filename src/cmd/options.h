/* options.h: every option of every command, declared once.
 *
 * The table says name, argument, help and default of an option, which commands take it and
 * where its value goes in `struct options`. The parser, `--help`, the manual pages and the
 * arguments that `gantry up` gives its children all come from it.
 *
 * Owns: struct options its arena, in which made texts lie; others point into argv or the
 * environment. Threads: main only.
 * Fails: options_parse() with E_INVALID and a text that says what to do. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "log.h"

enum command_bit {
    CMD_UP = 1 << 0,
    CMD_DOWN = 1 << 1,
    CMD_SERVER = 1 << 2,
    CMD_AGENT = 1 << 3,
    CMD_ENV = 1 << 4,
    CMD_STATUS = 1 << 5,
    CMD_LOGS = 1 << 6,
    CMD_EXEC = 1 << 7,
    CMD_DOCTOR = 1 << 8,
    CMD_VERSION = 1 << 9,
    CMD_HELP = 1 << 10,
    CMD_EVENTS = 1 << 11,
    CMD_WHY = 1 << 12,
    CMD_EDGE = 1 << 13,
    CMD_AUDIT = 1 << 14,
    CMD_POLICY = 1 << 15,
};

#define OPTION_LIST_MAX 64

struct option_list {
    const char *items[OPTION_LIST_MAX + 1]; /* NULL-ended */
    size_t count;
};

struct options {
    struct arena arena;
    const struct command *command;

    const char *data_dir, *run_dir; /* absolute after options_parse() */
    const char *listen, *region, *account_id;
    bool dev;
    const char *user;
    enum log_level log_level;
    int64_t stopped_task_retention_ms, disconnect_grace_ms; /* 0: AWS's */
    int64_t role_session_ms;                                /* 0: 6 h */
    int64_t event_keep_ms;                                  /* 0: 7 days */
    int64_t provisioning_timeout_ms;                        /* 0: half an hour */

    const char *server_url, *cluster;
    const char *introspection, *image_cleanup;
    int64_t image_minimum_age_ms, stop_timeout_ms;
    const char *instance_id, *availability_zone;
    const char *instance_netns, *instance_group; /* of an EC2 instance on this machine */
    int64_t instance_vcpus, instance_memory_mib; /* 0: the machine's */
    const char *instance_type, *subnet, *port_range, *ca_file, *runtime, *conmon, *init;
    int64_t reserved_memory_mib;
    bool fargate, no_fargate, no_edge;
    bool no_task_role, no_task_role_host, block_imds;
    const char *public_pool, *vpc_dir, *hosts_file, *haproxy, *dnsmasq;
    int64_t share, fargate_share; /* percent; 0: not given */
    int64_t pull;                 /* enum agent_pull */
    struct option_list attributes, insecure_registries, efs_servers;

    bool detach, purge, json, cli, roff, help;

    bool follow, timestamps;
    int64_t tail; /* < 0: all */
    const char *since, *event_task, *event_service, *event_instance, *event_type;

    const char *audit_user, *audit_call;
    const char *s3_upstream, *s3_upstream_keys, *s3_upstream_region;
    bool audit_errors, audit_data;
    struct option_list context;

    bool interactive, tty;
    const char *container, *exec_user, *workdir;
    struct option_list exec_env;

    int64_t ready_fd; /* < 0: none */

    const char *const *args; /* what follows the options, NULL-ended */
    int arg_count;
};

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_LIST,     /* struct option_list; may be repeated */
    OPTION_NUMBER,   /* int64_t, 0 and more */
    OPTION_DURATION, /* int64_t milliseconds; "90s", "5m", "3h", "250ms", seconds without */
    OPTION_LEVEL,    /* enum log_level */
    OPTION_PULL,     /* int64_t, an enum agent_pull by name */
};

struct option_row {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* in help; NULL for a flag */
    const char *help;
    const char *fallback; /* shown, and parsed when nothing was given; NULL: none */
    const char *variable; /* environment variable between the two; NULL: none */
    enum option_kind kind;
    size_t offset;
    unsigned commands;
    bool hidden; /* between our own processes */
};

extern const struct option_row option_rows[]; /* ended by name NULL */

/* argv[0] is the command's name. The texts of argv must stay. */
int options_parse(const struct command *command, int argc, char **argv,
                  struct options *ret, struct error *err);
void options_free(struct options *o);

/* "--name=value" for every option of `child` that has a value in `o`, as a NULL-ended
 * vector in o's arena with room for `extra` more; *ret_count is their number. */
const char **options_forward(struct options *o, enum command_bit child, size_t extra,
                             size_t *ret_count);

/* Milliseconds; false when it is not one. */
bool duration_parse(const char *text, int64_t *ret_ms);
