/* What an operation of STS asks of IAM; see access.h. */
#include <string.h>

#include "call.h"
#include "iam.h"
#include "sts.h"

static const struct access_rule resources[] = {
    {"federated-user", "arn:aws:sts::{account}:federated-user/{Name}"},
    {0},
};

static const struct access_rule keys[] = {
    {"sts:DurationSeconds", "{DurationSeconds}"},
    {"sts:ExternalId", "{ExternalId}"},
    {"sts:RoleSessionName", "{RoleSessionName}"},
    {"sts:SourceIdentity", "{SourceIdentity}"},
    {"sts:TransitiveTagKeys", "{TransitiveTagKeys}"},
    {0},
};

static int ask_role(struct call *c, const char *action, const char *role_arn)
{
    struct iam_role_view role;
    bool found = iam_role_view(c->core, role_arn, &role);
    const struct access q = {.action = action,
                             .resource = role_arn,
                             .resource_policy = found ? role.trust : NULL,
                             .must_be_trusted = true};
    return access_check(c, &q);
}

/* The role's trust policy is asked, too; for tags and a source identity once more. */
static int ask_assume(struct call *c, const struct sts_assume_role_request *in)
{
    int r = ask_role(c, "sts:AssumeRole", in->role_arn);
    if (r == 0 && in->tags.n)
        r = ask_role(c, "sts:TagSession", in->role_arn);
    if (r == 0 && in->source_identity)
        r = ask_role(c, "sts:SetSourceIdentity", in->role_arn);
    return r;
}

static int ask(struct call *c, const void *in)
{
    const char *name = c->operation->wire->name;
    if (streq(name, "GetCallerIdentity") || streq(name, "GetSessionToken"))
        return 0; /* to everybody, whatever policies say */
    if (streq(name, "AssumeRoleWithWebIdentity"))
        return 0; /* asked when the token has told who it is: web_identity.c */
    if (streq(name, "AssumeRole"))
        return ask_assume(c, in);
    return 1;
}

const struct access_service sts_access = {
    .resources = resources,
    .keys = keys,
    .ask = ask,
};
