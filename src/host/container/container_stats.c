#include "container_stats.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cgroup_file.h"
#include "clock.h"
#include "fd.h"

#define SECOND_NS 1000000000

/* ---- texts ---- */

static const char *next_line(const char *p)
{
    p += strcspn(p, "\n");
    return *p ? p + 1 : p;
}

static size_t count_lines(const char *text)
{
    size_t n = 1;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

size_t stats_parse_pairs(const char *text, struct arena *a, struct stat_pair **ret)
{
    size_t n = 0;
    struct stat_pair *v = arena_new_array(a, struct stat_pair, count_lines(text));
    for (const char *p = text; *p; p = next_line(p)) {
        size_t name = strcspn(p, " \n");
        if (name == 0 || p[name] != ' ' || !isdigit((unsigned char)p[name + 1]))
            continue;
        v[n++] = (struct stat_pair){arena_strndup(a, p, name),
                                    strtoll(p + name + 1, NULL, 10)};
    }
    *ret = v;
    return n;
}

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

size_t stats_parse_io_v1(const char *text, struct arena *a, struct stat_io **ret)
{
    size_t n = 0;
    struct stat_io *v = arena_new_array(a, struct stat_io, STATS_IO_MAX);
    for (const char *p = text; *p && n < STATS_IO_MAX; p = next_line(p)) {
        unsigned major, minor;
        char op[16];
        long long value;
        if (sscanf(p, "%u:%u %15s %lld", &major, &minor, op, &value) != 4)
            continue;
        lower(op);
        v[n++] = (struct stat_io){major, minor, arena_strdup(a, op), value};
    }
    *ret = v;
    return n;
}

/* A v2 line's words and what Docker calls them. */
static const struct {
    const char *key, *op;
    bool bytes;
} io_keys[] = {
    {"rbytes", "read", true},
    {"wbytes", "write", true},
    {"rios", "read", false},
    {"wios", "write", false},
};

static void add_io(struct container_stats *s, unsigned major, unsigned minor,
                   const char *word)
{
    for (size_t i = 0; i < sizeof(io_keys) / sizeof(io_keys[0]); i++) {
        size_t len = strlen(io_keys[i].key);
        if (strncmp(word, io_keys[i].key, len) != 0 || word[len] != '=')
            continue;
        struct stat_io io = {major, minor, io_keys[i].op,
                             strtoll(word + len + 1, NULL, 10)};
        if (io_keys[i].bytes && s->io_bytes_count < STATS_IO_MAX)
            s->io_bytes[s->io_bytes_count++] = io;
        else if (!io_keys[i].bytes && s->io_operations_count < STATS_IO_MAX)
            s->io_operations[s->io_operations_count++] = io;
    }
}

void stats_parse_io_v2(const char *text, struct arena *a, struct container_stats *ret)
{
    ret->io_bytes = arena_new_array(a, struct stat_io, STATS_IO_MAX);
    ret->io_operations = arena_new_array(a, struct stat_io, STATS_IO_MAX);
    for (const char *p = text; *p; p = next_line(p)) {
        unsigned major, minor;
        if (sscanf(p, "%u:%u", &major, &minor) != 2)
            continue;
        for (const char *w = p + strcspn(p, " \n"); *w == ' '; w += strcspn(w, " \n"))
            add_io(ret, major, minor, ++w);
    }
}

int64_t stats_parse_machine_cpu(const char *text, int64_t ticks_a_second)
{
    int64_t ticks = 0, tick_ns, ns;
    if (!str_starts(text, "cpu ") || ticks_a_second <= 0)
        return 0;
    char *p = (char *)(uintptr_t)text + 4;
    for (int i = 0; i < 7; i++) /* user … softirq; guest time is in user already */
        if (__builtin_add_overflow(ticks, strtoll(p, &p, 10), &ticks))
            return 0; /* no kernel says so */
    tick_ns = SECOND_NS / ticks_a_second;
    return __builtin_mul_overflow(ticks, tick_ns, &ns) ? 0 : ns;
}

/* ---- files ---- */

static int64_t number_or(const char *dir, const char *file, int64_t otherwise)
{
    struct error ignored;
    int64_t v;
    return cgroup_read_i64(dir, file, &v, &ignored) < 0 || v == INT64_MAX ? otherwise : v;
}

/* Emptied when the file is not there. */
static const char *text_of(const char *dir, const char *file, struct str *text)
{
    struct error ignored;
    str_clear(text);
    if (cgroup_read(dir, file, text, &ignored) < 0)
        str_clear(text);
    return str_text(text);
}

static int64_t key_of(const char *text, const char *key, int64_t scale)
{
    int64_t v = 0;
    cgroup_key(text, key, &v);
    return v * scale;
}

static int read_v2(const char *dir, struct arena *a, struct container_stats *s,
                   struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = cgroup_read(dir, "cpu.stat", &text, err);
    if (r < 0)
        return r;
    const char *t = str_text(&text);
    s->cpu_ns = key_of(t, "usage_usec", 1000);
    s->cpu_user_ns = key_of(t, "user_usec", 1000);
    s->cpu_kernel_ns = key_of(t, "system_usec", 1000);
    s->periods = key_of(t, "nr_periods", 1);
    s->throttled_periods = key_of(t, "nr_throttled", 1);
    s->throttled_ns = key_of(t, "throttled_usec", 1000);
    s->memory_bytes = number_or(dir, "memory.current", 0);
    s->memory_peak_bytes = number_or(dir, "memory.peak", 0);
    s->memory_max_bytes = number_or(dir, "memory.max", 0);
    s->memory_count =
        stats_parse_pairs(text_of(dir, "memory.stat", &text), a, &s->memory);
    stats_parse_io_v2(text_of(dir, "io.stat", &text), a, s);
    s->pids = number_or(dir, "pids.current", 0);
    s->pids_max = number_or(dir, "pids.max", 0);
    return 0;
}

static int read_v1(const struct cgroups *cg, const char *path, struct arena *a,
                   struct container_stats *s, struct error *err)
{
    AUTO_STR dir = STR_INIT, text = STR_INIT;
    cgroup_dir_path(cg, "memory", path, &dir);
    int r = cgroup_read_i64(dir.data, "memory.usage_in_bytes", &s->memory_bytes, err);
    if (r < 0)
        return r;
    s->memory_peak_bytes = number_or(dir.data, "memory.max_usage_in_bytes", 0);
    s->memory_max_bytes = number_or(dir.data, "memory.limit_in_bytes", 0);
    s->memory_count =
        stats_parse_pairs(text_of(dir.data, "memory.stat", &text), a, &s->memory);
    cgroup_dir_path(cg, "cpuacct", path, &dir);
    s->cpu_ns = number_or(dir.data, "cpuacct.usage", 0);
    s->cpu_user_ns = number_or(dir.data, "cpuacct.usage_user", 0);
    s->cpu_kernel_ns = number_or(dir.data, "cpuacct.usage_sys", 0);
    cgroup_dir_path(cg, "cpu", path, &dir);
    const char *t = text_of(dir.data, "cpu.stat", &text);
    s->periods = key_of(t, "nr_periods", 1);
    s->throttled_periods = key_of(t, "nr_throttled", 1);
    s->throttled_ns = key_of(t, "throttled_time", 1);
    cgroup_dir_path(cg, "pids", path, &dir);
    s->pids = number_or(dir.data, "pids.current", 0);
    s->pids_max = number_or(dir.data, "pids.max", 0);
    cgroup_dir_path(cg, "blkio", path, &dir);
    s->io_bytes_count = stats_parse_io_v1(
        text_of(dir.data, "blkio.throttle.io_service_bytes_recursive", &text), a,
        &s->io_bytes);
    s->io_operations_count = stats_parse_io_v1(
        text_of(dir.data, "blkio.throttle.io_serviced_recursive", &text), a,
        &s->io_operations);
    return 0;
}

static void read_machine(struct container_stats *s)
{
    AUTO_STR text = STR_INIT;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    s->online_cpus = cpus > 0 ? (unsigned)cpus : 1;
    if (file_read(AT_FDCWD, "/proc/stat", 1 << 20, &text, NULL) >= 0)
        s->machine_cpu_ns =
            stats_parse_machine_cpu(str_text(&text), sysconf(_SC_CLK_TCK));
    if (s->memory_max_bytes == 0 && pages > 0)
        s->memory_max_bytes = (int64_t)pages * sysconf(_SC_PAGESIZE);
}

int container_stats_read(const struct cgroups *cg, struct net *net, const char *task,
                         const char *container, const char *id, struct arena *a,
                         struct container_stats *ret, struct error *err)
{
    struct container_stats s = {.at_ms = clock_wall_ms(), .at_ns = clock_mono_ns()};
    AUTO_STR path = STR_INIT, dir = STR_INIT;
    struct error ignored;
    cgroup_path(cg, task, container, &path);
    cgroup_dir_path(cg, NULL, path.data, &dir);
    int r = cg->version == CGROUP_V2 ? read_v2(dir.data, a, &s, err)
                                     : read_v1(cg, path.data, a, &s, err);
    if (r < 0)
        return r;
    read_machine(&s);
    s.has_network = net && net_container_stats(net, id, &s.network, &ignored) >= 0;
    *ret = s;
    return 0;
}
