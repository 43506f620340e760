/* What an operation of Secrets Manager asks of IAM, see access.h. Rules: "Actions, resources,
 * and condition keys for AWS Secrets Manager" of the Service Authorization Reference. */
#include "access.h"

#include "secret.h"

static const struct access_rule resources[] = {
    {"Secret", "arn:aws:secretsmanager:{region}:{account}:secret:{SecretId|Name}"},
    {0},
};

static const struct access_rule keys[] = {
    {"secretsmanager:BlockPublicPolicy", "{BlockPublicPolicy=false}"},
    {"secretsmanager:Description", "{Description}"},
    {"secretsmanager:ForceDeleteWithoutRecovery", "{ForceDeleteWithoutRecovery=false}"},
    {"secretsmanager:KmsKeyId", "{KmsKeyId}"},
    {"secretsmanager:Name", "{Name}"},
    {"secretsmanager:RecoveryWindowInDays", "{RecoveryWindowInDays}"},
    {"secretsmanager:VersionId", "{VersionId}"},
    {0},
};

/* Policies know a secret by its suffixed ARN. One that is not made yet has a suffix that
 * nobody can name, but a pattern of six '?' can. */
static const char *resolve(struct call *c, const char *type, const char *arn)
{
    const struct secret *s = secret_by_arn(c->core, arn);
    if (s)
        return s->rec->arn;
    return streq(c->operation->wire->name, "CreateSecret")
               ? call_printf(c, "%s-000000", arn)
               : arn;
}

static const char *tag(struct call *c, const char *arn, const char *key)
{
    const struct secret *s = secret_by_arn(c->core, arn);
    return s ? secret_tag(s, key) : NULL;
}

static const struct policy_source *resource_policy(struct core *core, const char *arn)
{
    const struct secret *s = secret_by_arn(core, arn);
    return s && s->policy.policy ? &s->policy : NULL;
}

static bool one(struct call *c, const char *text, struct policy_values *ret)
{
    const char **v = arena_new(&c->arena, const char *);
    v[0] = text;
    *ret = (struct policy_values){.v = v, .n = 1};
    return true;
}

/* What is said, or meant: who names no version wants the current one. */
static bool version_stage(struct call *c, struct policy_values *ret)
{
    const struct wire_shape *input = c->operation->wire->input;
    const char *const *v;
    if (wire_pick(&c->arena, input, c->in, "VersionStage", &v))
        return one(c, v[0], ret);
    return streq(c->operation->wire->name, "GetSecretValue") &&
           !wire_pick(&c->arena, input, c->in, "VersionId", &v) &&
           one(c, STAGE_CURRENT, ret);
}

static bool key(struct call *c, const char *arn, const char *name,
                struct policy_values *ret)
{
    if (streq(name, "secretsmanager:versionstage"))
        return version_stage(c, ret);
    if (streq(name, "secretsmanager:secretid"))
        return one(c, arn, ret);
    return streq(name, "secretsmanager:secretprimaryregion") && one(c, c->region, ret);
}

const struct access_service secretsmanager_access = {
    .resources = resources,
    .keys = keys,
    .resolve = resolve,
    .tag = tag,
    .policy = resource_policy,
    .key = key,
};
