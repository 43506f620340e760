/* From a definition, overrides and an image to what is run, and what is refused. */
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "reason.h"
#include "task_file.h"
#include "task_report.h"
#include "task_spec.h"
#include "volume_place.h"
#include "words.h"

static const char *none[] = {NULL};

static struct image_config image_of(const char **entrypoint, const char **cmd)
{
    return (struct image_config){.entrypoint = entrypoint ? entrypoint : none,
                                 .cmd = cmd ? cmd : none,
                                 .env = none,
                                 .working_dir = "",
                                 .user = "",
                                 .stop_signal = "",
                                 .volumes = none};
}

static const char *joined(struct arena *a, const char *const *v)
{
    AUTO_STR s = STR_INIT;
    for (; *v; v++)
        str_addf(&s, "%s%s", s.len ? " " : "", *v);
    return arena_strdup(a, str_text(&s));
}

static void command_precedence(void **state)
{
    static const struct {
        const char *def, *over, *expected; /* NULL: nothing to run */
    } rows[] = {
        {"", "", "ie1 ie2 ic"},
        {",\"command\":[\"dc\"]", "", "ie1 ie2 dc"},
        {",\"entryPoint\":[\"de\"]", "", "de"},
        {",\"entryPoint\":[\"de\"],\"command\":[\"dc\"]", "", "de dc"},
        {",\"command\":[\"dc\"]", "\"command\":[\"oc\",\"2\"]", "ie1 ie2 oc 2"},
        {",\"entryPoint\":[\"de\"]", "\"command\":[\"oc\"]", "de oc"},
        {",\"entryPoint\":[\"\"],\"command\":[\"dc\"]", "", "dc"},
        {",\"entryPoint\":[\"\"]", "", NULL},
        {",\"entryPoint\":[],\"command\":[]", "", "ie1 ie2 ic"},
        {"", "\"command\":[]", "ie1 ie2 ic"},
    };
    const char *entry[] = {"ie1", "ie2", NULL}, *cmd[] = {"ic", NULL};
    struct image_config image = image_of(entry, cmd);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        const char *const *args;
        struct gantry_host_task *t = task_of(
            &a, arena_printf(&a, "{\"name\":\"x\"%s}", rows[i].def), "",
            arena_printf(&a,
                         ",\"overrides\":{\"containerOverrides\":[{\"name\":\"x\"%s%s}]}",
                         rows[i].over[0] ? "," : "", rows[i].over));
        int r = task_spec_args(&a, &t->task_definition->container_definitions.v[0],
                               container_override_find(t->overrides, "x"), &image, &args,
                               &err);
        assert_int_equal(r, rows[i].expected ? 0 : -E_INVALID);
        if (rows[i].expected)
            assert_string_equal(joined(&a, args), rows[i].expected);
    }
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    const char *const *args;
    struct image_config empty = image_of(NULL, NULL);
    struct gantry_host_task *t = task_of(&a, "{\"name\":\"x\"}", "", "");
    assert_int_equal(task_spec_args(&a, &t->task_definition->container_definitions.v[0],
                                    NULL, &empty, &args, &err),
                     -E_INVALID);
    assert_string_equal(err.text, "No command specified");
}

static const char *env_of(struct arena *a, const char **image_env, const char *def,
                          const char *over)
{
    struct image_config image = image_of(NULL, NULL);
    image.env = image_env;
    struct gantry_host_task *t =
        task_of(a, arena_printf(a, "{\"name\":\"x\",\"environment\":[%s]}", def), "",
                arena_printf(a,
                             ",\"overrides\":{\"containerOverrides\":[{\"name\":\"x\","
                             "\"environment\":[%s]}]}",
                             over));
    return joined(a, task_spec_env(a, t, &t->task_definition->container_definitions.v[0],
                                   &image, NULL, NULL, NULL));
}

static void environment_precedence(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    const char *image[] = {"PATH=/bin", "A=image", "B=image", "C=image", NULL};
    assert_string_equal(
        env_of(&a, image,
               "{\"name\":\"A\",\"value\":\"def\"},{\"name\":\"B\",\"value\":\"def\"},"
               "{\"name\":\"AB\",\"value\":\"\"}",
               "{\"name\":\"A\",\"value\":\"over\"},{\"name\":\"D\",\"value\":\"over\"}"),
        "PATH=/bin A=over B=def C=image AWS_EXECUTION_ENV=AWS_ECS_EC2 "
        "AWS_REGION=eu-west-9 "
        "AWS_DEFAULT_REGION=eu-west-9 AB= D=over");
    /* one of the two regions given: the other is not invented */
    assert_string_equal(env_of(&a, none, "{\"name\":\"AWS_REGION\",\"value\":\"x\"}", ""),
                        "AWS_EXECUTION_ENV=AWS_ECS_EC2 AWS_REGION=x");
    const char *region[] = {"AWS_DEFAULT_REGION=y", NULL};
    assert_string_equal(env_of(&a, region, "", ""),
                        "AWS_DEFAULT_REGION=y AWS_EXECUTION_ENV=AWS_ECS_EC2");
}

static void the_way_to_the_server(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    const char *own[] = {"AWS_ENDPOINT_URL=http://image", NULL};
    struct env_extra extra = {.api_url = "http://169.254.170.2:4566"};
    struct gantry_host_task *t =
        task_of(&a, "{\"name\":\"x\",\"environment\":[{\"name\":\"A\",\"value\":\"b\"}]}",
                "", "");
    struct image_config image = image_of(NULL, NULL);
    const struct ecs_container_definition *def =
        &t->task_definition->container_definitions.v[0];
    const char *text = joined(&a, task_spec_env(&a, t, def, &image, NULL, NULL, &extra));
    assert_non_null(strstr(text, "AWS_ENDPOINT_URL=http://169.254.170.2:4566 "));
    image.env = own;
    text = joined(&a, task_spec_env(&a, t, def, &image, NULL, NULL, &extra));
    assert_non_null(strstr(text, "AWS_ENDPOINT_URL=http://image "));
    assert_null(strstr(text, "4566"));
}

static void stop_signals(void **state)
{
    assert_int_equal(stop_signal_number(NULL), SIGTERM);
    assert_int_equal(stop_signal_number(""), SIGTERM);
    assert_int_equal(stop_signal_number("SIGQUIT"), SIGQUIT);
    assert_int_equal(stop_signal_number("usr1"), SIGUSR1);
    assert_int_equal(stop_signal_number("3"), SIGQUIT);
    assert_int_equal(stop_signal_number("SIGRTMIN+3"), SIGRTMIN + 3);
    assert_int_equal(stop_signal_number("RTMAX-1"), SIGRTMAX - 1);
    assert_int_equal(stop_signal_number("RTMAX-63"), SIGTERM);
    assert_int_equal(stop_signal_number("nonsense"), SIGTERM);
    assert_int_equal(stop_signal_number("999"), SIGTERM);
}

static void limits_of_task_and_container(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct cgroup_limits l;
    const char *two =
        "{\"name\":\"a\",\"cpu\":512,\"memory\":100,\"memoryReservation\":60,"
        "\"linuxParameters\":{\"maxSwap\":50}},"
        "{\"name\":\"b\",\"memory\":4}";
    struct gantry_host_task *t =
        task_of(&a, two, ",\"cpu\":\"2048\",\"memory\":\"300\"", "");
    const struct ecs_container_definition_list *c =
        &t->task_definition->container_definitions;
    task_limits(t, &l);
    assert_int_equal(l.cpu_quota_us, 200000);
    assert_int_equal(l.memory_max_bytes, 300 << 20);
    assert_int_equal(l.cpu_shares, 0);
    container_limits(t, &c->v[0], &l);
    assert_int_equal(l.cpu_shares, 512);
    assert_int_equal(l.cpu_quota_us, 0); /* a weight, never a quota */
    assert_int_equal(l.memory_max_bytes, 100 << 20);
    assert_int_equal(l.memory_low_bytes, 60 << 20);
    assert_int_equal(l.swap_max_bytes, 50 << 20);
    assert_int_equal(l.swappiness, 60);
    container_limits(t, &c->v[1], &l);
    assert_int_equal(l.memory_max_bytes, 6 << 20);
    assert_int_equal(l.cpu_shares, 2);
    assert_int_equal(l.swap_max_bytes, -1);
    t = task_of(&a, two, "",
                ",\"overrides\":{\"containerOverrides\":[{\"name\":\"a\","
                "\"cpu\":10,\"memory\":200}]}");
    task_limits(t, &l);
    assert_int_equal(l.cpu_quota_us, 0);
    assert_int_equal(l.cpu_shares, 12);
    assert_int_equal(l.memory_max_bytes, 0);
    container_limits(t, &t->task_definition->container_definitions.v[0], &l);
    assert_int_equal(l.cpu_shares, 10);
    assert_int_equal(l.memory_max_bytes, 200 << 20);
}

static void whole_spec(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    const char *cmd[] = {"run", NULL};
    struct image_config image = image_of(NULL, cmd);
    image.user = "img";
    image.working_dir = "/img";
    struct gantry_host_task *t = task_of(
        &a,
        "{\"name\":\"x\",\"user\":\"1:2\",\"privileged\":true,\"pseudoTerminal\":true,"
        "\"readonlyRootFilesystem\":true,\"dockerLabels\":{\"k\":\"v\"},"
        "\"dockerSecurityOptions\":[\"no-new-privileges\",\"seccomp=unconfined\"],"
        "\"ulimits\":[{\"name\":\"nofile\",\"softLimit\":10,\"hardLimit\":20}],"
        "\"systemControls\":[{\"namespace\":\"net.a\",\"value\":\"1\"}],\"memory\":9,"
        "\"linuxParameters\":{\"capabilities\":{\"add\":[\"NET_ADMIN\"],\"drop\":["
        "\"ALL\"]},"
        "\"devices\":[{\"hostPath\":\"/dev/x\",\"permissions\":[\"read\",\"mknod\"]}],"
        "\"sharedMemorySize\":3,\"initProcessEnabled\":true,"
        "\"tmpfs\":[{\"containerPath\":\"/"
        "t\",\"size\":2,\"mountOptions\":[\"ro\",\"noexec\"]}]}}",
        ",\"pidMode\":\"host\",\"ipcMode\":\"host\"", "");
    struct spec_mount mount = {.source = "/s", .destination = "/d"};
    struct spec_source s = {.task = t,
                            .def = &t->task_definition->container_definitions.v[0],
                            .image = &image,
                            .id = "0123abcd-1111111111",
                            .rootfs = "/r",
                            .net_path = "/n",
                            .mounts = &mount,
                            .mount_count = 1,
                            .cgroups_path = "/g",
                            .init_path = "/init"};
    struct container_spec c;
    assert_int_equal(task_spec_build(&a, &s, &c, &err), 0);
    assert_string_equal(c.user, "1:2");
    assert_string_equal(c.cwd, "/img");
    assert_string_equal(c.hostname, "0123abcd-111");
    assert_true(c.privileged && c.terminal && c.rootfs_readonly && c.no_new_privileges &&
                c.init_process);
    assert_int_equal(c.seccomp, SPEC_SECCOMP_NONE);
    assert_string_equal(c.ulimits[0].name, "nofile");
    assert_int_equal(c.ulimits[0].hard, 20);
    assert_string_equal(c.sysctls[0].name, "net.a");
    assert_string_equal(c.cap_add[0], "NET_ADMIN");
    assert_string_equal(c.cap_drop[0], "ALL");
    assert_true(c.devices[0].read && !c.devices[0].write && c.devices[0].mknod);
    assert_int_equal(c.shm_bytes, 3 << 20);
    assert_int_equal(c.mount_count, 2);
    assert_string_equal(c.mounts[1].options, "ro,noexec");
    assert_int_equal(c.mounts[1].size_bytes, 2 << 20);
    assert_int_equal(c.pid, SPEC_NS_HOST);
    assert_int_equal(c.ipc, SPEC_NS_HOST);
    assert_int_equal(c.net, SPEC_NS_PATH);
    assert_int_equal(c.limits.memory_max_bytes, 9 << 20);
    assert_string_equal(c.annotations[4].value, "7");
    assert_string_equal(c.annotations[5].name, "k");
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *container, *definition, *says; /* NULL: accepted */
    } rows[] = {
        {"", "", NULL},
        {",\"restartPolicy\":{\"enabled\":false}", "", NULL},
        {",\"logConfiguration\":{\"logDriver\":\"awslogs\"}", "", "log driver 'awslogs'"},
        {",\"logConfiguration\":{\"logDriver\":\"json-file\",\"options\":{\"tag\":\"x\"}"
         "}",
         "", "log option 'tag'"},
        {",\"logConfiguration\":{\"logDriver\":\"json-file\",\"options\":{\"max-size\":"
         "\"x\"}}",
         "", "invalid value for max-size"},
        {",\"dockerSecurityOptions\":[\"label:user:x\"]", "", "dockerSecurityOptions"},
        {"",
         ",\"volumes\":[{\"name\":\"v\",\"efsVolumeConfiguration\":{\"fileSystemId\":"
         "\"f\"}},{\"name\":\"w\",\"dockerVolumeConfiguration\":{\"driver\":"
         "\"rexray\"}}]",
         NULL}, /* told when it is made */
        {"",
         ",\"volumes\":[{\"name\":\"v\",\"dockerVolumeConfiguration\":{\"scope\":"
         "\"shared\"}}]",
         NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        size_t index;
        struct gantry_host_task *t =
            task_of(&a, arena_printf(&a, "{\"name\":\"x\"%s}", rows[i].container),
                    rows[i].definition, "");
        int r = task_check_supported(t, &index, &err);
        if (!rows[i].says) {
            assert_int_equal(r, 0);
            continue;
        }
        assert_true(r < 0);
        if (!strstr(err.text, rows[i].says))
            fail_msg("'%s' does not say '%s'", err.text, rows[i].says);
    }
}

/* A Fargate task as it should be, and what makes the agent refuse it. */
static void fargate_refusals(void **state)
{
#define SIZED  "\"networkMode\":\"awsvpc\",\"cpu\":\"256\",\"memory\":\"512\""
#define ON_20G ",\"launchType\":\"FARGATE\",\"ephemeralStorageGiB\":20"
    static const struct {
        const char *container, *definition, *task, *says;
    } rows[] = {
        {"", "," SIZED, ON_20G, NULL},
        {",\"privileged\":false", "," SIZED, ON_20G, NULL},
        {",\"privileged\":true", "," SIZED, ON_20G, "privileged: not allowed"},
        {",\"linuxParameters\":{\"capabilities\":{\"add\":[\"SYS_PTRACE\"]}}", "," SIZED,
         ON_20G, NULL},
        {",\"linuxParameters\":{\"capabilities\":{\"add\":[\"SYS_ADMIN\"]}}", "," SIZED,
         ON_20G, "capabilities"},
        {",\"linuxParameters\":{\"devices\":[{\"hostPath\":\"/dev/kmsg\"}]}", "," SIZED,
         ON_20G, "devices"},
        {",\"linuxParameters\":{\"maxSwap\":1}", "," SIZED, ON_20G, "swap"},
        {",\"dockerSecurityOptions\":[\"seccomp:unconfined\"]", "," SIZED, ON_20G,
         "dockerSecurityOptions"},
        {",\"resourceRequirements\":[{\"type\":\"GPU\",\"value\":\"1\"}]", "," SIZED,
         ON_20G, "GPU"},
        {"", "," SIZED ",\"pidMode\":\"task\"", ON_20G, NULL},
        {"", "," SIZED ",\"pidMode\":\"host\"", ON_20G, "pidMode host"},
        {"", "," SIZED ",\"ipcMode\":\"task\"", ON_20G, "ipcMode"},
        {"", "," SIZED ",\"volumes\":[{\"name\":\"v\",\"host\":{}}]", ON_20G, NULL},
        {"", "," SIZED ",\"volumes\":[{\"name\":\"v\",\"host\":{\"sourcePath\":\"/\"}}]",
         ON_20G, "sourcePath"},
        {"", "," SIZED ",\"volumes\":[{\"name\":\"v\",\"dockerVolumeConfiguration\":{}}]",
         ON_20G, "dockerVolumeConfiguration"},
        {"", ",\"networkMode\":\"host\",\"cpu\":\"256\",\"memory\":\"512\"", ON_20G,
         "network mode"},
        {"", ",\"networkMode\":\"awsvpc\",\"memory\":\"512\"", ON_20G, "without cpu"},
        {"", ",\"networkMode\":\"awsvpc\",\"cpu\":\"256\"", ON_20G, "without memory"},
        {"", "," SIZED, ",\"launchType\":\"FARGATE\"", "unlimited ephemeral storage"},
        {",\"privileged\":true", "," SIZED, ",\"launchType\":\"EC2\"", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        size_t index;
        struct gantry_host_task *t = words_of(
            &a,
            arena_printf(&a,
                         "{\"taskArn\":\"arn:aws:ecs:r:1:task/c/0123abcd\",\"taskId\":"
                         "\"0123abcd\",\"taskDefinition\":{\"family\":\"f\","
                         "\"containerDefinitions\":[{\"name\":\"x\"%s}]%s}%s}",
                         rows[i].container, rows[i].definition, rows[i].task));
        int r = task_check_supported(t, &index, &err);
        assert_int_equal(r < 0, rows[i].says != NULL);
        if (rows[i].says && !strstr(err.text, rows[i].says))
            fail_msg("'%s' does not say '%s'", err.text, rows[i].says);
    }
#undef SIZED
#undef ON_20G
}

static void fargate_limits(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    struct cgroup_limits limits;
    struct image_config image = {0};
    struct gantry_host_task *t =
        task_of(&a, "{\"name\":\"x\",\"command\":[\"/x\"]}",
                ",\"networkMode\":\"awsvpc\",\"cpu\":\"512\",\"memory\":\"1024\"", "");
    t->launch_type = "FARGATE";
    task_limits(t, &limits);
    assert_int_equal(limits.cpu_quota_us, 50000);
    assert_int_equal(limits.memory_max_bytes, INT64_C(1) << 30);
    assert_int_equal(limits.swap_max_bytes, 0);
    struct spec_source s = {.task = t,
                            .def = &t->task_definition->container_definitions.v[0],
                            .image = &image,
                            .id = "i",
                            .rootfs = "/r",
                            .cgroups_path = "/g",
                            .fargate_nofile = 65535};
    struct container_spec c;
    assert_int_equal(task_spec_build(&a, &s, &c, &err), 0);
    assert_int_equal(c.ulimit_count, 1);
    assert_string_equal(c.ulimits[0].name, "nofile");
    assert_int_equal(c.ulimits[0].hard, 65535);
    t->launch_type = "EC2";
    assert_int_equal(task_spec_build(&a, &s, &c, &err), 0);
    assert_int_equal(c.ulimit_count, 0);
}

static void driver_options(void **state)
{
    static const struct {
        const char *options, *says;
    } rows[] = {
        {"", NULL},
        {"\"type\":\"tmpfs\",\"device\":\"tmpfs\"", NULL},
        {"\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=1m\"", NULL},
        {"\"type\":\"tmpfs\"", "missing required option: \"device\""},
        {"\"device\":\"/x\"", "missing required option: \"type\""},
        {"\"o\":\"bind\",\"type\":\"none\"", "missing required option: \"device\""},
        {"\"type\":\"\",\"device\":\"\"", "missing required option: \"device\""},
        {"\"o\":\"bind\"", "missing required option: \"device\""},
        {"\"size\":\"1m\"", "invalid option: \"size\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        struct gantry_host_task *t = task_of(
            &a, "{\"name\":\"x\"}",
            arena_printf(&a,
                         ",\"volumes\":[{\"name\":\"v\",\"dockerVolumeConfiguration\":"
                         "{\"driverOpts\":{%s}}}]",
                         rows[i].options),
            "");
        int r = driver_options_check(
            &t->task_definition->volumes.v[0].docker_volume_configuration->driver_opts,
            &err);
        assert_int_equal(r, rows[i].says ? -E_INVALID : 0);
        if (rows[i].says)
            assert_string_equal(err.text, rows[i].says);
    }
}

static void efs_names(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    static const char *const servers[] = {"fs-12=10.0.0.1", "fs-1=nas", NULL};
    assert_string_equal(efs_server(&a, NULL, "fs-1", "eu-west-9"),
                        "fs-1.efs.eu-west-9.amazonaws.com");
    assert_string_equal(efs_server(&a, servers, "fs-1", "eu-west-9"), "nas");
    assert_string_equal(efs_server(&a, servers, "fs-12", NULL), "10.0.0.1");
    assert_string_equal(efs_server(&a, servers, "fs-3", NULL),
                        "fs-3.efs.us-east-1.amazonaws.com");
}

static void ranges_and_links(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    static const struct {
        const char *text;
        int first, count; /* 0: no range */
    } ranges[] = {{"80-90", 80, 11}, {"1-65535", 1, 65535}, {"7-7", 7, 1},
                  {"90-80", 0, 0},   {"0-5", 0, 0},         {"80", 0, 0},
                  {"80-", 0, 0},     {"-80", 0, 0},         {"", 0, 0},
                  {"1-65536", 0, 0}, {NULL, 0, 0},          {"1-2-3", 0, 0}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        uint16_t first = 0, count = 0;
        bool good = port_range_parse(ranges[i].text, &first, &count);
        assert_int_equal(good, ranges[i].count > 0);
        assert_int_equal(first, ranges[i].first);
        assert_int_equal(count, ranges[i].count);
    }
    const char *name, *alias;
    assert_true(link_parse(&a, "db", &name, &alias));
    assert_string_equal(name, "db");
    assert_string_equal(alias, "db");
    assert_true(link_parse(&a, "db:store", &name, &alias));
    assert_string_equal(name, "db");
    assert_string_equal(alias, "store");
    assert_false(link_parse(&a, ":x", &name, &alias));
    assert_false(link_parse(&a, "x:", &name, &alias));
}

static void log_settings(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    struct log_settings s;
    struct gantry_host_task *t = task_of(
        &a,
        "{\"name\":\"x\",\"logConfiguration\":{\"logDriver\":\"json-file\","
        "\"options\":{\"max-size\":\"1.5m\",\"max-file\":\"3\"}}},{\"name\":\"y\"}",
        "", "");
    const struct ecs_container_definition_list *c =
        &t->task_definition->container_definitions;
    assert_int_equal(log_settings_of(&c->v[0], 7, 1, &s, &err), 0);
    assert_int_equal(s.max_bytes, 3 << 19);
    assert_int_equal(s.max_files, 3);
    assert_int_equal(log_settings_of(&c->v[1], 7, 0, &s, &err), 0);
    assert_int_equal(s.max_bytes, 7);
    assert_int_equal(s.max_files, 1);
}

static void names_stay_the_same(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct gantry_host_task *t = task_of(&a, "{\"name\":\"x\"}", "", "");
    const char *id = container_id_make(&a, "0123", "x");
    /* changing this orphans running containers of an older agent */
    assert_string_equal(id, container_id_make(&a, "0123", "x"));
    assert_string_not_equal(id, container_id_make(&a, "0123", "y"));
    assert_int_equal(strlen(id), 4 + 1 + 10);
    const char *name = container_display_name(&a, t, "x", id);
    assert_true(str_starts(name, "ecs-web-7-x-"));
    assert_int_equal(strlen(name), strlen("ecs-web-7-x-") + 20);
}

/* ---- what is saved and what is told ---- */

static struct task *new_task(struct arena *a, const char *dir)
{
    struct error err = ERROR_INIT;
    struct task *t = NULL;
    struct gantry_host_task *w = task_of(
        a,
        "{\"name\":\"x\",\"portMappings\":[{\"containerPort\":80,\"hostPort\":0}]},"
        "{\"name\":\"y\",\"essential\":false}",
        ",\"networkMode\":\"bridge\"", "");
    assert_int_equal(task_new(NULL, w, dir, &t, &err), 0);
    return t;
}

static void state_survives(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    char dir[] = "/tmp/agent-unit-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct task *t = new_task(&a, dir);
    t->step = STEP_STOPPING;
    t->sequence = 12;
    t->ever_running = t->unsent = t->stop_wanted = true;
    t->sent = "RUNNING";
    task_set_reason(t, "first");
    task_set_reason(t, "second");
    struct container *c = &t->containers[0];
    c->step = CSTEP_STOPPED;
    c->has_exit_code = true;
    c->exit_code = 3;
    c->started_at_ms = 1000;
    c->stop_signal = "SIGINT";
    c->ports[0].host_port = 50000;
    c->ports_known = true;
    assert_int_equal(task_file_create(t, &err), 0);
    assert_int_equal(task_file_save(t, &err), 0);

    const struct gantry_host_task *words;
    const struct gantry_agent_task_record *rec;
    struct task *u = NULL;
    assert_int_equal(task_file_read(&a, dir, t->id, &words, &rec, &err), 0);
    assert_true(wire_equal(&gantry_host_task_shape, words, t->host));
    assert_int_equal(task_new(NULL, words, dir, &u, &err), 0);
    assert_int_equal(task_file_restore(u, rec, &err), 0);
    assert_int_equal(u->step, STEP_STOPPING);
    assert_int_equal(u->sequence, 12);
    assert_true(u->ever_running && u->unsent && u->stop_wanted && !u->forgotten);
    assert_string_equal(u->sent, "RUNNING");
    assert_string_equal(u->reason, "first");
    assert_int_equal(u->containers[0].exit_code, 3);
    assert_int_equal(u->containers[0].ports[0].host_port, 50000);
    assert_true(u->containers[0].ports_known && !u->containers[0].failed);
    assert_string_equal(u->containers[0].stop_signal, "SIGINT");
    assert_int_equal(u->containers[1].step, CSTEP_NONE);
    assert_string_equal(u->containers[0].id, t->containers[0].id);
    task_free(t);
    task_free(u);
    assert_int_equal(task_file_read(&a, dir, "nothing", &words, &rec, &err), -E_NOTFOUND);
    char torn[64];
    snprintf(torn, sizeof(torn), "%s/tasks/0123abcd/state.json", dir);
    assert_int_equal(file_replace(torn, "{\"step\":", 8, 0600, 0, &err), 0);
    assert_int_equal(task_file_read(&a, dir, "0123abcd", &words, &rec, &err), -E_CORRUPT);
    assert_int_equal(dir_remove_all(dir, &err), 0);
}

static void reports_come_in_order(void **state)
{
    static const struct {
        enum task_step step;
        bool ever_running, unsent, forgotten;
        const char *sent, *due;
    } rows[] = {
        {STEP_STARTING, false, true, false, "", NULL},
        {STEP_RUNNING, true, true, false, "", "RUNNING"},
        {STEP_RUNNING, true, false, false, "RUNNING", NULL},
        {STEP_RUNNING, true, true, false, "RUNNING", "RUNNING"},
        {STEP_STOPPED, true, true, false, "", "RUNNING"}, /* it ran: that is told first */
        {STEP_STOPPED, true, true, false, "RUNNING", "STOPPED"},
        {STEP_STOPPED, false, true, false, "", "STOPPED"},
        {STEP_STOPPED, true, true, false, "STOPPED", "STOPPED"},
        {STEP_STOPPED, true, true, true, "RUNNING", NULL},
        {STEP_CLEANING, false, true, false, "", NULL},
    };
    AUTO_ARENA a = ARENA_INIT;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct task *t = new_task(&a, "/nowhere");
        t->step = rows[i].step;
        t->ever_running = rows[i].ever_running;
        t->unsent = rows[i].unsent;
        t->forgotten = rows[i].forgotten;
        t->sent = rows[i].sent;
        const char *due = report_due(t);
        if (rows[i].due)
            assert_string_equal(due, rows[i].due);
        else
            assert_null(due);
        task_free(t);
    }
}

static void late_running_report_hides_the_end(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR s = STR_INIT;
    struct task *t = new_task(&a, "/nowhere");
    struct container *c = &t->containers[0];
    t->step = STEP_STOPPED;
    t->ever_running = true;
    t->reason = REASON_ESSENTIAL;
    c->step = CSTEP_STOPPED;
    c->started_at_ms = 5;
    c->has_exit_code = true;
    c->exit_code = 4;
    report_write(t, "c", "RUNNING", &s);
    assert_null(strstr(s.data, "exitCode"));
    assert_null(strstr(s.data, "reason"));
    assert_non_null(strstr(s.data, c->id));
    str_clear(&s);
    report_write(t, "c", "STOPPED", &s);
    assert_non_null(strstr(s.data, "\"exitCode\":4"));
    assert_non_null(strstr(s.data, REASON_ESSENTIAL));
    task_free(t);
}

#define INTERFACE                                                                        \
    ",\"interface\":{\"attachmentArn\":\"arn:a\",\"networkInterfaceId\":\"eni-1\","      \
    "\"privateIpAddress\":\"172.31.0.5\",\"privateDnsName\":\"ip-172-31-0-5.ec2."        \
    "internal\","                                                                        \
    "\"dnsServer\":\"172.31.0.2\",\"searchDomain\":\"ec2.internal\"}"

static struct task *task_in_a_vpc(struct arena *a)
{
    struct task *t;
    struct error err;
    assert_int_equal(task_new(NULL,
                              task_of(a, "{\"name\":\"main\",\"image\":\"x\"}",
                                      ",\"networkMode\":\"awsvpc\"", INTERFACE),
                              "/nowhere", &t, &err),
                     0);
    return t;
}

static void the_interface_is_told_of(void **state)
{
    static const struct {
        enum task_step step;
        bool wired, unsent, ever_running, forgotten;
        const char *sent, *attachment_sent, *due;
    } rows[] = {
        {STEP_STARTING, false, false, false, false, "", "", NULL},
        {STEP_STARTING, true, false, false, false, "", "", "ATTACHED"},
        {STEP_STARTING, true, false, false, true, "", "", NULL},
        {STEP_STARTING, true, false, false, false, "", "ATTACHED", NULL},
        {STEP_RUNNING, true, true, true, false, "", "",
         "RUNNING"}, /* which says it, too */
        {STEP_RUNNING, true, false, true, false, "RUNNING", "", NULL},
        {STEP_CLEANING, true, false, true, false, "RUNNING", "ATTACHED", "DETACHING"},
        {STEP_CLEANING, true, true, true, false, "", "ATTACHED", "RUNNING"},
        {STEP_CLEANING, true, false, true, false, "RUNNING", "DETACHING", NULL},
        {STEP_STOPPED, true, true, true, false, "RUNNING", "", "STOPPED"},
        {STEP_STOPPED, true, false, true, false, "STOPPED", "", NULL},
    };
    AUTO_ARENA a = ARENA_INIT;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct task *t = task_in_a_vpc(&a);
        t->step = rows[i].step;
        t->wired = rows[i].wired;
        t->unsent = rows[i].unsent;
        t->ever_running = rows[i].ever_running;
        t->forgotten = rows[i].forgotten;
        t->sent = rows[i].sent;
        t->attachment_sent = rows[i].attachment_sent;
        const char *due = report_due(t);
        if (rows[i].due)
            assert_string_equal(due, rows[i].due);
        else
            assert_null(due);
        task_free(t);
    }
}

static void a_report_of_the_interface_alone(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR s = STR_INIT;
    struct task *t = task_in_a_vpc(&a);
    t->step = STEP_STARTING;
    t->wired = true;
    report_write(t, "c", report_due(t), &s);
    assert_non_null(strstr(s.data, "\"attachments\":[{\"attachmentArn\":\"arn:a\","
                                   "\"status\":\"ATTACHED\"}]"));
    assert_null(strstr(s.data, "containers"));
    assert_null(strstr(s.data, "\"status\":\"ATTACHED\","));
    str_clear(&s);
    t->step = STEP_STOPPED;
    report_write(t, "c", "STOPPED", &s);
    assert_non_null(strstr(s.data, "\"status\":\"DETACHED\""));
    assert_non_null(strstr(s.data, "\"containers\""));
    task_free(t);
}

static void names_of_a_task_in_a_vpc(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct string_list servers, search;
    struct task *t = task_in_a_vpc(&a);
    const struct container *c = &t->containers[0];
    assert_string_equal(task_spec_hostname(&a, t->host, c->def, c->id),
                        "ip-172-31-0-5.ec2.internal");
    task_spec_dns(&a, t->host, c->def, &servers, &search);
    assert_int_equal(servers.n, 1);
    assert_string_equal(servers.v[0], "172.31.0.2");
    assert_int_equal(search.n, 1);
    assert_string_equal(search.v[0], "ec2.internal");
    task_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_precedence),
        cmocka_unit_test(environment_precedence),
        cmocka_unit_test(the_way_to_the_server),
        cmocka_unit_test(stop_signals),
        cmocka_unit_test(limits_of_task_and_container),
        cmocka_unit_test(whole_spec),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(fargate_refusals),
        cmocka_unit_test(fargate_limits),
        cmocka_unit_test(driver_options),
        cmocka_unit_test(ranges_and_links),
        cmocka_unit_test(efs_names),
        cmocka_unit_test(log_settings),
        cmocka_unit_test(names_stay_the_same),
        cmocka_unit_test(state_survives),
        cmocka_unit_test(reports_come_in_order),
        cmocka_unit_test(late_running_report_hides_the_end),
        cmocka_unit_test(the_interface_is_told_of),
        cmocka_unit_test(a_report_of_the_interface_alone),
        cmocka_unit_test(names_of_a_task_in_a_vpc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
