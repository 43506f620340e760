/* Rules of logging, secrets and environment files. */
#include "str.h"
#include "taskdef_private.h"

typedef struct ecs_container_definition container;

#define MAX_ENVIRONMENT_FILES 10

static bool has_option(const struct ecs_log_configuration *log, const char *name)
{
    FOR_EACH(o, &log->options)
    if (streq(o->key, name))
        return true;
    return false;
}

static bool has_router(const taskdef_request *def)
{
    FOR_EACH(c, &def->container_definitions)
    if (c->firelens_configuration)
        return true;
    return false;
}

static int check_log(const taskdef_request *def, const container *c,
                     struct ecs_taskdef_error *err)
{
    const struct ecs_log_configuration *log = c->log_configuration;
    if (!log)
        return 0;
    if (log->log_driver == ECS_LOG_DRIVER_AWSLOGS) {
        bool region = has_option(log, "awslogs-region"),
             group = has_option(log, "awslogs-group");
        if (!region || !group)
            return taskdef_bad(err, "Log driver awslogs requires options: %s%s%s",
                               region ? "" : "awslogs-region",
                               !region && !group ? ", " : "",
                               group ? "" : "awslogs-group");
    }
    if (log->log_driver == ECS_LOG_DRIVER_AWSFIRELENS && !has_router(def))
        return taskdef_bad(err, "When awsfirelens log driver is specified in log "
                                "configuration, a firelens configuration object must be "
                                "specified");
    return 0;
}

static int check_firelens(const container *c, struct ecs_taskdef_error *err)
{
    if (!c->firelens_configuration)
        return 0;
    FOR_EACH(o, &c->firelens_configuration->options)
    {
        if (streq(o->key, "config-file-type") && !streq(o->value, "s3") &&
            !streq(o->value, "file"))
            return taskdef_bad(err, "The firelens option config-file-type must be one of "
                                    "[s3, file]");
        if (!streq(o->key, "config-file-type") && !streq(o->key, "config-file-value") &&
            !streq(o->key, "enable-ecs-log-metadata"))
            return taskdef_bad(err, "%s is not a valid firelens option", o->key);
    }
    return 0;
}

static int check_secrets(const taskdef_request *def, const container *c,
                         struct ecs_taskdef_error *err)
{
    bool any =
        c->secrets.n || (c->log_configuration && c->log_configuration->secret_options.n);
    if (any && str_empty(def->execution_role_arn))
        return taskdef_bad(err,
                           "When you are specifying container secrets, you must also "
                           "specify a value for 'executionRoleArn'");
    FOR_EACH(s, &c->secrets)
    {
        bool taken = false;
        FOR_EACH(earlier, &c->secrets)
        {
            if (earlier == s)
                break;
            taken |= streq(earlier->name, s->name);
        }
        FOR_EACH(e, &c->environment)
        taken |= streq(e->name, s->name);
        if (taken)
            return taskdef_bad(
                err,
                "The secret name must be unique and not shared with any new "
                "or existing environment variables set on the container, "
                "such as '%s'",
                s->name);
    }
    return 0;
}

static int check_environment(const container *c, struct ecs_taskdef_error *err)
{
    if (c->environment_files.n > MAX_ENVIRONMENT_FILES)
        return taskdef_bad(err, "The maximum number of environment files was exceeded. "
                                "Specify ten or less and try again");
    FOR_EACH(f, &c->environment_files)
    if (!str_ends(f->value ? f->value : "", ".env"))
        return taskdef_bad(err, "Environment file '%s' must have the file extension .env",
                           f->value ? f->value : "");
    FOR_EACH(e, &c->environment)
    if (str_empty(e->name) || strchr(e->name, '='))
        return taskdef_bad(err, "Invalid environment variable name for container '%s'.",
                           c->name);
    return 0;
}

int taskdef_check_logging(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    size_t routers = 0;
    FOR_EACH(c, &def->container_definitions)
    {
        int r = check_log(def, c, err);
        if (r == 0)
            r = check_firelens(c, err);
        if (r == 0)
            r = check_secrets(def, c, err);
        if (r == 0)
            r = check_environment(c, err);
        if (r < 0)
            return r;
        routers += c->firelens_configuration != NULL;
    }
    if (routers > 1)
        return taskdef_bad(err,
                           "Only one container of a task definition can have a firelens "
                           "configuration");
    return 0;
}
