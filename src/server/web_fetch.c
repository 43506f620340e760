#include "web_fetch.h"

#include <pthread.h>
#include <stdlib.h>

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

static int fetch(void *ctx, const char *url, struct str *ret, struct error *err)
{
    struct web_fetch *f = ctx;
    struct http_client *client;
    struct http_client_response answer = HTTP_CLIENT_RESPONSE_INIT;
    int r = client_of(f, &client, err);
    if (r < 0)
        return r;
    const struct http_client_request request = {.url = url,
                                                .connect_timeout_ms = CONNECT_MS,
                                                .timeout_ms = WHOLE_MS,
                                                .max_body_bytes = ANSWER_MAX,
                                                .cancel = f->cancel};
    r = http_client_do(client, &request, &answer, err);
    if (r == 0 && answer.status != 200)
        r = fail(err, E_PROTOCOL, "%s answered with status %d", url, answer.status);
    if (r == 0)
        str_addn(ret, answer.body.data, answer.body.len);
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
