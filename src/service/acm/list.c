/* ListCertificates. */
#include <stdlib.h>

#include "acm_state.h"
#include "page.h"

#define PAGE_SIZE 1000

struct listing {
    const struct acm_list_certificates_request *in;
    bool by_time, descending;
    /* of the token: what was told last */
    int64_t after_ms;
    const char *after_key;
    const struct certificate **v;
    size_t n;
};

/* ---- what is asked for ---- */

static bool has(const struct enum_list *l, int value)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] == value)
            return true;
    return false;
}

static bool key_usage_fits(const struct acm_certificate_detail *d,
                           const struct enum_list *want)
{
    for (size_t i = 0; i < d->key_usages.n; i++)
        if (has(want, (int)d->key_usages.v[i].name))
            return true;
    return want->n == 0;
}

static bool extended_usage_fits(const struct acm_certificate_detail *d,
                                const struct enum_list *want)
{
    if (d->extended_key_usages.n == 0 && has(want, ACM_EXTENDED_KEY_USAGE_NAME_NONE))
        return true;
    for (size_t i = 0; i < d->extended_key_usages.n; i++)
        if (has(want, (int)d->extended_key_usages.v[i].name))
            return true;
    return want->n == 0;
}

/* Who does not name key types is told of RSA up to 2048 bits only, as ACM does. */
static bool key_type_fits(const struct acm_certificate_detail *d,
                          const struct enum_list *want)
{
    return want->n ? has(want, (int)d->key_algorithm)
                   : d->key_algorithm == ACM_KEY_ALGORITHM_RSA_1024 ||
                         d->key_algorithm == ACM_KEY_ALGORITHM_RSA_2048;
}

static bool fits(const struct call *c, const struct certificate *x,
                 const struct acm_list_certificates_request *in)
{
    static const struct acm_filters all;
    const struct acm_filters *f = in->includes ? in->includes : &all;
    const struct acm_certificate_detail *d = x->rec->detail;
    if (in->certificate_statuses.n &&
        !has(&in->certificate_statuses, (int)certificate_status(c->core, x)))
        return false;
    return key_type_fits(d, &f->key_types) && key_usage_fits(d, &f->key_usage) &&
           extended_usage_fits(d, &f->extended_key_usage) &&
           f->export_option != ACM_CERTIFICATE_EXPORT_ENABLED && !f->managed_by;
}

/* ---- order and pages ---- */

static int64_t time_of(const struct listing *l, const struct certificate *x)
{
    int64_t at = l->by_time ? x->rec->detail->created_at.v : 0;
    return l->descending ? -at : at;
}

static int compare(const void *a, const void *b, void *ctx)
{
    const struct certificate *x = *(const struct certificate *const *)a,
                             *y = *(const struct certificate *const *)b;
    int64_t tx = time_of(ctx, x), ty = time_of(ctx, y);
    return tx != ty ? (tx < ty ? -1 : 1) : strcmp(x->o.key, y->o.key);
}

static bool told_before(const struct listing *l, const struct certificate *x)
{
    int64_t at = time_of(l, x);
    if (!l->after_key)
        return false;
    return at != l->after_ms ? at < l->after_ms : strcmp(x->o.key, l->after_key) <= 0;
}

static int read_token(struct call *c, struct listing *l)
{
    const char *position, *slash;
    if (!l->in->next_token)
        return 0;
    if (!page_position(&c->arena, l->in->next_token, &position) ||
        !(slash = strchr(position, '/')) ||
        !str_to_i64(arena_strndup(&c->arena, position, (size_t)(slash - position)),
                    INT64_MIN, INT64_MAX, &l->after_ms))
        return call_fault(c, &acm_invalid_args_exception, "Invalid NextToken.");
    l->after_key = slash;
    return 0;
}

static void collect(struct call *c, struct listing *l)
{
    struct table *table = acm_of(c->core)->certificates;
    const char *prefix = certificate_key(&c->arena, c->who.account_id, c->region, ""),
               *after = prefix;
    l->v = arena_new_array(&c->arena, const struct certificate *, table_count(table));
    for (const struct certificate *x; (x = table_next(table, prefix, after));
         after = x->o.key)
        if (fits(c, x, l->in) && !told_before(l, x))
            l->v[l->n++] = x;
    qsort_r(l->v, l->n, sizeof(l->v[0]), compare, l);
}

static void summarise(struct call *c, const struct certificate *x,
                      struct acm_certificate_summary *ret)
{
    const struct acm_certificate_detail *d = x->rec->detail;
    *ret = (struct acm_certificate_summary){
        .certificate_arn = d->certificate_arn,
        .domain_name = d->domain_name,
        .subject_alternative_name_summaries = d->subject_alternative_names,
        .has_additional_subject_alternative_names = SET_BOOL(false),
        .status = certificate_status(c->core, x),
        .type = d->type,
        .key_algorithm = d->key_algorithm,
        .key_usages = {.set = true},
        .extended_key_usages = {.set = true},
        .in_use = SET_BOOL(x->users.n > 0),
        .renewal_eligibility = d->renewal_eligibility,
        .not_before = d->not_before,
        .not_after = d->not_after,
        .created_at = d->created_at,
        .imported_at = d->imported_at,
    };
    for (size_t i = 0; i < d->key_usages.n; i++)
        *LIST_PUSH(&c->arena, &ret->key_usages) = (int)d->key_usages.v[i].name;
    for (size_t i = 0; i < d->extended_key_usages.n; i++)
        *LIST_PUSH(&c->arena, &ret->extended_key_usages) =
            (int)d->extended_key_usages.v[i].name;
}

int acm_list_certificates(struct call *c, const struct acm_list_certificates_request *in,
                          struct acm_list_certificates_response *out)
{
    struct listing l = {
        .in = in,
        .by_time = in->sort_by == ACM_SORT_BY_CREATED_AT,
        .descending = in->sort_order == ACM_SORT_ORDER_DESCENDING,
    };
    size_t limit = in->max_items.set ? (size_t)in->max_items.v : PAGE_SIZE;
    if ((in->sort_by != 0) != (in->sort_order != 0))
        return call_fault(c, &acm_validation_exception,
                          "SortBy and SortOrder must be given together.");
    if (read_token(c, &l) < 0)
        return -1;
    collect(c, &l);
    out->certificate_summary_list.set = true;
    for (size_t i = 0; i < l.n && i < limit; i++)
        summarise(c, l.v[i], LIST_PUSH(&c->arena, &out->certificate_summary_list));
    if (l.n > limit)
        out->next_token = page_token(
            &c->arena, call_printf(c, "%lld%s", (long long)time_of(&l, l.v[limit - 1]),
                                   l.v[limit - 1]->o.key));
    return 0;
}
