/* Managed policies: table, lookups, versions. */
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>

#include "iam_entity.h"
#include "iam_policy.h"

#define PREFIX     "/iam/policy/"
#define AWS_PREFIX "arn:aws:iam::aws:policy/"

/* ---- lookups ---- */

const char *iam_policy_prefix(struct arena *a, const char *account)
{
    return arena_printf(a, PREFIX "%s/", account);
}

static const char *policy_key(struct arena *a, const char *account, const char *name)
{
    char *key = arena_printf(a, PREFIX "%s/%s", account, name);
    for (char *p = key; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return key;
}

struct iam_managed_policy *iam_policy_named(const struct core *core, const char *account,
                                            const char *name)
{
    AUTO_ARENA a = ARENA_INIT;
    return table_find(iam_of(core)->policies, policy_key(&a, account, name));
}

/* aws_policies is sorted by ARN's end; a search by halves needs no index. */
static struct iam_managed_policy *aws_find(const struct iam *iam, const char *arn)
{
    size_t low = 0, high = iam->aws_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(iam->aws[middle].source.name, arn);
        if (order == 0)
            return &iam->aws[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct iam_managed_policy *iam_policy_find(const struct core *core, const char *account,
                                           const char *text)
{
    AUTO_ARENA a = ARENA_INIT;
    struct arn arn;
    if (str_starts(text, AWS_PREFIX))
        return aws_find(iam_of(core), text);
    if (!arn_parse(&a, text, &arn) || !streq(arn.service, "iam") ||
        !streq(arn.account, account) || !str_starts(arn.resource, "policy/"))
        return NULL;
    struct iam_managed_policy *p =
        iam_policy_named(core, account, strrchr(arn.resource, '/') + 1);
    return p && streq(p->source.name, text) ? p : NULL;
}

struct iam_policy_users *iam_policy_users(const struct iam_managed_policy *p,
                                          struct iam_account *account)
{
    if (p->account)
        return &((struct iam_managed_policy *)(uintptr_t)p)->users;
    return &account->aws_uses[p->aws_index];
}

/* ---- a new one, and its end ---- */

static void source_set(struct iam_managed_policy *p, struct policy *compiled)
{
    policy_free((struct policy *)(uintptr_t)p->source.policy);
    p->source.policy = compiled;
    iam_policy_users_changed(&p->users);
}

/* With its record there: what every customer's has besides. */
static void begin(struct core *core, struct iam_managed_policy *p, const char *account,
                  struct policy *compiled)
{
    p->account = iam_account_make(core, account);
    p->account->policies++;
    p->account->versions += p->rec->versions.n;
    list_init(&p->users.uses);
    p->source = (struct policy_source){compiled, xstrdup(p->rec->policy->arn)};
}

static void identity_fill(struct iam_managed_policy *p, const char *account,
                          const char *path, const char *name)
{
    struct arena *a = &p->o.arena;
    struct iam_policy *policy = p->rec->policy = arena_new(a, struct iam_policy);
    policy->policy_name = arena_strdup(a, name);
    policy->path = arena_strdup(a, path ? path : "/");
    policy->arn =
        arena_printf(a, "arn:aws:iam::%s:policy%s%s", account, policy->path, name);
    policy->is_attachable = SET_BOOL(true);
}

static struct iam_policy_version *version_push(struct iam_managed_policy *p,
                                               const char *document, int64_t now_ms)
{
    struct arena *a = &p->o.arena;
    struct iam_policy_version *v = LIST_PUSH(a, &p->rec->versions);
    p->rec->last_version = SET_INT(p->rec->last_version.v + 1);
    v->version_id = arena_printf(a, "v%d", p->rec->last_version.v);
    v->document = arena_strdup(a, document);
    v->create_date = SET_TIME(now_ms);
    return v;
}

struct iam_managed_policy *iam_policy_new(struct core *core, const char *account,
                                          const char *path, const char *name,
                                          const char *document, struct policy *compiled)
{
    char id[IAM_ID_LENGTH + 1];
    int64_t now = core_now_ms(core);
    struct iam_managed_policy *p = object_new(
        core, iam_of(core)->policies, policy_key(core_scratch(core), account, name));
    identity_fill(p, account, path, name);
    iam_id_make(core, "ANPA", account, IAM_ID_LENGTH, id);
    p->rec->policy->policy_id = arena_strdup(&p->o.arena, id);
    p->rec->policy->create_date = p->rec->policy->update_date = SET_TIME(now);
    p->rec->policy->default_version_id = version_push(p, document, now)->version_id;
    begin(core, p, account, compiled);
    object_save(core, &p->o);
    return p;
}

void iam_policy_delete(struct core *core, struct iam_managed_policy *p)
{
    object_delete(core, &p->o);
}

static void policy_unlink(struct core *core, struct object *o)
{
    struct iam_managed_policy *p = (struct iam_managed_policy *)(void *)o;
    if (!p->account)
        return;
    p->account->policies--;
    p->account->versions -= p->rec->versions.n;
    policy_free((struct policy *)(uintptr_t)p->source.policy);
    free((char *)(uintptr_t)p->source.name);
}

/* ---- versions ---- */

struct iam_policy_version *iam_policy_version(const struct iam_managed_policy *p,
                                              const char *id)
{
    for (size_t i = 0; i < p->rec->versions.n; i++)
        if (streq(p->rec->versions.v[i].version_id, id))
            return &p->rec->versions.v[i];
    return NULL;
}

void iam_policy_default_set(struct core *core, struct iam_managed_policy *p,
                            struct iam_policy_version *v, struct policy *compiled)
{
    p->rec->policy->default_version_id = v->version_id;
    p->rec->policy->update_date = SET_TIME(core_now_ms(core));
    source_set(p, compiled);
    object_save(core, &p->o);
}

struct iam_policy_version *iam_policy_version_add(struct core *core,
                                                  struct iam_managed_policy *p,
                                                  const char *document,
                                                  struct policy *compiled)
{
    struct iam_policy_version *v = version_push(p, document, core_now_ms(core));
    p->account->versions++;
    p->rec->policy->update_date = SET_TIME(core_now_ms(core));
    if (compiled)
        iam_policy_default_set(core, p, v, compiled);
    object_save(core, &p->o);
    return v;
}

void iam_policy_version_remove(struct core *core, struct iam_managed_policy *p,
                               struct iam_policy_version *v)
{
    size_t behind = (size_t)(&p->rec->versions.v[p->rec->versions.n] - (v + 1));
    memmove(v, v + 1, behind * sizeof(*v));
    p->rec->versions.n--;
    p->account->versions--;
    object_save(core, &p->o);
}

/* ---- the tables ---- */

static int policy_loaded(struct core *core, struct object *o, struct error *err)
{
    struct iam_managed_policy *p = (struct iam_managed_policy *)(void *)o;
    const struct iam_policy *policy = p->rec->policy;
    struct policy *compiled;
    const struct iam_policy_version *v =
        policy && policy->arn && policy->default_version_id
            ? iam_policy_version(p, policy->default_version_id)
            : NULL;
    if (!v || !v->document)
        return fail(err, E_CORRUPT, "policy without ARN or default version");
    if (policy_compile(v->document, strlen(v->document), POLICY_IDENTITY, &compiled,
                       err) < 0)
        return wrap(err, "version %s", v->version_id);
    begin(core, p, iam_key_account(core, o), compiled);
    return 0;
}

static const struct table_type policy_table = {
    .prefix = PREFIX,
    .shape = &gantry_iam_policy_record_shape,
    .object_size = sizeof(struct iam_managed_policy),
    .record_offset = offsetof(struct iam_managed_policy, rec),
    .loaded = policy_loaded,
    .unlink = policy_unlink,
};

/* The ids are ours: made of the name, so that they stay. */
static const char *aws_id(struct arena *a, const char *name)
{
    char id[IAM_ID_LENGTH + 1] = "ANPA";
    uint64_t h = 14695981039346656037u;
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    for (size_t i = 4; i < IAM_ID_LENGTH; i++, h = h * 6364136223846793005u + 1)
        id[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[h >> 59];
    return arena_strdup(a, id);
}

/* When this table was written; what AWS did and when is not ours to say. */
#define AWS_POLICIES_MS INT64_C(1793404800000)

static void aws_fill(struct iam_managed_policy *p, size_t index)
{
    const struct aws_policy *row = &aws_policies[index];
    struct arena *a = &p->o.arena;
    struct policy *compiled = NULL;
    struct error err;
    p->aws_index = index;
    p->rec = arena_new(a, struct gantry_iam_policy_record);
    identity_fill(p, "aws", row->path, row->name);
    p->rec->policy->policy_id = aws_id(a, row->name);
    p->rec->policy->description = row->description;
    p->rec->policy->default_version_id = row->version;
    p->rec->policy->create_date = p->rec->policy->update_date = SET_TIME(AWS_POLICIES_MS);
    *LIST_PUSH(a, &p->rec->versions) = (struct iam_policy_version){
        .document = row->document,
        .version_id = row->version,
        .create_date = SET_TIME(AWS_POLICIES_MS),
    };
    list_init(&p->users.uses);
    if (policy_compile(row->document, strlen(row->document), POLICY_IDENTITY, &compiled,
                       &err) < 0)
        assert(!"an AWS managed policy does not compile"); /* tests/unit/iam/aws_… */
    p->source = (struct policy_source){compiled, p->rec->policy->arn};
}

void iam_policy_tables(struct core *core, struct iam *iam)
{
    iam->aws_count = aws_policy_count;
    iam->aws = xcalloc(aws_policy_count, sizeof(*iam->aws));
    for (size_t i = 0; i < aws_policy_count; i++)
        aws_fill(&iam->aws[i], i);
    iam->policies = table_add(core, &policy_table);
}

void iam_aws_policies_free(struct iam *iam)
{
    for (size_t i = 0; i < iam->aws_count; i++) {
        policy_free((struct policy *)(uintptr_t)iam->aws[i].source.policy);
        arena_free(&iam->aws[i].o.arena);
    }
    free(iam->aws);
}
