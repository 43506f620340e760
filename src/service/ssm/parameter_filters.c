/* DescribeParameters, and the filters that it shares with GetParametersByPath. */
#include "page.h"
#include "parameter.h"

#define PAGE_SIZE 10

/* ---- what a filter may say ---- */

static const struct filter_key {
    const char *key;
    bool describe, by_path;
    const char *options; /* separated by blanks; the first is the default */
} filter_keys[] = {
    {"Name", true, false, "Equals BeginsWith Contains"},
    {"Type", true, true, "Equals BeginsWith"},
    {"KeyId", true, true, "Equals BeginsWith"},
    {"Path", true, false, "OneLevel Recursive"},
    {"Label", false, true, "Equals"},
    {"Tier", true, false, "Equals"},
    {"DataType", true, false, "Equals BeginsWith"},
    {"tag:", true, false, "Equals BeginsWith"},
};

static const struct filter_key *key_of(const char *name)
{
    for (size_t i = 0; i < sizeof(filter_keys) / sizeof(filter_keys[0]); i++) {
        const char *key = filter_keys[i].key;
        if (str_ends(key, ":") ? str_starts(name, key) : streq(name, key))
            return &filter_keys[i];
    }
    return NULL;
}

static bool has_option(const struct filter_key *k, const char *option)
{
    size_t n = strlen(option);
    for (const char *s = strstr(k->options, option); n && s; s = strstr(s + 1, option))
        if ((s == k->options || s[-1] == ' ') && (s[n] == ' ' || s[n] == '\0'))
            return true;
    return false;
}

static int filter_check(struct call *c, const struct ssm_parameter_string_filter *f,
                        enum filter_use use)
{
    const struct filter_key *k = key_of(f->key);
    if (!k || !(use == FILTERS_DESCRIBE ? k->describe : k->by_path))
        return call_fault(c, &ssm_invalid_filter_key,
                          "The following filter key is not valid: %s.", f->key);
    if (f->option && !has_option(k, f->option))
        return call_fault(c, &ssm_invalid_filter_option,
                          "The following filter option is not valid: %s. Valid options "
                          "include: [%s]",
                          f->option, k->options);
    if (f->values.n == 0 && !str_starts(f->key, "tag:"))
        return call_fault(c, &ssm_invalid_filter_value,
                          "The following filter values are missing : null for filter key "
                          "%s",
                          f->key);
    return 0;
}

int filters_check(struct call *c, const struct ssm_parameter_string_filter_list *f,
                  enum filter_use use)
{
    for (size_t i = 0; i < f->n; i++) {
        if (filter_check(c, &f->v[i], use) < 0)
            return -1;
        for (size_t k = 0; k < i; k++)
            if (streq(f->v[i].key, f->v[k].key))
                return call_fault(
                    c, &ssm_invalid_filter_key,
                    "The following filter is duplicated in the request: %s. "
                    "A request can contain only one instance of a specific "
                    "filter.",
                    f->v[i].key);
    }
    return 0;
}

/* ---- does a parameter pass ---- */

static const char *text_of(const struct parameter *p, const char *key)
{
    const struct gantry_parameter_version_record *rec = parameter_latest(p)->rec;
    if (streq(key, "Name"))
        return p->rec->name;
    if (streq(key, "Type"))
        return wire_enum_name(&ssm_parameter_type_shape, (int)rec->type);
    if (streq(key, "KeyId"))
        return rec->key_id;
    if (streq(key, "Tier"))
        return wire_enum_name(&ssm_parameter_tier_shape, (int)rec->tier);
    if (streq(key, "DataType"))
        return rec->data_type;
    return parameter_tag(p, key + strlen("tag:"));
}

static bool text_passes(const char *text, const char *option, const char *want)
{
    if (streq(option, "BeginsWith"))
        return str_starts(text, want);
    if (streq(option, "Contains"))
        return strstr(text, want) != NULL;
    return streq(text, want);
}

static bool value_passes(const struct parameter *p,
                         const struct ssm_parameter_string_filter *f, const char *want)
{
    if (streq(f->key, "Path"))
        return is_below(want, streq(f->option, "Recursive"), p->rec->name);
    if (streq(f->key, "Label"))
        return parameter_version_labelled(p, want);
    const char *text = text_of(p, f->key);
    return text && text_passes(text, f->option, want);
}

static bool passes(const struct parameter *p, const struct ssm_parameter_string_filter *f)
{
    for (size_t i = 0; i < f->values.n; i++)
        if (value_passes(p, f, f->values.v[i]))
            return true;
    return f->values.n == 0 && text_of(p, f->key); /* the tag, whatever its value */
}

bool filters_match(const struct parameter *p,
                   const struct ssm_parameter_string_filter_list *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (!passes(p, &f->v[i]))
            return false;
    return true;
}

/* ---- DescribeParameters ---- */

/* The older kind of filters, said in the newer: beginnings of names, whole others. */
static void filters_of_old(struct call *c, const struct ssm_parameters_filter_list *old,
                           struct ssm_parameter_string_filter_list *ret)
{
    for (size_t i = 0; i < old->n; i++) {
        struct ssm_parameter_string_filter *f = LIST_PUSH(&c->arena, ret);
        f->key = wire_enum_name(&ssm_parameters_filter_key_shape, (int)old->v[i].key);
        f->option =
            old->v[i].key == SSM_PARAMETERS_FILTER_KEY_NAME ? "BeginsWith" : "Equals";
        f->values = old->v[i].values;
    }
}

static int filters_of(struct call *c, const struct ssm_describe_parameters_request *in,
                      struct ssm_parameter_string_filter_list *ret)
{
    if (in->filters.n && in->parameter_filters.n)
        return call_fault(
            c, &ssm_validation_fault,
            "You can use either Filters or ParameterFilters in a single request.");
    *ret = in->parameter_filters;
    if (in->filters.n) {
        *ret = (struct ssm_parameter_string_filter_list){0};
        filters_of_old(c, &in->filters, ret);
    }
    return filters_check(c, ret, FILTERS_DESCRIBE);
}

static void metadata_fill(struct call *c, const struct parameter *p,
                          struct ssm_parameter_metadata *to)
{
    const struct gantry_parameter_version_record *rec = parameter_latest(p)->rec;
    to->name = p->rec->name;
    to->arn = parameter_arn(c, to->name);
    to->type = rec->type;
    to->key_id = rec->key_id;
    to->last_modified_date = rec->modified_at;
    to->last_modified_user = rec->modified_by;
    to->description = rec->description;
    to->version = rec->version;
    to->tier = rec->tier;
    to->policies.set = true;
    to->data_type = rec->data_type;
}

/* Nobody shares parameters here: those of others are none. */
int ssm_describe_parameters(struct call *c,
                            const struct ssm_describe_parameters_request *in,
                            struct ssm_describe_parameters_result *out)
{
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : PAGE_SIZE;
    struct ssm_parameter_string_filter_list f;
    const struct parameter *p = NULL;
    const char *last = NULL, *name;
    if (filters_of(c, in, &f) < 0)
        return -1;
    if (in->next_token && (!page_position(&c->arena, in->next_token, &name) ||
                           !(p = parameter_find(c, name))))
        return call_fault(c, &ssm_invalid_next_token, "The specified token isn't valid.");
    out->parameters.set = true;
    while (!in->shared.v && (p = parameter_next(c, p))) {
        if (!filters_match(p, &f))
            continue;
        if (out->parameters.n == limit) {
            out->next_token = page_token(&c->arena, last);
            return 0;
        }
        metadata_fill(c, p, LIST_PUSH(&c->arena, &out->parameters));
        last = p->rec->name;
    }
    return 0;
}
