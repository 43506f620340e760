/* Operations on objects, as far as the state thread has a say: the bucket is there and the
 * request asks for nothing that gantry lacks. The bytes and the index are src/s3's. */
#include <string.h>

#include "s3_state.h"

#define MAX_KEY 1024 /* bytes */

static int begin(struct call *c, const char *bucket, const char *expected_owner,
                 const char *key)
{
    if (key && strlen(key) > MAX_KEY)
        return s3_fail(c, s3_key_too_long);
    if (key)
        s3_call_of(c)->detail.key = key;
    int r = bucket_begin(c, bucket, expected_owner, key, NULL);
    if (r == 0) /* only errors that are about the key name it */
        return 0;
    s3_call_of(c)->detail.key = NULL;
    return r;
}

static int source_begin(struct call *c, const char *text, const char *expected_owner)
{
    struct s3_call *s = s3_call_of(c);
    const char *bucket, *key;
    if (!text || !copy_source_parse(c, text, &bucket, &key))
        return call_fault(c, &s3_invalid_argument,
                          "Copy Source must mention the source bucket and key: "
                          "sourcebucket/sourcekey");
    struct bucket *b = bucket_find(c->core, bucket);
    if (!b) {
        s->detail.bucket_name = bucket;
        return s3_fail(c, s3_no_such_bucket_found);
    }
    if ((s->anonymous && !bucket_public(c, b, "s3:GetObject", s3_arn(c, bucket, key))) ||
        (expected_owner && !streq(expected_owner, b->rec->account_id)))
        return s3_fail(c, s3_access_denied);
    s->source_id = arena_strdup(&c->arena, b->rec->bucket_id);
    s->source_key = key;
    return 0;
}

#define ON_OBJECT(operation)                                                             \
    int s3_##operation(struct call *c, const struct s3_##operation##_request *in,        \
                       struct s3_##operation##_output *out)                              \
    {                                                                                    \
        return begin(c, in->bucket, in->expected_bucket_owner, in->key);                 \
    }

ON_OBJECT(put_object)
ON_OBJECT(get_object)
ON_OBJECT(head_object)
ON_OBJECT(delete_object)
ON_OBJECT(get_object_tagging)
ON_OBJECT(put_object_tagging)
ON_OBJECT(delete_object_tagging)
ON_OBJECT(create_multipart_upload)
ON_OBJECT(upload_part)
ON_OBJECT(complete_multipart_upload)
ON_OBJECT(abort_multipart_upload)
ON_OBJECT(list_parts)

#define ON_COPY(operation)                                                               \
    int s3_##operation(struct call *c, const struct s3_##operation##_request *in,        \
                       struct s3_##operation##_output *out)                              \
    {                                                                                    \
        if (begin(c, in->bucket, in->expected_bucket_owner, in->key) < 0)                \
            return -1;                                                                   \
        return source_begin(c, in->copy_source, in->expected_source_bucket_owner);       \
    }

ON_COPY(copy_object)
ON_COPY(upload_part_copy)

#define ON_BUCKET(operation)                                                             \
    int s3_##operation(struct call *c, const struct s3_##operation##_request *in,        \
                       struct s3_##operation##_output *out)                              \
    {                                                                                    \
        return begin(c, in->bucket, in->expected_bucket_owner, NULL);                    \
    }

ON_BUCKET(list_objects)
ON_BUCKET(list_objects_v2)
ON_BUCKET(list_multipart_uploads)

/* For callers without a signature each key is asked for, as for others by IAM. */
int s3_delete_objects(struct call *c, const struct s3_delete_objects_request *in,
                      struct s3_delete_objects_output *out)
{
    struct s3_call *s = s3_call_of(c);
    struct bucket *b = bucket_find(c->core, in->bucket);
    size_t n = in->delete ? in->delete->objects.n : 0;
    if (n == 0 || n > 1000)
        return s3_fail(c, s3_malformed_xml);
    if (!s->anonymous)
        return begin(c, in->bucket, in->expected_bucket_owner, NULL);
    if (!b)
        return bucket_begin(c, in->bucket, NULL, NULL, NULL);
    s->denied = arena_new_array(&c->arena, const char *, n);
    for (size_t i = 0; i < n; i++)
        if (!bucket_public(c, b, "s3:DeleteObject",
                           s3_arn(c, in->bucket, in->delete->objects.v[i].key)))
            s->denied[i] = "Access Denied";
    s->bucket = arena_strdup(&c->arena, b->rec->name);
    s->bucket_id = arena_strdup(&c->arena, b->rec->bucket_id);
    s->bucket_account = arena_strdup(&c->arena, b->rec->account_id);
    return 0;
}
