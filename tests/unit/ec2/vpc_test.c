/* VPCs under a virtual clock: ranges of addresses, the default VPC, what routes come to in the
 * edge, NAT gateways and public addresses, filters. */
#include "unit.h"

#include "address.h"
#include "cidr.h"
#include "ec2_query.h"
#include "world.h"

/* ---- ranges ---- */

static void ranges_are_read_strictly(void **state)
{
    static const char *const good[] = {"0.0.0.0/0", "10.0.0.0/8", "192.168.255.1/32"};
    static const char *const bad[] = {"",
                                      "10.0.0.0",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0/8",
                                      "10.0.0.0/8 ",
                                      " 10.0.0.0/8",
                                      "010.0.0.0/8",
                                      "10.0.0.256/8",
                                      "10.0.0.0.0/8",
                                      "10.0.0.0/08",
                                      "1e1.0.0.0/8",
                                      "10.0.0.0/-1",
                                      "10..0.0/8",
                                      "::/0"};
    struct cidr c;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(cidr_parse(good[i], &c));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(cidr_parse(bad[i], &c));
    assert_false(cidr_parse(NULL, &c));
    assert_true(cidr_parse("10.1.2.3/16", &c));
    assert_int_equal(c.base, 0x0a010000);
    assert_int_equal(cidr_size(c), 65536);
    assert_false(cidr_parse_strict("10.1.2.3/16", &c));
}

static struct cidr range(const char *text)
{
    struct cidr c;
    assert_true(cidr_parse_strict(text, &c));
    return c;
}

static void ranges_contain_and_overlap(void **state)
{
    assert_true(cidr_contains(range("10.0.0.0/8"), range("10.255.0.0/16")));
    assert_false(cidr_contains(range("10.255.0.0/16"), range("10.0.0.0/8")));
    assert_true(cidr_overlap(range("10.255.0.0/16"), range("10.0.0.0/8")));
    assert_false(cidr_overlap(range("10.0.0.0/25"), range("10.0.0.128/25")));
    assert_true(cidr_contains(range("0.0.0.0/0"), range("255.255.255.255/32")));
    assert_true(cidr_private(range("172.31.0.0/16")));
    assert_false(cidr_private(range("172.32.0.0/16")));
}

/* ---- what the edge gets ---- */

struct made {
    char vpc[32], subnet[32], table[32], gateway[40], nic[40];
};

#define KEEP(to, text) snprintf(to, sizeof(to), "%s", text)

/* A VPC with one subnet, a table of its own and an attached internet gateway. */
static void make_vpc(struct world *w, struct made *m)
{
    struct ec2_create_vpc_result *v = CALL(w, "CreateVpc", "{'CidrBlock':'10.0.0.0/16'}");
    KEEP(m->vpc, v->vpc->vpc_id);
    struct ec2_create_subnet_result *s =
        CALL(w, "CreateSubnet", "{'VpcId':'%s','CidrBlock':'10.0.1.0/24'}", m->vpc);
    KEEP(m->subnet, s->subnet->subnet_id);
    struct ec2_create_route_table_result *t =
        CALL(w, "CreateRouteTable", "{'VpcId':'%s'}", m->vpc);
    KEEP(m->table, t->route_table->route_table_id);
    struct ec2_create_internet_gateway_result *g = CALL(w, "CreateInternetGateway", "{}");
    KEEP(m->gateway, g->internet_gateway->internet_gateway_id);
    assert_non_null(CALL(w, "AttachInternetGateway",
                         "{'VpcId':'%s','InternetGatewayId':'%s'}", m->vpc, m->gateway));
}

/* An interface that the edge has to know; the VPC would not be sent otherwise. */
static void make_task_interface(struct world *w, struct made *m)
{
    struct ec2_interface_want want = {.scope = world_scope,
                                      .subnet_id = m->subnet,
                                      .use = GANTRY_EDGE_INTERFACE_USE_TASK,
                                      .owner = "task"};
    struct ec2_interface_info info;
    struct error err;
    assert_int_equal(ec2_interface_create(w->core, &want, &info, &err), 0);
    KEEP(m->nic, info.interface_id);
    world_settle(w);
}

static void route(struct world *w, const struct made *m, const char *to, const char *kind,
                  const char *id)
{
    assert_non_null(CALL(w, "CreateRoute",
                         "{'RouteTableId':'%s','DestinationCidrBlock':'%s','%s':'%s'}",
                         m->table, to, kind, id));
}

/* "LOCAL 10.0.0.0/16, INTERNET 0.0.0.0/0" of the VPC's only subnet. */
static void assert_routes(struct world *w, const struct made *m, const char *want)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR text = STR_INIT;
    struct gantry_edge_vpc_list vpcs = {0};
    struct gantry_edge_interface_list interfaces = {0};
    struct gantry_edge_instance_list instances = {0};
    ec2_edge_desired(w->core, &a, &vpcs, &interfaces, &instances);
    for (size_t i = 0; i < vpcs.n; i++) {
        if (!streq(vpcs.v[i].vpc_id, m->vpc))
            continue;
        assert_int_equal(vpcs.v[i].subnets.n, 1);
        const struct gantry_edge_route_list *l = &vpcs.v[i].subnets.v[0].routes;
        for (size_t k = 0; k < l->n; k++)
            str_addf(&text, "%s%s %s", k ? ", " : "",
                     wire_enum_name(&gantry_edge_route_target_shape, (int)l->v[k].target),
                     l->v[k].destination_cidr_block);
    }
    assert_string_equal(str_text(&text), want);
}

static void routes_of_a_subnet_are_those_of_its_table(void **state)
{
    struct world w;
    struct made m;
    world_open(&w, true);
    make_vpc(&w, &m);
    assert_routes(&w, &m, ""); /* without an interface no VPC */
    make_task_interface(&w, &m);
    assert_routes(&w, &m, "LOCAL 10.0.0.0/16");
    route(&w, &m, "0.0.0.0/0", "GatewayId", m.gateway);
    route(&w, &m, "192.0.2.0/24", "NetworkInterfaceId", m.nic);
    assert_routes(&w, &m, "LOCAL 10.0.0.0/16"); /* the main table still */
    assert_non_null(CALL(&w, "AssociateRouteTable",
                         "{'SubnetId':'%s','RouteTableId':'%s'}", m.subnet, m.table));
    assert_routes(&w, &m,
                  "LOCAL 10.0.0.0/16, INTERNET 0.0.0.0/0, INTERFACE 192.0.2.0/24");
    world_restart(&w);
    assert_routes(&w, &m,
                  "LOCAL 10.0.0.0/16, INTERNET 0.0.0.0/0, INTERFACE 192.0.2.0/24");
    assert_non_null(CALL(&w, "DetachInternetGateway",
                         "{'VpcId':'%s','InternetGatewayId':'%s'}", m.vpc, m.gateway));
    assert_routes(&w, &m,
                  "LOCAL 10.0.0.0/16, BLACKHOLE 0.0.0.0/0, INTERFACE 192.0.2.0/24");
    assert_non_null(CALL(&w, "AttachInternetGateway",
                         "{'VpcId':'%s','InternetGatewayId':'%s'}", m.vpc, m.gateway));
    assert_non_null(CALL(&w, "AssociateVpcCidrBlock",
                         "{'VpcId':'%s','CidrBlock':'10.7.0.0/16'}", m.vpc));
    assert_routes(&w, &m,
                  "LOCAL 10.0.0.0/16, INTERNET 0.0.0.0/0, INTERFACE 192.0.2.0/24, "
                  "LOCAL 10.7.0.0/16");
    world_close(&w);
}

static void many_changes_are_one_message(void **state)
{
    struct world w;
    struct made m;
    world_open(&w, true);
    make_vpc(&w, &m);
    make_task_interface(&w, &m);
    str_clear(&w.told);
    struct vpc *v = vpc_find(w.core, &world_scope, m.vpc);
    for (int i = 0; i < 100; i++)
        vpc_changed(w.core, v);
    world_settle(&w);
    world_told(&w, "vpc groups=1 in=1 out=1\n");
    assert_non_null(CALL(&w, "CreateTags",
                         "{'Resources':['%s'],'Tags':[{'Key':'Name','Value':'x'}]}",
                         m.vpc));
    world_told(&w, ""); /* names are not packets */
    world_close(&w);
}

/* ---- NAT gateways and public addresses ---- */

static void a_nat_gateway_comes_and_goes(void **state)
{
    struct world w;
    struct made m;
    char id[40], allocation[40];
    world_open(&w, true);
    make_vpc(&w, &m);
    struct ec2_allocate_address_result *e = CALL(&w, "AllocateAddress", "{}");
    assert_string_equal(e->public_ip, "198.18.17.0"); /* the first /24 is the edge's */
    KEEP(allocation, e->allocation_id);
    str_clear(&w.told);
    struct ec2_create_nat_gateway_result *n =
        CALL(&w, "CreateNatGateway", "{'SubnetId':'%s','AllocationId':'%s'}", m.subnet,
             allocation);
    assert_int_equal(n->nat_gateway->state, EC2_NAT_GATEWAY_STATE_AVAILABLE);
    KEEP(id, n->nat_gateway->nat_gateway_id);
    assert_non_null(CALL(&w, "AssociateRouteTable",
                         "{'SubnetId':'%s','RouteTableId':'%s'}", m.subnet, m.table));
    route(&w, &m, "0.0.0.0/0", "NatGatewayId", id);
    assert_routes(&w, &m, "LOCAL 10.0.0.0/16, NAT 0.0.0.0/0");
    world_restart(&w);
    assert_routes(&w, &m, "LOCAL 10.0.0.0/16, NAT 0.0.0.0/0"); /* the edge is back */
    str_clear(&w.told);
    assert_non_null(CALL(&w, "DeleteNatGateway", "{'NatGatewayId':'%s'}", id));
    assert_non_null(CALL(&w, "DeleteNatGateway", "{'NatGatewayId':'%s'}", id));
    world_told(&w, "interface gone\nvpc gone\n");
    make_task_interface(&w, &m);
    assert_routes(&w, &m, "LOCAL 10.0.0.0/16, BLACKHOLE 0.0.0.0/0");
    assert_non_null(CALL(&w, "ReleaseAddress", "{'AllocationId':'%s'}", allocation));
    /* shown for an hour, also by the next server */
    w.now_ms += 3599 * 1000;
    world_restart(&w);
    assert_non_null(CALL(&w, "DescribeNatGateways", "{'NatGatewayIds':['%s']}", id));
    w.now_ms += 2 * 1000;
    world_settle(&w);
    REFUSED(&w, "NatGatewayNotFound", "DescribeNatGateways", "{'NatGatewayIds':['%s']}",
            id);
    world_close(&w);
}

static void public_addresses_are_nobody_elses(void **state)
{
    struct world w;
    struct ec2 *ec2;
    uint32_t address, first;
    world_open(&w, true);
    struct ec2_interface_want want = {.scope = world_scope,
                                      .subnet_id = world_subnet(&w, 0),
                                      .public_ip = true,
                                      .use = GANTRY_EDGE_INTERFACE_USE_TASK,
                                      .owner = "task"};
    struct ec2_interface_info info;
    struct error err;
    assert_int_equal(ec2_interface_create(w.core, &want, &info, &err), 0);
    assert_true(address_parse(info.public_ip, &first));
    assert_non_null(CALL(&w, "DescribeVpcs", "{}")); /* a task, so it is stored */
    world_restart(&w);
    ec2 = ec2_of(w.core);
    assert_false(public_address_take_this(ec2, first));
    assert_false(public_address_take_this(ec2, ec2->pool.base + 255)); /* the edge's */
    assert_false(public_address_take_this(ec2, ec2->pool.base + 4095));
    size_t n = 0;
    while (public_address_take(ec2, &address)) {
        assert_int_not_equal(address, first);
        n++;
    }
    assert_int_equal(n, 4096 - 256 - 1 - 1);
    assert_int_equal(ec2_interface_create(w.core, &want, &info, &err), -E_FULL);
    REFUSED(&w, "InsufficientAddressCapacity", "AllocateAddress", "{}");
    public_address_give_back(ec2, first);
    assert_true(public_address_take(ec2, &address));
    assert_int_equal(address, first);
    world_close(&w);
}

/* ---- the default VPC ---- */

static size_t vpc_count(struct world *w)
{
    const struct ec2_describe_vpcs_result *r = CALL(w, "DescribeVpcs", "{}");
    return r->vpcs.n;
}

static void the_default_vpc_comes_once(void **state)
{
    struct world w;
    char id[32], gateway[40];
    world_open(&w, false);
    ec2_account_ensure(w.core, &world_scope);
    ec2_account_ensure(w.core, &world_scope);
    world_settle(&w);
    assert_int_equal(vpc_count(&w), 1);
    world_restart(&w);
    ec2_account_ensure(w.core, &world_scope);
    assert_int_equal(vpc_count(&w), 1);
    const struct vpc *v = default_vpc(w.core, &world_scope);
    KEEP(id, vpc_id(v));
    KEEP(gateway, vpc_gateway(w.core, v)->rec->internet_gateway->internet_gateway_id);
    for (int i = 0; i < 3; i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct string_list l = {0};
        ec2_default_subnets(w.core, &world_scope, &a, &l);
        assert_int_equal(l.n, 3 - i);
        const char *subnet = arena_strdup(&a, l.v[0]);
        assert_non_null(CALL(&w, "DeleteSubnet", "{'SubnetId':'%s'}", subnet));
    }
    REFUSED(&w, "DependencyViolation", "DeleteVpc", "{'VpcId':'%s'}", id);
    assert_non_null(CALL(&w, "DetachInternetGateway",
                         "{'VpcId':'%s','InternetGatewayId':'%s'}", id, gateway));
    assert_non_null(CALL(&w, "DeleteVpc", "{'VpcId':'%s'}", id));
    world_restart(&w);
    assert_int_equal(vpc_count(&w), 0); /* who removed it does not want it */
    assert_non_null(CALL(&w, "CreateDefaultVpc", "{}"));
    assert_int_equal(vpc_count(&w), 1);
    world_close(&w);
}

/* ---- filters ---- */

static void wildcards(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        {"", "", true},       {"*", "", true},         {"?", "", false},
        {"abc", "abc", true}, {"abc", "abcd", false},  {"a*c", "abbc", true},
        {"a*c", "ab", false}, {"*b*", "abc", true},    {"a?c", "abc", true},
        {"\\*", "*", true},   {"\\*", "x", false},     {"\\?x", "?x", true},
        {"a\\", "a\\", true}, {"**x", "yx", true},     {"*ab", "aab", true},
        {"A", "a", false},    {"web-*", "web-", true}, {"*a*b*", "xxaxxb", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (ec2_wildcard(rows[i].pattern, rows[i].text) != rows[i].match)
            fail_msg("%s on %s", rows[i].pattern, rows[i].text);
}

static size_t found(struct world *w, const char *filters)
{
    const struct ec2_describe_subnets_result *r =
        CALL(w, "DescribeSubnets", "{'Filters':[%s]}", filters);
    assert_non_null(r);
    return r->subnets.n;
}

static void filters_choose(void **state)
{
    struct world w;
    world_open(&w, false);
    const char *subnet = world_subnet(&w, 1);
    assert_non_null(CALL(&w, "CreateTags",
                         "{'Resources':['%s'],'Tags':[{'Key':'Name','Value':'web'}]}",
                         subnet));
    assert_int_equal(found(&w, ""), 3);
    /* one value of a filter is enough, every filter must hold */
    assert_int_equal(found(&w, "{'Name':'availability-zone','Values':['us-east-1a',"
                               "'us-east-1b']}"),
                     2);
    assert_int_equal(found(&w, "{'Name':'availability-zone','Values':['us-east-1a',"
                               "'us-east-1b']},{'Name':'tag:Name','Values':['w?b']}"),
                     1);
    assert_int_equal(found(&w, "{'Name':'tag-key','Values':['Na*']}"), 1);
    assert_int_equal(found(&w, "{'Name':'tag-value','Values':['Name']}"), 0);
    assert_int_equal(found(&w, "{'Name':'tag:Other','Values':['*']}"), 0);
    assert_int_equal(found(&w, "{'Name':'cidr','Values':['172.31.?.0/20']}"), 1);
    REFUSED(&w, "InvalidParameterValue", "DescribeSubnets",
            "{'Filters':[{'Name':'colour','Values':['red']}]}");
    REFUSED(&w, "InvalidParameterValue", "DescribeSubnets",
            "{'Filters':[{'Name':'vpc-id'}]}");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_read_strictly),
        cmocka_unit_test(ranges_contain_and_overlap),
        cmocka_unit_test(routes_of_a_subnet_are_those_of_its_table),
        cmocka_unit_test(many_changes_are_one_message),
        cmocka_unit_test(a_nat_gateway_comes_and_goes),
        cmocka_unit_test(public_addresses_are_nobody_elses),
        cmocka_unit_test(the_default_vpc_comes_once),
        cmocka_unit_test(wildcards),
        cmocka_unit_test(filters_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
