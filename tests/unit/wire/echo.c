/* wire-echo: reads one request a line (JSON, shape EchoRequest), decodes it as the server
 * would, and answers with the input as output (EchoReply): so that a client's library can
 * check both directions of every protocol. With a secret it checks the request's signature
 * instead, and with a service too it signs (with `expires`, presigns). */
#include <stdio.h>
#include <stdlib.h>

#include "ecr_api.h"
#include "ecs_api.h"
#include "probe_api.h"
#include "probe_cbor_api.h"
#include "probe_ec2_api.h"
#include "probe_query_api.h"
#include "probe_rest_json_api.h"
#include "probe_rest_xml_api.h"
#include "protocol.h"
#include "sigv4.h"
#include "sigv4_keys.h"
#include "sts_api.h"

static const struct wire_service *const services[] = {
    &probe_service_api,
    &probe_query_service_api,
    &probe_ec2_service_api,
    &probe_rest_json_service_api,
    &probe_rest_xml_service_api,
    &probe_cbor_service_api,
    &ecs_service_api,
    &ecr_service_api,
    &sts_service_api,
};

/* Input and output differ in shape for REST; what both have goes through JSON. */
static void *as_output(struct arena *a, const struct wire_operation *op,
                       const void *input)
{
    void *out = NULL;
    AUTO_STR text = STR_INIT;
    if (!op->output || !input)
        return NULL;
    wire_json_encode(&text, op->input, input);
    wire_json_decode(a, op->output, str_text(&text), text.len, true, &out, NULL);
    return out;
}

static struct wire_http_request request_of(struct arena *a,
                                           const struct probe_echo_request *in)
{
    struct wire_header *headers = arena_new_array(a, struct wire_header, in->headers.n);
    for (size_t i = 0; i < in->headers.n; i++)
        headers[i] = (struct wire_header){in->headers.v[i].name, in->headers.v[i].value};
    return (struct wire_http_request){.method = in->method,
                                      .path = in->path,
                                      .query = in->query,
                                      .headers = headers,
                                      .header_count = in->headers.n,
                                      .body = in->body.data,
                                      .body_len = in->body.size};
}

static void check(struct arena *a, const struct probe_echo_request *in,
                  struct probe_echo_reply *out)
{
    struct wire_http_request req = request_of(a, in);
    struct sigv4 sig;
    char hash[SIGV4_HASH_SIZE];
    sigv4_hash(req.body, req.body_len, hash);
    enum sigv4_failure f = sigv4_parse(a, &req, hash, &sig, &out->error);
    uint8_t key[32];
    if (f == SIGV4_OK) {
        sigv4_keys_get(NULL, &sig, in->secret, key);
        f = sigv4_check(a, &sig, key, in->now.v, &out->error);
    }
    out->failure = SET_INT((int)f);
    out->canonical = sig.canonical_request;
}

static void sign(struct arena *a, const struct probe_echo_request *in,
                 struct probe_echo_reply *out)
{
    struct wire_http_request req = request_of(a, in);
    struct sigv4_credentials c = {in->access_key, in->secret, in->token};
    if (in->expires.set) {
        out->url =
            sigv4_presign(a, &req, &c, in->region, in->service, in->expires.v, in->now.v);
        return;
    }
    const struct wire_header *h =
        sigv4_sign(a, &req, &c, in->region, in->service, in->now.v);
    for (; h->name; h++)
        *LIST_PUSH(a, &out->headers) = (struct probe_echo_header){h->name, h->value};
}

static void answer(struct arena *a, const struct probe_echo_request *in,
                   struct probe_echo_reply *out)
{
    struct wire_http_request req = request_of(a, in);
    struct wire_target target;
    struct wire_error error = {0};
    struct wire_response response;
    void *input = NULL;
    int r = wire_request_find(services, sizeof(services) / sizeof(services[0]), &req,
                              in->scope, &target, &error);
    if (r == 0)
        r = wire_request_decode(a, &target, &req, &input, &error);
    if (r < 0) {
        const char *message;
        const struct wire_fault *fault = wire_error_fault(a, &target, &error, &message);
        wire_fault_encode(a, &target, fault, message, NULL, "id-1", &response);
        out->error = error.text;
    } else {
        wire_response_encode(a, &target, as_output(a, target.operation, input), "id-1",
                             &response);
    }
    out->operation = target.operation ? target.operation->name : NULL;
    out->status = SET_INT(response.status);
    for (const struct wire_header *h = response.headers; h->name; h++)
        *LIST_PUSH(a, &out->headers) = (struct probe_echo_header){h->name, h->value};
    out->body.data = arena_copy(a, str_text(&response.body), response.body.len);
    out->body.size = response.body.len;
    wire_response_free(&response);
    out->error = arena_strdup(a, out->error);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    while ((len = getline(&line, &size, stdin)) > 0) {
        AUTO_ARENA a = ARENA_INIT;
        AUTO_STR text = STR_INIT;
        struct wire_error error = {0};
        struct probe_echo_request *in = NULL;
        struct probe_echo_reply out = {0};
        if (wire_json_decode(&a, &probe_echo_request_shape, line, (size_t)len, false,
                             (void **)&in, &error) < 0) {
            fprintf(stderr, "%s\n", error.text);
            return 1;
        }
        if (in->secret && in->service)
            sign(&a, in, &out);
        else if (in->secret)
            check(&a, in, &out);
        else
            answer(&a, in, &out);
        wire_json_encode(&text, &probe_echo_reply_shape, &out);
        puts(str_text(&text));
        fflush(stdout);
    }
    free(line);
    return 0;
}
