/* The body of a request into the input, the output into a response: one branch a protocol
 * and no more; the work is in the codecs. */
#include "protocol.h"

#include <zlib.h>

#include "codec.h"
#include "json.h"
#include "slot.h"

#define INFLATED_MAX ((size_t)16 << 20) /* bytes of a body after Content-Encoding: gzip */

struct body {
    const char *text;
    size_t len;
};

/* SDKs compress large bodies of some operations (PutMetricData). */
static int inflate_body(struct wire_report *r, struct arena *a, struct body *body)
{
    z_stream z = {0};
    AUTO_STR out = STR_INIT;
    int status;
    if (body->len > UINT32_MAX || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return report_syntax(r, "the body can't be decompressed");
    z.next_in = (Bytef *)body->text;
    z.avail_in = (uInt)body->len;
    do {
        char piece[16384];
        z.next_out = (Bytef *)piece;
        z.avail_out = sizeof(piece);
        status = inflate(&z, Z_NO_FLUSH);
        str_addn(&out, piece, sizeof(piece) - z.avail_out);
    } while (status == Z_OK && out.len <= INFLATED_MAX);
    inflateEnd(&z);
    if (status != Z_STREAM_END)
        return report_syntax(r, out.len > INFLATED_MAX
                                    ? "the decompressed body is too large"
                                    : "the body is not valid gzip");
    body->text = arena_strndup(a, str_text(&out), out.len);
    body->len = out.len;
    return 0;
}

static int read_form(struct wire_report *r, struct arena *a, const struct wire_target *t,
                     const struct wire_http_request *req, struct body body, void *root)
{
    struct form form;
    if (!body.len && req->query)
        body = (struct body){req->query, strlen(req->query)};
    int e = form_parse(r, a, body.text, body.len, &form);
    return e < 0 ? e
                 : form_read(r, a, &form, t->protocol == WIRE_EC2, t->operation->input,
                             root);
}

static int read_document(struct wire_report *r, struct arena *a, enum wire_protocol p,
                         const struct wire_shape *shape, struct body body, void *root)
{
    if (p == WIRE_REST_XML)
        return xml_read(r, a, body.text, body.len, shape, root);
    return json_decode_request(a, shape, body.text, body.len, root, r);
}

/* The whole body is one member. */
static int read_payload(struct wire_report *r, struct arena *a, enum wire_protocol p,
                        const struct wire_member *m, struct body body, void *root)
{
    if (m->shape->type == WIRE_BLOB) {
        struct wire_blob *blob = slot_make(a, m, root);
        *blob =
            (struct wire_blob){(const uint8_t *)(body.text ? body.text : ""), body.len};
        return 0;
    }
    if (!body.len)
        return 0;
    if (m->shape->type != WIRE_STRING)
        return read_document(r, a, p, m->shape, body, slot_make(a, m, root));
    if (memchr(body.text, '\0', body.len) || !utf8_valid(body.text, body.len))
        return report_syntax(r, "the body is not valid UTF-8");
    *(char **)slot_make(a, m, root) = arena_strndup(a, body.text, body.len);
    return 0;
}

static int read_rest(struct wire_report *r, struct arena *a, const struct wire_target *t,
                     const struct wire_http_request *req, struct body body, void *root)
{
    const struct wire_shape *shape = t->operation->input;
    int e = rest_read(r, a, t->operation, req, root);
    if (e < 0)
        return e;
    const struct wire_member *payload = rest_payload(shape);
    if (payload)
        return read_payload(r, a, t->protocol, payload, body, root);
    bool any = false;
    for (uint32_t i = 0; i < shape->member_count; i++)
        any |= shape->members[i].location == WIRE_IN_BODY;
    return any && body.len ? read_document(r, a, t->protocol, shape, body, root) : 0;
}

static int read_body(struct wire_report *r, struct arena *a, const struct wire_target *t,
                     const struct wire_http_request *req, void *root)
{
    const struct wire_shape *shape = t->operation->input;
    struct body body = {req->body, req->body_len};
    const char *encoding = wire_header_find(req, "Content-Encoding");
    if (streq(encoding, "gzip") && body.len) {
        int e = inflate_body(r, a, &body);
        if (e < 0)
            return e;
    }
    switch (t->protocol) {
    case WIRE_JSON_1_0:
    case WIRE_JSON_1_1:
        return body.len ? json_decode_request(a, shape, body.text, body.len, root, r) : 0;
    case WIRE_CBOR:
        return body.len ? cbor_read(r, a, body.text, body.len, shape, root) : 0;
    case WIRE_QUERY:
    case WIRE_EC2:
        return read_form(r, a, t, req, body, root);
    case WIRE_REST_JSON:
    case WIRE_REST_XML:
        return read_rest(r, a, t, req, body, root);
    }
    return report_syntax(r, "unknown protocol");
}

int wire_request_decode(struct arena *a, const struct wire_target *target,
                        const struct wire_http_request *req, void **ret,
                        struct wire_error *ret_error)
{
    const struct wire_shape *shape = target->operation->input;
    *ret = NULL;
    if (!shape)
        return 0;
    struct wire_report r;
    report_init(&r, ret_error, a, req->body_len);
    void *root = arena_alloc(a, shape->size);
    int e = read_body(&r, a, target, req, root);
    if (e == 0) {
        check_value(&r, shape, root);
        e = report_finish(&r);
    }
    report_free(&r);
    if (e == 0)
        *ret = root;
    return e;
}

void response_header(struct arena *a, struct header_list *headers, const char *name,
                     const char *value)
{
    struct wire_header *h = LIST_PUSH(a, headers);
    *h = (struct wire_header){name, value};
}

void response_start(struct arena *a, enum wire_protocol protocol, const char *request_id,
                    struct header_list *headers)
{
    static const char *const types[] = {
        [WIRE_JSON_1_0] = "application/x-amz-json-1.0",
        [WIRE_JSON_1_1] = "application/x-amz-json-1.1",
        [WIRE_QUERY] = "text/xml",
        [WIRE_EC2] = "text/xml;charset=UTF-8",
        [WIRE_REST_JSON] = "application/json",
        [WIRE_REST_XML] = "application/xml",
        [WIRE_CBOR] = "application/cbor",
    };
    response_header(a, headers, "Content-Type", types[protocol]);
    response_header(a, headers, "x-amzn-RequestId", request_id);
    if (protocol == WIRE_REST_XML)
        response_header(a, headers, "x-amz-request-id", request_id);
    if (protocol == WIRE_CBOR)
        response_header(a, headers, "smithy-protocol", "rpc-v2-cbor");
}

/* Ends the list; the response keeps it. */
const struct wire_header *response_headers(struct arena *a, struct header_list *headers)
{
    response_header(a, headers, NULL, NULL);
    return headers->v;
}

static void write_query(struct str *out, const struct wire_operation *op,
                        const void *output, const char *request_id)
{
    AUTO_STR root = STR_INIT;
    str_addf(&root, "%sResponse", op->name);
    xml_open(out, root.data, op->service->xml_namespace);
    if (op->output && op->output_wrapper)
        xml_open(out, op->output_wrapper, NULL);
    if (op->output && output)
        xml_write_members(out, op->output, output);
    if (op->output && op->output_wrapper)
        xml_close(out, op->output_wrapper);
    str_add(out, "<ResponseMetadata>");
    xml_add_element(out, "RequestId", request_id);
    str_add(out, "</ResponseMetadata>");
    xml_close(out, root.data);
}

static void write_ec2(struct str *out, const struct wire_operation *op,
                      const void *output, const char *request_id)
{
    AUTO_STR root = STR_INIT;
    str_addf(&root, "%sResponse", op->name);
    str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml_open(out, root.data, op->service->xml_namespace);
    xml_add_element(out, "requestId", request_id);
    if (op->output && output)
        xml_write_members(out, op->output, output);
    else
        xml_add_element(out, "return", "true");
    xml_close(out, root.data);
}

static void write_xml_document(struct str *out, const struct wire_operation *op,
                               const char *name, const struct wire_shape *shape,
                               const void *value)
{
    str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml_open(out, name, op->service->xml_namespace);
    xml_write_members(out, shape, value);
    xml_close(out, name);
}

static void write_payload(struct str *out, enum wire_protocol p,
                          const struct wire_operation *op, const struct wire_member *m,
                          const void *value)
{
    if (m->shape->type == WIRE_BLOB)
        str_addn(out, ((const struct wire_blob *)value)->data,
                 ((const struct wire_blob *)value)->size);
    else if (m->shape->type == WIRE_STRING)
        str_add(out, *(const char *const *)value);
    else if (p == WIRE_REST_JSON)
        json_encode_reply(out, m->shape, value);
    else
        write_xml_document(out, op,
                           m->shape->xml_name ? m->shape->xml_name : m->wire_name,
                           m->shape, value);
}

/* Returns the status. */
static int write_rest(struct arena *a, struct str *out, const struct wire_target *t,
                      const void *output, struct header_list *headers)
{
    const struct wire_operation *op = t->operation;
    int status = 0;
    if (!op->output || !output)
        return op->status;
    status = rest_write(a, op->output, output, headers);
    const struct wire_member *payload = rest_payload(op->output);
    bool any = false;
    for (uint32_t i = 0; i < op->output->member_count; i++)
        any |= op->output->members[i].location == WIRE_IN_BODY;
    if (payload) {
        const void *value = slot_get(payload, output);
        if (value)
            write_payload(out, t->protocol, op, payload, value);
    } else if (t->protocol == WIRE_REST_JSON && op->status != 204) {
        json_encode_reply(out, op->output, output);
    } else if (any && op->status != 204) {
        AUTO_STR root = STR_INIT;
        str_addf(&root, "%sResult", op->name);
        write_xml_document(out, op,
                           op->output->xml_name ? op->output->xml_name : root.data,
                           op->output, output);
    }
    return status ? status : op->status;
}

void wire_response_encode(struct arena *a, const struct wire_target *target,
                          const void *output, const char *request_id,
                          struct wire_response *ret)
{
    const struct wire_operation *op = target->operation;
    struct header_list headers = {0};
    *ret = (struct wire_response){.status = op->status ? op->status : 200};
    response_start(a, target->protocol, request_id, &headers);
    switch (target->protocol) {
    case WIRE_JSON_1_0:
    case WIRE_JSON_1_1:
        if (op->output && output)
            json_encode_reply(&ret->body, op->output, output);
        else
            str_add(&ret->body, "{}");
        break;
    case WIRE_CBOR:
        if (op->output && output)
            cbor_write(&ret->body, op->output, output);
        else
            cbor_add_map(&ret->body, 0);
        break;
    case WIRE_QUERY:
        write_query(&ret->body, op, output, request_id);
        break;
    case WIRE_EC2:
        write_ec2(&ret->body, op, output, request_id);
        break;
    case WIRE_REST_JSON:
    case WIRE_REST_XML:
        ret->status = write_rest(a, &ret->body, target, output, &headers);
        break;
    }
    ret->headers = response_headers(a, &headers);
}

void wire_response_free(struct wire_response *response)
{
    str_free(&response->body);
}
