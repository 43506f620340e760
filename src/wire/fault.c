/* Faults in the words and shapes of each protocol: what services answer when they refuse. */
#include <strings.h>

#include "codec.h"
#include "json.h"
#include "protocol.h"
#include "slot.h"

/* Which names a protocol uses for what no model describes. */
enum family { JSON, REST, QUERY, EC2, S3, FAMILY_COUNT };

static enum family family_of(enum wire_protocol p)
{
    switch (p) {
    case WIRE_JSON_1_0:
    case WIRE_JSON_1_1:
    case WIRE_CBOR:
        return JSON;
    case WIRE_REST_JSON:
        return REST;
    case WIRE_QUERY:
        return QUERY;
    case WIRE_EC2:
        return EC2;
    case WIRE_REST_XML:
        return S3;
    }
    return JSON;
}

#define F(name, http)                                                                    \
    {                                                                                    \
        .code = (name), .status = (http), .sender = (http) < 500                         \
    }

const struct wire_fault wire_throttling_fault = F("ThrottlingException", 400);
const struct wire_fault wire_internal_failure_fault = F("InternalFailure", 500);
const struct wire_fault wire_too_large_fault = F("RequestEntityTooLargeException", 413);

/* ---- refusals ---- */

static const struct wire_fault denials[WIRE_DENIAL_COUNT][FAMILY_COUNT] = {
    [WIRE_DENIED_NO_AUTH] = {F("MissingAuthenticationTokenException", 400),
                             F("MissingAuthenticationTokenException", 403),
                             F("MissingAuthenticationToken", 403), F("AuthFailure", 401),
                             F("AccessDenied", 403)},
    [WIRE_DENIED_MALFORMED] = {F("IncompleteSignatureException", 400),
                               F("IncompleteSignatureException", 403),
                               F("IncompleteSignature", 400), F("AuthFailure", 401),
                               F("AuthorizationHeaderMalformed", 400)},
    [WIRE_DENIED_MALFORMED_URL] = {F("IncompleteSignatureException", 400),
                                   F("IncompleteSignatureException", 403),
                                   F("IncompleteSignature", 400), F("AuthFailure", 401),
                                   F("AuthorizationQueryParametersError", 400)},
    [WIRE_DENIED_UNSIGNED] = {F("IncompleteSignatureException", 400),
                              F("IncompleteSignatureException", 403),
                              F("IncompleteSignature", 400), F("AuthFailure", 401),
                              F("AccessDenied", 403)},
    [WIRE_DENIED_TWO_WAYS] = {F("IncompleteSignatureException", 400),
                              F("IncompleteSignatureException", 403),
                              F("IncompleteSignature", 400), F("AuthFailure", 401),
                              F("InvalidArgument", 400)},
    [WIRE_DENIED_UNKNOWN_KEY] = {F("UnrecognizedClientException", 400),
                                 F("UnrecognizedClientException", 403),
                                 F("InvalidClientTokenId", 403), F("AuthFailure", 401),
                                 F("InvalidAccessKeyId", 403)},
    [WIRE_DENIED_BAD_TOKEN] = {F("UnrecognizedClientException", 400),
                               F("UnrecognizedClientException", 403),
                               F("InvalidClientTokenId", 403), F("AuthFailure", 401),
                               F("InvalidToken", 400)},
    [WIRE_DENIED_BAD_SIGNATURE] = {F("InvalidSignatureException", 400),
                                   F("InvalidSignatureException", 403),
                                   F("SignatureDoesNotMatch", 403), F("AuthFailure", 401),
                                   F("SignatureDoesNotMatch", 403)},
    [WIRE_DENIED_SKEWED] = {F("InvalidSignatureException", 400),
                            F("InvalidSignatureException", 403),
                            F("SignatureDoesNotMatch", 403), F("RequestExpired", 400),
                            F("RequestTimeTooSkewed", 403)},
    [WIRE_DENIED_EXPIRED_URL] = {F("InvalidSignatureException", 400),
                                 F("InvalidSignatureException", 403),
                                 F("SignatureDoesNotMatch", 403),
                                 F("RequestExpired", 400), F("AccessDenied", 403)},
    [WIRE_DENIED_EXPIRED] = {F("ExpiredTokenException", 400),
                             F("ExpiredTokenException", 403), F("ExpiredToken", 403),
                             F("RequestExpired", 400), F("ExpiredToken", 400)},
    [WIRE_DENIED_BY_POLICY] = {F("AccessDeniedException", 400),
                               F("AccessDeniedException", 403), F("AccessDenied", 403),
                               F("UnauthorizedOperation", 403), F("AccessDenied", 403)},
};

static const char *const denial_texts[WIRE_DENIAL_COUNT] = {
    [WIRE_DENIED_NO_AUTH] = "Missing Authentication Token",
    [WIRE_DENIED_MALFORMED] = "The signature of the request is incomplete.",
    [WIRE_DENIED_MALFORMED_URL] = "The signature of the request is incomplete.",
    [WIRE_DENIED_UNSIGNED] =
        "There were headers present in the request which were not signed",
    [WIRE_DENIED_TWO_WAYS] =
        ("Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
         "Signature query string parameter or the Authorization header should be "
         "specified"),
    [WIRE_DENIED_UNKNOWN_KEY] = "The security token included in the request is invalid.",
    [WIRE_DENIED_BAD_TOKEN] = "The security token included in the request is invalid.",
    [WIRE_DENIED_BAD_SIGNATURE] =
        ("The request signature we calculated does not match the signature you provided. "
         "Check your AWS Secret Access Key and signing method. Consult the service "
         "documentation for details."),
    [WIRE_DENIED_SKEWED] = "Signature expired",
    [WIRE_DENIED_EXPIRED_URL] = "Request has expired",
    [WIRE_DENIED_EXPIRED] = "The security token included in the request is expired",
    [WIRE_DENIED_BY_POLICY] = "Access Denied",
};

const struct wire_fault *wire_denial_fault(const struct wire_target *target,
                                           enum wire_denial denial,
                                           const char **ret_message)
{
    if (ret_message)
        *ret_message = denial_texts[denial];
    return &denials[denial][family_of(target->protocol)];
}

static const struct wire_fault unavailable[FAMILY_COUNT] = {
    F("ServiceUnavailableException", 503), F("ServiceUnavailableException", 503),
    F("ServiceUnavailable", 503), F("Unavailable", 503), F("ServiceUnavailable", 503)};

const struct wire_fault *wire_unavailable_fault(const struct wire_target *target)
{
    const struct wire_service *s = target->service;
    return s && s->unavailable ? s->unavailable
                               : &unavailable[family_of(target->protocol)];
}

/* ---- errors of the request itself ---- */

static const struct wire_fault bad_syntax[FAMILY_COUNT] = {
    F("SerializationException", 400), F("SerializationException", 400),
    F("MalformedQueryString", 404), F("MalformedQueryString", 400),
    F("MalformedXML", 400)};
static const struct wire_fault bad_type[FAMILY_COUNT] = {
    F("SerializationException", 400), F("SerializationException", 400),
    F("MalformedInput", 400), F("InvalidParameterValue", 400), F("InvalidArgument", 400)};
static const struct wire_fault bad_value[FAMILY_COUNT] = {
    F("ValidationException", 400), F("ValidationException", 400),
    F("ValidationError", 400), F("InvalidParameterValue", 400),
    F("InvalidArgument", 400)};
static const struct wire_fault missing_parameter = F("MissingParameter", 400);
static const struct wire_fault unknown_operation[FAMILY_COUNT] = {
    F("UnknownOperationException", 400), F("UnknownOperationException", 404),
    F("InvalidAction", 400), F("InvalidAction", 400), F("MethodNotAllowed", 405)};
static const struct wire_fault not_offered[FAMILY_COUNT] = {
    F("UnsupportedOperationException", 400), F("UnsupportedOperationException", 400),
    F("UnsupportedOperation", 400), F("UnsupportedOperation", 400),
    F("NotImplemented", 501)};

static const char *ecr_words(struct arena *a, const struct wire_error *e)
{
    static const char pattern[] = "Member must satisfy regular expression pattern: ";
    const char *rule = e->constraint;
    if (str_starts(rule, pattern))
        return arena_printf(
            a,
            "Invalid parameter at '%s' failed to satisfy constraint: 'must "
            "satisfy regular expression '%s''",
            e->member, rule + strlen(pattern));
    if (str_starts(rule, "Member "))
        rule += strlen("Member ");
    return arena_printf(a, "Invalid parameter at '%s' failed to satisfy constraint: '%s'",
                        e->member, rule);
}

static const struct wire_fault *value_fault(struct arena *a, const struct wire_target *t,
                                            enum family family,
                                            const struct wire_error *e,
                                            const char **ret_message)
{
    if (family == EC2 && strcmp(e->constraint, "Member must not be null") == 0) {
        *ret_message =
            arena_printf(a, "The request must contain the parameter %s", e->member);
        return &missing_parameter;
    }
    if (t->service && t->service->words == WIRE_WORDS_ECR)
        *ret_message = ecr_words(a, e);
    return t->service && t->service->validation ? t->service->validation
                                                : &bad_value[family];
}

const struct wire_fault *wire_error_fault(struct arena *a,
                                          const struct wire_target *target,
                                          const struct wire_error *error,
                                          const char **ret_message)
{
    enum family family = family_of(target->protocol);
    *ret_message = arena_strdup(a, error->text);
    switch (error->kind) {
    case WIRE_BAD_SYNTAX:
        return &bad_syntax[family];
    case WIRE_BAD_TYPE:
        return &bad_type[family];
    case WIRE_BAD_VALUE:
        return value_fault(a, target, family, error, ret_message);
    case WIRE_UNKNOWN_OPERATION:
        return &unknown_operation[family];
    case WIRE_NOT_OFFERED:
        return &not_offered[family];
    case WIRE_BAD_SCOPE:
        return &denials[WIRE_DENIED_BAD_SIGNATURE][family];
    }
    return &bad_syntax[family];
}

/* ---- on the wire ---- */

/* JSON and CBOR name the shape; query and XML the code, which may differ. */
static const char *type_name(const struct wire_fault *fault)
{
    return fault->shape ? fault->shape->name : fault->code;
}

/* "message" or "Message", as the model has it. */
static const char *message_name(const struct wire_fault *fault)
{
    for (uint32_t i = 0; fault->shape && i < fault->shape->member_count; i++)
        if (strcasecmp(fault->shape->members[i].name, "message") == 0)
            return fault->shape->members[i].wire_name;
    return "message";
}

static void write_json(struct str *out, const struct wire_fault *fault,
                       const char *message, const void *details)
{
    AUTO_STR more = STR_INIT;
    str_add(out, "{\"__type\":");
    json_add_string(out, type_name(fault));
    if (!str_empty(message)) {
        str_addf(out, ",\"%s\":", message_name(fault));
        json_add_string(out, message);
    }
    if (details && fault->shape)
        json_encode_reply(&more, fault->shape, details);
    if (more.len > 2) {
        str_addc(out, ',');
        str_addn(out, more.data + 1, more.len - 2);
    }
    str_addc(out, '}');
}

/* An open-ended map, so that the details' members can follow. */
static void write_cbor(struct str *out, const struct wire_fault *fault,
                       const char *message, const void *details)
{
    AUTO_STR more = STR_INIT;
    str_addc(out, (char)0xbf);
    cbor_add_text(out, "__type");
    cbor_add_text(out, type_name(fault));
    if (!str_empty(message)) {
        cbor_add_text(out, message_name(fault));
        cbor_add_text(out, message);
    }
    if (details && fault->shape && fault->shape->member_count < 24)
        cbor_write(&more, fault->shape, details); /* its head is one byte */
    if (more.len > 1)
        str_addn(out, more.data + 1, more.len - 1);
    str_addc(out, (char)0xff);
}

static void write_query(struct str *out, const struct wire_target *t,
                        const struct wire_fault *fault, const char *message,
                        const void *details, const char *request_id)
{
    xml_open(out, "ErrorResponse", t->service ? t->service->xml_namespace : NULL);
    str_add(out, "<Error>");
    xml_add_element(out, "Type", fault->sender ? "Sender" : "Receiver");
    xml_add_element(out, "Code", fault->code);
    xml_add_element(out, "Message", message);
    if (details && fault->shape)
        xml_write_members(out, fault->shape, details);
    str_add(out, "</Error>");
    xml_add_element(out, "RequestId", request_id);
    xml_close(out, "ErrorResponse");
}

static void write_ec2(struct str *out, const struct wire_fault *fault,
                      const char *message, const char *request_id)
{
    str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>");
    xml_add_element(out, "Code", fault->code);
    xml_add_element(out, "Message", message);
    str_add(out, "</Error></Errors>");
    xml_add_element(out, "RequestID", request_id);
    xml_close(out, "Response");
}

static void write_s3(struct str *out, const struct wire_fault *fault, const char *message,
                     const void *details, const char *request_id)
{
    str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    xml_add_element(out, "Code", fault->code);
    xml_add_element(out, "Message", message);
    if (details && fault->shape)
        xml_write_members(out, fault->shape, details);
    xml_add_element(out, "RequestId", request_id);
    xml_add_element(out, "HostId", request_id);
    xml_close(out, "Error");
}

void wire_fault_encode(struct arena *a, const struct wire_target *target,
                       const struct wire_fault *fault, const char *message,
                       const void *details, const char *request_id,
                       struct wire_response *ret)
{
    struct header_list headers = {0};
    *ret = (struct wire_response){.status = fault->status};
    response_start(a, target->protocol, request_id, &headers);
    if (target->service && target->service->query_compatible)
        response_header(
            a, &headers, "x-amzn-query-error",
            arena_printf(a, "%s;%s", fault->code, fault->sender ? "Sender" : "Receiver"));
    switch (target->protocol) {
    case WIRE_REST_JSON:
        response_header(a, &headers, "x-amzn-ErrorType", type_name(fault));
        write_json(&ret->body, fault, message, details);
        break;
    case WIRE_JSON_1_0:
    case WIRE_JSON_1_1:
        write_json(&ret->body, fault, message, details);
        break;
    case WIRE_CBOR:
        write_cbor(&ret->body, fault, message, details);
        break;
    case WIRE_QUERY:
        write_query(&ret->body, target, fault, message, details, request_id);
        break;
    case WIRE_EC2:
        write_ec2(&ret->body, fault, message, request_id);
        break;
    case WIRE_REST_XML:
        write_s3(&ret->body, fault, message, details, request_id);
        break;
    }
    ret->headers = response_headers(a, &headers);
}
