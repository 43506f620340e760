/* PutParameter: what a parameter may be called and hold, and its next version. */
#include <ctype.h>
#include <strings.h>

#include "parameter.h"

#define PARAMETERS_MAX 100000 /* of all accounts here */
#define VERSIONS_MAX   100
#define LEVELS_MAX     15
#define ADVANCED_MAX   8192 /* characters */
#define STANDARD_MAX   4096
#define NAME_MAX_CHARS 1011
#define DEFAULT_KEY    "alias/aws/ssm"

/* ---- the name ---- */

static int name_prefix_check(struct call *c, const char *name)
{
    static const struct wire_fault denied = {.code = "AccessDeniedException",
                                             .status = 400};
    const char *first = name + (name[0] == '/');
    bool aws = strncasecmp(first, "aws", 3) == 0, ssm = strncasecmp(first, "ssm", 3) == 0;
    if (!aws && !ssm)
        return 0;
    if (aws && strchr(first, '/'))
        return call_fault(c, &denied, "No access to reserved parameter name: %s.", name);
    return call_fault(c, &ssm_validation_fault,
                      "Parameter name: can't be prefixed with \"aws\" or \"ssm\" "
                      "(case-insensitive).");
}

static size_t levels_of(const char *name)
{
    size_t n = name[0] != '/';
    for (; *name; name++)
        n += *name == '/';
    return n;
}

static int name_check(struct call *c, const char *name)
{
    size_t n = strlen(name);
    for (const char *s = name; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_.-/", *s))
            return call_fault(
                c, &ssm_validation_fault,
                "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If "
                "formed as a path, it can consist of sub-paths divided by slash symbol; "
                "each sub-path can be formed as a mix of letters, numbers and the "
                "following 3 symbols .-_");
    if (name_prefix_check(c, name) < 0)
        return -1;
    if ((name[0] != '/' && strchr(name, '/')) || strstr(name, "//") || name[n - 1] == '/')
        return call_fault(c, &ssm_validation_fault,
                          "Parameter name must be a fully qualified name.");
    if (n + strlen(c->region) + strlen("arn:aws:ssm::000000000000:parameter/") >
        NAME_MAX_CHARS)
        return call_fault(c, &ssm_validation_fault,
                          "Parameter name is too long: with its ARN it has more than %d "
                          "characters.",
                          NAME_MAX_CHARS);
    if (levels_of(name) > LEVELS_MAX)
        return call_fault(c, &ssm_hierarchy_level_limit_exceeded_exception,
                          "A hierarchy can have a maximum of %d levels.", LEVELS_MAX);
    return 0;
}

/* ---- the rest ---- */

/* A setting that would not do what it says is refused. */
static int not_offered_check(struct call *c, const struct ssm_put_parameter_request *in,
                             enum ssm_parameter_type type)
{
    bool secure = type == SSM_PARAMETER_TYPE_SECURE_STRING;
    if (!str_empty(in->policies))
        return call_fault(c, &ssm_invalid_policy_type_exception,
                          "Parameter policies are not offered by this gantry.");
    if (!str_empty(in->allowed_pattern))
        return call_fault(c, &ssm_invalid_allowed_pattern_exception,
                          "AllowedPattern is not offered by this gantry.");
    if (in->data_type && !streq(in->data_type, "text"))
        return call_fault(c, &ssm_validation_fault,
                          "The following data type is not supported: %s (Data type names "
                          "are all lowercase.)",
                          in->data_type);
    if (in->key_id && !secure)
        return call_fault(c, &ssm_validation_fault,
                          "KeyId is for parameters of type SecureString only.");
    if (in->key_id && !streq(in->key_id, DEFAULT_KEY) &&
        !str_ends(in->key_id, ":" DEFAULT_KEY))
        return call_fault(
            c, &ssm_invalid_key_id,
            "Key %s is not offered by this gantry: it seals values with its "
            "own key, " DEFAULT_KEY ".",
            in->key_id);
    return 0;
}

/* What this version will be in; stays what it was when nothing is said. */
static enum ssm_parameter_tier tier_of(const struct ssm_put_parameter_request *in,
                                       const struct parameter *p)
{
    bool advanced = p && parameter_latest(p)->rec->tier == SSM_PARAMETER_TIER_ADVANCED;
    if (in->tier == SSM_PARAMETER_TIER_INTELLIGENT_TIERING)
        return advanced || utf8_length(in->value) > STANDARD_MAX
                   ? SSM_PARAMETER_TIER_ADVANCED
                   : SSM_PARAMETER_TIER_STANDARD;
    if (in->tier)
        return in->tier;
    return advanced ? SSM_PARAMETER_TIER_ADVANCED : SSM_PARAMETER_TIER_STANDARD;
}

static int value_check(struct call *c, const char *value, enum ssm_parameter_tier tier)
{
    size_t n = utf8_length(value);
    if (n == 0)
        return call_fault(c, &ssm_validation_fault,
                          "1 validation error detected: Value '' at 'value' failed to "
                          "satisfy constraint: Member must have length greater than or "
                          "equal to 1");
    if (tier == SSM_PARAMETER_TIER_STANDARD && n > STANDARD_MAX)
        return call_fault(
            c, &ssm_validation_fault,
            "Standard tier parameters support a maximum parameter value of "
            "%d characters. To create a larger parameter value, upgrade the "
            "parameter to use the advanced-parameter tier. For more "
            "information, see https://docs.aws.amazon.com/systems-manager/"
            "latest/userguide/parameter-store-advanced-parameters.html",
            STANDARD_MAX);
    if (n > ADVANCED_MAX)
        return call_fault(c, &ssm_validation_fault,
                          "Advanced tier parameters support a maximum parameter value of "
                          "%d characters.",
                          ADVANCED_MAX);
    return 0;
}

static int tier_check(struct call *c, enum ssm_parameter_tier tier,
                      const struct parameter *p)
{
    if (p && tier == SSM_PARAMETER_TIER_STANDARD &&
        parameter_latest(p)->rec->tier == SSM_PARAMETER_TIER_ADVANCED)
        return call_fault(c, &ssm_validation_fault,
                          "This parameter uses the advanced-parameter tier. You can't "
                          "downgrade a parameter from the advanced-parameter tier to the "
                          "standard-parameter tier. If necessary, you can delete the "
                          "advanced parameter and recreate it as a standard parameter.");
    return 0;
}

static int new_check(struct call *c, const struct ssm_put_parameter_request *in)
{
    if (!in->type)
        return call_fault(c, &ssm_validation_fault,
                          "A parameter type is required when you create a parameter.");
    if (table_count(ssm_of(c->core)->parameters) >= PARAMETERS_MAX)
        return call_fault(c, &ssm_parameter_limit_exceeded,
                          "You have exceeded the number of parameters, %d.",
                          PARAMETERS_MAX);
    return 0;
}

static int overwrite_check(struct call *c, const struct ssm_put_parameter_request *in,
                           const struct parameter *p)
{
    const struct gantry_parameter_version_record *now = parameter_latest(p)->rec;
    if (!in->overwrite.v)
        return call_fault(
            c, &ssm_parameter_already_exists,
            "The parameter already exists. To overwrite this value, set the "
            "overwrite option in the request to true.");
    if (in->type && in->type != now->type)
        return call_fault(c, &ssm_hierarchy_type_mismatch_exception,
                          "Parameter Store does not support changing a parameter type in "
                          "a hierarchy. For example, you can't change a parameter from a "
                          "String type to a SecureString type. You must create a new, "
                          "unique parameter.");
    const struct parameter_version *oldest =
        list_entry(list_first(&p->versions), struct parameter_version, link);
    if (p->version_count >= VERSIONS_MAX && oldest->rec->labels.n)
        return call_fault(c, &ssm_parameter_max_version_limit_exceeded,
                          "You attempted to create a new version of %s by calling the "
                          "PutParameter API with the overwrite flag. Version %lld, the "
                          "oldest version, can't be deleted because it has a label "
                          "associated with it. Move the label to another version of the "
                          "parameter, and try again.",
                          p->rec->name, (long long)oldest->rec->version.v);
    return 0;
}

static int put_check(struct call *c, const struct ssm_put_parameter_request *in,
                     const struct parameter *p)
{
    enum ssm_parameter_tier tier = tier_of(in, p);
    if (in->overwrite.v && in->tags.n)
        return call_fault(
            c, &ssm_validation_fault,
            "Invalid request: tags and overwrite can't be used together. To create a "
            "parameter with tags, please remove overwrite flag. To update tags for an "
            "existing parameter, please use AddTagsToResource or "
            "RemoveTagsFromResource.");
    if ((p ? overwrite_check(c, in, p) : new_check(c, in)) < 0)
        return -1;
    enum ssm_parameter_type type = p ? parameter_latest(p)->rec->type : in->type;
    if (not_offered_check(c, in, type) < 0 || tier_check(c, tier, p) < 0 ||
        value_check(c, in->value, tier) < 0)
        return -1;
    return parameter_tags_check(c, &in->tags);
}

/* ---- PutParameter ---- */

static void version_fill(struct call *c, struct parameter_version *v,
                         const struct ssm_put_parameter_request *in,
                         const struct gantry_parameter_version_record *before,
                         enum ssm_parameter_tier tier)
{
    struct arena *a = &v->o.arena;
    v->rec->type = before ? before->type : in->type;
    v->rec->tier = tier;
    v->rec->data_type = "text";
    if (v->rec->type == SSM_PARAMETER_TYPE_SECURE_STRING)
        v->rec->key_id = DEFAULT_KEY;
    if (in->description || before)
        v->rec->description =
            arena_strdup(a, in->description ? in->description : before->description);
    v->rec->modified_at = SET_TIME(core_now_ms(c->core));
    v->rec->modified_by = arena_strdup(a, c->who.arn);
    parameter_value_set(c, v, in->value);
}

int ssm_put_parameter(struct call *c, const struct ssm_put_parameter_request *in,
                      struct ssm_put_parameter_result *out)
{
    if (name_check(c, in->name) < 0)
        return -1;
    struct parameter *p = parameter_find(c, in->name);
    if (put_check(c, in, p) < 0)
        return -1;
    enum ssm_parameter_tier tier = tier_of(in, p);
    const struct gantry_parameter_version_record *before =
        p ? parameter_latest(p)->rec : NULL;
    if (!p) {
        p = parameter_new(c, in->name);
        parameter_tags_merge(&p->o.arena, &p->rec->tags, &in->tags);
    }
    struct parameter_version *v = parameter_version_new(c, p);
    version_fill(c, v, in, before, tier);
    if (p->version_count > VERSIONS_MAX)
        parameter_version_delete(c->core, list_entry(list_first(&p->versions),
                                                     struct parameter_version, link));
    parameter_tell(c, p, before ? "Update" : "Create");
    out->version = v->rec->version;
    out->tier = v->rec->tier;
    return 0;
}
