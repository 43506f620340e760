/* What an operation of ECR asks of IAM, see access.h. */
#include "access.h"

#include "ecr.h"

static const struct access_rule resources[] = {
    {"repository", "arn:aws:ecr:{region}:{account}:repository/{repositoryName|"
                   "repositoryNames|resourceArn=*}"},
    {0},
};

const struct access_service ecr_access = {.resources = resources};
