#include "firelens_config.h"

#include <ctype.h>

static const char *option(const struct string_map *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (streq(m->v[i].key, name))
            return m->v[i].value;
    return NULL;
}

const struct ecs_container_definition *
firelens_router(const struct ecs_task_definition *def)
{
    for (size_t i = 0; i < def->container_definitions.n; i++)
        if (def->container_definitions.v[i].firelens_configuration)
            return &def->container_definitions.v[i];
    return NULL;
}

bool firelens_sends(const struct ecs_container_definition *c)
{
    return c->log_configuration &&
           c->log_configuration->log_driver == ECS_LOG_DRIVER_AWSFIRELENS;
}

const char *firelens_tag(struct arena *a, const char *container, const char *task_id)
{
    return arena_printf(a, "%s-firelens-%s", container, task_id);
}

static bool is_fluentd(const struct ecs_container_definition *router)
{
    return router->firelens_configuration->type ==
           ECS_FIRELENS_CONFIGURATION_TYPE_FLUENTD;
}

const char *firelens_config_path(const struct ecs_container_definition *router)
{
    return is_fluentd(router) ? "/fluentd/etc/fluent.conf"
                              : "/fluent-bit/etc/fluent-bit.conf";
}

const char *firelens_external_path(const struct ecs_container_definition *router)
{
    return is_fluentd(router) ? "/fluentd/etc/external.conf"
                              : "/fluent-bit/etc/external.conf";
}

const char *firelens_external_arn(const struct ecs_container_definition *router)
{
    const struct string_map *m = &router->firelens_configuration->options;
    return streq(option(m, "config-file-type"), "s3") ? option(m, "config-file-value")
                                                      : NULL;
}

const char *firelens_secret_name(struct arena *a, const char *name, size_t index)
{
    char *text = arena_printf(a, "%s_%zu", name, index);
    for (char *p = text; *p; p++)
        *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    return text;
}

/* ---- writing ---- */

struct writer {
    struct arena *a;
    const struct gantry_host_task *task;
    const struct ecs_container_definition *router;
    bool fluentd;
    struct str *s;
};

static bool is_one_line(const char *text)
{
    return text && !strpbrk(text, "\r\n");
}

/* One option of a section. */
static void put(struct writer *w, const char *key, const char *value)
{
    str_addf(w->s, "    %s %s\n", key, value);
}

static void put_inputs(struct writer *w)
{
    enum ecs_network_mode mode = w->task->task_definition->network_mode;
    const char *listen = mode == ECS_NETWORK_MODE_AWSVPC || mode == ECS_NETWORK_MODE_HOST
                             ? "127.0.0.1"
                             : "0.0.0.0";
    if (w->fluentd)
        str_addf(w->s,
                 "<source>\n    @type unix\n    path /var/run/" FIRELENS_SOCKET
                 "\n</source>\n\n<source>\n    @type forward\n    bind %s\n    "
                 "port " FIRELENS_PORT "\n</source>\n\n",
                 listen);
    else
        str_addf(w->s,
                 "[INPUT]\n    Name forward\n    unix_path /var/run/" FIRELENS_SOCKET
                 "\n\n[INPUT]\n    Name forward\n    Listen %s\n    Port " FIRELENS_PORT
                 "\n\n",
                 listen);
}

static void put_metadata(struct writer *w)
{
    const struct string_map *m = &w->router->firelens_configuration->options;
    const struct ecs_task_definition *def = w->task->task_definition;
    const char *pairs[][2] = {
        {"ecs_cluster", w->task->cluster_name},
        {"ecs_task_arn", w->task->task_arn},
        {"ecs_task_definition",
         arena_printf(w->a, "%s:%d", def->family, (int)def->revision.v)}};
    if (streq(option(m, "enable-ecs-log-metadata"), "false"))
        return;
    str_add(w->s, w->fluentd ? "<filter **>\n    @type record_transformer\n    <record>\n"
                             : "[FILTER]\n    Name record_modifier\n    Match *\n");
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (!str_empty(pairs[i][1]))
            str_addf(w->s, w->fluentd ? "        %s %s\n" : "    Record %s %s\n",
                     pairs[i][0], pairs[i][1]);
    str_add(w->s, w->fluentd ? "    </record>\n</filter>\n\n" : "\n");
}

static int put_include(struct writer *w, struct error *err)
{
    const struct string_map *m = &w->router->firelens_configuration->options;
    const char *type = option(m, "config-file-type");
    const char *path = option(m, "config-file-value");
    if (!type)
        return 0;
    if (streq(type, "s3"))
        path = firelens_external_path(w->router);
    else if (!streq(type, "file"))
        return fail(err, E_INVALID,
                    "firelens option config-file-type: '%s' is neither "
                    "s3 nor file",
                    type);
    if (str_empty(path) || !is_one_line(path))
        return fail(err, E_INVALID, "firelens option config-file-value names no file");
    str_addf(w->s, "%s %s\n\n", w->fluentd ? "@include" : "@INCLUDE", path);
    return 0;
}

static void put_grep(struct writer *w, const char *match, const char *pattern,
                     bool exclude)
{
    if (!pattern)
        return;
    if (w->fluentd)
        str_addf(
            w->s,
            "<filter %s>\n    @type grep\n    <%s>\n        key log\n        pattern "
            "%s\n    </%s>\n</filter>\n\n",
            match, exclude ? "exclude" : "regexp", pattern,
            exclude ? "exclude" : "regexp");
    else
        str_addf(w->s, "[FILTER]\n    Name grep\n    Match %s\n    %s log %s\n\n", match,
                 exclude ? "Exclude" : "Regex", pattern);
}

static bool is_ours(const char *key)
{
    return streq(key, "include-pattern") || streq(key, "exclude-pattern") ||
           streq(key, "log-driver-buffer-limit");
}

static void put_output(struct writer *w, const struct ecs_log_configuration *log,
                       const char *match, size_t index)
{
    const struct string_map *m = &log->options;
    const char *kind = w->fluentd ? "@type" : "Name";
    if (!option(m, kind))
        return; /* the definition's own file has the outputs */
    str_addf(w->s, w->fluentd ? "<match %s>\n" : "[OUTPUT]\n", match);
    put(w, kind, option(m, kind));
    if (!w->fluentd)
        put(w, "Match", match);
    for (size_t i = 0; i < m->n; i++)
        if (!is_ours(m->v[i].key) && !streq(m->v[i].key, kind))
            put(w, m->v[i].key, m->v[i].value);
    for (size_t i = 0; i < log->secret_options.n; i++) {
        const char *name = log->secret_options.v[i].name;
        const char *variable = firelens_secret_name(w->a, name, index);
        put(w, name,
            arena_printf(w->a, w->fluentd ? "\"#{ENV['%s']}\"" : "${%s}", variable));
    }
    str_add(w->s, w->fluentd ? "</match>\n\n" : "\n");
}

static int check_options(const struct ecs_log_configuration *log, struct error *err)
{
    for (size_t i = 0; i < log->options.n; i++)
        if (!is_one_line(log->options.v[i].key) || !is_one_line(log->options.v[i].value))
            return fail(err, E_INVALID, "awsfirelens option '%s' is more than a line",
                        log->options.v[i].key);
    for (size_t i = 0; i < log->secret_options.n; i++)
        if (!is_one_line(log->secret_options.v[i].name))
            return fail(err, E_INVALID, "an awsfirelens secret option without a name");
    return 0;
}

static int put_container(struct writer *w, size_t index, struct error *err)
{
    const struct ecs_container_definition *c =
        &w->task->task_definition->container_definitions.v[index];
    if (!firelens_sends(c))
        return 0;
    const struct ecs_log_configuration *log = c->log_configuration;
    int r = check_options(log, err);
    if (r < 0)
        return r;
    const char *match =
        arena_printf(w->a, w->fluentd ? "%s-firelens**" : "%s-firelens*", c->name);
    put_grep(w, match, option(&log->options, "include-pattern"), false);
    put_grep(w, match, option(&log->options, "exclude-pattern"), true);
    put_output(w, log, match, index);
    return 0;
}

int firelens_config_write(struct arena *a, const struct gantry_host_task *task,
                          struct str *ret, struct error *err)
{
    const struct ecs_task_definition *def = task->task_definition;
    struct writer w = {.a = a, .task = task, .router = firelens_router(def), .s = ret};
    if (!w.router)
        return fail(err, E_INVALID, "the task has no log router");
    w.fluentd = is_fluentd(w.router);
    put_inputs(&w);
    put_metadata(&w);
    int r = put_include(&w, err);
    for (size_t i = 0; i < def->container_definitions.n && r >= 0; i++)
        r = put_container(&w, i, err);
    return r;
}
