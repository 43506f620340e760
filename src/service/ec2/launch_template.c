/* Launch templates: made, changed, deleted, used. See launch_template.h. */
#include "launch_template.h"

#include <stdlib.h>

#include "ec2_tags.h"

/* ---- in memory ---- */

static void index_add(struct core *core, struct launch_template *t)
{
    struct ec2 *ec2 = ec2_of(core);
    struct ec2_scope s = ec2_owner(core_scratch(core), &t->o);
    t->name_key = xstrdup(ec2_key(core_scratch(core), "name", &s,
                                  t->rec->launch_template->launch_template_name));
    HASH_ADD_KEYPTR(hh, ec2->templates_by_name, t->name_key, strlen(t->name_key), t);
}

static int template_loaded(struct core *core, struct object *o, struct error *err)
{
    struct launch_template *t = (struct launch_template *)o;
    if (!t->rec->launch_template || t->rec->versions.n == 0)
        return fail(err, E_CORRUPT, "launch template without a version");
    index_add(core, t);
    return 0;
}

static void template_unlink(struct core *core, struct object *o)
{
    struct launch_template *t = (struct launch_template *)o;
    if (t->name_key)
        HASH_DELETE(hh, ec2_of(core)->templates_by_name, t);
    free(t->name_key);
}

const struct table_type launch_template_table = {
    .prefix = "/ec2/launch-template/",
    .shape = &gantry_ec2_launch_template_record_shape,
    .object_size = sizeof(struct launch_template),
    .record_offset = offsetof(struct launch_template, rec),
    .loaded = template_loaded,
    .unlink = template_unlink,
};

static struct launch_template *template_named(struct call *c, const char *name)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct launch_template *t = NULL;
    const char *key = ec2_key(&c->arena, "name", &s, name);
    HASH_FIND_STR(ec2_of(c->core)->templates_by_name, key, t);
    return t;
}

static struct launch_template *template_with_id(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    return table_find(ec2_of(c->core)->launch_templates,
                      ec2_key(&c->arena, "launch-template", &s, id));
}

struct launch_template *launch_template_require(struct call *c, const char *id,
                                                const char *name)
{
    struct launch_template *t = NULL;
    if (!id == !name) {
        ec2_fault(c, id ? "InvalidParameterCombination" : "MissingParameter",
                  "Either a launch template ID or a launch template name must be "
                  "specified in the request.");
        return NULL;
    }
    if (id && !str_starts(id, "lt-"))
        ec2_fault(c, "InvalidLaunchTemplateId.Malformed",
                  "The launch template ID '%s' is not valid", id);
    else if (id && !(t = template_with_id(c, id)))
        ec2_fault(c, "InvalidLaunchTemplateId.NotFound",
                  "The specified launch template, with template ID %s, does not exist.",
                  id);
    else if (name && !(t = template_named(c, name)))
        ec2_fault(c, "InvalidLaunchTemplateName.NotFoundException",
                  "The specified launch template, with template name %s, does not exist.",
                  name);
    return t;
}

static const struct gantry_ec2_launch_template_version *
version_numbered(const struct launch_template *t, int64_t number)
{
    for (size_t n = 0; n < t->rec->versions.n; n++)
        if (t->rec->versions.v[n].number.v == number)
            return &t->rec->versions.v[n];
    return NULL;
}

const struct gantry_ec2_launch_template_version *
launch_template_version(struct call *c, const struct launch_template *t,
                        const char *version)
{
    const struct ec2_launch_template *rec = t->rec->launch_template;
    const struct gantry_ec2_launch_template_version *v = NULL;
    int64_t number = 0;
    if (!version || streq(version, "$Default"))
        number = rec->default_version_number.v;
    else if (streq(version, "$Latest"))
        number = rec->latest_version_number.v;
    else if (!str_to_i64(version, 1, INT32_MAX, &number)) {
        ec2_fault(c, "InvalidLaunchTemplateVersion.Malformed",
                  "The launch template version '%s' is not valid: a number, $Latest or "
                  "$Default is expected.",
                  version);
        return NULL;
    }
    v = version_numbered(t, number);
    if (!v)
        ec2_fault(c, "InvalidLaunchTemplateId.VersionNotFound",
                  "Could not find the specified version %s for the launch template with "
                  "ID %s.",
                  version ? version : "$Default", rec->launch_template_id);
    return v;
}

/* ---- data ---- */

void *launch_data_as(struct arena *a, const struct wire_shape *from, const void *data,
                     const struct wire_shape *to)
{
    AUTO_STR text = STR_INIT;
    struct wire_error bad;
    void *ret = NULL;
    wire_json_encode(&text, from, data);
    if (wire_json_decode(a, to, str_text(&text), text.len, true, &ret, &bad) < 0)
        abort(); /* what we wrote ourselves has the form we gave it */
    return ret;
}

int launch_template_under(struct call *c, const struct ec2_run_instances_request *in,
                          struct ec2_run_instances_request **ret)
{
    const struct ec2_launch_template_specification *l = in->launch_template;
    *ret = wire_copy(&c->arena, &ec2_run_instances_request_shape, in);
    if (!l)
        return 0;
    const struct launch_template *t =
        launch_template_require(c, l->launch_template_id, l->launch_template_name);
    const struct gantry_ec2_launch_template_version *v =
        t ? launch_template_version(c, t, l->version) : NULL;
    if (!v)
        return -1;
    struct ec2_run_instances_request *both =
        launch_data_as(&c->arena, &ec2_request_launch_template_data_shape, v->data,
                       &ec2_run_instances_request_shape);
    const struct ec2_tag_specification_list tags = both->tag_specifications;
    /* A subnet or groups of the request's own are instead of the template's interfaces, and
     * the other way round. */
    if (in->network_interfaces.n) {
        both->security_group_ids.n = both->security_groups.n = 0;
        both->subnet_id = both->private_ip_address = NULL;
    }
    wire_overlay(&c->arena, &ec2_run_instances_request_shape, in, both);
    both->tag_specifications = (struct ec2_tag_specification_list){0};
    for (size_t n = 0; n < tags.n; n++)
        *LIST_PUSH(&c->arena, &both->tag_specifications) = tags.v[n];
    for (size_t n = 0; n < in->tag_specifications.n; n++)
        *LIST_PUSH(&c->arena, &both->tag_specifications) = in->tag_specifications.v[n];
    *ret = both;
    return 0;
}

static int data_check(struct call *c, const struct ec2_request_launch_template_data *data)
{
    if (data->instance_requirements)
        return ec2_refuse(c, "InstanceRequirements are");
    return launch_refuse(c, launch_data_as(&c->arena,
                                           &ec2_request_launch_template_data_shape, data,
                                           &ec2_run_instances_request_shape));
}

/* ---- creating ---- */

static void version_add(struct core *core, struct launch_template *t, const char *by,
                        const char *description, const char *token,
                        const struct ec2_request_launch_template_data *data)
{
    struct arena *a = &t->o.arena;
    int64_t number = t->rec->launch_template->latest_version_number.v + 1;
    t->rec->launch_template->latest_version_number = SET_LONG(number);
    struct gantry_ec2_launch_template_version *v = LIST_PUSH(a, &t->rec->versions);
    v->number = SET_LONG(number);
    v->description = arena_strdup(a, description);
    v->client_token = arena_strdup(a, token);
    v->created_at = SET_TIME(core_now_ms(core));
    v->created_by = arena_strdup(a, by);
    v->data = wire_copy(a, &ec2_request_launch_template_data_shape, data);
}

static struct ec2_launch_template *template_show(struct call *c,
                                                 const struct launch_template *t)
{
    struct ec2_launch_template *to =
        wire_copy(&c->arena, &ec2_launch_template_shape, t->rec->launch_template);
    to->tags.set = true;
    return to;
}

/* The same call once more: the template that it made. */
static bool repeated(const struct launch_template *t,
                     const struct ec2_create_launch_template_request *in)
{
    return !str_empty(in->client_token) &&
           streq(in->client_token, t->rec->client_token) &&
           wire_equal(&ec2_request_launch_template_data_shape, t->rec->versions.v[0].data,
                      in->launch_template_data);
}

int ec2_create_launch_template(struct call *c,
                               const struct ec2_create_launch_template_request *in,
                               struct ec2_create_launch_template_result *out)
{
    static const char *const types[] = {"launch-template", NULL};
    const char *name = in->launch_template_name;
    const struct launch_template *had = template_named(c, name);
    if (had && repeated(had, in)) {
        out->launch_template = template_show(c, had);
        return 0;
    }
    if (had)
        return ec2_fault(c, "InvalidLaunchTemplateName.AlreadyExistsException",
                         "Launch template name already in use.");
    if (data_check(c, in->launch_template_data) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, types) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct ec2_scope s = ec2_scope_of(c);
    const char *id = ec2_new_id(c->core, &c->arena, "lt");
    struct launch_template *t = object_new(c->core, ec2_of(c->core)->launch_templates,
                                           ec2_key(&c->arena, "launch-template", &s, id));
    struct arena *a = &t->o.arena;
    struct ec2_launch_template *rec = t->rec->launch_template =
        arena_new(a, struct ec2_launch_template);
    rec->launch_template_id = arena_strdup(a, id);
    rec->launch_template_name = arena_strdup(a, name);
    rec->create_time = SET_TIME(core_now_ms(c->core));
    rec->created_by = arena_strdup(a, c->who.arn);
    rec->default_version_number = SET_LONG(1);
    t->rec->client_token = arena_strdup(a, in->client_token);
    ec2_tags_take(a, &in->tag_specifications, "launch-template", &rec->tags);
    version_add(c->core, t, c->who.arn, in->version_description, NULL,
                in->launch_template_data);
    index_add(c->core, t);
    object_save(c->core, &t->o);
    out->launch_template = template_show(c, t);
    return 0;
}

/* ---- versions ---- */

static void version_show(struct call *c, const struct launch_template *t,
                         const struct gantry_ec2_launch_template_version *v,
                         struct ec2_launch_template_version *to)
{
    struct arena *a = &c->arena;
    const struct ec2_launch_template *rec = t->rec->launch_template;
    to->launch_template_id = arena_strdup(a, rec->launch_template_id);
    to->launch_template_name = arena_strdup(a, rec->launch_template_name);
    to->version_number = v->number;
    to->version_description = arena_strdup(a, v->description);
    to->create_time = v->created_at;
    to->created_by = arena_strdup(a, v->created_by);
    to->default_version = SET_BOOL(v->number.v == rec->default_version_number.v);
    to->launch_template_data =
        launch_data_as(a, &ec2_request_launch_template_data_shape, v->data,
                       &ec2_response_launch_template_data_shape);
}

static const struct gantry_ec2_launch_template_version *
version_by_token(const struct launch_template *t, const char *token)
{
    for (size_t n = 0; !str_empty(token) && n < t->rec->versions.n; n++)
        if (streq(t->rec->versions.v[n].client_token, token))
            return &t->rec->versions.v[n];
    return NULL;
}

int ec2_create_launch_template_version(
    struct call *c, const struct ec2_create_launch_template_version_request *in,
    struct ec2_create_launch_template_version_result *out)
{
    struct launch_template *t =
        launch_template_require(c, in->launch_template_id, in->launch_template_name);
    if (!t)
        return -1;
    struct ec2_request_launch_template_data *data = wire_copy(
        &c->arena, &ec2_request_launch_template_data_shape, in->launch_template_data);
    out->launch_template_version =
        arena_new(&c->arena, struct ec2_launch_template_version);
    const struct gantry_ec2_launch_template_version *had =
        version_by_token(t, in->client_token);
    if (had) {
        version_show(c, t, had, out->launch_template_version);
        return 0;
    }
    if (in->source_version) {
        const struct gantry_ec2_launch_template_version *v =
            launch_template_version(c, t, in->source_version);
        if (!v)
            return -1;
        data = wire_copy(&c->arena, &ec2_request_launch_template_data_shape, v->data);
        wire_overlay(&c->arena, &ec2_request_launch_template_data_shape,
                     in->launch_template_data, data);
    }
    if (t->rec->versions.n >= LAUNCH_TEMPLATE_VERSIONS_MAX)
        return ec2_fault(c, "VersionLimitExceeded",
                         "A launch template has at most %d versions.",
                         LAUNCH_TEMPLATE_VERSIONS_MAX);
    if (data_check(c, data) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    version_add(c->core, t, c->who.arn, in->version_description, in->client_token, data);
    version_show(c, t, &t->rec->versions.v[t->rec->versions.n - 1],
                 out->launch_template_version);
    object_save(c->core, &t->o);
    return 0;
}

int ec2_modify_launch_template(struct call *c,
                               const struct ec2_modify_launch_template_request *in,
                               struct ec2_modify_launch_template_result *out)
{
    struct launch_template *t =
        launch_template_require(c, in->launch_template_id, in->launch_template_name);
    if (!t)
        return -1;
    if (!in->default_version)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter SetDefaultVersion");
    const struct gantry_ec2_launch_template_version *v =
        launch_template_version(c, t, in->default_version);
    if (!v || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    t->rec->launch_template->default_version_number = v->number;
    object_save(c->core, &t->o);
    out->launch_template = template_show(c, t);
    return 0;
}

int ec2_delete_launch_template(struct call *c,
                               const struct ec2_delete_launch_template_request *in,
                               struct ec2_delete_launch_template_result *out)
{
    struct launch_template *t =
        launch_template_require(c, in->launch_template_id, in->launch_template_name);
    if (!t || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->launch_template = template_show(c, t);
    object_delete(c->core, &t->o);
    return 0;
}

static void version_refused(struct call *c, const struct launch_template *t,
                            int64_t number, enum ec2_launch_template_error_code code,
                            const char *text,
                            struct ec2_delete_launch_template_versions_result *out)
{
    const struct ec2_launch_template *rec = t->rec->launch_template;
    struct ec2_delete_launch_template_versions_response_error_item *to =
        LIST_PUSH(&c->arena, &out->unsuccessfully_deleted_launch_template_versions);
    to->launch_template_id = arena_strdup(&c->arena, rec->launch_template_id);
    to->launch_template_name = arena_strdup(&c->arena, rec->launch_template_name);
    to->version_number = SET_LONG(number);
    to->response_error = arena_new(&c->arena, struct ec2_response_error);
    to->response_error->code = code;
    to->response_error->message = text;
}

static void version_drop(struct call *c, struct launch_template *t, int64_t number,
                         struct ec2_delete_launch_template_versions_result *out)
{
    const struct ec2_launch_template *rec = t->rec->launch_template;
    struct gantry_ec2_launch_template_version_list *all = &t->rec->versions;
    size_t at = 0;
    while (at < all->n && all->v[at].number.v != number)
        at++;
    if (at == all->n) {
        version_refused(
            c, t, number,
            EC2_LAUNCH_TEMPLATE_ERROR_CODE_LAUNCH_TEMPLATE_VERSION_DOES_NOT_EXIST,
            "The launch template version does not exist.", out);
        return;
    }
    if (number == rec->default_version_number.v) {
        version_refused(c, t, number, EC2_LAUNCH_TEMPLATE_ERROR_CODE_UNEXPECTED_ERROR,
                        "The default version can not be deleted.", out);
        return;
    }
    memmove(&all->v[at], &all->v[at + 1], (all->n - at - 1) * sizeof(*all->v));
    all->n--;
    struct ec2_delete_launch_template_versions_response_success_item *to =
        LIST_PUSH(&c->arena, &out->successfully_deleted_launch_template_versions);
    to->launch_template_id = arena_strdup(&c->arena, rec->launch_template_id);
    to->launch_template_name = arena_strdup(&c->arena, rec->launch_template_name);
    to->version_number = SET_LONG(number);
}

int ec2_delete_launch_template_versions(
    struct call *c, const struct ec2_delete_launch_template_versions_request *in,
    struct ec2_delete_launch_template_versions_result *out)
{
    struct launch_template *t =
        launch_template_require(c, in->launch_template_id, in->launch_template_name);
    int64_t number;
    if (!t)
        return -1;
    for (size_t n = 0; n < in->versions.n; n++)
        if (!str_to_i64(in->versions.v[n], 1, INT32_MAX, &number))
            return ec2_fault(c, "InvalidLaunchTemplateVersion.Malformed",
                             "The launch template version '%s' is not valid.",
                             in->versions.v[n]);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->successfully_deleted_launch_template_versions.set = true;
    out->unsuccessfully_deleted_launch_template_versions.set = true;
    for (size_t n = 0; n < in->versions.n; n++)
        if (str_to_i64(in->versions.v[n], 1, INT32_MAX, &number))
            version_drop(c, t, number, out);
    if (out->successfully_deleted_launch_template_versions.n)
        object_save(c->core, &t->o);
    return 0;
}
