/* No sequence of events makes a service run more tasks than maximumPercent allows, or
 * stops a healthy one below minimumHealthyPercent. Random events from a seed: tasks die or
 * never start, health flips, hosts leave and come back, services are updated in every way,
 * and the server loses its last batch. Each decision is judged where it leaves the core, by
 * rules of the test's own. GANTRY_SEEDS and GANTRY_SEED say how many, and from which. */
#include "unit.h"

#include <stdio.h>

#include "calls.h"

#define HOSTS        5
#define EVENTS       70
#define GRACE_MS     (40 * 1000)
#define REST_MS      (30 * 60 * 1000)
#define REPLICAS     "replicas"
#define DAEMONS      "daemons"
#define SETS         "sets"
#define MINUTE_MS    (60 * 1000)
#define REST_ROUNDS  4000
#define CRASH_ONE_IN 25

struct world {
    struct calls calls;
    uint64_t dice; /* apart from the core's own */
    uint64_t seed;
    char host[HOSTS][128]; /* ARNs; "" none */
    bool connected[HOSTS];
    bool calm; /* nothing crashes */
    unsigned starts, stops, crashes;
};

static uint64_t roll(struct world *w, uint64_t sides)
{
    w->dice = w->dice * 6364136223846793005u + 1442695040888963407u;
    return (w->dice >> 33) % sides;
}

/* ---- the judge ---- */

static bool live(const struct task *t)
{
    return t->status <= TASK_RUNNING;
}

/* Asked of one that was told to stop this moment, too. */
static bool was_well(const struct world *w, const struct task *t)
{
    const struct ecs_task *rec = t->rec->task;
    if (!rec->started_at.set)
        return false;
    const struct ecs_task_definition *def = taskdef_of(t->taskdef);
    if (def->container_definitions.v[0].health_check)
        return rec->health_status == ECS_HEALTH_STATUS_HEALTHY;
    return w->calls.now_ms - rec->started_at.v >= GRACE_MS;
}

struct bounds {
    bool daemon;
    int64_t lower, upper;
};

static int64_t percent_up(int64_t n, int64_t percent)
{
    return (n * percent + 99) / 100;
}

/* A set's own when the task is of one: never below its size, twice it at most. */
static struct bounds bounds_of(const struct task *t)
{
    const struct ecs_service *s = t->service->rec->service;
    bool active = streq(s->status, "ACTIVE");
    int64_t desired = active ? s->desired_count.v : 0;
    for (size_t i = 0; i < s->task_sets.n; i++) {
        const struct ecs_task_set *set = &s->task_sets.v[i];
        if (!streq(set->id, t->rec->deployment_id))
            continue;
        desired = percent_up(desired * !streq(set->status, "DRAINING"),
                             (int64_t)set->scale->value.v);
        return (struct bounds){.lower = desired, .upper = 2 * desired};
    }
    const struct ecs_deployment_configuration *conf = s->deployment_configuration;
    return (struct bounds){.daemon =
                               s->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON,
                           .lower = percent_up(desired, conf->minimum_healthy_percent.v),
                           .upper = desired * conf->maximum_percent.v / 100};
}

static bool same_pool(const struct task *t, const struct task *other)
{
    return t->service->rec->task_sets.n == 0 ||
           streq(t->rec->deployment_id, other->rec->deployment_id);
}

static void judge(struct world *w, const struct task *t)
{
    struct bounds b = bounds_of(t);
    int64_t running = 0, well = 0, beside = 0;
    list_for_each (it, &t->service->tasks) {
        const struct task *other = list_entry(it, struct task, service_link);
        if (!same_pool(t, other))
            continue;
        running += live(other);
        beside += live(other) && other->instance == t->instance;
        well += other->status == TASK_RUNNING && !other->stopping && was_well(w, other);
    }
    const char *name = t->service->rec->service->service_name;
    if (!t->stopping && b.daemon && beside > 1)
        fail_msg("seed %ju: %jd of %s on one host", w->seed, (intmax_t)beside, name);
    if (!t->stopping && !b.daemon && running > b.upper)
        fail_msg("seed %ju: %jd tasks of %s, at most %jd", w->seed, (intmax_t)running,
                 name, (intmax_t)b.upper);
    bool ours = t->stopping &&
                t->rec->task->stop_code == ECS_TASK_STOP_CODE_SERVICE_SCHEDULER_INITIATED;
    if (ours && was_well(w, t) && well < b.lower)
        fail_msg("seed %ju: %jd healthy tasks of %s, at least %jd", w->seed,
                 (intmax_t)well, name, (intmax_t)b.lower);
    w->starts += !t->stopping;
    w->stops += ours;
}

static struct cluster *the_cluster(struct world *w)
{
    return table_next(ecs_of(w->calls.core)->clusters, "/ecs/cluster/", "/ecs/cluster/");
}

static void task_told(void *ctx, struct core *core, const char *instance_arn,
                      const struct gantry_host_task *said,
                      const struct gantry_host_credentials_list *credentials)
{
    struct world *w = ctx;
    list_for_each (it, &the_cluster(w)->tasks) {
        const struct task *t = list_entry(it, struct task, link);
        if (t->service && streq(t->rec->task->task_arn, said->task_arn))
            judge(w, t);
    }
}

static void task_forgotten(void *ctx, struct core *core, const char *instance_arn,
                           const char *task_arn)
{
}

static void images_told(void *ctx, struct core *core, const char *instance_arn,
                        const struct gantry_host_image_list *images)
{
}

static void host_gone(void *ctx, struct core *core, const char *instance_arn) {}

static void watch(struct calls *calls)
{
    static const struct ecs_host_ops ops = {.task_changed = task_told,
                                            .task_forgotten = task_forgotten,
                                            .images = images_told,
                                            .instance_gone = host_gone};
    ecs_set_host_ops(calls->core, &ops, calls);
}

/* ---- the world ---- */

static void reconnect(struct world *w)
{
    for (int i = 0; i < HOSTS; i++)
        if (w->host[i][0] && w->connected[i])
            calls_connected(&w->calls, w->host[i], true);
}

static bool crash(struct calls *calls)
{
    struct world *w = (struct world *)calls;
    bool now = !w->calm && roll(w, CRASH_ONE_IN) == 0;
    w->crashes += now;
    return now;
}

#define ASK(w, c, name, ...) CALL(&(w)->calls, (c), name, __VA_ARGS__)

static void register_host(struct world *w, int i)
{
    struct call c = {0};
    bool was = w->calm;
    w->calm = true; /* the host would repeat it; the test needs the answer */
    struct ecs_register_container_instance_response *out =
        ASK(w, &c, "RegisterContainerInstance",
            "{'totalResources':[{'name':'CPU','type':'INTEGER','integerValue':1000000},"
            "{'name':'MEMORY','type':'INTEGER','integerValue':%d}],"
            "'attributes':[{'name':'ecs.capability.container-health-check'},{'name':'ecs."
            "availability-zone','value':'z%d'}]}",
            i == 0 ? 300 : 1000000, i % 3);
    assert_non_null(out);
    snprintf(w->host[i], sizeof(w->host[i]), "%s",
             out->container_instance->container_instance_arn);
    w->connected[i] = true;
    calls_connected(&w->calls, w->host[i], true);
    w->calm = was;
    arena_free(&c.arena);
}

static void define(struct world *w, const char *family, int revisions, const char *more)
{
    struct call c = {0};
    for (int i = 0; i < revisions; i++)
        assert_non_null(ASK(w, &c, "RegisterTaskDefinition",
                            "{'family':'%s','containerDefinitions':[{'name':'a',"
                            "'image':'x:%d','memory':100,'cpu':10%s}]}",
                            family, i, more));
    arena_free(&c.arena);
}

static void world_open(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed, .dice = seed * 7919 + 17, .calm = true};
    calls_attached = watch;
    calls_crash = crash;
    calls_open(&w->calls);
    w->calls.seed = seed;
    for (int i = 0; i < HOSTS; i++)
        register_host(w, i);
    define(w, "plain", 2, "");
    define(w, "checked", 2, ",'healthCheck':{'command':['CMD','true']}");
}

/* ---- hosts, played ---- */

static void say(struct world *w, struct task *t, const char *status, const char *more)
{
    struct call c = {0};
    ASK(w, &c, "SubmitTaskStateChange",
        "{'task':'%s','status':'%s','containers':[{'containerName':'a','status':'%s'%s}]"
        "}",
        t->rec->task->task_arn, status, status, more);
    arena_free(&c.arena);
}

struct verdict {
    struct core_task task;
    char instance[128], arn[192];
    enum ecs_health_status status;
};

static void verdict_run(struct core *core, struct core_task *task)
{
    struct verdict *v = list_entry(task, struct verdict, task);
    ecs_host_health(core, v->instance, v->arn, "a", v->status);
}

static void check_says(struct world *w, struct task *t, enum ecs_health_status status)
{
    if (!t->instance || t->status != TASK_RUNNING)
        return;
    struct verdict v = {.task = {.run = verdict_run}, .status = status};
    snprintf(v.instance, sizeof(v.instance), "%s",
             t->instance->rec->instance->container_instance_arn);
    snprintf(v.arn, sizeof(v.arn), "%s", t->rec->task->task_arn);
    core_execute(w->calls.core, &v.task);
    calls_settle(&w->calls);
}

/* True when there was something to do for a good host. */
static bool obey(struct world *w, struct task *t)
{
    if (t->stopping)
        say(w, t, "STOPPED", ",'exitCode':143");
    else if (t->status == TASK_PENDING)
        say(w, t, "RUNNING", "");
    else if (t->status == TASK_RUNNING &&
             taskdef_of(t->taskdef)->container_definitions.v[0].health_check &&
             t->rec->task->health_status != ECS_HEALTH_STATUS_HEALTHY)
        check_says(w, t, ECS_HEALTH_STATUS_HEALTHY);
    else
        return false;
    return true;
}

static bool any(const struct task *t)
{
    return t->status != TASK_STOPPED;
}

static struct task *pick(struct world *w)
{
    uint64_t n = 0;
    list_for_each (it, &the_cluster(w)->tasks)
        n += any(list_entry(it, struct task, link));
    uint64_t wanted = n ? roll(w, n) : 0;
    n = 0;
    list_for_each (it, &the_cluster(w)->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (any(t) && n++ == wanted)
            return t;
    }
    return NULL;
}

/* ---- events ---- */

static const char *family(struct world *w)
{
    static const char *const names[] = {"plain:1", "plain:2", "checked:1", "checked:2"};
    return names[roll(w, 4)];
}

static int minimum(struct world *w)
{
    static const int v[] = {0, 1, 33, 50, 66, 75, 99, 100};
    return v[roll(w, 8)];
}

static int maximum(struct world *w)
{
    static const int v[] = {100, 101, 110, 125, 150, 199, 200, 300};
    return v[roll(w, 8)];
}

static void create_services(struct world *w)
{
    struct call c = {0};
    int min = minimum(w), max = maximum(w) + (min == 100);
    assert_non_null(
        ASK(w, &c, "CreateService",
            "{'serviceName':'" REPLICAS "','taskDefinition':'%s','desiredCount':%d,"
            "'availabilityZoneRebalancing':'%s',"
            "'deploymentConfiguration':{'minimumHealthyPercent':%d,'maximumPercent':%d,"
            "'deploymentCircuitBreaker':{'enable':%s,'rollback':%s}}}",
            family(w), (int)roll(w, 9), max > 100 && roll(w, 2) ? "ENABLED" : "DISABLED",
            min, max, roll(w, 2) ? "true" : "false", roll(w, 2) ? "true" : "false"));
    if (roll(w, 2))
        assert_non_null(ASK(w, &c, "CreateService",
                            "{'serviceName':'" DAEMONS "','taskDefinition':'%s',"
                            "'schedulingStrategy':'DAEMON','deploymentConfiguration':"
                            "{'minimumHealthyPercent':%d,'maximumPercent':100}}",
                            family(w), (int)roll(w, 100)));
    if (roll(w, 3) == 0)
        assert_non_null(ASK(w, &c, "CreateService",
                            "{'serviceName':'" SETS "','desiredCount':%d,"
                            "'deploymentController':{'type':'EXTERNAL'}}",
                            (int)roll(w, 7)));
    arena_free(&c.arena);
}

static void update(struct world *w)
{
    struct call c = {0};
    AUTO_STR more = STR_INIT;
    bool daemon = roll(w, 4) == 0;
    if (roll(w, 2))
        str_addf(&more, ",'taskDefinition':'%s'", family(w));
    if (!daemon && roll(w, 2))
        str_addf(&more, ",'desiredCount':%d", (int)roll(w, 9));
    if (roll(w, 5) == 0)
        str_addf(&more, ",'forceNewDeployment':true");
    int min = minimum(w), max = maximum(w);
    if (roll(w, 3) == 0)
        str_addf(&more,
                 ",'deploymentConfiguration':{'minimumHealthyPercent':%d,"
                 "'maximumPercent':%d}",
                 daemon ? min % 100 : min,
                 daemon ? 100 : max + (min == 100 && max == 100));
    ASK(w, &c, "UpdateService", "{'service':'%s'%s}", daemon ? DAEMONS : REPLICAS,
        str_text(&more));
    arena_free(&c.arena);
}

static void stop_deployment(struct world *w)
{
    struct call c = {0}, d = {0};
    unsigned crashes = w->crashes; /* what is said then is never heard */
    struct ecs_list_service_deployments_response *out = ASK(
        w, &c, "ListServiceDeployments",
        "{'service':'" REPLICAS "','status':['PENDING','IN_PROGRESS','STOP_REQUESTED']}");
    if (out && out->service_deployments.n && w->crashes == crashes)
        ASK(w, &d, "StopServiceDeployment",
            "{'serviceDeploymentArn':'%s','stopType':'%s'}",
            out->service_deployments.v[0].service_deployment_arn,
            roll(w, 2) ? "ROLLBACK" : "ABORT");
    arena_free(&c.arena);
    arena_free(&d.arena);
}

static void sets_event(struct world *w)
{
    struct call c = {0}, d = {0};
    unsigned crashes = w->crashes; /* what is said then is never heard */
    struct ecs_describe_task_sets_response *out =
        ASK(w, &c, "DescribeTaskSets", "{'service':'" SETS "','cluster':'default'}");
    const char *id = out && out->task_sets.n
                         ? out->task_sets.v[roll(w, out->task_sets.n)].task_set_arn
                         : NULL;
    if (!out || w->crashes != crashes)
        goto out;
    if (!id || roll(w, 4) == 0)
        ASK(w, &d, "CreateTaskSet",
            "{'service':'" SETS "','cluster':'default','taskDefinition':'%s',"
            "'scale':{'value':%d,'unit':'PERCENT'}}",
            family(w), (int)roll(w, 101));
    else if (roll(w, 3))
        ASK(w, &d, "UpdateTaskSet",
            "{'service':'" SETS "','cluster':'default','taskSet':'%s',"
            "'scale':{'value':%d,'unit':'PERCENT'}}",
            id, (int)roll(w, 101));
    else
        ASK(w, &d, "DeleteTaskSet",
            "{'service':'" SETS "','cluster':'default','taskSet':'%s','force':true}", id);
    ASK(w, &d, "UpdateService", "{'service':'" SETS "','desiredCount':%d}",
        (int)roll(w, 7));
out:
    arena_free(&c.arena);
    arena_free(&d.arena);
}

static void host_event(struct world *w)
{
    struct call c = {0};
    int i = (int)roll(w, HOSTS);
    if (!w->host[i][0]) {
        register_host(w, i);
        return;
    }
    switch (roll(w, 6)) {
    case 0:
        if (ASK(w, &c, "DeregisterContainerInstance",
                "{'containerInstance':'%s','force':true}", w->host[i]) &&
            !ecs_host_known(w->calls.core, w->host[i]))
            w->host[i][0] = '\0';
        break;
    case 1:
    case 2:
        w->connected[i] = !w->connected[i];
        calls_connected(&w->calls, w->host[i], w->connected[i]);
        break;
    default:
        ASK(w, &c, "UpdateContainerInstancesState",
            "{'containerInstances':['%s'],'status':'%s'}", w->host[i],
            roll(w, 2) ? "ACTIVE" : "DRAINING");
    }
    arena_free(&c.arena);
}

static void protect(struct world *w, const struct task *t)
{
    struct call c = {0};
    ASK(w, &c, "UpdateTaskProtection",
        "{'cluster':'default','tasks':['%s'],'protectionEnabled':%s,"
        "'expiresInMinutes':%d}",
        t->rec->task->task_arn, roll(w, 3) ? "true" : "false", (int)(1 + roll(w, 30)));
    arena_free(&c.arena);
}

static void one_event(struct world *w)
{
    unsigned crashes = w->crashes;
    struct call c = {0};
    struct task *t = pick(w);
    switch (roll(w, 24)) {
    case 0:
    case 1:
    case 2:
        update(w);
        break;
    case 3:
        stop_deployment(w);
        break;
    case 4:
        sets_event(w);
        break;
    case 5:
    case 6:
        host_event(w);
        break;
    case 7:
    case 8:
    case 9:
        calls_pass(&w->calls, (int64_t)roll(w, 2 * MINUTE_MS));
        break;
    case 10:
        if (t)
            say(w, t, "STOPPED", ",'exitCode':1");
        break;
    case 11:
        if (t && t->status == TASK_PENDING)
            say(w, t, "STOPPED", ",'reason':'CannotPullContainerError: x'");
        break;
    case 12:
        if (t)
            ASK(w, &c, "StopTask", "{'task':'%s'}", t->rec->task->task_arn);
        break;
    case 13:
        if (t)
            protect(w, t);
        break;
    case 14:
    case 15:
        if (t)
            check_says(w, t,
                       roll(w, 2) ? ECS_HEALTH_STATUS_UNHEALTHY
                                  : ECS_HEALTH_STATUS_HEALTHY);
        break;
    default:
        if (t)
            obey(w, t);
    }
    arena_free(&c.arena);
    if (w->crashes != crashes) {
        w->calm = true;
        reconnect(w);
        w->calm = false;
    }
}

/* ---- what must be so after every event, and at rest ---- */

static void check_counters(struct world *w)
{
    struct cluster *cl = the_cluster(w);
    int32_t running = 0, pending = 0;
    int64_t held = 0, used = 0;
    list_for_each (it, &cl->tasks) {
        const struct task *t = list_entry(it, struct task, link);
        running += t->status > TASK_ACTIVATING && t->status < TASK_STOPPED;
        pending += t->status <= TASK_ACTIVATING;
        held += t->instance ? 10 : 0;
    }
    assert_int_equal(cl->running, running);
    assert_int_equal(cl->pending, pending);
    list_for_each (it, &cl->instances) {
        const struct instance *i = list_entry(it, struct instance, link);
        used += place_instance_used(i->place)->cpu;
        running -= i->running;
        pending -= i->pending;
    }
    assert_int_equal(used, held);
    assert_int_equal(running, 0);
    assert_int_equal(pending, 0);
}

/* One pass of good hosts over what there is now. */
static bool all_obey(struct world *w)
{
    bool some = false;
    struct task **v = NULL;
    size_t n = 0;
    list_for_each (it, &the_cluster(w)->tasks) {
        struct task *t = list_entry(it, struct task, link);
        v = xrealloc(v, (n + 1) * sizeof(*v));
        if (any(t))
            v[n++] = t;
    }
    for (size_t i = 0; i < n; i++)
        some = (any(v[i]) && obey(w, v[i])) || some;
    free(v);
    return some;
}

static void come_to_rest(struct world *w, const char *what)
{
    for (int round = 0; round < REST_ROUNDS; round++) {
        if (all_obey(w))
            continue;
        int64_t next = core_next_wake_ms(w->calls.core);
        if (next > w->calls.now_ms + REST_MS)
            return;
        w->calls.now_ms = next > w->calls.now_ms ? next : w->calls.now_ms + 1;
        calls_settle(&w->calls);
    }
    fail_msg("seed %ju: no rest %s", w->seed, what);
}

static void all_hosts(struct world *w)
{
    struct call c = {0};
    for (int i = 0; i < HOSTS; i++) {
        if (!w->host[i][0])
            register_host(w, i);
        w->connected[i] = true;
        calls_connected(&w->calls, w->host[i], true);
        ASK(w, &c, "UpdateContainerInstancesState",
            "{'containerInstances':['%s'],'status':'ACTIVE'}", w->host[i]);
    }
    arena_free(&c.arena);
}

static void check_service(struct world *w, const char *name)
{
    struct call c = {0};
    struct ecs_describe_services_response *out =
        ASK(w, &c, "DescribeServices", "{'services':['%s']}", name);
    assert_non_null(out);
    if (out->services.n) {
        const struct ecs_service *s = &out->services.v[0];
        if (s->running_count.v != s->desired_count.v || s->pending_count.v ||
            s->deployments.n != 1 ||
            s->deployments.v[0].rollout_state != ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED)
            fail_msg("seed %ju: %s has %d of %d, %d pending, %zu deployments: %s",
                     w->seed, name, s->running_count.v, s->desired_count.v,
                     s->pending_count.v, s->deployments.n,
                     s->events.n ? s->events.v[0].message : "");
    }
    arena_free(&c.arena);
}

static void one_seed(uint64_t seed)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct call c = {0};
    world_open(w, seed);
    w->calls.pace = (unsigned)roll(w, 3);
    create_services(w);
    w->calm = false;
    for (int i = 0; i < EVENTS; i++) {
        one_event(w);
        check_counters(w);
    }
    w->calm = true;
    all_hosts(w);
    come_to_rest(w, "as it was left");
    ASK(w, &c, "UpdateService",
        "{'service':'" REPLICAS "','forceNewDeployment':true,'deploymentConfiguration':"
        "{'minimumHealthyPercent':50,'maximumPercent':200}}");
    ASK(w, &c, "UpdateService",
        "{'service':'" DAEMONS "','forceNewDeployment':true,'deploymentConfiguration':"
        "{'minimumHealthyPercent':50,'maximumPercent':100}}");
    come_to_rest(w, "with room to move");
    check_counters(w);
    check_service(w, REPLICAS);
    check_service(w, DAEMONS);
    arena_free(&c.arena);
    calls_close(&w->calls);
    if (getenv("GANTRY_SEED"))
        print_message("%u starts, %u stops, %u crashes\n", w->starts, w->stops,
                      w->crashes);
    free(w);
}

static uint64_t number_of(const char *variable, uint64_t fallback)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : fallback;
}

static void no_decision_leaves_the_percentages(void **state)
{
    uint64_t first = number_of("GANTRY_SEED", 1), n = number_of("GANTRY_SEEDS", 200);
    for (uint64_t i = 0; i < n; i++)
        one_seed(first + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_decision_leaves_the_percentages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
