/* From JSON to struct policy; see policy.h. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "policy_private.h"
#include "str.h"

#define SYNTAX "Syntax errors in policy."

static int syntax(struct error *err)
{
    return fail(err, E_INVALID, SYNTAX);
}

/* A string, or a list of strings: entry `i` of it. */
static size_t list_size(const json_t *v)
{
    return json_is_array(v) ? json_array_size(v) : 1;
}

static const char *list_text(const json_t *v, size_t i)
{
    return json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
}

static char *lower(struct arena *a, const char *text)
{
    char *copy = arena_strdup(a, text);
    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

/* ---- actions, resources ---- */

static int action_compile(struct arena *a, const char *text, struct action_pattern *ret,
                          struct error *err)
{
    const char *colon = strchr(text, ':');
    if (!colon && !streq(text, "*"))
        return fail(err, E_INVALID,
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, "
                    "ec2, etc.");
    const char *service = colon ? arena_strndup(a, text, (size_t)(colon - text)) : "*";
    int r = glob_compile(a, service, GLOB_PATTERN | GLOB_LOWER, &ret->service, err);
    if (r >= 0)
        r = glob_compile(a, colon ? colon + 1 : "*", GLOB_PATTERN | GLOB_LOWER,
                         &ret->name, err);
    return r;
}

static int actions_compile(struct policy *p, struct statement *s, const json_t *v,
                           struct error *err)
{
    s->action_count = list_size(v);
    s->actions = arena_new_array(&p->arena, struct action_pattern, s->action_count);
    for (size_t i = 0; i < s->action_count; i++) {
        const char *text = list_text(v, i);
        if (!text)
            return syntax(err);
        int r = action_compile(&p->arena, text, &s->actions[i], err);
        if (r < 0)
            return r;
    }
    return s->action_count
               ? 0
               : fail(err, E_INVALID, "Policy statement must contain actions.");
}

static bool is_arn_form(const char *text)
{
    int colons = 0;
    for (const char *c = text; *c; c++)
        colons += *c == ':';
    return streq(text, "*") || (str_starts(text, "arn:") && colons >= 5) ||
           (text[0] == '*' && !text[1]) ||
           (str_starts(text, "arn:") && strchr(text, '*'));
}

static int resources_compile(struct policy *p, struct statement *s, const json_t *v,
                             struct error *err)
{
    unsigned kind = GLOB_PATTERN | (p->variables ? GLOB_VARIABLES : 0);
    s->resource_count = list_size(v);
    s->resources = arena_new_array(&p->arena, struct glob, s->resource_count);
    for (size_t i = 0; i < s->resource_count; i++) {
        const char *text = list_text(v, i);
        if (!text)
            return syntax(err);
        if (!is_arn_form(text))
            return fail(err, E_INVALID, "Resource %s must be in ARN format or \"*\".",
                        text);
        int r = glob_compile(&p->arena, text, kind, &s->resources[i], err);
        if (r < 0)
            return r;
    }
    return s->resource_count
               ? 0
               : fail(err, E_INVALID, "Policy statement must contain resources.");
}

/* ---- principals ---- */

static bool is_account(const char *text)
{
    return strlen(text) == 12 && strspn(text, "0123456789") == 12;
}

/* arn:aws:iam::123456789012:root */
static bool is_root_arn(const char *text)
{
    return str_starts(text, "arn:aws:iam::") && str_ends(text, ":root") &&
           strlen(text) == strlen("arn:aws:iam::123456789012:root");
}

static int principal_aws(struct arena *a, const char *text, struct principal_pattern *ret,
                         struct error *err)
{
    ret->form = FORM_AWS;
    ret->text = arena_strdup(a, text);
    if (streq(text, "*")) {
        ret->form = FORM_ANY;
    } else if (is_account(text)) {
        ret->form = FORM_ACCOUNT;
    } else if (is_root_arn(text)) {
        ret->form = FORM_ACCOUNT;
        ret->text = arena_strndup(a, text + strlen("arn:aws:iam::"), 12);
    } else if (strpbrk(text, "*?") || (strchr(text, ':') && !str_starts(text, "arn:"))) {
        return fail(err, E_INVALID, "Invalid principal in policy: \"AWS\":\"%s\"", text);
    }
    return 0;
}

static int principal_add(struct policy *p, struct statement *s, const char *kind,
                         const char *text, struct error *err)
{
    if (!text)
        return syntax(err);
    struct principal_pattern *x = &s->principals[s->principal_count++];
    if (streq(kind, "AWS"))
        return principal_aws(&p->arena, text, x, err);
    x->text = arena_strdup(&p->arena, text);
    if (streq(kind, "Service"))
        x->form = FORM_SERVICE;
    else if (streq(kind, "Federated"))
        x->form = FORM_FEDERATED;
    else if (streq(kind, "CanonicalUser"))
        x->form = FORM_CANONICAL;
    else
        return syntax(err);
    return 0;
}

static int principals_compile(struct policy *p, struct statement *s, json_t *v,
                              struct error *err)
{
    size_t count = 1;
    const char *kind;
    json_t *list;
    json_object_foreach (v, kind, list)
        count += list_size(list);
    s->principals = arena_new_array(&p->arena, struct principal_pattern, count);
    if (json_is_string(v))
        return streq(json_string_value(v), "*") ? principal_add(p, s, "AWS", "*", err)
                                                : syntax(err);
    if (!json_is_object(v))
        return syntax(err);
    json_object_foreach (v, kind, list)
        for (size_t i = 0; i < list_size(list); i++) {
            int r = principal_add(p, s, kind, list_text(list, i), err);
            if (r < 0)
                return r;
        }
    return s->principal_count ? 0 : syntax(err);
}

/* ---- conditions ---- */

/* "ForAnyValue:StringLikeIfExists" */
static int operator_read(struct arena *a, const char *text, struct condition *ret,
                         struct error *err)
{
    char *name = lower(a, text);
    ret->set = SET_NONE;
    if (str_starts(name, "forallvalues:")) {
        ret->set = SET_ALL;
        name += strlen("forallvalues:");
    } else if (str_starts(name, "foranyvalue:")) {
        ret->set = SET_ANY;
        name += strlen("foranyvalue:");
    }
    if (str_ends(name, "ifexists")) {
        ret->if_exists = true;
        name[strlen(name) - strlen("ifexists")] = '\0';
    }
    ret->op = condition_operator_find(name);
    if (!ret->op || (ret->op->kind == OP_NULL && (ret->if_exists || ret->set)))
        return fail(err, E_INVALID, SYNTAX);
    return 0;
}

/* Policies say true and 5 without quotes, too. */
static const char *scalar_text(struct arena *a, const json_t *v)
{
    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_boolean(v))
        return json_is_true(v) ? "true" : "false";
    if (json_is_integer(v))
        return arena_printf(a, "%lld", (long long)json_integer_value(v));
    if (json_is_real(v))
        return arena_printf(a, "%.17g", json_real_value(v));
    return NULL;
}

static unsigned value_kind(const struct policy *p, const struct condition *c)
{
    bool text = c->op->kind == OP_STRING_LIKE || c->op->kind == OP_ARN;
    bool variables = text || c->op->kind == OP_STRING_EQUALS ||
                     c->op->kind == OP_STRING_EQUALS_NO_CASE;
    return (text ? GLOB_PATTERN : 0) | (variables && p->variables ? GLOB_VARIABLES : 0);
}

static int condition_compile(struct policy *p, struct condition *c, const char *key,
                             const json_t *list, struct error *err)
{
    const char *slash = strchr(key, '/');
    char *name = lower(&p->arena, key);
    if (slash)
        memcpy(name + (slash - key), slash, strlen(slash));
    if (!strchr(name, ':'))
        return fail(err, E_INVALID,
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, "
                    "ec2, etc.");
    c->key = name;
    c->key_text = arena_strdup(&p->arena, key);
    c->value_count = list_size(list);
    c->values = arena_new_array(&p->arena, struct glob, c->value_count);
    for (size_t i = 0; i < c->value_count; i++) {
        const char *text =
            scalar_text(&p->arena, json_is_array(list) ? json_array_get(list, i) : list);
        if (!text || !condition_value_valid(c->op->kind, text))
            return syntax(err);
        int r = glob_compile(&p->arena, text, value_kind(p, c), &c->values[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int conditions_compile(struct policy *p, struct statement *s, json_t *v,
                              struct error *err)
{
    size_t count = 0;
    const char *operator, * key;
    json_t *keys, *list;
    if (!json_is_object(v))
        return syntax(err);
    json_object_foreach (v, operator, keys) {
        if (!json_is_object(keys))
            return syntax(err);
        count += json_object_size(keys);
    }
    s->conditions = arena_new_array(&p->arena, struct condition, count);
    json_object_foreach (v, operator, keys)
        json_object_foreach (keys, key, list) {
            struct condition *c = &s->conditions[s->condition_count++];
            int r = operator_read(&p->arena, operator, c, err);
            if (r >= 0)
                r = condition_compile(p, c, key, list, err);
            if (r < 0)
                return r;
        }
    return 0;
}

/* ---- statements ---- */

static int sid_compile(struct policy *p, struct statement *s, const json_t *v,
                       struct error *err)
{
    const char *text = json_string_value(v);
    if (!v)
        return 0;
    if (!text)
        return syntax(err);
    if (p->kind != POLICY_RESOURCE)
        for (const char *c = text; *c; c++)
            if (!isalnum((unsigned char)*c))
                return fail(err, E_INVALID,
                            "Statement IDs (SID) must be alpha-numeric. Check that your "
                            "input satisfies the regular expression [0-9A-Za-z]*");
    for (const struct statement *other = p->statements; *text && other < s; other++)
        if (streq(other->sid, text))
            return fail(err, E_INVALID,
                        "Statement IDs (SID) in a single policy must be unique.");
    s->sid = *text ? arena_strdup(&p->arena, text) : NULL;
    return 0;
}

/* One of the two must be there, or neither when it is not `needed`. */
static json_t *either(json_t *o, const char *name, const char *not_name, bool *ret_not,
                      bool *ret_both)
{
    json_t *v = json_object_get(o, name), *n = json_object_get(o, not_name);
    *ret_not = n != NULL;
    *ret_both = v && n;
    return v ? v : n;
}

static bool members_known(json_t *o)
{
    static const char *const known[] = {"Sid",       "Effect",       "Action",
                                        "NotAction", "Resource",     "NotResource",
                                        "Principal", "NotPrincipal", "Condition"};
    const char *key;
    json_t *v;
    json_object_foreach (o, key, v) {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            found = found || streq(known[i], key);
        if (!found)
            return false;
    }
    return true;
}

static int effect_compile(struct statement *s, const json_t *v, struct error *err)
{
    const char *text = json_string_value(v);
    if (!streq(text, "Allow") && !streq(text, "Deny"))
        return syntax(err);
    s->deny = streq(text, "Deny");
    return 0;
}

static int who_compile(struct policy *p, struct statement *s, json_t *o,
                       struct error *err)
{
    bool both;
    json_t *v = either(o, "Principal", "NotPrincipal", &s->not_principal, &both);
    if (p->kind == POLICY_IDENTITY)
        return v ? fail(err, E_INVALID, "Policy document should not specify a principal.")
                 : 0;
    if (!v)
        return fail(err, E_INVALID, "Missing required field Principal");
    if (both || (s->not_principal && !s->deny))
        return syntax(err);
    return principals_compile(p, s, v, err);
}

static int what_compile(struct policy *p, struct statement *s, json_t *o,
                        struct error *err)
{
    bool both;
    json_t *v = either(o, "Resource", "NotResource", &s->not_resource, &both);
    if (p->kind == POLICY_TRUST)
        return v ? fail(err, E_INVALID, "Has prohibited field Resource") : 0;
    if (!v)
        return fail(err, E_INVALID, "Policy statement must contain resources.");
    return both ? syntax(err) : resources_compile(p, s, v, err);
}

static void text_keep(struct policy *p, struct statement *s, const json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    s->text = arena_strdup(&p->arena, text ? text : "");
    free(text);
}

static int statement_compile(struct policy *p, struct statement *s, json_t *o,
                             struct error *err)
{
    bool both;
    if (!json_is_object(o) || !members_known(o))
        return syntax(err);
    text_keep(p, s, o);
    int r = sid_compile(p, s, json_object_get(o, "Sid"), err);
    if (r >= 0)
        r = effect_compile(s, json_object_get(o, "Effect"), err);
    json_t *actions = either(o, "Action", "NotAction", &s->not_action, &both);
    if (r >= 0 && !actions)
        r = fail(err, E_INVALID, "Policy statement must contain actions.");
    if (r >= 0)
        r = both ? syntax(err) : actions_compile(p, s, actions, err);
    if (r >= 0)
        r = who_compile(p, s, o, err);
    if (r >= 0)
        r = what_compile(p, s, o, err);
    json_t *conditions = json_object_get(o, "Condition");
    if (r >= 0 && conditions)
        r = conditions_compile(p, s, conditions, err);
    return r;
}

static int version_compile(struct policy *p, json_t *root, struct error *err)
{
    json_t *v = json_object_get(root, "Version");
    const char *text = json_string_value(v);
    p->variables = streq(text, "2012-10-17");
    if (v && !p->variables && !streq(text, "2008-10-17"))
        return fail(err, E_INVALID,
                    "Policy document must be version 2012-10-17 or greater.");
    return 0;
}

static int document_compile(struct policy *p, json_t *root, struct error *err)
{
    const char *key;
    json_t *v;
    if (!json_is_object(root))
        return syntax(err);
    json_object_foreach (root, key, v)
        if (!streq(key, "Version") && !streq(key, "Id") && !streq(key, "Statement"))
            return syntax(err);
    int r = version_compile(p, root, err);
    json_t *list = json_object_get(root, "Statement");
    if (r < 0)
        return r;
    if (!json_is_object(list) && (!json_is_array(list) || json_array_size(list) == 0))
        return syntax(err);
    p->statement_count = list_size(list);
    p->statements = arena_new_array(&p->arena, struct statement, p->statement_count);
    for (size_t i = 0; r >= 0 && i < p->statement_count; i++)
        r = statement_compile(p, &p->statements[i],
                              json_is_array(list) ? json_array_get(list, i) : list, err);
    return r;
}

int policy_compile(const char *text, size_t len, enum policy_kind kind,
                   struct policy **ret, struct error *err)
{
    json_error_t why;
    json_t *root = len <= POLICY_MAX_BYTES
                       ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &why)
                       : NULL;
    if (!root)
        return syntax(err);
    struct policy *p = xcalloc(1, sizeof(*p));
    p->kind = kind;
    int r = document_compile(p, root, err);
    json_decref(root);
    if (r < 0) {
        policy_free(p);
        return r;
    }
    positions_find(text, len, p);
    *ret = p;
    return 0;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    arena_free(&policy->arena);
    free(policy);
}

const char *policy_principal_arn(const struct policy *policy, size_t index)
{
    for (size_t i = 0; i < policy->statement_count; i++) {
        const struct statement *s = &policy->statements[i];
        for (size_t k = 0; k < s->principal_count; k++)
            if (s->principals[k].form == FORM_AWS && index-- == 0)
                return s->principals[k].text;
    }
    return NULL;
}

const char *policy_statement_text(const struct policy *policy, size_t index)
{
    return index < policy->statement_count ? policy->statements[index].text : NULL;
}

const char *policy_key_text(const struct policy *policy, const char *key)
{
    for (size_t i = 0; i < policy->statement_count; i++) {
        const struct statement *s = &policy->statements[i];
        for (size_t k = 0; k < s->condition_count; k++)
            if (streq(s->conditions[k].key, key))
                return s->conditions[k].key_text;
    }
    return NULL;
}

size_t policy_size(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += !strchr(" \t\r\n", text[i]);
    return n;
}
