/* Answers in the registry's form (distribution-spec 1.1, "Error Codes"). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "registry_private.h"

void head_init(struct head *h)
{
    *h = (struct head){0};
    head_add(h, "Docker-Distribution-Api-Version", "registry/2.0");
}

/* The array stays ended by a NULL name. */
void head_add(struct head *h, const char *name, const char *value)
{
    if (h->n + 1 < sizeof(h->v) / sizeof(h->v[0]))
        h->v[h->n++] = (struct http_header){name, value};
}

void visit_refuse(struct visit *v, int status, const char *code, const char *fmt, ...)
{
    if (v->refused)
        return;
    va_list ap;
    va_start(ap, fmt);
    char *text = arena_vprintf(v->a, fmt, ap);
    va_end(ap);
    /* Texts quote what strangers sent. */
    if (!utf8_valid(text, strlen(text))) {
        for (char *p = text; *p; p++) {
            if ((unsigned char)*p > 126)
                *p = '?';
        }
    }
    v->refused = status;
    v->code = code;
    v->message = text;
}

void visit_refuse_ecr(struct visit *v, enum ecr_result result)
{
    const char *name = v->route.repository;
    switch (result) {
    case ECR_OK:
        return;
    case ECR_NO_REPOSITORY:
        visit_refuse(
            v, 404, "NAME_UNKNOWN",
            "The repository with name '%s' does not exist in the registry with id "
            "'%s'",
            name, v->scope.account);
        return;
    case ECR_NO_IMAGE:
        visit_refuse(v, 404, "MANIFEST_UNKNOWN", "Requested image not found");
        return;
    case ECR_NO_BLOB:
        visit_refuse(v, 404, "BLOB_UNKNOWN", "the repository '%s' has no such blob",
                     name);
        return;
    case ECR_TAG_IMMUTABLE:
        visit_refuse(v, 400, "TAG_INVALID", "a tag of '%s' is immutable", name);
        return;
    case ECR_REFERENCED:
        visit_refuse(v, 409, "DENIED",
                     "another manifest of the repository names this one");
        return;
    }
}

void visit_refuse_error(struct visit *v, const struct error *err)
{
    switch (err->code) {
    case E_NOTFOUND:
        visit_refuse(v, 404, v->goal ? "BLOB_UPLOAD_UNKNOWN" : "BLOB_UNKNOWN", "%s",
                     err->text);
        return;
    case E_CORRUPT:
    case E_INVALID:
    case E_UNSUPPORTED:
        visit_refuse(v, 400, "DIGEST_INVALID", "%s", err->text);
        return;
    case E_FULL:
        visit_refuse(v, 507, "UNKNOWN", "the registry's disk is full");
        return;
    case E_LIMIT:
        visit_refuse(v, 429, "TOOMANYREQUESTS", "%s", err->text);
        return;
    default:
        /* The text names files of the server: not for strangers. */
        visit_refuse(v, 500, "UNKNOWN", "the registry's disk failed (%s)",
                     error_name(err->code));
        return;
    }
}

void visit_answer_refusal(struct visit *v)
{
    struct head h;
    AUTO_STR body = STR_INIT;
    head_init(&h);
    head_add(&h, "Content-Type", "application/json; charset=utf-8");
    if (v->refused == 429)
        head_add(&h, "Retry-After", "5");
    str_addf(&body, "{\"errors\":[{\"code\":\"%s\",\"message\":", v->code);
    json_add_string(&body, v->message);
    str_add(&body, "}]}\n");
    size_t len = body.len;
    http_reply(v->req, v->refused, h.v, str_take(&body), len, HTTP_TAKE);
}

void visit_answer(struct visit *v, int status, struct head *h)
{
    http_reply(v->req, status, h->v, NULL, 0, HTTP_COPY);
}

void visit_answer_json(struct visit *v, struct head *h, struct str *body)
{
    size_t len = body->len;
    head_add(h, "Content-Type", "application/json; charset=utf-8");
    http_reply(v->req, 200, h->v, str_take(body), len, HTTP_TAKE);
}

void visit_add_upload(struct visit *v, struct head *h, uint64_t size)
{
    head_add(h, "Location",
             arena_printf(v->a, "/v2/%s/blobs/uploads/%s", v->route.repository,
                          upload_name(v)));
    head_add(h, "Docker-Upload-UUID", v->upload_id);
    head_add(h, "Range",
             arena_printf(v->a, "0-%llu", (unsigned long long)(size ? size - 1 : 0)));
}

void visit_answer_range(struct visit *v, uint64_t size)
{
    struct head h;
    head_init(&h);
    visit_add_upload(v, &h, size);
    visit_answer(v, 416, &h);
}
