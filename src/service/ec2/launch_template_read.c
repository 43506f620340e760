/* DescribeLaunchTemplates, DescribeLaunchTemplateVersions, GetLaunchTemplateData. */
#include <time.h>

#include "ec2_query.h"
#include "launch_template.h"
#include "page.h"

#define VERSIONS_PAGE 200

static const struct ec2_launch_template *rec_of(const struct object *o)
{
    return ((const struct launch_template *)o)->rec->launch_template;
}
static void t_name(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->launch_template_name);
}
static void t_created(struct core *core, const struct object *o, struct ec2_values *to)
{
    char text[32];
    time_t at = (time_t)(rec_of(o)->create_time.v / 1000);
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
    ec2_value(to, arena_strdup(to->a, text));
}
static const struct ec2_tag_list *t_tags(const struct object *o)
{
    return &rec_of(o)->tags;
}

/* Names, and then also ids, as ids. */
static int ids_of(struct call *c, const struct ec2_describe_launch_templates_request *in,
                  struct string_list *ret)
{
    for (size_t n = 0; n < in->launch_template_ids.n; n++) {
        if (!launch_template_require(c, in->launch_template_ids.v[n], NULL))
            return -1;
        *LIST_PUSH(&c->arena, ret) = in->launch_template_ids.v[n];
    }
    for (size_t n = 0; n < in->launch_template_names.n; n++) {
        const struct launch_template *t =
            launch_template_require(c, NULL, in->launch_template_names.v[n]);
        if (!t)
            return -1;
        *LIST_PUSH(&c->arena, ret) = t->rec->launch_template->launch_template_id;
    }
    return 0;
}

int ec2_describe_launch_templates(struct call *c,
                                  const struct ec2_describe_launch_templates_request *in,
                                  struct ec2_describe_launch_templates_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"launch-template-name", t_name}, {"create-time", t_created}, {NULL, NULL}};
    struct string_list ids = {0};
    struct ec2_found found = {0};
    if (ids_of(c, in, &ids) < 0)
        return -1;
    struct ec2_query q = {
        .table = ec2_of(c->core)->launch_templates,
        .kind = "launch-template",
        .rows = rows,
        .tags = t_tags,
        .filters = &in->filters,
        .ids = &ids,
        .missing_code = "InvalidLaunchTemplateId.NotFound",
        .missing_text = "The specified launch template, with template ID %s, does not "
                        "exist.",
        .next_token = in->next_token,
        .max_results = ids.n ? (struct opt_int){0} : in->max_results,
    };
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->launch_templates.set = true;
    out->next_token = found.next_token;
    for (size_t n = 0; n < found.n; n++) {
        struct ec2_launch_template *to = LIST_PUSH(&c->arena, &out->launch_templates);
        *to = *rec_of(found.v[n]);
        to->tags.set = true;
    }
    return 0;
}

/* ---- versions ---- */

struct version_seen {
    const struct launch_template *t;
    const struct gantry_ec2_launch_template_version *v;
};

static const struct version_seen *seen(const struct object *o)
{
    return (const struct version_seen *)(const void *)o;
}
static void v_image(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, seen(o)->v->data->image_id);
}
static void v_type(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_enum(to, &ec2_instance_type_shape, (int)seen(o)->v->data->instance_type);
}
static void v_default(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, seen(o)->v->number.v ==
                           seen(o)->t->rec->launch_template->default_version_number.v);
}
static void v_profile(struct core *core, const struct object *o, struct ec2_values *to)
{
    const struct ec2_request_launch_template_data *d = seen(o)->v->data;
    if (d->iam_instance_profile) {
        ec2_value(to, d->iam_instance_profile->arn);
        ec2_value(to, d->iam_instance_profile->name);
    }
}
static void v_ebs(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, seen(o)->v->data->ebs_optimized.v);
}

static const struct ec2_filter_row version_rows[] = {
    {"image-id", v_image},
    {"instance-type", v_type},
    {"is-default-version", v_default},
    {"iam-instance-profile", v_profile},
    {"ebs-optimized", v_ebs},
    {NULL, NULL},
};

static bool asked_for(const struct launch_template *t,
                      const struct gantry_ec2_launch_template_version *v,
                      const struct string_list *versions)
{
    const struct ec2_launch_template *rec = t->rec->launch_template;
    int64_t number = 0;
    for (size_t n = 0; n < versions->n; n++) {
        const char *x = versions->v[n];
        if ((streq(x, "$Latest") && v->number.v == rec->latest_version_number.v) ||
            (streq(x, "$Default") && v->number.v == rec->default_version_number.v) ||
            (str_to_i64(x, 1, INT32_MAX, &number) && v->number.v == number))
            return true;
    }
    return versions->n == 0;
}

static void show(struct call *c, const struct version_seen *x,
                 struct ec2_launch_template_version *to)
{
    const struct ec2_launch_template *rec = x->t->rec->launch_template;
    to->launch_template_id = rec->launch_template_id;
    to->launch_template_name = rec->launch_template_name;
    to->version_number = x->v->number;
    to->version_description = x->v->description;
    to->create_time = x->v->created_at;
    to->created_by = x->v->created_by;
    to->default_version = SET_BOOL(x->v->number.v == rec->default_version_number.v);
    to->launch_template_data =
        launch_data_as(&c->arena, &ec2_request_launch_template_data_shape, x->v->data,
                       &ec2_response_launch_template_data_shape);
}

struct version_page {
    const struct ec2_describe_launch_template_versions_request *in;
    struct ec2_query q;
    int64_t after, low, high; /* numbers, newest first */
    size_t limit;
};

static int page_begin(struct call *c, struct version_page *p)
{
    const char *position;
    p->q = (struct ec2_query){.rows = version_rows, .filters = &p->in->filters};
    p->after = INT64_MAX;
    p->high = INT64_MAX;
    p->limit = p->in->max_results.set ? (size_t)p->in->max_results.v : VERSIONS_PAGE;
    if (p->in->max_results.set &&
        (p->in->max_results.v < 1 || p->in->max_results.v > VERSIONS_PAGE))
        return ec2_fault(c, "InvalidParameterValue", "maxResults must be 1 to %d.",
                         VERSIONS_PAGE);
    if (p->in->next_token && (!page_position(&c->arena, p->in->next_token, &position) ||
                              !str_to_i64(position, 1, INT32_MAX, &p->after)))
        return ec2_fault(c, "InvalidNextToken", "The token '%s' is not valid",
                         p->in->next_token);
    if ((p->in->min_version && !str_to_i64(p->in->min_version, 1, INT32_MAX, &p->low)) ||
        (p->in->max_version && !str_to_i64(p->in->max_version, 1, INT32_MAX, &p->high)))
        return ec2_fault(c, "InvalidParameterValue",
                         "minVersion and maxVersion must be numbers.");
    return ec2_filters_check(c, &p->q);
}

static void page_fill(struct call *c, const struct version_page *p,
                      const struct launch_template *t,
                      struct ec2_describe_launch_template_versions_result *out)
{
    for (size_t n = t->rec->versions.n; n-- > 0;) {
        struct version_seen x = {t, &t->rec->versions.v[n]};
        int64_t number = x.v->number.v;
        if (number >= p->after || number < p->low || number > p->high ||
            !asked_for(t, x.v, &p->in->versions) ||
            !ec2_filters_hold(c, &p->q, (const struct object *)(const void *)&x))
            continue;
        if (out->launch_template_versions.n == p->limit) {
            size_t last = out->launch_template_versions.n - 1;
            number = out->launch_template_versions.v[last].version_number.v;
            out->next_token =
                page_token(&c->arena, call_printf(c, "%lld", (long long)number));
            return;
        }
        show(c, &x, LIST_PUSH(&c->arena, &out->launch_template_versions));
    }
}

/* Without a template: $Latest and $Default of all of them. */
static int of_all(struct call *c, const struct version_page *p,
                  struct ec2_describe_launch_template_versions_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "launch-template", &s), *after = prefix;
    for (size_t n = 0; n < p->in->versions.n; n++)
        if (p->in->versions.v[n][0] != '$')
            return ec2_fault(c, "InvalidParameterCombination",
                             "Without a launch template only $Latest and $Default can be "
                             "asked for.");
    struct version_page each = *p;
    each.limit = SIZE_MAX;
    for (struct launch_template *t;
         (t = table_next(ec2_of(c->core)->launch_templates, prefix, after));
         after = t->o.key)
        page_fill(c, &each, t, out);
    return 0;
}

int ec2_describe_launch_template_versions(
    struct call *c, const struct ec2_describe_launch_template_versions_request *in,
    struct ec2_describe_launch_template_versions_result *out)
{
    struct version_page p = {.in = in};
    const struct launch_template *t = NULL;
    bool all = !in->launch_template_id && !in->launch_template_name && in->versions.n;
    if (!all && !(t = launch_template_require(c, in->launch_template_id,
                                              in->launch_template_name)))
        return -1;
    for (size_t n = 0; t && n < in->versions.n; n++)
        if (!launch_template_version(c, t, in->versions.v[n]))
            return -1;
    if (page_begin(c, &p) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->launch_template_versions.set = true;
    if (!t)
        return of_all(c, &p, out);
    page_fill(c, &p, t, out);
    return 0;
}

/* ---- GetLaunchTemplateData: a template's data from an instance ---- */

static void interface_data(struct call *c, const struct ec2_instance *i,
                           struct ec2_response_launch_template_data *to)
{
    struct ec2_launch_template_instance_network_interface_specification *n =
        LIST_PUSH(&c->arena, &to->network_interfaces);
    n->device_index = SET_INT(0);
    n->delete_on_termination = SET_BOOL(true);
    n->subnet_id = i->subnet_id;
    n->associate_public_ip_address = SET_BOOL(i->public_ip_address != NULL);
    for (size_t k = 0; k < i->security_groups.n; k++)
        *LIST_PUSH(&c->arena, &n->groups) = i->security_groups.v[k].group_id;
}

int ec2_get_launch_template_data(struct call *c,
                                 const struct ec2_get_launch_template_data_request *in,
                                 struct ec2_get_launch_template_data_result *out)
{
    const struct ec2_instance_object *i = instance_require(c, in->instance_id);
    struct arena *a = &c->arena;
    struct ec2_instance shown;
    if (!i || instance_is_ours(c, i) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    instance_show(c->core, i, a, &shown);
    struct ec2_response_launch_template_data *to = out->launch_template_data =
        arena_new(a, struct ec2_response_launch_template_data);
    to->image_id = shown.image_id;
    to->instance_type = shown.instance_type;
    to->key_name = shown.key_name;
    to->user_data = i->rec->user_data;
    to->ebs_optimized = shown.ebs_optimized;
    to->disable_api_termination = i->rec->disable_api_termination;
    to->disable_api_stop = i->rec->disable_api_stop;
    if (shown.iam_instance_profile) {
        to->iam_instance_profile =
            arena_new(a, struct ec2_launch_template_iam_instance_profile_specification);
        to->iam_instance_profile->arn = shown.iam_instance_profile->arn;
    }
    if (shown.tags.n) {
        struct ec2_launch_template_tag_specification *t =
            LIST_PUSH(a, &to->tag_specifications);
        t->resource_type = EC2_RESOURCE_TYPE_INSTANCE;
        t->tags = shown.tags;
    }
    interface_data(c, &shown, to);
    return 0;
}
