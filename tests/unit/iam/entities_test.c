/* Ids, AWS's own policies, what decisions read, and what is asked about IAM's own calls. */
#include "unit.h"

#include "access.h"
#include "ec2/world.h"
#include "iam_entity.h"
#include "iam_policy.h"

#define TRUST                                                                            \
    "{'Version':'2012-10-17','Statement':{'Effect':'Allow','Principal':{'Service':"      \
    "'ecs-tasks.amazonaws.com'},'Action':'sts:AssumeRole'}}"
#define ALLOW                                                                            \
    "{'Version':'2012-10-17','Statement':{'Effect':'Allow','Action':'s3:GetObject',"     \
    "'Resource':'*'}}"

/* A document in a JSON string: its quotes are written ". */
static const char *quoted(const char *document)
{
    static char text[4][512];
    static unsigned next;
    char *ret = text[next++ % 4], *to = ret;
    for (const char *p = document; *p; p++) {
        if (*p == '\'')
            *to++ = '\\';
        *to++ = *p == '\'' ? '"' : *p;
    }
    *to = '\0';
    return ret;
}

/* ---- ids ---- */

static void an_id_tells_its_account(void **state)
{
    static const char *const accounts[] = {"000000000000", "000000000001", "123456789012",
                                           "999999999999", "581039954779"};
    struct world w;
    char id[32], account[IAM_ACCOUNT_SIZE];
    world_open(&w, false);
    for (size_t i = 0; i < sizeof(accounts) / sizeof(*accounts); i++) {
        iam_id_make(w.core, "AROA", accounts[i], IAM_ID_LENGTH, id);
        assert_int_equal(strlen(id), IAM_ID_LENGTH);
        assert_true(iam_id_account(id, account));
        assert_string_equal(account, accounts[i]);
        iam_id_make(w.core, "AKIA", accounts[i], IAM_KEY_LENGTH, id);
        assert_int_equal(strlen(id), IAM_KEY_LENGTH);
        assert_true(iam_id_account(id, account));
        assert_string_equal(account, accounts[i]);
    }
    /* A key that AWS's own documents show with its account. */
    assert_true(iam_id_account("ASIAQNZGKIQY56JQ7WML", account));
    assert_string_equal(account, "029608264753");
    assert_false(iam_id_account("AKIAIOSFODNN7EXAMPLE", account)); /* older */
    assert_false(iam_id_account("AKIA", account));
    assert_false(iam_id_account("AKIA00000000000000000", account));
    world_close(&w);
}

static void many_are_found_by_id(void **state)
{
    enum { MANY = 3000 };
    struct iam_index x = {0};
    struct iam_index_entry *e = xcalloc(MANY, sizeof(*e));
    char(*key)[16] = xcalloc(MANY, sizeof(*key));
    for (size_t i = 0; i < MANY; i++) {
        snprintf(key[i], sizeof(key[i]), "key-%zu", i);
        iam_index_add(&x, &e[i], key[i]);
    }
    for (size_t i = 0; i < MANY; i += 2)
        iam_index_remove(&x, &e[i]);
    iam_index_remove(&x, &e[0]); /* again: nothing */
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(iam_index_find(&x, key[i]), i % 2 ? &e[i] : NULL);
    assert_null(iam_index_find(&x, "none"));
    iam_index_free(&x);
    assert_null(iam_index_find(&x, key[1]));
    free(e);
    free(key);
}

/* ---- AWS's own policies ---- */

static void every_policy_of_aws_compiles(void **state)
{
    assert_true(aws_policy_count >= 40);
    for (size_t i = 0; i < aws_policy_count; i++) {
        const struct aws_policy *p = &aws_policies[i];
        struct policy *compiled;
        struct error err;
        if (policy_compile(p->document, strlen(p->document), POLICY_IDENTITY, &compiled,
                           &err) < 0)
            fail_msg("%s: %s", p->name, err.text);
        assert_true(policy_size(p->document, strlen(p->document)) <= 6144);
        policy_free(compiled);
    }
}

static void every_policy_of_aws_is_found(void **state)
{
    struct world w;
    world_open(&w, false);
    for (size_t i = 0; i < aws_policy_count; i++) {
        char arn[200];
        snprintf(arn, sizeof(arn), "arn:aws:iam::aws:policy%s%s", aws_policies[i].path,
                 aws_policies[i].name);
        const struct iam_managed_policy *p = iam_policy_find(w.core, "123456789012", arn);
        assert_non_null(p);
        assert_string_equal(p->source.name, arn);
        assert_non_null(p->source.policy);
    }
    assert_null(iam_policy_find(w.core, "123456789012", "arn:aws:iam::aws:policy/None"));
    world_close(&w);
}

/* ---- what decisions read ---- */

static size_t count(struct iam_entity *e)
{
    size_t n;
    iam_policies_of(e, &n);
    return n;
}

static void what_decisions_read_is_kept_until_it_changes(void **state)
{
    struct world w;
    size_t n;
    world_open(&w, false);
    assert_non_null(CALL(&w, "iam.CreateUser", "{'UserName':'u'}"));
    assert_non_null(CALL(&w, "iam.CreateGroup", "{'GroupName':'g'}"));
    struct iam_entity *user = &iam_user_find(w.core, world_scope.account, "U")->e;
    assert_int_equal(count(user), 0);
    CALL(&w, "iam.AddUserToGroup", "{'UserName':'u','GroupName':'g'}");
    CALL(&w, "iam.AttachGroupPolicy",
         "{'GroupName':'g','PolicyArn':'arn:aws:iam::aws:policy/ReadOnlyAccess'}");
    assert_int_equal(count(user), 1);
    CALL(&w, "iam.AttachUserPolicy",
         "{'UserName':'u','PolicyArn':'arn:aws:iam::aws:policy/PowerUserAccess'}");
    const struct policy_source *kept = iam_policies_of(user, &n);
    assert_int_equal(n, 2);
    assert_string_equal(kept[0].name, "arn:aws:iam::aws:policy/PowerUserAccess");
    assert_string_equal(kept[1].name, "arn:aws:iam::aws:policy/ReadOnlyAccess");
    assert_ptr_equal(iam_policies_of(user, &n), kept); /* nothing is copied again */
    CALL(&w, "iam.TagUser", "{'UserName':'u','Tags':[{'Key':'a','Value':'b'}]}");
    assert_ptr_equal(iam_policies_of(user, &n), kept);
    assert_string_equal(iam_tag_of(user, "A"), "b");
    CALL(&w, "iam.RemoveUserFromGroup", "{'UserName':'u','GroupName':'g'}");
    assert_int_equal(count(user), 1);
    world_close(&w);
}

static void a_restart_links_all_again(void **state)
{
    struct world w;
    world_open(&w, false);
    assert_non_null(CALL(&w, "iam.CreateUser", "{'UserName':'u'}"));
    assert_non_null(CALL(&w, "iam.CreateGroup", "{'GroupName':'g'}"));
    assert_non_null(CALL(&w, "iam.CreateAccessKey", "{'UserName':'u'}"));
    CALL(&w, "iam.AddUserToGroup", "{'UserName':'u','GroupName':'g'}");
    CALL(&w, "iam.PutGroupPolicy",
         "{'GroupName':'g','PolicyName':'p','PolicyDocument':'%s'}", quoted(ALLOW));
    CALL(&w, "iam.UpdateUser", "{'UserName':'u','NewUserName':'v'}");
    struct iam_user_entity *u = iam_user_find(w.core, world_scope.account, "v");
    struct error err;
    const char *secret;
    char *id = xstrdup(list_entry(u->keys.next, struct iam_key, of_user)->id);
    assert_int_equal(
        iam_key_secret(w.core, iam_access_key_find(w.core, id), &secret, &err), 0);
    char *was = xstrdup(secret);
    world_restart(&w);
    assert_null(iam_user_find(w.core, world_scope.account, "u"));
    u = iam_user_find(w.core, world_scope.account, "v");
    assert_int_equal(count(&u->e), 1);
    struct iam_key *key = iam_access_key_find(w.core, id);
    assert_ptr_equal(key->user, u);
    assert_true(iam_key_active(key));
    assert_int_equal(iam_key_secret(w.core, key, &secret, &err), 0);
    assert_string_equal(secret, was);
    free(id);
    free(was);
    world_close(&w);
}

/* ---- what is asked ---- */

static char asked[512];

static bool note(struct core *core, const struct identity *who, const struct access *q,
                 const struct policy_context *ctx, struct policy_decision *ret)
{
    struct policy_values v;
    size_t n = strlen(asked);
    const char *boundary = ctx->find(ctx, "iam:permissionsboundary", &v) ? v.v[0] : "";
    snprintf(asked + n, sizeof(asked) - n, "%s %s%s%s\n", q->action, q->resource,
             *boundary ? " within " : "", boundary);
    return true;
}

#define ASKED(w, expected, ...)                                                          \
    do {                                                                                 \
        asked[0] = '\0';                                                                 \
        CALL((w), __VA_ARGS__);                                                          \
        assert_string_equal(asked, expected);                                            \
    } while (0)

#define A "arn:aws:iam::000000000000:"

static void policies_are_asked_with_paths(void **state)
{
    static const struct access_judge judge = {.decide = note};
    struct world w;
    world_open(&w, false);
    core_set_judge(w.core, &judge);
    world_more.access = &iam_access;
    ASKED(&w, "iam:CreateUser " A "user/a/b/u within arn:aws:iam::aws:policy/x\n",
          "iam.CreateUser",
          "{'UserName':'u','Path':'/a/b/','PermissionsBoundary':"
          "'arn:aws:iam::aws:policy/x'}");
    CALL(&w, "iam.CreateUser",
         "{'UserName':'u','Path':'/a/b/','PermissionsBoundary':"
         "'arn:aws:iam::aws:policy/PowerUserAccess'}");
    ASKED(&w,
          "iam:GetUser " A "user/a/b/u within arn:aws:iam::aws:policy/PowerUserAccess\n",
          "iam.GetUser", "{'UserName':'U'}");
    ASKED(&w, "iam:GetUser " A "user/none\n", "iam.GetUser", "{'UserName':'none'}");
    ASKED(&w, "iam:GetUser *\n", "iam.GetUser", "{}");
    ASKED(&w, "iam:ListUsers *\n", "iam.ListUsers", "{}");
    ASKED(&w, "iam:CreateRole " A "role/r\n", "iam.CreateRole",
          "{'RoleName':'r','AssumeRolePolicyDocument':'%s'}", quoted(TRUST));
    ASKED(&w, "iam:CreatePolicy " A "policy/p/x\n", "iam.CreatePolicy",
          "{'PolicyName':'x','Path':'/p/','PolicyDocument':'%s'}", quoted(ALLOW));
    ASKED(&w, "iam:GetPolicy arn:aws:iam::aws:policy/ReadOnlyAccess\n", "iam.GetPolicy",
          "{'PolicyArn':'arn:aws:iam::aws:policy/ReadOnlyAccess'}");
    CALL(&w, "iam.CreateInstanceProfile", "{'InstanceProfileName':'i','Path':'/q/'}");
    ASKED(&w,
          "iam:AddRoleToInstanceProfile " A "instance-profile/q/i\niam:PassRole " A
          "role/r\n",
          "iam.AddRoleToInstanceProfile", "{'InstanceProfileName':'i','RoleName':'r'}");
    ASKED(&w,
          "iam:CreateServiceLinkedRole " A
          "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS\n",
          "iam.CreateServiceLinkedRole", "{'AWSServiceName':'ecs.amazonaws.com'}");
    ASKED(&w,
          "iam:GetServiceLinkedRoleDeletionStatus " A
          "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS\n",
          "iam.GetServiceLinkedRoleDeletionStatus",
          "{'DeletionTaskId':'task/aws-service-role/ecs.amazonaws.com/"
          "AWSServiceRoleForECS/0'}");
    ASKED(&w, "iam:CreateOpenIDConnectProvider " A "oidc-provider/x.test/a\n",
          "iam.CreateOpenIDConnectProvider",
          "{'Url':'https://x.test/a','ThumbprintList':[]}");
    ASKED(&w,
          "iam:PutUserPolicy " A "user/a/b/u within "
          "arn:aws:iam::aws:policy/PowerUserAccess\n",
          "iam.PutUserPolicy", "{'UserName':'u','PolicyName':'n','PolicyDocument':'%s'}",
          quoted(ALLOW));
    ASKED(&w, "iam:SimulatePrincipalPolicy " A "role/r\n", "iam.SimulatePrincipalPolicy",
          "{'PolicySourceArn':'" A "role/r','ActionNames':['s3:GetObject']}");
    world_more.access = NULL;
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_tells_its_account),
        cmocka_unit_test(many_are_found_by_id),
        cmocka_unit_test(every_policy_of_aws_compiles),
        cmocka_unit_test(every_policy_of_aws_is_found),
        cmocka_unit_test(what_decisions_read_is_kept_until_it_changes),
        cmocka_unit_test(a_restart_links_all_again),
        cmocka_unit_test(policies_are_asked_with_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
