/* Random documents and requests: the compiled policies decide as the slow reading of
 * policy_reference.c does, and the statement that is named is one that says so. Texts come
 * from small pools, so that they meet often. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "policy_reference.h"
#include "str.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SEEDS    20
#define ROUNDS   1000

struct dice {
    uint64_t state;
};

static uint32_t below(struct dice *d, size_t n)
{
    uint64_t z = (d->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static bool one_in(struct dice *d, size_t n)
{
    return below(d, n) == 0;
}

#define PICK(d, pool) ((pool)[below(d, COUNT(pool))])

/* ---- texts ---- */

static const char *const actions[] = {"s3:GetObject", "s3:PutObject",   "s3:ListBucket",
                                      "ecs:RunTask",  "sts:AssumeRole", "s3x:GetObject"};

static const char *const resources[] = {"arn:aws:s3:::b",
                                        "arn:aws:s3:::b/x",
                                        "arn:aws:s3:::b/ann/x",
                                        "arn:aws:s3:::b/ann*/x",
                                        "arn:aws:s3:::B/x",
                                        "arn:aws:ecs:us-east-1:111122223333:task/c/1",
                                        "*"};

static const char *const variables[] = {"${aws:username}",
                                        "${aws:UserName}",
                                        "${aws:PrincipalTag/Team}",
                                        "${aws:absent}",
                                        "${aws:absent, 'ann'}",
                                        "${aws:TagKeys, 'x'}",
                                        "${*}",
                                        "${aws:username, 'no'}",
                                        "${aws:principaltag/team, 'ann'}",
                                        "${?}",
                                        "${$}"};

static void flip_case(char *c)
{
    if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
        *c ^= 0x20;
}

/* A text, or what a person makes of it: a span becomes '*', a letter '?' or a variable. The
 * first `fixed` bytes stay. */
static void pattern_add(struct dice *d, struct str *out, const char *text, size_t fixed)
{
    size_t n = strlen(text);
    size_t at = n > fixed ? fixed + below(d, n - fixed + 1) : n;
    size_t end = at + below(d, n - at + 1);
    char letter = at < n ? text[at] : 'x';
    switch (below(d, 7)) {
    case 0:
        str_addf(out, "%.*s*%s", (int)at, text, text + end);
        break;
    case 1:
        str_addf(out, "%.*s?%s", (int)at, text, at < n ? text + at + 1 : "");
        break;
    case 2:
        str_addf(out, "%.*s%s%s", (int)at, text, PICK(d, variables), text + end);
        break;
    case 3:
        flip_case(&letter);
        str_addf(out, "%.*s%c%s", (int)at, text, letter, at < n ? text + at + 1 : "");
        break;
    case 4:
        str_addf(out, "%.*s*%.*s*", (int)at, text, (int)(end - at) / 2, text + at);
        break;
    default:
        str_add(out, text);
    }
}

static json_t *text_new(const struct str *s)
{
    return json_string(str_text(s));
}

/* One text or a list of some. */
static json_t *some(struct dice *d, json_t *(*one)(struct dice *))
{
    if (one_in(d, 2))
        return one(d);
    json_t *list = json_array();
    for (size_t n = 1 + below(d, 3); n; n--)
        json_array_append_new(list, one(d));
    return list;
}

static json_t *action_new(struct dice *d)
{
    AUTO_STR s = STR_INIT;
    const char *text = PICK(d, actions);
    if (one_in(d, 4))
        return json_string("*");
    size_t fixed = one_in(d, 4) ? 0 : (size_t)(strchr(text, ':') - text) + 1;
    pattern_add(d, &s, text, fixed);
    return strchr(str_text(&s), ':') ? text_new(&s) : json_string("s3:*");
}

static json_t *resource_new(struct dice *d)
{
    AUTO_STR s = STR_INIT;
    const char *text = PICK(d, resources);
    if (one_in(d, 3) || streq(text, "*"))
        return json_string("*");
    if (one_in(d, 4)) {
        str_addf(&s, "arn:aws:s3:::b/%s", PICK(d, variables));
        return text_new(&s);
    }
    pattern_add(d, &s, text, one_in(d, 3) ? strlen("arn:") : strlen("arn:aws:s3:::"));
    int colons = 0;
    for (const char *c = str_text(&s); *c; c++)
        colons += *c == ':';
    return colons >= 5 ? text_new(&s) : json_string("arn:*");
}

/* ---- principals ---- */

#define ACCOUNT "111122223333"
#define OTHER   "999999999999"
#define USER    "arn:aws:iam::" ACCOUNT ":user/ann"
#define SESSION "arn:aws:sts::" ACCOUNT ":assumed-role/web/one"
#define ROLE    "arn:aws:iam::" ACCOUNT ":role/web"
#define ROOT    "arn:aws:iam::" ACCOUNT ":root"
#define OIDC    "arn:aws:iam::" ACCOUNT ":oidc-provider/id.example"

static const struct policy_principal principals[] = {
    {.type = PRINCIPAL_ANONYMOUS},
    {.type = PRINCIPAL_ROOT, .account = ACCOUNT, .arn = ROOT},
    {.type = PRINCIPAL_USER, .account = ACCOUNT, .arn = USER, .id = "AIDAANN"},
    {.type = PRINCIPAL_USER, .account = ACCOUNT, .arn = USER, .id = "AIDAANN"},
    {.type = PRINCIPAL_ROLE_SESSION,
     .account = ACCOUNT,
     .arn = SESSION,
     .role_arn = ROLE,
     .role_id = "AROAWEB"},
    {.type = PRINCIPAL_ROLE_SESSION,
     .account = ACCOUNT,
     .arn = SESSION,
     .role_arn = ROLE,
     .role_id = "AROAWEB"},
    {.type = PRINCIPAL_FEDERATED_USER,
     .account = ACCOUNT,
     .arn = "arn:aws:sts::" ACCOUNT ":federated-user/ann"},
    {.type = PRINCIPAL_WEB_IDENTITY, .provider = OIDC},
    {.type = PRINCIPAL_SERVICE, .service = "ecs-tasks.amazonaws.com"},
};

static json_t *aws_new(struct dice *d)
{
    static const char *const names[] = {"*",       ACCOUNT,   ROOT,    OTHER,
                                        USER,      ROLE,      SESSION, "AIDAANN",
                                        "AROAWEB", "AIDABOB", USER "a"};
    return json_string(PICK(d, names));
}

static json_t *service_new(struct dice *d)
{
    return json_string(one_in(d, 3) ? "ec2.amazonaws.com" : "ecs-tasks.amazonaws.com");
}

static json_t *federated_new(struct dice *d)
{
    return json_string(one_in(d, 3) ? OIDC "/x" : OIDC);
}

static json_t *principal_new(struct dice *d)
{
    json_t *o = json_object();
    if (one_in(d, 6)) {
        json_decref(o);
        return json_string("*");
    }
    if (!one_in(d, 4))
        json_object_set_new(o, "AWS", some(d, aws_new));
    if (one_in(d, 4))
        json_object_set_new(o, "Service", some(d, service_new));
    if (one_in(d, 6))
        json_object_set_new(o, "CanonicalUser", json_string("79a5"));
    if (one_in(d, 4) || json_object_size(o) == 0)
        json_object_set_new(o, "Federated", some(d, federated_new));
    return o;
}

/* ---- conditions: families of operators, their keys and values ---- */

static const char *const strings[] = {"ann", "ann*", "Ann", "annabel",
                                      "",    "x",    "a?n", "Blue"};
static const char *const numbers[] = {"10", "1e1",   "9.5", "-3",
                                      "0",  "10.25", "+10", "-0"};
static const char *const moments[] = {
    "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", "2026-01-02T04:04:05+01:00",
    "2026-01-02",           "1767323045",           "1970-01-01T00:00:00Z"};
static const char *const flags[] = {"true", "false", "TRUE", "False"};
static const char *const blobs[] = {"QmluYXJ5", "QmluYXJ6", "qmluYXJ5"};
static const char *const networks[] = {
    "203.0.113.9", "203.0.113.0/24",  "10.0.0.0/8",    "203.0.113.8/29", "0.0.0.0/0",
    "::/0",        "2001:db8::1/127", "2001:db8::/32", "203.0.113.0/31"};
static const char *const addresses[] = {"203.0.113.9", "203.0.113.1", "10.1.2.3",
                                        "2001:db8::1", "2001:db9::2"};
static const char *const arns[] = {"arn:aws:sns:us-east-1:111122223333:a:b",
                                   "arn:aws:sns:us-east-1:111122223333:ann",
                                   "arn:aws:sqs:::q", "arn:aws:s3:::b/ann/x", "ann"};

enum family { STRING, NUMBER, DATE, BOOLEAN, BINARY, NETWORK, ARN, FAMILIES };

#define POOL(a) a, COUNT(a)
static const struct {
    const char *const *wanted;
    size_t wanted_count;
    const char *const *had;
    size_t had_count;
    const char *keys[3]; /* in the policy; the request has them in lower case */
} families[FAMILIES] = {
    [STRING] = {POOL(strings),
                POOL(strings),
                {"aws:username", "aws:PrincipalTag/Team", "AWS:tagkeys"}},
    [NUMBER] = {POOL(numbers), POOL(numbers), {"s3:max-keys", "S3:Max-Keys", "s3:count"}},
    [DATE] = {POOL(moments),
              POOL(moments),
              {"aws:CurrentTime", "aws:EpochTime", "aws:currenttime"}},
    [BOOLEAN] = {POOL(flags),
                 POOL(flags),
                 {"aws:SecureTransport", "aws:ViaAWSService", "aws:securetransport"}},
    [BINARY] = {POOL(blobs), POOL(blobs), {"x:blob", "x:Blob", "x:other"}},
    [NETWORK] = {POOL(networks),
                 POOL(addresses),
                 {"aws:SourceIp", "aws:VpcSourceIp", "aws:sourceip"}},
    [ARN] = {POOL(arns),
             POOL(arns),
             {"aws:SourceArn", "aws:PrincipalArn", "aws:sourcearn"}},
};

static const struct {
    const char *name;
    enum family family;
    bool pattern, variables;
} operators[] = {
    {"StringEquals", STRING, false, true},
    {"StringNotEquals", STRING, false, true},
    {"StringEqualsIgnoreCase", STRING, false, true},
    {"StringNotEqualsIgnoreCase", STRING, false, true},
    {"StringLike", STRING, true, true},
    {"StringNotLike", STRING, true, true},
    {"NumericEquals", NUMBER, false, false},
    {"NumericNotEquals", NUMBER, false, false},
    {"NumericLessThan", NUMBER, false, false},
    {"NumericLessThanEquals", NUMBER, false, false},
    {"NumericGreaterThan", NUMBER, false, false},
    {"NumericGreaterThanEquals", NUMBER, false, false},
    {"DateEquals", DATE, false, false},
    {"DateNotEquals", DATE, false, false},
    {"DateLessThan", DATE, false, false},
    {"DateLessThanEquals", DATE, false, false},
    {"DateGreaterThan", DATE, false, false},
    {"DateGreaterThanEquals", DATE, false, false},
    {"Bool", BOOLEAN, false, false},
    {"BinaryEquals", BINARY, false, false},
    {"IpAddress", NETWORK, false, false},
    {"NotIpAddress", NETWORK, false, false},
    {"ArnEquals", ARN, true, true},
    {"ArnLike", ARN, true, true},
    {"ArnNotEquals", ARN, true, true},
    {"ArnNotLike", ARN, true, true},
};

static json_t *wanted_new(struct dice *d, size_t op)
{
    enum family f = operators[op].family;
    json_t *list = json_array();
    for (size_t n = 1 + below(d, 3); n; n--) {
        AUTO_STR s = STR_INIT;
        const char *text = families[f].wanted[below(d, families[f].wanted_count)];
        if (operators[op].pattern || (operators[op].variables && one_in(d, 3)))
            pattern_add(d, &s, text, 0);
        else
            str_add(&s, text);
        json_array_append_new(list, text_new(&s));
    }
    return list;
}

static void condition_add(struct dice *d, json_t *conditions)
{
    AUTO_STR name = STR_INIT;
    size_t op = below(d, COUNT(operators));
    const char *key = PICK(d, families[operators[op].family].keys);
    json_t *o = json_object();
    if (one_in(d, 10)) {
        json_object_set_new(o, key, json_string(one_in(d, 2) ? "true" : "false"));
        json_object_set_new(conditions, "Null", o);
        return;
    }
    /* Where several values are, set operators are what is of interest. */
    if (one_in(d, 4) || (strcasecmp(key, "aws:tagkeys") == 0 && !one_in(d, 3)))
        str_add(&name, one_in(d, 2) ? "ForAllValues:" : "ForAnyValue:");
    str_add(&name, operators[op].name);
    if (one_in(d, 4))
        str_add(&name, "IfExists");
    json_object_set_new(o, key, wanted_new(d, op));
    json_object_set_new(conditions, str_text(&name), o);
}

/* ---- documents ---- */

static json_t *statement_new(struct dice *d, enum policy_kind kind)
{
    json_t *s = json_object();
    bool deny = one_in(d, 6);
    json_object_set_new(s, "Effect", json_string(deny ? "Deny" : "Allow"));
    json_object_set_new(s, one_in(d, 6) ? "NotAction" : "Action", some(d, action_new));
    if (kind != POLICY_TRUST)
        json_object_set_new(s, one_in(d, 6) ? "NotResource" : "Resource",
                            some(d, resource_new));
    if (kind != POLICY_IDENTITY)
        json_object_set_new(s, deny && one_in(d, 3) ? "NotPrincipal" : "Principal",
                            principal_new(d));
    json_t *conditions = json_object();
    for (size_t n = one_in(d, 2) ? 0 : 1 + below(d, 2); n; n--)
        condition_add(d, conditions);
    if (json_object_size(conditions))
        json_object_set(s, "Condition", conditions);
    json_decref(conditions);
    return s;
}

static json_t *document_new(struct dice *d, enum policy_kind kind)
{
    json_t *doc = json_object(), *list = json_array();
    if (!one_in(d, 10))
        json_object_set_new(doc, "Version",
                            json_string(one_in(d, 6) ? "2008-10-17" : "2012-10-17"));
    for (size_t n = 1 + below(d, 3); n; n--)
        json_array_append_new(list, statement_new(d, kind));
    json_object_set_new(doc, "Statement", list);
    return doc;
}

/* ---- a request ---- */

static void lower_key(const char *key, char ret[64])
{
    bool tag = false;
    size_t i = 0;
    for (; key[i]; i++) {
        ret[i] = key[i] >= 'A' && key[i] <= 'Z' && !tag ? (char)(key[i] | 0x20) : key[i];
        tag = tag || key[i] == '/';
    }
    ret[i] = '\0';
}

static json_t *context_new(struct dice *d)
{
    json_t *o = json_object();
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t k = 0; k < COUNT(families[f].keys); k++) {
            char key[64];
            json_t *list = json_array();
            lower_key(families[f].keys[k], key);
            size_t n = reference_is_multi(key) || one_in(d, 6) ? below(d, 4) : 1;
            for (; n && !one_in(d, 3); n--)
                json_array_append_new(
                    list,
                    json_string(one_in(d, 20)
                                    ? "soon"
                                    : families[f].had[below(d, families[f].had_count)]));
            if (json_array_size(list) || one_in(d, 2))
                json_object_set(o, key, list);
            json_decref(list);
        }
    return o;
}

struct request_context {
    struct policy_context base; /* first */
    const json_t *values;
    struct arena *arena;
};

static bool find(const struct policy_context *base, const char *key,
                 struct policy_values *ret)
{
    const struct request_context *c = (const void *)base;
    const json_t *list = json_object_get(c->values, key);
    size_t n = json_array_size(list);
    const char **v = arena_new_array(c->arena, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        v[i] = json_string_value(json_array_get(list, i));
    *ret = (struct policy_values){v, n, reference_is_multi(key)};
    return list != NULL;
}

/* ---- both sides of it ---- */

#define POLICIES_MAX 8

struct world {
    json_t *identity, *session, *boundary, *resource;
    json_t *documents[POLICIES_MAX]; /* by the index in `sources` */
    struct policy_source sources[POLICIES_MAX];
    size_t count;
    struct policy_set set;
    enum policy_kind resource_kind;
};

static const struct policy_source *source_add(struct world *w, json_t *document,
                                              enum policy_kind kind)
{
    struct error err = ERROR_INIT;
    struct policy *p = NULL;
    char *text = json_dumps(document, 0);
    if (policy_compile(text, strlen(text), kind, &p, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    free(text);
    w->documents[w->count] = document;
    w->sources[w->count] = (struct policy_source){p, "p"};
    return &w->sources[w->count++];
}

static const struct policy_source *sources_add(struct dice *d, struct world *w,
                                               json_t *list, size_t n)
{
    const struct policy_source *first = &w->sources[w->count];
    for (; n; n--) {
        json_array_append_new(list, document_new(d, POLICY_IDENTITY));
        source_add(w, json_array_get(list, json_array_size(list) - 1), POLICY_IDENTITY);
    }
    return first;
}

static void world_init(struct dice *d, struct world *w)
{
    *w = (struct world){.identity = json_array(), .session = json_array()};
    w->set.identity_count = below(d, 4);
    w->set.identity = sources_add(d, w, w->identity, w->set.identity_count);
    w->set.session_count = one_in(d, 3) ? 1 + below(d, 2) : 0;
    w->set.session = sources_add(d, w, w->session, w->set.session_count);
    w->resource_kind = one_in(d, 3) ? POLICY_TRUST : POLICY_RESOURCE;
    if (one_in(d, 3)) {
        w->boundary = document_new(d, POLICY_IDENTITY);
        w->set.boundary = source_add(w, w->boundary, POLICY_IDENTITY);
    }
    if (one_in(d, 2)) {
        w->resource = document_new(d, w->resource_kind);
        w->set.resource = source_add(w, w->resource, w->resource_kind);
    }
}

static void world_fini(struct world *w)
{
    for (size_t i = 0; i < w->count; i++)
        policy_free((struct policy *)w->sources[i].policy);
    json_decref(w->identity);
    json_decref(w->session);
    json_decref(w->boundary);
    json_decref(w->resource);
}

/* The statement that is named has the verdict's effect and is about the request. */
static bool is_reason(const struct world *w, const struct reference_request *r,
                      const struct policy_decision *d)
{
    if (!d->source)
        return d->verdict == POLICY_IMPLICIT_DENY || d->reason == POLICY_BY_ROOT;
    const json_t *document = w->documents[d->source - w->sources];
    const json_t *s =
        json_array_get(json_object_get(document, "Statement"), d->statement);
    const char *effect = json_string_value(json_object_get(s, "Effect"));
    enum policy_kind kind = document == w->resource ? w->resource_kind : POLICY_IDENTITY;
    return streq(effect, d->verdict == POLICY_ALLOW ? "Allow" : "Deny") &&
           reference_statement(r, document, d->statement, kind);
}

static void explain(const struct world *w, const struct reference_request *r)
{
    static const char *const kinds[] = {"identity", "session", "boundary", "resource"};
    const json_t *all[] = {w->identity, w->session, w->boundary, w->resource, r->context};
    print_error("type %d %s %s owner %s%s\n", (int)r->principal->type, r->action,
                r->resource, r->owner ? r->owner : "-",
                r->must_be_trusted ? " trust" : "");
    for (size_t i = 0; i < COUNT(all); i++) {
        char *text = all[i] ? json_dumps(all[i], 0) : NULL;
        print_error("%s: %s\n", i < COUNT(kinds) ? kinds[i] : "context",
                    text ? text : "-");
        free(text);
    }
}

static enum policy_verdict check_one(struct dice *d, uint64_t seed)
{
    AUTO_ARENA arena = ARENA_INIT;
    struct world w;
    world_init(d, &w);
    json_t *values = context_new(d);
    struct request_context context = {{find}, values, &arena};
    const struct reference_request slow = {.principal = &PICK(d, principals),
                                           .action = PICK(d, actions),
                                           .resource = PICK(d, resources),
                                           .owner = one_in(d, 4)   ? OTHER
                                                    : one_in(d, 2) ? ACCOUNT
                                                                   : NULL,
                                           .must_be_trusted = one_in(d, 6),
                                           .context = values};
    const struct policy_request fast = {.principal = slow.principal,
                                        .action = slow.action,
                                        .resource = slow.resource,
                                        .resource_account = slow.owner,
                                        .context = &context.base,
                                        .must_be_trusted = slow.must_be_trusted};
    const struct reference_set set = {.identity = w.identity,
                                      .session = w.session,
                                      .boundary = w.boundary,
                                      .resource = w.resource,
                                      .resource_is_trust =
                                          w.resource_kind == POLICY_TRUST};
    enum policy_verdict want = reference_decide(&slow, &set);
    struct policy_decision got;
    policy_decide(&fast, &w.set, &got);
    if (got.verdict != want || !is_reason(&w, &slow, &got)) {
        explain(&w, &slow);
        fail_msg("seed %d: verdict %d by %d, expected %d", (int)seed, (int)got.verdict,
                 (int)got.reason, (int)want);
    }
    json_decref(values);
    world_fini(&w);
    return want;
}

static void decisions_are_those_of_the_slow_reading(void **state)
{
    size_t verdicts[3] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct dice d = {seed};
        for (size_t i = 0; i < ROUNDS; i++)
            verdicts[check_one(&d, seed)]++;
    }
    /* All three happen often, so that each was really compared. */
    for (size_t i = 0; i < COUNT(verdicts); i++)
        assert_true(verdicts[i] > SEEDS * ROUNDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_are_those_of_the_slow_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
