/* A reply is encoded by the commit thread while the state thread goes on: it may not point
 * into what the state thread owns. So it must read the same when the core is gone. */
#include "unit.h"

#include "calls.h"

static void reads_alone(struct calls *w, const char *name, const char *json)
{
    struct call c = {0};
    AUTO_STR before = STR_INIT;
    AUTO_STR after = STR_INIT;
    void *out = CALL(w, &c, name, "%s", json);
    if (!out)
        fail_msg("%s: %s", name, c.fault_text);
    wire_json_encode(&before, c.operation->wire->output, out);
    calls_restart(w);
    wire_json_encode(&after, c.operation->wire->output, out);
    if (!streq(str_text(&before), str_text(&after)))
        fail_msg("%s answered\n%s\nand then\n%s", name, str_text(&before),
                 str_text(&after));
    arena_free(&c.arena);
}

static const char *first_of(struct calls *w, struct call *c, const char *name,
                            const char *json)
{
    /* Every list's first member is its array of ARNs. */
    struct ecs_list_tasks_response *out = CALL(w, c, name, "%s", json);
    assert_true(out && out->task_arns.n > 0);
    return out->task_arns.v[0];
}

static void make_things(struct calls *w)
{
    struct call c = {0};
    assert_non_null(CALL(w, &c, "CreateCluster",
                         "{'clusterName':'default',"
                         "'tags':[{'key':'k','value':'v'}]}"));
    struct ecs_register_container_instance_response *host =
        CALL(w, &c, "RegisterContainerInstance",
             "{'totalResources':[{'name':'CPU','type':'INTEGER','integerValue':4096},"
             "{'name':'MEMORY','type':'INTEGER','integerValue':4096}],"
             "'attributes':[{'name':'a','value':'b'}]}");
    assert_non_null(host);
    struct call d = {0};
    calls_connected(w, host->container_instance->container_instance_arn, true);
    assert_non_null(CALL(w, &d, "RegisterTaskDefinition",
                         "{'family':'f','containerDefinitions':[{'name':'a','image':'x',"
                         "'memory':10,'cpu':10}],'tags':[{'key':'k','value':'v'}]}"));
    assert_non_null(CALL(w, &d, "CreateService",
                         "{'serviceName':'s','taskDefinition':'f','desiredCount':2,"
                         "'tags':[{'key':'k','value':'v'}]}"));
    assert_non_null(CALL(w, &d, "CreateService",
                         "{'serviceName':'e','desiredCount':2,"
                         "'deploymentController':{'type':'EXTERNAL'}}"));
    assert_non_null(CALL(w, &d, "CreateTaskSet",
                         "{'service':'e','cluster':'default','taskDefinition':'f',"
                         "'externalId':'x','tags':[{'key':'k','value':'v'}]}"));
    arena_free(&c.arena);
    arena_free(&d.arena);
}

static void replies_outlive_the_core(void **state)
{
    struct calls w;
    struct call c = {0};
    AUTO_STR task = STR_INIT;
    AUTO_STR host = STR_INIT;
    AUTO_STR json = STR_INIT;
    calls_open(&w);
    make_things(&w);
    str_add(&task, first_of(&w, &c, "ListTasks", "{}"));
    str_add(&host, first_of(&w, &c, "ListContainerInstances", "{}"));
    static const char *const plain[][2] = {
        {"ListClusters", "{}"},
        {"DescribeClusters", "{'include':['TAGS','SETTINGS','STATISTICS']}"},
        {"ListTasks", "{}"},
        {"ListServices", "{}"},
        {"DescribeServices", "{'services':['s','e'],'include':['TAGS']}"},
        {"ListTaskDefinitions", "{}"},
        {"ListTaskDefinitionFamilies", "{}"},
        {"DescribeTaskDefinition", "{'taskDefinition':'f','include':['TAGS']}"},
        {"ListContainerInstances", "{}"},
        {"ListServiceDeployments", "{'service':'s'}"},
        {"DescribeTaskSets", "{'service':'e','cluster':'default','include':['TAGS']}"},
        {"ListAttributes", "{'targetType':'container-instance'}"},
        {"DescribeCapacityProviders", "{}"},
        {"ListAccountSettings", "{'effectiveSettings':true}"},
        {"UpdateService", "{'service':'s','desiredCount':3}"},
        {"UpdateService", "{'service':'s','forceNewDeployment':true}"},
        {"ListServiceDeployments", "{'service':'s'}"},
        {"RunTask", "{'taskDefinition':'f'}"},
    };
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
        reads_alone(&w, plain[i][0], plain[i][1]);
    str_addf(&json, "{'tasks':['%s'],'include':['TAGS']}", str_text(&task));
    reads_alone(&w, "DescribeTasks", str_text(&json));
    str_clear(&json);
    str_addf(&json, "{'containerInstances':['%s'],'include':['TAGS']}", str_text(&host));
    reads_alone(&w, "DescribeContainerInstances", str_text(&json));
    str_clear(&json);
    struct ecs_list_service_deployments_response *all =
        CALL(&w, &c, "ListServiceDeployments", "{'service':'s'}");
    AUTO_STR deployment = STR_INIT;
    AUTO_STR revision = STR_INIT;
    str_add(&deployment, all->service_deployments.v[0].service_deployment_arn);
    str_add(&revision, all->service_deployments.v[0].target_service_revision_arn);
    str_addf(&json, "{'serviceDeploymentArns':['%s']}", str_text(&deployment));
    reads_alone(&w, "DescribeServiceDeployments", str_text(&json));
    str_clear(&json);
    str_addf(&json, "{'serviceRevisionArns':['%s']}", str_text(&revision));
    reads_alone(&w, "DescribeServiceRevisions", str_text(&json));
    str_clear(&json);
    str_addf(&json, "{'task':'%s','reason':'r'}", str_text(&task));
    reads_alone(&w, "StopTask", str_text(&json));
    reads_alone(&w, "DeleteService", "{'service':'s','force':true}");
    arena_free(&c.arena);
    calls_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_outlive_the_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
