#include "volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "overlay.h"
#include "str.h"
#include "volume_place.h"

static pthread_mutex_t fill_lock = PTHREAD_MUTEX_INITIALIZER;

struct mounts {
    struct arena *a;
    struct spec_mount *v;
    size_t n, cap;
};

static bool mounts_have(const struct mounts *m, const char *destination)
{
    for (size_t i = 0; i < m->n; i++)
        if (streq(m->v[i].destination, destination))
            return true;
    return false;
}

static void mounts_add(struct mounts *m, const char *source, const char *destination,
                       bool read_only)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 8;
        struct spec_mount *v = arena_new_array(m->a, struct spec_mount, cap);
        for (size_t i = 0; i < m->n; i++)
            v[i] = m->v[i];
        m->v = v;
        m->cap = cap;
    }
    m->v[m->n++] = (struct spec_mount){
        .source = source, .destination = destination, .read_only = read_only};
}

/* A directory of the image as it is seen inside: links lead nowhere but into the root. */
static int open_in_root(const char *rootfs, const char *path)
{
    AUTO_FD root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -1;
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    bool empty = true;
    for (struct dirent *e; d && empty && (e = readdir(d));)
        empty = streq(e->d_name, ".") || streq(e->d_name, "..");
    if (d)
        closedir(d);
    return empty;
}

static int copy_attributes(int from, const char *dir, struct error *err)
{
    struct stat st;
    if (fstat(from, &st) < 0 || chown(dir, st.st_uid, st.st_gid) < 0 ||
        chmod(dir, st.st_mode & 07777) < 0)
        return fail_errno(err, errno, "giving '%s' its owner and mode", dir);
    return 0;
}

static int fill_locked(const char *rootfs, const char *path, const char *dir,
                       struct error *err)
{
    if (!is_empty(dir))
        return 0;
    AUTO_FD from = open_in_root(rootfs, path);
    if (from < 0)
        return 0; /* the image has nothing there */
    char source[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", from);
    if (!is_empty(source)) {
        int r = overlay_copy_layer(source, dir, err);
        if (r < 0)
            return wrap(err, "filling volume '%s' from the image", dir);
    }
    return copy_attributes(from, dir, err);
}

static int fill(const char *rootfs, const char *path, const char *dir, struct error *err)
{
    int r = dir_make_all(dir, 0755, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&fill_lock);
    r = fill_locked(rootfs, path, dir, err);
    pthread_mutex_unlock(&fill_lock);
    return r;
}

static const struct ecs_volume *find_volume(const struct gantry_host_task *t,
                                            const char *name)
{
    for (size_t i = 0; i < t->task_definition->volumes.n; i++)
        if (streq(t->task_definition->volumes.v[i].name, name))
            return &t->task_definition->volumes.v[i];
    return NULL;
}

static int add_volume(struct mounts *m, const struct volume_source *s,
                      const struct ecs_mount_point *p, bool read_only, struct error *err)
{
    const struct ecs_volume *v = find_volume(s->task, p->source_volume);
    if (!v)
        return fail(err, E_INVALID, "Unknown volume '%s'",
                    p->source_volume ? p->source_volume : "");
    if (str_empty(p->container_path) || p->container_path[0] != '/')
        return fail(err, E_INVALID, "volume '%s': '%s' is not an absolute path", v->name,
                    p->container_path ? p->container_path : "");
    struct volume_place place;
    int r = volume_place(m->a, s, v, &place, err);
    if (r < 0)
        return r;
    mounts_add(m, place.path, p->container_path, read_only || place.read_only);
    return place.fill ? fill(s->rootfs, p->container_path, place.path, err) : 0;
}

static int add_mount_points(struct mounts *m, const struct volume_source *s,
                            const struct ecs_container_definition *from, bool read_only,
                            struct error *err)
{
    for (size_t i = 0; i < from->mount_points.n; i++) {
        const struct ecs_mount_point *p = &from->mount_points.v[i];
        if (mounts_have(m, p->container_path))
            continue;
        int r =
            add_volume(m, s, p, read_only || (p->read_only.set && p->read_only.v), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static char *swap_slashes(char *text, char from, char to)
{
    for (char *p = text; *p; p++)
        if (*p == from)
            *p = to;
    return text;
}

/* The anonymous volumes that another container of the task has. */
static void add_anonymous_of(struct mounts *m, const struct volume_source *s,
                             const char *container, bool read_only)
{
    const char *base = arena_printf(m->a, "%s/volumes/.%s",
                                    s->disk_dir ? s->disk_dir : s->task_dir, container);
    DIR *d = opendir(base);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] != '%')
            continue;
        char *destination = swap_slashes(arena_strdup(m->a, e->d_name), '%', '/');
        if (!mounts_have(m, destination))
            mounts_add(m, arena_printf(m->a, "%s/%s", base, e->d_name), destination,
                       read_only);
    }
    if (d)
        closedir(d);
}

static const struct ecs_container_definition *
find_container(const struct ecs_task_definition *def, const char *name)
{
    for (size_t i = 0; i < def->container_definitions.n; i++)
        if (streq(def->container_definitions.v[i].name, name))
            return &def->container_definitions.v[i];
    return NULL;
}

/* All that the other container has, what it has from others included. Circles were
 * refused with the order of starts; depth bounds it here. */
static int add_volumes_from(struct mounts *m, const struct volume_source *s,
                            const struct ecs_container_definition *who, bool read_only,
                            size_t depth, struct error *err)
{
    const struct ecs_task_definition *def = s->task->task_definition;
    for (size_t i = 0; i < who->volumes_from.n && depth > 0; i++) {
        const struct ecs_volume_from *f = &who->volumes_from.v[i];
        const struct ecs_container_definition *c =
            find_container(def, f->source_container);
        bool ro = read_only || (f->read_only.set && f->read_only.v);
        if (!c)
            continue;
        int r = add_mount_points(m, s, c, ro, err);
        if (r >= 0)
            r = add_volumes_from(m, s, c, ro, depth - 1, err);
        if (r < 0)
            return r;
        add_anonymous_of(m, s, c->name, ro);
    }
    return 0;
}

static int add_anonymous(struct mounts *m, const struct volume_source *s,
                         struct error *err)
{
    for (size_t i = 0; s->image->volumes && s->image->volumes[i]; i++) {
        const char *path = s->image->volumes[i];
        if (path[0] != '/' || strchr(path, '%') || strlen(path) > 200 ||
            mounts_have(m, path))
            continue;
        char *name = swap_slashes(arena_strdup(m->a, path), '/', '%');
        const char *dir =
            arena_printf(m->a, "%s/volumes/.%s/%s",
                         s->disk_dir ? s->disk_dir : s->task_dir, s->def->name, name);
        mounts_add(m, dir, path, false);
        int r = fill(s->rootfs, path, dir, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int volumes_prepare(struct arena *a, const struct volume_source *s,
                    struct spec_mount **ret, size_t *ret_count, struct error *err)
{
    struct mounts m = {.a = a};
    int r = add_mount_points(&m, s, s->def, false, err);
    if (r >= 0)
        r = add_volumes_from(&m, s, s->def, false,
                             s->task->task_definition->container_definitions.n, err);
    if (r >= 0)
        r = add_anonymous(&m, s, err);
    if (r < 0)
        return r;
    *ret = m.v;
    *ret_count = m.n;
    return 0;
}

int volumes_remove(const char *data_dir, const char *task_id, const char *task_dir,
                   struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/volumes", task_dir);
    int r = volume_place_release(data_dir, task_id, err);
    return r < 0 ? r : dir_remove_all(path.data, err);
}
