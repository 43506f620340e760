/* Parameters in memory: tables, names, versions. */
#include "parameter.h"

#include <stdlib.h>

#include "event.h"

static const char ssm_service_key;

const struct wire_fault ssm_validation_fault = {.code = "ValidationException",
                                                .status = 400};

struct ssm *ssm_of(const struct core *core)
{
    return core_service(core, &ssm_service_key);
}

/* ---- the tables ---- */

static struct parameter_version *version_at(struct list *l)
{
    return list_entry(l, struct parameter_version, link);
}

/* Numbers have leading zeros in their keys, so they load in order. */
static void version_link(struct parameter *p, struct parameter_version *v)
{
    list_append(&p->versions, &v->link);
    v->parameter = p;
    p->version_count++;
}

static int parameter_loaded(struct core *core, struct object *o, struct error *err)
{
    struct parameter *p = (struct parameter *)o;
    list_init(&p->versions);
    return p->rec->name && p->rec->id
               ? 0
               : fail(err, E_CORRUPT, "parameter without its parts");
}

static int version_loaded(struct core *core, struct object *o, struct error *err)
{
    struct parameter_version *v = (struct parameter_version *)o;
    struct gantry_parameter_version_record *rec = v->rec;
    list_init(&v->link);
    if (!rec->parameter_key || !rec->value)
        return fail(err, E_CORRUPT, "version of a parameter without its parts");
    struct parameter *p = table_find(ssm_of(core)->parameters, rec->parameter_key);
    if (!p)
        return fail(err, E_CORRUPT, "version of a parameter that is not there");
    version_link(p, v);
    if (rec->type != SSM_PARAMETER_TYPE_SECURE_STRING)
        return 0;
    int r = seal_renew(core_seal(core), &o->arena, o->key, &rec->value, err);
    if (r > 0)
        object_save(core, o);
    return r < 0 ? r : 0;
}

static void version_unlink(struct core *core, struct object *o)
{
    struct parameter_version *v = (struct parameter_version *)o;
    list_remove(&v->link);
    if (v->parameter)
        v->parameter->version_count--;
}

static const struct table_type parameter_table = {
    .prefix = "/ssm/parameter/",
    .shape = &gantry_parameter_record_shape,
    .object_size = sizeof(struct parameter),
    .record_offset = offsetof(struct parameter, rec),
    .loaded = parameter_loaded,
};

static const struct table_type version_table = {
    .prefix = "/ssm/version/",
    .shape = &gantry_parameter_version_record_shape,
    .object_size = sizeof(struct parameter_version),
    .record_offset = offsetof(struct parameter_version, rec),
    .loaded = version_loaded,
    .unlink = version_unlink,
};

void ssm_attach(struct core *core)
{
    struct ssm *all = xcalloc(1, sizeof(*all));
    core_set_service(core, &ssm_service_key, all, free);
    all->parameters = table_add(core, &parameter_table);
    all->versions = table_add(core, &version_table);
}

/* ---- finding ---- */

static const char *key_of(struct call *c, const char *name)
{
    return call_printf(c, "%s%s/%s/%s", parameter_table.prefix, c->who.account_id,
                       c->region, name);
}

const char *parameter_arn(struct call *c, const char *name)
{
    return call_printf(c, "arn:aws:ssm:%s:%s:parameter%s%s", c->region, c->who.account_id,
                       name[0] == '/' ? "" : "/", name);
}

/* "name" and "/name" have one ARN, so they are one parameter. */
static struct parameter *find_name(struct call *c, const char *name)
{
    struct table *t = ssm_of(c->core)->parameters;
    struct parameter *p = table_find(t, key_of(c, name));
    if (p || strchr(name + (name[0] == '/'), '/'))
        return p;
    const char *other = name[0] == '/' ? name + 1 : call_printf(c, "/%s", name);
    return table_find(t, key_of(c, other));
}

struct parameter *parameter_find(struct call *c, const char *name)
{
    struct arn arn;
    if (!arn_parse(&c->arena, name, &arn))
        return find_name(c, name);
    if (!streq(arn.service, "ssm") || !streq(arn.region, c->region) ||
        !streq(arn.account, c->who.account_id) || !str_starts(arn.resource, "parameter/"))
        return NULL;
    return find_name(c, arn.resource + strlen("parameter"));
}

struct parameter *parameter_require(struct call *c, const char *name)
{
    struct parameter *p = parameter_find(c, name);
    if (!p)
        call_fault(c, &ssm_parameter_not_found, "Parameter %s not found.", name);
    return p;
}

struct parameter *parameter_next(struct call *c, const struct parameter *after)
{
    const char *prefix = key_of(c, "");
    return table_next(ssm_of(c->core)->parameters, prefix, after ? after->o.key : prefix);
}

struct parameter_version *parameter_latest(const struct parameter *p)
{
    return version_at(p->versions.prev);
}

struct parameter_version *parameter_version_find(const struct parameter *p,
                                                 int64_t number)
{
    list_for_each (it, &p->versions) {
        if (version_at(it)->rec->version.v == number)
            return version_at(it);
    }
    return NULL;
}

struct parameter_version *parameter_version_labelled(const struct parameter *p,
                                                     const char *label)
{
    list_for_each (it, &p->versions) {
        const struct string_list *l = &version_at(it)->rec->labels;
        for (size_t i = 0; i < l->n; i++)
            if (streq(l->v[i], label))
                return version_at(it);
    }
    return NULL;
}

/* The last colon, as an ARN has others. */
static const char *selector_of(const char *asked)
{
    const char *name = asked;
    for (int colons = 0; arn_looks_like(asked) && colons < 5; colons++) {
        name = strchr(name, ':');
        if (!name++)
            return NULL;
    }
    return strchr(name, ':');
}

enum parameter_found parameter_select(struct call *c, const char *asked,
                                      struct parameter_version **ret,
                                      const char **ret_selector)
{
    const char *selector = selector_of(asked), *name = asked;
    int64_t number;
    if (selector)
        name = arena_strndup(&c->arena, asked, (size_t)(selector - asked));
    const struct parameter *p = parameter_find(c, name);
    if (!p)
        return PARAMETER_MISSING;
    *ret = !selector ? parameter_latest(p)
           : str_to_i64(selector + 1, 0, INT64_MAX, &number)
               ? parameter_version_find(p, number)
               : parameter_version_labelled(p, selector + 1);
    *ret_selector = selector;
    return *ret ? PARAMETER_FOUND : PARAMETER_VERSION_MISSING;
}

/* ---- making and ending ---- */

struct parameter *parameter_new(struct call *c, const char *name)
{
    char id[33];
    core_random_hex(c->core, id, 32);
    struct parameter *p =
        object_new(c->core, ssm_of(c->core)->parameters, key_of(c, name));
    list_init(&p->versions);
    p->rec->name = arena_strdup(&p->o.arena, name);
    p->rec->id = arena_strdup(&p->o.arena, id);
    object_save(c->core, &p->o);
    return p;
}

struct parameter_version *parameter_version_new(struct call *c, struct parameter *p)
{
    int64_t number =
        list_empty(&p->versions) ? 1 : parameter_latest(p)->rec->version.v + 1;
    struct parameter_version *v =
        object_new(c->core, ssm_of(c->core)->versions,
                   call_printf(c, "%s%s/%012lld", version_table.prefix, p->rec->id,
                               (long long)number));
    list_init(&v->link);
    v->rec->parameter_key = arena_strdup(&v->o.arena, p->o.key);
    v->rec->version = SET_LONG(number);
    version_link(p, v);
    object_save(c->core, &v->o);
    return v;
}

void parameter_version_delete(struct core *core, struct parameter_version *v)
{
    object_delete(core, &v->o);
}

void parameter_delete(struct core *core, struct parameter *p)
{
    while (!list_empty(&p->versions))
        parameter_version_delete(core, parameter_latest(p));
    object_delete(core, &p->o);
}

void parameter_tell(struct call *c, const struct parameter *p, const char *operation)
{
    const struct gantry_parameter_version_record *rec = parameter_latest(p)->rec;
    const char *arn = parameter_arn(c, p->rec->name);
    const struct gantry_parameter_change detail = {.operation = operation,
                                                   .name = p->rec->name,
                                                   .type = rec->type,
                                                   .description = rec->description};
    const struct event e = {
        .source = "aws.ssm",
        .detail_type = "Parameter Store Change",
        .account = c->who.account_id,
        .region = c->region,
        .resources = {.v = &arn, .n = 1, .set = true},
        .shape = &gantry_parameter_change_shape,
        .detail = &detail,
    };
    core_event(c->core, &e);
}

/* ---- values ---- */

void parameter_value_set(struct call *c, struct parameter_version *v, const char *value)
{
    struct arena *a = &v->o.arena;
    v->rec->value = v->rec->type == SSM_PARAMETER_TYPE_SECURE_STRING
                        ? seal(core_seal(c->core), a, value, strlen(value), v->o.key)
                        : arena_strdup(a, value);
}

const char *parameter_value(struct call *c, const struct parameter_version *v,
                            bool decrypt)
{
    AUTO_SECRET plain = STR_INIT;
    struct error err;
    if (v->rec->type != SSM_PARAMETER_TYPE_SECURE_STRING)
        return v->rec->value;
    if (!decrypt) /* the ciphertext: the base64 behind the sealed text's header */
        return strrchr(v->rec->value, ':') + 1;
    if (seal_open(core_seal(c->core), v->rec->value, v->o.key, &plain, &err) == 0)
        return arena_strndup(&c->arena, plain.data, plain.len);
    call_fault(c, &ssm_internal_server_error, "%s", err.text);
    return NULL;
}
