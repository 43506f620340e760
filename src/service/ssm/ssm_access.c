/* What an operation of Parameter Store asks of IAM, see access.h. Rules: "Actions, resources,
 * and condition keys for AWS Systems Manager" of the Service Authorization Reference. */
#include "access.h"

#include "parameter.h"

static const struct access_rule resources[] = {
    {"parameter",
     "arn:aws:ssm:{region}:{account}:parameter/{Name|Names|Path|ResourceId}"},
    {0},
};

static const struct access_rule keys[] = {
    {"ssm:Overwrite", "{Overwrite=false}"},
    {"ssm:Policies", "{Policies}"},
    {"ssm:Recursive", "{Recursive=false}"},
    {0},
};

/* …:parameter//a/b:3 is …:parameter/a/b; Amazon's own have no account. */
static const char *resolve(struct call *c, const char *type, const char *arn)
{
    struct arn parts;
    if (!arn_parse(&c->arena, arn, &parts) || !str_starts(parts.resource, "parameter/"))
        return arn;
    const char *name = parts.resource + strlen("parameter/");
    while (*name == '/')
        name++;
    bool is_public = is_public_path(call_printf(c, "/%s", name));
    return call_printf(c, "arn:aws:ssm:%s:%s:parameter/%.*s", parts.region,
                       is_public ? "" : parts.account, (int)strcspn(name, ":"), name);
}

static const char *tag(struct call *c, const char *arn, const char *key)
{
    const struct parameter *p = parameter_find(c, arn);
    return p ? parameter_tag(p, key) : NULL;
}

const struct access_service ssm_access = {
    .resources = resources,
    .keys = keys,
    .resolve = resolve,
    .tag = tag,
};
