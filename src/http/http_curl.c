#include "http_curl.h"

static struct curl_api api;
static const char *const names[] = {CURL_CALLS(LAZY_NAME)};
static struct lazy_library library = LAZY_LIBRARY("libcurl.so.4", "libcurl4", api, names);

static CURLcode initialised;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialise(void)
{
    initialised = api.curl_global_init(CURL_GLOBAL_DEFAULT);
}

int curl_load(const struct curl_api **ret, struct error *err)
{
    int r = lazy_load(&library, err);
    if (r < 0)
        return r;
    pthread_once(&once, initialise);
    if (initialised != CURLE_OK)
        return fail(err, E_UNSUPPORTED, "libcurl.so.4 could not be initialised");
    *ret = &api;
    return 0;
}
