/* Access keys: table, index, secrets, when they were used. */
#include <stdlib.h>

#include "iam_key.h"
#include "seal.h"

#define PREFIX       "/iam/key/"
#define USED_STEP_MS (15 * 60 * 1000)

/* ---- lookups ---- */

struct iam_key *iam_access_key_find(const struct core *core, const char *access_key_id)
{
    struct iam_index_entry *x = iam_index_find(&iam_of(core)->key_ids, access_key_id);
    return x ? list_entry(x, struct iam_key, by_id) : NULL;
}

bool iam_key_active(const struct iam_key *key)
{
    return key->rec->status == IAM_STATUS_TYPE_ACTIVE;
}

struct list *iam_keys_of(struct core *core, const char *account,
                         struct iam_user_entity *user)
{
    return user ? &user->keys : &iam_account_make(core, account)->root_keys;
}

int iam_key_secret(const struct core *core, struct iam_key *key, const char **ret,
                   struct error *err)
{
    if (!key->secret) {
        AUTO_SECRET plain = STR_INIT;
        str_reserve(&plain, IAM_SECRET_LENGTH + 1);
        int r = seal_open(core_seal(core), key->rec->secret, key->o.key, &plain, err);
        if (r < 0)
            return wrap(err, "the secret of access key '%s'", key->id);
        key->secret = xstrdup(str_text(&plain));
    }
    *ret = key->secret;
    return 0;
}

/* ---- use ---- */

static bool is_news(struct opt_time last, int64_t now)
{
    return !last.set || now - last.v >= USED_STEP_MS || now < last.v;
}

/* Keeps the text that is there when it is the same. */
static const char *kept(struct arena *a, const char *old, const char *text)
{
    return streq(old, text) ? old : arena_strdup(a, text);
}

void iam_key_used(struct core *core, struct iam_key *key, const char *service,
                  const char *region)
{
    struct gantry_iam_key_record *rec = key->rec;
    int64_t now = core_now_ms(core);
    if (!is_news(rec->last_used_date, now))
        return;
    rec->last_used_service = kept(&key->o.arena, rec->last_used_service, service);
    rec->last_used_region = kept(&key->o.arena, rec->last_used_region, region);
    rec->last_used_date = SET_TIME(now);
    object_save(core, &key->o);
}

void iam_role_used(struct core *core, struct iam_role_entity *role, const char *region)
{
    struct gantry_iam_entity_record *rec = role->e.rec;
    int64_t now = core_now_ms(core);
    if (!is_news(rec->last_used_date, now))
        return;
    rec->last_used_date = SET_TIME(now);
    rec->last_used_region = kept(&role->e.o.arena, rec->last_used_region, region);
    object_save(core, &role->e.o);
}

/* ---- the table ---- */

/* With its record there. */
static void begin(struct core *core, struct iam_key *key, struct iam_user_entity *user)
{
    key->account = iam_account_make(core, key->rec->account);
    key->user = user;
    key->id = xstrdup(object_name(&key->o));
    iam_index_add(&iam_of(core)->key_ids, &key->by_id, key->id);
    list_append(iam_keys_of(core, key->rec->account, user), &key->of_user);
}

struct iam_key *iam_key_new(struct core *core, const char *account,
                            struct iam_user_entity *user)
{
    char id[IAM_KEY_LENGTH + 1], secret[IAM_SECRET_LENGTH + 1];
    iam_id_make(core, "AKIA", account, IAM_KEY_LENGTH, id);
    iam_secret_make(core, secret);
    struct iam_key *key = object_new(core, iam_of(core)->keys,
                                     arena_printf(core_scratch(core), PREFIX "%s", id));
    struct arena *a = &key->o.arena;
    key->rec->account = arena_strdup(a, account);
    key->rec->user_id = user ? arena_strdup(a, user->e.id) : NULL;
    key->rec->status = IAM_STATUS_TYPE_ACTIVE;
    key->rec->create_date = SET_TIME(core_now_ms(core));
    key->rec->secret = seal(core_seal(core), a, secret, IAM_SECRET_LENGTH, key->o.key);
    key->secret = xstrdup(secret);
    explicit_bzero(secret, sizeof(secret));
    begin(core, key, user);
    object_save(core, &key->o);
    return key;
}

static int key_loaded(struct core *core, struct object *o, struct error *err)
{
    struct iam_key *key = (struct iam_key *)(void *)o;
    const char *user_id = key->rec->user_id;
    if (!key->rec->account || !key->rec->secret)
        return fail(err, E_CORRUPT, "access key without account or secret");
    struct iam_user_entity *user =
        user_id ? iam_user_of(iam_entity_by_id(core, user_id)) : NULL;
    if (user_id && !user)
        return fail(err, E_CORRUPT, "no user '%s'", user_id);
    int r = seal_renew(core_seal(core), &o->arena, o->key, &key->rec->secret, err);
    if (r < 0)
        return r;
    begin(core, key, user);
    if (r > 0)
        object_save(core, o);
    return 0;
}

static void key_unlink(struct core *core, struct object *o)
{
    struct iam_key *key = (struct iam_key *)(void *)o;
    if (!key->account)
        return;
    list_remove(&key->of_user);
    iam_index_remove(&iam_of(core)->key_ids, &key->by_id);
    if (key->secret)
        explicit_bzero(key->secret, strlen(key->secret));
    free(key->secret);
    free(key->id);
}

static const struct table_type key_table = {
    .prefix = PREFIX,
    .shape = &gantry_iam_key_record_shape,
    .object_size = sizeof(struct iam_key),
    .record_offset = offsetof(struct iam_key, rec),
    .loaded = key_loaded,
    .unlink = key_unlink,
};

void iam_key_tables(struct core *core, struct iam *iam)
{
    iam->keys = table_add(core, &key_table);
}
