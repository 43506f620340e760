/* acm_state.h: ACM's certificates in memory. Keys are
 * /acm/certificate/<account>/<region>/<uuid>.
 *
 * Owns: see object.h. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "acm.h"
#include "acm_api.h"
#include "acm_handlers.h"
#include "arn.h"
#include "call.h"
#include "certificate_users.h"
#include "gantry_api.h"
#include "object.h"

struct acm {
    struct table *certificates;
    struct acm_watch *watches;
};

struct certificate {
    struct object o;
    struct gantry_certificate_record *rec;
    struct certificate_users users;
};

struct acm *acm_of(const struct core *core);
const char *certificate_key(struct arena *a, const char *account, const char *region,
                            const char *id);
/* NULL: not an ACM certificate's ARN, or none there. */
struct certificate *certificate_by_arn(struct core *core, const char *arn);
/* Of the caller's account and region; faults what is not. */
struct certificate *certificate_require(struct call *c, const char *arn);
/* A certificate's time passes without anybody telling: ISSUED, or EXPIRED. */
enum acm_certificate_status certificate_status(const struct core *core,
                                               const struct certificate *x);
/* Its users, if there are any, are told. */
void certificate_tell_changed(struct core *core, const struct certificate *x);

/* ---- acm_tags.c ---- */

int certificate_tags_check(struct call *c, const struct acm_tag_list *tags);
void certificate_tags_merge(struct arena *a, struct acm_tag_list *into,
                            const struct acm_tag_list *from);
