/* GetParameter, GetParameters, GetParametersByPath, GetParameterHistory. */
#include "page.h"
#include "parameter.h"

#define BY_PATH_PAGE 10
#define HISTORY_PAGE 50

static int parameter_show(struct call *c, const struct parameter_version *v, bool decrypt,
                          const char *selector, struct ssm_parameter *to)
{
    to->value = parameter_value(c, v, decrypt);
    if (!to->value)
        return -1;
    to->name = v->parameter->rec->name;
    to->type = v->rec->type;
    to->version = v->rec->version;
    to->selector = selector;
    to->last_modified_date = v->rec->modified_at;
    to->arn = parameter_arn(c, to->name);
    to->data_type = v->rec->data_type;
    return 0;
}

static int find(struct call *c, const char *asked, bool decrypt,
                struct ssm_parameter *ret, enum parameter_found *ret_found)
{
    struct parameter_version *v;
    const char *selector;
    *ret_found = public_parameter_find(c, asked, ret);
    if (*ret_found != PARAMETER_MISSING)
        return 0;
    *ret_found = parameter_select(c, asked, &v, &selector);
    return *ret_found == PARAMETER_FOUND ? parameter_show(c, v, decrypt, selector, ret)
                                         : 0;
}

int ssm_get_parameter(struct call *c, const struct ssm_get_parameter_request *in,
                      struct ssm_get_parameter_result *out)
{
    enum parameter_found found;
    out->parameter = arena_new(&c->arena, struct ssm_parameter);
    if (find(c, in->name, in->with_decryption.v, out->parameter, &found) < 0)
        return -1;
    if (found == PARAMETER_MISSING)
        return call_fault(c, &ssm_parameter_not_found, "Parameter %s not found.",
                          in->name);
    if (found == PARAMETER_VERSION_MISSING)
        return call_fault(c, &ssm_parameter_version_not_found,
                          "Systems Manager could not find version %s of %s. Verify the "
                          "version and try again.",
                          strrchr(in->name, ':') + 1, in->name);
    return 0;
}

int ssm_get_parameters(struct call *c, const struct ssm_get_parameters_request *in,
                       struct ssm_get_parameters_result *out)
{
    out->parameters.set = out->invalid_parameters.set = true;
    for (size_t n = 0; n < in->names.n; n++) {
        struct ssm_parameter p = {0};
        enum parameter_found found;
        if (find(c, in->names.v[n], in->with_decryption.v, &p, &found) < 0)
            return -1;
        if (found == PARAMETER_FOUND)
            *LIST_PUSH(&c->arena, &out->parameters) = p;
        else
            *LIST_PUSH(&c->arena, &out->invalid_parameters) = in->names.v[n];
    }
    return 0;
}

/* ---- GetParametersByPath: the token is the last name told ---- */

static int path_check(struct call *c, const struct ssm_get_parameters_by_path_request *in)
{
    if (in->path[0] != '/')
        return call_fault(
            c, &ssm_validation_fault,
            "The parameter doesn't meet the parameter name requirements. "
            "The parameter name must begin with a forward slash \"/\". It "
            "can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). "
            "It must use only letters, numbers, or the following symbols: "
            ". (period), - (hyphen), _ (underscore). Special characters are "
            "not allowed. All sub-paths, if specified, must use the forward "
            "slash symbol \"/\". Valid example: "
            "/get/parameters2-/by1./path0_.");
    return filters_check(c, &in->parameter_filters, FILTERS_BY_PATH);
}

static int page_begin(struct call *c, const char *token, const struct parameter **ret)
{
    const char *name;
    *ret = NULL;
    if (!token)
        return 0;
    *ret = page_position(&c->arena, token, &name) ? parameter_find(c, name) : NULL;
    return *ret ? 0
                : call_fault(c, &ssm_invalid_next_token,
                             "The specified token isn't valid.");
}

/* The version that is shown: the one that a filter on labels asks for, else the latest. */
static const struct parameter_version *
version_meant(const struct parameter *p, const struct ssm_parameter_string_filter_list *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct parameter_version *v = NULL;
        if (!streq(f->v[i].key, "Label"))
            continue;
        for (size_t k = 0; k < f->v[i].values.n && !v; k++)
            v = parameter_version_labelled(p, f->v[i].values.v[k]);
        return v;
    }
    return parameter_latest(p);
}

int ssm_get_parameters_by_path(struct call *c,
                               const struct ssm_get_parameters_by_path_request *in,
                               struct ssm_get_parameters_by_path_result *out)
{
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : BY_PATH_PAGE;
    const struct parameter *p;
    if (is_public_path(in->path))
        return public_parameters_by_path(c, in, out);
    if (path_check(c, in) < 0 || page_begin(c, in->next_token, &p) < 0)
        return -1;
    const char *last = NULL;
    out->parameters.set = true;
    while ((p = parameter_next(c, p))) {
        const struct parameter_version *v = version_meant(p, &in->parameter_filters);
        if (!v || !is_below(in->path, in->recursive.v, p->rec->name) ||
            !filters_match(p, &in->parameter_filters))
            continue;
        if (out->parameters.n == limit) {
            out->next_token = page_token(&c->arena, last);
            return 0;
        }
        if (parameter_show(c, v, in->with_decryption.v, NULL,
                           LIST_PUSH(&c->arena, &out->parameters)) < 0)
            return -1;
        last = p->rec->name;
    }
    return 0;
}

/* ---- GetParameterHistory: the token is the last version told ---- */

static int history_show(struct call *c, const struct parameter_version *v, bool decrypt,
                        struct ssm_parameter_history *to)
{
    const struct gantry_parameter_version_record *rec = v->rec;
    to->value = parameter_value(c, v, decrypt);
    to->name = v->parameter->rec->name;
    to->type = rec->type;
    to->key_id = rec->key_id;
    to->last_modified_date = rec->modified_at;
    to->last_modified_user = rec->modified_by;
    to->description = rec->description;
    to->version = rec->version;
    to->labels = rec->labels;
    to->labels.set = true;
    to->tier = rec->tier;
    to->data_type = rec->data_type;
    to->policies.set = true;
    return to->value ? 0 : -1;
}

int ssm_get_parameter_history(struct call *c,
                              const struct ssm_get_parameter_history_request *in,
                              struct ssm_get_parameter_history_result *out)
{
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : HISTORY_PAGE;
    const struct parameter *p = parameter_require(c, in->name);
    const char *position;
    int64_t last = 0;
    if (!p)
        return -1;
    if (in->next_token && (!page_position(&c->arena, in->next_token, &position) ||
                           !str_to_i64(position, 1, INT64_MAX, &last)))
        return call_fault(c, &ssm_invalid_next_token, "The specified token isn't valid.");
    out->parameters.set = true;
    list_for_each (it, &p->versions) {
        const struct parameter_version *v =
            list_entry(it, struct parameter_version, link);
        if (v->rec->version.v <= last)
            continue;
        if (out->parameters.n == limit) {
            out->next_token =
                page_token(&c->arena, call_printf(c, "%lld", (long long)last));
            return 0;
        }
        if (history_show(c, v, in->with_decryption.v,
                         LIST_PUSH(&c->arena, &out->parameters)) < 0)
            return -1;
        last = v->rec->version.v;
    }
    return 0;
}
