#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "str.h"

#define PARTS (CMD_UP | CMD_SERVER | CMD_AGENT)
#define HERE                                                                             \
    (PARTS | CMD_EDGE | CMD_DOWN | CMD_ENV | CMD_STATUS | CMD_LOGS | CMD_EXEC |          \
     CMD_DOCTOR | CMD_EVENTS | CMD_WHY | CMD_AUDIT | CMD_POLICY)
#define FIELD(f) offsetof(struct options, f)

const struct option_row option_rows[] = {
    {"data-dir", 0, "DIR", "where state, images and logs are kept", "/var/lib/gantry",
     "GANTRY_DATA_DIR", OPTION_TEXT, FIELD(data_dir), HERE},
    {"run-dir", 0, "DIR", "where sockets and process ids are kept", "/run/gantry",
     "GANTRY_RUN_DIR", OPTION_TEXT, FIELD(run_dir), HERE},
    {"listen", 0, "ADDRESS:PORT", "where the APIs and the registry are served",
     "127.0.0.1:4566", NULL, OPTION_TEXT, FIELD(listen),
     CMD_UP | CMD_SERVER | CMD_ENV | CMD_DOCTOR},
    {"region", 0, "NAME", "AWS region in ARNs and signatures", "us-east-1", NULL,
     OPTION_TEXT, FIELD(region), PARTS | CMD_EDGE | CMD_ENV},
    {"account-id", 0, "ID", "12 digits: the account of the root keys", "000000000000",
     NULL, OPTION_TEXT, FIELD(account_id), CMD_UP | CMD_SERVER},
    {"dev", 0, NULL, "accept any credentials; a 12-digit access key id is the account",
     NULL, NULL, OPTION_FLAG, FIELD(dev), CMD_UP | CMD_SERVER | CMD_ENV},
    {"user", 0, "NAME",
     "who the server runs as: a name, a number, or root "
     "(default: gantry if that user exists, else number 61747)",
     NULL, NULL, OPTION_TEXT, FIELD(user), CMD_UP | CMD_SERVER | CMD_DOCTOR},
    {"log-level", 0, "LEVEL", "debug, info, warn or error", "info", NULL, OPTION_LEVEL,
     FIELD(log_level), PARTS | CMD_EDGE},
    {"stopped-task-retention", 0, "TIME",
     "how long stopped tasks are shown and kept "
     "(AWS: 1h)",
     NULL, NULL, OPTION_DURATION, FIELD(stopped_task_retention_ms), PARTS},
    {"disconnect-grace", 0, "TIME",
     "how long an agent may be silent before agentConnected "
     "is false",
     NULL, NULL, OPTION_DURATION, FIELD(disconnect_grace_ms), CMD_UP | CMD_SERVER},
    {"role-session", 0, "TIME",
     "how long credentials live that tasks and instances have of roles (default: 6h)",
     NULL, NULL, OPTION_DURATION, FIELD(role_session_ms), CMD_UP | CMD_SERVER},
    {"provisioning-timeout", 0, "TIME",
     "how long a task waits for capacity before it fails (default: 30m)", NULL, NULL,
     OPTION_DURATION, FIELD(provisioning_timeout_ms), CMD_UP | CMD_SERVER},
    {"event-retention", 0, "TIME", "how far the history of events goes back (7 days)",
     NULL, NULL, OPTION_DURATION, FIELD(event_keep_ms), CMD_UP | CMD_SERVER},
    {"s3-upstream", 0, "URL",
     "keep the objects of S3 in a bucket elsewhere: "
     "http(s)://host[:port]/bucket[/prefix]",
     NULL, "GANTRY_S3_UPSTREAM", OPTION_TEXT, FIELD(s3_upstream), CMD_UP | CMD_SERVER},
    {"s3-upstream-keys", 0, "FILE",
     "whose keys sign there: JSON with accessKeyId and secretAccessKey", NULL,
     "GANTRY_S3_UPSTREAM_KEYS", OPTION_TEXT, FIELD(s3_upstream_keys),
     CMD_UP | CMD_SERVER},
    {"s3-upstream-region", 0, "NAME", "the bucket's region (default: --region)", NULL,
     "GANTRY_S3_UPSTREAM_REGION", OPTION_TEXT, FIELD(s3_upstream_region),
     CMD_UP | CMD_SERVER},
    {"server", 0, "URL", "the server to join (default: the one `gantry up` runs here)",
     NULL, NULL, OPTION_TEXT, FIELD(server_url), CMD_AGENT | CMD_EDGE},
    {"cluster", 0, "NAME", "the cluster: to join, or that is meant", "default", NULL,
     OPTION_TEXT, FIELD(cluster), CMD_AGENT | CMD_EVENTS | CMD_WHY},
    {"instance-id", 0, "ID",
     "the EC2 instance that this is (default: the machine itself)", NULL, NULL,
     OPTION_TEXT, FIELD(instance_id), CMD_AGENT},
    {"availability-zone", 0, "NAME", "where it is (default: zone a of the region)", NULL,
     NULL, OPTION_TEXT, FIELD(availability_zone), CMD_AGENT},
    {"instance-netns", 0, "PATH", "its network namespace", NULL, NULL, OPTION_TEXT,
     FIELD(instance_netns), CMD_AGENT, true},
    {"instance-group", 0, "NAME", "its cgroup", NULL, NULL, OPTION_TEXT,
     FIELD(instance_group), CMD_AGENT, true},
    {"instance-vcpus", 0, "N", "its processors", NULL, NULL, OPTION_NUMBER,
     FIELD(instance_vcpus), CMD_AGENT, true},
    {"instance-memory", 0, "MIB", "its memory for tasks", NULL, NULL, OPTION_NUMBER,
     FIELD(instance_memory_mib), CMD_AGENT, true},
    {"instance-type", 0, "NAME", "value of the attribute ecs.instance-type", NULL, NULL,
     OPTION_TEXT, FIELD(instance_type), CMD_UP | CMD_AGENT},
    {"attribute", 0, "NAME=VALUE", "a custom attribute of this instance; repeat for more",
     NULL, NULL, OPTION_LIST, FIELD(attributes), CMD_UP | CMD_AGENT},
    {"reserved-memory", 0, "MIB", "memory that is not offered to tasks", NULL, NULL,
     OPTION_NUMBER, FIELD(reserved_memory_mib), CMD_UP | CMD_AGENT},
    {"fargate", 0, NULL, "run tasks of launch type FARGATE: be part of the hidden pool",
     NULL, NULL, OPTION_FLAG, FIELD(fargate), CMD_AGENT},
    {"share", 0, "PERCENT",
     "how much of the machine's CPU and memory is offered (default: 100)", NULL, NULL,
     OPTION_NUMBER, FIELD(share), CMD_AGENT},
    {"no-fargate", 0, NULL, "run no tasks of launch type FARGATE on this machine", NULL,
     NULL, OPTION_FLAG, FIELD(no_fargate), CMD_UP},
    {"fargate-share", 0, "PERCENT",
     "give Fargate's tasks this much of CPU and memory and the rest to the instance "
     "(default: both may use all of it)",
     NULL, NULL, OPTION_NUMBER, FIELD(fargate_share), CMD_UP},
    {"no-edge", 0, NULL,
     "make no networks here: no tasks in awsvpc mode, no load balancers, no EC2 "
     "instances",
     NULL, NULL, OPTION_FLAG, FIELD(no_edge), CMD_UP},
    {"public-pool", 0, "CIDR",
     "public addresses, /16 to /23 (default: a free /20 of 198.18.0.0/15, kept)", NULL,
     NULL, OPTION_TEXT, FIELD(public_pool), CMD_UP | CMD_SERVER | CMD_EDGE},
    {"hosts-file", 0, "PATH|none",
     "where names of load balancers are written for this machine", "/etc/hosts", NULL,
     OPTION_TEXT, FIELD(hosts_file), CMD_UP | CMD_EDGE},
    {"haproxy", 0, "PATH", "load balancer (default: haproxy from PATH)", NULL, NULL,
     OPTION_TEXT, FIELD(haproxy), CMD_UP | CMD_EDGE},
    {"dnsmasq", 0, "PATH", "name server (default: dnsmasq from PATH)", NULL, NULL,
     OPTION_TEXT, FIELD(dnsmasq), CMD_UP | CMD_EDGE},
    {"vpc-dir", 0, "DIR", "where the edge of this machine has its VPCs (default: none)",
     NULL, NULL, OPTION_TEXT, FIELD(vpc_dir), CMD_AGENT},
    {"image-pull", 0, "WHEN", "default, always, once or prefer-cached", "default", NULL,
     OPTION_PULL, FIELD(pull), CMD_UP | CMD_AGENT},
    {"stop-timeout", 0, "TIME",
     "from SIGTERM to SIGKILL, for containers without a stopTimeout", "30s", NULL,
     OPTION_DURATION, FIELD(stop_timeout_ms), CMD_UP | CMD_AGENT},
    {"insecure-registry", 0, "HOST[:PORT]",
     "talk to this registry without TLS; repeat for "
     "more",
     NULL, NULL, OPTION_LIST, FIELD(insecure_registries), CMD_UP | CMD_AGENT},
    {"efs-server", 0, "FS-ID=HOST",
     "where an EFS file system is mounted from (default: its name at AWS); repeat for "
     "more",
     NULL, NULL, OPTION_LIST, FIELD(efs_servers), CMD_UP | CMD_AGENT},
    {"ca-file", 0, "FILE", "PEM certificates to trust instead of the system's", NULL,
     NULL, OPTION_TEXT, FIELD(ca_file), CMD_UP | CMD_AGENT},
    {"subnet", 0, "CIDR", "addresses for bridge mode (default: a free one)", NULL, NULL,
     OPTION_TEXT, FIELD(subnet), CMD_UP | CMD_AGENT},
    {"port-range", 0, "LOW-HIGH", "dynamic host ports (default: 49153-65535)", NULL, NULL,
     OPTION_TEXT, FIELD(port_range), CMD_UP | CMD_AGENT},
    {"introspection", 0, "PORT|off",
     "the agent's own tasks at http://localhost:PORT/v1/tasks (default: 51678 when it is "
     "free)",
     NULL, NULL, OPTION_TEXT, FIELD(introspection), CMD_UP | CMD_AGENT},
    {"no-task-role", 0, NULL,
     "give tasks no credentials of their roles (ECS_ENABLE_TASK_IAM_ROLE=false)", NULL,
     NULL, OPTION_FLAG, FIELD(no_task_role), CMD_UP | CMD_AGENT},
    {"no-task-role-host", 0, NULL,
     "nor those in network mode host (ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=false)", NULL,
     NULL, OPTION_FLAG, FIELD(no_task_role_host), CMD_UP | CMD_AGENT},
    {"block-imds", 0, NULL,
     "keep awsvpc tasks from the instance's metadata (ECS_AWSVPC_BLOCK_IMDS=true)", NULL,
     NULL, OPTION_FLAG, FIELD(block_imds), CMD_AGENT},
    {"image-cleanup", 0, "TIME|off",
     "how often images that nothing needs are removed (default: 30m)", NULL, NULL,
     OPTION_TEXT, FIELD(image_cleanup), CMD_UP | CMD_AGENT},
    {"image-minimum-age", 0, "TIME", "younger images are not removed (default: 1h)", NULL,
     NULL, OPTION_DURATION, FIELD(image_minimum_age_ms), CMD_UP | CMD_AGENT},
    {"runtime", 0, "PATH", "OCI runtime (default: crun from PATH)", NULL, NULL,
     OPTION_TEXT, FIELD(runtime), CMD_UP | CMD_AGENT | CMD_EXEC},
    {"conmon", 0, "PATH", "container supervisor (default: conmon from PATH)", NULL, NULL,
     OPTION_TEXT, FIELD(conmon), CMD_UP | CMD_AGENT},
    {"init", 0, "PATH",
     "static init program for initProcessEnabled (default: gantry's own)", NULL, NULL,
     OPTION_TEXT, FIELD(init), CMD_UP | CMD_AGENT},
    {"detach", 'd', NULL, "return once everything is ready", NULL, NULL, OPTION_FLAG,
     FIELD(detach), CMD_UP},
    {"purge", 0, NULL, "also end all tasks and remove networks, mounts and all data",
     NULL, NULL, OPTION_FLAG, FIELD(purge), CMD_DOWN},
    {"json", 0, NULL, "print JSON", NULL, NULL, OPTION_FLAG, FIELD(json),
     CMD_STATUS | CMD_DOCTOR | CMD_EVENTS | CMD_AUDIT | CMD_POLICY},
    {"cli", 0, NULL,
     "also define a shell function `aws` that passes --endpoint-url, for an "
     "AWS CLI older than 2.13",
     NULL, NULL, OPTION_FLAG, FIELD(cli), CMD_ENV},
    {"follow", 'f', NULL, "go on printing what comes", NULL, NULL, OPTION_FLAG,
     FIELD(follow), CMD_LOGS | CMD_EVENTS | CMD_AUDIT},
    {"tail", 0, "N", "only the last N lines", NULL, NULL, OPTION_NUMBER, FIELD(tail),
     CMD_LOGS | CMD_EVENTS | CMD_AUDIT},
    {"since", 0, "TIME", "only newer than 10m, or than 2026-11-22T18:08:00Z", NULL, NULL,
     OPTION_TEXT, FIELD(since), CMD_LOGS | CMD_EVENTS | CMD_AUDIT},
    {"task", 0, "TASK", "only of this task (an ARN or a full id)", NULL, NULL,
     OPTION_TEXT, FIELD(event_task), CMD_EVENTS},
    {"service", 0, "SERVICE", "only of this service (an ARN or a name) and its tasks",
     NULL, NULL, OPTION_TEXT, FIELD(event_service), CMD_EVENTS},
    {"instance", 0, "INSTANCE", "only of this instance (an ARN or an id) and its tasks",
     NULL, NULL, OPTION_TEXT, FIELD(event_instance), CMD_EVENTS},
    {"type", 0, "TYPE",
     "only task, instance, service or deployment events (or a detail-type in full)", NULL,
     NULL, OPTION_TEXT, FIELD(event_type), CMD_EVENTS},
    {"user", 0, "TEXT", "only of callers whose ARN has this in it", NULL, NULL,
     OPTION_TEXT, FIELD(audit_user), CMD_AUDIT},
    {"call", 0, "NAME", "only of this operation (RunTask)", NULL, NULL, OPTION_TEXT,
     FIELD(audit_call), CMD_AUDIT},
    {"errors", 0, NULL, "only what was refused or failed", NULL, NULL, OPTION_FLAG,
     FIELD(audit_errors), CMD_AUDIT},
    {"data", 0, NULL, "what was done to objects, items and images", NULL, NULL,
     OPTION_FLAG, FIELD(audit_data), CMD_AUDIT},
    {"context", 0, "KEY=VALUE", "a condition key of the request (aws:SourceIp=10.0.0.1)",
     NULL, NULL, OPTION_LIST, FIELD(context), CMD_POLICY},
    {"timestamps", 't', NULL, "put the time before each line", NULL, NULL, OPTION_FLAG,
     FIELD(timestamps), CMD_LOGS},
    {"interactive", 'i', NULL, "pass standard input on", NULL, NULL, OPTION_FLAG,
     FIELD(interactive), CMD_EXEC},
    {"tty", 't', NULL, "give the program a terminal", NULL, NULL, OPTION_FLAG, FIELD(tty),
     CMD_EXEC},
    {"container", 0, "NAME",
     "the container's name in the task definition (default: the "
     "first essential one)",
     NULL, NULL, OPTION_TEXT, FIELD(container), CMD_EXEC | CMD_LOGS},
    {"env", 'e', "NAME=VALUE", "an environment variable; repeat for more", NULL, NULL,
     OPTION_LIST, FIELD(exec_env), CMD_EXEC},
    {"user", 'u', "USER[:GROUP]", "run as (default: the container's user)", NULL, NULL,
     OPTION_TEXT, FIELD(exec_user), CMD_EXEC},
    {"workdir", 'w', "DIR", "working directory (default: the container's)", NULL, NULL,
     OPTION_TEXT, FIELD(workdir), CMD_EXEC},
    {"roff", 0, NULL, "print the manual page's source", NULL, NULL, OPTION_FLAG,
     FIELD(roff), CMD_HELP, true},
    {"ready-fd", 0, "N", "where to say that it is ready", NULL, NULL, OPTION_NUMBER,
     FIELD(ready_fd), CMD_SERVER | CMD_EDGE | CMD_AGENT, true},
    {"help", 'h', NULL, "show this help", NULL, NULL, OPTION_FLAG, FIELD(help), ~0u},
    {0},
};

#define ROW_COUNT (sizeof(option_rows) / sizeof(option_rows[0]) - 1)

static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};
static const char *const pull_names[] = {"default", "always", "once", "prefer-cached",
                                         NULL};

static bool name_index(const char *const names[], const char *text, int *ret)
{
    for (int i = 0; names[i]; i++) {
        if (streq(names[i], text)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

bool duration_parse(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                 {"h", 3600000}, {"d", 86400000}, {"", 1000}};
    size_t digits = strspn(text, "0123456789");
    char number[16];
    int64_t n;
    if (!digits || digits >= sizeof(number))
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (!str_to_i64(number, 0, INT64_C(1000000000000), &n))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (streq(text + digits, units[i].unit)) {
            *ret_ms = n * units[i].ms;
            return n <= INT64_MAX / units[i].ms;
        }
    }
    return false;
}

static int bad_value(const struct option_row *row, const char *text, const char *wanted,
                     struct error *err)
{
    return fail(err, E_INVALID, "--%s '%s': expected %s", row->name, text, wanted);
}

static int store_list(struct option_list *list, const struct option_row *row,
                      const char *text, struct error *err)
{
    if (list->count == OPTION_LIST_MAX)
        return fail(err, E_INVALID, "--%s: at most %d are taken", row->name,
                    OPTION_LIST_MAX);
    list->items[list->count++] = text;
    return 0;
}

static int store(struct options *o, const struct option_row *row, const char *text,
                 struct error *err)
{
    void *field = (char *)o + row->offset;
    int index;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_TEXT:
        if (!*text)
            return bad_value(row, text, row->argument, err);
        *(const char **)field = text;
        return 0;
    case OPTION_LIST:
        return store_list(field, row, text, err);
    case OPTION_NUMBER:
        if (!str_to_i64(text, 0, INT32_MAX, field))
            return bad_value(row, text, "a number", err);
        return 0;
    case OPTION_DURATION:
        if (!duration_parse(text, field))
            return bad_value(row, text, "a time such as 90s, 5m, 3h or 250ms", err);
        return 0;
    case OPTION_LEVEL:
        if (!name_index(level_names, text, &index))
            return bad_value(row, text, "debug, info, warn or error", err);
        *(enum log_level *)field = (enum log_level)index;
        return 0;
    case OPTION_PULL:
        if (!name_index(pull_names, text, &index))
            return bad_value(row, text, "default, always, once or prefer-cached", err);
        *(int64_t *)field = index;
        return 0;
    }
    return 0;
}

/* Defaults first, then the environment; what is given on the command line comes after. */
static int fill_defaults(struct options *o, struct error *err)
{
    o->tail = -1;
    o->ready_fd = -1;
    for (const struct option_row *row = option_rows; row->name; row++) {
        const char *from = row->variable ? getenv(row->variable) : NULL;
        if (!(row->commands & o->command->bit))
            continue;
        int r = 0;
        if (!str_empty(from))
            r = store(o, row, from, err);
        else if (row->fallback)
            r = store(o, row, row->fallback, err);
        if (r < 0)
            return from ? wrap(err, "environment variable %s", row->variable) : r;
    }
    return 0;
}

/* Children and a daemon may stand elsewhere, so directories are made absolute here. */
static int make_absolute(struct options *o, const char **dir, struct error *err)
{
    char here[4096];
    if (!*dir)
        return 0;
    if (**dir != '/') {
        if (!getcwd(here, sizeof(here)))
            return fail(err, E_INVALID, "'%s': the working directory is gone", *dir);
        *dir = arena_printf(&o->arena, "%s/%s", streq(here, "/") ? "" : here, *dir);
    }
    char *copy = arena_strdup(&o->arena, *dir);
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    *dir = copy;
    return 0;
}

static int check_values(struct options *o, struct error *err)
{
    int r = make_absolute(o, &o->data_dir, err);
    if (r == 0)
        r = make_absolute(o, &o->run_dir, err);
    if (r < 0)
        return r;
    if (o->data_dir && (streq(o->data_dir, "/") || streq(o->run_dir, "/")))
        return fail(err, E_INVALID, "--data-dir and --run-dir must not be '/'");
    if (o->data_dir && streq(o->data_dir, o->run_dir))
        return fail(err, E_INVALID, "--data-dir and --run-dir must differ");
    if (o->account_id &&
        (strlen(o->account_id) != 12 || strspn(o->account_id, "0123456789") != 12))
        return fail(err, E_INVALID, "--account-id '%s': expected 12 digits",
                    o->account_id);
    if (o->region &&
        strspn(o->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(o->region))
        return fail(err, E_INVALID, "--region '%s': expected a name such as us-east-1",
                    o->region);
    if (o->share > 100)
        return fail(err, E_INVALID, "--share %lld: expected a percentage, 1 to 100",
                    (long long)o->share);
    if (o->fargate_share > 99)
        return fail(err, E_INVALID,
                    "--fargate-share %lld: expected a percentage, 1 to 99",
                    (long long)o->fargate_share);
    if (o->listen && !strrchr(o->listen, ':'))
        return fail(err, E_INVALID,
                    "--listen '%s': expected ADDRESS:PORT such as "
                    "127.0.0.1:4566",
                    o->listen);
    return 0;
}

#define LONG_BASE 1000 /* above every letter */

struct getopt_tables {
    struct option longs[ROW_COUNT + 1];
    char shorts[2 * ROW_COUNT + 3];
};

static void getopt_fill(const struct command *command, struct getopt_tables *t)
{
    size_t n = 0, s = 0;
    t->shorts[s++] = '+'; /* options end at the first argument: exec TASK -- CMD -x */
    t->shorts[s++] = ':';
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        if (!(row->commands & command->bit))
            continue;
        t->longs[n++] =
            (struct option){row->name, row->argument ? required_argument : no_argument,
                            NULL, LONG_BASE + (int)i};
        if (row->letter)
            t->shorts[s++] = row->letter;
        if (row->letter && row->argument)
            t->shorts[s++] = ':';
    }
    t->longs[n] = (struct option){0};
    t->shorts[s] = '\0';
}

static const struct option_row *row_of(const struct command *command, int c)
{
    if (c >= LONG_BASE)
        return &option_rows[c - LONG_BASE];
    for (const struct option_row *row = option_rows; row->name; row++)
        if (row->letter == c && (row->commands & command->bit))
            return row;
    return NULL;
}

static int unknown(const struct command *command, const char *given, int letter,
                   struct error *err)
{
    char short_name[3] = {'-', (char)letter, '\0'};
    bool is_letter = letter > 0 && letter < 256;
    return fail(err, E_INVALID, "%s has no option '%s'; see 'gantry %s --help'",
                command->name, is_letter ? short_name : given, command->name);
}

/* Options may stand before, between and after the arguments, but never after `--` or, for
 * exec, after the task: what follows is the program's. */
static int parse_all(struct options *o, int argc, char **argv, const char **args,
                     struct error *err)
{
    struct getopt_tables t;
    getopt_fill(o->command, &t);
    opterr = 0;
    optind = 1;
    for (;;) {
        int before = optind;
        int c = getopt_long(argc, argv, t.shorts, t.longs, NULL);
        if (c == -1) {
            bool dashes = optind > before && streq(argv[optind - 1], "--");
            bool rest = dashes || (o->command->bit == CMD_EXEC && o->arg_count > 0);
            while (optind < argc &&
                   (rest || argv[optind][0] != '-' || !argv[optind][1])) {
                args[o->arg_count++] = argv[optind++];
                if (!rest)
                    break;
            }
            if (optind >= argc)
                return 0;
            continue;
        }
        const struct option_row *row =
            c == '?' || c == ':' ? NULL : row_of(o->command, c);
        if (c == ':')
            return fail(err, E_INVALID,
                        "option '%s' needs a value; see 'gantry %s --help'",
                        argv[optind - 1], o->command->name);
        if (!row)
            return unknown(o->command, argv[optind - 1], optopt, err);
        int r = store(o, row, optarg ? optarg : "", err);
        if (r < 0)
            return r;
    }
}

int options_parse(const struct command *command, int argc, char **argv,
                  struct options *ret, struct error *err)
{
    *ret = (struct options){.command = command};
    const char **args = arena_new_array(&ret->arena, const char *, (size_t)argc + 1);
    ret->args = args;
    int r = fill_defaults(ret, err);
    if (r == 0)
        r = parse_all(ret, argc, argv, args, err);
    if (r < 0 || ret->help)
        return r;
    if (ret->arg_count < command->min_args)
        return fail(err, E_INVALID, "usage: gantry %s [OPTION]... %s", command->name,
                    command->arguments);
    if (command->max_args >= 0 && ret->arg_count > command->max_args)
        return fail(err, E_INVALID, "%s does not take '%s'; see 'gantry %s --help'",
                    command->name, args[command->max_args], command->name);
    return check_values(ret, err);
}

void options_free(struct options *o)
{
    arena_free(&o->arena);
}

/* ---- forwarding ---- */

static const char *value_text(struct options *o, const struct option_row *row)
{
    const void *field = (const char *)o + row->offset;
    switch (row->kind) {
    case OPTION_FLAG:
        return *(const bool *)field ? "" : NULL;
    case OPTION_TEXT:
        return *(const char *const *)field;
    case OPTION_NUMBER:
        if (*(const int64_t *)field <= 0)
            return NULL;
        return arena_printf(&o->arena, "%lld", (long long)*(const int64_t *)field);
    case OPTION_DURATION:
        if (*(const int64_t *)field <= 0)
            return NULL;
        return arena_printf(&o->arena, "%lldms", (long long)*(const int64_t *)field);
    case OPTION_LEVEL:
        return level_names[*(const enum log_level *)field];
    case OPTION_PULL:
        return pull_names[*(const int64_t *)field];
    case OPTION_LIST:
        break;
    }
    return NULL;
}

static void add_list(struct options *o, const struct option_row *row, const char **out,
                     size_t *n)
{
    const struct option_list *list =
        (const struct option_list *)(const void *)((const char *)o + row->offset);
    for (size_t i = 0; i < list->count; i++)
        out[(*n)++] = arena_printf(&o->arena, "--%s=%s", row->name, list->items[i]);
}

const char **options_forward(struct options *o, enum command_bit child, size_t extra,
                             size_t *ret_count)
{
    size_t n = 0;
    const char **out = arena_new_array(&o->arena, const char *,
                                       ROW_COUNT + 4 * OPTION_LIST_MAX + extra + 1);
    for (const struct option_row *row = option_rows; row->name; row++) {
        if (!(row->commands & child) || !(row->commands & o->command->bit) || row->hidden)
            continue;
        if (row->kind == OPTION_LIST) {
            add_list(o, row, out, &n);
            continue;
        }
        const char *value = value_text(o, row);
        if (value)
            out[n++] = row->kind == OPTION_FLAG
                           ? arena_printf(&o->arena, "--%s", row->name)
                           : arena_printf(&o->arena, "--%s=%s", row->name, value);
    }
    *ret_count = n;
    return out;
}
