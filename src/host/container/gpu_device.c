#include "gpu_device.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fd.h"
#include "str.h"

#define GPUS_MAX 64

/* The value behind "Name:" at the beginning of a line. */
static const char *value_of(struct arena *a, const char *text, const char *name)
{
    for (const char *p = text; p && *p;) {
        size_t line = strcspn(p, "\n"), n = strlen(name);
        if (strncmp(p, name, n) == 0) {
            const char *v = p + n;
            v += strspn(v, " \t");
            return arena_strndup(a, v, strcspn(v, " \t\r\n"));
        }
        p += line + (p[line] == '\n');
    }
    return NULL;
}

static bool read_gpu(struct arena *a, const char *proc_root, const char *bus,
                     struct gpu *ret)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    int64_t minor;
    str_addf(&path, "%s/%s/information", proc_root, bus);
    if (file_read(AT_FDCWD, path.data, 65536, &text, NULL) < 0)
        return false;
    const char *number = value_of(a, str_text(&text), "Device Minor:");
    ret->id = value_of(a, str_text(&text), "GPU UUID:");
    if (!ret->id || !number || !str_to_i64(number, 0, 4096, &minor))
        return false;
    ret->minor = (int)minor;
    return true;
}

static int by_minor(const void *a, const void *b)
{
    const struct gpu *x = a, *y = b;
    return (x->minor > y->minor) - (x->minor < y->minor);
}

size_t gpu_list(struct arena *a, const char *proc_root, struct gpu **ret)
{
    struct gpu *v = arena_new_array(a, struct gpu, GPUS_MAX);
    size_t n = 0;
    DIR *d = opendir(proc_root);
    for (struct dirent *e; d && n < GPUS_MAX && (e = readdir(d));)
        if (e->d_name[0] != '.' && read_gpu(a, proc_root, e->d_name, &v[n]))
            n++;
    if (d)
        closedir(d);
    qsort(v, n, sizeof(*v), by_minor);
    *ret = v;
    return n;
}

static const struct gpu *find(const struct gpu *v, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (streq(v[i].id, id))
            return &v[i];
    return NULL;
}

int gpu_devices(struct arena *a, const char *proc_root, const char *const *ids, size_t n,
                struct spec_device **ret, size_t *ret_count, struct error *err)
{
    static const char *const shared[] = {"/dev/nvidiactl", "/dev/nvidia-uvm",
                                         "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"};
    size_t kinds = sizeof(shared) / sizeof(shared[0]), count = 0;
    struct gpu *all;
    size_t have = gpu_list(a, proc_root, &all);
    struct spec_device *v = arena_new_array(a, struct spec_device, n + kinds);
    for (size_t i = 0; i < n; i++) {
        const struct gpu *g = find(all, have, ids[i]);
        if (!g)
            return fail(err, E_NOTFOUND, "this container instance has no GPU '%s'",
                        ids[i]);
        v[count++].host_path = arena_printf(a, "/dev/nvidia%d", g->minor);
    }
    for (size_t i = 0; i < kinds && n > 0; i++)
        if (access(shared[i], F_OK) == 0)
            v[count++].host_path = shared[i];
    *ret = v;
    *ret_count = count;
    return 0;
}
