/* What an operation of DynamoDB asks of IAM, see access.h. Rules: "Actions, resources, and
 * condition keys for Amazon DynamoDB" of the Service Authorization Reference. */
#include "access.h"

#include "dynamodb.h"

static const struct access_rule resources[] = {
    {"table", "arn:aws:dynamodb:{region}:{account}:table/{TableName}"},
    {0},
};

const struct access_service dynamodb_access = {
    .resources = resources,
};
