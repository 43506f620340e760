/* What Secrets Manager and Parameter Store ask of IAM: each question as a judge hears it. */
#include "unit.h"

#include "access.h"
#include "ec2/world.h"
#include "secretsmanager.h"
#include "ssm.h"

static struct str heard; /* "action resource [key=value]\n" a question */

static void note_key(const struct policy_context *context, const char *key)
{
    struct policy_values v = {0};
    if (context->find(context, key, &v))
        str_addf(&heard, " %s=%s", strrchr(key, ':') + 1, v.v[0]);
}

static bool decide(struct core *core, const struct identity *who, const struct access *q,
                   const struct policy_context *context, struct policy_decision *ret)
{
    str_addf(&heard, "%s %s", q->action, q->resource);
    note_key(context, "secretsmanager:versionstage");
    note_key(context, "secretsmanager:resourcetag/env");
    if (streq(q->action, "ssm:GetParametersByPath"))
        note_key(context, "ssm:recursive");
    if (streq(q->action, "ssm:PutParameter"))
        note_key(context, "ssm:overwrite");
    if (q->resource_policy)
        str_addf(&heard, " policy");
    str_addc(&heard, '\n');
    return true;
}

static const struct access_judge judge = {.decide = decide};

static void attach(struct world *w)
{
    secretsmanager_attach(w->core);
    ssm_attach(w->core);
    core_set_judge(w->core, &judge);
}

static void speak_secrets(void)
{
    world_more.prefix = "";
    world_more.wire = &secretsmanager_service_api;
    world_more.rows = secretsmanager_operations;
    world_more.access = &secretsmanager_access;
    world_more.attach = attach;
}

static void speak_parameters(void)
{
    world_more.wire = &ssm_service_api;
    world_more.rows = ssm_operations;
    world_more.access = &ssm_access;
}

/* `lines` has %s where the secret's ARN is. */
#define HEARD(arn, lines)                                                                \
    do {                                                                                 \
        AUTO_STR want_ = STR_INIT;                                                       \
        str_addf(&want_, lines, arn);                                                    \
        assert_string_equal(str_text(&heard), want_.data);                               \
        str_clear(&heard);                                                               \
    } while (0)

static void secrets_are_known_by_their_suffixed_arn(void **state)
{
    struct world w;
    speak_secrets();
    world_open(&w, false);
    const struct secretsmanager_create_secret_response *made =
        CALL(&w, "CreateSecret",
             "{'Name':'a/b','SecretString':'x','Tags':[{'Key':'env','Value':'prod'}]}");
    char *arn = xstrdup(made->arn);
    HEARD("", "secretsmanager:CreateSecret "
              "arn:aws:secretsmanager:us-east-1:000000000000:secret:a/b-000000%s\n");
    CALL(&w, "GetSecretValue", "{'SecretId':'a/b'}");
    HEARD(arn, "secretsmanager:GetSecretValue %s versionstage=AWSCURRENT "
               "resourcetag/env=prod\n");
    CALL(&w, "GetSecretValue", "{'SecretId':'%.*s'}", (int)strlen(arn) - 7, arn);
    HEARD(arn, "secretsmanager:GetSecretValue %s versionstage=AWSCURRENT "
               "resourcetag/env=prod\n");
    CALL(&w, "GetSecretValue", "{'SecretId':'%s','VersionStage':'blue'}", arn);
    HEARD(arn,
          "secretsmanager:GetSecretValue %s versionstage=blue resourcetag/env=prod\n");
    CALL(&w, "PutResourcePolicy",
         "{'SecretId':'a/b','ResourcePolicy':'{\\u0022Version\\u0022:"
         "\\u00222012-10-17\\u0022,\\u0022Statement\\u0022:{\\u0022Effect\\u0022:"
         "\\u0022Deny\\u0022,\\u0022Principal\\u0022:\\u0022*\\u0022,"
         "\\u0022Action\\u0022:\\u0022*\\u0022,\\u0022Resource\\u0022:"
         "\\u0022*\\u0022}}'}");
    HEARD(arn, "secretsmanager:PutResourcePolicy %s resourcetag/env=prod\n");
    CALL(&w, "BatchGetSecretValue", "{'SecretIdList':['a/b','none']}");
    HEARD(arn, "secretsmanager:BatchGetSecretValue *\n"
               "secretsmanager:GetSecretValue %s versionstage=AWSCURRENT "
               "resourcetag/env=prod policy\n");
    CALL(&w, "DescribeSecret", "{'SecretId':'none'}");
    HEARD("", "secretsmanager:DescribeSecret "
              "arn:aws:secretsmanager:us-east-1:000000000000:secret:none%s\n");
    free(arn);
    str_free(&heard);
    world_close(&w);
}

#define PARAMETER "arn:aws:ssm:us-east-1:000000000000:parameter/"

static void parameters_have_no_leading_slash(void **state)
{
    struct world w;
    speak_secrets();
    speak_parameters();
    world_open(&w, false);
    CALL(&w, "PutParameter", "{'Name':'/a/b','Type':'String','Value':'x'}");
    HEARD("", "ssm:PutParameter " PARAMETER "a/b overwrite=false%s\n");
    CALL(&w, "GetParameters", "{'Names':['/a/b:1','c','" PARAMETER "a/b']}");
    HEARD("", "ssm:GetParameters " PARAMETER "a/b\nssm:GetParameters " PARAMETER "c%s\n");
    CALL(&w, "GetParametersByPath", "{'Path':'/a','Recursive':true}");
    HEARD("", "ssm:GetParametersByPath " PARAMETER "a recursive=true%s\n");
    CALL(&w, "GetParameter", "{'Name':'/aws/service/ecs/x:1'}");
    HEARD("", "ssm:GetParameter arn:aws:ssm:us-east-1::parameter/aws/service/ecs/x%s\n");
    CALL(&w, "DescribeParameters", "{}");
    HEARD("", "ssm:DescribeParameters *%s\n");
    CALL(&w, "ListTagsForResource", "{'ResourceType':'Parameter','ResourceId':'/a/b'}");
    HEARD("", "ssm:ListTagsForResource " PARAMETER "a/b%s\n");
    str_free(&heard);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_known_by_their_suffixed_arn),
        cmocka_unit_test(parameters_have_no_leading_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
