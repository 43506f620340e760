/* A VPC's rules as text and elements, classes, routes: recorded, nothing of the kernel. */
#include "unit.h"

#include <arpa/inet.h>

#include "router_classes.h"
#include "router_routes.h"
#include "router_rules.h"

static struct arena arena;

static int teardown(void **state)
{
    arena_free(&arena);
    return 0;
}

static void *parse(const struct wire_shape *shape, const char *text)
{
    struct wire_error e;
    void *ret = NULL;
    assert_int_equal(wire_json_decode(&arena, shape, text, strlen(text), true, &ret, &e),
                     0);
    return ret;
}

#define GROUP(text) parse(&gantry_edge_security_group_shape, text)
#define VPC(text)   parse(&gantry_edge_vpc_shape, text)

/* --- groups --- */

static void a_group_is_two_chains(void **state)
{
    AUTO_STR t = STR_INIT;
    struct error err;
    const struct gantry_edge_security_group *g =
        GROUP("{\"groupId\": \"sg-1\", \"ingress\": ["
              "{\"ipProtocol\": \"tcp\", \"fromPort\": 80, \"toPort\": 90, \"cidrIpv4\": "
              "\"10.1.2.3/16\"},"
              "{\"ipProtocol\": \"udp\", \"fromPort\": 0, \"toPort\": 65535, "
              "\"referencedGroupId\": \"sg-2\"},"
              "{\"ipProtocol\": \"icmp\", \"fromPort\": 8, \"toPort\": -1, \"cidrIpv4\": "
              "\"0.0.0.0/0\"},"
              "{\"ipProtocol\": \"50\", \"cidrIpv4\": \"0.0.0.0/0\"},"
              "{\"ipProtocol\": \"-1\"}],"
              "\"egress\": [{\"ipProtocol\": \"-1\", \"cidrIpv4\": \"0.0.0.0/0\"}]}");
    assert_int_equal(router_text_group(&t, g, &err), 0);
    assert_string_equal(
        t.data,
        "add set inet gantry m-sg-1 { type ipv4_addr; }\n"
        "add chain inet gantry sg-1_in\nadd chain inet gantry sg-1_out\n"
        "add set inet gantry m-sg-2 { type ipv4_addr; }\n"
        "add chain inet gantry sg-2_in\nadd chain inet gantry sg-2_out\n"
        "flush chain inet gantry sg-1_in\n"
        "add rule inet gantry sg-1_in meta l4proto 6 th dport 80-90 ip saddr 10.1.0.0/16 "
        "accept\n"
        "add rule inet gantry sg-1_in meta l4proto 17 ip saddr @m-sg-2 accept\n"
        "add rule inet gantry sg-1_in meta l4proto 1 icmp type 8 accept\n"
        "add rule inet gantry sg-1_in meta l4proto 50 accept\n"
        "flush chain inet gantry sg-1_out\n"
        "add rule inet gantry sg-1_out goto inward\n");
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const bad[] = {
        "{\"groupId\": \"sg-1; flush ruleset\"}",
        "{\"groupId\": \"sg-1\", \"ingress\": [{\"ipProtocol\": \"tcp\", \"cidrIpv4\": "
        "\"10.0.0.0/8; x\"}]}",
        "{\"groupId\": \"sg-1\", \"ingress\": [{\"ipProtocol\": \"tcp }\", \"cidrIpv4\": "
        "\"10.0.0.0/8\"}]}",
        "{\"groupId\": \"sg-1\", \"ingress\": [{\"ipProtocol\": \"tcp\", \"fromPort\": "
        "9, "
        "\"toPort\": 8, \"cidrIpv4\": \"10.0.0.0/8\"}]}",
        "{\"groupId\": \"sg-1\", \"egress\": [{\"ipProtocol\": \"-1\", "
        "\"referencedGroupId\": \"sg 2\"}]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO_STR t = STR_INIT;
        struct error err;
        assert_int_equal(router_text_group(&t, GROUP(bad[i]), &err), -E_INVALID);
    }
    uint32_t base;
    int len;
    assert_false(router_cidr("10.0.0.0", &base, &len));
    assert_false(router_cidr("10.0.0.0/33", &base, &len));
    assert_false(router_cidr(NULL, &base, &len));
    assert_false(router_id_valid("../../etc"));
}

/* --- classes --- */

static struct string_list ids(const char **v, size_t n)
{
    return (struct string_list){.v = v, .n = n, .set = true};
}

static void classes_are_loaded_once_and_swept(void **state)
{
    struct router_classes c;
    AUTO_STR t = STR_INIT;
    struct error bad = ERROR_INIT;
    router_classes_init(&c);
    const struct gantry_edge_vpc *v =
        VPC("{\"securityGroups\": [{\"groupId\": \"sg-a\"}, {\"groupId\": \"sg-b\"}]}");
    router_classes_groups(&c, &v->security_groups, &bad);
    assert_int_equal(bad.code, E_OK);
    struct string_list one = ids((const char *[]){"sg-b", "sg-a", "sg-b"}, 3);
    struct string_list same = ids((const char *[]){"sg-a", "sg-b"}, 2);
    struct router_class *k = router_class_take(&c, &one);
    assert_ptr_equal(router_class_take(&c, &same), k);
    assert_int_equal(k->count, 2);
    router_classes_text(&c, &t);
    assert_non_null(strstr(t.data, "jump sg-a_in"));
    router_classes_loaded(&c);
    str_clear(&t);
    router_classes_text(&c, &t);
    assert_int_equal(t.len, 0);
    /* The same again changes nothing; a group that goes takes its classes, once unused. */
    router_classes_groups(&c, &v->security_groups, &bad);
    router_classes_text(&c, &t);
    assert_int_equal(t.len, 0);
    v = VPC("{\"securityGroups\": [{\"groupId\": \"sg-a\"}]}");
    router_classes_groups(&c, &v->security_groups, &bad);
    router_classes_garbage(&c, &t);
    assert_int_equal(t.len, 0);
    router_class_give(&c, k);
    router_class_give(&c, k);
    router_classes_garbage(&c, &t);
    assert_non_null(strstr(t.data, "delete chain inet gantry sg-b_in\n"));
    assert_null(strstr(t.data, "delete chain inet gantry sg-a_in\n"));
    assert_true(strstr(t.data, "delete chain inet gantry c") <
                strstr(t.data, "delete set"));
    router_classes_swept(&c);
    str_clear(&t);
    router_classes_garbage(&c, &t);
    assert_int_equal(t.len, 0);
    router_classes_free(&c);
}

static void two_classes_never_share_a_number(void **state)
{
    struct router_classes c;
    router_classes_init(&c);
    struct string_list a = ids((const char *[]){"sg-a"}, 1);
    struct string_list b = ids((const char *[]){"sg-b"}, 1);
    struct router_class *first = router_class_take(&c, &a);
    first->groups[0][3] = 'z'; /* as if another mixture had this number */
    struct router_class *second = router_class_take(&c, &a);
    assert_int_not_equal(first->number, second->number);
    assert_ptr_not_equal(router_class_take(&c, &b), second);
    router_classes_free(&c);
}

static void chains_of_before_are_known_and_go(void **state)
{
    struct router_classes c;
    AUTO_STR t = STR_INIT;
    router_classes_init(&c);
    router_classes_found(&c, "sg-old_in");
    router_classes_found(&c, "c0000beef_in");
    router_classes_found(&c, "through");
    router_classes_found(&c, "c0000beef_out");
    router_classes_garbage(&c, &t);
    assert_non_null(strstr(t.data, "delete chain inet gantry sg-old_out\n"));
    assert_non_null(strstr(t.data, "delete chain inet gantry c0000beef_out\n"));
    router_classes_swept(&c);
    assert_true(RB_EMPTY(&c.groups) && RB_EMPTY(&c.classes));
    router_classes_free(&c);
}

/* --- elements --- */

static size_t count(const struct router_elements *l, const char *set, bool remove)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += streq(l->v[i].set, set) && l->v[i].remove == remove;
    return n;
}

#define INTERFACE(more)                                                                  \
    parse(&gantry_edge_interface_shape,                                                  \
          "{\"networkInterfaceId\": \"eni-0123456789abcdef0\", \"macAddress\": "         \
          "\"0a:00:00:00:00:01\", \"privateIpAddress\": \"10.0.0.4\"" more "}")

static void an_interface_is_elements(void **state)
{
    struct router_elements before = {0}, after = {0}, changes = {0};
    struct error err;
    assert_int_equal(router_interface_elements(
                         INTERFACE(", \"groupIds\": [\"sg-a\", \"sg-b\"], \"publicIp\": "
                                   "\"198.18.1.1\""),
                         7, &before, &err),
                     0);
    assert_int_equal(before.n, 7);
    assert_int_equal(router_interface_elements(
                         INTERFACE(", \"groupIds\": [\"sg-b\"], \"sourceDestCheck\": "
                                   "false, \"secondaryPrivateIpAddresses\": "
                                   "[\"10.0.0.9\"]"),
                         8, &after, &err),
                     0);
    router_elements_between(&before, &after, &changes);
    assert_int_equal(count(&changes, "m-sg-a", true), 1);
    assert_int_equal(count(&changes, "m-sg-b", true), 0);
    assert_int_equal(count(&changes, "m-sg-b", false), 1); /* the second address */
    assert_int_equal(count(&changes, MAP_CLASS_OF, true), 1);
    assert_int_equal(count(&changes, MAP_CLASS_OF, false), 1);
    assert_int_equal(count(&changes, SET_FREE_SOURCES, false), 1);
    assert_int_equal(count(&changes, MAP_PRIVATE_OF, true), 1);
    assert_int_equal(count(&changes, "sources", true), 0);
    router_elements_free(&before);
    router_elements_free(&after);
    router_elements_free(&changes);
    const char *mac = "{\"networkInterfaceId\": \"eni-1\", \"macAddress\": \"0a:00\", "
                      "\"privateIpAddress\": \"10.0.0.4\"}";
    assert_int_equal(router_interface_elements(parse(&gantry_edge_interface_shape, mac),
                                               7, &after, &err),
                     -E_INVALID);
    router_elements_free(&after);
}

/* --- routes --- */

static int no_interface(void *ctx, const char *id, uint32_t *ret)
{
    return 0;
}

static void routes_are_a_table_a_subnet(void **state)
{
    const struct gantry_edge_vpc *v = VPC(
        "{\"natGateways\": [{\"natGatewayId\": \"nat-1\", \"subnetId\": \"subnet-a\", "
        "\"publicIp\": \"198.18.1.9\"}, {\"natGatewayId\": \"nat-2\", \"subnetId\": "
        "\"subnet-b\", \"publicIp\": \"198.18.1.8\"}],"
        "\"subnets\": [{\"subnetId\": \"subnet-a\", \"cidrBlock\": \"10.0.0.0/24\", "
        "\"routes\": [{\"destinationCidrBlock\": \"10.0.0.0/16\", \"target\": "
        "\"LOCAL\"}, "
        "{\"destinationCidrBlock\": \"0.0.0.0/0\", \"target\": \"INTERNET\"}]},"
        "{\"subnetId\": \"subnet-b\", \"cidrBlock\": \"10.0.1.0/24\", \"routes\": ["
        "{\"destinationCidrBlock\": \"0.0.0.0/0\", \"target\": \"NAT\", \"id\": "
        "\"nat-1\"},"
        "{\"destinationCidrBlock\": \"192.0.2.0/24\", \"target\": \"NAT\", \"id\": "
        "\"nat-2\"},"
        "{\"destinationCidrBlock\": \"192.0.3.0/24\", \"target\": \"INTERFACE\", \"id\": "
        "\"eni-1\"}]}]}");
    struct router_hops hops = {
        .gateway_be = htonl(0xc6120001), .uplink = 2, .interface = no_interface};
    struct router_routes wanted = {0};
    struct error err;
    assert_int_equal(router_routes_wanted(v, &hops, &wanted, &err), 0);
    assert_int_equal(wanted.rule_count, 2);
    assert_int_equal(wanted.route_count, 4);
    assert_int_not_equal(wanted.rules[0].table, wanted.rules[1].table);
    assert_int_equal(wanted.routes[0].gateway_be, hops.gateway_be);
    assert_int_equal(wanted.routes[1].gateway_be, router_nat_hop_be(v, "nat-1"));
    /* One whose own subnet has no way out, and an interface that is not there. */
    assert_int_equal(wanted.routes[2].kind, LINK_BLACKHOLE);
    assert_int_equal(wanted.routes[3].kind, LINK_BLACKHOLE);
    router_routes_free(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_two_chains),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(classes_are_loaded_once_and_swept),
        cmocka_unit_test(two_classes_never_share_a_number),
        cmocka_unit_test(chains_of_before_are_known_and_go),
        cmocka_unit_test(an_interface_is_elements),
        cmocka_unit_test(routes_are_a_table_a_subnet),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
