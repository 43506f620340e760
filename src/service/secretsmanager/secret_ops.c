/* CreateSecret, UpdateSecret, DescribeSecret, DeleteSecret, RestoreSecret. */
#include "secret.h"

#define SECRETS_MAX     40000 /* of all accounts here */
#define DAY_MS          (24 * 60 * 60 * INT64_C(1000))
#define WINDOW_DAYS     30
#define WINDOW_DAYS_MIN 7
#define DEFAULT_KEY     "alias/aws/secretsmanager"

/* ---- checks ---- */

static int name_check(struct call *c, const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789/_+=.@-";
    static const struct wire_fault invalid = {.code = "ValidationException",
                                              .status = 400};
    return name[strspn(name, letters)] == '\0'
               ? 0
               : call_fault(c, &invalid,
                            "Invalid name. Must be a valid name containing alphanumeric "
                            "characters, or any of the following: -/_+=.@!");
}

/* There is one key, the data directory's: who asks for another would not get what is said. */
static int kms_key_check(struct call *c, const char *key)
{
    if (str_empty(key) || streq(key, DEFAULT_KEY) || str_ends(key, ":" DEFAULT_KEY))
        return 0;
    return call_fault(c, &secretsmanager_invalid_parameter_exception,
                      "KmsKeyId %s is not offered by this gantry: it seals secrets with "
                      "its own key, " DEFAULT_KEY ".",
                      key);
}

static int type_check(struct call *c, const char *type)
{
    return str_empty(type)
               ? 0
               : call_fault(c, &secretsmanager_invalid_parameter_exception,
                            "Secrets that others manage (Type) are not offered by this "
                            "gantry.");
}

/* ---- CreateSecret ---- */

/* The same request once more is no error. */
static int create_again(struct call *c, struct secret *s,
                        const struct secretsmanager_create_secret_request *in,
                        const struct secret_value *value, int given,
                        struct secretsmanager_create_secret_response *out)
{
    const char *token = in->client_request_token;
    bool made;
    if (s->rec->deleted_at.set)
        return call_fault(c, &secretsmanager_invalid_request_exception,
                          "You can't create this secret because a secret with this name "
                          "is already scheduled for deletion.");
    if (!given || !token || !version_by_id(s, token))
        return call_fault(c, &secretsmanager_resource_exists_exception,
                          "The operation failed because the secret %s already exists.",
                          in->name);
    const struct secret_version *v = version_put(c, s, token, value, &made);
    if (!v)
        return -1;
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    out->version_id = v->rec->version_id;
    return 0;
}

static int create_check(struct call *c,
                        const struct secretsmanager_create_secret_request *in)
{
    if (name_check(c, in->name) < 0 || kms_key_check(c, in->kms_key_id) < 0 ||
        type_check(c, in->type) < 0 || secret_tags_check(c, &in->tags) < 0)
        return -1;
    if (in->add_replica_regions.n || in->force_overwrite_replica_secret.v)
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "Replicas in other regions are not offered by this gantry.");
    return 0;
}

static int room_check(struct call *c)
{
    return table_count(secrets_of(c->core)->secrets) < SECRETS_MAX
               ? 0
               : call_fault(c, &secretsmanager_limit_exceeded_exception,
                            "The request failed because you have reached the limit of %d "
                            "secrets.",
                            SECRETS_MAX);
}

int secretsmanager_create_secret(struct call *c,
                                 const struct secretsmanager_create_secret_request *in,
                                 struct secretsmanager_create_secret_response *out)
{
    struct secret_value value;
    int given = secret_value_given(c, in->secret_string, &in->secret_binary, &value);
    if (given < 0 || create_check(c, in) < 0)
        return -1;
    struct secret *s = secret_find(c->core, c->who.account_id, c->region, in->name);
    if (s)
        return create_again(c, s, in, &value, given, out);
    if (room_check(c) < 0)
        return -1;
    s = secret_new(c, in->name);
    struct arena *a = &s->o.arena;
    s->rec->description = arena_strdup(a, in->description);
    s->rec->kms_key_id = arena_strdup(a, in->kms_key_id);
    secret_tags_merge(a, &s->rec->tags, &in->tags);
    object_save(c->core, &s->o);
    if (given) {
        bool made;
        struct secret_version *v =
            version_put(c, s, in->client_request_token, &value, &made);
        version_stage_move(c->core, s, STAGE_CURRENT, v);
        out->version_id = v->rec->version_id;
    }
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    return 0;
}

/* ---- UpdateSecret ---- */

static void update_words(struct call *c, struct secret *s,
                         const struct secretsmanager_update_secret_request *in)
{
    struct arena *a = &s->o.arena;
    if (in->description)
        s->rec->description = arena_strdup(a, in->description);
    if (in->kms_key_id)
        s->rec->kms_key_id = arena_strdup(a, in->kms_key_id);
    if (!in->description && !in->kms_key_id)
        return;
    s->rec->changed_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
}

int secretsmanager_update_secret(struct call *c,
                                 const struct secretsmanager_update_secret_request *in,
                                 struct secretsmanager_update_secret_response *out)
{
    struct secret_value value;
    bool made;
    int given = secret_value_given(c, in->secret_string, &in->secret_binary, &value);
    struct secret *s = given < 0 ? NULL : secret_require_live(c, in->secret_id);
    if (!s || kms_key_check(c, in->kms_key_id) < 0 || type_check(c, in->type) < 0)
        return -1;
    if (given) {
        struct secret_version *v =
            version_put(c, s, in->client_request_token, &value, &made);
        if (!v)
            return -1;
        if (made)
            version_stage_move(c->core, s, STAGE_CURRENT, v);
        out->version_id = v->rec->version_id;
    }
    update_words(c, s, in);
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    return 0;
}

/* ---- DescribeSecret ---- */

int secretsmanager_describe_secret(
    struct call *c, const struct secretsmanager_describe_secret_request *in,
    struct secretsmanager_describe_secret_response *out)
{
    const struct secret *s = secret_require(c, in->secret_id);
    if (!s)
        return -1;
    const struct gantry_secret_record *rec = s->rec;
    out->arn = rec->arn;
    out->name = rec->name;
    out->description = rec->description;
    out->kms_key_id = rec->kms_key_id;
    out->created_date = rec->created_at;
    out->last_changed_date = rec->changed_at;
    out->last_accessed_date = rec->accessed_at;
    out->deleted_date = rec->deleted_at;
    out->tags = rec->tags;
    version_stages_fill(&c->arena, s, &out->version_ids_to_stages);
    return 0;
}

/* ---- DeleteSecret, RestoreSecret ---- */

static int window_check(struct call *c,
                        const struct secretsmanager_delete_secret_request *in)
{
    const struct opt_long *days = &in->recovery_window_in_days;
    if (days->set && in->force_delete_without_recovery.v)
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "You can't use ForceDeleteWithoutRecovery in conjunction with "
                          "RecoveryWindowInDays.");
    if (days->set && (days->v < WINDOW_DAYS_MIN || days->v > WINDOW_DAYS))
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "The RecoveryWindowInDays value must be between 7 and 30 days "
                          "(inclusive).");
    return 0;
}

/* One that is not there is deleted, too. */
static void delete_now(struct call *c, const char *id, struct secret *s,
                       struct secretsmanager_delete_secret_response *out)
{
    out->arn = s ? arena_strdup(&c->arena, s->rec->arn)
               : arn_looks_like(id)
                   ? id
                   : call_printf(c, "arn:aws:secretsmanager:%s:%s:secret:%s", c->region,
                                 c->who.account_id, id);
    out->name = s ? arena_strdup(&c->arena, s->rec->name) : id;
    out->deletion_date = SET_TIME(core_now_ms(c->core));
    if (s)
        secret_destroy(c->core, s);
}

int secretsmanager_delete_secret(struct call *c,
                                 const struct secretsmanager_delete_secret_request *in,
                                 struct secretsmanager_delete_secret_response *out)
{
    bool force = in->force_delete_without_recovery.v;
    if (window_check(c, in) < 0)
        return -1;
    struct secret *s =
        force ? secret_find_id(c, in->secret_id) : secret_require_live(c, in->secret_id);
    if (force) {
        delete_now(c, in->secret_id, s, out);
        return 0;
    }
    if (!s)
        return -1;
    const struct opt_long *days = &in->recovery_window_in_days;
    s->rec->deleted_at =
        SET_TIME(core_now_ms(c->core) + (days->set ? days->v : WINDOW_DAYS) * DAY_MS);
    secret_watch_deletion(c->core, s);
    object_save(c->core, &s->o);
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    out->deletion_date = s->rec->deleted_at;
    return 0;
}

int secretsmanager_restore_secret(struct call *c,
                                  const struct secretsmanager_restore_secret_request *in,
                                  struct secretsmanager_restore_secret_response *out)
{
    struct secret *s = secret_require(c, in->secret_id);
    if (!s)
        return -1;
    if (s->rec->deleted_at.set) {
        s->rec->deleted_at = (struct opt_time){0};
        secret_watch_deletion(c->core, s);
        object_save(c->core, &s->o);
    }
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    return 0;
}
