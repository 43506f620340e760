#include "web_fetch.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "arena.h"
#include "http_client.h"

#define CONNECT_MS 3000
#define WHOLE_MS   5000
#define ANSWER_MAX (256 * 1024)

struct web_fetch {
    struct sts_web web;
    pthread_mutex_t lock; /* of client */
    struct http_client *client;
    struct http_cancel *cancel;
};

static int client_of(struct web_fetch *f, struct http_client **ret, struct error *err)
{
    static const struct http_client_config config = {0};
    pthread_mutex_lock(&f->lock);
    int r = f->client ? 0 : http_client_new(&config, &f->client, err);
    *ret = f->client;
    pthread_mutex_unlock(&f->lock);
    return r;
}

static int get(struct web_fetch *f, struct http_client *client,
               const struct http_client_request *given, struct http_client_response *ret,
               struct error *err)
{
    struct http_client_request request = *given;
    request.connect_timeout_ms = CONNECT_MS;
    request.timeout_ms = WHOLE_MS;
    request.max_body_bytes = ANSWER_MAX;
    request.cancel = f->cancel;
    return http_client_do(client, &request, ret, err);
}

static bool is_pinned(const char *pem, const struct string_list *thumbprints)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    bool read = cert && X509_digest(cert, EVP_sha1(), digest, &len) == 1;
    X509_free(cert);
    BIO_free(in);
    hex_encode(digest, len, hex);
    for (size_t i = 0; read && i < thumbprints->n; i++)
        if (strcasecmp(thumbprints->v[i], hex) == 0)
            return true;
    return false;
}

/* The certificate of a thumbprint, as the server shows it; NULL: it shows none. What the
 * server says besides is not looked at: with the certificate it is asked again, and must then
 * prove that it is it, or has its signature. */
static const char *pinned(struct web_fetch *f, struct http_client *client,
                          const char *url, const struct string_list *thumbprints,
                          struct arena *a)
{
    struct http_client_response answer = HTTP_CLIENT_RESPONSE_INIT;
    const struct http_client_request request = {.url = url, .show_chain = true};
    struct error ignored;
    const char *found = NULL;
    (void)get(f, client, &request, &answer, &ignored);
    for (const char **pem = answer.chain; pem && *pem && !found; pem++)
        if (is_pinned(*pem, thumbprints))
            found = arena_strdup(a, *pem);
    http_client_response_fini(&answer);
    return found;
}

static int take(const char *url, const struct http_client_response *answer,
                struct str *ret, struct error *err)
{
    if (answer->status != 200)
        return fail(err, E_PROTOCOL, "%s answered with status %d", url, answer->status);
    str_addn(ret, answer->body.data, answer->body.len);
    return 0;
}

static int fetch(void *ctx, const char *url, const struct string_list *thumbprints,
                 struct str *ret, struct error *err)
{
    struct web_fetch *f = ctx;
    struct http_client *client;
    AUTO_ARENA a = ARENA_INIT;
    struct http_client_response answer = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request request = {.url = url};
    int r = client_of(f, &client, err);
    if (r < 0)
        return r;
    r = get(f, client, &request, &answer, err);
    if (r == -E_NETWORK && thumbprints->n && str_starts(url, "https://") &&
        (request.ca_pem = pinned(f, client, url, thumbprints, &a)) != NULL) {
        http_client_response_fini(&answer);
        r = get(f, client, &request, &answer, err);
    }
    if (r == 0)
        r = take(url, &answer, ret, err);
    http_client_response_fini(&answer);
    return r;
}

struct web_fetch *web_fetch_new(void)
{
    struct web_fetch *f = xcalloc(1, sizeof(*f));
    f->web = (struct sts_web){.ctx = f, .fetch = fetch};
    pthread_mutex_init(&f->lock, NULL);
    f->cancel = http_cancel_new();
    return f;
}

const struct sts_web *web_fetch_web(struct web_fetch *f)
{
    return &f->web;
}

void web_fetch_stop(struct web_fetch *f)
{
    if (f)
        http_cancel_now(f->cancel);
}

void web_fetch_free(struct web_fetch *f)
{
    if (!f)
        return;
    http_client_free(f->client);
    http_cancel_free(f->cancel);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
