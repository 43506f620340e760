#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "http_client.h"
#include "sigv4.h"
#include "str.h"

#define CALL_TIMEOUT_MS 10000

struct api {
    struct arena arena;
    struct http_client *http;
    const char *url, *host, *region;
    struct root_key_texts keys;
};

int api_open(const struct layout *l, const struct run_record *record, struct api **ret,
             struct error *err)
{
    struct http_client_config config = {0};
    struct api *api = xcalloc(1, sizeof(*api));
    api->url = arena_strdup(&api->arena, record->url);
    api->host = str_starts(api->url, "http://") ? api->url + strlen("http://") : api->url;
    api->region = arena_strdup(&api->arena, record->region);
    api->keys = (struct root_key_texts){"test", "test"};
    int r = record->dev ? 0 : layout_read_keys(l, &api->arena, &api->keys, err);
    if (r == 0)
        r = http_client_new(&config, &api->http, err);
    if (r < 0) {
        api_close(api);
        return r;
    }
    *ret = api;
    return 0;
}

void api_close(struct api *api)
{
    if (!api)
        return;
    http_client_free(api->http);
    arena_free(&api->arena);
    free(api);
}

/* The given headers, then what signing adds. */
static const struct http_header *sign(struct api *api, struct arena *a,
                                      const struct wire_http_request *req)
{
    size_t n = req->header_count, more = 0;
    struct sigv4_credentials creds = {api->keys.access_key_id, api->keys.secret, NULL};
    const struct wire_header *added =
        sigv4_sign(a, req, &creds, api->region, "ecs", clock_wall_ms());
    while (added[more].name)
        more++;
    struct http_header *all = arena_new_array(a, struct http_header, n + more + 1);
    for (size_t i = 0; i < n + more; i++) {
        const struct wire_header *h = i < n ? &req->headers[i] : &added[i - n];
        all[i] = (struct http_header){h->name, h->value};
    }
    return all;
}

static const struct http_header *signed_headers(struct api *api, struct arena *a,
                                                const char *target, const char *body)
{
    const struct wire_header base[] = {
        {"Host", api->host},
        {"Content-Type", "application/x-amz-json-1.1"},
        {"X-Amz-Target", target},
    };
    struct wire_http_request req = {
        .method = "POST",
        .path = "/",
        .headers = base,
        .header_count = sizeof(base) / sizeof(base[0]),
        .body = body,
        .body_len = strlen(body),
    };
    return sign(api, a, &req);
}

static int refused(const char *operation, const struct http_client_response *resp,
                   struct error *err)
{
    json_t *body = json_loadb(str_text(&resp->body), resp->body.len, 0, NULL);
    const char *type = json_string_value(json_object_get(body, "__type"));
    const char *message = json_string_value(json_object_get(body, "message"));
    int r = fail(err, E_PROTOCOL, "%s: %s%s%s (HTTP status %d)", operation,
                 type ? type : "refused", message ? ": " : "", message ? message : "",
                 resp->status);
    json_decref(body);
    return r;
}

int api_ecs(struct api *api, const char *operation, json_t *body, json_t **ret,
            struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    char *dumped = json_dumps(body, JSON_COMPACT);
    const char *text = arena_strdup(&a, dumped);
    free(dumped);
    json_decref(body);
    const char *target =
        arena_printf(&a, "AmazonEC2ContainerServiceV20141113.%s", operation);
    struct http_client_request req = {
        .method = "POST",
        .url = arena_printf(&a, "%s/", api->url),
        .headers = signed_headers(api, &a, target, text),
        .body = text,
        .body_len = strlen(text),
        .timeout_ms = CALL_TIMEOUT_MS,
    };
    struct http_client_response resp = HTTP_CLIENT_RESPONSE_INIT;
    int r = http_client_do(api->http, &req, &resp, err);
    if (r == 0 && resp.status != 200)
        r = refused(operation, &resp, err);
    if (r == 0 && !(*ret = json_loadb(str_text(&resp.body), resp.body.len, 0, NULL)))
        r = fail(err, E_PROTOCOL, "%s: the answer is not JSON", operation);
    http_client_response_fini(&resp);
    return r;
}

void api_query_add(struct str *out, const char *name, const char *value)
{
    str_addf(out, "&%s=", name);
    for (const char *p = value; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-_.~", *p);
        str_addf(out, plain ? "%c" : "%%%02X", (unsigned char)*p);
    }
}

static int get(struct api *api, const struct http_client_request *req, const char *what,
               struct str *ret, struct error *err)
{
    struct http_client_response resp = HTTP_CLIENT_RESPONSE_INIT;
    int r = http_client_do(api->http, req, &resp, err);
    if (r == 0 && resp.status != 200)
        r = fail(err, E_PROTOCOL, "%s: HTTP status %d", what, resp.status);
    if (r == 0)
        str_addn(ret, str_text(&resp.body), resp.body.len);
    http_client_response_fini(&resp);
    return r;
}

int api_get_signed(struct api *api, const char *path, const char *query, struct str *ret,
                   struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    if (str_empty(api->url))
        return fail(err, E_NOTFOUND, "no server runs here: sudo gantry up");
    const struct wire_header host = {"Host", api->host};
    struct wire_http_request signs = {.method = "GET",
                                      .path = path,
                                      .query = query,
                                      .headers = &host,
                                      .header_count = 1,
                                      .body = ""};
    struct http_client_request req = {
        .url = arena_printf(&a, "%s%s?%s", api->url, path, query),
        .headers = sign(api, &a, &signs),
        .timeout_ms = CALL_TIMEOUT_MS,
    };
    return get(api, &req, path, ret, err);
}

int api_get(struct api *api, const char *path, struct str *ret, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct http_client_request req = {
        .url = arena_printf(&a, "%s%s", api->url, path),
        .timeout_ms = CALL_TIMEOUT_MS,
    };
    return get(api, &req, path, ret, err);
}
