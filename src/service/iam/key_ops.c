/* Access keys of users, and of root when root calls without a name. */
#include "iam_key.h"
#include "iam_reply.h"

#define KEYS_MAX 2

/* Whose keys: the named user's, or the caller's own; *ret is NULL for root. */
static int owner(struct call *c, const char *name, struct iam_user_entity **ret)
{
    if (!name)
        return iam_caller_user(c, ret);
    *ret = iam_user_require(c, name);
    return *ret ? 0 : -1;
}

static const char *user_name(const struct iam_key *key)
{
    return key->user ? key->user->e.rec->name : NULL;
}

static struct iam_key *key_require(struct call *c, const char *name, const char *id)
{
    struct iam_user_entity *user;
    if (owner(c, name, &user) < 0)
        return NULL;
    struct iam_key *key = iam_access_key_find(c->core, id);
    if (key && key->user == user && streq(key->rec->account, c->who.account_id))
        return key;
    call_fault(c, &iam_no_such_entity_exception,
               "The Access Key with id %s cannot be found.", id);
    return NULL;
}

int iam_create_access_key(struct call *c, const struct iam_create_access_key_request *in,
                          struct iam_create_access_key_response *out)
{
    struct iam_user_entity *user;
    struct error err;
    size_t count = 0;
    if (owner(c, in->user_name, &user) < 0)
        return -1;
    list_for_each (it, iam_keys_of(c->core, c->who.account_id, user))
        count++;
    if (count >= KEYS_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for AccessKeysPerUser: %d", KEYS_MAX);
    struct iam_key *key = iam_key_new(c->core, c->who.account_id, user);
    out->access_key = arena_new(&c->arena, struct iam_access_key);
    *out->access_key = (struct iam_access_key){
        .user_name = user_name(key),
        .access_key_id = key->id,
        .status = key->rec->status,
        .create_date = key->rec->create_date,
    };
    return iam_key_secret(c->core, key, &out->access_key->secret_access_key, &err);
}

int iam_list_access_keys(struct call *c, const struct iam_list_access_keys_request *in,
                         struct iam_list_access_keys_response *out)
{
    struct iam_user_entity *user;
    struct iam_page page;
    size_t total = 0, i = 0;
    if (owner(c, in->user_name, &user) < 0)
        return -1;
    const struct list *keys = iam_keys_of(c->core, c->who.account_id, user);
    list_for_each (it, keys)
        total++;
    if (iam_page(c, in->marker, in->max_items, total, &page) < 0)
        return -1;
    out->access_key_metadata.set = true;
    list_for_each (it, keys) {
        const struct iam_key *key = list_entry(it, struct iam_key, of_user);
        if (i >= page.from && i < page.end)
            *LIST_PUSH(&c->arena, &out->access_key_metadata) =
                (struct iam_access_key_metadata){user_name(key), key->id,
                                                 key->rec->status, key->rec->create_date};
        i++;
    }
    out->is_truncated = page.is_truncated;
    out->marker = page.marker;
    return 0;
}

int iam_update_access_key(struct call *c, const struct iam_update_access_key_request *in,
                          void *out)
{
    struct iam_key *key = key_require(c, in->user_name, in->access_key_id);
    if (!key)
        return -1;
    key->rec->status = in->status;
    object_save(c->core, &key->o);
    return 0;
}

int iam_delete_access_key(struct call *c, const struct iam_delete_access_key_request *in,
                          void *out)
{
    struct iam_key *key = key_require(c, in->user_name, in->access_key_id);
    if (!key)
        return -1;
    object_delete(c->core, &key->o);
    return 0;
}

int iam_get_access_key_last_used(struct call *c,
                                 const struct iam_get_access_key_last_used_request *in,
                                 struct iam_get_access_key_last_used_response *out)
{
    const struct iam_key *key = iam_access_key_find(c->core, in->access_key_id);
    if (!key || !streq(key->rec->account, c->who.account_id))
        return call_fault(c, &iam_no_such_entity_exception,
                          "The Access Key with id %s cannot be found.",
                          in->access_key_id);
    const struct gantry_iam_key_record *rec = key->rec;
    out->user_name = user_name(key);
    out->access_key_last_used = arena_new(&c->arena, struct iam_access_key_last_used);
    *out->access_key_last_used = (struct iam_access_key_last_used){
        .last_used_date = rec->last_used_date,
        .service_name = rec->last_used_service ? rec->last_used_service : "N/A",
        .region = rec->last_used_region ? rec->last_used_region : "N/A",
    };
    return 0;
}
