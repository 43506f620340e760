/* CreateKeyPair, ImportKeyPair, DeleteKeyPair, DescribeKeyPairs. */
#include "key_pair.h"

#include <ctype.h>

#include "ec2_query.h"
#include "ec2_tags.h"
#include "ssh_key.h"

#define KEY_PAIRS_MAX 5000 /* as AWS has it for a region */

static const char *const made[] = {"key-pair", NULL};

static int key_pair_loaded(struct core *core, struct object *o, struct error *err)
{
    return ((struct key_pair *)o)->rec->key_pair
               ? 0
               : fail(err, E_CORRUPT, "key pair without its parts");
}

const struct table_type key_pair_table = {
    .prefix = "/ec2/key-pair/",
    .shape = &gantry_key_pair_record_shape,
    .object_size = sizeof(struct key_pair),
    .record_offset = offsetof(struct key_pair, rec),
    .loaded = key_pair_loaded,
};

struct key_pair *key_pair_find(struct core *core, const struct ec2_scope *s,
                               const char *name)
{
    return name ? table_find(ec2_of(core)->key_pairs,
                             ec2_key(core_scratch(core), "key-pair", s, name))
                : NULL;
}

static struct key_pair *find_by_id(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "key-pair", &s), *after = prefix;
    struct key_pair *k;
    for (; (k = table_next(ec2_of(c->core)->key_pairs, prefix, after)); after = k->o.key)
        if (streq(k->rec->key_pair->key_pair_id, id))
            break;
    return k;
}

/* ---- making ---- */

static int name_check(struct call *c, const char *name)
{
    struct ec2_scope s = ec2_scope_of(c);
    size_t n = strlen(name);
    bool ascii = n > 0 && n <= 255 && !isspace((unsigned char)name[0]) &&
                 !isspace((unsigned char)name[n - 1]);
    for (size_t i = 0; i < n; i++)
        ascii &= isprint((unsigned char)name[i]) != 0;
    if (!ascii)
        return ec2_fault(c, "InvalidParameterValue",
                         "Invalid value for keyPairName: 1 to 255 ASCII characters, the "
                         "first and the last no blanks");
    if (key_pair_find(c->core, &s, name))
        return ec2_fault(c, "InvalidKeyPair.Duplicate",
                         "The keypair '%s' already exists.", name);
    return table_count(ec2_of(c->core)->key_pairs) < KEY_PAIRS_MAX
               ? 0
               : ec2_fault(c, "KeyPairLimitExceeded",
                           "The maximum number of key pairs is reached.");
}

static const struct ec2_key_pair_info *
key_pair_new(struct call *c, const char *name, const struct ssh_key *key,
             const struct ec2_tag_specification_list *tags)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct key_pair *k = object_new(c->core, ec2_of(c->core)->key_pairs,
                                    ec2_key(&c->arena, "key-pair", &s, name));
    struct arena *a = &k->o.arena;
    struct ec2_key_pair_info *rec = k->rec->key_pair =
        arena_new(a, struct ec2_key_pair_info);
    rec->key_pair_id = ec2_new_id(c->core, a, "key");
    rec->key_type = key->ed25519 ? EC2_KEY_TYPE_ED25519 : EC2_KEY_TYPE_RSA;
    rec->key_name = arena_strdup(a, name);
    rec->key_fingerprint = arena_strdup(a, key->fingerprint);
    rec->public_key = arena_strdup(a, key->public_text);
    rec->create_time = SET_TIME(core_now_ms(c->core));
    rec->tags.set = true;
    ec2_tags_take(a, tags, "key-pair", &rec->tags);
    object_save(c->core, &k->o);
    return k->rec->key_pair;
}

/* Numbers for an RSA key are searched for half a second: not on the state thread. */
static void make_key(struct call *c)
{
    const struct ec2_create_key_pair_request *in = c->in;
    struct ssh_key *key = arena_new(&c->arena, struct ssh_key);
    struct error err;
    if (ssh_key_new(&c->arena, in->key_type == EC2_KEY_TYPE_ED25519, in->key_name, key,
                    &err) < 0)
        key->private_pem = NULL;
    c->prepared = key;
}

int ec2_create_key_pair(struct call *c, const struct ec2_create_key_pair_request *in,
                        struct ec2_key_pair *out)
{
    const struct ssh_key *key = c->prepared;
    if (name_check(c, in->key_name) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, made) < 0)
        return -1;
    if (in->key_format == EC2_KEY_FORMAT_PPK)
        return ec2_refuse(c, "Private keys in PuTTY's format are");
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    if (!key) {
        c->prepare = make_key; /* and once more, as the name may be taken by then */
        return 0;
    }
    if (!key->private_pem)
        return ec2_fault(c, "InternalError", "OpenSSL made no key.");
    const struct ec2_key_pair_info *rec =
        key_pair_new(c, in->key_name, key, &in->tag_specifications);
    out->key_pair_id = rec->key_pair_id;
    out->key_name = rec->key_name;
    out->key_fingerprint = rec->key_fingerprint;
    out->key_material = key->private_pem;
    out->tags = rec->tags;
    return 0;
}

int ec2_import_key_pair(struct call *c, const struct ec2_import_key_pair_request *in,
                        struct ec2_import_key_pair_result *out)
{
    struct ssh_key key;
    struct error err;
    const char *text = (const char *)in->public_key_material.data;
    if (name_check(c, in->key_name) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, made) < 0)
        return -1;
    if (!text || ssh_key_read(&c->arena, text, in->public_key_material.size, in->key_name,
                              &key, &err) < 0)
        return ec2_fault(c, "InvalidKey.Format",
                         "Key is not in valid OpenSSH public key format");
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    const struct ec2_key_pair_info *rec =
        key_pair_new(c, in->key_name, &key, &in->tag_specifications);
    out->key_pair_id = rec->key_pair_id;
    out->key_name = rec->key_name;
    out->key_fingerprint = rec->key_fingerprint;
    out->tags = rec->tags;
    return 0;
}

/* ---- DeleteKeyPair: one that is not there is gone ---- */

int ec2_delete_key_pair(struct call *c, const struct ec2_delete_key_pair_request *in,
                        struct ec2_delete_key_pair_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    if (!in->key_name && !in->key_pair_id)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter KeyName or KeyPairId");
    struct key_pair *k = in->key_pair_id ? find_by_id(c, in->key_pair_id)
                                         : key_pair_find(c->core, &s, in->key_name);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->return_ = SET_BOOL(true);
    if (!k)
        return 0;
    out->key_pair_id = arena_strdup(&c->arena, k->rec->key_pair->key_pair_id);
    object_delete(c->core, &k->o);
    return 0;
}

/* ---- DescribeKeyPairs ---- */

static const struct ec2_key_pair_info *rec_of(const struct object *o)
{
    return ((const struct key_pair *)o)->rec->key_pair;
}
static void v_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->key_pair_id);
}
static void v_name(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->key_name);
}
static void v_fingerprint(struct core *core, const struct object *o,
                          struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->key_fingerprint);
}
static const struct ec2_tag_list *tags_of(const struct object *o)
{
    return &rec_of(o)->tags;
}

static int names_of(struct call *c, const struct ec2_describe_key_pairs_request *in,
                    struct string_list *ret)
{
    for (size_t i = 0; i < in->key_names.n; i++)
        *LIST_PUSH(&c->arena, ret) = in->key_names.v[i];
    for (size_t i = 0; i < in->key_pair_ids.n; i++) {
        const struct key_pair *k = find_by_id(c, in->key_pair_ids.v[i]);
        if (!k)
            return ec2_fault(c, "InvalidKeyPair.NotFound",
                             "The key pair '%s' does not exist", in->key_pair_ids.v[i]);
        *LIST_PUSH(&c->arena, ret) = k->rec->key_pair->key_name;
    }
    return 0;
}

int ec2_describe_key_pairs(struct call *c,
                           const struct ec2_describe_key_pairs_request *in,
                           struct ec2_describe_key_pairs_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"key-pair-id", v_id},
        {"key-name", v_name},
        {"fingerprint", v_fingerprint},
        {NULL, NULL},
    };
    struct string_list names = {0};
    struct ec2_found found;
    if (names_of(c, in, &names) < 0)
        return -1;
    struct ec2_query q = {
        .table = ec2_of(c->core)->key_pairs,
        .kind = "key-pair",
        .rows = rows,
        .tags = tags_of,
        .filters = &in->filters,
        .ids = &names,
        .missing_code = "InvalidKeyPair.NotFound",
        .missing_text = "The key pair '%s' does not exist",
    };
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->key_pairs.set = true;
    for (size_t i = 0; i < found.n; i++) {
        struct ec2_key_pair_info *to = LIST_PUSH(&c->arena, &out->key_pairs);
        *to = *rec_of(found.v[i]);
        if (!in->include_public_key.v)
            to->public_key = NULL;
    }
    return 0;
}
