/* The rules of a task definition: each row spoils a definition in one place. */
#include "unit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ecs_api.h"
#include "str.h"
#include "taskdef_rules.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The valid definitions that rows start from; a row's text replaces or adds members of
 * the task and of its first container. */
#define EC2                                                                              \
    "{\"family\":\"web\",\"containerDefinitions\":[{\"name\":\"x\",\"image\":\"i\","     \
    "\"memory\":64}]}"
#define FARGATE                                                                          \
    "{\"family\":\"web\",\"networkMode\":\"awsvpc\",\"cpu\":\"256\",\"memory\":\"512\"," \
    "\"requiresCompatibilities\":[\"FARGATE\"],\"containerDefinitions\":[{\"name\":"     \
    "\"x\","                                                                             \
    "\"image\":\"i\"}]}"

/* A row's JSON uses ' for ". */
static json_t *parse(const char *text)
{
    char *copy = strdup(text ? text : "{}");
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *v = json_loads(copy, JSON_REJECT_DUPLICATES, NULL);
    if (!v) {
        print_error("bad JSON in a row: %s\n", text);
        abort();
    }
    free(copy);
    return v;
}

static void lay_over(json_t *base, const char *changes)
{
    json_t *with = parse(changes), *value;
    const char *key;
    json_object_foreach (with, key, value) {
        if (json_is_null(value))
            json_object_del(base, key);
        else
            json_object_set(base, key, value);
    }
    json_decref(with);
}

/* `more`: containers beside the first, as a JSON list. */
static char *definition(const char *base, const char *task, const char *container,
                        const char *more)
{
    json_t *def = parse(base), *containers = json_object_get(def, "containerDefinitions");
    lay_over(json_array_get(containers, 0), container);
    if (more) {
        json_t *list = parse(more);
        json_array_extend(containers, list);
        json_decref(list);
    }
    lay_over(def, task);
    char *text = json_dumps(def, JSON_COMPACT);
    json_decref(def);
    return text;
}

static struct ecs_register_task_definition_request *decode(struct arena *a,
                                                           const char *text)
{
    void *def = NULL;
    struct wire_error err;
    if (wire_json_decode(a, &ecs_register_task_definition_request_shape, text,
                         strlen(text), false, &def, &err) < 0) {
        print_error("%.200s: %s\n", text, err.text);
        assert_true(false);
    }
    return def;
}

struct row {
    const char *base, *task, *container, *more;
    const char *error; /* NULL: valid */
};

#define SETTING "Invalid setting for container 'x'. "
#define GUIDE                                                                            \
    " For more information, see the Troubleshooting section of the Amazon ECS "          \
    "Developer Guide."
#define DUP(port)                                                                        \
    "Invalid 'containerPort' setting for container 'y'. '" port "' is used multiple "    \
    "times in task"

static const struct row rows[] = {
    {EC2, NULL, NULL, NULL, NULL},
    {FARGATE, NULL, NULL, NULL, NULL},
    /* family */
    {EC2, "{'family':''}", NULL, NULL, "Family should not be null or empty."},
    {EC2, "{'family':'a b'}", NULL, NULL, "Family contains invalid characters."},
    {EC2, "{'family':'a_B-9'}", NULL, NULL, NULL},
    /* containers */
    {EC2, "{'containerDefinitions':[]}", NULL, NULL, "Container list cannot be empty"},
    {EC2, NULL, "{'name':null}", NULL, "Container.name should not be null or empty."},
    {EC2, NULL, "{'name':'a.b'}", NULL, "Container.name contains invalid characters."},
    {EC2, NULL, "{'image':null}", NULL, "Container.image should not be null or empty."},
    {EC2, NULL, "{'image':''}", NULL, "Container.image should not be null or empty."},
    {EC2, NULL, NULL, "[{'name':'x','image':'i','memory':9}]",
     "Container names must be unique within a task definition"},
    {EC2, NULL, "{'essential':false}", NULL,
     "Task definition doesn't have any essential container"},
    {EC2, NULL, "{'essential':false}", "[{'name':'y','image':'i','memory':9}]", NULL},
    /* memory */
    {EC2, NULL, "{'memory':null}", NULL,
     SETTING "At least one of 'memory' or 'memoryReservation' must be specified."},
    {EC2, NULL, "{'memory':null,'memoryReservation':64}", NULL, NULL},
    {EC2, "{'memory':'64'}", "{'memory':null}", NULL, NULL},
    {EC2, NULL, "{'memory':3}", NULL,
     SETTING "'memory' and 'memoryReservation' must be at least 4 MiB."},
    {EC2, NULL, "{'memoryReservation':65}", NULL,
     SETTING "'memory' must be greater than or equal to 'memoryReservation'"},
    {EC2, NULL, "{'memoryReservation':64}", NULL, NULL},
    {EC2, "{'memory':'63'}", NULL, NULL,
     "The 'memory' setting for container 'x' is greater than for the task"},
    {EC2, "{'memory':'64'}", NULL, NULL, NULL},
    {EC2, "{'memory':'63'}", "{'memory':null,'memoryReservation':64}", NULL,
     "The 'memoryReservation' setting for container 'x' is greater than for the task"},
    /* cpu and memory of the task */
    {EC2, "{'cpu':'127'}", NULL, NULL, "Invalid 'cpu' setting for task." GUIDE},
    {EC2, "{'cpu':'128'}", NULL, NULL, NULL},
    {EC2, "{'cpu':'196608'}", NULL, NULL, NULL},
    {EC2, "{'cpu':'196609'}", NULL, NULL, "Invalid 'cpu' setting for task." GUIDE},
    {EC2, "{'cpu':'192 vCPU'}", NULL, NULL, NULL},
    {EC2, "{'cpu':'some'}", NULL, NULL, "Invalid 'cpu' setting for task." GUIDE},
    {EC2, "{'cpu':'-256'}", NULL, NULL, "Invalid 'cpu' setting for task." GUIDE},
    {EC2, "{'memory':'1 TB'}", NULL, NULL, "Invalid 'memory' setting for task." GUIDE},
    {EC2, "{'cpu':'256'}", "{'cpu':257}", NULL,
     "The sum of all container 'cpu' values cannot be greater than the value of the task "
     "'cpu'."},
    {EC2, "{'cpu':'256'}", "{'cpu':200}",
     "[{'name':'y','image':'i','cpu':57,'memory':9}]",
     "The sum of all container 'cpu' values cannot be greater than the value of the task "
     "'cpu'."},
    {EC2, "{'cpu':'256'}", "{'cpu':200}",
     "[{'name':'y','image':'i','cpu':56,'memory':9}]", NULL},
    {EC2, NULL, "{'cpu':-1}", NULL, "Invalid 'cpu' setting for container 'x'."},
    /* dependencies */
    {EC2, NULL, "{'dependsOn':[{'containerName':'y','condition':'START'}]}", NULL,
     "Cannot depend on container y because it does not exist"},
    {EC2, NULL, "{'dependsOn':[{'containerName':'y','condition':'SUCCESS'}]}",
     "[{'name':'y','image':'i','memory':9}]",
     "A dependency container with SUCCESS or COMPLETE condition cannot be an essential "
     "container"},
    {EC2, NULL, "{'dependsOn':[{'containerName':'y','condition':'COMPLETE'}]}",
     "[{'name':'y','image':'i','memory':9}]",
     "A dependency container with SUCCESS or COMPLETE condition cannot be an essential "
     "container"},
    {EC2, NULL, "{'dependsOn':[{'containerName':'y','condition':'SUCCESS'}]}",
     "[{'name':'y','image':'i','memory':9,'essential':false}]", NULL},
    {EC2, NULL, "{'dependsOn':[{'containerName':'y','condition':'HEALTHY'}]}",
     "[{'name':'y','image':'i','memory':9}]",
     "A dependency container with HEALTHY condition must have health check configured"},
    {EC2, NULL, "{'dependsOn':[{'containerName':'y','condition':'HEALTHY'}]}",
     "[{'name':'y','image':'i','memory':9,'healthCheck':{'command':['CMD','true']}}]",
     NULL},
    {EC2, NULL, "{'dependsOn':[{'containerName':'x','condition':'START'}]}", NULL,
     "Container 'x' is part of a dependency cycle, or depends on one"},
    {EC2, NULL, "{'dependsOn':[{'containerName':'y','condition':'START'}]}",
     "[{'name':'y','image':'i','memory':9,'links':['z:alias']},"
     "{'name':'z','image':'i','memory':9,'volumesFrom':[{'sourceContainer':'x'}]}]",
     "Container 'x' is part of a dependency cycle, or depends on one"},
    /* health, restarts, limits */
    {EC2, NULL, "{'healthCheck':{'command':['true']}}", NULL,
     "The health check command for container 'x' must begin with CMD or CMD-SHELL"},
    {EC2, NULL, "{'healthCheck':{'command':['CMD']}}", NULL,
     "The health check command for container 'x' is empty"},
    {EC2, NULL, "{'healthCheck':{'command':['CMD','a'],'interval':4}}", NULL,
     "the 'interval' setting for container 'x' must be between 5 and 300"},
    {EC2, NULL, "{'healthCheck':{'command':['CMD','a'],'timeout':61}}", NULL,
     "the 'timeout' setting for container 'x' must be between 2 and 60"},
    {EC2, NULL, "{'healthCheck':{'command':['CMD','a'],'retries':11}}", NULL,
     "the 'retries' setting for container 'x' must be between 1 and 10"},
    {EC2, NULL, "{'healthCheck':{'command':['CMD','a'],'startPeriod':301}}", NULL,
     "the 'startPeriod' setting for container 'x' must be between 0 and 300"},
    {EC2, NULL, "{'restartPolicy':{'enabled':true,'restartAttemptPeriod':59}}", NULL,
     "the 'restartAttemptPeriod' setting for container 'x' must be between 60 and 1800"},
    {EC2, NULL, "{'restartPolicy':{'enabled':true,'restartAttemptPeriod':1801}}", NULL,
     "the 'restartAttemptPeriod' setting for container 'x' must be between 60 and 1800"},
    {EC2, NULL, "{'restartPolicy':{'enabled':true,'restartAttemptPeriod':60}}", NULL,
     NULL},
    {EC2, NULL,
     "{'ulimits':[{'name':'nofile','softLimit':9,'hardLimit':9},{'name':'nofile',"
     "'softLimit':9,'hardLimit':9}]}",
     NULL, "Duplicate ulimit found for container 'x'"},
    {EC2, NULL, "{'ulimits':[{'name':'nofile','softLimit':9,'hardLimit':8}]}", NULL,
     "The soft limit of a ulimit for container 'x' cannot be greater than its hard "
     "limit"},
    {EC2, NULL, "{'linuxParameters':{'swappiness':101}}", NULL,
     "the 'swappiness' setting for container 'x' must be between 0 and 100"},
    {EC2, NULL, "{'linuxParameters':{'maxSwap':-1}}", NULL,
     "the 'maxSwap' setting for container 'x' must be between 0 and 2147483647"},
    {EC2, NULL, "{'linuxParameters':{'tmpfs':[{'containerPath':'t','size':1}]}}", NULL,
     "The tmpfs path for container 'x' must be absolute"},
    {EC2, NULL, "{'linuxParameters':{'capabilities':{'add':['CAP_KILL']}}}", NULL,
     "CAP_KILL is not a valid Linux capability"},
    {EC2, NULL, "{'linuxParameters':{'capabilities':{'drop':['ALL'],'add':['KILL']}}}",
     NULL, NULL},
    {EC2, NULL, "{'resourceRequirements':[{'type':'GPU','value':'none'}]}", NULL,
     "Invalid GPU value 'none' for container 'x'."},
    {EC2, "{'networkMode':'host'}",
     "{'systemControls':[{'namespace':'net.core.somaxconn','value':'1'}]}", NULL,
     "System control 'net.core.somaxconn' is not supported when networkMode=host"},
    {EC2, NULL, "{'systemControls':[{'namespace':'net.core.somaxconn','value':'1'}]}",
     NULL, NULL},
    /* ports */
    {EC2, NULL, "{'portMappings':[{'containerPort':80,'containerPortRange':'80-90'}]}",
     NULL, "cannot specify both single port and port range"},
    {EC2, NULL, "{'portMappings':[{}]}", NULL,
     "Invalid 'containerPort' setting for container 'x'."},
    {EC2, NULL, "{'portMappings':[{'containerPort':0}]}", NULL,
     "Invalid 'containerPort' setting for container 'x'."},
    {EC2, NULL, "{'portMappings':[{'containerPort':65536}]}", NULL,
     "Invalid 'containerPort' setting for container 'x'."},
    {EC2, NULL, "{'portMappings':[{'containerPort':80,'hostPort':65536}]}", NULL,
     "Invalid 'hostPort' setting for container 'x'."},
    {EC2, NULL, "{'portMappings':[{'containerPortRange':'90-80'}]}", NULL,
     "Invalid 'containerPortRange' setting for container 'x'."},
    {EC2, NULL, "{'portMappings':[{'containerPortRange':'80-90'}]}", NULL, NULL},
    {EC2, NULL, "{'portMappings':[{'containerPort':80},{'containerPort':81}]}", NULL,
     NULL},
    {EC2, NULL,
     "{'portMappings':[{'containerPort':80},{'containerPort':80,'protocol':'udp'}]}",
     NULL,
     "Invalid 'containerPort' setting for container 'x'. '80' is used multiple times in "
     "task"},
    {EC2, NULL, "{'portMappings':[{'containerPort':80}]}",
     "[{'name':'y','image':'i','memory':9,'portMappings':[{'containerPort':80}]}]", NULL},
    {EC2, "{'networkMode':'host'}", "{'portMappings':[{'containerPort':80}]}",
     "[{'name':'y','image':'i','memory':9,'portMappings':[{'containerPort':80}]}]",
     DUP("80")},
    {EC2, "{'networkMode':'awsvpc'}", "{'portMappings':[{'containerPortRange':'80-90'}]}",
     "[{'name':'y','image':'i','memory':9,'portMappings':[{'containerPort':85}]}]",
     DUP("85")},
    {EC2, NULL, "{'portMappings':[{'containerPort':80,'hostPort':80}]}",
     "[{'name':'y','image':'i','memory':9,'portMappings':[{'containerPort':81,"
     "'hostPort':80}]}]",
     "Invalid 'hostPort' setting for container 'y'. '80' is used multiple times in task"},
    {EC2, "{'networkMode':'awsvpc'}",
     "{'portMappings':[{'containerPort':80,'hostPort':81}]}", NULL,
     "When networkMode=awsvpc, the host ports and container ports in port mappings must "
     "match."},
    {EC2, "{'networkMode':'host'}",
     "{'portMappings':[{'containerPort':80,'hostPort':81}]}", NULL,
     "When networkMode=host, the host ports and container ports in port mappings must "
     "match."},
    {EC2, "{'networkMode':'host'}",
     "{'portMappings':[{'containerPort':80,'hostPort':80}]}", NULL, NULL},
    {EC2, "{'networkMode':'none'}", "{'portMappings':[{'containerPort':80}]}", NULL,
     "Port mappings are not supported when networkMode=none"},
    /* networking */
    {EC2, "{'networkMode':'host'}", "{'portMappings':[{'containerPortRange':'80-90'}]}",
     NULL,
     "Invalid 'containerPortRange' setting for container 'x'. Port ranges are only "
     "supported when networkMode is bridge or awsvpc."},
    {EC2, "{'networkMode':'awsvpc'}", "{'links':['y']}", NULL,
     "Links are not supported when networkMode=awsvpc"},
    {EC2, "{'networkMode':'awsvpc'}", "{'hostname':'h'}", NULL,
     "hostname is not supported on container when networkMode=awsvpc"},
    {EC2, "{'networkMode':'awsvpc'}",
     "{'extraHosts':[{'hostname':'h','ipAddress':'10.0.0.1'}]}", NULL,
     "Extra hosts are not supported when networkMode=awsvpc"},
    {EC2, "{'networkMode':'awsvpc'}", "{'dnsServers':['10.0.0.2']}", NULL,
     "DNS servers are not supported on container when networkMode=awsvpc"},
    {EC2, "{'networkMode':'awsvpc'}", "{'disableNetworking':true}", NULL,
     "Disable Networking is not supported on container when networkMode=awsvpc"},
    {EC2, NULL, "{'hostname':'h','dnsServers':['10.0.0.2'],'disableNetworking':true}",
     NULL, NULL},
    /* volumes */
    {EC2, NULL, "{'mountPoints':[{'sourceVolume':'v','containerPath':'/v'}]}", NULL,
     "Unknown volume 'v'."},
    {EC2, "{'volumes':[{'name':'v'}]}",
     "{'mountPoints':[{'sourceVolume':'v','containerPath':'/v'}]}", NULL, NULL},
    {EC2, "{'volumes':[{'name':'v'},{'name':'v'}]}", NULL, NULL,
     "Volume names must be unique within a task definition"},
    {EC2,
     "{'volumes':[{'name':'v','host':{'sourcePath':'/h'},'configuredAtLaunch':true}]}",
     NULL, NULL, "Volume 'v' has more than one configuration"},
    {EC2,
     "{'volumes':[{'name':'v','configuredAtLaunch':true},{'name':'w',"
     "'configuredAtLaunch':true}]}",
     NULL, NULL, "Only one volume of a task definition can be configured at launch"},
    {EC2, "{'volumes':[{'name':'v','dockerVolumeConfiguration':{'autoprovision':true}}]}",
     NULL, NULL,
     "autoprovision of volume 'v' is only supported when the scope is shared"},
    {EC2,
     "{'volumes':[{'name':'v','efsVolumeConfiguration':{'fileSystemId':'fs-1',"
     "'authorizationConfig':{'iam':'ENABLED'}}}]}",
     NULL, NULL,
     "EFS transit encryption must be enabled for volume 'v' when an access point or IAM "
     "authorization is used"},
    {EC2, NULL, "{'volumesFrom':[{'sourceContainer':'y'}]}", NULL,
     "Container 'x' cannot use volumes from container 'y' because it does not exist"},
    /* logging, secrets, environment */
    {EC2, NULL, "{'logConfiguration':{'logDriver':'awslogs'}}", NULL,
     "Log driver awslogs requires options: awslogs-region, awslogs-group"},
    {EC2, NULL,
     "{'logConfiguration':{'logDriver':'awslogs','options':{'awslogs-region':'r'}}}",
     NULL, "Log driver awslogs requires options: awslogs-group"},
    {EC2, NULL, "{'logConfiguration':{'logDriver':'awsfirelens'}}", NULL,
     "When awsfirelens log driver is specified in log configuration, a firelens "
     "configuration object must be specified"},
    {EC2, NULL, "{'logConfiguration':{'logDriver':'awsfirelens'}}",
     "[{'name':'y','image':'i','memory':9,'firelensConfiguration':{'type':'fluentbit'}}]",
     NULL},
    {EC2, NULL, "{'secrets':[{'name':'S','valueFrom':'p'}]}", NULL,
     "When you are specifying container secrets, you must also specify a value for "
     "'executionRoleArn'"},
    {EC2, "{'executionRoleArn':'arn:aws:iam::000000000000:role/r'}",
     "{'secrets':[{'name':'S','valueFrom':'p'}]}", NULL, NULL},
    {EC2, "{'executionRoleArn':'arn:aws:iam::000000000000:role/r'}",
     "{'secrets':[{'name':'S','valueFrom':'p'}],'environment':[{'name':'S','value':''}]}",
     NULL,
     "The secret name must be unique and not shared with any new or existing environment "
     "variables set on the container, such as 'S'"},
    {EC2, NULL, "{'environmentFiles':[{'type':'s3','value':'arn:aws:s3:::b/a.txt'}]}",
     NULL, "Environment file 'arn:aws:s3:::b/a.txt' must have the file extension .env"},
    /* storage, proxy, constraints */
    {EC2, "{'ephemeralStorage':{'sizeInGiB':20}}", NULL, NULL,
     "EphemeralStorage size should be at least 21"},
    {EC2, "{'ephemeralStorage':{'sizeInGiB':201}}", NULL, NULL,
     "EphemeralStorage size should be at most 200"},
    {EC2, "{'ephemeralStorage':{'sizeInGiB':200}}", NULL, NULL, NULL},
    {EC2, "{'networkMode':'awsvpc','proxyConfiguration':{'containerName':'envoy'}}", NULL,
     NULL, "Proxy container [envoy] does not exist"},
    {EC2, "{'proxyConfiguration':{'containerName':'x'}}", NULL, NULL,
     "Proxy configuration is only supported when networkMode=awsvpc"},
    {EC2,
     "{'placementConstraints':[{'type':'memberOf','expression':'attribute:a exists'}]}",
     NULL, NULL, NULL},
    {EC2, "{'placementConstraints':[{'type':'memberOf','expression':'a == b'}]}", NULL,
     NULL, "Invalid expression: unknown subject at position 1"},
    /* Fargate */
    {FARGATE, "{'cpu':null}", NULL, NULL,
     "Fargate requires that 'cpu' be defined at the task level."},
    {FARGATE, "{'memory':null}", "{'memory':9}", NULL,
     "Fargate requires that 'memory' be defined at the task level."},
    {FARGATE, "{'memory':'1536'}", NULL, NULL,
     "No Fargate configuration exists for given values."},
    {FARGATE, "{'networkMode':null}", NULL, NULL,
     "Fargate only supports network mode \xe2\x80\x98"
     "awsvpc\xe2\x80\x99."},
    {FARGATE, "{'networkMode':'bridge'}", NULL, NULL,
     "Fargate only supports network mode \xe2\x80\x98"
     "awsvpc\xe2\x80\x99."},
    {FARGATE, NULL, "{'privileged':true}", NULL,
     "Fargate requires that the 'privileged' setting be 'false'"},
    {FARGATE, NULL, "{'linuxParameters':{'capabilities':{'add':['NET_ADMIN']}}}", NULL,
     "NET_ADMIN is not allowed on Fargate."},
    {FARGATE, NULL, "{'linuxParameters':{'capabilities':{'add':['SYS_PTRACE']}}}", NULL,
     NULL},
    {FARGATE, "{'placementConstraints':[{'type':'memberOf','expression':'a'}]}", NULL,
     NULL, "Fargate compatible task definitions do not support constraints"},
    {FARGATE, "{'volumes':[{'name':'v','host':{'sourcePath':'/'}}]}", NULL, NULL,
     "Fargate compatible task definitions do not support sourcePath"},
    {FARGATE, "{'volumes':[{'name':'v','host':{}}]}", NULL, NULL, NULL},
    {FARGATE, "{'volumes':[{'name':'v','dockerVolumeConfiguration':{}}]}", NULL, NULL,
     "Fargate compatible task definitions do not support dockerVolumeConfiguration"},
    {FARGATE, NULL, "{'linuxParameters':{'devices':[{'hostPath':'/dev/a'}]}}", NULL,
     "Fargate compatible task definitions do not support devices"},
    {FARGATE, NULL, "{'linuxParameters':{'sharedMemorySize':9}}", NULL,
     "Fargate compatible task definitions do not support sharedMemorySize"},
    {FARGATE, NULL, "{'linuxParameters':{'maxSwap':9}}", NULL,
     "Fargate compatible task definitions do not support maxSwap"},
    {FARGATE, NULL, "{'linuxParameters':{'swappiness':9}}", NULL,
     "Fargate compatible task definitions do not support swappiness"},
    {FARGATE, NULL, "{'linuxParameters':{'tmpfs':[{'containerPath':'/t','size':1}]}}",
     NULL, "Fargate compatible task definitions do not support tmpfs"},
    {FARGATE, NULL, "{'dockerSecurityOptions':['a']}", NULL,
     "Fargate compatible task definitions do not support dockerSecurityOptions"},
    {FARGATE, NULL, "{'resourceRequirements':[{'type':'GPU','value':'1'}]}", NULL,
     "Fargate compatible task definitions do not support GPU"},
    {FARGATE, "{'ipcMode':'task'}", NULL, NULL,
     "Fargate compatible task definitions do not support ipcMode"},
    {FARGATE, "{'pidMode':'host'}", NULL, NULL,
     "Tasks using the Fargate launch type do not support pidMode 'host'. The supported "
     "value for pidMode is 'task'."},
    {FARGATE, "{'pidMode':'task'}", NULL, NULL, NULL},
    {FARGATE, NULL, "{'stopTimeout':121}", NULL,
     "the 'stopTimeout' setting for container 'x' must be between 2 and 120"},
    {EC2, NULL, "{'stopTimeout':121}", NULL, NULL},
    {FARGATE, NULL, "{'startTimeout':1}", NULL,
     "the 'startTimeout' setting for container 'x' must be between 2 and 120"},
    {FARGATE, NULL, "{'logConfiguration':{'logDriver':'json-file'}}", NULL,
     "json-file is not a valid log driver. Must be one of [awslogs, splunk, "
     "awsfirelens]"},
    {FARGATE, NULL,
     "{'logConfiguration':{'logDriver':'awslogs','options':{'awslogs-region':'r',"
     "'awslogs-group':'g'}}}",
     NULL, "Log driver awslogs requires options to include awslogs-stream-prefix"},
    {FARGATE, NULL,
     "{'logConfiguration':{'logDriver':'awslogs','options':{'awslogs-region':'r',"
     "'awslogs-group':'g','awslogs-stream-prefix':'p'}}}",
     NULL,
     "Fargate requires task definition to have execution role ARN to support log driver "
     "awslogs."},
    {FARGATE, "{'executionRoleArn':'arn:aws:iam::000000000000:role/r'}",
     "{'logConfiguration':{'logDriver':'awslogs','options':{'awslogs-region':'r',"
     "'awslogs-group':'g','awslogs-stream-prefix':'p'}}}",
     NULL, NULL},
};

static void each_rule_has_its_text(void **state)
{
    bool failed = false;
    for (size_t k = 0; k < COUNT(rows); k++) {
        AUTO_ARENA a = ARENA_INIT;
        char *text =
            definition(rows[k].base, rows[k].task, rows[k].container, rows[k].more);
        struct ecs_taskdef_error err = {.fault = TASKDEF_INVALID_PARAMETER};
        int r = ecs_taskdef_check(decode(&a, text), &err);
        const char *got = r == 0 ? NULL : err.text;
        if (!streq(got, rows[k].error) || (r < 0 && err.fault != TASKDEF_CLIENT)) {
            print_error("row %zu: %s\n  want %s\n  got  %s\n", k, text,
                        rows[k].error ? rows[k].error : "valid", got ? got : "valid");
            failed = true;
        }
        free(text);
    }
    assert_false(failed);
}

static void fargate_has_its_table_of_sizes(void **state)
{
    static const struct {
        int cpu, from, to, step, more; /* more: a size beside the range */
    } table[] = {{256, 1024, 2048, 1024, 512},   {512, 1024, 4096, 1024, 0},
                 {1024, 2048, 8192, 1024, 0},    {2048, 4096, 16384, 1024, 0},
                 {4096, 8192, 30720, 1024, 0},   {8192, 16384, 61440, 4096, 0},
                 {16384, 32768, 122880, 8192, 0}};
    for (size_t k = 0; k < COUNT(table); k++) {
        for (int memory = 512; memory <= 131072; memory += 512) {
            AUTO_ARENA a = ARENA_INIT;
            char task[100];
            snprintf(task, sizeof(task), "{'cpu':'%d','memory':'%d'}", table[k].cpu,
                     memory);
            char *text = definition(FARGATE, task, NULL, NULL);
            struct ecs_taskdef_error err;
            bool want = memory == table[k].more ||
                        (memory >= table[k].from && memory <= table[k].to &&
                         (memory - table[k].from) % table[k].step == 0);
            assert_int_equal(ecs_taskdef_check(decode(&a, text), &err) == 0, want);
            free(text);
        }
    }
    AUTO_ARENA a = ARENA_INIT;
    struct ecs_taskdef_error err;
    char *windows = definition(
        FARGATE,
        "{'runtimePlatform':{'operatingSystemFamily':'WINDOWS_SERVER_2022_CORE'}}", NULL,
        NULL);
    assert_int_equal(ecs_taskdef_check(decode(&a, windows), &err), -E_INVALID);
    free(windows);
}

static void sizes_are_read_in_both_forms(void **state)
{
    static const struct {
        const char *text;
        int64_t cpu, memory; /* -1: not one */
    } sizes[] = {
        {"256", 256, 256},      {"1 vCPU", 1024, -1}, {".25vcpu", 256, -1},
        {"0.5 VCPU", 512, -1},  {".5 GB", -1, 512},   {"1gb", -1, 1024},
        {"30 GB", -1, 30720},   {"1.5GB", -1, 1536},  {"", -1, -1},
        {".", -1, -1},          {"vCPU", -1, -1},     {"GB", -1, -1},
        {"1 vCPUs", -1, -1},    {"-1 vCPU", -1, -1},  {"1e3", -1, -1},
        {" 1 GB", -1, -1},      {".0001 GB", -1, -1}, {"99999999999 GB", -1, -1},
        {"4294967296", -1, -1},
    };
    for (size_t k = 0; k < COUNT(sizes); k++) {
        int64_t n = -1;
        assert_int_equal(ecs_parse_cpu(sizes[k].text, &n), sizes[k].cpu >= 0);
        assert_int_equal(n, sizes[k].cpu);
        n = -1;
        assert_int_equal(ecs_parse_memory(sizes[k].text, &n), sizes[k].memory >= 0);
        assert_int_equal(n, sizes[k].memory);
    }
}

/* ---- hostile sizes ---- */

static int check_text(const char *text, struct ecs_taskdef_error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    return ecs_taskdef_check(decode(&a, text), err);
}

static void many(struct str *s, int containers)
{
    str_clear(s);
    str_add(s, "{\"family\":\"f\",\"containerDefinitions\":[");
    for (int k = 0; k < containers; k++)
        str_addf(s, "%s{\"name\":\"c%d\",\"image\":\"i\",\"memory\":4}", k ? "," : "", k);
    str_add(s, "]}");
}

static void ten_containers_and_no_more(void **state)
{
    AUTO_STR s = STR_INIT;
    struct ecs_taskdef_error err;
    many(&s, 10);
    assert_int_equal(check_text(s.data, &err), 0);
    many(&s, 11);
    assert_int_equal(check_text(s.data, &err), -E_INVALID);
    assert_string_equal(err.text, "Task definition cannot have more than 10 containers");
    many(&s, 100);
    assert_int_equal(check_text(s.data, &err), -E_INVALID);
}

static void sixty_four_kilobytes_and_no_more(void **state)
{
    AUTO_STR s = STR_INIT;
    struct ecs_taskdef_error err;
    for (int size = 60000; size <= 70000; size += 10000) {
        str_clear(&s);
        str_add(&s,
                "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"c\",\"image\":"
                "\"i\",\"memory\":4,\"command\":[\"");
        for (int k = 0; k < size; k++)
            str_addc(&s, 'x');
        str_add(&s, "\"]}]}");
        assert_int_equal(check_text(s.data, &err), size > 65536 ? -E_INVALID : 0);
    }
    assert_non_null(strstr(err.text, "Max allowed length is '65536' bytes."));
}

static void long_names_are_refused_and_cut_in_the_text(void **state)
{
    AUTO_STR s = STR_INIT;
    struct ecs_taskdef_error err;
    for (int size = 255; size <= 256; size++) {
        str_clear(&s);
        str_add(
            &s,
            "{\"containerDefinitions\":[{\"name\":\"c\",\"image\":\"i\",\"memory\":4}],"
            "\"family\":\"");
        for (int k = 0; k < size; k++)
            str_addc(&s, 'f');
        str_add(&s, "\"}");
        assert_int_equal(check_text(s.data, &err), size > 255 ? -E_INVALID : 0);
    }
    str_clear(&s);
    str_add(&s,
            "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"c\",\"image\":\"i\","
            "\"memory\":4,\"dependsOn\":[{\"condition\":\"START\",\"containerName\":\"");
    for (int k = 0; k < 20000; k++)
        str_add(&s, "\xc3\xa9");
    str_add(&s, "\"}]}]}");
    assert_int_equal(check_text(s.data, &err), -E_INVALID);
    assert_true(utf8_valid(err.text, strlen(err.text)));
}

static void eleven_environment_files_are_too_many(void **state)
{
    AUTO_STR s = STR_INIT;
    struct ecs_taskdef_error err;
    for (int n = 10; n <= 11; n++) {
        str_clear(&s);
        str_add(&s, "{'environmentFiles':[");
        for (int k = 0; k < n; k++)
            str_addf(&s, "%s{'type':'s3','value':'arn:aws:s3:::b/%d.env'}", k ? "," : "",
                     k);
        str_add(&s, "]}");
        char *text = definition(EC2, NULL, s.data, NULL);
        assert_int_equal(check_text(text, &err), n > 10 ? -E_INVALID : 0);
        free(text);
    }
    assert_string_equal(err.text, "The maximum number of environment files was exceeded. "
                                  "Specify ten or less and try again");
}

/* ---- what becomes of a valid one ---- */

/* Registers and gives the stored definition as JSON. */
static char *stored(const char *base, const char *task, const char *container,
                    const char *more)
{
    AUTO_ARENA a = ARENA_INIT;
    char *text = definition(base, task, container, more);
    struct ecs_register_task_definition_request *def = decode(&a, text);
    struct ecs_taskdef_error err;
    assert_int_equal(ecs_taskdef_check(def, &err), 0);
    ecs_taskdef_normalise(&a, def);
    struct ecs_task_definition made;
    ecs_taskdef_derive(&a, def, &made);
    struct str out = STR_INIT;
    wire_json_encode(&out, &ecs_task_definition_shape, &made);
    free(text);
    return str_take(&out);
}

static void stored_definitions_are_normalised(void **state)
{
    static const struct {
        const char *base, *task, *container;
        const char *parts[8]; /* of the stored JSON */
        const char *absent;
    } cases[] = {
        {EC2,
         NULL,
         "{'portMappings':[{'containerPort':80}]}",
         {"'networkMode':'bridge'", "'essential':true", "'cpu':0", "'environment':[]",
          "'mountPoints':[]", "'volumesFrom':[]", "'systemControls':[]",
          "'hostPort':0,'protocol':'tcp'"},
         "requiresCompatibilities"},
        {EC2,
         "{'cpu':'1 vCPU','memory':'.5 GB'}",
         "{'essential':true,'cpu':10}",
         {"'cpu':'1024'", "'memory':'512'", "'cpu':10", "'volumes':[]",
          "'placementConstraints':[]", "'portMappings':[]"},
         "runtimePlatform"},
        {FARGATE,
         NULL,
         "{'portMappings':[{'containerPort':80,'protocol':'udp'}]}",
         {"'hostPort':80,'protocol':'udp'", "'requiresCompatibilities':['FARGATE']",
          "'compatibilities':['EC2','MANAGED_INSTANCES','FARGATE']"},
         "EXTERNAL"},
        {EC2,
         "{'networkMode':'host'}",
         "{'portMappings':[{'containerPort':80}]}",
         {"'hostPort':80", "'compatibilities':['EXTERNAL','EC2','MANAGED_INSTANCES']"},
         "FARGATE"},
        {EC2,
         NULL,
         "{'portMappings':[{'containerPortRange':'80-90'}]}",
         {"'containerPortRange':'80-90'", "'compatibilities':['EXTERNAL','EC2']"},
         "hostPort"},
        {EC2,
         NULL,
         "{'healthCheck':{'command':['CMD','a'],'timeout':7}}",
         {"'interval':30", "'timeout':7", "'retries':3"},
         "startPeriod"},
        /* valid for Fargate without asking for it */
        {EC2,
         "{'networkMode':'awsvpc','cpu':'256','memory':'512'}",
         NULL,
         {"'FARGATE'"},
         "EXTERNAL"},
        {EC2,
         "{'networkMode':'awsvpc','cpu':'256','memory':'512'}",
         "{'privileged':true}",
         {"'compatibilities':['EC2','MANAGED_INSTANCES']"},
         "FARGATE"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        char *json = stored(cases[k].base, cases[k].task, cases[k].container, NULL);
        for (char *c = json; *c; c++)
            if (*c == '"')
                *c = '\'';
        bool ok = !strstr(json, cases[k].absent);
        for (size_t p = 0; p < COUNT(cases[k].parts) && cases[k].parts[p]; p++)
            ok &= strstr(json, cases[k].parts[p]) != NULL;
        if (!ok)
            print_error("case %zu: %s\n", k, json);
        assert_true(ok);
        free(json);
    }
}

#define C    "com.amazonaws.ecs.capability."
#define E    "ecs.capability."
#define ROLE "'arn:aws:iam::000000000000:role/r'"

static void features_ask_for_attributes(void **state)
{
    static const struct {
        const char *task, *container;
        const char *names[4]; /* all of them, in order */
    } cases[] = {
        {NULL, NULL, {0}},
        {NULL,
         "{'logConfiguration':{'logDriver':'json-file'}}",
         {C "logging-driver.json-file", C "docker-remote-api.1.18"}},
        {"{'executionRoleArn':" ROLE "}",
         "{'logConfiguration':{'logDriver':'awslogs','options':{'awslogs-region':'r',"
         "'awslogs-group':'g'}}}",
         {C "logging-driver.awslogs", C "docker-remote-api.1.19",
          E "execution-role-awslogs"}},
        {"{'executionRoleArn':" ROLE "}",
         "{'image':'000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1'}",
         {C "ecr-auth", E "execution-role-ecr-pull"}},
        {NULL, "{'image':'docker.io/a.dkr.ecr.b'}", {0}},
        {"{'taskRoleArn':" ROLE "}", NULL, {C "task-iam-role"}},
        {"{'taskRoleArn':" ROLE ",'networkMode':'host'}",
         NULL,
         {C "task-iam-role", C "task-iam-role-network-host"}},
        {"{'networkMode':'awsvpc'}", NULL, {E "task-eni"}},
        {"{'cpu':'256'}", NULL, {E "task-cpu-mem-limit"}},
        {"{'cpu':'16 vCPU'}",
         NULL,
         {E "task-cpu-mem-limit", E "increased-task-cpu-limit"}},
        {NULL, "{'healthCheck':{'command':['CMD','a']}}", {E "container-health-check"}},
        {NULL, "{'restartPolicy':{'enabled':true}}", {E "container-restart-policy"}},
        {NULL, "{'restartPolicy':{'enabled':false}}", {0}},
        {NULL,
         "{'portMappings':[{'containerPortRange':'8-9'}]}",
         {E "network.container-port-range"}},
        {"{'executionRoleArn':" ROLE "}",
         "{'secrets':[{'name':'A','valueFrom':'p'},{'name':'B','valueFrom':"
         "'arn:aws:secretsmanager:us-east-1:000000000000:secret:s'}]}",
         {E "secrets.ssm.environment-variables", E "secrets.asm.environment-variables"}},
        {NULL,
         "{'repositoryCredentials':{'credentialsParameter':'c'}}",
         {E "private-registry-authentication.secretsmanager"}},
        {NULL,
         "{'environmentFiles':[{'type':'s3','value':'arn:aws:s3:::b/a.env'}]}",
         {E "env-files.s3"}},
        {NULL, "{'privileged':true}", {C "privileged-container"}},
        {"{'pidMode':'host'}", NULL, {E "pid-ipc-namespace-sharing"}},
        {NULL,
         "{'linuxParameters':{'initProcessEnabled':true}}",
         {C "docker-remote-api.1.25"}},
        {"{'volumes':[{'name':'v','efsVolumeConfiguration':{'fileSystemId':'f'}}]}",
         NULL,
         {E "efs"}},
        {"{'volumes':[{'name':'v','dockerVolumeConfiguration':{}}]}",
         NULL,
         {E "docker-plugin.local"}},
        {"{'volumes':[{'name':'v','configuredAtLaunch':true}]}",
         NULL,
         {E "storage.ebs-task-volume-attach"}},
        {NULL, "{'firelensConfiguration':{'type':'fluentd'}}", {E "firelens.fluentd"}},
        {"{'enableFaultInjection':true}", NULL, {E "fault-injection"}},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        char *text = stored(EC2, cases[k].task, cases[k].container, NULL);
        json_t *def = json_loads(text, 0, NULL),
               *list = json_object_get(def, "requiresAttributes");
        size_t n = 0;
        while (n < COUNT(cases[k].names) && cases[k].names[n])
            n++;
        assert_int_equal(json_array_size(list), n);
        for (size_t i = 0; i < n; i++)
            assert_string_equal(
                json_string_value(json_object_get(json_array_get(list, i), "name")),
                cases[k].names[i]);
        json_decref(def);
        free(text);
    }
}

/* ---- what a task takes ---- */

static void needs_follow_definition_and_overrides(void **state)
{
    static const struct {
        const char *task, *container, *more, *overrides;
        int64_t cpu, memory;
        int tcp[3], udp[3], gpus, enis; /* ports: ended by 0 */
        const char *error;
    } cases[] = {
        {NULL, NULL, NULL, NULL, 0, 64, {0}, {0}, 0, 0, NULL},
        {NULL,
         "{'cpu':10,'memoryReservation':32}",
         "[{'name':'y','image':'i','cpu':5,'memory':9}]",
         NULL,
         15,
         41,
         {0},
         {0},
         0,
         0,
         NULL},
        {"{'cpu':'256','memory':'128'}",
         "{'cpu':10}",
         NULL,
         NULL,
         256,
         128,
         {0},
         {0},
         0,
         0,
         NULL},
        {NULL,
         "{'portMappings':[{'containerPort':1,'hostPort':90},{'containerPort':2,"
         "'hostPort':80},{'containerPort':3},{'containerPort':4,'hostPort':53,"
         "'protocol':'udp'}]}",
         NULL,
         NULL,
         0,
         64,
         {80, 90},
         {53},
         0,
         0,
         NULL},
        {"{'networkMode':'host'}",
         "{'portMappings':[{'containerPort':80}]}",
         NULL,
         NULL,
         0,
         64,
         {80},
         {0},
         0,
         0,
         NULL},
        {"{'networkMode':'awsvpc'}",
         "{'portMappings':[{'containerPort':80}]}",
         NULL,
         NULL,
         0,
         64,
         {0},
         {0},
         0,
         1,
         NULL},
        {NULL,
         "{'resourceRequirements':[{'type':'GPU','value':'2'}]}",
         NULL,
         NULL,
         0,
         64,
         {0},
         {0},
         2,
         0,
         NULL},
        {NULL,
         "{'cpu':10}",
         NULL,
         "{'containerOverrides':[{'name':'x','cpu':20,'memory':100}]}",
         20,
         100,
         {0},
         {0},
         0,
         0,
         NULL},
        {NULL,
         "{'memoryReservation':32}",
         NULL,
         "{'containerOverrides':[{'name':'x','memory':100}]}",
         0,
         32,
         {0},
         {0},
         0,
         0,
         NULL},
        {"{'cpu':'256'}",
         NULL,
         NULL,
         "{'cpu':'1 vCPU','memory':'1 GB'}",
         1024,
         1024,
         {0},
         {0},
         0,
         0,
         NULL},
        {NULL,
         NULL,
         NULL,
         "{'containerOverrides':[{'name':'z'}]}",
         0,
         0,
         {0},
         {0},
         0,
         0,
         "Override for container named z is not a container in the TaskDefinition."},
        {NULL,
         NULL,
         NULL,
         "{'cpu':'much'}",
         0,
         0,
         {0},
         {0},
         0,
         0,
         "Invalid 'cpu' setting for task."},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        AUTO_ARENA a = ARENA_INIT;
        char *text = stored(EC2, cases[k].task, cases[k].container, cases[k].more);
        void *def = NULL, *overrides = NULL;
        struct wire_error bad;
        assert_int_equal(wire_json_decode(&a, &ecs_task_definition_shape, text,
                                          strlen(text), true, &def, &bad),
                         0);
        if (cases[k].overrides) {
            json_t *v = parse(cases[k].overrides);
            char *o = json_dumps(v, 0);
            assert_int_equal(wire_json_decode(&a, &ecs_task_override_shape, o, strlen(o),
                                              false, &overrides, &bad),
                             0);
            json_decref(v);
            free(o);
        }
        struct place_need need = {0};
        struct ecs_taskdef_error err;
        int r = ecs_taskdef_need(&a, def, overrides, &need, &err);
        free(text);
        assert_int_equal(r, cases[k].error ? -E_INVALID : 0);
        if (r < 0) {
            assert_string_equal(err.text, cases[k].error);
            assert_int_equal(err.fault, TASKDEF_INVALID_PARAMETER);
            continue;
        }
        assert_int_equal(need.resources.cpu, cases[k].cpu);
        assert_int_equal(need.resources.memory_mib, cases[k].memory);
        assert_int_equal(need.resources.gpus, cases[k].gpus);
        assert_int_equal(need.resources.enis, cases[k].enis);
        uint32_t tcp = 0, udp = 0;
        for (; cases[k].tcp[tcp]; tcp++)
            assert_int_equal(need.resources.tcp.v[tcp], cases[k].tcp[tcp]);
        for (; cases[k].udp[udp]; udp++)
            assert_int_equal(need.resources.udp.v[udp], cases[k].udp[udp]);
        assert_int_equal(need.resources.tcp.n, tcp);
        assert_int_equal(need.resources.udp.n, udp);
    }
}

static void a_platform_asks_for_its_instances(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    char *text = stored(EC2,
                        "{'runtimePlatform':{'cpuArchitecture':'ARM64',"
                        "'operatingSystemFamily':'LINUX'}}",
                        "{'privileged':true}", NULL);
    void *def = NULL;
    struct wire_error bad;
    struct ecs_taskdef_error err;
    struct place_need need;
    wire_json_decode(&a, &ecs_task_definition_shape, text, strlen(text), true, &def,
                     &bad);
    assert_int_equal(ecs_taskdef_need(&a, def, NULL, &need, &err), 0);
    assert_int_equal(need.attribute_count, 3);
    assert_string_equal(need.attributes[1].name, "ecs.cpu-architecture");
    assert_string_equal(need.attributes[1].value, "arm64");
    assert_string_equal(need.attributes[2].value, "LINUX");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_has_its_text),
        cmocka_unit_test(fargate_has_its_table_of_sizes),
        cmocka_unit_test(sizes_are_read_in_both_forms),
        cmocka_unit_test(ten_containers_and_no_more),
        cmocka_unit_test(sixty_four_kilobytes_and_no_more),
        cmocka_unit_test(long_names_are_refused_and_cut_in_the_text),
        cmocka_unit_test(eleven_environment_files_are_too_many),
        cmocka_unit_test(stored_definitions_are_normalised),
        cmocka_unit_test(features_ask_for_attributes),
        cmocka_unit_test(needs_follow_definition_and_overrides),
        cmocka_unit_test(a_platform_asks_for_its_instances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
