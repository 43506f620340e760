/* PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy. */
#include "item_table.h"

#define POLICY_MAX 20480 /* bytes, as the service has it */

int table_policy_compile(struct item_table *t, struct error *err)
{
    struct policy *made = NULL;
    const char *text = t->rec->policy;
    if (text && policy_compile(text, strlen(text), POLICY_RESOURCE, &made, err) < 0)
        return wrap(err, "the policy of table '%s'", t->rec->table->table_name);
    table_policy_free(t);
    t->policy.policy = made; /* its name is set when it is asked for */
    return 0;
}

void table_policy_free(struct item_table *t)
{
    policy_free((struct policy *)(uintptr_t)t->policy.policy);
    t->policy.policy = NULL;
}

static struct item_table *require(struct call *c, const char *arn)
{
    struct item_table *t = item_table_find(c, arn);
    if (!t)
        call_fault(c, &dynamodb_resource_not_found_exception,
                   "Requested resource not found: ResourcArn: %s not found", arn);
    return t;
}

static int no_policy(struct call *c, const char *arn)
{
    return call_fault(c, &dynamodb_policy_not_found_exception,
                      "Resource-based policy not found for the provided ResourceArn: %s",
                      arn);
}

/* `expected` is a revision, or "NO_POLICY" where there must be none. */
static int check_revision(struct call *c, const struct item_table *t,
                          const char *expected)
{
    const char *now = t->rec->policy ? t->rec->policy_revision : "NO_POLICY";
    if (!expected || streq(expected, now))
        return 0;
    return call_fault(c, &dynamodb_policy_not_found_exception,
                      "Resource-based policy not found for the provided ResourceArn: the "
                      "revision is not %s",
                      expected);
}

int table_policy_check(struct call *c, const char *text)
{
    struct policy *made = NULL;
    struct error err;
    if (strlen(text) > POLICY_MAX)
        return refuse(c, "Resource-based policy is longer than %d bytes", POLICY_MAX);
    if (policy_compile(text, strlen(text), POLICY_RESOURCE, &made, &err) < 0)
        return refuse(c, "Invalid policy document: %s", err.text);
    policy_free(made);
    return 0;
}

void table_policy_set(struct call *c, struct item_table *t, const char *text)
{
    struct error err;
    char revision[14];
    core_random_digits(c->core, revision, 13);
    t->rec->policy = arena_strdup(&t->o.arena, text);
    t->rec->policy_revision = arena_strdup(&t->o.arena, revision);
    (void)table_policy_compile(t, &err); /* table_policy_check() did it before */
}

int dynamodb_put_resource_policy(struct call *c,
                                 const struct dynamodb_put_resource_policy_input *in,
                                 struct dynamodb_put_resource_policy_output *out)
{
    struct item_table *t = require(c, in->resource_arn);
    if (!t || check_revision(c, t, in->expected_revision_id) < 0 ||
        table_policy_check(c, in->policy) < 0)
        return -1;
    table_policy_set(c, t, in->policy);
    object_save(c->core, &t->o);
    out->revision_id = t->rec->policy_revision;
    return 0;
}

int dynamodb_get_resource_policy(struct call *c,
                                 const struct dynamodb_get_resource_policy_input *in,
                                 struct dynamodb_get_resource_policy_output *out)
{
    const struct item_table *t = require(c, in->resource_arn);
    if (!t)
        return -1;
    if (!t->rec->policy)
        return no_policy(c, in->resource_arn);
    out->policy = t->rec->policy;
    out->revision_id = t->rec->policy_revision;
    return 0;
}

int dynamodb_delete_resource_policy(
    struct call *c, const struct dynamodb_delete_resource_policy_input *in,
    struct dynamodb_delete_resource_policy_output *out)
{
    struct item_table *t = require(c, in->resource_arn);
    if (!t)
        return -1;
    if (!t->rec->policy)
        return in->expected_revision_id ? no_policy(c, in->resource_arn) : 0;
    if (check_revision(c, t, in->expected_revision_id) < 0)
        return -1;
    out->revision_id = arena_strdup(&c->arena, t->rec->policy_revision);
    t->rec->policy = t->rec->policy_revision = NULL;
    object_save(c->core, &t->o);
    table_policy_free(t);
    return 0;
}
