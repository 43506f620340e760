/* task_check.c: what a task may ask for and this agent does not do (yet).
 *
 * A task never runs with a part of its definition ignored: it ends with a reason instead.
 * Also what of logConfiguration is done. */
#include <stdlib.h>

#include "fargate_rule.h"
#include "firelens_config.h"
#include "host_room.h"
#include "str.h"
#include "task_spec.h"

typedef const char *container_rule(const struct ecs_container_definition *c);

static bool is_true(struct opt_bool b)
{
    return b.set && b.v;
}

static bool needs_accelerator(const struct ecs_resource_requirement_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].type != ECS_RESOURCE_TYPE_GPU)
            return true;
    return false;
}

static const char *bad_feature(const struct ecs_container_definition *c)
{
    if (needs_accelerator(&c->resource_requirements))
        return "resourceRequirements of type InferenceAccelerator";
    if (c->credential_specs.n)
        return "credentialSpecs";
    return NULL;
}

static const char *bad_security(const struct ecs_container_definition *c)
{
    static const char *const fine[] = {
        "no-new-privileges",       "no-new-privileges:true", "no-new-privileges=true",
        "seccomp:unconfined",      "seccomp=unconfined",     "apparmor:unconfined",
        "apparmor=unconfined",     "label:disable",          "label=disable",
        "no-new-privileges:false", "no-new-privileges=false"};
    for (size_t i = 0; i < c->docker_security_options.n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof(fine) / sizeof(fine[0]); k++)
            known = known || streq(c->docker_security_options.v[i], fine[k]);
        if (!known)
            return "dockerSecurityOptions other than no-new-privileges and unconfined";
    }
    return NULL;
}

static const char *bad_override(const struct ecs_container_override *o)
{
    if (o && needs_accelerator(&o->resource_requirements))
        return "overrides.resourceRequirements of type InferenceAccelerator";
    return NULL;
}

static const char *bad_volume(const struct ecs_volume *v)
{
    if (v->s3files_volume_configuration)
        return "s3filesVolumeConfiguration";
    if (v->fsx_windows_file_server_volume_configuration)
        return "fsxWindowsFileServerVolumeConfiguration";
    if (is_true(v->configured_at_launch))
        return "volumes configured at launch";
    return NULL;
}

static const char *bad_task(const struct ecs_task_definition *def)
{
    if (def->proxy_configuration)
        return "proxyConfiguration (App Mesh)";
    if (def->inference_accelerators.n)
        return "inferenceAccelerators";
    for (size_t i = 0; i < def->volumes.n; i++) {
        const char *bad = bad_volume(&def->volumes.v[i]);
        if (bad)
            return bad;
    }
    return NULL;
}

static int refuse(struct error *err, const char *what)
{
    return fail(err, E_UNSUPPORTED, "%s: not supported by this agent", what);
}

int task_check_supported(const struct gantry_host_task *task, size_t *ret_index,
                         struct error *err)
{
    static container_rule *const rules[] = {bad_feature, bad_security};
    const struct ecs_task_definition *def = task->task_definition;
    const char *bad = fargate_refuses(task, ret_index);
    if (bad)
        return fail(err, E_UNSUPPORTED, "%s: not allowed on Fargate", bad);
    bad = bad_task(def);
    *ret_index = SIZE_MAX;
    if (bad)
        return refuse(err, bad);
    for (size_t i = 0; i < def->container_definitions.n; i++) {
        const struct ecs_container_definition *c = &def->container_definitions.v[i];
        struct log_settings log;
        if (firelens_sends(c) && !firelens_router(def))
            return fail(err, E_INVALID,
                        "log driver awsfirelens without a container that "
                        "has a firelensConfiguration");
        bad = bad_override(container_override_find(task->overrides, c->name));
        for (size_t k = 0; k < sizeof(rules) / sizeof(rules[0]) && !bad; k++)
            bad = rules[k](c);
        *ret_index = i;
        if (bad)
            return refuse(err, bad);
        int r = log_settings_of(c, 0, 1, &log, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- logConfiguration ---- */

/* Docker's sizes: a number and k, m or g (either case, an optional b). */
static bool parse_size(const char *text, int64_t *ret)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || !(v >= 0) || v > 1e15)
        return false;
    int64_t unit = 1;
    switch (*end | 32) {
    case 'k':
        unit = 1024;
        break;
    case 'm':
        unit = 1024 * 1024;
        break;
    case 'g':
        unit = 1024 * 1024 * 1024;
        break;
    default:
        break;
    }
    if (unit > 1)
        end++;
    if ((*end | 32) == 'b')
        end++;
    if (*end)
        return false;
    *ret = (int64_t)(v * (double)unit);
    return true;
}

static int read_option(const struct string_entry *o, struct log_settings *s,
                       struct error *err)
{
    int64_t n;
    if (streq(o->key, "max-size")) {
        if (streq(o->value, "-1"))
            s->max_bytes = 0;
        else if (!o->value || !parse_size(o->value, &s->max_bytes))
            return fail(err, E_INVALID, "invalid value for max-size: '%s'", o->value);
    } else if (streq(o->key, "max-file")) {
        if (!o->value || !str_to_i64(o->value, 1, 1000, &n))
            return fail(err, E_INVALID, "invalid value for max-file: '%s'", o->value);
        s->max_files = (int)n;
    } else if (!streq(o->key, "mode") && !streq(o->key, "max-buffer-size")) {
        /* labels, tag, env would change what a line says; compress what a file is */
        return fail(err, E_UNSUPPORTED, "log option '%s' for json-file is not supported",
                    o->key);
    }
    return 0;
}

int log_settings_of(const struct ecs_container_definition *def, int64_t default_bytes,
                    int default_files, struct log_settings *ret, struct error *err)
{
    struct log_settings s = {.max_bytes = default_bytes,
                             .max_files = default_files > 0 ? default_files : 1};
    const struct ecs_log_configuration *c = def->log_configuration;
    *ret = s;
    if (!c)
        return 0;
    const char *driver = wire_enum_name(&ecs_log_driver_shape, (int)c->log_driver);
    if (streq(driver, "none")) {
        ret->none = true;
        return 0;
    }
    if (c->log_driver == ECS_LOG_DRIVER_AWSFIRELENS)
        return 0; /* the options are the router's */
    if (!streq(driver, "json-file"))
        return fail(err, E_UNSUPPORTED, "log driver '%s' is not supported by this agent",
                    driver ? driver : "unknown");
    for (size_t i = 0; i < c->options.n; i++) {
        int r = read_option(&c->options.v[i], &s, err);
        if (r < 0)
            return r;
    }
    *ret = s;
    return 0;
}
