/* How long from the call to a container's first instruction: bare `crun run`, and ours,
 * step by step. Medians over 40 starts; needs root. Run: host-runtime_bench INMATE */
#include "inmates.h"

#include <sched.h>

#include "net.h"

#define RUNS 40

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double median_ms(int64_t *v)
{
    qsort(v, RUNS, sizeof(*v), compare);
    int64_t middle = v[RUNS / 2];
    return (double)middle / 1e6;
}

static int64_t stamp(void)
{
    char path[200];
    AUTO_STR text = STR_INIT;
    int64_t ns = 0;
    snprintf(path, sizeof(path), "%s/stamp", world.rootfs);
    CHECK(file_read(AT_FDCWD, path, 64, &text, &check));
    str_to_i64(str_text(&text), 0, INT64_MAX, &ns);
    return ns;
}

static const char *const stamp_args[] = {"/inmate", "stamp", NULL};

static void bench_bare(const char *name, enum spec_seccomp seccomp)
{
    int64_t first[RUNS];
    for (int i = 0; i < RUNS; i++) {
        struct inmate m;
        char bundle[200], path[256];
        int status;
        inmate_init(&m, "bare", stamp_args);
        m.spec.seccomp = seccomp;
        snprintf(bundle, sizeof(bundle), "%s/bare", world.dir);
        snprintf(path, sizeof(path), "%s/config.json", bundle);
        CHECK(dir_make_all(bundle, 0700, &check));
        CHECK(oci_spec_write(&m.spec, &m.json, &check));
        CHECK(file_replace(path, m.json.data, m.json.len, 0600, 0, &check));
        const char *argv[] = {"crun", "run", "--bundle", bundle, world.run, NULL};
        int64_t t = clock_mono_ns();
        CHECK(spawn_run("/usr/bin/crun", argv, NULL, NULL, NULL, 10000, &status, &check));
        first[i] = stamp() - t;
        cgroup_remove(&world.cgroups, "bare", NULL, &check);
        inmate_fini(&m);
        poll(NULL, 0, 100);
    }
    printf("%-34s first instruction %6.2f ms\n", name, median_ms(first));
}

static void bench_ours(const char *name, struct net *net, bool warm,
                       enum spec_seccomp seccomp)
{
    int64_t first[RUNS], prepare[RUNS], create[RUNS], start[RUNS], end[RUNS];
    for (int i = 0; i < RUNS; i++) {
        struct inmate m;
        struct net_attachment at;
        struct cgroup_limits none = CGROUP_LIMITS_INIT;
        inmate_init(&m, "ours", stamp_args);
        m.spec.seccomp = seccomp;
        int64_t t0 = clock_mono_ns();
        if (warm)
            cgroup_warm(&world.cgroups);
        CHECK(cgroup_task_create(&world.cgroups, "ours", &none, &check));
        if (net) {
            struct net_port port = {.container_port = 80};
            CHECK(net_attach(net, "ours", NET_BRIDGE, &port, 1, &at, &check));
            m.spec.net = SPEC_NS_PATH;
            m.spec.net_path = at.netns_path;
        }
        int64_t t1 = clock_mono_ns();
        CHECK(inmate_create(&m, &check));
        int64_t t2 = clock_mono_ns();
        CHECK(runtime_start(world.runtime, "ours", &check));
        int64_t t3 = clock_mono_ns();
        inmate_wait("ours");
        prepare[i] = t1 - t0, create[i] = t2 - t1, start[i] = t3 - t2;
        first[i] = stamp() - t0;
        t0 = clock_mono_ns();
        inmate_remove(&m);
        if (net)
            CHECK(net_detach(net, "ours", &check));
        end[i] = clock_mono_ns() - t0;
        poll(NULL, 0, 100); /* lets what the kernel keeps warm go cold */
    }
    printf("%-34s first instruction %6.2f ms = prepare %.2f + create %.2f + start %.2f; "
           "remove %.2f\n",
           name, median_ms(first), median_ms(prepare), median_ms(create),
           median_ms(start), median_ms(end));
}

int main(int argc, char **argv)
{
    inmate_program = argc > 1 ? argv[1] : "./inmate";
    void *state = NULL;
    struct net *net;
    if (geteuid() != 0) {
        puts("needs root");
        return 77;
    }
    world_setup(&state);
    if (unshare(CLONE_NEWNET) < 0)
        return 1;
    struct net_config config = {.run_dir = world.dir, .run = world.run};
    CHECK(net_open(&config, &net, &check));
    bench_bare("crun run, no seccomp", SPEC_SECCOMP_NONE);
    bench_bare("crun run", SPEC_SECCOMP_DEFAULT);
    bench_ours("ours, cold", NULL, false, SPEC_SECCOMP_DEFAULT);
    bench_ours("ours, warmed", NULL, true, SPEC_SECCOMP_DEFAULT);
    bench_ours("ours, bridge, one port, cold", net, false, SPEC_SECCOMP_DEFAULT);
    bench_ours("ours, bridge, one port, warmed", net, true, SPEC_SECCOMP_DEFAULT);
    net_free(net);
    CHECK(net_purge(&config, &check));
    world_teardown(&state);
    return 0;
}
