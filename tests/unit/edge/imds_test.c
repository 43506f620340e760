/* The metadata service without its network: tokens, what is allowed, what is said. */
#include "unit.h"

#include <string.h>

#include "imds.h"
#include "str.h"

static const struct imds_key key = {{1, 2, 3}};

static struct ec2_instance_metadata_options_response options;
static struct gantry_edge_credentials credentials;
static struct gantry_edge_instance instance;

static int begin(void **state)
{
    static struct ec2_group_identifier group = {.group_id = "sg-1", .group_name = "web"};
    static struct ec2_tag tags[] = {{"Name", "one"}, {"team", NULL}};
    options = (struct ec2_instance_metadata_options_response){
        .http_tokens = EC2_HTTP_TOKENS_STATE_REQUIRED,
        .http_put_response_hop_limit = SET_INT(1),
        .http_endpoint = EC2_INSTANCE_METADATA_ENDPOINT_STATE_ENABLED,
    };
    credentials = (struct gantry_edge_credentials){
        .code = "Success",
        .role_name = "ecsInstanceRole",
        .updated_at = SET_TIME(0),
        .access_key_id = "ASIAEXAMPLE",
        .secret_access_key = "s\"x",
        .session_token = "tok",
        .expiration = SET_TIME(3600000),
    };
    instance = (struct gantry_edge_instance){
        .instance_id = "i-0123",
        .account_id = "111122223333",
        .region = "eu-west-1",
        .availability_zone = "eu-west-1b",
        .instance_type = "t3.small",
        .image_id = "ami-1",
        .user_data = "IyEvYmluL3NoCg==",
        .mac_address = "02:00:00:00:00:01",
        .private_ip_address = "10.0.0.5",
        .private_dns_name = "ip-10-0-0-5.eu-west-1.compute.internal",
        .subnet_id = "subnet-1",
        .vpc_id = "vpc-1",
        .security_groups = {.v = &group, .n = 1, .set = true},
        .tags = {.v = tags, .n = 2, .set = true},
        .metadata_options = &options,
        .iam_instance_profile_arn = "arn:aws:iam::111122223333:instance-profile/p",
        .iam_instance_profile_id = "AIPAX",
        .credentials = &credentials,
        .launched_at = SET_TIME(0),
    };
    return 0;
}

static struct arena a;

static int end(void **state)
{
    arena_free(&a);
    return 0;
}

/* One request at second `now`; headers: lines with CR LF. */
static struct imds_answer ask(const char *method, const char *path, const char *headers,
                              int64_t now)
{
    struct local_request q = {.method = method,
                              .path = path,
                              .query = "",
                              .headers = headers,
                              .headers_len = strlen(headers)};
    struct imds_answer ret;
    imds_answer(&a, &instance, &key, &q, now, &ret);
    return ret;
}

static const char *token(int64_t ttl, int64_t now)
{
    struct imds_answer r = ask(
        "PUT", "/latest/api/token",
        arena_printf(&a, "x-aws-ec2-metadata-token-ttl-seconds: %d\r\n", (int)ttl), now);
    assert_int_equal(r.status, 200);
    return arena_printf(&a, "X-aws-ec2-metadata-token: %s\r\n", r.body);
}

/* ---- tokens ---- */

static void a_token_lasts_as_long_as_was_asked(void **state)
{
    const char *t = token(60, 1000);
    assert_int_equal(ask("GET", "/latest/meta-data/", t, 1059).status, 200);
    assert_int_equal(ask("GET", "/latest/meta-data/", t, 1060).status, 401);
}

static void a_token_is_of_one_instance_and_one_key(void **state)
{
    struct imds_key other = {{9}};
    char t[IMDS_TOKEN_SIZE];
    imds_token_make(&key, "i-0123", 100, t);
    assert_true(imds_token_valid(&key, "i-0123", t, 99));
    assert_false(imds_token_valid(&key, "i-0124", t, 99));
    assert_false(imds_token_valid(&other, "i-0123", t, 99));
    t[3] = t[3] == 'A' ? 'B' : 'A'; /* another time */
    assert_false(imds_token_valid(&key, "i-0123", t, 99));
    assert_false(imds_token_valid(&key, "i-0123", "", 99));
    assert_false(imds_token_valid(&key, "i-0123", "not base64!", 99));
}

static void how_tokens_are_asked_for(void **state)
{
    static const struct {
        const char *method, *headers;
        int status;
    } rows[] = {
        {"PUT", "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n", 200},
        {"PUT", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds:1\r\n", 200},
        {"PUT", "X-aws-ec2-metadata-token-ttl-seconds: 21601\r\n", 400},
        {"PUT", "X-aws-ec2-metadata-token-ttl-seconds: 0\r\n", 400},
        {"PUT", "X-aws-ec2-metadata-token-ttl-seconds: -1\r\n", 400},
        {"PUT", "X-aws-ec2-metadata-token-ttl-seconds: 1.5\r\n", 400},
        {"PUT", "X-aws-ec2-metadata-token-ttl-seconds: 99999999999999999999\r\n", 400},
        {"PUT", "X-aws-ec2-metadata-token-ttl-seconds:\r\n", 400},
        {"PUT", "", 400},
        {"PUT",
         "X-Forwarded-For: 1.2.3.4\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n", 403},
        {"POST", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n", 405},
        {"GET", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n", 401},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(
            ask(rows[i].method, "/latest/api/token", rows[i].headers, 0).status,
            rows[i].status);
    assert_int_equal(ask("PUT", "/latest/meta-data", rows[0].headers, 0).status, 405);
}

static void only_the_token_has_few_hops(void **state)
{
    const char *ttl = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n";
    assert_int_equal(ask("PUT", "/latest/api/token", ttl, 0).hops, 1);
    options.http_put_response_hop_limit = SET_INT(64);
    assert_int_equal(ask("PUT", "/latest/api/token", ttl, 0).hops, 64);
    assert_int_equal(ask("GET", "/latest/meta-data/mac", token(60, 0), 0).hops, 0);
}

static void tokens_required_or_not(void **state)
{
    const char *wrong = "X-aws-ec2-metadata-token: abc\r\n";
    assert_int_equal(ask("GET", "/latest/meta-data/mac", "", 0).status, 401);
    assert_int_equal(ask("GET", "/latest/meta-data/mac", wrong, 0).status, 401);
    options.http_tokens = EC2_HTTP_TOKENS_STATE_OPTIONAL;
    assert_int_equal(ask("GET", "/latest/meta-data/mac", "", 0).status, 200);
    assert_int_equal(ask("GET", "/latest/meta-data/mac", wrong, 0).status, 401);
    assert_int_equal(ask("GET", "/latest/meta-data/mac", token(9, 0), 0).status, 200);
}

static void turned_off_it_answers_nothing(void **state)
{
    const char *t = token(60, 0);
    options.http_endpoint = EC2_INSTANCE_METADATA_ENDPOINT_STATE_DISABLED;
    assert_int_equal(ask("GET", "/latest/meta-data/mac", t, 0).status, 403);
    assert_int_equal(
        ask("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n", 0)
            .status,
        403);
}

/* ---- what is said ---- */

static void check(const char *path, const char *expected)
{
    struct imds_answer r = ask("GET", path, token(60, 0), 0);
    if (!expected) {
        assert_int_equal(r.status, 404);
        return;
    }
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, expected);
    assert_int_equal(r.len, strlen(expected));
}

static void values_and_listings(void **state)
{
    check("/", "1.0\nlatest");
    check("/latest", "dynamic/\nmeta-data/\nuser-data");
    check("/latest/meta-data/instance-id", "i-0123");
    check("/2021-07-15/meta-data/instance-id", "i-0123");
    check("//latest//meta-data/instance-id/", "i-0123");
    check("/latest/meta-data/placement/", "availability-zone\nregion");
    check("/latest/meta-data/placement", "availability-zone\nregion");
    check("/latest/meta-data/placement/region", "eu-west-1");
    check("/latest/meta-data/network/interfaces/macs/", "02:00:00:00:00:01/");
    check("/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/vpc-id", "vpc-1");
    check("/latest/meta-data/security-groups", "web");
    check("/latest/meta-data/iam/", "info\nsecurity-credentials/");
    check("/latest/user-data", "#!/bin/sh\n");
    check("/latest/meta-data/public-ipv4", NULL);
    check("/latest/meta-data/spot/instance-action", NULL);
    check("/latest/dynamic/instance-identity/signature", NULL);
    check("/latest/meta-data/instance", NULL);
    check("/lates/meta-data/mac", NULL);
    check("/latest/meta-data/../meta-data/mac", NULL);
}

static void credentials_of_the_role(void **state)
{
    check("/latest/meta-data/iam/security-credentials/", "ecsInstanceRole");
    check("/latest/meta-data/iam/security-credentials/other", NULL);
    check("/latest/meta-data/iam/security-credentials/ecsInstanceRole",
          "{\"Code\":\"Success\",\"LastUpdated\":\"1970-01-01T00:00:00Z\","
          "\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIAEXAMPLE\","
          "\"SecretAccessKey\":\"s\\\"x\",\"Token\":\"tok\","
          "\"Expiration\":\"1970-01-01T01:00:00Z\"}");
    check("/latest/meta-data/iam/info",
          "{\"Code\":\"Success\",\"LastUpdated\":\"1970-01-01T00:00:00Z\","
          "\"InstanceProfileArn\":\"arn:aws:iam::111122223333:instance-profile/p\","
          "\"InstanceProfileId\":\"AIPAX\"}");
    instance.iam_instance_profile_arn = NULL;
    check("/latest/meta-data/iam/security-credentials/", NULL);
    check("/latest/meta-data/iam/info", NULL);
}

static void a_role_that_can_not_be_had(void **state)
{
    credentials = (struct gantry_edge_credentials){
        .code = "AssumeRoleUnauthorizedAccess",
        .message = "no trust",
        .role_name = "r",
        .updated_at = SET_TIME(0),
    };
    check("/latest/meta-data/iam/security-credentials/r",
          "{\"Code\":\"AssumeRoleUnauthorizedAccess\","
          "\"LastUpdated\":\"1970-01-01T00:00:00Z\",\"Message\":\"no trust\"}");
}

static void tags_when_enabled(void **state)
{
    check("/latest/meta-data/tags/instance", NULL);
    options.instance_metadata_tags = EC2_INSTANCE_METADATA_TAGS_STATE_ENABLED;
    check("/latest/meta-data/tags/instance", "Name\nteam");
    check("/latest/meta-data/tags/instance/Name", "one");
    check("/latest/meta-data/tags/instance/team", "");
}

static void who_it_is(void **state)
{
    check("/latest/dynamic/instance-identity/document",
          "{\"accountId\":\"111122223333\",\"architecture\":\"x86_64\","
          "\"availabilityZone\":\"eu-west-1b\",\"imageId\":\"ami-1\","
          "\"instanceId\":\"i-0123\",\"instanceType\":\"t3.small\","
          "\"pendingTime\":\"1970-01-01T00:00:00Z\",\"privateIp\":\"10.0.0.5\","
          "\"region\":\"eu-west-1\",\"version\":\"2017-09-30\"}");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_lasts_as_long_as_was_asked),
        TEST(a_token_is_of_one_instance_and_one_key),
        TEST(how_tokens_are_asked_for),
        TEST(only_the_token_has_few_hops),
        TEST(tokens_required_or_not),
        TEST(turned_off_it_answers_nothing),
        TEST(values_and_listings),
        TEST(credentials_of_the_role),
        TEST(a_role_that_can_not_be_had),
        TEST(tags_when_enabled),
        TEST(who_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
