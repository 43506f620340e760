/* The policy language, by tables: documents that are refused, conditions, and the order of
 * evaluation. */
#include "unit.h"

#include <string.h>
#include <strings.h>

#include "policy.h"
#include "str.h"

#define COUNT(a)        (sizeof(a) / sizeof((a)[0]))
#define STATEMENT(text) "{\"Version\":\"2012-10-17\",\"Statement\":" text "}"

static struct policy *compile(const char *text, enum policy_kind kind)
{
    struct error err = ERROR_INIT;
    struct policy *p = NULL;
    if (policy_compile(text, strlen(text), kind, &p, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return p;
}

/* ---- documents that are refused ---- */

static const struct {
    enum policy_kind kind;
    const char *text, *why;
} refused[] = {
    {POLICY_IDENTITY, "", "Syntax errors in policy."},
    {POLICY_IDENTITY, "[]", "Syntax errors in policy."},
    {POLICY_IDENTITY, STATEMENT("[]"), "Syntax errors in policy."},
    {POLICY_IDENTITY, STATEMENT("{\"Effect\":\"Allow\",\"Effect\":\"Allow\"}"),
     "Syntax errors in policy."},
    {POLICY_IDENTITY,
     STATEMENT("{\"Effect\":\"allow\",\"Action\":\"*\",\"Resource\":\"*\"}"),
     "Syntax errors in policy."},
    {POLICY_IDENTITY, STATEMENT("{\"Effect\":\"Allow\",\"Resource\":\"*\"}"),
     "Policy statement must contain actions."},
    {POLICY_IDENTITY, STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\"}"),
     "Policy statement must contain resources."},
    {POLICY_IDENTITY,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"run\",\"Resource\":\"*\"}"),
     "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
    {POLICY_IDENTITY,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"bucket\"}"),
     "Resource bucket must be in ARN format or \"*\"."},
    {POLICY_IDENTITY,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Principal\":"
               "\"*\"}"),
     "Policy document should not specify a principal."},
    {POLICY_TRUST,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Principal\":"
               "\"*\"}"),
     "Has prohibited field Resource"},
    {POLICY_RESOURCE,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}"),
     "Missing required field Principal"},
    {POLICY_IDENTITY,
     STATEMENT(
         "[{\"Sid\":\"a\",\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},"
         "{\"Sid\":\"a\",\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]"),
     "Statement IDs (SID) in a single policy must be unique."},
    {POLICY_IDENTITY,
     "{\"Version\":\"2020-01-01\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\","
     "\"Resource\":\"*\"}}",
     "Policy document must be version 2012-10-17 or greater."},
    {POLICY_IDENTITY,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":"
               "{\"StringSounds\":{\"aws:a\":\"b\"}}}"),
     "Syntax errors in policy."},
    {POLICY_IDENTITY,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":"
               "{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/33\"}}}"),
     "Syntax errors in policy."},
    {POLICY_IDENTITY,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":"
               "\"arn:aws:s3:::b/${aws:x, '\\u0001'}\"}"),
     "Syntax errors in policy."},
    {POLICY_RESOURCE,
     STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Principal\":"
               "{\"AWS\":\"arn:aws:iam::1:role/*\"}}"),
     "Invalid principal in policy: \"AWS\":\"arn:aws:iam::1:role/*\""},
};

static void bad_documents_are_refused_in_iams_words(void **state)
{
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct error err = ERROR_INIT;
        struct policy *p = NULL;
        int r = policy_compile(refused[i].text, strlen(refused[i].text), refused[i].kind,
                               &p, &err);
        if (r != -E_INVALID || strcmp(err.text, refused[i].why) != 0)
            fail_msg("%s: %d %s", refused[i].text, r, err.text);
    }
}

/* ---- a request ---- */

static bool find(const struct policy_context *context, const char *key,
                 struct policy_values *ret)
{
    static const char *const user[] = {"ann*"}, *const ip[] = {"203.0.113.9"},
                             *const number[] = {"10"},
                             *const time[] = {"2026-01-02T03:04:05Z"},
                             *const keys[] = {"env", "team"}, *const yes[] = {"true"},
                             *const arn[] = {"arn:aws:sns:us-east-1:111122223333:a:b"},
                             *const tag[] = {"Blue"}, *const odd[] = {"\1"};
    static const struct {
        const char *key;
        struct policy_values values;
    } known[] = {
        {"aws:username", {user, 1, false}},
        {"aws:sourceip", {ip, 1, false}},
        {"s3:max-keys", {number, 1, false}},
        {"aws:currenttime", {time, 1, false}},
        {"aws:tagkeys", {keys, 2, true}},
        {"aws:securetransport", {yes, 1, false}},
        {"aws:sourcearn", {arn, 1, false}},
        {"aws:principaltag/Team", {tag, 1, false}},
        {"aws:principaltag/Odd", {odd, 1, false}},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(known[i].key, key) == 0) {
            *ret = known[i].values;
            return true;
        }
    return false;
}

static const struct policy_context context = {.find = find};
static const struct policy_principal ann = {.type = PRINCIPAL_USER,
                                            .account = "111122223333",
                                            .arn = "arn:aws:iam::111122223333:user/ann",
                                            .id = "AIDAANN"};
static const struct policy_principal session = {
    .type = PRINCIPAL_ROLE_SESSION,
    .account = "111122223333",
    .arn = "arn:aws:sts::111122223333:assumed-role/web/one",
    .role_arn = "arn:aws:iam::111122223333:role/web",
    .role_id = "AROAWEB"};

static enum policy_verdict ask(const char *document, const char *action,
                               const char *resource)
{
    struct policy *p = compile(document, POLICY_IDENTITY);
    const struct policy_source source = {p, "p"};
    const struct policy_request r = {
        .principal = &ann, .action = action, .resource = resource, .context = &context};
    struct policy_decision d;
    enum policy_verdict v = policy_ask(&source, &r, &d);
    policy_free(p);
    return v;
}

#define ALLOW(action, resource)                                                          \
    STATEMENT("{\"Effect\":\"Allow\",\"Action\":" action ",\"Resource\":" resource "}")

static const struct {
    const char *document, *action, *resource;
    bool allowed;
} matches[] = {
    {ALLOW("\"*\"", "\"*\""), "ecs:RunTask", "*", true},
    {ALLOW("\"ECS:run*\"", "\"*\""), "ecs:RunTask", "*", true},
    {ALLOW("\"ecs:Run?ask\"", "\"*\""), "ecs:RunTask", "*", true},
    {ALLOW("\"ecs:Run\"", "\"*\""), "ecs:RunTask", "*", false},
    {ALLOW("[\"s3:*\",\"ecs:*\"]", "\"*\""), "ecs:RunTask", "*", true},
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::b/*\""), "s3:GetObject", "arn:aws:s3:::b/x/y",
     true},
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::B/*\""), "s3:GetObject", "arn:aws:s3:::b/x",
     false},
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::b/${aws:username}/*\""), "s3:GetObject",
     "arn:aws:s3:::b/ann*/x", true},
    /* A '*' that came with a value is a letter. */
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::b/${aws:username}/*\""), "s3:GetObject",
     "arn:aws:s3:::b/annabel/x", false},
    /* So is whatever a compiled pattern has for it. */
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::b/${aws:PrincipalTag/Odd}\""), "s3:GetObject",
     "arn:aws:s3:::b/x", false},
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::b/${aws:nothing}\""), "s3:GetObject",
     "arn:aws:s3:::b/", false},
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::b/${aws:nothing, 'all'}\""), "s3:GetObject",
     "arn:aws:s3:::b/all", true},
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::b/${*}\""), "s3:GetObject", "arn:aws:s3:::b/*",
     true},
    {ALLOW("\"s3:*\"", "\"arn:aws:s3:::b/${*}\""), "s3:GetObject", "arn:aws:s3:::b/x",
     false},
    /* The older language has no variables. */
    {"{\"Version\":\"2008-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*"
     "\","
     "\"Resource\":\"arn:aws:s3:::b/${aws:username}\"}}",
     "s3:GetObject", "arn:aws:s3:::b/ann*", false},
    {STATEMENT("{\"Effect\":\"Allow\",\"NotAction\":\"iam:*\",\"Resource\":\"*\"}"),
     "ecs:RunTask", "*", true},
    {STATEMENT("{\"Effect\":\"Allow\",\"NotAction\":\"iam:*\",\"Resource\":\"*\"}"),
     "iam:CreateUser", "*", false},
    {STATEMENT(
         "{\"Effect\":\"Allow\",\"Action\":\"*\",\"NotResource\":\"arn:aws:s3:::b\"}"),
     "s3:ListBucket", "arn:aws:s3:::b", false},
};

static void actions_and_resources_match(void **state)
{
    for (size_t i = 0; i < COUNT(matches); i++)
        if ((ask(matches[i].document, matches[i].action, matches[i].resource) ==
             POLICY_ALLOW) != matches[i].allowed)
            fail_msg("row %zu: %s %s %s", i, matches[i].document, matches[i].action,
                     matches[i].resource);
}

/* ---- conditions ---- */

static const struct {
    const char *condition;
    bool holds;
} conditions[] = {
    {"{\"StringEquals\":{\"aws:username\":\"ann*\"}}", true},
    {"{\"StringEquals\":{\"aws:username\":\"ANN*\"}}", false},
    {"{\"StringEqualsIgnoreCase\":{\"aws:UserName\":[\"x\",\"ANN*\"]}}", true},
    {"{\"StringNotEquals\":{\"aws:username\":[\"x\",\"ann*\"]}}", false},
    {"{\"StringLike\":{\"aws:PrincipalTag/Team\":\"B?ue\"}}", true},
    {"{\"StringLike\":{\"aws:PrincipalTag/team\":\"B?ue\"}}", false},
    {"{\"StringEquals\":{\"aws:absent\":\"x\"}}", false},
    {"{\"StringNotEquals\":{\"aws:absent\":\"x\"}}", true},
    {"{\"StringEqualsIfExists\":{\"aws:absent\":\"x\"}}", true},
    {"{\"StringEqualsIfExists\":{\"aws:username\":\"x\"}}", false},
    {"{\"Null\":{\"aws:absent\":\"true\"}}", true},
    {"{\"Null\":{\"aws:username\":\"true\"}}", false},
    {"{\"Null\":{\"aws:username\":false}}", true},
    {"{\"NumericEquals\":{\"s3:max-keys\":\"1e1\"}}", true},
    {"{\"NumericLessThan\":{\"s3:max-keys\":\"10.0000000000000000000001\"}}", true},
    {"{\"NumericLessThan\":{\"s3:max-keys\":\"10\"}}", false},
    {"{\"NumericGreaterThanEquals\":{\"s3:max-keys\":\"-3\"}}", true},
    {"{\"NumericEquals\":{\"aws:username\":\"1\"}}", false},
    /* What is no number is not another number, either. */
    {"{\"NumericNotEquals\":{\"aws:username\":\"1\"}}", false},
    {"{\"NumericNotEquals\":{\"s3:max-keys\":\"1\"}}", true},
    {"{\"ForAnyValue:NumericNotEquals\":{\"aws:username\":\"1\"}}", false},
    {"{\"DateNotEquals\":{\"aws:username\":\"2026-01-02\"}}", false},
    {"{\"DateLessThan\":{\"aws:CurrentTime\":\"2026-01-02T04:04:05+00:30\"}}", true},
    {"{\"DateGreaterThan\":{\"aws:CurrentTime\":\"2026-01-02\"}}", true},
    {"{\"DateEquals\":{\"aws:CurrentTime\":\"1767323045\"}}", true},
    {"{\"Bool\":{\"aws:SecureTransport\":\"TRUE\"}}", true},
    {"{\"Bool\":{\"aws:SecureTransport\":false}}", false},
    {"{\"IpAddress\":{\"aws:SourceIp\":[\"10.0.0.0/8\",\"203.0.113.8/29\"]}}", true},
    {"{\"IpAddress\":{\"aws:SourceIp\":\"203.0.113.0/29\"}}", false},
    {"{\"NotIpAddress\":{\"aws:SourceIp\":\"203.0.113.9\"}}", false},
    {"{\"IpAddress\":{\"aws:SourceIp\":\"::/0\"}}", false},
    {"{\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:sns:*:111122223333:*\"}}", true},
    /* Each part apart: a star does not reach over the colon of another part. */
    {"{\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:*:111122223333:a:b\"}}", false},
    {"{\"ArnNotEquals\":{\"aws:SourceArn\":\"arn:aws:sqs:*:*:*\"}}", true},
    {"{\"ForAllValues:StringEquals\":{\"aws:TagKeys\":[\"env\",\"team\",\"x\"]}}", true},
    {"{\"ForAllValues:StringEquals\":{\"aws:TagKeys\":[\"env\"]}}", false},
    {"{\"ForAllValues:StringEquals\":{\"aws:absent\":[\"env\"]}}", true},
    {"{\"ForAnyValue:StringEquals\":{\"aws:TagKeys\":[\"env\"]}}", true},
    {"{\"ForAnyValue:StringEquals\":{\"aws:absent\":[\"env\"]}}", false},
    {"{\"ForAnyValue:StringNotEquals\":{\"aws:TagKeys\":[\"env\"]}}", true},
    {"{\"StringEquals\":{\"aws:TagKeys\":\"env\"}}", false},
    {"{\"Bool\":{\"aws:SecureTransport\":\"true\"},\"StringEquals\":{\"aws:username\":"
     "\"x\"}}",
     false},
    {"{\"StringEquals\":{\"aws:username\":\"${aws:username}\"}}", true},
};

static void conditions_are_as_iam_has_them(void **state)
{
    for (size_t i = 0; i < COUNT(conditions); i++) {
        AUTO_STR text = STR_INIT;
        str_addf(&text,
                 STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\","
                           "\"Condition\":%s}"),
                 conditions[i].condition);
        if ((ask(text.data, "ecs:RunTask", "*") == POLICY_ALLOW) != conditions[i].holds)
            fail_msg("%s", conditions[i].condition);
    }
}

/* ---- the order of evaluation ---- */

#define ALL  "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}"
#define NONE "{\"Effect\":\"Allow\",\"Action\":\"no:no\",\"Resource\":\"*\"}"
#define DENY "{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}"
#define TO(who)                                                                          \
    "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Principal\":" who "}"
#define USER_ANN "{\"AWS\":\"arn:aws:iam::111122223333:user/ann\"}"
#define ROLE_WEB "{\"AWS\":\"arn:aws:iam::111122223333:role/web\"}"
#define SESSION  "{\"AWS\":\"arn:aws:sts::111122223333:assumed-role/web/one\"}"
#define ACCOUNT  "{\"AWS\":\"111122223333\"}"

static const struct {
    const struct policy_principal *who;
    const char *identity, *boundary, *session, *resource, *owner;
    enum policy_verdict verdict;
    enum policy_reason reason;
} decisions[] = {
    {&ann, ALL, NULL, NULL, NULL, NULL, POLICY_ALLOW, POLICY_BY_IDENTITY},
    {&ann, NONE, NULL, NULL, NULL, NULL, POLICY_IMPLICIT_DENY, POLICY_BY_IDENTITY},
    {&ann, ALL, NONE, NULL, NULL, NULL, POLICY_IMPLICIT_DENY, POLICY_BY_BOUNDARY},
    {&ann, ALL, NULL, NONE, NULL, NULL, POLICY_IMPLICIT_DENY, POLICY_BY_SESSION},
    {&ann, ALL, ALL, ALL, NULL, NULL, POLICY_ALLOW, POLICY_BY_IDENTITY},
    {&ann, ALL, DENY, NULL, TO(USER_ANN), NULL, POLICY_EXPLICIT_DENY, POLICY_BY_BOUNDARY},
    /* Who is named itself needs nothing else, and no boundary takes it away. */
    {&ann, NONE, NONE, NULL, TO(USER_ANN), NULL, POLICY_ALLOW, POLICY_BY_RESOURCE},
    {&ann, NONE, NULL, NULL, TO("\"*\""), NULL, POLICY_ALLOW, POLICY_BY_RESOURCE},
    {&session, NONE, NULL, NONE, TO(SESSION), NULL, POLICY_ALLOW, POLICY_BY_RESOURCE},
    /* A role that is named stands for its identity policy, within the bounds. */
    {&session, NONE, NULL, NULL, TO(ROLE_WEB), NULL, POLICY_ALLOW, POLICY_BY_RESOURCE},
    {&session, NONE, NONE, NULL, TO(ROLE_WEB), NULL, POLICY_IMPLICIT_DENY,
     POLICY_BY_BOUNDARY},
    {&session, NONE, NULL, NONE, TO(ROLE_WEB), NULL, POLICY_IMPLICIT_DENY,
     POLICY_BY_SESSION},
    {&session, NONE, NULL, NULL, TO("{\"AWS\":\"AROAWEB\"}"), NULL, POLICY_ALLOW,
     POLICY_BY_RESOURCE},
    /* The account as a whole only delegates. */
    {&ann, NONE, NULL, NULL, TO(ACCOUNT), NULL, POLICY_IMPLICIT_DENY, POLICY_BY_IDENTITY},
    /* Another account's things need both. */
    {&ann, ALL, NULL, NULL, NULL, "999999999999", POLICY_IMPLICIT_DENY,
     POLICY_BY_RESOURCE},
    {&ann, NONE, NULL, NULL, TO(USER_ANN), "999999999999", POLICY_IMPLICIT_DENY,
     POLICY_BY_IDENTITY},
    {&ann, ALL, NULL, NULL, TO(ACCOUNT), "999999999999", POLICY_ALLOW,
     POLICY_BY_RESOURCE},
    {&ann, ALL, NONE, NULL, TO(ACCOUNT), "999999999999", POLICY_IMPLICIT_DENY,
     POLICY_BY_BOUNDARY},
};

static struct policy *one(const char *statement, enum policy_kind kind)
{
    AUTO_STR text = STR_INIT;
    if (!statement)
        return NULL;
    str_addf(&text, STATEMENT("%s"), statement);
    return compile(text.data, kind);
}

static void policies_are_weighed_in_order(void **state)
{
    for (size_t i = 0; i < COUNT(decisions); i++) {
        const struct policy_source identity = {
            one(decisions[i].identity, POLICY_IDENTITY), "i"};
        const struct policy_source boundary = {
            one(decisions[i].boundary, POLICY_IDENTITY), "b"};
        const struct policy_source bounds = {one(decisions[i].session, POLICY_IDENTITY),
                                             "s"};
        const struct policy_source resource = {
            one(decisions[i].resource, POLICY_RESOURCE), "r"};
        const struct policy_set set = {
            .identity = &identity,
            .identity_count = 1,
            .session = &bounds,
            .session_count = bounds.policy != NULL,
            .boundary = boundary.policy ? &boundary : NULL,
            .resource = resource.policy ? &resource : NULL,
        };
        const struct policy_request r = {.principal = decisions[i].who,
                                         .action = "s3:GetObject",
                                         .resource = "arn:aws:s3:::b/x",
                                         .resource_account = decisions[i].owner,
                                         .context = &context};
        struct policy_decision d;
        policy_decide(&r, &set, &d);
        if (d.verdict != decisions[i].verdict || d.reason != decisions[i].reason)
            fail_msg("row %zu: verdict %d by %d", i, (int)d.verdict, (int)d.reason);
        policy_free((struct policy *)identity.policy);
        policy_free((struct policy *)boundary.policy);
        policy_free((struct policy *)bounds.policy);
        policy_free((struct policy *)resource.policy);
    }
}

static void a_trust_policy_never_delegates_silently(void **state)
{
    const struct policy_source all = {one(ALL, POLICY_IDENTITY), "i"};
    const struct policy_source trust = {
        compile(
            STATEMENT("{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\",\"Principal\":"
                      "{\"Service\":\"ecs-tasks.amazonaws.com\"}}"),
            POLICY_TRUST),
        "t"};
    const struct policy_set set = {
        .identity = &all, .identity_count = 1, .resource = &trust};
    struct policy_request r = {.principal = &ann,
                               .action = "sts:AssumeRole",
                               .resource = "arn:aws:iam::111122223333:role/web",
                               .must_be_trusted = true};
    struct policy_decision d;
    policy_decide(&r, &set, &d);
    assert_int_equal(d.verdict, POLICY_IMPLICIT_DENY);
    assert_int_equal(d.reason, POLICY_BY_RESOURCE);
    const struct policy_principal service = {.type = PRINCIPAL_SERVICE,
                                             .service = "ecs-tasks.amazonaws.com"};
    r.principal = &service;
    policy_decide(&r, &set, &d);
    assert_int_equal(d.verdict, POLICY_ALLOW);
    policy_free((struct policy *)all.policy);
    policy_free((struct policy *)trust.policy);
}

#define DENY_THERE(resource)                                                             \
    "{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":" resource "}"
#define ALLOW_THERE                                                                      \
    "{\"Effect\":\"Allow\",\"Action\":\"logs:Put*\",\"Resource\":"                       \
    "\"arn:aws:logs:*:*:log-group:/ecs/*\"}"

static const struct {
    const char *document;
    enum policy_verdict verdict;
} anywhere[] = {
    {STATEMENT(ALLOW_THERE), POLICY_ALLOW},
    {STATEMENT("[" ALLOW_THERE "," DENY_THERE("\"arn:aws:logs:*\"") "]"), POLICY_ALLOW},
    {STATEMENT("[" ALLOW_THERE "," DENY_THERE("\"*\"") "]"), POLICY_EXPLICIT_DENY},
    {ALLOW("\"logs:Create*\"", "\"*\""), POLICY_IMPLICIT_DENY},
    {STATEMENT("[" ALLOW_THERE ",{\"Effect\":\"Deny\",\"Action\":\"*\","
               "\"NotResource\":\"arn:aws:logs:::x\"}]"),
     POLICY_ALLOW},
};

static void a_right_may_be_had_somewhere(void **state)
{
    for (size_t i = 0; i < COUNT(anywhere); i++) {
        struct policy *p = compile(anywhere[i].document, POLICY_IDENTITY);
        const struct policy_source source = {p, "p"};
        const struct policy_request r = {.principal = &ann,
                                         .action = "logs:PutLogEvents",
                                         .resource = "*",
                                         .context = &context,
                                         .anywhere = true};
        struct policy_decision d;
        if (policy_ask(&source, &r, &d) != anywhere[i].verdict)
            fail_msg("%s", anywhere[i].document);
        policy_free(p);
    }
}

static void denials_are_worded_as_awss(void **state)
{
    AUTO_STR text = STR_INIT;
    struct policy_decision d = {.verdict = POLICY_IMPLICIT_DENY,
                                .reason = POLICY_BY_BOUNDARY};
    policy_reason_add(&text, &d, "ecs:RunTask");
    assert_string_equal(text.data,
                        "because no permissions boundary allows the ecs:RunTask action");
    str_clear(&text);
    d = (struct policy_decision){.verdict = POLICY_EXPLICIT_DENY,
                                 .reason = POLICY_BY_IDENTITY};
    policy_reason_add(&text, &d, "ecs:RunTask");
    assert_string_equal(text.data, "with an explicit deny in an identity-based policy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_documents_are_refused_in_iams_words),
        cmocka_unit_test(actions_and_resources_match),
        cmocka_unit_test(conditions_are_as_iam_has_them),
        cmocka_unit_test(policies_are_weighed_in_order),
        cmocka_unit_test(a_trust_policy_never_delegates_silently),
        cmocka_unit_test(a_right_may_be_had_somewhere),
        cmocka_unit_test(denials_are_worded_as_awss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
