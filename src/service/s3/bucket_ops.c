/* Buckets: make, list, find, delete; their policy and tags. */
#include <stdlib.h>
#include <string.h>

#include "s3_state.h"
#include "sigv4.h"

#define MAX_POLICY 20480 /* bytes */
#define MAX_TAGS   50

/* ---- what every operation on a bucket begins with ---- */

static int no_bucket(struct call *c, const char *name)
{
    s3_call_of(c)->detail.bucket_name = arena_strdup(&c->arena, name);
    return s3_fail(c, s3_no_such_bucket_found);
}

static int check_region(struct call *c, const struct bucket *b)
{
    struct s3_call *s = s3_call_of(c);
    if (s->anonymous || streq(c->region, b->rec->region))
        return 0;
    s->detail.region = arena_strdup(&c->arena, b->rec->region);
    return call_fault(c, &s3_wrong_region,
                      "The authorization header is malformed; the region '%s' is wrong; "
                      "expecting '%s'",
                      c->region, b->rec->region);
}

int bucket_begin(struct call *c, const char *name, const char *expected_owner,
                 const char *key, struct bucket **ret)
{
    struct s3_call *s = s3_call_of(c);
    struct bucket *b = bucket_find(c->core, name);
    if (!b)
        return no_bucket(c, name);
    s->bucket_id = arena_strdup(&c->arena, b->rec->bucket_id);
    s->key = key;
    if (s->anonymous && !bucket_public(c, b, c->operation->action, s3_arn(c, name, key)))
        return s3_fail(c, s3_access_denied);
    if (expected_owner && !streq(expected_owner, b->rec->account_id))
        return s3_fail(c, s3_access_denied);
    if (check_region(c, b) < 0)
        return -1;
    s->bucket = arena_strdup(&c->arena, b->rec->name);
    s->bucket_account = arena_strdup(&c->arena, b->rec->account_id);
    if (s->anonymous)
        s->may_list = bucket_public(c, b, "s3:ListBucket", s3_arn(c, name, NULL));
    else if (!s->asked)
        s->may_list = true;
    if (ret)
        *ret = b;
    return 0;
}

/* ---- make ---- */

static const char *canonical_id(struct call *c, const char *account)
{
    char *hash = arena_alloc(&c->arena, SIGV4_HASH_SIZE);
    const char *text = call_printf(c, "canonical user of %s", account);
    sigv4_hash(text, strlen(text), hash);
    return hash;
}

struct s3_owner *bucket_owner(struct call *c, const char *account)
{
    struct s3_owner *o = arena_new(&c->arena, struct s3_owner);
    o->id = canonical_id(c, account);
    return o;
}

static size_t count_own(struct call *c)
{
    const struct table *t = s3_of(c->core)->buckets;
    const struct bucket *b = table_next(t, S3_NAMESPACE_PREFIX, S3_NAMESPACE_PREFIX);
    size_t n = 0;
    for (; b; b = table_next(t, S3_NAMESPACE_PREFIX, b->o.key))
        n += streq(b->rec->account_id, c->who.account_id);
    return n;
}

static int check_settings(struct call *c, const struct s3_create_bucket_request *in)
{
    const struct s3_create_bucket_configuration *config = in->create_bucket_configuration;
    bool us_east_1 = streq(c->region, "us-east-1");
    const char *where = config ? wire_enum_name(&s3_bucket_location_constraint_shape,
                                                config->location_constraint)
                               : NULL;
    if (in->grant_full_control || in->grant_read || in->grant_read_acp ||
        in->grant_write || in->grant_write_acp ||
        (in->acl && in->acl != S3_BUCKET_CANNED_ACL_PRIVATE) ||
        (in->object_ownership &&
         in->object_ownership != S3_OBJECT_OWNERSHIP_BUCKET_OWNER_ENFORCED))
        return s3_fail(c, s3_acl_not_supported);
    if ((in->object_lock_enabled_for_bucket.set &&
         in->object_lock_enabled_for_bucket.v) ||
        in->bucket_namespace || (config && (config->location || config->bucket)))
        return s3_fail(c, s3_not_implemented);
    if (where ? !streq(where, c->region) : !us_east_1)
        return call_fault(c, &s3_wrong_location,
                          "The %s location constraint is incompatible for the region "
                          "specific endpoint this request was sent to.",
                          where ? where : "unspecified");
    return 0;
}

static int taken(struct call *c, const struct bucket *b)
{
    s3_call_of(c)->detail.bucket_name = arena_strdup(&c->arena, b->rec->name);
    if (!streq(b->rec->account_id, c->who.account_id))
        return call_fault(c, &s3_bucket_already_exists,
                          "The requested bucket name is not available. The bucket "
                          "namespace is shared by all users of the system. Please select "
                          "a different name and try again.");
    if (streq(b->rec->region, "us-east-1") && streq(c->region, "us-east-1"))
        return 0;
    return call_fault(
        c, &s3_bucket_already_owned_by_you,
        "Your previous request to create the named bucket succeeded and you "
        "already own it.");
}

static int tags_check(struct call *c, const struct s3_tag_list *tags)
{
    if (tags->n > MAX_TAGS)
        return call_fault(c, &s3_invalid_tag,
                          "Bucket tag count cannot be greater than %d", MAX_TAGS);
    for (size_t i = 0; i < tags->n; i++) {
        const char *key = tags->v[i].key;
        if (utf8_length(key) > 128 || utf8_length(tags->v[i].value) > 256)
            return s3_fail(c, s3_invalid_tag);
        if (str_starts(key, "aws:"))
            return call_fault(c, &s3_invalid_tag,
                              "System tags cannot be added/updated by requester");
        for (size_t k = 0; k < i; k++)
            if (streq(tags->v[k].key, key))
                return call_fault(c, &s3_invalid_tag,
                                  "Cannot provide multiple Tags with the same key");
    }
    return 0;
}

static void tags_set(struct bucket *b, const struct s3_tag_list *tags)
{
    const struct gantry_s3_bucket_record from = {.tags = *tags};
    struct gantry_s3_bucket_record copy;
    wire_copy_into(&b->o.arena, &gantry_s3_bucket_record_shape, &from, &copy);
    b->rec->tags = copy.tags;
}

int s3_create_bucket(struct call *c, const struct s3_create_bucket_request *in,
                     struct s3_create_bucket_output *out)
{
    struct bucket *b = bucket_find(c->core, in->bucket);
    const struct s3_create_bucket_configuration *config = in->create_bucket_configuration;
    if (s3_call_of(c)->anonymous)
        return s3_fail(c, s3_access_denied);
    if (!bucket_name_valid(in->bucket)) {
        s3_call_of(c)->detail.bucket_name = in->bucket;
        return s3_fail(c, s3_invalid_bucket_name);
    }
    if (check_settings(c, in) < 0 || (config && tags_check(c, &config->tags) < 0) ||
        (b && taken(c, b) < 0))
        return -1;
    out->location = call_printf(c, "/%s", in->bucket);
    if (b)
        return 0;
    if (count_own(c) >= S3_MAX_BUCKETS)
        return s3_fail(c, s3_too_many_buckets);
    char id[33];
    core_random_hex(c->core, id, 32);
    b = object_new(c->core, s3_of(c->core)->buckets,
                   call_printf(c, S3_NAMESPACE_PREFIX "%s", in->bucket));
    b->rec->name = arena_strdup(&b->o.arena, in->bucket);
    b->rec->bucket_id = arena_strdup(&b->o.arena, id);
    b->rec->account_id = arena_strdup(&b->o.arena, c->who.account_id);
    b->rec->region = arena_strdup(&b->o.arena, c->region);
    b->rec->created_at = SET_TIME(core_now_ms(c->core));
    if (config && config->tags.n)
        tags_set(b, &config->tags);
    object_save(c->core, &b->o);
    return 0;
}

int s3_head_bucket(struct call *c, const struct s3_head_bucket_request *in,
                   struct s3_head_bucket_output *out)
{
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    out->bucket_region = b->rec->region;
    return 0;
}

int s3_list_buckets(struct call *c, const struct s3_list_buckets_request *in,
                    struct s3_list_buckets_output *out)
{
    const struct table *t = s3_of(c->core)->buckets;
    const char *after = in->continuation_token ? in->continuation_token : "";
    size_t limit = in->max_buckets.set ? (size_t)in->max_buckets.v : S3_MAX_BUCKETS;
    if (s3_call_of(c)->anonymous)
        return s3_fail(c, s3_access_denied);
    if (strlen(after) > 63)
        return s3_fail(c, s3_invalid_argument);
    const struct bucket *b = table_next(t, S3_NAMESPACE_PREFIX,
                                        call_printf(c, S3_NAMESPACE_PREFIX "%s", after));
    out->buckets.set = true;
    for (; b; b = table_next(t, S3_NAMESPACE_PREFIX, b->o.key)) {
        if (!streq(b->rec->account_id, c->who.account_id) ||
            (in->prefix && !str_starts(b->rec->name, in->prefix)) ||
            (in->bucket_region && !streq(in->bucket_region, b->rec->region)))
            continue;
        if (out->buckets.n == limit) {
            out->continuation_token = out->buckets.v[limit - 1].name;
            break;
        }
        struct s3_bucket *row = LIST_PUSH(&c->arena, &out->buckets);
        row->name = b->rec->name;
        row->creation_date = b->rec->created_at;
        row->bucket_region = b->rec->region;
    }
    out->owner = bucket_owner(c, c->who.account_id);
    out->prefix = in->prefix;
    return 0;
}

/* ---- delete: emptiness is known where objects are, so a worker closes the bucket first,
 *      and then nothing can be put into it any more ---- */

struct closing {
    const struct s3_settings *settings;
    const char *id;
    int result;
    bool gone; /* the bucket is not in the tables any more */
};

static void close_bucket(struct call *c)
{
    struct closing *x = c->prepared;
    x->result = x->settings->bucket_close(x->settings->ctx, x->id, NULL);
}

static void forget_bucket(struct call *c)
{
    struct closing *x = c->prepared;
    x->settings->bucket_forget(x->settings->ctx, x->id);
}

int s3_delete_bucket(struct call *c, const struct s3_delete_bucket_request *in, void *out)
{
    struct bucket *b;
    struct closing *x = c->prepared;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    if (!x || !streq(x->id, b->rec->bucket_id)) {
        x = arena_new(&c->arena, struct closing);
        x->settings = &s3_of(c->core)->settings;
        x->id = arena_strdup(&c->arena, b->rec->bucket_id);
        c->prepared = x;
        c->prepare = close_bucket;
        return 0;
    }
    if (x->result == -E_CONFLICT) {
        s3_call_of(c)->detail.bucket_name = in->bucket;
        return s3_fail(c, s3_bucket_not_empty);
    }
    if (x->result < 0)
        return s3_fail(c, s3_internal_error);
    object_delete(c->core, &b->o);
    x->gone = true;
    c->finish = forget_bucket;
    return 0;
}

void s3_call_refused(struct call *c)
{
    struct closing *x = c->prepared;
    if (x && x->result == 0 && !x->gone)
        x->settings->bucket_reopen(x->settings->ctx, x->id);
}

/* ---- policy ---- */

int s3_put_bucket_policy(struct call *c, const struct s3_put_bucket_policy_request *in,
                         void *out)
{
    struct bucket *b;
    struct policy *compiled = NULL;
    struct error why;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    size_t n = in->policy ? strlen(in->policy) : 0;
    if (n > MAX_POLICY)
        return call_fault(c, &s3_malformed_policy,
                          "Policies must be no larger than %d bytes", MAX_POLICY);
    if (policy_compile(n ? in->policy : "", n, POLICY_RESOURCE, &compiled, &why) < 0)
        return call_fault(c, &s3_malformed_policy, "%s", why.text);
    policy_free(b->policy);
    b->policy = compiled;
    b->rec->policy = arena_strdup(&b->o.arena, in->policy);
    object_save(c->core, &b->o); /* may move the record: name it afterwards */
    b->source = (struct policy_source){.policy = compiled, .name = b->rec->name};
    return 0;
}

int s3_get_bucket_policy(struct call *c, const struct s3_get_bucket_policy_request *in,
                         struct s3_get_bucket_policy_output *out)
{
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    s3_call_of(c)->detail.bucket_name = arena_strdup(&c->arena, in->bucket);
    if (!b->rec->policy)
        return s3_fail(c, s3_no_such_bucket_policy);
    out->policy = b->rec->policy;
    return 0;
}

int s3_delete_bucket_policy(struct call *c,
                            const struct s3_delete_bucket_policy_request *in, void *out)
{
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    policy_free(b->policy);
    b->policy = NULL;
    b->source = (struct policy_source){0};
    b->rec->policy = NULL;
    object_save(c->core, &b->o);
    return 0;
}

/* Public as S3 tells it: somebody without a name may do something. What a condition narrows
 * down is decided as if the conditions were met by nobody. */
int s3_get_bucket_policy_status(struct call *c,
                                const struct s3_get_bucket_policy_status_request *in,
                                struct s3_get_bucket_policy_status_output *out)
{
    static const struct policy_principal nobody = {.type = PRINCIPAL_ANONYMOUS};
    static const char *const actions[] = {"s3:GetObject", "s3:PutObject",
                                          "s3:DeleteObject", "s3:ListBucket"};
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    s3_call_of(c)->detail.bucket_name = arena_strdup(&c->arena, in->bucket);
    if (!b->policy)
        return s3_fail(c, s3_no_such_bucket_policy);
    out->policy_status = arena_new(&c->arena, struct s3_policy_status);
    out->policy_status->is_public = SET_BOOL(false);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        struct policy_decision d = {0};
        const struct policy_request request = {
            .principal = &nobody,
            .action = actions[i],
            .resource = s3_arn(c, in->bucket, i < 3 ? "*" : NULL),
            .resource_account = b->rec->account_id,
        };
        out->policy_status->is_public.v |=
            policy_ask(&b->source, &request, &d) == POLICY_ALLOW;
    }
    return 0;
}

/* ---- tags ---- */

int s3_put_bucket_tagging(struct call *c, const struct s3_put_bucket_tagging_request *in,
                          void *out)
{
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    if (!in->tagging)
        return s3_fail(c, s3_malformed_xml);
    if (tags_check(c, &in->tagging->tag_set) < 0)
        return -1;
    tags_set(b, &in->tagging->tag_set);
    object_save(c->core, &b->o);
    return 0;
}

int s3_get_bucket_tagging(struct call *c, const struct s3_get_bucket_tagging_request *in,
                          struct s3_get_bucket_tagging_output *out)
{
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    s3_call_of(c)->detail.bucket_name = arena_strdup(&c->arena, in->bucket);
    if (!b->rec->tags.n)
        return s3_fail(c, s3_no_tags);
    out->tag_set = b->rec->tags;
    return 0;
}

int s3_delete_bucket_tagging(struct call *c,
                             const struct s3_delete_bucket_tagging_request *in, void *out)
{
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    b->rec->tags = (struct s3_tag_list){0};
    object_save(c->core, &b->o);
    return 0;
}
