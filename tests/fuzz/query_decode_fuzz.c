/* Whole requests of all protocols but JSON: the first byte chooses, the rest is the query
 * (up to a newline) and the body. What is decoded must be encoded as a reply, and what is
 * refused as a fault. */
#include <stdlib.h>

#include "probe_cbor_api.h"
#include "probe_ec2_api.h"
#include "probe_query_api.h"
#include "probe_rest_json_api.h"
#include "probe_rest_xml_api.h"
#include "protocol.h"

static const struct wire_service *const services[] = {
    &probe_query_service_api,    &probe_ec2_service_api,  &probe_rest_json_service_api,
    &probe_rest_xml_service_api, &probe_cbor_service_api,
};

static const struct wire_header form[] = {
    {"Content-Type", "application/x-www-form-urlencoded"}};
static const struct wire_header cbor[] = {{"smithy-protocol", "rpc-v2-cbor"}};
static const struct wire_header rest[] = {{"X-Colors", "RED, green"}, {"X-Tag-A", "b"}};

static struct wire_http_request request_for(const struct wire_service *service)
{
    struct wire_http_request req = {.method = "POST", .path = "/", .header_count = 1};
    req.headers = form;
    if (service->speaks_cbor) {
        req.headers = cbor;
        req.path = "/service/Probe_20260101Cbor/operation/PutThing";
    } else if (service->protocol > WIRE_EC2) {
        req.headers = rest;
        req.header_count = 2;
        req.path = "/things/ab/c%20d";
    }
    return req;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    AUTO_ARENA a = ARENA_INIT;
    struct wire_target target;
    struct wire_error error = {0};
    struct wire_response response = {0};
    void *input = NULL;
    const struct wire_service *service = services[data[0] % 5];
    struct wire_http_request req = request_for(service);
    const uint8_t *body = memchr(data, '\n', size);
    if (body)
        req.query = arena_strndup(&a, (const char *)data + 1,
                                  body > data ? (size_t)(body - data - 1) : 0);
    body = body ? body + 1 : data + 1;
    req.body = body;
    req.body_len = (size_t)(data + size - body);
    int r = wire_request_find(services, 5, &req, service->signing_name, &target, &error);
    if (r == 0)
        r = wire_request_decode(&a, &target, &req, &input, &error);
    if (r == 0) {
        /* REST's output has other members; the input's shape is what is at hand. */
        struct wire_operation op = *target.operation;
        op.output = op.input;
        target.operation = &op;
        wire_response_encode(&a, &target, input, "r", &response);
    } else {
        const char *message;
        const struct wire_fault *fault = wire_error_fault(&a, &target, &error, &message);
        if (!utf8_valid(message, strlen(message)))
            abort();
        wire_fault_encode(&a, &target, fault, message, NULL, "r", &response);
    }
    wire_response_free(&response);
    return 0;
}
