/* What `gantry why` and `gantry events` say, a row a situation. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "event_line.h"
#include "why_text.h"

#define TASK_ARN   "'taskArn':'arn:aws:ecs:r:1:task/c/t1','taskDefinitionArn':'a/web:3',"
#define TASK(more) "{" TASK_ARN more "}"
#define EVENT(time, type, detail)                                                        \
    "{'time':'" time "','detail-type':'" type "','resources':['arn:x/web'],"             \
    "'detail':" detail "}"
#define TASK_EVENT(time, more) EVENT(time, "ECS Task State Change", TASK(more))
#define ACTION(time, name, reason)                                                       \
    EVENT(time, "ECS Service Action", "{'eventName':'" name "','reason':'" reason "'}")
#define SERVICE(run, state)                                                              \
    "{'serviceName':'web','status':'ACTIVE','desiredCount':2,'runningCount':" run        \
    ",'pendingCount':0,'deployments':[{'id':'ecs-svc/1','taskDefinition':'a/web:3',"     \
    "'rolloutState':'" state "','desiredCount':2,'runningCount':" run                    \
    ",'pendingCount':0,'failedTasks':4}]}"

/* Apostrophes for quotes, to be read more easily. */
static json_t *parse(const char *text)
{
    if (!text)
        return NULL;
    char *copy = xstrdup(text);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json_error_t why;
    json_t *v = json_loads(copy, 0, &why);
    if (!v)
        fail_msg("%s: %s", why.text, copy);
    free(copy);
    return v;
}

struct row {
    const char *now, *events;
    const char *says[6];   /* each is there, in this order */
    const char *silent[2]; /* is not there */
};

static void check(const struct row *row, const char *text)
{
    const char *at = text;
    for (size_t i = 0; i < 6 && row->says[i]; i++) {
        const char *found = strstr(at, row->says[i]);
        if (!found)
            fail_msg("'%s' is missing in: %s", row->says[i], text);
        at = found;
    }
    for (size_t i = 0; i < 2 && row->silent[i]; i++)
        if (strstr(text, row->silent[i]))
            fail_msg("'%s' should not be in: %s", row->silent[i], text);
}

typedef int explain(const json_t *now, const json_t *events, struct str *out,
                    struct error *err);

static void check_all(explain *why, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_STR text = STR_INIT;
        struct error err;
        json_t *now = parse(rows[i].now), *events = parse(rows[i].events);
        assert_int_equal(why(now, events, &text, &err), 0);
        check(&rows[i], str_text(&text));
        json_decref(now);
        json_decref(events);
    }
}

static void why_a_task(void **state)
{
    static const struct row rows[] = {
        {TASK("'lastStatus':'STOPPED','group':'service:web',"
              "'stopCode':'EssentialContainerExited',"
              "'stoppedReason':'Essential container in task exited',"
              "'containers':[{'name':'app','exitCode':1},{'name':'log','exitCode':137}]"),
         "[]",
         {"Task t1 (web:3, service web) is STOPPED.",
          "ended, and the task with it: Essential container in task exited.\n",
          "Container 'app' ended with exit code 1.\n",
          "Container 'log' ended with exit code 137 (it was killed",
          "Next: look at what it wrote"},
         {"forgotten", "History"}},
        {TASK("'lastStatus':'STOPPED','stopCode':'TaskFailedToStart',"
              "'stoppedReason':'Task failed to start','containers':"
              "[{'name':'app','reason':'CannotPullContainerError: no such image'}]"),
         "[]",
         {"It could not be started", "Container 'app': CannotPullContainerError",
          "Next: check the image's name"},
         {"exit code"}},
        {TASK("'lastStatus':'STOPPED','stopCode':'UserInitiated','stoppedReason':'"
              "enough'"),
         "[]",
         {"Somebody stopped it (StopTask): enough.\n"},
         {"Next:"}},
        /* forgotten by ECS: the history knows it */
        {NULL,
         "[" TASK_EVENT(
             "T2",
             "'lastStatus':'STOPPED','stopCode':'UserInitiated'") "," TASK_EVENT("T1",
                                                                                 "'lastSt"
                                                                                 "atus':'"
                                                                                 "PENDING"
                                                                                 "'") "]",
         {"is STOPPED", "ECS has forgotten it", "Somebody stopped it (StopTask).\n",
          "  T1 PENDING\n  T2 STOPPED\n"},
         {NULL}},
        {TASK("'lastStatus':'PROVISIONING','cpu':'256','memory':'512'"),
         "[]",
         {"No instance has room for it: it needs 256 CPU units and 512 MiB",
          "Next: add an instance"},
         {NULL}},
        {TASK("'lastStatus':'PENDING','containerInstanceArn':'x/i1','pullStartedAt':1"),
         "[]",
         {"placed on instance i1", "Its images are being pulled"},
         {NULL}},
        {TASK("'lastStatus':'RUNNING','desiredStatus':'RUNNING'"),
         "[]",
         {"is RUNNING", "Nothing is wrong with it."},
         {"Next:"}},
        {TASK("'lastStatus':'RUNNING','desiredStatus':'RUNNING',"
              "'healthStatus':'UNHEALTHY'"),
         "[]",
         {"fails its health check", "Next: run the health check"},
         {NULL}},
        {TASK(
             "'lastStatus':'STOPPING','desiredStatus':'STOPPED',"
             "'stopCode':'ServiceSchedulerInitiated','stoppedReason':'Scaling activity'"),
         "[]",
         {"told to stop", "Its service stopped it: Scaling activity."},
         {NULL}},
    };
    check_all(why_task, rows, sizeof(rows) / sizeof(rows[0]));
}

static void why_a_service(void **state)
{
    static const struct row rows[] = {
        {SERVICE("2", "COMPLETED"),
         "[" ACTION("T9", "SERVICE_STEADY_STATE", "x") "]",
         {"wants 2 tasks, 2 run", "It is steady, told last at T9."},
         {"Next:", "Deployment"}},
        {SERVICE("0", "IN_PROGRESS"),
         "[" ACTION("T9", "SERVICE_TASK_PLACEMENT_FAILURE",
                    "it has insufficient memory available.") "]",
         {"Deployment ecs-svc/1 (web:3) is in progress: 0 of 2 tasks run",
          "4 failed in a row", "At T9 a task could not be placed: it has",
          "Next: add an instance, stop something, or lower the task's memory."},
         {"on its way"}},
        /* an old failure, steady since: no cause of today's trouble */
        {SERVICE("1", "IN_PROGRESS"),
         "[" ACTION("T9", "SERVICE_STEADY_STATE",
                    "x") "," ACTION("T8", "SERVICE_TASK_PLACEMENT_FAILURE", "old") "]",
         {"is in progress", "on its way"},
         {"could not be placed"}},
        {SERVICE("1", "IN_PROGRESS"),
         "[" ACTION("T9", "SERVICE_TASK_START_IMPAIRED", "x") "," TASK_EVENT(
             "T8",
             "'lastStatus':'STOPPED','stopCode':'EssentialContainerExited',"
             "'containers':[{'name':'app','exitCode':127}]") "," TASK_EVENT("T7",
                                                                            "'lastStatus'"
                                                                            ":'STOPPED','"
                                                                            "stopCode':'"
                                                                            "ServiceSched"
                                                                            "ulerInitiate"
                                                                            "d'") "]",
         {"Task t1 ended at T8.", "exit code 127 (its command was not found)",
          "waits longer and longer", "Next: say 'gantry why'",
          "Next: correct the cause and update the service"},
         {"T7"}},
        {SERVICE("1", "FAILED"), "[]", {"Deployment ecs-svc/1 (web:3) failed"}, {NULL}},
        {NULL,
         "[" ACTION("T9", "SERVICE_TASK_PLACEMENT_FAILURE", "port required") "]",
         {"forgotten", "could not be placed: port required.", "dynamic host port"},
         {NULL}},
    };
    check_all(why_service, rows, sizeof(rows) / sizeof(rows[0]));
}

static void nothing_is_known(void **state)
{
    AUTO_STR text = STR_INIT;
    struct error err;
    json_t *none = json_array();
    assert_int_equal(why_task(NULL, none, &text, &err), -E_NOTFOUND);
    assert_int_equal(why_service(NULL, none, &text, &err), -E_NOTFOUND);
    json_decref(none);
}

static void lines(void **state)
{
    static const struct {
        const char *event, *line;
    } rows[] = {
        {TASK_EVENT("T1", "'lastStatus':'RUNNING','desiredStatus':'RUNNING',"
                          "'group':'service:web'"),
         "T1 task t1 RUNNING web:3 of service web"},
        {TASK_EVENT("T1", "'lastStatus':'RUNNING','desiredStatus':'STOPPED'"),
         "T1 task t1 RUNNING (to be STOPPED) web:3"},
        {TASK_EVENT("T1", "'lastStatus':'STOPPED','desiredStatus':'STOPPED',"
                          "'stopCode':'C','stoppedReason':'R',"
                          "'containers':[{'name':'a','exitCode':3},"
                          "{'name':'b','reason':'S'}]"),
         "T1 task t1 STOPPED web:3: C: R; a exited with 3; b: S"},
        {EVENT("T1", "ECS Container Instance State Change",
               "{'containerInstanceArn':'x/i1','status':'ACTIVE','agentConnected':true,"
               "'runningTasksCount':2}"),
         "T1 instance i1 ACTIVE, agent connected, 2 running, 0 pending"},
        {ACTION("T1", "SERVICE_STEADY_STATE", "so it is"),
         "T1 service web SERVICE_STEADY_STATE: so it is"},
        {"{}", " service  : "}, /* nothing in it: no crash */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_STR text = STR_INIT;
        json_t *event = parse(rows[i].event);
        event_line(event, &text);
        assert_string_equal(text.data, rows[i].line);
        json_decref(event);
    }
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(why_a_task),
        cmocka_unit_test(why_a_service),
        cmocka_unit_test(nothing_is_known),
        cmocka_unit_test(lines),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
