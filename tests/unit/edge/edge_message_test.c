/* Lines of the server's stream, with parts that only write down what they are told. */
#include "unit.h"

#include "edge_message.h"
#include "str.h"

static struct str said;

static int check_said(const char *expected)
{
    assert_string_equal(str_text(&said), expected);
    str_clear(&said);
    return 0;
}

/* ---- the parts ---- */

void router_begin(struct router *r)
{
    str_add(&said, "begin ");
}

void router_vpc(struct router *r, const struct gantry_edge_vpc *v)
{
    str_addf(&said, "vpc %s ", v->vpc_id);
}

void router_vpc_gone(struct router *r, const char *id)
{
    str_addf(&said, "vpc-gone %s ", id);
}

void router_interface(struct router *r, const struct gantry_edge_interface *i)
{
    str_addf(&said, "interface %s ", i->network_interface_id);
}

void router_interface_gone(struct router *r, const char *vpc, const char *id)
{
    str_addf(&said, "interface-gone %s %s ", vpc, id);
}

void router_settled(struct router *r)
{
    str_add(&said, "settled ");
}

void balancers_begin(struct balancers *b) {}

void balancers_balancer(struct balancers *b, const struct gantry_edge_balancer *x)
{
    str_addf(&said, "balancer %s ", x->load_balancer->load_balancer_arn);
}

void balancers_balancer_gone(struct balancers *b, const char *arn)
{
    str_addf(&said, "balancer-gone %s ", arn);
}

void balancers_targets(struct balancers *b, const struct gantry_edge_target_group *g)
{
    str_addf(&said, "targets %s ", g->target_group->target_group_arn);
}

void balancers_targets_gone(struct balancers *b, const char *arn)
{
    str_addf(&said, "targets-gone %s ", arn);
}

void balancers_settled(struct balancers *b) {}

void instances_begin(struct instances *i) {}

void instances_instance(struct instances *i, const struct gantry_edge_instance *x)
{
    str_addf(&said, "instance %s ", x->instance_id);
}

void instances_instance_gone(struct instances *i, const char *id)
{
    str_addf(&said, "instance-gone %s ", id);
}

void instances_settled(struct instances *i) {}

void resolver_begin(struct resolver *r) {}

void resolver_name(struct resolver *r, const char *owner, const char *name,
                   const char *const *addresses, size_t count)
{
    str_addf(&said, "name %s", name ? name : "-");
    for (size_t i = 0; i < count; i++)
        str_addf(&said, " %s", addresses[i]);
    str_add(&said, ", ");
}

void resolver_domain(struct resolver *r, const char *domain)
{
    str_addf(&said, "domain %s ", domain);
}

void resolver_settled(struct resolver *r) {}

/* ---- */

static int hear(const char *line)
{
    struct edge_parts parts = {.reports = report_queue_new("e", NULL, NULL)};
    struct error err = ERROR_INIT;
    int r = edge_message(&parts, line, strlen(line), &err);
    report_queue_free(parts.reports);
    return r;
}

static void test_desired(void **state)
{
    assert_int_equal(hear("{\"kind\":\"DESIRED\"}"), 1);
    check_said("begin settled ");
    assert_int_equal(
        hear(
            "{\"kind\":\"DESIRED\",\"vpcs\":[{\"vpcId\":\"vpc-1\",\"region\":\"eu-west-"
            "1\"}"
            ",{}],\"interfaces\":[{\"networkInterfaceId\":\"eni-1\",\"vpcId\":\"vpc-1\"},"
            "{\"networkInterfaceId\":\"eni-2\"}],\"targetGroups\":[{\"targetGroup\":"
            "{\"TargetGroupArn\":\"tg\"}},{}],\"balancers\":[{\"loadBalancer\":"
            "{\"LoadBalancerArn\":\"lb\",\"DNSName\":\"web.elb\"}},{\"loadBalancer\":{}}]"
            ","
            "\"instances\":[{\"instanceId\":\"i-1\"}]}"),
        1);
    check_said("begin vpc vpc-1 domain eu-west-1.compute.internal interface eni-1 "
               "targets tg balancer lb name web.elb, instance i-1 settled ");
}

static void test_changes(void **state)
{
    static const struct {
        const char *line, *said;
    } rows[] = {
        {"{\"kind\":\"VPC\",\"vpc\":{\"vpcId\":\"v\",\"region\":\"us-east-1\"}}",
         "vpc v domain ec2.internal "},
        {"{\"kind\":\"VPC_GONE\",\"vpcId\":\"v\"}", "vpc-gone v "},
        {"{\"kind\":\"INTERFACE\",\"interface\":{\"networkInterfaceId\":\"e\",\"vpcId\":"
         "\"v\"}}",
         "interface e "},
        {"{\"kind\":\"INTERFACE_GONE\",\"vpcId\":\"v\",\"id\":\"e\"}",
         "interface-gone v e "},
        {"{\"kind\":\"BALANCER_GONE\",\"id\":\"lb\"}", "balancer-gone lb name -, "},
        {"{\"kind\":\"TARGETS\",\"targetGroup\":{\"targetGroup\":{\"TargetGroupArn\":"
         "\"tg\"}}}",
         "targets tg "},
        {"{\"kind\":\"TARGETS_GONE\",\"id\":\"tg\"}", "targets-gone tg "},
        {"{\"kind\":\"INSTANCE\",\"instance\":{\"instanceId\":\"i\"}}", "instance i "},
        {"{\"kind\":\"INSTANCE_GONE\",\"id\":\"i\"}", "instance-gone i "},
        {"{\"kind\":\"PING\"}", ""},
        {"{\"kind\":\"OF_A_NEWER_SERVER\",\"x\":1}", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(hear(rows[i].line), 0);
        check_said(rows[i].said);
    }
}

/* Internet-facing: the public addresses; internal: the private ones. */
static void test_names_of_balancers(void **state)
{
    static const char line[] =
        "{\"kind\":\"BALANCER\",\"balancer\":{\"loadBalancer\":{\"LoadBalancerArn\":"
        "\"lb\","
        "\"DNSName\":\"web.elb\",\"Scheme\":\"%s\"},\"interfaces\":["
        "{\"privateIpAddress\":\"10.0.0.5\",\"publicIp\":\"198.18.1.1\"},"
        "{\"privateIpAddress\":\"10.0.1.5\"}]}}";
    AUTO_STR text = STR_INIT;
    str_addf(&text, line, "internet-facing");
    assert_int_equal(hear(text.data), 0);
    check_said("balancer lb name web.elb 198.18.1.1, ");
    str_clear(&text);
    str_addf(&text, line, "internal");
    assert_int_equal(hear(text.data), 0);
    check_said("balancer lb name web.elb 10.0.0.5 10.0.1.5, ");
}

static void test_garbage_changes_nothing(void **state)
{
    static const char *const lines[] = {
        "",
        "{",
        "null",
        "[]",
        "5",
        "\"DESIRED\"",
        "{\"kind\":5}",
        "{\"kind\":\"DESIRED\",\"vpcs\":{}}",
        "{\"kind\":\"DESIRED\",\"vpcs\":[5]}",
        "{\"kind\":\"DESIRED\"}}",
        "{\"kind\":\"DESIRED\"",
        "{\"kind\":\"VPC\"}",
        "{\"kind\":\"VPC\",\"vpc\":{}}",
        "{\"kind\":\"VPC\",\"vpc\":null}",
        "{\"kind\":\"VPC_GONE\"}",
        "{\"kind\":\"INTERFACE\",\"interface\":{\"vpcId\":\"v\"}}",
        "{\"kind\":\"INTERFACE_GONE\",\"id\":\"e\"}",
        "{\"kind\":\"BALANCER\",\"balancer\":{}}",
        "{\"kind\":\"BALANCER\",\"balancer\":{\"loadBalancer\":{}}}",
        "{\"kind\":\"BALANCER_GONE\",\"id\":\"\"}",
        "{\"kind\":\"TARGETS\",\"targetGroup\":{}}",
        "{\"kind\":\"TARGETS_GONE\"}",
        "{\"kind\":\"INSTANCE\",\"instance\":{}}",
        "{\"kind\":\"INSTANCE_GONE\"}",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(hear(lines[i]), -E_PROTOCOL);
        check_said("");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_desired),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_names_of_balancers),
        cmocka_unit_test(test_garbage_changes_nothing),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    str_free(&said);
    return r;
}
