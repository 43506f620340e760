/* inmates.h: a root file system with one static program, and a runtime to run it in. For
 * tests that need root; each has its own run id, folders and cgroups, and leaves nothing. */
#pragma once

#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "oci_spec.h"
#include "runtime.h"
#include "spawn.h"

struct world {
    char dir[128], rootfs[160], run[40];
    struct cgroups cgroups;
    struct runtime *runtime;
    struct exit_watch *exits;
};

static const char *inmate_program;
static struct world world;
static struct error check; /* of the CHECK at hand */

#define give_up(...)                                                                     \
    do {                                                                                 \
        print_error(__VA_ARGS__);                                                        \
        print_error("\n");                                                               \
        _fail(__FILE__, __LINE__);                                                       \
    } while (0)

#define CHECK(call)                                                                      \
    do {                                                                                 \
        int r_ = (call);                                                                 \
        if (r_ < 0)                                                                      \
            give_up("%s: %s: %s", #call, error_name(check.code), check.text);            \
    } while (0)

static inline void world_copy_program(void)
{
    const char *argv[] = {"cp", inmate_program, NULL, NULL};
    char to[200];
    snprintf(to, sizeof(to), "%s/inmate", world.rootfs);
    argv[2] = to;
    int status = 1;
    CHECK(spawn_run("/bin/cp", argv, NULL, NULL, NULL, 10000, &status, &check));
    assert_int_equal(status, 0);
}

static inline int world_setup(void **state)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    snprintf(world.run, sizeof(world.run), "test-%d", getpid());
    snprintf(world.dir, sizeof(world.dir), "/tmp/gantry-%s", world.run);
    snprintf(world.rootfs, sizeof(world.rootfs), "%s/rootfs", world.dir);
    CHECK(dir_make_all(world.rootfs, 0755, &check));
    world_copy_program();
    const char *shared[] = {world.dir, NULL};
    CHECK(cgroup_prepare_namespace(CGROUP_ROOT, shared, &check));
    CHECK(cgroups_open(CGROUP_ROOT, world.run, &world.cgroups, &check));
    struct runtime_config config = {.run_dir = world.dir, .cgroups = world.cgroups};
    CHECK(runtime_open(&config, &world.runtime, &check));
    CHECK(exit_watch_open(world.runtime, &world.exits, &check));
    return 0;
}

static inline void world_remove_one(void *arg, const char *id)
{
    (void)arg;
    CHECK(runtime_remove(world.runtime, id, &check));
}

static inline int world_teardown(void **state)
{
    (void)state;
    if (!world.runtime)
        return 0;
    CHECK(runtime_each(world.runtime, world_remove_one, NULL, &check));
    CHECK(cgroup_purge(&world.cgroups, 10000, &check));
    exit_watch_free(world.exits);
    runtime_free(world.runtime);
    const char *shared[] = {world.dir, NULL};
    CHECK(cgroup_release_namespace(shared, &check));
    CHECK(dir_remove_all(world.dir, &check));
    return 0;
}

/* Skips the test when not root. */
#define NEED_ROOT()                                                                      \
    do {                                                                                 \
        if (geteuid() != 0) {                                                            \
            print_message("skipped: needs root\n");                                      \
            skip();                                                                      \
        }                                                                                \
    } while (0)

struct inmate {
    struct container_spec spec;
    struct container_create create;
    struct str json, cgroup, log;
};

/* Fills in what every container needs; args[0] is "/inmate". */
static inline void inmate_init(struct inmate *m, const char *id, const char *const args[])
{
    *m = (struct inmate){.spec = CONTAINER_SPEC_INIT};
    cgroup_path(&world.cgroups, id, "main", &m->cgroup);
    str_addf(&m->log, "%s/%s.log", world.dir, id);
    m->spec.rootfs = world.rootfs;
    m->spec.args = args;
    m->spec.cgroups_path = m->cgroup.data;
    m->spec.cgroup_version = world.cgroups.version;
    m->create = (struct container_create){.id = id,
                                          .task = id,
                                          .container = "main",
                                          .log = LOG_FILE,
                                          .log_path = m->log.data};
}

static inline void inmate_fini(struct inmate *m)
{
    str_free(&m->json);
    str_free(&m->cgroup);
    str_free(&m->log);
}

static inline int inmate_create(struct inmate *m, struct error *err)
{
    str_clear(&m->json);
    int r = oci_spec_write(&m->spec, &m->json, err);
    if (r < 0)
        return r;
    m->create.config_json = m->json.data;
    m->create.config_len = m->json.len;
    return runtime_create(world.runtime, &m->create, err);
}

static inline void inmate_run(struct inmate *m)
{
    CHECK(inmate_create(m, &check));
    CHECK(runtime_start(world.runtime, m->create.id, &check));
}

struct awaited {
    const char *id;
    bool seen;
};

static inline void note_exit(void *arg, const char *id)
{
    struct awaited *a = arg;
    a->seen |= streq(a->id, id);
}

/* Waits for the exit record (an event, not a time) and returns the state. */
static inline struct container_state inmate_wait(const char *id)
{
    struct awaited a = {.id = id};
    struct container_state st = {0};
    for (;;) {
        CHECK(runtime_state(world.runtime, id, &st, &check));
        if (st.status == CONTAINER_STOPPED)
            return st;
        struct pollfd p = {.fd = exit_watch_fd(world.exits), .events = POLLIN};
        if (poll(&p, 1, 30000) == 0)
            give_up("container '%s' does not end", id);
        CHECK(exit_watch_read(world.exits, note_exit, &a, &check));
    }
}

/* Waits until the log holds `text`. */
static inline void inmate_says(struct inmate *m, const char *text)
{
    int64_t end = clock_mono_ns() + 20000000000LL;
    AUTO_STR log = STR_INIT;
    while (clock_mono_ns() < end) {
        struct error ignored;
        if (file_read(AT_FDCWD, m->log.data, 1 << 20, &log, &ignored) == 0 &&
            strstr(str_text(&log), text))
            return;
        poll(NULL, 0, 2);
    }
    give_up("the log never said '%s' but '%s'", text, str_text(&log));
}

static inline void inmate_remove(struct inmate *m)
{
    CHECK(runtime_remove(world.runtime, m->create.id, &check));
    CHECK(cgroup_remove(&world.cgroups, m->create.task, NULL, &check));
    inmate_fini(m);
}
