/* Principals in stored documents: bound to unique ids, and shown as ARNs again. A role that
 * is made anew under an old name has another id, so it inherits no grant. */
#include <jansson.h>
#include <stdlib.h>

#include "iam_state.h"

struct walk {
    struct core *core;
    struct arena *arena;
    struct error *err; /* binding only */
    /* What stands for `text` from now on; NULL: it may not stand there. */
    const char *(*change)(struct walk *, const char *text);
};

static bool is_account(const char *text)
{
    return strlen(text) == 12 && strspn(text, "0123456789") == 12;
}

/* ---- binding ---- */

/* arn:aws:sts::<account>:assumed-role/<role>/<session>, federated-user/<name> */
static bool session_can_be(struct walk *w, const struct arn *arn)
{
    char *role = arena_strdup(w->arena, arn->resource), *slash;
    if (str_starts(role, "federated-user/"))
        return true;
    if (!str_starts(role, "assumed-role/"))
        return false;
    role += strlen("assumed-role/");
    slash = strchr(role, '/');
    if (!slash || !slash[1])
        return false;
    *slash = '\0';
    return iam_role_find(w->core, arn->account, role);
}

static const char *bind_arn(struct walk *w, const char *text)
{
    struct arn arn;
    if (!arn_parse(w->arena, text, &arn) || *arn.region || !is_account(arn.account))
        return NULL;
    if (streq(arn.service, "sts"))
        return session_can_be(w, &arn) ? text : NULL;
    if (!streq(arn.service, "iam"))
        return NULL;
    if (streq(arn.resource, "root"))
        return text;
    const struct iam_entity *e = iam_entity_by_arn(w->core, text);
    return e && e->kind != IAM_GROUP ? e->id : NULL;
}

static const char *bind_one(struct walk *w, const char *text)
{
    const char *bound;
    if (streq(text, "*"))
        return text;
    if (is_account(text))
        return arena_printf(w->arena, "arn:aws:iam::%s:root", text);
    if (arn_looks_like(text)) {
        bound = bind_arn(w, text);
    } else {
        const struct iam_entity *e = iam_entity_by_id(w->core, text);
        bound = e && e->kind != IAM_GROUP ? text : NULL;
    }
    if (!bound)
        fail(w->err, E_INVALID, "Invalid principal in policy: \"AWS\":\"%s\"", text);
    return bound;
}

static const char *show_one(struct walk *w, const char *text)
{
    const struct iam_entity *e = iam_entity_by_id(w->core, text);
    return e ? e->arn : text;
}

/* ---- the walk ---- */

/* A new value for a text, NULL when it may not be. */
static json_t *changed(struct walk *w, json_t *v)
{
    const char *text = json_is_string(v) ? w->change(w, json_string_value(v)) : NULL;
    return text ? json_string(text) : NULL;
}

static bool change_aws(struct walk *w, json_t *principal)
{
    json_t *aws = json_object_get(principal, "AWS");
    if (!aws)
        return true;
    if (!json_is_array(aws)) {
        json_t *v = changed(w, aws);
        return v && json_object_set_new(principal, "AWS", v) == 0;
    }
    for (size_t i = 0; i < json_array_size(aws); i++) {
        json_t *v = changed(w, json_array_get(aws, i));
        if (!v || json_array_set_new(aws, i, v) < 0)
            return false;
    }
    return true;
}

static bool change_statement(struct walk *w, json_t *statement)
{
    json_t *p = json_object_get(statement, "Principal"),
           *n = json_object_get(statement, "NotPrincipal");
    return (!json_is_object(p) || change_aws(w, p)) &&
           (!json_is_object(n) || change_aws(w, n));
}

static bool change_all(struct walk *w, json_t *root)
{
    json_t *statements = json_object_get(root, "Statement");
    if (!json_is_array(statements))
        return change_statement(w, statements);
    for (size_t i = 0; i < json_array_size(statements); i++)
        if (!change_statement(w, json_array_get(statements, i)))
            return false;
    return true;
}

/* NULL: refused, or no JSON. */
static const char *rewritten(struct walk *w, const char *document)
{
    json_t *root = json_loads(document, JSON_REJECT_DUPLICATES, NULL);
    char *text = NULL;
    if (root && change_all(w, root))
        text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    const char *ret = arena_strdup(w->arena, text);
    free(text);
    return ret;
}

int iam_principals_bind(struct core *core, struct arena *a, const char *document,
                        const char **ret, struct error *err)
{
    struct walk w = {core, a, err, bind_one};
    fail(err, E_INVALID, "Syntax errors in policy.");
    const char *text = rewritten(&w, document);
    if (!text)
        return -E_INVALID;
    *ret = text;
    return 0;
}

const char *iam_principals_show(struct core *core, struct arena *a, const char *bound)
{
    struct walk w = {core, a, NULL, show_one};
    const char *text = rewritten(&w, bound);
    return text ? text : bound;
}
