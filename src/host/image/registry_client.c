#include "registry_client.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "registry_session.h"

#define DOCKER_HUB "https://registry-1.docker.io"
#define ACCEPT                                                                           \
    MEDIA_OCI_INDEX ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_LIST                       \
                    ", " MEDIA_DOCKER_MANIFEST

/* ---- what comes from outside, when nothing else is given ---- */

static int64_t default_mono_ns(void *ctx)
{
    return clock_mono_ns();
}

static int default_sleep(void *ctx, int64_t ms, struct http_cancel *cancel,
                         struct error *err)
{
    while (ms > 0) {
        if (cancel && http_cancelled(cancel))
            return fail(err, E_CANCELLED, "cancelled");
        int64_t part = ms < 100 ? ms : 100;
        struct timespec t = {.tv_nsec = part * 1000000};
        nanosleep(&t, NULL);
        ms -= part;
    }
    return 0;
}

static uint32_t default_random(void *ctx)
{
    uint32_t v = 0;
    RAND_bytes((unsigned char *)&v, sizeof(v));
    return v;
}

/* ---- the client ---- */

static const char *const *copy_list(struct arena *a, const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    const char **copy = arena_new_array(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, list[i]);
    return copy;
}

int registry_client_new(const struct registry_client_config *config,
                        struct registry_client **ret, struct error *err)
{
    struct registry_client *c = xcalloc(1, sizeof(*c));
    struct http_client_config http = {.ca_file = config->ca_file};
    c->idle_timeout_ms = config->idle_timeout_ms;
    c->have_ca = config->ca_file;
    c->env = config->env;
    c->env.mono_ns = c->env.mono_ns ? c->env.mono_ns : default_mono_ns;
    c->env.sleep = c->env.sleep ? c->env.sleep : default_sleep;
    c->env.random = c->env.random ? c->env.random : default_random;
    c->insecure = copy_list(&c->arena, config->insecure_registries);
    if (config->ecr_url) {
        char *url = arena_strdup(&c->arena, config->ecr_url);
        while (str_ends(url, "/"))
            url[strlen(url) - 1] = '\0';
        c->ecr_url = url;
    }
    int r = http_client_new(&http, &c->verifying, err);
    http.insecure = true;
    if (r == 0)
        r = http_client_new(&http, &c->trusting, err);
    if (r < 0) {
        registry_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void registry_client_free(struct registry_client *c)
{
    if (!c)
        return;
    http_client_free(c->verifying);
    http_client_free(c->trusting);
    arena_free(&c->arena);
    free(c);
}

/* ---- sessions ---- */

static bool in_list(const char *const *list, const char *s)
{
    for (; *list; list++)
        if (streq(*list, s))
            return true;
    return false;
}

/* Our registry, from where the loopback is another one than the machine's. */
static bool is_machines_own(const struct registry_client *c, const char *host)
{
    const char *authority = c->ecr_url ? strstr(c->ecr_url, "://") : NULL;
    return authority && str_starts(authority + 3, MACHINE_ADDRESS) &&
           reference_same_machine(host, authority + 3);
}

static int choose_base(struct registry_session *s, struct error *err)
{
    struct registry_client *c = s->client;
    const char *host = s->ref.registry;
    bool listed = in_list(c->insecure, host), loopback = reference_host_is_loopback(host);
    s->http = listed || (loopback && !c->have_ca) ? c->trusting : c->verifying;
    if (s->ref.ecr) {
        if (!c->ecr_url)
            return fail(err, E_UNSUPPORTED,
                        "%s is an ECR name, and no registry of our own "
                        "is set to serve it",
                        s->shown);
        s->base = c->ecr_url;
    } else if (streq(host, "docker.io")) {
        s->base = DOCKER_HUB;
    } else if (is_machines_own(c, host)) {
        s->base = c->ecr_url;
    } else if (listed || loopback) {
        s->base = arena_printf(&s->arena, "http://%s", host);
        s->other = arena_printf(&s->arena, "https://%s", host);
    } else {
        s->base = arena_printf(&s->arena, "https://%s", host);
    }
    return 0;
}

static void copy_reference(struct registry_session *s, const struct reference *ref)
{
    AUTO_STR shown = STR_INIT;
    s->ref = *ref;
    s->ref.registry = arena_strdup(&s->arena, ref->registry);
    s->ref.repository = arena_strdup(&s->arena, ref->repository);
    s->ref.tag = arena_strdup(&s->arena, ref->tag);
    s->ref.digest = arena_strdup(&s->arena, ref->digest);
    s->ref.account = arena_strdup(&s->arena, ref->account);
    s->ref.region = arena_strdup(&s->arena, ref->region);
    reference_print(ref, &shown);
    s->shown = arena_strdup(&s->arena, shown.data);
}

int registry_session_new(struct registry_client *c, const struct reference *ref,
                         const struct registry_auth *auth, struct http_cancel *cancel,
                         struct registry_session **ret, struct error *err)
{
    struct registry_session *s = xcalloc(1, sizeof(*s));
    s->client = c;
    s->cancel = cancel;
    s->expires_ns = INT64_MAX;
    pthread_mutex_init(&s->lock, NULL);
    copy_reference(s, ref);
    if (auth && auth->username) {
        s->username = arena_strdup(&s->arena, auth->username);
        s->password = arena_strdup(&s->arena, auth->password ? auth->password : "");
    }
    int r = choose_base(s, err);
    if (r < 0) {
        registry_session_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void registry_session_free(struct registry_session *s)
{
    if (!s)
        return;
    if (s->authorization.data)
        explicit_bzero(s->authorization.data, s->authorization.len);
    str_free(&s->authorization);
    pthread_mutex_destroy(&s->lock);
    arena_free(&s->arena);
    free(s);
}

/* ---- manifests ---- */

void registry_manifest_fini(struct registry_manifest *m)
{
    str_free(&m->bytes);
}

static int check_digest(const struct registry_session *s, const void *data, size_t len,
                        const struct blob_digest *want, struct error *err)
{
    struct blob_digest has;
    char has_text[BLOB_DIGEST_SIZE], want_text[BLOB_DIGEST_SIZE];
    blob_digest_of(want->algorithm, data, len, &has);
    if (blob_digest_equal(&has, want))
        return 0;
    blob_digest_format(&has, has_text);
    blob_digest_format(want, want_text);
    return fail(err, E_CORRUPT, "%s: the registry sent %s instead of %s", s->shown,
                has_text, want_text);
}

/* The digest that was asked for; else the one that the registry names; else our own. In
 * each case it is that of the bytes. */
static int manifest_digest(const struct registry_session *s, const char *asked,
                           const struct http_client_response *resp,
                           struct blob_digest *ret, struct error *err)
{
    const char *named = http_client_header(resp, "Docker-Content-Digest");
    if (blob_digest_parse(asked, ret, NULL) < 0 &&
        (!named || blob_digest_parse(named, ret, NULL) < 0)) {
        blob_digest_of(BLOB_SHA256, str_text(&resp->body), resp->body.len, ret);
        return 0;
    }
    return check_digest(s, str_text(&resp->body), resp->body.len, ret, err);
}

int registry_get_manifest(struct registry_session *s, const char *tag_or_digest,
                          struct registry_manifest *ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct blob_digest digest;
    str_addf(&path, "/v2/%s/manifests/%s", s->ref.repository, tag_or_digest);
    struct registry_request req = {
        .path = path.data, .accept = ACCEPT, .max_body_bytes = MANIFEST_MAX_BYTES};
    struct http_client_response resp = HTTP_CLIENT_RESPONSE_INIT;
    int r = registry_request(s, &req, &resp, err);
    if (r == 0)
        r = manifest_digest(s, tag_or_digest, &resp, &digest, err);
    if (r == 0) {
        const char *type = http_client_header(&resp, "Content-Type");
        *ret = (struct registry_manifest){.bytes = resp.body};
        resp.body = (struct str)STR_INIT;
        blob_digest_format(&digest, ret->digest);
        if (type && strlen(type) < sizeof(ret->content_type))
            memcpy(ret->content_type, type, strlen(type) + 1);
    }
    http_client_response_fini(&resp);
    return r;
}

int registry_get_small(struct registry_session *s, const struct content_descriptor *d,
                       size_t max_bytes, struct str *ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct blob_digest digest;
    int r = blob_digest_parse(d->digest, &digest, err);
    if (r < 0)
        return r;
    if (d->size > max_bytes)
        return fail(err, E_LIMIT, "%s: blob %s has %llu bytes, and %zu are allowed",
                    s->shown, d->digest, (unsigned long long)d->size, max_bytes);
    str_addf(&path, "/v2/%s/blobs/%s", s->ref.repository, d->digest);
    struct registry_request req = {.path = path.data, .max_body_bytes = max_bytes};
    struct http_client_response resp = HTTP_CLIENT_RESPONSE_INIT;
    r = registry_request(s, &req, &resp, err);
    if (r == 0 && resp.body.len != d->size)
        r = fail(err, E_CORRUPT, "%s: blob %s has %zu bytes, and the manifest says %llu",
                 s->shown, d->digest, resp.body.len, (unsigned long long)d->size);
    if (r == 0)
        r = check_digest(s, str_text(&resp.body), resp.body.len, &digest, err);
    if (r == 0) {
        str_free(ret);
        *ret = resp.body;
        resp.body = (struct str)STR_INIT;
    }
    http_client_response_fini(&resp);
    return r;
}
