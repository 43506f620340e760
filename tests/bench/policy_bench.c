/* What a decision of src/policy costs with twenty policies attached, eighty statements: the
 * median and the 99th percentile of single decisions, in nanoseconds. tests/bench/run.py
 * policy runs it; by hand:
 *     ninja -C build tests/bench/policy_bench && build/tests/bench/policy_bench */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "policy.h"
#include "str.h"

#define POLICIES 20
#define ROUNDS   100000

/* Four statements as people write them, about service number `i`. */
static void document(struct str *s, int i)
{
    str_addf(s,
             "{\"Version\":\"2012-10-17\",\"Statement\":["
             "{\"Effect\":\"Allow\",\"Action\":[\"ecs:RunTask\",\"ecs:StopTask\","
             "\"ecs:Describe*\",\"ecs:List*\"],\"Resource\":["
             "\"arn:aws:ecs:us-east-1:111122223333:task-definition/service-%d:*\","
             "\"arn:aws:ecs:us-east-1:111122223333:task/service-%d/*\"]},"
             "{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:PutObject\"],"
             "\"Resource\":\"arn:aws:s3:::bucket-%d/${aws:username}/*\",\"Condition\":{"
             "\"IpAddress\":{\"aws:SourceIp\":[\"10.0.0.0/8\",\"192.168.0.0/16\"]}}},"
             "{\"Effect\":\"Allow\",\"Action\":\"iam:PassRole\",\"Resource\":"
             "\"arn:aws:iam::111122223333:role/service-%d\",\"Condition\":{"
             "\"StringEquals\":{\"iam:PassedToService\":\"ecs-tasks.amazonaws.com\"}}},"
             "{\"Effect\":\"Deny\",\"Action\":[\"ecs:Delete*\",\"s3:DeleteBucket\"],"
             "\"Resource\":\"*\",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":"
             "\"false\"},\"StringNotEquals\":{\"aws:PrincipalTag/team\":\"team-%d\"}}}]}",
             i, i, i, i, i);
}

static bool find(const struct policy_context *context, const char *key,
                 struct policy_values *ret)
{
    static const struct {
        const char *key, *value;
    } known[] = {{"aws:username", "ann"},
                 {"aws:sourceip", "10.1.2.3"},
                 {"aws:securetransport", "true"},
                 {"aws:principaltag/team", "team-1"},
                 {"iam:passedtoservice", "ecs-tasks.amazonaws.com"}};
    (void)context;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (streq(known[i].key, key)) {
            *ret = (struct policy_values){&known[i].value, 1, false};
            return true;
        }
    return false;
}

static const struct {
    const char *what, *action, *resource;
    enum policy_verdict verdict;
} cases[] = {
    {"allowed by the first", "ecs:RunTask",
     "arn:aws:ecs:us-east-1:111122223333:task-definition/service-0:3", POLICY_ALLOW},
    {"allowed by the last", "ecs:RunTask",
     "arn:aws:ecs:us-east-1:111122223333:task-definition/service-19:3", POLICY_ALLOW},
    {"allowed by the last, with conditions", "s3:GetObject",
     "arn:aws:s3:::bucket-19/ann/a/long/key/of/an/object", POLICY_ALLOW},
    {"allowed by none", "s3:PutObject", "arn:aws:s3:::bucket-20/ann/x",
     POLICY_IMPLICIT_DENY},
    {"denials with conditions", "ecs:DeleteService",
     "arn:aws:ecs:us-east-1:111122223333:service/c/service-1", POLICY_IMPLICIT_DENY},
};

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(const struct policy_set *set, size_t row)
{
    static const struct policy_principal ann = {.type = PRINCIPAL_USER,
                                                .account = "111122223333",
                                                .arn =
                                                    "arn:aws:iam::111122223333:user/ann",
                                                .id = "AIDAANN"};
    static const struct policy_context context = {find};
    static int64_t took[ROUNDS];
    const struct policy_request r = {.principal = &ann,
                                     .action = cases[row].action,
                                     .resource = cases[row].resource,
                                     .context = &context};
    for (size_t i = 0; i < ROUNDS; i++) {
        struct policy_decision d;
        int64_t from = clock_mono_ns();
        policy_decide(&r, set, &d);
        took[i] = clock_mono_ns() - from;
        if (d.verdict != cases[row].verdict) {
            fprintf(stderr, "%s: verdict %d\n", cases[row].what, (int)d.verdict);
            exit(1);
        }
    }
    qsort(took, ROUNDS, sizeof(*took), by_size);
    printf("%s\t%lld\t%lld\n", cases[row].what, (long long)took[ROUNDS / 2],
           (long long)took[ROUNDS / 100 * 99]);
}

int main(void)
{
    struct policy_source sources[POLICIES];
    const struct policy_set set = {.identity = sources, .identity_count = POLICIES};
    for (int i = 0; i < POLICIES; i++) {
        AUTO_STR text = STR_INIT;
        struct error err = ERROR_INIT;
        struct policy *p = NULL;
        document(&text, i);
        if (policy_compile(text.data, text.len, POLICY_IDENTITY, &p, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        sources[i] = (struct policy_source){p, "p"};
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        measure(&set, i);
    for (int i = 0; i < POLICIES; i++)
        policy_free((struct policy *)sources[i].policy);
    return 0;
}
