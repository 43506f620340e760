/* PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy, ValidateResourcePolicy. */
#include "secret.h"

int secret_policy_compile(struct secret *s, struct error *err)
{
    struct policy *made = NULL;
    const char *text = s->rec->resource_policy;
    if (text && policy_compile(text, strlen(text), POLICY_RESOURCE, &made, err) < 0)
        return wrap(err, "the policy of secret '%s'", s->rec->name);
    policy_free((struct policy *)(uintptr_t)s->policy.policy);
    s->policy = (struct policy_source){.policy = made, .name = s->rec->arn};
    return 0;
}

void secret_policy_free(struct secret *s)
{
    policy_free((struct policy *)(uintptr_t)s->policy.policy);
    s->policy.policy = NULL;
}

/* ---- is it public: may somebody who says nothing of himself do something? ---- */

static bool is_public(const struct policy *policy, const char *arn)
{
    static const struct policy_principal anybody = {.type = PRINCIPAL_ANONYMOUS};
    const struct policy_source source = {.policy = policy, .name = arn};
    for (size_t i = 0; i < SECRETSMANAGER_OP_COUNT; i++) {
        struct policy_decision d;
        const struct policy_request r = {.principal = &anybody,
                                         .action = secretsmanager_operations[i].action,
                                         .resource = arn};
        if (policy_ask(&source, &r, &d) == POLICY_ALLOW)
            return true;
    }
    return false;
}

/* NULL: nothing is wrong. *ret_public tells whether that is what is. */
static const char *what_is_wrong(struct call *c, const char *text, const char *arn,
                                 bool block_public, bool *ret_public)
{
    struct policy *made = NULL;
    struct error err;
    *ret_public = false;
    if (policy_compile(text, strlen(text), POLICY_RESOURCE, &made, &err) < 0)
        return arena_strdup(&c->arena, err.text);
    *ret_public = block_public && is_public(made, arn);
    policy_free(made);
    return *ret_public ? "The resource policy grants broad access to the secret, which "
                         "BlockPublicPolicy forbids."
                       : NULL;
}

/* ---- operations ---- */

int secretsmanager_put_resource_policy(
    struct call *c, const struct secretsmanager_put_resource_policy_request *in,
    struct secretsmanager_put_resource_policy_response *out)
{
    struct secret *s = secret_require_live(c, in->secret_id);
    struct error err;
    bool public;
    if (!s)
        return -1;
    const char *wrong = what_is_wrong(c, in->resource_policy, s->rec->arn,
                                      in->block_public_policy.v, &public);
    if (wrong)
        return call_fault(c,
                          public ? &secretsmanager_public_policy_exception
                                 : &secretsmanager_malformed_policy_document_exception,
                          "%s", wrong);
    s->rec->resource_policy = arena_strdup(&s->o.arena, in->resource_policy);
    if (secret_policy_compile(s, &err) < 0)
        return call_fault(c, &secretsmanager_internal_service_error, "%s", err.text);
    object_save(c->core, &s->o);
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    return 0;
}

int secretsmanager_get_resource_policy(
    struct call *c, const struct secretsmanager_get_resource_policy_request *in,
    struct secretsmanager_get_resource_policy_response *out)
{
    const struct secret *s = secret_require_live(c, in->secret_id);
    if (!s)
        return -1;
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    out->resource_policy = s->rec->resource_policy;
    return 0;
}

int secretsmanager_delete_resource_policy(
    struct call *c, const struct secretsmanager_delete_resource_policy_request *in,
    struct secretsmanager_delete_resource_policy_response *out)
{
    struct secret *s = secret_require_live(c, in->secret_id);
    if (!s)
        return -1;
    s->rec->resource_policy = NULL;
    secret_policy_free(s);
    object_save(c->core, &s->o);
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    return 0;
}

int secretsmanager_validate_resource_policy(
    struct call *c, const struct secretsmanager_validate_resource_policy_request *in,
    struct secretsmanager_validate_resource_policy_response *out)
{
    const struct secret *s = in->secret_id ? secret_require_live(c, in->secret_id) : NULL;
    bool public;
    if (c->fault)
        return -1;
    const char *wrong =
        what_is_wrong(c, in->resource_policy, s ? s->rec->arn : "*", true, &public);
    out->policy_validation_passed = SET_BOOL(!wrong);
    out->validation_errors.set = true;
    if (!wrong)
        return 0;
    struct secretsmanager_validation_errors_entry *e =
        LIST_PUSH(&c->arena, &out->validation_errors);
    e->check_name = public ? "PUBLIC_ACCESS" : "POLICY_SYNTAX";
    e->error_message = wrong;
    return 0;
}
