#include "http_curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static struct curl_api api;
static struct error load_error;
static bool loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find(void *library, const char *name, void *ret_function)
{
    void *p = dlsym(library, name);
    memcpy(ret_function, &p, sizeof(p));
    return p != NULL;
}

static bool find_all(void *library)
{
    return find(library, "curl_global_init", &api.global_init) &&
           find(library, "curl_easy_init", &api.easy_init) &&
           find(library, "curl_easy_setopt", &api.easy_setopt) &&
           find(library, "curl_easy_getinfo", &api.easy_getinfo) &&
           find(library, "curl_easy_reset", &api.easy_reset) &&
           find(library, "curl_easy_cleanup", &api.easy_cleanup) &&
           find(library, "curl_easy_strerror", &api.easy_strerror) &&
           find(library, "curl_multi_init", &api.multi_init) &&
           find(library, "curl_multi_add_handle", &api.multi_add_handle) &&
           find(library, "curl_multi_remove_handle", &api.multi_remove_handle) &&
           find(library, "curl_multi_perform", &api.multi_perform) &&
           find(library, "curl_multi_poll", &api.multi_poll) &&
           find(library, "curl_multi_wakeup", &api.multi_wakeup) &&
           find(library, "curl_multi_info_read", &api.multi_info_read) &&
           find(library, "curl_multi_cleanup", &api.multi_cleanup) &&
           find(library, "curl_slist_append", &api.slist_append) &&
           find(library, "curl_slist_free_all", &api.slist_free_all);
}

static void load(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library || !find_all(library)) {
        fail(&load_error, E_UNSUPPORTED,
             "libcurl.so.4 can't be used (%s); install the package libcurl4", dlerror());
        return;
    }
    if (api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fail(&load_error, E_UNSUPPORTED, "libcurl.so.4 could not be initialised");
        return;
    }
    loaded = true;
}

int curl_load(const struct curl_api **ret, struct error *err)
{
    pthread_once(&once, load);
    if (!loaded)
        return fail(err, E_UNSUPPORTED, "%s", load_error.text);
    *ret = &api;
    return 0;
}
