/* ListSecrets and BatchGetSecretValue, and the filters that both have. */
#include <stdlib.h>
#include <strings.h>

#include "page.h"
#include "secret.h"

#define PAGE_SIZE       100
#define BATCH_PAGE_SIZE 20

/* ---- filters: beginnings of texts; '!' before one means all others ---- */

typedef bool matcher(const char *text, const char *want);

static bool begins(const char *text, const char *want)
{
    return text && str_starts(text, want);
}

static bool begins_any_case(const char *text, const char *want)
{
    return text && strncasecmp(text, want, strlen(want)) == 0;
}

static bool contains_any_case(const char *text, const char *want)
{
    return text && strcasestr(text, want);
}

static bool any_tag(const struct secret *s, const char *want, bool keys, bool values,
                    matcher *match)
{
    const struct secretsmanager_tag_list *tags = &s->rec->tags;
    for (size_t i = 0; i < tags->n; i++)
        if ((keys && match(tags->v[i].key, want)) ||
            (values && match(tags->v[i].value, want)))
            return true;
    return false;
}

/* Each of the words is found somewhere. */
static bool all_words(const struct secret *s, const char *want)
{
    AUTO_ARENA a = ARENA_INIT;
    char *rest = NULL;
    for (char *word = strtok_r(arena_strdup(&a, want), " ", &rest); word;
         word = strtok_r(NULL, " ", &rest))
        if (!contains_any_case(s->rec->name, word) &&
            !contains_any_case(s->rec->description, word) &&
            !any_tag(s, word, true, true, contains_any_case))
            return false;
    return true;
}

/* Replicas and secrets of other services are not there: nothing has those two. */
static bool matches(const struct secret *s,
                    enum secretsmanager_filter_name_string_type key, const char *want)
{
    switch (key) {
    case SECRETSMANAGER_FILTER_NAME_STRING_TYPE_NAME:
        return begins(s->rec->name, want);
    case SECRETSMANAGER_FILTER_NAME_STRING_TYPE_DESCRIPTION:
        return begins_any_case(s->rec->description, want);
    case SECRETSMANAGER_FILTER_NAME_STRING_TYPE_TAG_KEY:
        return any_tag(s, want, true, false, begins);
    case SECRETSMANAGER_FILTER_NAME_STRING_TYPE_TAG_VALUE:
        return any_tag(s, want, false, true, begins);
    case SECRETSMANAGER_FILTER_NAME_STRING_TYPE_ALL:
        return all_words(s, want);
    default:
        return false;
    }
}

static bool any_value(const struct secret *s, const struct secretsmanager_filter *f)
{
    for (size_t i = 0; i < f->values.n; i++) {
        const char *want = f->values.v[i];
        bool not = want[0] == '!';
        if (matches(s, f->key, want + not ) != not )
            return true;
    }
    return f->values.n == 0;
}

static bool secret_matches(const struct secret *s,
                           const struct secretsmanager_filter_list *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (!any_value(s, &f->v[i]))
            return false;
    return true;
}

/* ---- order ---- */

struct place {
    int64_t at;
    const char *name;
    struct secret *s;
};

struct order {
    enum secretsmanager_sort_by_type by;
    bool descending;
};

static int64_t sort_time(const struct secret *s, enum secretsmanager_sort_by_type by)
{
    switch (by) {
    case SECRETSMANAGER_SORT_BY_TYPE_NAME:
        return 0;
    case SECRETSMANAGER_SORT_BY_TYPE_LAST_ACCESSED_DATE:
        return s->rec->accessed_at.v;
    case SECRETSMANAGER_SORT_BY_TYPE_LAST_CHANGED_DATE:
        return s->rec->changed_at.v;
    default:
        return s->rec->created_at.v;
    }
}

static int compare(const void *left, const void *right, void *ctx)
{
    const struct place *a = left, *b = right;
    int sign = ((const struct order *)ctx)->descending ? -1 : 1;
    if (a->at != b->at)
        return a->at < b->at ? -sign : sign;
    return sign * strcmp(a->name, b->name);
}

struct places {
    struct place *v;
    size_t n, next; /* next: the first one to tell */
};

static void places_collect(struct call *c, const struct secretsmanager_filter_list *f,
                           bool with_deleted, struct order *order, struct places *ret)
{
    struct table *t = secrets_of(c->core)->secrets;
    const char *prefix = call_printf(c, "/secretsmanager/secret/%s/%s/",
                                     c->who.account_id, c->region),
               *after = prefix;
    struct place_list {
        struct place *v;
        size_t n;
        bool set;
    } all = {0};
    for (struct secret *s; (s = table_next(t, prefix, after)); after = s->o.key) {
        if ((s->rec->deleted_at.set && !with_deleted) || !secret_matches(s, f))
            continue;
        *LIST_PUSH(&c->arena, &all) =
            (struct place){sort_time(s, order->by), s->rec->name, s};
    }
    if (all.n)
        qsort_r(all.v, all.n, sizeof(*all.v), compare, order);
    *ret = (struct places){all.v, all.n, 0};
}

/* The token is the last one told: "<time>/<name>". */
static int places_skip(struct call *c, const char *token, struct order *order,
                       struct places *p)
{
    const char *position, *slash = NULL;
    struct place last;
    if (!token)
        return 0;
    if (page_position(&c->arena, token, &position))
        slash = strchr(position, '/');
    if (!slash ||
        !str_to_i64(arena_strndup(&c->arena, position, (size_t)(slash - position)),
                    INT64_MIN, INT64_MAX, &last.at))
        return call_fault(c, &secretsmanager_invalid_next_token_exception,
                          "The NextToken value is invalid.");
    last.name = slash + 1;
    while (p->next < p->n && compare(&p->v[p->next], &last, order) <= 0)
        p->next++;
    return 0;
}

static const char *places_token(struct call *c, const struct places *p)
{
    const struct place *last = &p->v[p->next - 1];
    return p->next == p->n
               ? NULL
               : page_token(&c->arena,
                            call_printf(c, "%lld/%s", (long long)last->at, last->name));
}

/* ---- ListSecrets ---- */

static void entry_fill(struct arena *a, const struct secret *s,
                       struct secretsmanager_secret_list_entry *e)
{
    const struct gantry_secret_record *rec = s->rec;
    e->arn = rec->arn;
    e->name = rec->name;
    e->description = rec->description;
    e->kms_key_id = rec->kms_key_id;
    e->created_date = rec->created_at;
    e->last_changed_date = rec->changed_at;
    e->last_accessed_date = rec->accessed_at;
    e->deleted_date = rec->deleted_at;
    e->tags = rec->tags;
    version_stages_fill(a, s, &e->secret_versions_to_stages);
}

int secretsmanager_list_secrets(struct call *c,
                                const struct secretsmanager_list_secrets_request *in,
                                struct secretsmanager_list_secrets_response *out)
{
    struct order order = {in->sort_by,
                          in->sort_order != SECRETSMANAGER_SORT_ORDER_TYPE_ASC};
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : PAGE_SIZE;
    struct places p;
    places_collect(c, &in->filters, in->include_planned_deletion.v, &order, &p);
    if (places_skip(c, in->next_token, &order, &p) < 0)
        return -1;
    out->secret_list.set = true;
    while (p.next < p.n && out->secret_list.n < limit)
        entry_fill(&c->arena, p.v[p.next++].s, LIST_PUSH(&c->arena, &out->secret_list));
    if (p.next)
        out->next_token = places_token(c, &p);
    return 0;
}

/* ---- BatchGetSecretValue ---- */

static void batch_error(struct call *c, const char *id, const char *code,
                        const char *message,
                        struct secretsmanager_batch_get_secret_value_response *out)
{
    struct secretsmanager_api_error_type *e = LIST_PUSH(&c->arena, &out->errors);
    e->secret_id = id;
    e->error_code = code;
    e->message = message;
}

/* The batch is one action and each value another. */
static bool may_get(struct call *c, const struct secret *s, const char **ret_text)
{
    const struct access_value stage = {"secretsmanager:VersionStage",
                                       ACCESS_ONE(STAGE_CURRENT)};
    const struct access q = {.action = "secretsmanager:GetSecretValue",
                             .resource = s->rec->arn,
                             .values = &stage,
                             .value_count = 1};
    return access_permits(c->core, &c->arena, &c->who, c, &q, ret_text);
}

/* What would be a fault of GetSecretValue is an entry among the errors here. */
static void batch_one(struct call *c, const char *id, struct secret *s,
                      struct secretsmanager_batch_get_secret_value_response *out)
{
    struct secretsmanager_secret_value_entry e = {0};
    const char *denied = NULL;
    if (s && !may_get(c, s, &denied)) {
        batch_error(c, id, "AccessDeniedException", denied, out);
        return;
    }
    struct secret_version *v =
        s && !s->rec->deleted_at.set ? version_by_stage(s, STAGE_CURRENT) : NULL;
    if (v && version_show(c, v, &e.secret_string, &e.secret_binary) == 0) {
        e.arn = s->rec->arn;
        e.name = s->rec->name;
        e.version_id = v->rec->version_id;
        e.version_stages = v->rec->stages;
        e.created_date = v->rec->created_at;
        *LIST_PUSH(&c->arena, &out->secret_values) = e;
        return;
    }
    if (!s)
        batch_error(c, id, "ResourceNotFoundException",
                    "Secrets Manager can't find the specified secret.", out);
    else if (s->rec->deleted_at.set)
        batch_error(c, id, "InvalidRequestException",
                    "You can't perform this operation on the secret because it was "
                    "marked for deletion.",
                    out);
    else if (!v)
        batch_error(c, id, "ResourceNotFoundException",
                    "Secrets Manager can't find the specified secret value for staging "
                    "label: AWSCURRENT",
                    out);
    else
        batch_error(c, id, "DecryptionFailure", c->fault_text, out);
    c->fault = NULL;
}

static int batch_check(struct call *c,
                       const struct secretsmanager_batch_get_secret_value_request *in)
{
    if ((in->secret_id_list.n > 0) == (in->filters.n > 0))
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "Either 'SecretIdList' or 'Filters' must be provided, but not "
                          "both.");
    if (in->secret_id_list.n && (in->max_results.set || in->next_token))
        return call_fault(
            c, &secretsmanager_invalid_parameter_exception,
            "'Filters' not specified: 'MaxResults' and 'NextToken' can't be "
            "used.");
    return 0;
}

int secretsmanager_batch_get_secret_value(
    struct call *c, const struct secretsmanager_batch_get_secret_value_request *in,
    struct secretsmanager_batch_get_secret_value_response *out)
{
    struct order order = {SECRETSMANAGER_SORT_BY_TYPE_CREATED_DATE, true};
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : BATCH_PAGE_SIZE;
    struct places p = {0};
    if (batch_check(c, in) < 0)
        return -1;
    out->secret_values.set = out->errors.set = true;
    for (size_t i = 0; i < in->secret_id_list.n; i++)
        batch_one(c, in->secret_id_list.v[i], secret_find_id(c, in->secret_id_list.v[i]),
                  out);
    if (in->secret_id_list.n)
        return 0;
    places_collect(c, &in->filters, false, &order, &p);
    if (places_skip(c, in->next_token, &order, &p) < 0)
        return -1;
    for (size_t n = 0; n < limit && p.next < p.n; n++, p.next++)
        batch_one(c, p.v[p.next].s->rec->arn, p.v[p.next].s, out);
    if (p.next)
        out->next_token = places_token(c, &p);
    return 0;
}
