/* ListObjects in both versions. */
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "s3_private.h"

/* encoding-type=url: what is not unreserved, and not '/', as %XX. */
const char *list_encoded(struct visit *v, const char *text, bool url)
{
    static const char digits[] = "0123456789ABCDEF";
    AUTO_STR out = STR_INIT;
    if (!text || !url)
        return text;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
            (*p >= '0' && *p <= '9') || strchr("-_.~/*", *p)) {
            str_addc(&out, (char)*p);
        } else {
            str_addc(&out, '%');
            str_addc(&out, digits[*p >> 4]);
            str_addc(&out, digits[*p & 15]);
        }
    }
    return arena_strdup(v->a, str_text(&out));
}

/* The name of the row, as the next page begins behind it. */
static const char *row_name(const struct object_row *r)
{
    return r->common_prefix ? r->common_prefix : r->info.key;
}

static void add_object(struct visit *v, struct s3_object_list *list,
                       const struct object_info *i, bool url, struct s3_owner *owner)
{
    struct s3_object *o = LIST_PUSH(v->a, list);
    o->key = list_encoded(v, i->key, url);
    o->last_modified = SET_TIME(i->modified_ms);
    o->e_tag = quoted(v->a, i->etag);
    o->size = SET_LONG((int64_t)i->size_bytes);
    o->storage_class = S3_OBJECT_STORAGE_CLASS_STANDARD;
    o->owner = owner;
    if (i->more && i->more->checksum_algorithm) {
        *LIST_PUSH(v->a, &o->checksum_algorithm) = (int)i->more->checksum_algorithm;
        o->checksum_type = i->more->checksum_type;
    }
}

static void add_prefix(struct visit *v, struct s3_common_prefix_list *list,
                       const char *prefix, bool url)
{
    struct s3_common_prefix *p = LIST_PUSH(v->a, list);
    p->prefix = list_encoded(v, prefix, url);
}

static bool page_read(struct visit *v, const struct object_list *list,
                      struct object_page *ret)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    if (s->ops->list(s, v->a, v->s.bucket_id, list, ret, &err) == 0)
        return true;
    answer_error(v, &err, &s3_no_such_bucket_found);
    return false;
}

static bool limit_read(struct visit *v, struct opt_int given, size_t *ret)
{
    if (given.set && given.v < 0) {
        answer_fault(v, &s3_invalid_argument,
                     "Argument maxKeys must be an integer between 0 and 2147483647");
        return false;
    }
    *ret = given.set && given.v < S3_MAX_LIST ? (size_t)given.v : S3_MAX_LIST;
    return true;
}

static struct s3_owner *owner_of(struct visit *v)
{
    struct s3_owner *o = arena_new(v->a, struct s3_owner);
    char *hash = arena_alloc(v->a, SIGV4_HASH_SIZE);
    const char *text = arena_printf(v->a, "canonical user of %s", v->s.bucket_account);
    sigv4_hash(text, strlen(text), hash);
    o->id = hash;
    return o;
}

void list_run(struct visit *v)
{
    const struct s3_list_objects_request *in = v->s.call.in;
    struct s3_list_objects_output out = {0};
    struct object_list list = {.prefix = in->prefix ? in->prefix : "",
                               .delimiter = in->delimiter,
                               .after = in->marker ? in->marker : ""};
    struct object_page page = {0};
    bool url = in->encoding_type == S3_ENCODING_TYPE_URL;
    if (!limit_read(v, in->max_keys, &list.limit) || !page_read(v, &list, &page))
        return;
    struct s3_owner *owner = owner_of(v);
    for (size_t i = 0; i < page.n; i++)
        if (page.v[i].common_prefix)
            add_prefix(v, &out.common_prefixes, page.v[i].common_prefix, url);
        else
            add_object(v, &out.contents, &page.v[i].info, url, owner);
    out.name = v->s.bucket;
    out.prefix = list_encoded(v, list.prefix, url);
    out.marker = list_encoded(v, list.after, url);
    out.delimiter = list_encoded(v, in->delimiter, url);
    out.max_keys = SET_INT((int32_t)list.limit);
    out.encoding_type = in->encoding_type;
    out.is_truncated = SET_BOOL(page.more && list.limit);
    if (page.more && page.n && in->delimiter)
        out.next_marker = list_encoded(v, row_name(&page.v[page.n - 1]), url);
    answer_output(v, &out);
}

/* A token is the last name, in base64: opaque, and good as long as the listing goes on. */
static const char *token_make(struct visit *v, const char *name)
{
    AUTO_STR text = STR_INIT;
    base64_add(&text, name, strlen(name));
    return arena_strdup(v->a, str_text(&text));
}

static const char *token_read(struct visit *v, const char *token)
{
    uint8_t *name;
    size_t n;
    if (!base64_decode(v->a, token, strlen(token), &name, &n) || n > 1024 ||
        memchr(name, '\0', n))
        return NULL;
    return arena_strndup(v->a, (const char *)name, n);
}

void list_v2_run(struct visit *v)
{
    const struct s3_list_objects_v2_request *in = v->s.call.in;
    struct s3_list_objects_v2_output out = {0};
    struct object_list list = {.prefix = in->prefix ? in->prefix : "",
                               .delimiter = in->delimiter,
                               .after = in->start_after ? in->start_after : ""};
    struct object_page page = {0};
    bool url = in->encoding_type == S3_ENCODING_TYPE_URL;
    if (in->continuation_token)
        list.after = token_read(v, in->continuation_token);
    if (!list.after) {
        answer_fault(v, &s3_invalid_argument,
                     "The continuation token provided is incorrect");
        return;
    }
    if (!limit_read(v, in->max_keys, &list.limit) || !page_read(v, &list, &page))
        return;
    struct s3_owner *owner =
        in->fetch_owner.set && in->fetch_owner.v ? owner_of(v) : NULL;
    for (size_t i = 0; i < page.n; i++)
        if (page.v[i].common_prefix)
            add_prefix(v, &out.common_prefixes, page.v[i].common_prefix, url);
        else
            add_object(v, &out.contents, &page.v[i].info, url, owner);
    out.name = v->s.bucket;
    out.prefix = list_encoded(v, list.prefix, url);
    out.delimiter = list_encoded(v, in->delimiter, url);
    out.start_after = list_encoded(v, in->start_after, url);
    out.continuation_token = in->continuation_token;
    out.max_keys = SET_INT((int32_t)list.limit);
    out.key_count = SET_INT((int32_t)page.n);
    out.encoding_type = in->encoding_type;
    out.is_truncated = SET_BOOL(page.more && page.n);
    if (page.more && page.n)
        out.next_continuation_token = token_make(v, row_name(&page.v[page.n - 1]));
    answer_output(v, &out);
}
