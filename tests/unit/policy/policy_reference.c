#include "policy_reference.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "str.h"

#define TOKENS_MAX 1024

/* A string or a list of strings: how many, and which. */
static size_t count_of(const json_t *v)
{
    return json_is_array(v) ? json_array_size(v) : 1;
}

static const char *text_at(const json_t *v, size_t i)
{
    return json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
}

/* ---- context ---- */

bool reference_is_multi(const char *key)
{
    return streq(key, "aws:tagkeys");
}

/* NULL: the request has no such key. */
static const json_t *values_of(const json_t *context, const char *name, size_t n)
{
    char key[128] = "";
    bool tag = false;
    for (size_t i = 0; i < n && i < sizeof(key) - 1; i++) {
        key[i] = tag ? name[i] : (char)tolower((unsigned char)name[i]);
        tag = tag || name[i] == '/';
    }
    const json_t *v = json_object_get(context, key);
    return json_array_size(v) ? v : NULL;
}

/* ---- patterns: a list of letters and wildcards ---- */

enum token_kind { TOKEN_LETTER, TOKEN_ONE, TOKEN_MANY };

struct token {
    enum token_kind kind;
    char letter;
};

struct pattern {
    struct token t[TOKENS_MAX];
    size_t n;
};

static void token_add(struct pattern *p, enum token_kind kind, char letter)
{
    if (p->n == TOKENS_MAX)
        abort();
    p->t[p->n++] = (struct token){kind, letter};
}

static void letters_add(struct pattern *p, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        token_add(p, TOKEN_LETTER, text[i]);
}

/* What is between "${" and '}'. False: it has no value. */
static bool variable_add(struct pattern *p, const char *body, size_t n,
                         const json_t *context)
{
    if (n == 1 && strchr("*?$", body[0])) {
        letters_add(p, body, 1);
        return true;
    }
    const char *comma = memchr(body, ',', n);
    size_t key = comma ? (size_t)(comma - body) : n;
    const json_t *v = values_of(context, body, key);
    bool multi =
        key == strlen("aws:tagkeys") && strncasecmp(body, "aws:tagkeys", key) == 0;
    if (v && json_array_size(v) == 1 && !multi) {
        letters_add(p, text_at(v, 0), strlen(text_at(v, 0)));
        return true;
    }
    if (!comma)
        return false;
    const char *from = strchr(comma, '\'') + 1;
    letters_add(p, from, strcspn(from, "'"));
    return true;
}

static bool pattern_read(struct pattern *p, const char *text, bool wildcards,
                         bool variables, const json_t *context)
{
    p->n = 0;
    while (*text) {
        if (variables && str_starts(text, "${")) {
            size_t n = strcspn(text + 2, "}");
            if (!variable_add(p, text + 2, n, context))
                return false;
            text += 2 + n + 1;
            continue;
        }
        token_add(p,
                  wildcards && *text == '*'   ? TOKEN_MANY
                  : wildcards && *text == '?' ? TOKEN_ONE
                                              : TOKEN_LETTER,
                  *text);
        text++;
    }
    return true;
}

static bool matches(const struct token *t, size_t n, const char *text, size_t len)
{
    if (n == 0)
        return len == 0;
    if (t->kind == TOKEN_MANY)
        return matches(t + 1, n - 1, text, len) ||
               (len && matches(t, n, text + 1, len - 1));
    return len && (t->kind == TOKEN_ONE || t->letter == *text) &&
           matches(t + 1, n - 1, text + 1, len - 1);
}

static bool pattern_matches(const struct pattern *p, const char *text)
{
    return matches(p->t, p->n, text, strlen(text));
}

static bool is_all(const struct pattern *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->t[i].kind != TOKEN_MANY)
            return false;
    return p->n;
}

/* Six parts, each for itself; a star alone is any text. */
static bool arn_matches(const struct pattern *p, const char *text)
{
    size_t from = 0;
    if (is_all(p))
        return true;
    for (int part = 0; part < 6; part++) {
        size_t to = from, len = part < 5 ? strcspn(text, ":") : strlen(text);
        while (to < p->n &&
               (part == 5 || p->t[to].kind != TOKEN_LETTER || p->t[to].letter != ':'))
            to++;
        if (!matches(p->t + from, to - from, text, len))
            return false;
        if (part < 5 && (to == p->n || !text[len]))
            return false;
        from = to + 1;
        text += len + 1;
    }
    return true;
}

/* ---- one value against one ---- */

static bool compares(const char *how, int order)
{
    if (streq(how, "Equals") || streq(how, "NotEquals"))
        return order == 0;
    if (streq(how, "LessThan"))
        return order < 0;
    if (streq(how, "LessThanEquals"))
        return order <= 0;
    return streq(how, "GreaterThan") ? order > 0 : order >= 0;
}

/* What the tests use as dates, and when that is. */
static const struct {
    const char *text;
    double when;
} dates[] = {
    {"2026-01-02T03:04:05Z", 1767323045},
    {"2026-01-02T03:04:06Z", 1767323046},
    {"2026-01-02T04:04:05+01:00", 1767323045},
    {"2026-01-02", 1767312000},
    {"1767323045", 1767323045},
    {"1970-01-01T00:00:00Z", 0},
};

static bool number_of(const char *text, bool date, double *ret)
{
    char *end;
    for (size_t i = 0; date && i < sizeof(dates) / sizeof(dates[0]); i++)
        if (streq(dates[i].text, text)) {
            *ret = dates[i].when;
            return true;
        }
    *ret = strtod(text, &end);
    return !date && *text && !*end;
}

static bool in_network(const char *network, const char *address)
{
    char text[64];
    unsigned char net[16], one[16];
    size_t n = strcspn(network, "/");
    memcpy(text, network, n);
    text[n] = '\0';
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    long bits =
        network[n] ? strtol(network + n + 1, NULL, 10) : (family == AF_INET ? 32 : 128);
    if (inet_pton(family, text, net) != 1 || inet_pton(family, address, one) != 1)
        return false;
    for (long i = 0; i < bits; i++)
        if ((net[i / 8] >> (7 - i % 8) & 1) != (one[i / 8] >> (7 - i % 8) & 1))
            return false;
    return true;
}

/* ---- a condition ---- */

struct condition {
    char name[64]; /* "NumericLessThan": without set form and IfExists */
    bool negated, all, any, if_exists, variables;
    const json_t *wanted, *context;
};

static bool value_equals(const struct condition *c, const char *want, const char *have)
{
    static struct pattern p;
    bool like = str_ends(c->name, "Like"), arn = str_starts(c->name, "Arn");
    if (streq(c->name, "Bool"))
        return strcasecmp(want, have) == 0;
    if (streq(c->name, "BinaryEquals"))
        return streq(want, have);
    if (str_ends(c->name, "IpAddress"))
        return in_network(want, have);
    if (!pattern_read(&p, want, like || arn, c->variables, c->context))
        return false;
    if (arn)
        return arn_matches(&p, have);
    if (!str_ends(c->name, "IgnoreCase"))
        return pattern_matches(&p, have);
    bool same = p.n == strlen(have);
    for (size_t i = 0; same && i < p.n; i++)
        same = tolower((unsigned char)p.t[i].letter) == tolower((unsigned char)have[i]);
    return same;
}

/* What is no number or date fulfils no condition about numbers or dates, not even that it
 * is another one. */
static bool order_holds(const struct condition *c, const char *have)
{
    bool date = str_starts(c->name, "Date"), found = false;
    double a, b;
    if (!number_of(have, date, &a))
        return false;
    for (size_t i = 0; i < count_of(c->wanted); i++)
        found = found || (number_of(text_at(c->wanted, i), date, &b) &&
                          compares(c->name + (date ? 4 : 7), (a > b) - (a < b)));
    return found != c->negated;
}

static bool value_holds(const struct condition *c, const char *have)
{
    bool found = false;
    if (str_starts(c->name, "Numeric") || str_starts(c->name, "Date"))
        return order_holds(c, have);
    for (size_t i = 0; i < count_of(c->wanted); i++)
        found = found || value_equals(c, text_at(c->wanted, i), have);
    return found != c->negated;
}

static void operator_read(const char *text, struct condition *c)
{
    c->all = str_starts(text, "ForAllValues:");
    c->any = str_starts(text, "ForAnyValue:");
    c->if_exists = str_ends(text, "IfExists");
    const char *colon = strchr(text, ':'), *name = colon ? colon + 1 : text;
    size_t n = strlen(name) - (c->if_exists ? strlen("IfExists") : 0);
    memcpy(c->name, name, n);
    c->name[n] = '\0';
    c->negated = strstr(c->name, "Not") != NULL;
}

static bool null_holds(const struct condition *c, bool there)
{
    for (size_t i = 0; i < count_of(c->wanted); i++)
        if (streq(text_at(c->wanted, i), there ? "false" : "true"))
            return true;
    return false;
}

static bool condition_holds(const struct condition *c, const char *key)
{
    const json_t *have = values_of(c->context, key, strlen(key));
    size_t good = 0, n = have ? json_array_size(have) : 0;
    if (streq(c->name, "Null"))
        return null_holds(c, have);
    if (!c->all && !c->any) {
        if (!have)
            return c->if_exists || c->negated;
        if (n > 1 || strcasecmp(key, "aws:tagkeys") == 0)
            return false;
    }
    for (size_t i = 0; i < n; i++)
        good += value_holds(c, text_at(have, i));
    return c->any ? good > 0 : good == n;
}

static bool conditions_hold(const json_t *conditions, bool variables,
                            const json_t *context)
{
    const char *operator, * key;
    json_t *keys, *wanted;
    json_object_foreach ((json_t *)(uintptr_t)conditions, operator, keys)
        json_object_foreach (keys, key, wanted) {
            struct condition c = {
                .wanted = wanted, .context = context, .variables = variables};
            operator_read(operator, & c);
            if (!condition_holds(&c, key))
                return false;
        }
    return true;
}

/* ---- a statement ---- */

static bool action_matches(const json_t *s, const char *action)
{
    static struct pattern p;
    char low[128];
    const json_t *list = json_object_get(s, "Action"),
                 *not_list = json_object_get(s, "NotAction");
    const json_t *v = list ? list : not_list;
    size_t n = strlen(action);
    for (size_t i = 0; i <= n; i++)
        low[i] = (char)tolower((unsigned char)action[i]);
    for (size_t i = 0; i < count_of(v); i++) {
        pattern_read(&p, text_at(v, i), true, false, NULL);
        for (size_t k = 0; k < p.n; k++)
            p.t[k].letter = (char)tolower((unsigned char)p.t[k].letter);
        if (pattern_matches(&p, low))
            return list != NULL;
    }
    return !list;
}

static bool resource_matches(const json_t *s, const struct reference_request *r,
                             bool variables)
{
    static struct pattern p;
    const json_t *list = json_object_get(s, "Resource"),
                 *not_list = json_object_get(s, "NotResource");
    const json_t *v = list ? list : not_list;
    for (size_t i = 0; i < count_of(v); i++)
        if (pattern_read(&p, text_at(v, i), true, variables, r->context) &&
            pattern_matches(&p, r->resource))
            return list != NULL;
    return !list;
}

/* How a resource's policy names somebody. */
enum naming { NAMED_NOT, NAMED_BY_ACCOUNT, NAMED_BY_ROLE, NAMED_ITSELF };

static enum naming naming_aws(const char *text, const struct policy_principal *p)
{
    char root[64] = "";
    if (p->account)
        snprintf(root, sizeof(root), "arn:aws:iam::%s:root", p->account);
    if (streq(text, "*"))
        return NAMED_ITSELF;
    if (p->account && (streq(text, p->account) || streq(text, root)))
        return NAMED_BY_ACCOUNT;
    if ((p->arn && streq(text, p->arn)) || (p->id && streq(text, p->id)))
        return NAMED_ITSELF;
    if ((p->role_arn && streq(text, p->role_arn)) ||
        (p->role_id && streq(text, p->role_id)))
        return NAMED_BY_ROLE;
    return NAMED_NOT;
}

static enum naming naming_of(const char *kind, const char *text,
                             const struct policy_principal *p)
{
    if (streq(kind, "AWS"))
        return naming_aws(text, p);
    if (streq(kind, "Service") && p->type == PRINCIPAL_SERVICE)
        return streq(text, p->service) ? NAMED_ITSELF : NAMED_NOT;
    if (streq(kind, "Federated") && p->type == PRINCIPAL_WEB_IDENTITY)
        return streq(text, p->provider) ? NAMED_ITSELF : NAMED_NOT;
    return NAMED_NOT;
}

static enum naming naming(const json_t *s, const struct policy_principal *p)
{
    const json_t *not_list = json_object_get(s, "NotPrincipal");
    const json_t *who = not_list ? not_list : json_object_get(s, "Principal");
    enum naming best = json_is_string(who) ? NAMED_ITSELF : NAMED_NOT;
    const char *kind;
    json_t *list;
    json_object_foreach ((json_t *)(uintptr_t)who, kind, list)
        for (size_t i = 0; i < count_of(list); i++) {
            enum naming n = naming_of(kind, text_at(list, i), p);
            best = n > best ? n : best;
        }
    if (not_list)
        return best == NAMED_NOT ? NAMED_ITSELF : NAMED_NOT;
    return best;
}

static const json_t *statement_at(const json_t *document, size_t i)
{
    const json_t *list = json_object_get(document, "Statement");
    return json_is_array(list) ? json_array_get(list, i) : list;
}

static enum naming statement_says(const struct reference_request *r,
                                  const json_t *document, size_t i, enum policy_kind kind)
{
    const json_t *s = statement_at(document, i);
    bool variables =
        streq(json_string_value(json_object_get(document, "Version")), "2012-10-17");
    if (!action_matches(s, r->action) ||
        (kind != POLICY_TRUST && !resource_matches(s, r, variables)) ||
        !conditions_hold(json_object_get(s, "Condition"), variables, r->context))
        return NAMED_NOT;
    return kind == POLICY_IDENTITY ? NAMED_ITSELF : naming(s, r->principal);
}

bool reference_statement(const struct reference_request *r, const json_t *document,
                         size_t index, enum policy_kind kind)
{
    return statement_says(r, document, index, kind) != NAMED_NOT;
}

/* ---- documents ---- */

static enum naming document_says(const struct reference_request *r,
                                 const json_t *document, enum policy_kind kind,
                                 const char *effect)
{
    enum naming best = NAMED_NOT;
    for (size_t i = 0; i < count_of(json_object_get(document, "Statement")); i++) {
        const json_t *s = statement_at(document, i);
        if (!streq(json_string_value(json_object_get(s, "Effect")), effect))
            continue;
        enum naming n = statement_says(r, document, i, kind);
        best = n > best ? n : best;
    }
    return best;
}

static bool any_says(const struct reference_request *r, const json_t *documents,
                     const char *effect)
{
    for (size_t i = 0; i < json_array_size(documents); i++)
        if (document_says(r, json_array_get(documents, i), POLICY_IDENTITY, effect))
            return true;
    return false;
}

/* ---- the decision ---- */

static bool is_allowed(const struct reference_request *r, const struct reference_set *set)
{
    const struct policy_principal *p = r->principal;
    bool root = p->type == PRINCIPAL_ROOT;
    bool identity = any_says(r, set->identity, "Allow");
    bool bounds =
        (!set->boundary || document_says(r, set->boundary, POLICY_IDENTITY, "Allow")) &&
        (!json_array_size(set->session) || any_says(r, set->session, "Allow"));
    enum naming named =
        set->resource
            ? document_says(r, set->resource,
                            set->resource_is_trust ? POLICY_TRUST : POLICY_RESOURCE,
                            "Allow")
            : NAMED_NOT;
    if (p->type == PRINCIPAL_ANONYMOUS || p->type == PRINCIPAL_SERVICE ||
        p->type == PRINCIPAL_WEB_IDENTITY)
        return named;
    if (r->owner && !streq(r->owner, p->account))
        return named && (root || identity) && bounds;
    if (named == NAMED_ITSELF)
        return true;
    if (named == NAMED_BY_ROLE)
        return bounds;
    if (r->must_be_trusted && named == NAMED_NOT)
        return false;
    return root || (identity && bounds);
}

enum policy_verdict reference_decide(const struct reference_request *r,
                                     const struct reference_set *set)
{
    if (any_says(r, set->identity, "Deny") || any_says(r, set->session, "Deny") ||
        (set->boundary && document_says(r, set->boundary, POLICY_IDENTITY, "Deny")) ||
        (set->resource &&
         document_says(r, set->resource,
                       set->resource_is_trust ? POLICY_TRUST : POLICY_RESOURCE, "Deny")))
        return POLICY_EXPLICIT_DENY;
    return is_allowed(r, set) ? POLICY_ALLOW : POLICY_IMPLICIT_DENY;
}
