#include "volume_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "spawn.h"
#include "str.h"
#include "volume_mount.h"

/* What AWS recommends for EFS; the kernel's own limits apply where they are lower. */
#define EFS_OPTIONS                                                                      \
    "vers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport"
#define HELPER_TIMEOUT_MS 60000
#define SETTINGS_MAX      65536

static pthread_mutex_t place_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- driverOpts of the local driver ---- */

static const char *option(const struct string_map *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (streq(m->v[i].key, name))
            return m->v[i].value;
    return NULL;
}

int driver_options_check(const struct string_map *m, struct error *err)
{
    static const char *const needed[] = {"device", "type"};
    for (size_t i = 0; i < m->n; i++)
        if (!streq(m->v[i].key, "type") && !streq(m->v[i].key, "device") &&
            !streq(m->v[i].key, "o"))
            return fail(err, E_INVALID, "invalid option: \"%s\"", m->v[i].key);
    for (size_t i = 0; i < 2 && m->n > 0; i++)
        if (str_empty(option(m, needed[i])))
            return fail(err, E_INVALID, "missing required option: \"%s\"", needed[i]);
    return 0;
}

/* A bind makes no mount: the device is the place. */
static int place_bind(const char *device, unsigned long flags, struct volume_place *ret,
                      struct error *err)
{
    struct stat st;
    if (!device || device[0] != '/' || stat(device, &st) < 0)
        return fail(err, E_NOTFOUND,
                    "failed to mount local volume: mount %s: no such "
                    "file or directory",
                    device ? device : "");
    *ret = (struct volume_place){.path = device, .read_only = flags & 1};
    return 0;
}

static int place_options(const struct string_map *m, const char *target,
                         struct volume_place *ret, struct error *err)
{
    AUTO_STR data = STR_INIT;
    unsigned long flags;
    bool bind;
    struct volume_mount v = {.type = option(m, "type"),
                             .device = option(m, "device"),
                             .options = option(m, "o"),
                             .target = target};
    int r = driver_options_check(m, err);
    if (r >= 0)
        r = mount_options_split(v.options, &flags, &bind, &data, err);
    if (r < 0)
        return r;
    if (bind)
        return place_bind(v.device, flags, ret, err);
    *ret = (struct volume_place){.path = target, .read_only = flags & 1};
    return volume_mount(&v, err);
}

/* What goes with the task counts for its disk, if it has one. */
static const char *task_folder(struct arena *a, const struct volume_source *s,
                               const char *name)
{
    return arena_printf(a, "%s/volumes/%s", s->disk_dir ? s->disk_dir : s->task_dir,
                        name);
}

/* ---- docker ---- */

static int write_settings(const char *path, const char *dir,
                          const struct ecs_docker_volume_configuration *d,
                          struct error *err)
{
    AUTO_STR text = STR_INIT;
    wire_json_encode(&text, &ecs_docker_volume_configuration_shape, d);
    int r = dir_make_all(dir, 0700, err);
    return r < 0 ? r : file_replace(path, text.data, text.len, 0600, 0, err);
}

/* Is it the volume that the task means? One without settings was made by hand. */
static int compare_settings(struct arena *a, const char *path, const char *name,
                            const struct ecs_docker_volume_configuration *d,
                            struct error *err)
{
    AUTO_STR text = STR_INIT;
    struct wire_error bad;
    void *value = NULL;
    int r = file_read(AT_FDCWD, path, SETTINGS_MAX, &text, err);
    if (r == -E_NOTFOUND)
        return 0;
    if (r >= 0 && wire_json_decode(a, &ecs_docker_volume_configuration_shape,
                                   str_text(&text), text.len, true, &value, &bad) < 0)
        r = fail(err, E_CORRUPT, "%s: %s", path, bad.text);
    if (r < 0)
        return r;
    struct ecs_docker_volume_configuration was =
        *(const struct ecs_docker_volume_configuration *)value;
    was.autoprovision = d->autoprovision;
    if (wire_equal(&ecs_docker_volume_configuration_shape, &was, d))
        return 0;
    return fail(err, E_CONFLICT,
                "intended volume '%s' configuration does not match existing volume",
                name);
}

static int place_shared(struct arena *a, const struct volume_source *s,
                        const struct ecs_volume *v, struct volume_place *ret,
                        struct error *err)
{
    const struct ecs_docker_volume_configuration *d = v->docker_volume_configuration;
    const char *dir = arena_printf(a, "%s/volumes/%s", s->data_dir, v->name);
    const char *settings_dir = arena_printf(a, "%s/volumes/.settings", s->data_dir);
    const char *settings = arena_printf(a, "%s/%s", settings_dir, v->name);
    bool there = access(dir, F_OK) == 0;
    int r;
    if (there)
        r = d->autoprovision.v ? compare_settings(a, settings, v->name, d, err) : 0;
    else if (!d->autoprovision.v)
        return fail(err, E_NOTFOUND,
                    "volume detection failed, volume '%s' does not exist and "
                    "autoprovision is set to false",
                    v->name);
    else
        r = write_settings(settings, settings_dir, d, err);
    if (r >= 0)
        r = dir_make_all(dir, 0755, err);
    if (r < 0)
        return r;
    *ret = (struct volume_place){.path = dir, .fill = true};
    if (d->driver_opts.n == 0)
        return 0;
    return place_options(&d->driver_opts,
                         arena_printf(a, "%s/mounts/.shared/%s", s->data_dir, v->name),
                         ret, err);
}

static int place_docker(struct arena *a, const struct volume_source *s,
                        const struct ecs_volume *v, struct volume_place *ret,
                        struct error *err)
{
    const struct ecs_docker_volume_configuration *d = v->docker_volume_configuration;
    if (!str_empty(d->driver) && !streq(d->driver, "local"))
        return fail(err, E_UNSUPPORTED,
                    "create %s: error looking up volume plugin %s: plugin \"%s\" not "
                    "found",
                    v->name, d->driver, d->driver);
    if (d->scope == ECS_SCOPE_SHARED)
        return place_shared(a, s, v, ret, err);
    if (d->driver_opts.n > 0)
        return place_options(
            &d->driver_opts,
            arena_printf(a, "%s/mounts/%s/%s", s->data_dir, s->task->task_id, v->name),
            ret, err);
    *ret = (struct volume_place){.path = task_folder(a, s, v->name), .fill = true};
    return 0;
}

/* ---- EFS ---- */

const char *efs_server(struct arena *a, const char *const *servers, const char *id,
                       const char *region)
{
    size_t n = strlen(id);
    for (; servers && *servers; servers++)
        if (strncmp(*servers, id, n) == 0 && (*servers)[n] == '=')
            return *servers + n + 1;
    return arena_printf(a, "%s.efs.%s.amazonaws.com", id,
                        str_empty(region) ? "us-east-1" : region);
}

static int run_helper(const char *path, const char *const argv[], struct error *err)
{
    AUTO_STR out = STR_INIT, errors = STR_INIT;
    int status = 0;
    int r = spawn_run(path, argv, NULL, &out, &errors, HELPER_TIMEOUT_MS, &status, err);
    if (r < 0)
        return r;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    while (errors.len > 0 && errors.data[errors.len - 1] == '\n')
        errors.data[--errors.len] = '\0';
    return fail(err, E_EXEC, "%s: %s", argv[0], str_text(&errors));
}

/* TLS, IAM and access points are the work of amazon-efs-utils, if the machine has them. */
static int mount_by_helper(struct arena *a, const struct ecs_efs_volume_configuration *e,
                           const char *source, const char *target, struct error *err)
{
    AUTO_STR path = STR_INIT, options = STR_INIT;
    const struct ecs_efs_authorization_config *auth = e->authorization_config;
    if (spawn_find("mount.efs", &path, NULL) < 0)
        return fail(err, E_UNSUPPORTED,
                    "transitEncryption ENABLED needs mount.efs (amazon-efs-utils) on the "
                    "container instance");
    str_add(&options, "tls");
    if (e->transit_encryption_port.set)
        str_addf(&options, ",tlsport=%d", (int)e->transit_encryption_port.v);
    if (auth && auth->iam == ECS_EFS_AUTHORIZATION_CONFIG_IAM_ENABLED)
        str_add(&options, ",iam");
    if (auth && !str_empty(auth->access_point_id))
        str_addf(&options, ",accesspoint=%s", auth->access_point_id);
    int r = dir_make_all(target, 0755, err);
    if (r < 0 || volume_is_mounted(target))
        return r;
    const char *const argv[] = {
        "mount.efs", source, target, "-o", arena_strdup(a, options.data), NULL};
    return run_helper(path.data, argv, err);
}

static int place_efs(struct arena *a, const struct volume_source *s,
                     const struct ecs_volume *v, struct volume_place *ret,
                     struct error *err)
{
    const struct ecs_efs_volume_configuration *e = v->efs_volume_configuration;
    const char *root = str_empty(e->root_directory) ? "/" : e->root_directory;
    if (str_empty(e->file_system_id) || root[0] != '/')
        return fail(err, E_INVALID,
                    "EFS volume '%s' needs a file system and an absolute "
                    "root directory",
                    v->name);
    const char *target =
        arena_printf(a, "%s/mounts/%s/%s", s->data_dir, s->task->task_id, v->name);
    *ret = (struct volume_place){.path = target};
    if (e->transit_encryption == ECS_EFS_TRANSIT_ENCRYPTION_ENABLED ||
        e->authorization_config)
        return mount_by_helper(a, e, arena_printf(a, "%s:%s", e->file_system_id, root),
                               target, err);
    struct volume_mount m = {
        .type = "nfs4",
        .device = arena_printf(
            a, "%s:%s", efs_server(a, s->efs_servers, e->file_system_id, s->task->region),
            root),
        .options = EFS_OPTIONS,
        .target = target};
    return volume_mount(&m, err);
}

/* ---- all ---- */

static int place_locked(struct arena *a, const struct volume_source *s,
                        const struct ecs_volume *v, struct volume_place *ret,
                        struct error *err)
{
    if (v->efs_volume_configuration)
        return place_efs(a, s, v, ret, err);
    if (v->docker_volume_configuration)
        return place_docker(a, s, v, ret, err);
    *ret = (struct volume_place){.path = task_folder(a, s, v->name), .fill = true};
    return 0;
}

static int make_host_path(const char *path, struct error *err)
{
    struct stat st;
    if (path[0] != '/')
        return fail(err, E_INVALID, "'%s' is not an absolute path", path);
    return stat(path, &st) == 0 ? 0 : dir_make_all(path, 0755, err);
}

int volume_place(struct arena *a, const struct volume_source *s,
                 const struct ecs_volume *v, struct volume_place *ret, struct error *err)
{
    if (v->host && !str_empty(v->host->source_path)) {
        *ret = (struct volume_place){.path = v->host->source_path};
        return make_host_path(ret->path, err);
    }
    if (str_empty(v->name) || v->name[0] == '.' || strchr(v->name, '/'))
        return fail(err, E_INVALID, "'%s' can't be a volume's name",
                    v->name ? v->name : "");
    pthread_mutex_lock(&place_lock);
    int r = place_locked(a, s, v, ret, err);
    pthread_mutex_unlock(&place_lock);
    return r;
}

int volume_place_release(const char *data_dir, const char *task_id, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/mounts/%s", data_dir, task_id);
    return volume_unmount_below(dir.data, err);
}

int volume_place_sweep(const char *data_dir,
                       bool (*known)(void *ctx, const char *task_id), void *ctx,
                       struct error *err)
{
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/mounts", data_dir);
    DIR *d = opendir(dir.data);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", dir.data);
    int r = 0;
    for (struct dirent *e; r >= 0 && (e = readdir(d));)
        if (e->d_name[0] != '.' && !known(ctx, e->d_name))
            r = volume_place_release(data_dir, e->d_name, err);
    closedir(d);
    return r;
}

int volume_place_purge(const char *data_dir, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/mounts", data_dir);
    return volume_unmount_below(dir.data, err);
}
