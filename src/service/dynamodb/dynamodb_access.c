/* What an operation of DynamoDB asks of IAM, see access.h. Rules: "Actions, resources, and
 * condition keys for Amazon DynamoDB" of the Service Authorization Reference. */
#include "access.h"

#include "item_table.h"

static const struct access_rule resources[] = {
    {"table", "arn:aws:dynamodb:{region}:{account}:table/{TableName|ResourceArn}"},
    {0},
};

static const char *tag(struct call *c, const char *arn, const char *key)
{
    const struct item_table *t = item_table_by_arn(c->core, arn);
    return t ? table_tag(t, key) : NULL;
}

static const struct policy_source *policy(struct core *core, const char *arn)
{
    struct item_table *t = item_table_by_arn(core, arn);
    if (!t || !t->policy.policy)
        return NULL;
    t->policy.name = t->rec->table->table_arn;
    return &t->policy;
}

const struct access_service dynamodb_access = {
    .resources = resources,
    .tag = tag,
    .policy = policy,
};
