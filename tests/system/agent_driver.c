/* agent_driver.c: the agent as a program of its own, for tests/system/test_agent.py.
 *
 *     agent_driver run|purge|list|find KEY=VALUE…
 * `run` ends on SIGTERM. `list` and `find task=… [name=…]` print tab-separated lines. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent.h"
#include "log.h"
#include "str.h"

static struct agent_config config = AGENT_CONFIG_INIT;
static const char *task, *name;

static int64_t number(const char *s)
{
    int64_t v = 0;
    if (!str_to_i64(s, INT64_MIN, INT64_MAX, &v)) {
        fprintf(stderr, "'%s' is not a number\n", s);
        exit(2);
    }
    return v;
}

static void set(const char *key, const char *value)
{
    const struct {
        const char *key, **at;
    } texts[] = {{"server", &config.server_url},
                 {"cluster", &config.cluster},
                 {"region", &config.region},
                 {"key", &config.access_key_id},
                 {"secret", &config.secret_access_key},
                 {"data", &config.data_dir},
                 {"run_dir", &config.run_dir},
                 {"run", &config.run},
                 {"registry", &config.registry_url},
                 {"runtime", &config.runtime_path},
                 {"conmon", &config.conmon_path},
                 {"init", &config.init_path},
                 {"subnet", &config.subnet},
                 {"vpc_dir", &config.vpc_dir},
                 {"task", &task},
                 {"name", &name}};
    const struct {
        const char *key;
        int64_t *at;
    } numbers[] = {{"reserved", &config.reserved_memory_mib},
                   {"cpu", &config.cpu_units},
                   {"memory", &config.memory_mib},
                   {"stop_timeout_ms", &config.stop_timeout_ms},
                   {"pull_timeout_ms", &config.pull_timeout_ms},
                   {"retention_ms", &config.stopped_task_retention_ms},
                   {"gc_ms", &config.image_gc_period_ms},
                   {"image_age_ms", &config.image_minimum_age_ms}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (streq(key, texts[i].key))
            *texts[i].at = value;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (streq(key, numbers[i].key))
            *numbers[i].at = number(value);
    if (streq(key, "pull"))
        config.pull = (enum agent_pull)number(value);
    if (streq(key, "workers"))
        config.workers = (unsigned)number(value);
    if (streq(key, "log_max_bytes"))
        config.log_max_bytes = number(value);
}

static int print(void *ctx, const struct agent_container *c, struct error *err)
{
    printf("%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", c->task_id, c->task_status, c->name, c->id,
           c->status, c->has_exit_code ? c->exit_code : -1, c->ports,
           c->log_path ? c->log_path : "");
    return 0;
}

static int find(struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct agent_container c;
    int r = agent_find_container(config.data_dir, task, name, &a, &c, err);
    return r < 0 ? r : print(NULL, &c, err);
}

static int run(struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    config.stop_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return agent_run(&config, err);
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    int r = 0;
    for (int i = 2; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (!eq)
            return 2;
        *eq = 0;
        set(argv[i], eq + 1);
    }
    const char *what = argc > 1 ? argv[1] : "";
    log_init("agent", getenv("AGENT_DEBUG") ? LOG_DEBUG : LOG_INFO);
    if (streq(what, "run") || streq(what, "purge"))
        r = agent_prepare(&config, &err);
    if (r >= 0) {
        if (streq(what, "run"))
            r = run(&err);
        else if (streq(what, "purge"))
            r = agent_purge(&config, &err);
        else if (streq(what, "list"))
            r = agent_each_container(config.data_dir, print, NULL, &err);
        else if (streq(what, "find"))
            r = find(&err);
        else
            return 2;
    }
    if (r < 0)
        fprintf(stderr, "%s\n", err.text);
    return r < 0;
}
