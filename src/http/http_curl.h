/* http_curl.h: libcurl, loaded when it is first needed.
 *
 * Linking it costs 5.5 MB of resident memory in every process, for it and its 25 libraries,
 * whether or not a request is ever made. The types come from its header, the functions from
 * this table.
 * Threads: any. Fails: E_UNSUPPORTED when the library is not installed. */
#pragma once

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "error.h"

struct curl_api {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *c, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *c, CURLINFO info, ...);
    void (*easy_reset)(CURL *c);
    void (*easy_cleanup)(CURL *c);
    const char *(*easy_strerror)(CURLcode rc);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_add_handle)(CURLM *m, CURL *c);
    CURLMcode (*multi_remove_handle)(CURLM *m, CURL *c);
    CURLMcode (*multi_perform)(CURLM *m, int *running);
    CURLMcode (*multi_poll)(CURLM *m, struct curl_waitfd *extra, unsigned n, int ms,
                            int *ret);
    CURLMcode (*multi_wakeup)(CURLM *m);
    CURLMsg *(*multi_info_read)(CURLM *m, int *left);
    CURLMcode (*multi_cleanup)(CURLM *m);
    struct curl_slist *(*slist_append)(struct curl_slist *l, const char *text);
    void (*slist_free_all)(struct curl_slist *l);
};

int curl_load(const struct curl_api **ret, struct error *err);
