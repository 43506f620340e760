/* parameter.h: parameters and their versions in memory. Keys are
 * /ssm/parameter/<account>/<region>/<name> and /ssm/version/<the parameter's id>/<number>:
 * a hundred versions are kept, so each is a record of its own. A SecureString's value is
 * sealed, bound to its version's key.
 *
 * Owns: see object.h; a parameter's list holds its versions, oldest first, at least one.
 * Threads: state thread. Fails: lookups return NULL, `require` after a fault of the call. */
#pragma once

#include "arn.h"
#include "call.h"
#include "gantry_api.h"
#include "object.h"
#include "seal.h"
#include "ssm.h"
#include "ssm_handlers.h"

struct ssm {
    struct table *parameters, *versions;
};

struct parameter {
    struct object o;
    struct gantry_parameter_record *rec;
    struct list versions; /* struct parameter_version.link */
    size_t version_count;
};

struct parameter_version {
    struct object o;
    struct gantry_parameter_version_record *rec;
    struct parameter *parameter;
    struct list link;
};

struct ssm *ssm_of(const struct core *core);

/* ---- parameter.c ---- */

/* The caller's, in the call's region. `name` is a name, or an ARN with it. */
struct parameter *parameter_find(struct call *c, const char *name);
struct parameter *parameter_require(struct call *c, const char *name);
struct parameter *parameter_new(struct call *c, const char *name);
void parameter_delete(struct core *core, struct parameter *p);
/* The next one of the caller's in the order of names; NULL begins. */
struct parameter *parameter_next(struct call *c, const struct parameter *after);
const char *parameter_arn(struct call *c, const char *name);
/* EventBridge's "Parameter Store Change": Create, Update, Delete, LabelParameterVersion. */
void parameter_tell(struct call *c, const struct parameter *p, const char *operation);

struct parameter_version *parameter_latest(const struct parameter *p);
struct parameter_version *parameter_version_find(const struct parameter *p,
                                                 int64_t number);
struct parameter_version *parameter_version_labelled(const struct parameter *p,
                                                     const char *label);
struct parameter_version *parameter_version_new(struct call *c, struct parameter *p);
void parameter_version_delete(struct core *core, struct parameter_version *v);
/* "name:3" or "name:label": the version that is meant. *ret_name is without the selector. */
enum parameter_found { PARAMETER_FOUND, PARAMETER_MISSING, PARAMETER_VERSION_MISSING };
enum parameter_found parameter_select(struct call *c, const char *asked,
                                      struct parameter_version **ret,
                                      const char **ret_selector);
/* The value as the caller may see it: in clear, or sealed. NULL after a fault. */
const char *parameter_value(struct call *c, const struct parameter_version *v,
                            bool decrypt);
void parameter_value_set(struct call *c, struct parameter_version *v, const char *value);

/* ---- public_parameters.c: Amazon's, below /aws/ ---- */

enum parameter_found public_parameter_find(struct call *c, const char *asked,
                                           struct ssm_parameter *ret);
int public_parameters_by_path(struct call *c,
                              const struct ssm_get_parameters_by_path_request *in,
                              struct ssm_get_parameters_by_path_result *out);
bool is_public_path(const char *path);
/* Directly below the path, or anywhere below. */
bool is_below(const char *path, bool recursive, const char *name);

/* ---- parameter_filters.c ---- */

/* Which of the keys a list of filters may have. */
enum filter_use { FILTERS_DESCRIBE, FILTERS_BY_PATH };
int filters_check(struct call *c, const struct ssm_parameter_string_filter_list *f,
                  enum filter_use use);
bool filters_match(const struct parameter *p,
                   const struct ssm_parameter_string_filter_list *f);

/* ---- parameter_tags.c ---- */

int parameter_tags_check(struct call *c, const struct ssm_tag_list *tags);
void parameter_tags_merge(struct arena *a, struct ssm_tag_list *into,
                          const struct ssm_tag_list *from);
const char *parameter_tag(const struct parameter *p, const char *key);

extern const struct wire_fault ssm_validation_fault;
