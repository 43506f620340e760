/* container_stats.h: what a container uses now, in the terms of Docker's stats document.
 *
 * A sample is a handful of small files of the container's group (v1 or v2), the counters of
 * its interface, and /proc/stat for what the whole machine used. Two samples make a rate.
 *
 * Owns: nothing. Threads: any; some dozens of microseconds of short reads.
 * Fails: E_NOTFOUND when the group is gone; what one kernel lacks is 0 or absent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "cgroup.h"
#include "error.h"
#include "net.h"

struct stat_pair { /* a line of memory.stat */
    const char *name;
    int64_t value;
};

struct stat_io { /* one device, one kind of operation */
    unsigned major, minor;
    const char *op; /* "read", "write", … */
    int64_t value;
};

struct container_stats {
    int64_t at_ms, at_ns; /* wall clock, monotonic */

    int64_t cpu_ns, cpu_user_ns, cpu_kernel_ns;
    int64_t periods, throttled_periods, throttled_ns;
    int64_t machine_cpu_ns; /* of all CPUs, idle time included */
    unsigned online_cpus;

    int64_t memory_bytes;      /* page cache included, as the kernel charges it */
    int64_t memory_peak_bytes; /* 0: the kernel does not say */
    int64_t memory_max_bytes;  /* the limit, or what the machine has */
    struct stat_pair *memory;
    size_t memory_count;

    struct stat_io *io_bytes, *io_operations;
    size_t io_bytes_count, io_operations_count;

    int64_t pids, pids_max; /* pids_max 0: no limit */

    bool has_network;
    struct net_stats network; /* of eth0 */
};

/* `net` NULL, or a container without an interface of its own: has_network is false. */
int container_stats_read(const struct cgroups *cg, struct net *net, const char *task,
                         const char *container, const char *id, struct arena *a,
                         struct container_stats *ret, struct error *err);

/* Pure: the kernel's texts. At most STATS_IO_MAX entries are kept. */
#define STATS_IO_MAX 128
size_t stats_parse_pairs(const char *text, struct arena *a, struct stat_pair **ret);
/* v1: "8:0 Read 4096"; lines that are sums are passed over. */
size_t stats_parse_io_v1(const char *text, struct arena *a, struct stat_io **ret);
/* v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …". */
void stats_parse_io_v2(const char *text, struct arena *a, struct container_stats *ret);
/* The first line of /proc/stat, in nanoseconds; ticks a second as sysconf() says. */
int64_t stats_parse_machine_cpu(const char *text, int64_t ticks_a_second);
