/* metadata_stats.c: use of containers, as Docker's stats document shows it.
 *
 * Nothing is sampled while nobody asks. What the last request at least a second ago saw is
 * kept with the container: precpu_stats and the rates are told against it; the first
 * request has neither. */
#include <stdlib.h>

#include "clock.h"
#include "json_text.h"
#include "metadata.h"
#include "str.h"
#include "task_wiring.h"

#define SAMPLE_APART_NS 1000000000

/* ---- the document ---- */

static void write_time(struct str *s, const char *name, int64_t ms)
{
    char text[CLOCK_ISO_SIZE] = "0001-01-01T00:00:00Z";
    if (ms > 0)
        clock_format_iso(ms, false, text);
    jtext_plain(s, name, text);
}

static void write_cpu(struct str *s, const char *name, const struct container_stats *c)
{
    static const struct container_stats none;
    if (!c)
        c = &none;
    jtext_open(s, name, '{');
    jtext_open(s, "cpu_usage", '{');
    jtext_i64(s, "total_usage", c->cpu_ns);
    jtext_i64(s, "usage_in_kernelmode", c->cpu_kernel_ns);
    jtext_i64(s, "usage_in_usermode", c->cpu_user_ns);
    jtext_close(s, '}');
    if (c != &none) {
        jtext_i64(s, "system_cpu_usage", c->machine_cpu_ns);
        jtext_i64(s, "online_cpus", c->online_cpus);
    }
    jtext_open(s, "throttling_data", '{');
    jtext_i64(s, "periods", c->periods);
    jtext_i64(s, "throttled_periods", c->throttled_periods);
    jtext_i64(s, "throttled_time", c->throttled_ns);
    jtext_close(s, '}');
    jtext_close(s, '}');
}

/* Names are the kernel's own: letters and underscores. */
static void write_memory(struct str *s, const struct container_stats *c)
{
    jtext_open(s, "memory_stats", '{');
    jtext_i64(s, "usage", c->memory_bytes);
    if (c->memory_peak_bytes > 0)
        jtext_i64(s, "max_usage", c->memory_peak_bytes);
    jtext_open(s, "stats", '{');
    for (size_t i = 0; i < c->memory_count; i++)
        jtext_i64(s, c->memory[i].name, c->memory[i].value);
    jtext_close(s, '}');
    jtext_i64(s, "limit", c->memory_max_bytes);
    jtext_close(s, '}');
}

static void write_io(struct str *s, const char *name, const struct stat_io *v, size_t n)
{
    jtext_open(s, name, '[');
    for (size_t i = 0; i < n; i++) {
        jtext_open(s, NULL, '{');
        jtext_i64(s, "major", v[i].major);
        jtext_i64(s, "minor", v[i].minor);
        jtext_plain(s, "op", v[i].op);
        jtext_i64(s, "value", v[i].value);
        jtext_close(s, '}');
    }
    jtext_close(s, ']');
}

static void write_blkio(struct str *s, const struct container_stats *c)
{
    static const char *const empty[] = {
        "io_queue_recursive",  "io_service_time_recursive", "io_wait_time_recursive",
        "io_merged_recursive", "io_time_recursive",         "sectors_recursive"};
    jtext_open(s, "blkio_stats", '{');
    write_io(s, "io_service_bytes_recursive", c->io_bytes, c->io_bytes_count);
    write_io(s, "io_serviced_recursive", c->io_operations, c->io_operations_count);
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        write_io(s, empty[i], NULL, 0);
    jtext_close(s, '}');
}

static void write_pids(struct str *s, const struct container_stats *c)
{
    jtext_open(s, "pids_stats", '{');
    jtext_i64(s, "current", c->pids);
    if (c->pids_max > 0)
        jtext_i64(s, "limit", c->pids_max);
    jtext_close(s, '}');
}

static void write_network(struct str *s, const struct net_stats *n)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"rx_bytes", n->rx_bytes},   {"rx_packets", n->rx_packets},
                {"rx_errors", n->rx_errors}, {"rx_dropped", n->rx_dropped},
                {"tx_bytes", n->tx_bytes},   {"tx_packets", n->tx_packets},
                {"tx_errors", n->tx_errors}, {"tx_dropped", n->tx_dropped}};
    jtext_open(s, "networks", '{');
    jtext_open(s, "eth0", '{');
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        jtext_i64(s, rows[i].name, (int64_t)rows[i].value);
    jtext_close(s, '}');
    jtext_close(s, '}');
}

static double rate(uint64_t now, uint64_t before, int64_t ns)
{
    return now > before ? (double)(now - before) * 1e9 / (double)ns : 0;
}

static void write_rates(struct str *s, const struct container_stats *now,
                        const struct container_stats *before)
{
    int64_t ns = now->at_ns - before->at_ns;
    jtext_open(s, "network_rate_stats", '{');
    jtext_key(s, "rx_bytes_per_sec");
    str_addf(s, "%.6g", rate(now->network.rx_bytes, before->network.rx_bytes, ns));
    jtext_key(s, "tx_bytes_per_sec");
    str_addf(s, "%.6g", rate(now->network.tx_bytes, before->network.tx_bytes, ns));
    jtext_close(s, '}');
}

void metadata_write_stats(const struct container_stats *now,
                          const struct container_stats *before, const char *id,
                          const char *name, struct str *ret)
{
    jtext_open(ret, NULL, '{');
    write_time(ret, "read", now->at_ms);
    write_time(ret, "preread", before ? before->at_ms : 0);
    write_pids(ret, now);
    write_blkio(ret, now);
    jtext_i64(ret, "num_procs", 0); /* Windows only */
    jtext_open(ret, "storage_stats", '{');
    jtext_close(ret, '}');
    write_cpu(ret, "cpu_stats", now);
    write_cpu(ret, "precpu_stats", before);
    write_memory(ret, now);
    jtext_key(ret, "name");
    str_addf(ret, "\"/%s\"", name);
    jtext_plain(ret, "id", id);
    if (now->has_network)
        write_network(ret, &now->network);
    if (now->has_network && before && before->has_network && now->at_ns > before->at_ns)
        write_rates(ret, now, before);
    jtext_close(ret, '}');
}

/* ---- reading, on a worker ---- */

struct one {
    struct container *c;
    bool running;
    int r;
    struct container_stats now;
};

struct stats_job {
    uv_work_t req;
    struct local_exchange *x;
    struct task *task;
    struct arena arena;
    bool whole_task;
    struct one *v;
    size_t n;
};

static void on_worker(uv_work_t *req)
{
    struct stats_job *j = req->data;
    struct host *h = j->task->engine->host;
    for (size_t i = 0; i < j->n; i++) {
        struct one *o = &j->v[i];
        struct error ignored;
        o->r = -E_NOTFOUND;
        if (o->running)
            o->r =
                container_stats_read(&h->cgroups, h->net, j->task->id, o->c->name,
                                     metadata_net_id(o->c), &j->arena, &o->now, &ignored);
        if (o->r >= 0 && task_shares_network(j->task->host))
            o->now.has_network =
                task_network_stats(h, j->task->host, &o->now.network, &ignored) >= 0;
    }
}

static void write_one(struct stats_job *j, struct one *o, struct str *ret)
{
    struct container_stats *before = o->c->stats_before;
    metadata_write_stats(
        &o->now, before, o->c->id,
        container_display_name(&j->arena, j->task->host, o->c->name, o->c->id), ret);
    if (!before)
        before = o->c->stats_before = arena_new(&j->task->arena, struct container_stats);
    else if (o->now.at_ns - before->at_ns < SAMPLE_APART_NS)
        return;
    *before = o->now;
    before->memory_count = before->io_bytes_count = before->io_operations_count = 0;
}

static void write_answer(struct stats_job *j, struct str *ret)
{
    if (!j->whole_task) {
        write_one(j, &j->v[0], ret);
        return;
    }
    jtext_open(ret, NULL, '{');
    for (size_t i = 0; i < j->n; i++) {
        jtext_key(ret, j->v[i].c->id);
        if (j->v[i].r >= 0)
            write_one(j, &j->v[i], ret);
        else
            str_add(ret, "null"); /* it does not run (yet, or any more) */
    }
    jtext_close(ret, '}');
}

static void on_loop(uv_work_t *req, int status)
{
    struct stats_job *j = req->data;
    struct task *t = j->task;
    struct engine *e = t->engine;
    AUTO_STR text = STR_INIT;
    if (!j->whole_task && j->v[0].r < 0) {
        metadata_reply_text(j->x, 404,
                            "unable to get stats of the container '%s': it "
                            "does not run",
                            j->v[0].c->id);
    } else {
        write_answer(j, &text);
        local_reply(j->x, 200, NULL, str_text(&text), text.len);
    }
    arena_free(&j->arena);
    free(j);
    t->jobs--; /* only now: so long the task can't be freed */
    e->jobs--;
    if (!engine_release(e, t))
        engine_advance(e, t); /* it may have waited for us to be cleaned up */
}

void metadata_stats(struct local_exchange *x, struct task *t, struct container *c)
{
    struct stats_job *j = xcalloc(1, sizeof(*j));
    j->x = x;
    j->task = t;
    j->whole_task = !c;
    j->n = c ? 1 : t->container_count;
    j->v = arena_new_array(&j->arena, struct one, j->n);
    for (size_t i = 0; i < j->n; i++) {
        j->v[i].c = c ? c : &t->containers[i];
        j->v[i].running = j->v[i].c->step == CSTEP_RUNNING;
    }
    j->req.data = j;
    t->jobs++;
    t->engine->jobs++;
    uv_queue_work(t->engine->loop, &j->req, on_worker, on_loop);
}
