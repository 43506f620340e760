/* What is asked of IAM about IAM. Requests give names; policies know ARNs, which have paths:
 * so every ARN is looked up, and those of new things are made of the request's path. */
#include <strings.h>

#include "iam_entity.h"
#include "iam_linked.h"
#include "iam_policy.h"
#include "iam_profile.h"

static const struct access_rule resources[] = {
    {"user", "arn:aws:iam::{account}:user/{UserName|PolicySourceArn}"},
    {"group", "arn:aws:iam::{account}:group/{GroupName|PolicySourceArn}"},
    {"role", "arn:aws:iam::{account}:role/{RoleName|PolicySourceArn|AWSServiceName|"
             "DeletionTaskId}"},
    {"policy", "arn:aws:iam::{account}:policy/{PolicyArn|PolicyName}"},
    {"instance-profile", "arn:aws:iam::{account}:instance-profile/{InstanceProfileName}"},
    {"oidc-provider", "arn:aws:iam::{account}:oidc-provider/"
                      "{OpenIDConnectProviderArn|Url}"},
    {"server-certificate",
     "arn:aws:iam::{account}:server-certificate/{ServerCertificateName}"},
    {0},
};

static const struct access_rule keys[] = {
    {"iam:PolicyARN", "{PolicyArn}"},
    {"iam:AWSServiceName", "{AWSServiceName}"},
    {0},
};

/* NULL: the request does not have it. */
static const char *given(struct call *c, const char *member)
{
    const char *const *v;
    return wire_pick(&c->arena, c->operation->wire->input, c->in, member, &v) ? v[0]
                                                                              : NULL;
}

/* ---- ARNs as they are ---- */

/* Of something that the operation makes: with the path that it is given. */
static const char *of_new(struct call *c, const char *type, const char *name)
{
    const char *path = given(c, "Path");
    return call_printf(c, "arn:aws:iam::%s:%s%s%s", c->who.account_id, type,
                       path ? path : "/", name);
}

static const char *of_provider(struct call *c, const char *arn)
{
    const char *url = given(c, "Url");
    if (!url)
        return arn;
    static const char scheme[] = "https://";
    url += str_starts(url, scheme) ? sizeof(scheme) - 1 : 0;
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    return call_printf(c, "arn:aws:iam::%s:oidc-provider/%.*s", c->who.account_id, (int)n,
                       url);
}

/* Of service-linked roles: the service's name or a deletion's id is what there is. */
static const char *of_linked(struct call *c, const char *arn)
{
    const char *service = given(c, "AWSServiceName"), *task = given(c, "DeletionTaskId");
    if (service)
        return call_printf(c, "arn:aws:iam::%s:role/aws-service-role/%s/%s",
                           c->who.account_id, service,
                           iam_linked_role_name(c, service, given(c, "CustomSuffix")));
    const char *end = task ? strrchr(task, '/') : NULL;
    if (!end || !str_starts(task, "task/"))
        return arn;
    return call_printf(c, "arn:aws:iam::%s:role/%.*s", c->who.account_id,
                       (int)(end - task - 5), task + 5);
}

/* NULL: there is no such thing. */
static const char *of_named(struct call *c, const char *type, const char *name)
{
    const char *account = c->who.account_id;
    for (int k = 0; k < IAM_KINDS; k++)
        if (streq(type, iam_kind_word((enum iam_kind)k))) {
            const struct iam_entity *e =
                iam_entity_find(c->core, (enum iam_kind)k, account, name);
            return e ? e->arn : NULL;
        }
    if (streq(type, "instance-profile")) {
        const struct iam_profile *p = iam_profile_named(c->core, account, name);
        return p ? p->arn : NULL;
    }
    if (streq(type, "server-certificate")) {
        const struct server_certificate *x =
            server_certificate_find(c->core, account, name);
        return x ? x->rec->metadata->arn : NULL;
    }
    return NULL;
}

static bool makes(const struct call *c)
{
    const char *name = c->operation->wire->name;
    return str_starts(name, "Create") || str_starts(name, "Upload");
}

static const char *resolve(struct call *c, const char *type, const char *arn)
{
    if (streq(type, "oidc-provider"))
        return of_provider(c, arn);
    if (given(c, "AWSServiceName") || given(c, "DeletionTaskId"))
        return of_linked(c, arn);
    if (given(c, "PolicyArn") && streq(type, "policy"))
        return arn;
    if (given(c, "PolicySourceArn"))
        return arn;
    const char *name = strrchr(arn, '/') + 1;
    if (makes(c) && !streq(c->operation->wire->name, "CreateAccessKey"))
        return of_new(c, type, name);
    const char *found = of_named(c, type, name);
    return found ? found : arn;
}

/* ---- tags and conditions ---- */

static const char *tag_among(const struct iam_tag_list *tags, const char *key)
{
    for (size_t i = 0; tags && i < tags->n; i++)
        if (strcasecmp(tags->v[i].key, key) == 0)
            return tags->v[i].value;
    return NULL;
}

static const struct iam_tag_list *tags_of(struct call *c, const char *arn)
{
    const char *name = strrchr(arn, '/'), *account = c->who.account_id;
    const struct iam_entity *e = iam_entity_by_arn(c->core, arn);
    const struct iam_managed_policy *p =
        e ? NULL : iam_policy_find(c->core, account, arn);
    const struct iam_provider *o =
        e || p ? NULL : iam_provider_find(c->core, account, arn);
    if (e || p || o || !name)
        return e ? &e->rec->tags : p ? &p->rec->policy->tags : o ? &o->rec->tags : NULL;
    const struct iam_profile *i = iam_profile_named(c->core, account, name + 1);
    if (i && streq(i->arn, arn))
        return &i->rec->tags;
    const struct server_certificate *x =
        server_certificate_find(c->core, account, name + 1);
    return x && streq(x->rec->metadata->arn, arn) ? &x->rec->tags : NULL;
}

static const char *tag(struct call *c, const char *arn, const char *key)
{
    return tag_among(tags_of(c, arn), key);
}

/* iam:PermissionsBoundary: the one that the request sets, or that is there. */
static bool key(struct call *c, const char *arn, const char *name,
                struct policy_values *ret)
{
    if (!streq(name, "iam:permissionsboundary"))
        return false;
    const char *boundary = given(c, "PermissionsBoundary");
    if (!boundary) {
        const struct iam_entity *e = iam_entity_by_arn(c->core, arn);
        boundary = e ? iam_boundary_arn(e) : NULL;
    }
    if (!boundary)
        return false;
    const char **v = arena_new(&c->arena, const char *);
    v[0] = boundary;
    *ret = (struct policy_values){.v = v, .n = 1};
    return true;
}

/* ---- questions of their own ---- */

static int ask_about(struct call *c, const char *arn)
{
    const struct access q = {.action = c->operation->action, .resource = arn};
    return access_check(c, &q);
}

static bool is_about_users(const struct call *c)
{
    const char *const *types = c->operation->resources;
    return types && types[0] && streq(types[0], "user") && !types[1];
}

/* Who adds a role to a profile hands it to EC2. */
static int ask_pass(struct call *c)
{
    const struct access_value to = {"iam:PassedToService",
                                    ACCESS_ONE("ec2.amazonaws.com")};
    const struct access q = {
        .action = "iam:PassRole",
        .resource = resolve(c, "role",
                            call_printf(c, "arn:aws:iam::%s:role/%s", c->who.account_id,
                                        given(c, "RoleName"))),
        .values = &to,
        .value_count = 1,
    };
    const char *profile =
        resolve(c, "instance-profile",
                call_printf(c, "arn:aws:iam::%s:instance-profile/%s", c->who.account_id,
                            given(c, "InstanceProfileName")));
    return ask_about(c, profile) < 0 ? -1 : access_check(c, &q);
}

static int ask_key_user(struct call *c)
{
    const struct iam_key *k = iam_access_key_find(c->core, given(c, "AccessKeyId"));
    return ask_about(c, k && k->user ? k->user->e.arn : "*");
}

/* Without a name it is the caller's own user. */
static int ask(struct call *c, const void *in)
{
    const char *operation = c->operation->wire->name;
    if (streq(operation, "AddRoleToInstanceProfile"))
        return ask_pass(c);
    if (streq(operation, "GetAccessKeyLastUsed"))
        return ask_key_user(c);
    if (!is_about_users(c) || given(c, "UserName"))
        return 1;
    const struct iam_entity *self =
        c->who.user_id ? iam_entity_by_id(c->core, c->who.user_id) : NULL;
    return ask_about(c, self && self->kind == IAM_USER ? self->arn : "*");
}

const struct access_service iam_access = {
    .resources = resources,
    .keys = keys,
    .resolve = resolve,
    .tag = tag,
    .key = key,
    .ask = ask,
};
