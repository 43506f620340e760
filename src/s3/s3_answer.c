/* Answers: errors in S3's words, outputs by the codec, headers that all have. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3_private.h"

void answer_add(struct answer_headers *h, const char *name, const char *value)
{
    if (!value || h->n + 1 >= sizeof(h->v) / sizeof(h->v[0]))
        return;
    h->v[h->n++] = (struct http_header){name, value};
}

void answer_head(struct visit *v, struct answer_headers *h)
{
    memset(h, 0, sizeof(*h));
    answer_add(h, "x-amz-request-id", v->s.call.request_id);
    answer_add(h, "x-amz-id-2", v->s.call.request_id);
    answer_add(h, "Server", "gantry");
}

static void send(struct visit *v, struct wire_response *r, bool empty)
{
    struct answer_headers h;
    memset(&h, 0, sizeof(h));
    for (const struct wire_header *p = r->headers; p && p->name; p++)
        if (!empty || !streq(p->name, "Content-Type"))
            answer_add(&h, p->name, p->value);
    answer_add(&h, "x-amz-id-2", v->s.call.request_id);
    answer_add(&h, "Server", "gantry");
    size_t len = r->body.len;
    if (empty || len == 0)
        http_reply(v->req, r->status, h.v, "", 0, HTTP_ARENA);
    else
        http_reply(v->req, r->status, h.v, str_take(&r->body), len, HTTP_TAKE);
    wire_response_free(r);
}

void answer_fault(struct visit *v, const struct wire_fault *fault, const char *text)
{
    struct wire_response r = {0};
    v->answered = fault;
    v->answered_text = text;
    /* The codec writes the members beside the message by the fault's shape. */
    struct wire_fault *detailed = arena_new(v->a, struct wire_fault);
    *detailed = *fault;
    detailed->shape = &gantry_s3_error_detail_shape;
    wire_fault_encode(v->a, &v->target, detailed, text, &v->s.detail,
                      v->s.call.request_id, &r);
    intake_drop(v);
    send(v, &r, v->req->is_head || fault->status == 304);
}

void answer_s3(struct visit *v, const struct wire_fault *fault)
{
    answer_fault(v, fault, s3_fault_text(fault));
}

void answer_error(struct visit *v, const struct error *err,
                  const struct wire_fault *not_found)
{
    switch (err->code) {
    case E_NOTFOUND:
        answer_s3(v, not_found);
        break;
    case E_CONFLICT:
        v->s.detail.condition = arena_strdup(v->a, err->text);
        answer_s3(v, &s3_precondition_failed);
        break;
    case E_FULL:
        answer_fault(v, &s3_slow_down, "The disk of gantry's data directory is full.");
        break;
    case E_NETWORK:
    case E_TIMEOUT:
        answer_fault(v, &s3_service_unavailable,
                     arena_printf(v->a, "The store of objects is away: %s", err->text));
        break;
    default:
        answer_fault(
            v, &s3_internal_error,
            arena_printf(v->a, "We encountered an internal error: %s", err->text));
    }
}

/* The codec names the root after the output; S3 has a document of one text here. */
static void answer_location(struct visit *v,
                            const struct s3_get_bucket_location_output *o)
{
    struct answer_headers h;
    AUTO_STR body = STR_INIT;
    const char *region =
        wire_enum_name(&s3_bucket_location_constraint_shape, o->location_constraint);
    answer_head(v, &h);
    answer_add(&h, "Content-Type", "application/xml");
    str_addf(&body,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<LocationConstraint xmlns=\"%s\">%s</LocationConstraint>",
             s3_service_api.xml_namespace, region ? region : "");
    size_t len = body.len;
    http_reply(v->req, 200, h.v, str_take(&body), len, HTTP_TAKE);
}

void answer_output(struct visit *v, const void *output)
{
    struct wire_response r = {0};
    if (streq(v->target.operation->name, "GetBucketLocation")) {
        answer_location(v, output);
        return;
    }
    wire_response_encode(v->a, &v->target, output, v->s.call.request_id, &r);
    send(v, &r, r.body.len == 0);
}

void answer_plain(struct visit *v)
{
    answer_output(v, v->s.call.out);
}

const char *quoted(struct arena *a, const char *etag)
{
    return arena_printf(a, "\"%s\"", etag);
}

const char *unquoted(struct arena *a, const char *etag)
{
    if (!etag)
        return NULL;
    size_t n = strlen(etag);
    if (n >= 2 && etag[0] == '"' && etag[n - 1] == '"')
        return arena_strndup(a, etag + 1, n - 2);
    return etag;
}

void add_etag(struct visit *v, struct answer_headers *h, const char *etag)
{
    answer_add(h, "ETag", quoted(v->a, etag));
}

/* ---- checksums in any structure ---- */

static bool is_checksum_of(const struct wire_member *m, const char *name)
{
    return str_starts(m->name, "Checksum") && strcasecmp(m->name + 8, name) == 0;
}

void checksum_member_set(const struct wire_shape *shape, void *value,
                         enum s3_checksum_algorithm algorithm, const char *text)
{
    const char *name = checksum_name(algorithm);
    for (uint32_t i = 0; name && i < shape->member_count; i++)
        if (is_checksum_of(&shape->members[i], name))
            *(const char **)(void *)((char *)value + shape->members[i].offset) = text;
}

const char *checksum_member(const struct wire_shape *shape, const void *value,
                            enum s3_checksum_algorithm *ret)
{
    *ret = S3_CHECKSUM_ALGORITHM_UNSET;
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        if (!str_starts(m->name, "Checksum") || m->shape->type != WIRE_STRING)
            continue;
        const char *text =
            *(const char *const *)(const void *)((const char *)value + m->offset);
        enum s3_checksum_algorithm a = checksum_by_name(m->name + 8);
        if (text && a) {
            *ret = a;
            return text;
        }
    }
    return NULL;
}
