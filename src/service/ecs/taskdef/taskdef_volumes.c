/* Rules of volumes and of what mounts them. */
#include "str.h"
#include "taskdef_private.h"

typedef struct ecs_volume volume;

static const volume *find_volume(const taskdef_request *def, const char *name)
{
    FOR_EACH(v, &def->volumes)
    if (streq(v->name, name))
        return v;
    return NULL;
}

static int check_efs(const volume *v, struct ecs_taskdef_error *err)
{
    const struct ecs_efs_volume_configuration *efs = v->efs_volume_configuration;
    const struct ecs_efs_authorization_config *auth = efs->authorization_config;
    if (!auth)
        return 0;
    bool iam = auth->iam == ECS_EFS_AUTHORIZATION_CONFIG_IAM_ENABLED;
    bool point = !str_empty(auth->access_point_id);
    if ((iam || point) && efs->transit_encryption != ECS_EFS_TRANSIT_ENCRYPTION_ENABLED)
        return taskdef_bad(
            err,
            "EFS transit encryption must be enabled for volume '%s' when an "
            "access point or IAM authorization is used",
            v->name);
    if (point && !str_empty(efs->root_directory) && !streq(efs->root_directory, "/"))
        return taskdef_bad(
            err,
            "The root directory of volume '%s' must be omitted or '/' when "
            "an access point is used",
            v->name);
    return 0;
}

static int check_docker(const volume *v, struct ecs_taskdef_error *err)
{
    const struct ecs_docker_volume_configuration *d = v->docker_volume_configuration;
    if (d->autoprovision.v && d->scope != ECS_SCOPE_SHARED)
        return taskdef_bad(
            err,
            "autoprovision of volume '%s' is only supported when the scope "
            "is shared",
            v->name);
    return 0;
}

static int check_volume(const taskdef_request *def, const volume *v,
                        struct ecs_taskdef_error *err)
{
    if (str_empty(v->name))
        return taskdef_bad(err, "Volume.name should not be null or empty.");
    if (!taskdef_name_valid(v->name, 255))
        return taskdef_bad(err, "Volume.name contains invalid characters.");
    if (find_volume(def, v->name) != v)
        return taskdef_bad(err, "Volume names must be unique within a task definition");
    /* An empty host means an anonymous volume; clients send it beside other kinds. */
    int kinds = (v->host && v->host->source_path) +
                (v->docker_volume_configuration != NULL) +
                (v->efs_volume_configuration != NULL) +
                (v->s3files_volume_configuration != NULL) +
                (v->fsx_windows_file_server_volume_configuration != NULL) +
                v->configured_at_launch.v;
    if (kinds > 1)
        return taskdef_bad(err, "Volume '%s' has more than one configuration", v->name);
    int r = v->efs_volume_configuration ? check_efs(v, err) : 0;
    if (r == 0 && v->docker_volume_configuration)
        r = check_docker(v, err);
    return r;
}

static int check_mounts(const taskdef_request *def,
                        const struct ecs_container_definition *c,
                        struct ecs_taskdef_error *err)
{
    FOR_EACH(m, &c->mount_points)
    {
        if (!find_volume(def, m->source_volume ? m->source_volume : ""))
            return taskdef_bad(err, "Unknown volume '%s'.",
                               m->source_volume ? m->source_volume : "");
        if (str_empty(m->container_path))
            return taskdef_bad(err,
                               "The containerPath of a mount point for container '%s' "
                               "should not be null or empty.",
                               c->name);
    }
    FOR_EACH(from, &c->volumes_from)
    if (!taskdef_container(def, from->source_container))
        return taskdef_bad(err,
                           "Container '%s' cannot use volumes from container '%s' "
                           "because it does not exist",
                           c->name, from->source_container ? from->source_container : "");
    return 0;
}

int taskdef_check_volumes(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    int at_launch = 0;
    FOR_EACH(v, &def->volumes)
    {
        int r = check_volume(def, v, err);
        if (r < 0)
            return r;
        at_launch += v->configured_at_launch.v;
    }
    if (at_launch > 1)
        return taskdef_bad(err,
                           "Only one volume of a task definition can be configured at "
                           "launch");
    FOR_EACH(c, &def->container_definitions)
    {
        int r = check_mounts(def, c, err);
        if (r < 0)
            return r;
    }
    return 0;
}
