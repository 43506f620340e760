/* Settings of buckets that gantry does not offer to change: each is answered as S3 answers
 * for a bucket where nobody ever set it, which is true here. Clients that compare what they
 * want with what is (Terraform's aws_s3_bucket) read them all. */
#include "s3_state.h"

/* Operations whose answer is a fault, always. */
#define NEVER_SET(operation, missing)                                                    \
    int s3_##operation(struct call *c, const struct s3_##operation##_request *in,        \
                       struct s3_##operation##_output *out)                              \
    {                                                                                    \
        if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, NULL) < 0)      \
            return -1;                                                                   \
        s3_call_of(c)->detail.bucket_name = in->bucket;                                  \
        return s3_fail(c, missing);                                                      \
    }

NEVER_SET(get_bucket_cors, s3_no_cors)
NEVER_SET(get_bucket_encryption, s3_no_encryption)
NEVER_SET(get_bucket_lifecycle_configuration, s3_no_lifecycle)
NEVER_SET(get_bucket_replication, s3_no_replication)
NEVER_SET(get_bucket_website, s3_no_website)
NEVER_SET(get_object_lock_configuration, s3_no_object_lock)
NEVER_SET(get_public_access_block, s3_no_public_access_block)

/* Operations whose answer is an empty document. */
#define EMPTY(operation)                                                                 \
    int s3_##operation(struct call *c, const struct s3_##operation##_request *in,        \
                       struct s3_##operation##_output *out)                              \
    {                                                                                    \
        return bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, NULL);       \
    }

EMPTY(get_bucket_versioning)
EMPTY(get_bucket_accelerate_configuration)
EMPTY(get_bucket_logging)

int s3_get_bucket_location(struct call *c,
                           const struct s3_get_bucket_location_request *in,
                           struct s3_get_bucket_location_output *out)
{
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    if (!streq(b->rec->region, "us-east-1"))
        out->location_constraint =
            wire_enum_value(&s3_bucket_location_constraint_shape, b->rec->region);
    return 0;
}

int s3_get_bucket_request_payment(struct call *c,
                                  const struct s3_get_bucket_request_payment_request *in,
                                  struct s3_get_bucket_request_payment_output *out)
{
    out->payer = S3_PAYER_BUCKET_OWNER;
    return bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, NULL);
}

int s3_get_bucket_ownership_controls(
    struct call *c, const struct s3_get_bucket_ownership_controls_request *in,
    struct s3_get_bucket_ownership_controls_output *out)
{
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, NULL) < 0)
        return -1;
    out->ownership_controls = arena_new(&c->arena, struct s3_ownership_controls);
    LIST_PUSH(&c->arena, &out->ownership_controls->rules)->object_ownership =
        S3_OBJECT_OWNERSHIP_BUCKET_OWNER_ENFORCED;
    return 0;
}

int s3_get_bucket_acl(struct call *c, const struct s3_get_bucket_acl_request *in,
                      struct s3_get_bucket_acl_output *out)
{
    struct bucket *b;
    if (bucket_begin(c, in->bucket, in->expected_bucket_owner, NULL, &b) < 0)
        return -1;
    struct s3_grantee *grantee = arena_new(&c->arena, struct s3_grantee);
    out->owner = bucket_owner(c, b->rec->account_id);
    grantee->id = out->owner->id;
    grantee->type = S3_TYPE_CANONICAL_USER;
    struct s3_grant *grant = LIST_PUSH(&c->arena, &out->grants);
    *grant =
        (struct s3_grant){.grantee = grantee, .permission = S3_PERMISSION_FULL_CONTROL};
    return 0;
}
