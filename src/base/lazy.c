#include "lazy.h"

#include <dlfcn.h>

static int fill(struct lazy_library *l, void *handle, struct error *err)
{
    for (size_t i = 0; i < l->count; i++) {
        l->table[i] = dlsym(handle, l->names[i]);
        if (!l->table[i])
            return fail(err, E_UNSUPPORTED, "'%s' of package %s has no function %s",
                        l->soname, l->package, l->names[i]);
    }
    return 0;
}

static int load(struct lazy_library *l, struct error *err)
{
    void *handle = dlopen(l->soname, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return fail(err, E_UNSUPPORTED, "%s; install the package %s", dlerror(),
                    l->package);
    int r = fill(l, handle, err);
    if (r < 0) {
        dlclose(handle);
        return r;
    }
    l->handle = handle;
    return 0;
}

int lazy_load(struct lazy_library *library, struct error *err)
{
    pthread_mutex_lock(&library->lock);
    int r = library->handle ? 0 : load(library, err);
    pthread_mutex_unlock(&library->lock);
    return r;
}
