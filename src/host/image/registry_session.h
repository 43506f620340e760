/* registry_session.h: inside of the registry client: one request, with all its tries.
 *
 * Shared by registry_client.c (sessions, manifests), registry_request.c (a request: scheme,
 * authorisation, tries), registry_auth.c (challenges and tokens) and registry_blob.c
 * (downloads). Not for other folders. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "registry_client.h"

struct registry_client {
    struct arena arena;
    const char *ecr_url; /* without a slash at the end; NULL when not set */
    const char *const *insecure;
    bool have_ca;
    unsigned idle_timeout_ms;
    struct registry_env env;
    struct http_client *verifying, *trusting; /* certificates are checked, are not */
};

struct registry_session {
    struct registry_client *client;
    struct http_client *http;
    struct arena arena;
    struct reference ref;
    const char *shown; /* the reference, for messages */
    const char *username, *password;
    struct http_cancel *cancel;

    pthread_mutex_t lock; /* of what follows */
    const char *base;     /* "https://host" */
    const char *other;    /* the other scheme, while it is not known which is spoken */
    struct str authorization; /* header value; "" before the registry asked */
    unsigned generation;      /* of authorization */
    int64_t expires_ns;       /* monotonic; INT64_MAX never */
};

/* One GET. A download is told before each try where to go on, and takes the body. */
struct registry_request {
    const char *path; /* below base: "/v2/…" */
    const char *accept;
    size_t max_body_bytes;
    struct registry_download *download; /* or NULL: the body is collected */
};

struct registry_download {
    uint64_t have;
    int (*on_headers)(void *ctx, const struct http_client_response *resp,
                      struct error *err);
    int (*sink)(void *ctx, const void *data, size_t len, struct error *err);
    void *ctx;
};

/* 0 with a 2xx answer in resp (initialised, the caller's to fini in every case); every
 * other status is an error here, with the registry's own words in its text. */
int registry_request(struct registry_session *s, const struct registry_request *req,
                     struct http_client_response *resp, struct error *err);

/* Makes s->authorization from the 401's challenge; s->lock is held. E_DENIED. */
int registry_authorize(struct registry_session *s,
                       const struct http_client_response *resp, struct error *err);
/* "MANIFEST_UNKNOWN: manifest unknown" of an error body, or the beginning of the text. */
void registry_error_text(const struct http_client_response *resp, struct str *ret);
