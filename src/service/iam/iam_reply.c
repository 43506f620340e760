#include "iam_reply.h"

#include <strings.h>

#include "iam_entity.h"
#include "iam_policy.h"
#include "page.h"

const struct wire_fault iam_validation_fault = {.code = "ValidationError",
                                                .status = 400,
                                                .sender = true};

/* ---- things that must be there ---- */

struct iam_user_entity *iam_user_require(struct call *c, const char *name)
{
    struct iam_user_entity *u = iam_user_find(c->core, c->who.account_id, name);
    if (!u)
        call_fault(c, &iam_no_such_entity_exception,
                   "The user with name %s cannot be found.", name);
    return u;
}

struct iam_group_entity *iam_group_require(struct call *c, const char *name)
{
    struct iam_group_entity *g = iam_group_find(c->core, c->who.account_id, name);
    if (!g)
        call_fault(c, &iam_no_such_entity_exception,
                   "The group with name %s cannot be found.", name);
    return g;
}

struct iam_role_entity *iam_role_require(struct call *c, const char *name)
{
    struct iam_role_entity *r = iam_role_find(c->core, c->who.account_id, name);
    if (!r)
        call_fault(c, &iam_no_such_entity_exception,
                   "The role with name %s cannot be found.", name);
    return r;
}

struct iam_role_entity *iam_role_change(struct call *c, const char *name)
{
    struct iam_role_entity *r = iam_role_require(c, name);
    if (!r || !r->e.rec->linked_service)
        return r;
    call_fault(c, &iam_unmodifiable_entity_exception,
               "Cannot perform the operation on the protected role '%s' - this role is "
               "only modifiable by AWS",
               r->e.rec->name);
    return NULL;
}

int iam_caller_user(struct call *c, struct iam_user_entity **ret)
{
    struct iam_user_entity *u =
        c->who.user_id ? iam_user_of(iam_entity_by_id(c->core, c->who.user_id)) : NULL;
    if (!u && !streq(c->who.user_id, c->who.account_id))
        return call_fault(c, &iam_validation_fault,
                          "Must specify userName when calling with non-User credentials");
    *ret = u;
    return 0;
}

struct iam_user_entity *iam_user_or_caller(struct call *c, const char *name)
{
    struct iam_user_entity *u;
    if (name)
        return iam_user_require(c, name);
    if (iam_caller_user(c, &u) < 0)
        return NULL;
    if (!u)
        call_fault(c, &iam_validation_fault,
                   "Must specify userName when calling with non-User credentials");
    return u;
}

struct iam_managed_policy *iam_policy_require(struct call *c, const char *arn)
{
    struct iam_managed_policy *p = iam_policy_find(c->core, c->who.account_id, arn);
    if (!p && !arn_looks_like(arn))
        call_fault(c, &iam_validation_fault, "ARN %s is not valid.", arn);
    else if (!p)
        call_fault(c, &iam_no_such_entity_exception, "Policy %s was not found.", arn);
    return p;
}

struct iam_entity *iam_user_entity_require(struct call *c, const char *name)
{
    struct iam_user_entity *u = iam_user_require(c, name);
    return u ? &u->e : NULL;
}

struct iam_entity *iam_group_entity_require(struct call *c, const char *name)
{
    struct iam_group_entity *g = iam_group_require(c, name);
    return g ? &g->e : NULL;
}

struct iam_entity *iam_role_entity_require(struct call *c, const char *name)
{
    struct iam_role_entity *r = iam_role_require(c, name);
    return r ? &r->e : NULL;
}

struct iam_entity *iam_role_entity_change(struct call *c, const char *name)
{
    struct iam_role_entity *r = iam_role_change(c, name);
    return r ? &r->e : NULL;
}

int iam_boundary_given(struct call *c, const char *arn, struct iam_managed_policy **ret)
{
    *ret = NULL;
    if (!arn)
        return 0;
    *ret = iam_policy_find(c->core, c->who.account_id, arn);
    if (*ret)
        return 0;
    return call_fault(c, &iam_no_such_entity_exception,
                      "Scope ARN: %s does not exist or is not attachable.", arn);
}

int iam_entity_deletable(struct call *c, const struct iam_entity *e)
{
    if (e->attached_count)
        return call_fault(c, &iam_delete_conflict_exception,
                          "Cannot delete entity, must detach all policies first.");
    if (e->inline_count)
        return call_fault(c, &iam_delete_conflict_exception,
                          "Cannot delete entity, must delete policies first.");
    return 0;
}

int iam_path_check(struct call *c, const char *path)
{
    size_t n = path ? strlen(path) : 0;
    return !path || (path[0] == '/' && path[n - 1] == '/')
               ? 0
               : call_fault(c, &iam_validation_fault,
                            "The specified value for path is invalid. It must begin and "
                            "end with / and contain only alphanumeric characters and/or "
                            "/ characters.");
}

/* ---- documents ---- */

int iam_document_compile(struct call *c, const char *document, enum policy_kind kind,
                         struct policy **ret)
{
    struct error err;
    if (policy_compile(document, strlen(document), kind, ret, &err) < 0)
        return call_fault(c, &iam_malformed_policy_document_exception, "%s", err.text);
    return 0;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

const char *iam_document_encode(struct arena *a, const char *document)
{
    static const char digits[] = "0123456789ABCDEF";
    if (!document)
        return NULL;
    char *ret = arena_alloc(a, 3 * strlen(document) + 1), *to = ret;
    for (const char *p = document; *p; p++) {
        if (is_unreserved(*p)) {
            *to++ = *p;
            continue;
        }
        *to++ = '%';
        *to++ = digits[(unsigned char)*p >> 4];
        *to++ = digits[(unsigned char)*p & 15];
    }
    *to = '\0';
    return ret;
}

/* ---- tags ---- */

int iam_tags_check(struct call *c, const struct iam_tag_list *given)
{
    for (size_t i = 0; i < given->n; i++) {
        if (strncasecmp(given->v[i].key, "aws:", 4) == 0)
            return call_fault(c, &iam_invalid_input_exception,
                              "Tag keys can't begin with 'aws:': it is reserved.");
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(given->v[i].key, given->v[k].key) == 0)
                return call_fault(c, &iam_invalid_input_exception,
                                  "Duplicate tag keys found. Please note that Tag keys "
                                  "are case insensitive.");
    }
    return 0;
}

static struct iam_tag *tag_find(const struct iam_tag_list *tags, const char *key)
{
    for (size_t i = 0; i < tags->n; i++)
        if (strcasecmp(tags->v[i].key, key) == 0)
            return &tags->v[i];
    return NULL;
}

void iam_tags_set(struct arena *a, struct iam_tag_list *tags,
                  const struct iam_tag_list *given)
{
    for (size_t i = 0; i < given->n; i++) {
        struct iam_tag *t = tag_find(tags, given->v[i].key);
        if (!t)
            t = LIST_PUSH(a, tags);
        t->key = arena_strdup(a, given->v[i].key);
        t->value = arena_strdup(a, given->v[i].value);
    }
}

int iam_tags_add(struct call *c, struct object *o, struct iam_tag_list *tags,
                 const struct iam_tag_list *given)
{
    if (iam_tags_check(c, given) < 0)
        return -1;
    size_t n = tags->n;
    for (size_t i = 0; i < given->n; i++)
        n += !tag_find(tags, given->v[i].key);
    if (n > IAM_TAGS_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "The number of tags has reached the maximum limit.");
    iam_tags_set(&o->arena, tags, given);
    object_save(c->core, o);
    return 0;
}

int iam_tags_remove(struct call *c, struct object *o, struct iam_tag_list *tags,
                    const struct string_list *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        struct iam_tag *t = tag_find(tags, keys->v[i]);
        if (t) {
            size_t behind = (size_t)(&tags->v[tags->n] - (t + 1));
            memmove(t, t + 1, behind * sizeof(*t));
            tags->n--;
        }
    }
    object_save(c->core, o);
    return 0;
}

/* ---- pages ---- */

static int bad_marker(struct call *c)
{
    return call_fault(c, &iam_validation_fault, "Invalid Marker.");
}

int iam_page(struct call *c, const char *marker, struct opt_int max_items, size_t total,
             struct iam_page *ret)
{
    const char *position;
    int64_t from = 0;
    if (marker && (!page_position(&c->arena, marker, &position) ||
                   !str_to_i64(position, 0, INT32_MAX, &from)))
        return bad_marker(c);
    size_t limit = max_items.set ? (size_t)max_items.v : IAM_PAGE_SIZE;
    *ret = (struct iam_page){.from = (size_t)from < total ? (size_t)from : total};
    ret->end = total - ret->from < limit ? total : ret->from + limit;
    ret->is_truncated = SET_BOOL(ret->end < total);
    if (ret->end < total)
        ret->marker = page_token(&c->arena, call_printf(c, "%zu", ret->end));
    return 0;
}

int iam_listing_begin(struct iam_listing *l, struct call *c, const struct table *table,
                      const char *prefix, const char *marker, struct opt_int max_items)
{
    const char *position;
    *l = (struct iam_listing){.call = c, .table = table, .prefix = prefix};
    l->after = prefix;
    l->limit = max_items.set ? (size_t)max_items.v : IAM_PAGE_SIZE;
    l->is_truncated = SET_BOOL(false);
    if (!marker)
        return 0;
    if (!page_position(&c->arena, marker, &position) || strchr(position, '/'))
        return bad_marker(c);
    l->after = call_printf(c, "%s%s", prefix, position);
    return 0;
}

void *iam_listing_next(struct iam_listing *l)
{
    if (l->is_truncated.v)
        return NULL;
    const struct object *o = table_next(l->table, l->prefix, l->after);
    if (o)
        l->after = o->key;
    return (void *)(uintptr_t)o;
}

bool iam_listing_take(struct iam_listing *l)
{
    if (l->n < l->limit) {
        l->n++;
        l->last = l->after;
        return true;
    }
    l->is_truncated = SET_BOOL(true);
    l->marker = page_token(&l->call->arena, l->last + strlen(l->prefix));
    return false;
}
