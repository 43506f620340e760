/* One object: put, delete, tags; what a put says of it besides its bytes. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3_private.h"

#define MAX_METADATA 2048 /* bytes of names and values */
#define MAX_TAGS     10

/* ---- headers, metadata, tags ---- */

static void map_add(struct visit *v, struct string_map *map, const char *key,
                    const char *value)
{
    struct string_entry *e = LIST_PUSH(v->a, map);
    *e = (struct string_entry){key, value};
}

/* aws-chunked is how the body came, not what it is. */
static const char *stored_encoding(struct visit *v, const char *text)
{
    AUTO_STR out = STR_INIT;
    while (*text) {
        text += strspn(text, ", \t");
        size_t n = strcspn(text, ","), end = n;
        while (end && (text[end - 1] == ' ' || text[end - 1] == '\t'))
            end--;
        if (end && !(end == 11 && strncasecmp(text, "aws-chunked", 11) == 0)) {
            str_add(&out, out.len ? ", " : "");
            str_addn(&out, text, end);
        }
        text += n;
    }
    return out.len ? arena_strdup(v->a, out.data) : NULL;
}

static const char *lower(struct visit *v, const char *name)
{
    char *copy = arena_strdup(v->a, name);
    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

static bool take_metadata(struct visit *v, struct gantry_s3_object_record *more)
{
    static const char prefix[] = "x-amz-meta-";
    size_t bytes = 0, n = sizeof(prefix) - 1;
    for (size_t i = 0; i < v->req->header_count; i++) {
        const struct http_header *h = &v->req->headers[i];
        if (strncasecmp(h->name, prefix, n) != 0)
            continue;
        bytes += strlen(h->name) - n + strlen(h->value);
        map_add(v, &more->metadata, lower(v, h->name + n), h->value);
    }
    if (bytes <= MAX_METADATA)
        return true;
    answer_s3(v, &s3_metadata_too_large);
    return false;
}

static void take_headers(struct visit *v, struct gantry_s3_object_record *more)
{
    static const char *const names[] = {"Cache-Control", "Content-Disposition",
                                        "Content-Language", "Content-Type", "Expires"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = http_header(v->req, names[i]);
        if (value)
            map_add(v, &more->headers, names[i], value);
    }
    const char *encoding = http_header(v->req, "Content-Encoding");
    encoding = encoding ? stored_encoding(v, encoding) : NULL;
    if (encoding)
        map_add(v, &more->headers, "Content-Encoding", encoding);
}

static int hex_digit(char ch)
{
    return isdigit((unsigned char)ch)    ? ch - '0'
           : isxdigit((unsigned char)ch) ? tolower((unsigned char)ch) - 'a' + 10
                                         : -1;
}

/* Form encoding; NULL when it is none. */
static const char *form_decode(struct visit *v, const char *text, size_t n)
{
    char *out = arena_alloc(v->a, n + 1);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char ch = text[i] == '+' ? ' ' : text[i];
        if (ch == '%') {
            if (i + 2 >= n + 0 && i + 2 > n - 1)
                return NULL;
            int a = hex_digit(text[i + 1]), b = hex_digit(text[i + 2]);
            if (a < 0 || b < 0 || a + b == 0)
                return NULL;
            ch = (char)(a * 16 + b);
            i += 2;
        }
        out[len++] = ch;
    }
    return utf8_valid(out, len) ? out : NULL;
}

static const char *tag_fault(const struct string_map *tags, const char *key,
                             const char *value)
{
    if (!key || !value || !*key || utf8_length(key) > 128 || utf8_length(value) > 256)
        return "The TagKey or TagValue you have provided is invalid";
    if (str_starts(key, "aws:"))
        return "System tags cannot be added/updated by requester";
    for (size_t i = 0; i < tags->n; i++)
        if (streq(tags->v[i].key, key))
            return "Cannot provide multiple Tags with the same key";
    return tags->n == MAX_TAGS ? "Object tags cannot be greater than 10" : NULL;
}

bool tags_parse(struct visit *v, const char *text, struct string_map *ret)
{
    while (text && *text) {
        size_t n = strcspn(text, "&"), key = strcspn(text, "=&");
        size_t value = key < n ? key + 1 : n;
        if (n) {
            const char *k = form_decode(v, text, key);
            const char *x = form_decode(v, text + value, n - value);
            const char *why = tag_fault(ret, k, x);
            if (why) {
                answer_fault(v, &s3_invalid_tag, why);
                return false;
            }
            map_add(v, ret, k, x);
        }
        text += n + (text[n] == '&');
    }
    return true;
}

struct gantry_s3_object_record *object_more(struct visit *v)
{
    struct gantry_s3_object_record *more =
        arena_new(v->a, struct gantry_s3_object_record);
    take_headers(v, more);
    if (!take_metadata(v, more) ||
        !tags_parse(v, http_header(v->req, "x-amz-tagging"), &more->tags))
        return NULL;
    return more;
}

/* ---- finding and conditions ---- */

bool object_find(struct visit *v, struct object_info *ret)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    if (s->ops->find(s, v->a, v->s.bucket_id, v->s.detail.key, ret, &err) == 0)
        return true;
    if (err.code == E_NOTFOUND && !v->s.may_list) {
        v->s.detail.key = NULL; /* who may not list is not told what is missing */
        answer_s3(v, &s3_access_denied);
    } else {
        answer_error(v, &err, &s3_no_such_key_found);
    }
    return false;
}

static bool etag_in(struct visit *v, const char *list, const char *etag)
{
    while (*list) {
        list += strspn(list, ", \t");
        size_t n = strcspn(list, ","), end = n;
        while (end && (list[end - 1] == ' ' || list[end - 1] == '\t'))
            end--;
        const char *one = arena_strndup(v->a, list, end);
        if (str_starts(one, "W/"))
            one += 2;
        if (streq(one, "*") || streq(unquoted(v->a, one), etag))
            return true;
        list += n;
    }
    return false;
}

static const struct opt_time *time_member(struct visit *v, const char *header)
{
    const struct wire_shape *shape = v->target.operation->input;
    for (uint32_t i = 0; i < shape->member_count; i++)
        if (shape->members[i].location == WIRE_IN_HEADER &&
            strcasecmp(shape->members[i].wire_name, header) == 0)
            return (const void *)((const char *)v->s.call.in + shape->members[i].offset);
    return NULL;
}

static bool time_given(struct visit *v, const char *prefix, const char *name,
                       int64_t *ret)
{
    const struct opt_time *t = time_member(v, arena_printf(v->a, "%s%s", prefix, name));
    if (!t || !t->set)
        return false;
    *ret = t->v;
    return true;
}

/* RFC 9110 §13.2.2: a tag that is given counts before a time. Times are whole seconds. */
const struct wire_fault *object_conditions(struct visit *v, const char *prefix,
                                           const struct object_info *info)
{
    const char *match = http_header(v->req, arena_printf(v->a, "%sif-match", prefix));
    const char *none = http_header(v->req, arena_printf(v->a, "%sif-none-match", prefix));
    bool reads = !*prefix;
    int64_t modified = info->modified_ms / 1000 * 1000, when;
    if (match) {
        if (!etag_in(v, match, info->etag)) {
            v->s.detail.condition = "If-Match";
            return &s3_precondition_failed;
        }
    } else if (time_given(v, prefix, "if-unmodified-since", &when) && modified > when) {
        v->s.detail.condition = "If-Unmodified-Since";
        return &s3_precondition_failed;
    }
    const char *failed = NULL;
    if (none) {
        if (etag_in(v, none, info->etag))
            failed = "If-None-Match";
    } else if (time_given(v, prefix, "if-modified-since", &when) && modified <= when) {
        failed = "If-Modified-Since";
    }
    if (!failed)
        return NULL;
    v->s.detail.condition = failed;
    return reads ? &s3_not_modified : &s3_precondition_failed;
}

bool put_condition(struct visit *v, struct object_condition *ret)
{
    const char *none = http_header(v->req, "If-None-Match");
    *ret = (struct object_condition){
        .if_match = unquoted(v->a, http_header(v->req, "If-Match")),
        .if_absent = none != NULL,
    };
    if (!none || streq(none, "*"))
        return true;
    answer_fault(v, &s3_not_implemented,
                 "A header you provided implies functionality that is not implemented");
    return false;
}

/* ---- put ---- */

void put_run(struct visit *v)
{
    struct object_condition k;
    if (put_condition(v, &k) && object_more(v) &&
        intake_prepare(v, S3_CHECKSUM_ALGORITHM_UNSET) && intake_open(v))
        intake_receive(v);
}

static void answer_put(struct visit *v, const struct object_info *info)
{
    struct answer_headers h;
    const struct gantry_s3_object_record *more = info->more;
    answer_head(v, &h);
    add_etag(v, &h, info->etag);
    if (more->checksum) {
        answer_add(&h,
                   arena_printf(v->a, "x-amz-checksum-%s",
                                checksum_name(more->checksum_algorithm)),
                   more->checksum);
        answer_add(&h, "x-amz-checksum-type", "FULL_OBJECT");
    }
    http_reply(v->req, 200, h.v, "", 0, HTTP_ARENA);
}

void put_received(struct visit *v)
{
    struct error err = ERROR_INIT;
    struct object_condition k;
    struct object_store *s = visit_store(v);
    if (!intake_check(v) || !put_condition(v, &k))
        return;
    struct object_info info = {
        .key = v->s.detail.key,
        .size_bytes = v->in.size_bytes,
        .modified_ms = s3_now_ms(v),
        .more = object_more(v),
    };
    if (!info.more)
        return;
    memcpy(info.etag, v->in.etag, sizeof(v->in.etag));
    info.more->checksum_algorithm = v->in.algorithm;
    info.more->checksum_type = S3_CHECKSUM_TYPE_FULL_OBJECT;
    info.more->checksum = v->in.value;
    int r = s->ops->put(s, intake_take(v), v->s.bucket_id, &info, &k, &err);
    if (r < 0) {
        answer_error(v, &err,
                     k.if_match ? &s3_no_such_key_found : &s3_no_such_bucket_found);
        return;
    }
    intake_drop(v);
    answer_put(v, &info);
}

/* ---- delete ---- */

void remove_run(struct visit *v)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    const char *match = unquoted(v->a, http_header(v->req, "If-Match"));
    if (s->ops->remove(s, v->s.bucket_id, &v->s.detail.key, 1, match, &err) < 0) {
        answer_error(v, &err, &s3_no_such_key_found);
        return;
    }
    struct answer_headers h;
    answer_head(v, &h);
    http_reply(v->req, 204, h.v, "", 0, HTTP_ARENA);
}

static void add_error(struct visit *v, struct s3_delete_objects_output *out,
                      const char *key, const struct wire_fault *fault, const char *text)
{
    struct s3_error *e = LIST_PUSH(v->a, &out->errors);
    *e = (struct s3_error){.key = key, .code = fault->code, .message = text};
}

/* One commit for all that may go; what names conditions is looked at one by one. */
void remove_many_run(struct visit *v)
{
    const struct s3_delete_objects_request *in = v->s.call.in;
    struct s3_delete_objects_output out = {0};
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    bool quiet = in->delete->quiet.set && in->delete->quiet.v;
    size_t n = in->delete->objects.n, count = 0;
    const char **keys = arena_new_array(v->a, const char *, n);
    for (size_t i = 0; i < n; i++) {
        const struct s3_object_identifier *o = &in->delete->objects.v[i];
        if (v->s.denied && v->s.denied[i])
            add_error(v, &out, o->key, &s3_access_denied, v->s.denied[i]);
        else if ((o->version_id && !streq(o->version_id, "null")) || o->e_tag ||
                 o->last_modified_time.set || o->size.set)
            add_error(v, &out, o->key, &s3_not_implemented,
                      "Versions and conditions of single objects are not offered.");
        else if (strlen(o->key) > 1024)
            add_error(v, &out, o->key, &s3_key_too_long, "Your key is too long");
        else
            keys[count++] = o->key;
    }
    if (count && s->ops->remove(s, v->s.bucket_id, keys, count, NULL, &err) < 0) {
        answer_error(v, &err, &s3_no_such_bucket_found);
        return;
    }
    for (size_t i = 0; i < count && !quiet; i++) {
        struct s3_deleted_object *d = LIST_PUSH(v->a, &out.deleted);
        d->key = keys[i];
    }
    answer_output(v, &out);
}

/* ---- tags ---- */

void tags_get_run(struct visit *v)
{
    struct object_info info = {0};
    struct s3_get_object_tagging_output out = {.tag_set.set = true};
    if (!object_find(v, &info))
        return;
    for (size_t i = 0; i < info.more->tags.n; i++) {
        struct s3_tag *t = LIST_PUSH(v->a, &out.tag_set);
        *t = (struct s3_tag){info.more->tags.v[i].key, info.more->tags.v[i].value};
    }
    answer_output(v, &out);
}

static void tags_store(struct visit *v, const struct string_map *tags, int status)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    struct object_info info = {0};
    struct answer_headers h;
    if (!object_find(v, &info))
        return;
    if (s->ops->set_tags(s, v->s.bucket_id, v->s.detail.key, tags, &err) < 0) {
        answer_error(v, &err, &s3_no_such_key_found);
        return;
    }
    answer_head(v, &h);
    http_reply(v->req, status, h.v, "", 0, HTTP_ARENA);
}

void tags_put_run(struct visit *v)
{
    const struct s3_put_object_tagging_request *in = v->s.call.in;
    struct string_map tags = {.set = true};
    for (size_t i = 0; in->tagging && i < in->tagging->tag_set.n; i++) {
        const struct s3_tag *t = &in->tagging->tag_set.v[i];
        const char *why = tag_fault(&tags, t->key, t->value ? t->value : "");
        if (why) {
            answer_fault(v, &s3_invalid_tag, why);
            return;
        }
        map_add(v, &tags, t->key, t->value ? t->value : "");
    }
    if (in->tagging)
        tags_store(v, &tags, 200);
    else
        answer_s3(v, &s3_malformed_xml);
}

void tags_remove_run(struct visit *v)
{
    const struct string_map none = {0};
    tags_store(v, &none, 204);
}
