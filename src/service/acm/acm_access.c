/* What an operation of ACM asks of IAM, see access.h. */
#include "access.h"

#include "acm.h"

static const struct access_rule resources[] = {
    {"certificate", "{CertificateArn}"},
    {0},
};

const struct access_service acm_access = {.resources = resources};
