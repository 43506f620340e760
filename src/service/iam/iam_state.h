/* iam_state.h: IAM's objects in memory. IAM is one for all regions: keys are
 * /iam/server-certificate/<account>/<name>.
 *
 * Owns: see object.h. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "arn.h"
#include "call.h"
#include "certificate_users.h"
#include "gantry_api.h"
#include "iam.h"
#include "iam_api.h"
#include "iam_handlers.h"
#include "object.h"

struct iam {
    struct table *server_certificates;
};

struct server_certificate {
    struct object o;
    struct gantry_server_certificate_record *rec;
    struct certificate_users users;
};

struct iam *iam_of(const struct core *core);
const char *server_certificate_key(struct arena *a, const char *account,
                                   const char *name);
struct server_certificate *server_certificate_find(struct core *core, const char *account,
                                                   const char *name);
