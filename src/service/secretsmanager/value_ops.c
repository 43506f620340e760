/* PutSecretValue, GetSecretValue, ListSecretVersionIds, UpdateSecretVersionStage. */
#include "page.h"
#include "secret.h"

#define STAGES_MAX 20
#define PAGE_SIZE  100

/* ---- PutSecretValue ---- */

static bool list_has(const struct string_list *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i], text))
            return true;
    return false;
}

/* How many stages the secret has in all, with these. */
static int stages_check(struct call *c, const struct secret *s,
                        const struct string_list *more)
{
    size_t n = more->n;
    list_for_each (it, &s->versions) {
        const struct string_list *l =
            &list_entry(it, struct secret_version, link)->rec->stages;
        for (size_t i = 0; i < l->n; i++)
            n += !list_has(more, l->v[i]);
    }
    if (n <= STAGES_MAX)
        return 0;
    return call_fault(c, &secretsmanager_limit_exceeded_exception,
                      "The request failed because a secret can have %d staging labels at "
                      "most.",
                      STAGES_MAX);
}

/* The first version of all is the current one whatever is said. */
static void stages_give(struct call *c, struct secret *s, struct secret_version *v,
                        const struct string_list *stages)
{
    for (size_t i = 0; i < stages->n; i++)
        version_stage_move(c->core, s, stages->v[i], v);
    if (stages->n == 0 || s->version_count == 1)
        version_stage_move(c->core, s, STAGE_CURRENT, v);
}

int secretsmanager_put_secret_value(
    struct call *c, const struct secretsmanager_put_secret_value_request *in,
    struct secretsmanager_put_secret_value_response *out)
{
    struct secret_value value;
    bool made;
    int given = secret_value_given(c, in->secret_string, &in->secret_binary, &value);
    if (given == 0)
        call_fault(c, &secretsmanager_invalid_request_exception,
                   "You must provide either SecretString or SecretBinary.");
    if (in->rotation_token)
        call_fault(c, &secretsmanager_invalid_parameter_exception,
                   "RotationToken is not offered by this gantry.");
    struct secret *s = c->fault ? NULL : secret_require_live(c, in->secret_id);
    if (!s || stages_check(c, s, &in->version_stages) < 0)
        return -1;
    struct secret_version *v = version_put(c, s, in->client_request_token, &value, &made);
    if (!v)
        return -1;
    if (made)
        stages_give(c, s, v, &in->version_stages);
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    out->version_id = v->rec->version_id;
    out->version_stages = v->rec->stages;
    return 0;
}

/* ---- GetSecretValue ---- */

static struct secret_version *
version_wanted(struct call *c, const struct secret *s,
               const struct secretsmanager_get_secret_value_request *in)
{
    const char *stage = in->version_stage ? in->version_stage : STAGE_CURRENT;
    struct secret_version *v =
        in->version_id ? version_by_id(s, in->version_id) : version_by_stage(s, stage);
    if (!v && in->version_id)
        call_fault(c, &secretsmanager_resource_not_found_exception,
                   "Secrets Manager can't find the specified secret value for VersionId: "
                   "%s",
                   in->version_id);
    else if (!v)
        call_fault(c, &secretsmanager_resource_not_found_exception,
                   "Secrets Manager can't find the specified secret value for staging "
                   "label: %s",
                   stage);
    else if (in->version_id && in->version_stage && !version_has_stage(v, stage))
        call_fault(c, &secretsmanager_invalid_request_exception,
                   "You provided a VersionStage that is not associated to the provided "
                   "VersionId.");
    return c->fault ? NULL : v;
}

int secretsmanager_get_secret_value(
    struct call *c, const struct secretsmanager_get_secret_value_request *in,
    struct secretsmanager_get_secret_value_response *out)
{
    struct secret *s = secret_require_live(c, in->secret_id);
    struct secret_version *v = s ? version_wanted(c, s, in) : NULL;
    if (!v || version_show(c, v, &out->secret_string, &out->secret_binary) < 0)
        return -1;
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    out->version_id = v->rec->version_id;
    out->version_stages = v->rec->stages;
    out->created_date = v->rec->created_at;
    return 0;
}

/* ---- ListSecretVersionIds: newest first; the token is the last one told ---- */

static void version_tell(struct arena *a, const struct secret_version *v,
                         struct secretsmanager_list_secret_version_ids_response *out)
{
    struct secretsmanager_secret_versions_list_entry *e = LIST_PUSH(a, &out->versions);
    e->version_id = v->rec->version_id;
    e->version_stages = v->rec->stages;
    e->created_date = v->rec->created_at;
    e->last_accessed_date = v->rec->accessed_at;
    *LIST_PUSH(a, &e->kms_key_ids) = "DefaultEncryptionKey";
}

static int versions_begin(struct call *c, const struct secret *s, const char *token,
                          struct list **ret)
{
    const char *id;
    *ret = s->versions.prev;
    if (!token)
        return 0;
    struct secret_version *last =
        page_position(&c->arena, token, &id) ? version_by_id(s, id) : NULL;
    if (!last)
        return call_fault(c, &secretsmanager_invalid_next_token_exception,
                          "The NextToken value is invalid.");
    *ret = last->link.prev;
    return 0;
}

int secretsmanager_list_secret_version_ids(
    struct call *c, const struct secretsmanager_list_secret_version_ids_request *in,
    struct secretsmanager_list_secret_version_ids_response *out)
{
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : PAGE_SIZE;
    const struct secret *s = secret_require(c, in->secret_id);
    struct list *at;
    if (!s || versions_begin(c, s, in->next_token, &at) < 0)
        return -1;
    const char *last = NULL;
    out->versions.set = true;
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    for (; at != &s->versions; at = at->prev) {
        const struct secret_version *v = list_entry(at, struct secret_version, link);
        if (v->rec->stages.n == 0 && !in->include_deprecated.v)
            continue;
        if (out->versions.n == limit) {
            out->next_token = page_token(&c->arena, last);
            return 0;
        }
        version_tell(&c->arena, v, out);
        last = v->rec->version_id;
    }
    return 0;
}

/* ---- UpdateSecretVersionStage ---- */

static struct secret_version *version_require(struct call *c, const struct secret *s,
                                              const char *id)
{
    struct secret_version *v = version_by_id(s, id);
    if (!v)
        call_fault(c, &secretsmanager_resource_not_found_exception,
                   "Secrets Manager can't find the specified secret version.");
    return v;
}

/* Who takes a label away says from whom, so that two who do it at once notice. */
static int
stage_check(struct call *c, const struct secret *s,
            const struct secretsmanager_update_secret_version_stage_request *in)
{
    const struct secret_version *now = version_by_stage(s, in->version_stage);
    const char *from = in->remove_from_version_id, *to = in->move_to_version_id;
    if (streq(in->version_stage, STAGE_CURRENT) && !to)
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "You can only move staging label AWSCURRENT to a different "
                          "secret version. It can't be completely removed.");
    if (!from && !to)
        return call_fault(
            c, &secretsmanager_invalid_parameter_exception,
            "You must provide RemoveFromVersionId, MoveToVersionId or both.");
    if (from && !version_require(c, s, from))
        return -1;
    if (from && (!now || !streq(now->rec->version_id, from)))
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "Staging label %s is not currently attached to version %s.",
                          in->version_stage, from);
    if (now && !from && !streq(now->rec->version_id, to))
        return call_fault(
            c, &secretsmanager_invalid_parameter_exception,
            "The parameter RemoveFromVersionId can't be empty. Staging label "
            "%s is currently attached to version %s, so you must explicitly "
            "reference that version in RemoveFromVersionId.",
            in->version_stage, now->rec->version_id);
    return 0;
}

int secretsmanager_update_secret_version_stage(
    struct call *c, const struct secretsmanager_update_secret_version_stage_request *in,
    struct secretsmanager_update_secret_version_stage_response *out)
{
    const struct string_list one = {.v = (const char *[]){in->version_stage}, .n = 1};
    struct secret *s = secret_require_live(c, in->secret_id);
    if (!s || stage_check(c, s, in) < 0)
        return -1;
    const char *to = in->move_to_version_id;
    struct secret_version *v = to ? version_require(c, s, to) : NULL;
    if ((to && !v) || (to && stages_check(c, s, &one) < 0))
        return -1;
    version_stage_move(c->core, s, in->version_stage, v);
    out->arn = s->rec->arn;
    out->name = s->rec->name;
    return 0;
}
