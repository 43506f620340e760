/* From an HTTP request to an operation and back; faults in each protocol's words. The
 * round trip of every kind of value is checked against botocore in tests/api. */
#include "unit.h"

#include "ecr_api.h"
#include "ecs_api.h"
#include "probe_cbor_api.h"
#include "probe_ec2_api.h"
#include "probe_rest_json_api.h"
#include "probe_rest_xml_api.h"
#include "protocol.h"
#include "sts_api.h"

static const struct wire_service *const services[] = {
    &probe_ec2_service_api,
    &probe_rest_json_service_api,
    &probe_rest_xml_service_api,
    &probe_cbor_service_api,
    &ecs_service_api,
    &ecr_service_api,
    &sts_service_api,
};

struct exchange {
    struct arena arena;
    struct wire_target target;
    struct wire_error error;
    struct wire_response response;
    void *input;
    int result;
};

static void run(struct exchange *x, struct wire_http_request req, const char *scope)
{
    *x = (struct exchange){.arena = ARENA_INIT};
    if (req.body && !req.body_len)
        req.body_len = strlen(req.body);
    while (req.headers && req.headers[req.header_count].name)
        req.header_count++;
    x->result = wire_request_find(services, sizeof(services) / sizeof(services[0]), &req,
                                  scope, &x->target, &x->error);
    if (x->result == 0)
        x->result =
            wire_request_decode(&x->arena, &x->target, &req, &x->input, &x->error);
    const char *message;
    if (x->result < 0) {
        const struct wire_fault *f =
            wire_error_fault(&x->arena, &x->target, &x->error, &message);
        wire_fault_encode(&x->arena, &x->target, f, message, NULL, "r1", &x->response);
    }
}

static void done(struct exchange *x)
{
    wire_response_free(&x->response);
    arena_free(&x->arena);
}

#define HEADERS(...) ((const struct wire_header[]){__VA_ARGS__, {NULL, NULL}})
#define ECS(op)                                                                          \
    {                                                                                    \
        "X-Amz-Target", "AmazonEC2ContainerServiceV20141113." op                         \
    }
#define ECR(op)                                                                          \
    {                                                                                    \
        "X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921." op                       \
    }
#define FORM                                                                             \
    {                                                                                    \
        "content-type", "application/x-www-form-urlencoded; charset=utf-8"               \
    }

static const char *header(const struct wire_response *r, const char *name)
{
    for (const struct wire_header *h = r->headers; h->name; h++)
        if (strcmp(h->name, name) == 0)
            return h->value;
    return NULL;
}

static void json_reaches_its_operation(void **state)
{
    struct exchange x;
    run(&x,
        (struct wire_http_request){
            .method = "POST",
            .path = "/",
            .body = "{\"cluster\":\"blue\",\"count\":2,"
                    "\"taskDefinition\":\"web\"}",
            .headers =
                HEADERS({"Content-Type", "application/x-amz-json-1.1"}, ECS("RunTask"))},
        "ecs");
    assert_int_equal(x.result, 0);
    assert_ptr_equal(x.target.operation, &ecs_operation_run_task);
    const struct ecs_run_task_request *in = x.input;
    assert_string_equal(in->cluster, "blue");
    assert_int_equal(in->count.v, 2);
    struct ecs_run_task_response out = {0};
    out.tasks.set = true;
    struct ecs_task *task = LIST_PUSH(&x.arena, &out.tasks);
    task->task_arn = "arn:x";
    wire_response_encode(&x.arena, &x.target, &out, "r1", &x.response);
    assert_int_equal(x.response.status, 200);
    assert_string_equal(
        x.response.body.data,
        "{\"tasks\":[{\"enableExecuteCommand\":false,\"taskArn\":\"arn:x\","
        "\"version\":0}]}");
    assert_string_equal(header(&x.response, "Content-Type"),
                        "application/x-amz-json-1.1");
    assert_string_equal(header(&x.response, "x-amzn-RequestId"), "r1");
    done(&x);
}

static void refusals_name_themselves(void **state)
{
    static const struct {
        const char *method, *path, *query, *body, *scope;
        struct wire_header headers[3];
        int status;
        const char *want;
    } rows[] = {
        {"POST",
         "/",
         NULL,
         "{",
         "ecs",
         {ECS("ListClusters")},
         400,
         "{\"__type\":\"SerializationException\",\"message\":\"'\\\"' expected at byte "
         "1\"}"},
        {"POST",
         "/",
         NULL,
         "{\"count\":\"1\"}",
         "ecs",
         {ECS("RunTask")},
         400,
         "{\"__type\":\"SerializationException\",\"message\":\"STRING_VALUE cannot be "
         "converted to Integer at 'count'\"}"},
        {"POST",
         "/",
         NULL,
         "{}",
         "ecs",
         {ECS("RunTask")},
         400,
         "{\"__type\":\"InvalidParameterException\",\"message\":\"1 validation error "
         "detected: Value null at 'taskDefinition' failed to satisfy constraint: Member "
         "must not be null\"}"},
        {"POST",
         "/",
         NULL,
         "{}",
         "ecs",
         {ECS("Nonsense")},
         400,
         "{\"__type\":\"UnknownOperationException\",\"message\":\"Unknown operation "
         "Nonsense\"}"},
        {"POST",
         "/",
         NULL,
         "{}",
         "ecr",
         {ECR("DescribeImageSigningStatus")},
         400,
         "{\"__type\":\"UnsupportedOperationException\",\"message\":\"The operation "
         "DescribeImageSigningStatus of ecr is not offered by gantry.\"}"},
        {"POST",
         "/",
         NULL,
         "{}",
         "ecr",
         {ECS("ListClusters")},
         400,
         "{\"__type\":\"InvalidSignatureException\",\"message\":\"Credential should be "
         "scoped to correct service: 'ecs'.\"}"},
        {"POST",
         "/",
         NULL,
         "{}",
         NULL,
         {{"X-Amz-Target", "Nobody.Op"}},
         400,
         "{\"__type\":\"UnknownOperationException\",\"message\":\"Unknown target "
         "Nobody.Op\"}"},
        {"POST",
         "/",
         NULL,
         "{\"repositoryName\":\"a\"}",
         "ecr",
         {{"X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.CreateRepository"}},
         400,
         "{\"__type\":\"InvalidParameterException\",\"message\":\"Invalid parameter at "
         "'repositoryName' failed to satisfy constraint: 'must have length greater than "
         "or "
         "equal to 2'\"}"},
        {"POST",
         "/",
         NULL,
         "Action=Nonsense&Version=2011-06-15",
         "sts",
         {FORM},
         400,
         "<ErrorResponse "
         "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>"
         "Sender</Type><Code>InvalidAction</Code><Message>Could not find operation "
         "Nonsense "
         "for version 2011-06-15</Message></Error><RequestId>r1</RequestId>"
         "</ErrorResponse>"},
        {"POST",
         "/",
         NULL,
         "Action=AssumeRoleWithSAML&Version=2011-06-15",
         "sts",
         {FORM},
         400,
         "<ErrorResponse "
         "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>"
         "Sender</Type><Code>UnsupportedOperation</Code><Message>The operation "
         "AssumeRoleWithSAML of "
         "sts is not offered by gantry.</Message></Error><RequestId>r1</RequestId>"
         "</ErrorResponse>"},
        {"POST",
         "/",
         NULL,
         "Action=PutThing&Version=2026-01-01&Size=%zz",
         "probe-ec2",
         {FORM},
         400,
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>"
         "MalformedQueryString</Code><Message>the form is not valid percent-encoded UTF-8"
         "</Message></Error></Errors><RequestID>r1</RequestID></Response>"},
        {"POST",
         "/",
         NULL,
         "Action=PutThing&Version=2026-01-01",
         "probe-ec2",
         {FORM},
         400,
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>"
         "MissingParameter</Code><Message>The request must contain the parameter name"
         "</Message></Error></Errors><RequestID>r1</RequestID></Response>"},
        {"DELETE",
         "/x",
         NULL,
         NULL,
         "probe-rest-xml",
         {{NULL}},
         405,
         "<?xml version=\"1.0\" "
         "encoding=\"UTF-8\"?>\n<Error><Code>MethodNotAllowed</Code>"
         "<Message>No operation has the method DELETE and path /x</Message><RequestId>r1"
         "</RequestId><HostId>r1</HostId></Error>"},
        {"DELETE",
         "/x",
         NULL,
         NULL,
         "probe-rest-json",
         {{NULL}},
         404,
         "{\"__type\":\"UnknownOperationException\",\"message\":\"No operation has the "
         "method DELETE and path /x\"}"},
        {"POST",
         "/things/ab/y",
         "deep",
         "<a><b></a>",
         "probe-rest-xml",
         {{NULL}},
         400,
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>MalformedXML</Code>"
         "<Message>the body is not well-formed XML: mismatched tag</Message><RequestId>r1"
         "</RequestId><HostId>r1</HostId></Error>"},
        {"POST",
         "/things/ab/y",
         "deep",
         "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
         "probe-rest-xml",
         {{NULL}},
         400,
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>MalformedXML</Code>"
         "<Message>document types are not accepted</Message><RequestId>r1</RequestId>"
         "<HostId>r1</HostId></Error>"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct exchange x;
        run(&x,
            (struct wire_http_request){.method = rows[i].method,
                                       .path = rows[i].path,
                                       .query = rows[i].query,
                                       .body = rows[i].body,
                                       .headers = rows[i].headers},
            rows[i].scope);
        assert_int_equal(x.result, -E_INVALID);
        assert_string_equal(x.response.body.data, rows[i].want);
        assert_int_equal(x.response.status, rows[i].status);
        done(&x);
    }
}

static void raw_bytes_of_a_name_do_no_harm(void **state)
{
    static const char *const names[] = {"GetCallerIdentity\0\0\0\0", "GetCaller\0xxxx",
                                        "\xf5\xf5\xf5\xf5", "\xc3"};
    static const size_t sizes[] = {21, 14, 4, 1};
    for (size_t i = 0; i < 4; i++) {
        AUTO_STR body = STR_INIT;
        struct exchange x;
        str_add(&body, "Version=2011-06-15&Action=");
        str_addn(&body, names[i], sizes[i]);
        run(&x,
            (struct wire_http_request){.method = "POST",
                                       .path = "/",
                                       .body = body.data,
                                       .body_len = body.len,
                                       .headers = HEADERS(FORM)},
            "sts");
        assert_int_equal(x.result, -E_INVALID);
        assert_int_equal(x.error.kind, WIRE_UNKNOWN_OPERATION);
        assert_true(utf8_valid(x.error.text, strlen(x.error.text)));
        done(&x);
    }
}

static void query_answers_in_xml(void **state)
{
    struct exchange x;
    run(&x,
        (struct wire_http_request){.method = "POST",
                                   .path = "/",
                                   .headers = HEADERS(FORM),
                                   .body = "Version=2011-06-15&Action=GetCallerIdentity"},
        "sts");
    assert_int_equal(x.result, 0);
    struct sts_get_caller_identity_response out = {.account = "0", .arn = "<&>"};
    wire_response_encode(&x.arena, &x.target, &out, "r1", &x.response);
    assert_string_equal(
        x.response.body.data,
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<GetCallerIdentityResult><Account>0</Account><Arn>&lt;&amp;&gt;</Arn>"
        "</GetCallerIdentityResult><ResponseMetadata><RequestId>r1</RequestId>"
        "</ResponseMetadata></GetCallerIdentityResponse>");
    done(&x);
    /* the same as GET, and found by its version alone */
    run(&x,
        (struct wire_http_request){.method = "GET",
                                   .path = "/",
                                   .query =
                                       "Action=GetCallerIdentity&Version=2011-06-15"},
        NULL);
    assert_int_equal(x.result, 0);
    assert_ptr_equal(x.target.service, &sts_service_api);
    done(&x);
}

static void ec2_reads_its_own_names(void **state)
{
    struct exchange x;
    run(&x,
        (struct wire_http_request){
            .method = "POST",
            .path = "/",
            .headers = HEADERS(FORM),
            .body = "Action=PutThing&Version=2026-01-01&name=ab&Names.2=b&Names.10=c&"
                    "Names.1=a&Names.01=z&parts.1.id=x%2By&parts.1.parts.1.id=q+r"},
        "probe-ec2");
    assert_int_equal(x.result, 0);
    const struct probe_ec2_thing *in = x.input;
    assert_int_equal(in->names.n, 3);
    assert_string_equal(in->names.v[0], "a");
    assert_string_equal(in->names.v[2], "c");
    assert_string_equal(in->parts.v[0].id, "x+y");
    assert_string_equal(in->parts.v[0].parts.v[0].id, "q r");
    done(&x);
}

static void rest_takes_apart_path_query_and_headers(void **state)
{
    struct exchange x;
    run(&x,
        (struct wire_http_request){
            .method = "POST",
            .path = "/things/a%20b/c/d%2Fe",
            .query = "deep&n=1&size=7&n=%C3%A9",
            .body = "{\"count\":3}",
            .headers =
                HEADERS({"x-color", "RED"}, {"X-COLORS", "RED, green"},
                        {"X-When", "Sun, 06 Nov 1994 08:49:37 GMT"}, {"X-Tag-One", "1"})},
        "probe-rest-json");
    assert_int_equal(x.result, 0);
    const struct probe_rest_json_thing *in = x.input;
    assert_string_equal(in->name, "a b");
    assert_string_equal(in->public_ipv4_address, "c/d/e");
    assert_int_equal(in->names.n, 2);
    assert_string_equal(in->names.v[1], "\xc3\xa9");
    assert_int_equal(in->size.v, 7);
    assert_int_equal(in->count.v, 3);
    assert_int_equal(in->color, PROBE_REST_JSON_COLOR_RED);
    assert_int_equal(in->colors.v[1], PROBE_REST_JSON_COLOR_GREEN);
    assert_true(in->when.v == 784111777000);
    assert_string_equal(in->tags.v[0].key, "One");
    struct probe_rest_json_thing_out out = {.status = SET_INT(202),
                                            .when = SET_TIME(784111777000)};
    out.default_ = "x\r\ny";
    wire_response_encode(&x.arena, &x.target, &out, "r1", &x.response);
    assert_int_equal(x.response.status, 202);
    assert_string_equal(header(&x.response, "X-When"), "Sun, 06 Nov 1994 08:49:37 GMT");
    done(&x);
}

static void rest_tells_operations_of_one_path_apart(void **state)
{
    static const struct {
        const char *query, *want;
    } rows[] = {{NULL, "Upload"}, {"part=1", "Upload"}, {"number=3", "UploadPart"}};
    for (size_t i = 0; i < 3; i++) {
        struct exchange x;
        run(&x,
            (struct wire_http_request){.method = "PUT",
                                       .path = "/ab",
                                       .query = rows[i].query,
                                       .body =
                                           "<Part><id>xy</id><count>4</count></Part>"},
            "probe-rest-xml");
        assert_int_equal(x.result, 0);
        assert_string_equal(x.target.operation->name, rows[i].want);
        if (i == 2) {
            const struct probe_rest_xml_upload_part *in = x.input;
            assert_string_equal(in->part->id, "xy");
            assert_int_equal(in->part->count.v, 4);
        } else {
            const struct probe_rest_xml_upload *in = x.input;
            assert_memory_equal(in->data.data, "<Part>", 6);
        }
        done(&x);
    }
}

static void no_content_has_no_body(void **state)
{
    struct exchange x;
    run(&x, (struct wire_http_request){.method = "GET", .path = "/ping"},
        "probe-rest-json");
    assert_int_equal(x.result, 0);
    assert_null(x.input);
    wire_response_encode(&x.arena, &x.target, NULL, "r1", &x.response);
    assert_int_equal(x.response.status, 204);
    assert_int_equal(x.response.body.len, 0);
    done(&x);
}

#define CBOR_PATH "/service/Probe_20260101Cbor/operation/PutThing"

static void cbor(struct exchange *x, const char *body, size_t len)
{
    run(x,
        (struct wire_http_request){.method = "POST",
                                   .path = CBOR_PATH,
                                   .body = body,
                                   .body_len = len,
                                   .headers =
                                       HEADERS({"smithy-protocol", "rpc-v2-cbor"})},
        "probe-smithy-rpc-v2-cbor");
}

static void cbor_is_read_strictly(void **state)
{
    struct exchange x;
    /* {_ "name": (_ "a", "b"), "ratio": 1.5 half, "when": 1(1.5), "names": [_ "x"]} */
    static const char good[] =
        "\xbf\x64name\x7f\x61"
        "a\x61"
        "b\xff\x65ratio\xf9\x3e\x00"
        "\x64when\xc1\xfb\x3f\xf8\0\0\0\0\0\0\x65names\x9f\x61x\xff\xff";
    cbor(&x, good, sizeof(good) - 1);
    assert_int_equal(x.result, 0);
    const struct probe_cbor_thing *in = x.input;
    assert_string_equal(in->name, "ab");
    assert_true(in->ratio.v == 1.5 && in->when.v == 1500);
    assert_string_equal(in->names.v[0], "x");
    done(&x);
    /* every shorter body is refused, whatever it was cut in */
    for (size_t n = 1; n < sizeof(good) - 1; n++) {
        cbor(&x, good, n);
        assert_int_equal(x.result, -E_INVALID);
        assert_int_equal((unsigned char)x.response.body.data[0], 0xbf);
        assert_string_equal(header(&x.response, "smithy-protocol"), "rpc-v2-cbor");
        done(&x);
    }
    static const char *const bad[] = {"\xa1\x64name\x01",
                                      "\xa1\x64name\x61\xff",
                                      "\x80",
                                      "\xa2\x64name\x62yy\x64name\x62yy",
                                      "\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
                                      "\xa1\x01\x01",
                                      "\xff",
                                      "\xa0\xa0",
                                      "\xa1\x61z\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
                                      "\xa1\x61z\xfc"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cbor(&x, bad[i], strlen(bad[i]));
        assert_int_equal(x.result, -E_INVALID);
        done(&x);
    }
    AUTO_STR bomb = STR_INIT;
    str_add(&bomb, "\xa1\x61z");
    for (int i = 0; i < 100000; i++)
        str_addc(&bomb, '\x9f');
    cbor(&x, bomb.data, bomb.len);
    assert_int_equal(x.result, -E_INVALID);
    assert_non_null(strstr(x.error.text, "nested too deeply"));
    done(&x);
}

static void query_compatible_faults_say_the_query_code(void **state)
{
    struct exchange x;
    cbor(&x, "\xa0", 1);
    done(&x);
    x.arena = (struct arena)ARENA_INIT;
    struct probe_cbor_conflict_exception details = {0};
    *LIST_PUSH(&x.arena, &details.resource_ids) = "a";
    wire_fault_encode(&x.arena, &x.target, &probe_cbor_conflict_exception, "no", &details,
                      "r1", &x.response);
    assert_int_equal(x.response.status, 409);
    assert_string_equal(header(&x.response, "x-amzn-query-error"), "Conflict;Sender");
    static const char want[] = "\xbf\x66__type\x71"
                               "ConflictException\x67message\x62no"
                               "\x6bresourceIds\x81\x61"
                               "a\xff";
    assert_int_equal(x.response.body.len, sizeof(want) - 1);
    assert_memory_equal(x.response.body.data, want, sizeof(want) - 1);
    done(&x);
}

static void a_fault_carries_its_members(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_target t = {&ecs_service_api, &ecs_operation_run_task, WIRE_JSON_1_1};
    struct ecs_conflict_exception details = {0};
    *LIST_PUSH(&a, &details.resource_ids) = "arn:1";
    struct wire_response r;
    wire_fault_encode(&a, &t, &ecs_conflict_exception, "again", &details, "r1", &r);
    assert_string_equal(r.body.data,
                        "{\"__type\":\"ConflictException\",\"message\":\"again\","
                        "\"resourceIds\":[\"arn:1\"]}");
    wire_response_free(&r);
}

static void denials_fit_the_protocol(void **state)
{
    static const struct {
        enum wire_protocol protocol;
        enum wire_denial denial;
        const char *code;
        int status;
    } rows[] = {
        {WIRE_JSON_1_1, WIRE_DENIED_NO_AUTH, "MissingAuthenticationTokenException", 400},
        {WIRE_JSON_1_0, WIRE_DENIED_UNKNOWN_KEY, "UnrecognizedClientException", 400},
        {WIRE_CBOR, WIRE_DENIED_BAD_SIGNATURE, "InvalidSignatureException", 400},
        {WIRE_REST_JSON, WIRE_DENIED_BY_POLICY, "AccessDeniedException", 403},
        {WIRE_QUERY, WIRE_DENIED_UNKNOWN_KEY, "InvalidClientTokenId", 403},
        {WIRE_QUERY, WIRE_DENIED_MALFORMED, "IncompleteSignature", 400},
        {WIRE_EC2, WIRE_DENIED_BY_POLICY, "UnauthorizedOperation", 403},
        {WIRE_EC2, WIRE_DENIED_BAD_SIGNATURE, "AuthFailure", 401},
        {WIRE_REST_XML, WIRE_DENIED_EXPIRED_URL, "AccessDenied", 403},
        {WIRE_REST_XML, WIRE_DENIED_SKEWED, "RequestTimeTooSkewed", 403},
        {WIRE_REST_XML, WIRE_DENIED_EXPIRED, "ExpiredToken", 400},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wire_target t = {.protocol = rows[i].protocol};
        const char *text;
        const struct wire_fault *f = wire_denial_fault(&t, rows[i].denial, &text);
        assert_string_equal(f->code, rows[i].code);
        assert_int_equal(f->status, rows[i].status);
        assert_true(text[0]);
    }
}

static void unavailable_is_said_in_the_models_words(void **state)
{
    static const struct {
        const struct wire_service *service;
        enum wire_protocol protocol;
        const char *code;
        int status;
    } rows[] = {
        {&ecs_service_api, WIRE_JSON_1_1, "ServerException", 500},
        {NULL, WIRE_JSON_1_1, "ServiceUnavailableException", 503},
        {NULL, WIRE_QUERY, "ServiceUnavailable", 503},
        {NULL, WIRE_EC2, "Unavailable", 503},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wire_target t = {.service = rows[i].service, .protocol = rows[i].protocol};
        const struct wire_fault *f = wire_unavailable_fault(&t);
        assert_string_equal(f->code, rows[i].code);
        assert_int_equal(f->status, rows[i].status);
        assert_false(f->sender);
    }
}

static void compressed_bodies_are_bounded(void **state)
{
    /* printf '{"maxResults":7}' | gzip -n */
    static const char zipped[] = "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xab\x56\xca\x4d\xac\x08"
                                 "\x4a\x2d\x2e\xcd\x29\x29\x56"
                                 "\xb2\x32\xaf\x05\0\x77\xc5\x60\x46\x10\0\0\0";
    struct exchange x;
    struct wire_http_request req = {
        .method = "POST",
        .path = "/",
        .body = zipped,
        .body_len = sizeof(zipped) - 1,
        .headers = HEADERS({"Content-Encoding", "gzip"}, ECS("ListClusters"))};
    run(&x, req, "ecs");
    assert_int_equal(x.result, 0);
    assert_int_equal(((const struct ecs_list_clusters_request *)x.input)->max_results.v,
                     7);
    req.body_len -= 3; /* cut: must not be taken for the whole */
    done(&x);
    run(&x, req, "ecs");
    assert_int_equal(x.result, -E_INVALID);
    done(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_reaches_its_operation),
        cmocka_unit_test(refusals_name_themselves),
        cmocka_unit_test(raw_bytes_of_a_name_do_no_harm),
        cmocka_unit_test(query_answers_in_xml),
        cmocka_unit_test(ec2_reads_its_own_names),
        cmocka_unit_test(rest_takes_apart_path_query_and_headers),
        cmocka_unit_test(rest_tells_operations_of_one_path_apart),
        cmocka_unit_test(no_content_has_no_body),
        cmocka_unit_test(cbor_is_read_strictly),
        cmocka_unit_test(query_compatible_faults_say_the_query_code),
        cmocka_unit_test(a_fault_carries_its_members),
        cmocka_unit_test(unavailable_is_said_in_the_models_words),
        cmocka_unit_test(denials_fit_the_protocol),
        cmocka_unit_test(compressed_bodies_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
