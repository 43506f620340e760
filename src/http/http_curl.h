/* http_curl.h: libcurl, loaded when it is first needed, for it and its 25 libraries cost
 * 5.5 MB of resident memory in every process (lazy.h).
 * Threads: any. Fails: E_UNSUPPORTED when the library is not installed. */
#pragma once

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "error.h"
#include "lazy.h"

#define CURL_CALLS(X)                                                                    \
    X(curl_global_init)                                                                  \
    X(curl_easy_init)                                                                    \
    X(curl_easy_setopt)                                                                  \
    X(curl_easy_getinfo)                                                                 \
    X(curl_easy_reset)                                                                   \
    X(curl_easy_cleanup)                                                                 \
    X(curl_easy_strerror)                                                                \
    X(curl_multi_init)                                                                   \
    X(curl_multi_add_handle)                                                             \
    X(curl_multi_remove_handle)                                                          \
    X(curl_multi_perform)                                                                \
    X(curl_multi_poll)                                                                   \
    X(curl_multi_wakeup)                                                                 \
    X(curl_multi_info_read)                                                              \
    X(curl_multi_cleanup)                                                                \
    X(curl_slist_append)                                                                 \
    X(curl_slist_free_all)

struct curl_api {
    CURL_CALLS(LAZY_FIELD)
};

int curl_load(const struct curl_api **ret, struct error *err);
