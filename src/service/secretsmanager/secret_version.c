/* Versions of secrets: their values, which nobody else touches, and their stages. */
#include "event.h"
#include "secret.h"

#include <openssl/crypto.h>

#define DAY_MS       (24 * 60 * 60 * INT64_C(1000))
#define VERSIONS_MAX 100 /* above that the oldest without a stage goes */

/* ---- the list of a secret ---- */

static struct secret_version *version_at(struct list *l)
{
    return list_entry(l, struct secret_version, link);
}

/* Oldest first; they load in the order of their ids. */
static void version_link(struct secret *s, struct secret_version *v)
{
    struct list *behind = s->versions.prev;
    while (behind != &s->versions && version_at(behind)->rec->number.v > v->rec->number.v)
        behind = behind->prev;
    list_append(behind->next, &v->link); /* before the one behind it */
    v->secret = s;
    s->version_count++;
}

int version_loaded(struct core *core, struct object *o, struct error *err)
{
    struct secret_version *v = (struct secret_version *)o;
    list_init(&v->link);
    if (!v->rec->secret_key || !v->rec->version_id || !v->rec->value)
        return fail(err, E_CORRUPT, "version of a secret without its parts");
    struct secret *s = table_find(secrets_of(core)->secrets, v->rec->secret_key);
    if (!s)
        return fail(err, E_CORRUPT, "version of a secret that is not there");
    version_link(s, v);
    int r = seal_renew(core_seal(core), &o->arena, o->key, &v->rec->value, err);
    if (r > 0)
        object_save(core, o);
    return r < 0 ? r : 0;
}

void version_unlink(struct core *core, struct object *o)
{
    struct secret_version *v = (struct secret_version *)o;
    list_remove(&v->link);
    if (v->secret)
        v->secret->version_count--;
}

void version_free_all(struct core *core, struct secret *s)
{
    while (!list_empty(&s->versions))
        object_delete(core, &version_at(list_first(&s->versions))->o);
}

struct secret_version *version_by_id(const struct secret *s, const char *id)
{
    list_for_each (it, &s->versions) {
        if (streq(version_at(it)->rec->version_id, id))
            return version_at(it);
    }
    return NULL;
}

bool version_has_stage(const struct secret_version *v, const char *stage)
{
    for (size_t i = 0; i < v->rec->stages.n; i++)
        if (streq(v->rec->stages.v[i], stage))
            return true;
    return false;
}

struct secret_version *version_by_stage(const struct secret *s, const char *stage)
{
    list_for_each (it, &s->versions) {
        if (version_has_stage(version_at(it), stage))
            return version_at(it);
    }
    return NULL;
}

void version_stages_fill(struct arena *a, const struct secret *s,
                         struct secretsmanager_secret_version_stages_type_map *ret)
{
    list_for_each (it, &s->versions) {
        const struct gantry_secret_version_record *rec = version_at(it)->rec;
        if (rec->stages.n == 0)
            continue;
        struct secretsmanager_secret_version_stages_type_map_entry *e = LIST_PUSH(a, ret);
        e->key = rec->version_id;
        e->value = rec->stages;
    }
}

/* ---- values ---- */

int secret_value_given(struct call *c, const char *text, const struct wire_blob *binary,
                       struct secret_value *ret)
{
    if (text && binary->data)
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "You can't specify both a binary secret value and a string "
                          "secret value in the same secret.");
    if (text)
        *ret = (struct secret_value){text, strlen(text), false};
    else if (binary->data)
        *ret = (struct secret_value){binary->data, binary->size, true};
    return text || binary->data;
}

static int version_open(struct call *c, const struct secret_version *v, struct str *ret)
{
    struct error err;
    if (seal_open(core_seal(c->core), v->rec->value, v->o.key, ret, &err) == 0)
        return 0;
    return call_fault(c, &secretsmanager_decryption_failure, "%s", err.text);
}

bool secret_note_access(struct core *core, struct opt_time *at)
{
    int64_t today = core_now_ms(core) / DAY_MS * DAY_MS;
    if (at->set && at->v == today)
        return false;
    *at = SET_TIME(today);
    return true;
}

int version_show(struct call *c, struct secret_version *v, const char **ret_text,
                 struct wire_blob *ret_binary)
{
    AUTO_SECRET plain = STR_INIT;
    if (version_open(c, v, &plain) < 0)
        return -1;
    if (v->rec->is_binary.v)
        *ret_binary =
            (struct wire_blob){arena_copy(&c->arena, plain.data, plain.len), plain.len};
    else
        *ret_text = arena_strndup(&c->arena, plain.data, plain.len);
    if (secret_note_access(c->core, &v->rec->accessed_at))
        object_save(c->core, &v->o);
    if (secret_note_access(c->core, &v->secret->rec->accessed_at))
        object_save(c->core, &v->secret->o);
    return 0;
}

/* 1 they are the same, 0 not, -1 after a fault. */
static int version_holds(struct call *c, const struct secret_version *v,
                         const struct secret_value *value)
{
    AUTO_SECRET plain = STR_INIT;
    if (version_open(c, v, &plain) < 0)
        return -1;
    return v->rec->is_binary.v == value->binary && plain.len == value->size &&
           CRYPTO_memcmp(plain.data, value->data, value->size) == 0;
}

/* ---- making ---- */

static const char *new_version_id(struct call *c)
{
    char hex[33];
    core_random_hex(c->core, hex, 32);
    hex[12] = '4'; /* RFC 9562: version 4, variant 10xx */
    hex[16] = "89ab"[core_random_below(c->core, 4)];
    return call_printf(c, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                       hex + 20);
}

/* At most 20 stages and one version each keep the others old enough to go. */
static void make_room(struct core *core, struct secret *s)
{
    list_for_each_safe (it, &s->versions) {
        if (s->version_count < VERSIONS_MAX)
            return;
        if (version_at(it)->rec->stages.n == 0)
            object_delete(core, &version_at(it)->o);
    }
}

static struct secret_version *version_new(struct call *c, struct secret *s,
                                          const char *id,
                                          const struct secret_value *value)
{
    make_room(c->core, s);
    struct secret_version *v =
        object_new(c->core, secrets_of(c->core)->versions,
                   call_printf(c, "/secretsmanager/version/%s/%s", s->rec->id, id));
    struct arena *a = &v->o.arena;
    list_init(&v->link);
    v->rec->secret_key = arena_strdup(a, s->o.key);
    v->rec->version_id = arena_strdup(a, id);
    v->rec->value = seal(core_seal(c->core), a, value->data, value->size, v->o.key);
    v->rec->number = SET_LONG(
        list_empty(&s->versions) ? 1 : version_at(s->versions.prev)->rec->number.v + 1);
    v->rec->is_binary = SET_BOOL(value->binary);
    v->rec->created_at = SET_TIME(core_now_ms(c->core));
    version_link(s, v);
    object_save(c->core, &v->o);
    s->rec->changed_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
    return v;
}

struct secret_version *version_put(struct call *c, struct secret *s, const char *token,
                                   const struct secret_value *value, bool *ret_made)
{
    struct secret_version *v = token ? version_by_id(s, token) : NULL;
    *ret_made = !v;
    if (!v)
        return version_new(c, s, token ? token : new_version_id(c), value);
    int same = version_holds(c, v, value);
    if (same == 0)
        call_fault(c, &secretsmanager_resource_exists_exception,
                   "You can't use ClientRequestToken %s because that value is already in "
                   "use for a version of secret %s.",
                   token, s->rec->arn);
    return same > 0 ? v : NULL;
}

/* ---- stages ---- */

static void stage_add(struct core *core, struct secret_version *v, const char *stage)
{
    *LIST_PUSH(&v->o.arena, &v->rec->stages) = arena_strdup(&v->o.arena, stage);
    object_save(core, &v->o);
}

static void stage_drop(struct core *core, struct secret_version *v, const char *stage)
{
    struct string_list *l = &v->rec->stages;
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (!streq(l->v[i], stage))
            l->v[n++] = l->v[i];
    l->n = n;
    object_save(core, &v->o);
}

static void tell_current(struct core *core, const struct secret *s,
                         const struct secret_version *v)
{
    const char *arn_text = s->rec->arn;
    const struct gantry_secret_change detail = {.secret_id = s->rec->arn,
                                                .version_id = v->rec->version_id};
    struct arn arn;
    if (!arn_parse(core_scratch(core), arn_text, &arn))
        return;
    const struct event e = {
        .source = "aws.secretsmanager",
        .detail_type = "Secret Value Change",
        .account = arn.account,
        .region = arn.region,
        .resources = {.v = &arn_text, .n = 1, .set = true},
        .shape = &gantry_secret_change_shape,
        .detail = &detail,
    };
    core_event(core, &e);
}

void version_stage_move(struct core *core, struct secret *s, const char *stage,
                        struct secret_version *v)
{
    struct secret_version *old = version_by_stage(s, stage);
    if (old == v)
        return;
    if (old)
        stage_drop(core, old, stage);
    if (v)
        stage_add(core, v, stage);
    s->rec->changed_at = SET_TIME(core_now_ms(core));
    object_save(core, &s->o);
    if (!streq(stage, STAGE_CURRENT))
        return;
    if (old)
        version_stage_move(core, s, STAGE_PREVIOUS, old);
    if (v)
        tell_current(core, s, v);
}
