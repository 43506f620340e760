/* Network interfaces: addresses, what the edge is told, what users may not do, restarts, and
 * that one more costs the same however many there are. */
#include "unit.h"

#include <time.h>

#include "interface.h"
#include "security_group.h"
#include "world.h"

static struct ec2_interface_want task_interface(const char *subnet)
{
    return (struct ec2_interface_want){
        .scope = world_scope,
        .subnet_id = subnet,
        .description = "arn:aws:ecs:us-east-1:000000000000:attachment/x",
        .requester_id = "amazon-ecs",
        .use = GANTRY_EDGE_INTERFACE_USE_TASK,
        .owner = "task",
    };
}

static struct ec2_interface_info make(struct world *w,
                                      const struct ec2_interface_want *want)
{
    struct ec2_interface_info info;
    struct error err;
    assert_int_equal(ec2_interface_create(w->core, want, &info, &err), 0);
    return info;
}

static const char *small_subnet(struct world *w, const char *block)
{
    static char id[32];
    struct ec2_create_vpc_result *v = CALL(w, "CreateVpc", "{'CidrBlock':'%s'}", block);
    assert_non_null(v);
    snprintf(id, sizeof(id), "%s", v->vpc->vpc_id);
    struct ec2_create_subnet_result *s =
        CALL(w, "CreateSubnet", "{'VpcId':'%s','CidrBlock':'%s'}", id, block);
    assert_non_null(s);
    snprintf(id, sizeof(id), "%s", s->subnet->subnet_id);
    return id;
}

/* ---- tests ---- */

static void the_edge_hears_of_attached_interfaces(void **state)
{
    struct world w;
    world_open(&w, true);
    struct ec2_interface_want want = task_interface(world_subnet(&w, 0));
    assert_non_null(
        CALL(&w, "CreateNetworkInterface", "{'SubnetId':'%s'}", want.subnet_id));
    world_told(&w, ""); /* nothing is attached */
    char one[32], two[32];
    snprintf(one, sizeof(one), "%s", make(&w, &want).interface_id);
    world_settle(&w);
    world_told(&w, "vpc groups=1 in=1 out=1\n"
                   "interface 172.31.0.5 groups=1 more=0 owner=task\n");
    want.owner = "other";
    snprintf(two, sizeof(two), "%s", make(&w, &want).interface_id);
    world_told(&w, "interface 172.31.0.6 groups=1 more=0 owner=other\n");
    ec2_interface_delete(w.core, &world_scope, one);
    world_settle(&w);
    world_told(&w, "interface gone\n");
    ec2_interface_delete(w.core, &world_scope, two);
    ec2_interface_delete(w.core, &world_scope, two); /* once more is success */
    world_settle(&w);
    world_told(&w, "interface gone\nvpc gone\n");
    world_close(&w);
}

static void changed_rules_reach_the_edge_once(void **state)
{
    struct world w;
    world_open(&w, true);
    struct ec2_interface_want want = task_interface(world_subnet(&w, 0));
    make(&w, &want);
    struct ec2_create_security_group_result *g =
        CALL(&w, "CreateSecurityGroup", "{'GroupName':'g','Description':'x'}");
    char id[32];
    snprintf(id, sizeof(id), "%s", g->group_id);
    str_clear(&w.told);
    assert_non_null(
        CALL(&w, "AuthorizeSecurityGroupIngress",
             "{'GroupId':'%s','IpPermissions':[{'IpProtocol':'tcp','FromPort':1,"
             "'ToPort':2,'IpRanges':[{'CidrIp':'10.0.0.0/8'},"
             "{'CidrIp':'11.0.0.0/8'}],"
             "'Ipv6Ranges':[{'CidrIpv6':'::/0'}]}]}",
             id));
    world_told(&w, "vpc groups=2 in=3 out=2\n"); /* IPv6 stays here */
    assert_non_null(CALL(&w, "RevokeSecurityGroupIngress",
                         "{'GroupId':'%s','IpProtocol':'tcp','FromPort':1,'ToPort':2,"
                         "'CidrIp':'10.0.0.0/8'}",
                         id));
    world_told(&w, "vpc groups=2 in=2 out=2\n");
    assert_non_null(
        CALL(&w, "UpdateSecurityGroupRuleDescriptionsIngress",
             "{'GroupId':'%s','IpPermissions':[{'IpProtocol':'tcp','FromPort':1,"
             "'ToPort':2,'IpRanges':[{'CidrIp':'11.0.0.0/8',"
             "'Description':'words'}]}]}",
             id));
    world_told(&w, ""); /* words are not packets */
    assert_non_null(CALL(&w, "DeleteSecurityGroup", "{'GroupId':'%s'}", id));
    world_told(&w, "vpc groups=1 in=1 out=1\n");
    world_close(&w);
}

static void a_full_subnet_says_so(void **state)
{
    struct world w;
    world_open(&w, false);
    struct ec2_interface_want want = task_interface(small_subnet(&w, "10.0.0.0/28"));
    struct ec2_interface_info info;
    struct error err;
    char fifth[32], address[32];
    for (int i = 0; i < 11; i++) { /* 16, of which AWS keeps 5 */
        info = make(&w, &want);
        if (i == 5) {
            snprintf(fifth, sizeof(fifth), "%s", info.interface_id);
            snprintf(address, sizeof(address), "%s", info.private_ip);
        }
    }
    assert_string_equal(address, "10.0.0.9");
    assert_int_equal(ec2_interface_create(w.core, &want, &info, &err), -E_FULL);
    ec2_interface_delete(w.core, &world_scope, fifth);
    assert_string_equal(make(&w, &want).private_ip, "10.0.0.9");
    want.private_ip = "10.0.0.9";
    assert_int_equal(ec2_interface_create(w.core, &want, &info, &err), -E_CONFLICT);
    want.private_ip = "10.0.1.1";
    assert_int_equal(ec2_interface_create(w.core, &want, &info, &err), -E_INVALID);
    want.subnet_id = "subnet-0";
    assert_int_equal(ec2_interface_create(w.core, &want, &info, &err), -E_NOTFOUND);
    world_settle(&w);
    world_close(&w);
}

static void what_ecs_made_is_not_the_users(void **state)
{
    struct world w;
    world_open(&w, false);
    struct ec2_interface_want want = task_interface(world_subnet(&w, 1));
    struct ec2_interface_info info = make(&w, &want);
    char id[32], attachment[40];
    snprintf(id, sizeof(id), "%s", info.interface_id);
    snprintf(attachment, sizeof(attachment), "%s", info.attachment_id);
    world_settle(&w);
    REFUSED(&w, "AuthFailure", "DeleteNetworkInterface", "{'NetworkInterfaceId':'%s'}",
            id);
    REFUSED(&w, "AuthFailure", "ModifyNetworkInterfaceAttribute",
            "{'NetworkInterfaceId':'%s','Description':{'Value':'x'}}", id);
    REFUSED(&w, "AuthFailure", "AssignPrivateIpAddresses",
            "{'NetworkInterfaceId':'%s','SecondaryPrivateIpAddressCount':1}", id);
    REFUSED(&w, "OperationNotPermitted", "DetachNetworkInterface",
            "{'AttachmentId':'%s'}", attachment);
    want.requester_id = NULL;
    want.use = GANTRY_EDGE_INTERFACE_USE_INSTANCE;
    want.owner = "i-0123";
    info = make(&w, &want);
    snprintf(id, sizeof(id), "%s", info.interface_id);
    snprintf(attachment, sizeof(attachment), "%s", info.attachment_id);
    world_settle(&w);
    REFUSED(&w, "InvalidNetworkInterface.InUse", "DeleteNetworkInterface",
            "{'NetworkInterfaceId':'%s'}", id);
    REFUSED(&w, "OperationNotPermitted", "DetachNetworkInterface",
            "{'AttachmentId':'%s'}", attachment);
    assert_non_null(CALL(&w, "ModifyNetworkInterfaceAttribute",
                         "{'NetworkInterfaceId':'%s','Attachment':{'AttachmentId':'%s',"
                         "'DeleteOnTermination':false}}",
                         id, attachment));
    struct ec2_describe_network_interfaces_result *found =
        CALL(&w, "DescribeNetworkInterfaces",
             "{'Filters':[{'Name':'attachment.instance-id','Values':['i-0123']},"
             "{'Name':'attachment.delete-on-termination','Values':['false']},"
             "{'Name':'attachment.status','Values':['attached']},"
             "{'Name':'status','Values':['in-use']}]}");
    assert_int_equal(found->network_interfaces.n, 1);
    world_close(&w);
}

static void groups_in_use_stay_and_everything_outlives_a_restart(void **state)
{
    struct world w;
    world_open(&w, true);
    struct ec2_create_security_group_result *g =
        CALL(&w, "CreateSecurityGroup", "{'GroupName':'g','Description':'x'}");
    char group[32];
    snprintf(group, sizeof(group), "%s", g->group_id);
    const char *only = group;
    struct ec2_interface_want want = task_interface(world_subnet(&w, 2));
    want.group_ids = (struct string_list){.v = &only, .n = 1, .set = true};
    ec2_interface_delete(w.core, &world_scope, make(&w, &want).interface_id);
    want.public_ip = true;
    struct ec2_interface_info info = make(&w, &want);
    char id[32], address[32], public[32];
    snprintf(id, sizeof(id), "%s", info.interface_id);
    snprintf(address, sizeof(address), "%s", info.private_ip);
    snprintf(public, sizeof(public), "%s", info.public_ip);
    world_settle(&w);
    REFUSED(&w, "DependencyViolation", "DeleteSecurityGroup", "{'GroupId':'%s'}", group);
    world_restart(&w);
    REFUSED(&w, "DependencyViolation", "DeleteSecurityGroup", "{'GroupId':'%s'}", group);
    struct error err;
    assert_int_equal(ec2_interface_find(w.core, &world_scope, id, &info, &err), 0);
    assert_string_equal(info.private_ip, address);
    assert_string_equal(info.public_ip, public);
    want.private_ip = address;
    assert_int_equal(ec2_interface_create(w.core, &want, &info, &err), -E_CONFLICT);
    want.private_ip = NULL;
    info = make(&w, &want);
    assert_string_not_equal(info.public_ip, public);
    assert_string_equal(info.private_ip, "172.31.32.6"); /* behind the one in use */
    struct gantry_edge_vpc_list vpcs = {0};
    struct gantry_edge_interface_list interfaces = {0};
    struct gantry_edge_instance_list instances = {0};
    AUTO_ARENA a = ARENA_INIT;
    ec2_edge_desired(w.core, &a, &vpcs, &interfaces, &instances);
    assert_int_equal(vpcs.n, 1);
    assert_int_equal(interfaces.n, 2);
    world_settle(&w);
    world_close(&w);
}

static void limits_of_instance_types(void **state)
{
    static const struct {
        const char *type;
        uint32_t plain, trunked;
    } rows[] = {
        {"t3.micro", 1, 1},
        {"t3.2xlarge", 3, 3},
        {"c5.large", 2, 10},
        {"m5.16xlarge", 14, 120},
        {"m6i.8xlarge", 7, 90},
        {"c7g.medium", 1, 4},
        {"a1.xlarge", 3, 20},
        {"nonsense", 0, 0},
        {"c5.huge", 0, 0},
        {"gantry.local", 0, 0},
        {"", 0, 0},
        {".large", 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ec2_task_interface_limit(rows[i].type, false), rows[i].plain);
        assert_int_equal(ec2_task_interface_limit(rows[i].type, true), rows[i].trunked);
    }
    assert_int_equal(ec2_task_interface_limit(NULL, true), 0);
}

/* ---- many ---- */

#define MANY  10000
#define SLICE 1000

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void ten_thousand_interfaces_cost_alike(void **state)
{
    struct world w;
    double first = 0, last = 0, begun, all = 0;
    world_open(&w, true);
    struct ec2_interface_want want = task_interface(small_subnet(&w, "10.1.0.0/16"));
    for (int i = 0; i < MANY; i += SLICE) {
        begun = cpu_ms();
        for (int k = 0; k < SLICE; k++)
            make(&w, &want);
        last = cpu_ms() - begun;
        first = i == 0 ? last : first;
        all += last;
        world_settle(&w); /* writing is the store's cost */
        str_clear(&w.told);
    }
    print_message("%d interfaces: %.0f ms; the last %d cost %.2f times the first\n", MANY,
                  all, SLICE, last / first);
    assert_true(all < 1000 && last < 4 * first);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_edge_hears_of_attached_interfaces),
        cmocka_unit_test(changed_rules_reach_the_edge_once),
        cmocka_unit_test(a_full_subnet_says_so),
        cmocka_unit_test(what_ecs_made_is_not_the_users),
        cmocka_unit_test(groups_in_use_stay_and_everything_outlives_a_restart),
        cmocka_unit_test(limits_of_instance_types),
        cmocka_unit_test(ten_thousand_interfaces_cost_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
