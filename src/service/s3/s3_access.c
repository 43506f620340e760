/* What an operation of S3 asks of IAM, see access.h. The ARNs are made here and not by
 * patterns: a key may read like any text, also like an ARN of somebody else's object.
 * Rules: "Actions, resources, and condition keys for Amazon S3" of the Service Authorization
 * Reference. */
#include "access_context.h"

#include <string.h>
#include <strings.h>

#include "s3_state.h"

static const char *member(struct call *c, const char *name)
{
    const char *const *v;
    size_t n = wire_pick(&c->arena, c->operation->wire->input, c->in, name, &v);
    return n ? v[0] : NULL;
}

static struct bucket *bucket_of_arn(struct core *core, const char *arn)
{
    char name[64];
    static const char prefix[] = "arn:aws:s3:::";
    if (!str_starts(arn, prefix))
        return NULL;
    const char *p = arn + sizeof(prefix) - 1;
    size_t n = strcspn(p, "/");
    if (n >= sizeof(name))
        return NULL;
    memcpy(name, p, n);
    name[n] = '\0';
    return bucket_find(core, name);
}

static const struct policy_source *policy(struct core *core, const char *arn)
{
    const struct bucket *b = bucket_of_arn(core, arn);
    return b && b->policy ? &b->source : NULL;
}

static const char *tag(struct call *c, const char *arn, const char *key)
{
    const struct bucket *b = bucket_of_arn(c->core, arn);
    if (!b || strchr(arn, '/'))
        return NULL;
    for (size_t i = 0; i < b->rec->tags.n; i++)
        if (streq(b->rec->tags.v[i].key, key))
            return b->rec->tags.v[i].value;
    return NULL;
}

/* ---- condition keys ---- */

static const struct access_rule keys[] = {
    {"s3:prefix", "{Prefix}"},
    {"s3:delimiter", "{Delimiter}"},
    {"s3:max-keys", "{MaxKeys}"},
    {"s3:x-amz-acl", "{ACL}"},
    {"s3:x-amz-copy-source", "{CopySource}"},
    {"s3:x-amz-metadata-directive", "{MetadataDirective}"},
    {"s3:x-amz-storage-class", "{StorageClass}"},
    {"s3:if-match", "{IfMatch}"},
    {"s3:if-none-match", "{IfNoneMatch}"},
    {"s3:locationconstraint", "{CreateBucketConfiguration.LocationConstraint}"},
    {0},
};

static bool one(struct call *c, const char *text, struct policy_values *ret)
{
    if (!text)
        return false;
    const char **v = arena_new(&c->arena, const char *);
    v[0] = text;
    *ret = (struct policy_values){.v = v, .n = 1};
    return true;
}

static bool key(struct call *c, const char *arn, const char *name,
                struct policy_values *ret)
{
    struct s3_call *s = s3_call_of(c);
    const char *slash = strchr(name, '/');
    if (streq(name, "s3:signatureversion"))
        return !s->anonymous && one(c, "AWS4-HMAC-SHA256", ret);
    if (streq(name, "s3:resourceaccount")) {
        const struct bucket *b = bucket_of_arn(c->core, arn);
        return b && one(c, arena_strdup(&c->arena, b->rec->account_id), ret);
    }
    if (slash && str_starts(name, "s3:buckettag/"))
        return one(c, tag(c, s3_arn(c, s->bucket ? s->bucket : "", NULL), slash + 1),
                   ret);
    if (!slash || !str_starts(name, "s3:existingobjecttag/"))
        return false;
    s->tags_wanted = true;
    for (size_t i = 0; s->tags_known && i < s->tags.n; i++)
        if (streq(s->tags.v[i].key, slash + 1))
            return one(c, s->tags.v[i].value, ret);
    return false;
}

/* ---- questions ---- */

static int ask_one(struct call *c, const char *action, const struct bucket *b,
                   const char *arn)
{
    const struct access q = {.action = action,
                             .resource = arn,
                             .resource_account = b ? b->rec->account_id : NULL};
    return access_check(c, &q);
}

static bool permits(struct call *c, const char *action, const struct bucket *b,
                    const char *arn, const char **ret_text)
{
    const struct access q = {
        .action = action, .resource = arn, .resource_account = b->rec->account_id};
    return access_permits(c->core, &c->arena, &c->who, c, &q, ret_text);
}

/* Each key by itself: what may not be deleted is told among the results. */
static int ask_delete(struct call *c, const struct bucket *b,
                      const struct s3_delete_objects_request *in)
{
    struct s3_call *s = s3_call_of(c);
    size_t n = in->delete ? in->delete->objects.n : 0;
    s->denied = arena_new_array(&c->arena, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        permits(c, "s3:DeleteObject", b,
                s3_arn(c, in->bucket, in->delete->objects.v[i].key), &s->denied[i]);
    return 0;
}

static int ask_source(struct call *c, const char *source)
{
    const char *bucket, *key;
    if (!source || !copy_source_parse(c, source, &bucket, &key))
        return 0; /* the operation refuses it */
    const struct bucket *b = bucket_find(c->core, bucket);
    return b ? ask_one(c, "s3:GetObject", b, s3_arn(c, bucket, key)) : 0;
}

static int ask(struct call *c, const void *in)
{
    struct s3_call *s = s3_call_of(c);
    const char *bucket = member(c, "Bucket"), *name = member(c, "Key");
    const struct bucket *b = bucket_find(c->core, bucket);
    bool makes = streq(c->operation->wire->name, "CreateBucket");
    s->asked = true;
    if (!bucket)
        return ask_one(c, c->operation->action, NULL, "*");
    if (!b && !makes)
        return 0; /* NoSuchBucket, as the operation will say */
    s->bucket = arena_strdup(&c->arena, bucket);
    s->bucket_id = b ? arena_strdup(&c->arena, b->rec->bucket_id) : NULL;
    s->key = name;
    if (streq(c->operation->wire->name, "DeleteObjects"))
        return ask_delete(c, b, in);
    bool object = streq(c->operation->resources[0], "object");
    int r = ask_one(c, c->operation->action, makes ? NULL : b,
                    s3_arn(c, bucket, object ? name : NULL));
    if (r == 0 && object && b)
        s->may_list = permits(c, "s3:ListBucket", b, s3_arn(c, bucket, NULL), NULL);
    return r < 0 ? r : ask_source(c, member(c, "CopySource"));
}

const struct access_service s3_access = {
    .keys = keys,
    .tag = tag,
    .policy = policy,
    .key = key,
    .ask = ask,
};

/* ---- callers without a signature ---- */

bool bucket_public(struct call *c, struct bucket *b, const char *action,
                   const char *resource)
{
    struct access_context ctx;
    const struct access q = {
        .action = action, .resource = resource, .resource_account = b->rec->account_id};
    access_context_init(&ctx, c->core, &c->arena, &c->who, c, &q);
    const struct policy_request request = {.principal = &c->who.principal,
                                           .action = action,
                                           .resource = resource,
                                           .resource_account = b->rec->account_id,
                                           .context = &ctx.base};
    struct policy_decision d = {0};
    return b->policy && policy_ask(&b->source, &request, &d) == POLICY_ALLOW;
}
