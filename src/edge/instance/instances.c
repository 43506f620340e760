/* Which instance is booted, stopped or removed when; see instances.h.
 *
 * The caller's thread only notes what should be; one thread of its own looks at each instance
 * in turn and does the next thing. It looks again when something is said, when an agent ends
 * (its pidfd), and after a failure. */
#include "instances.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "fd.h"
#include "instance_machine.h"
#include "list.h"
#include "log.h"

#define INSTANCES_MAX 1000
#define RETRY_MIN_MS  200
#define RETRY_MAX_MS  10000
#define BOOT_MS       60000 /* what does not start in this time has failed */

struct machine {
    struct list link;
    char *id;
    /* under the lock */
    struct gantry_edge_instance *want; /* NULL: nothing of it should be here */
    struct arena want_arena;
    bool named, news;
    /* of the thread */
    int agent; /* pidfd; -1: none known */
    pid_t pid;
    int64_t generation, since_ms, retry_at_ms, retry_ms;
    const char *said; /* the state that was reported for this generation */
    struct str console;
};

struct instances {
    struct instances_config config;
    struct arena arena; /* of the config's texts */
    pthread_t thread;
    pthread_mutex_t lock;
    int wake; /* eventfd */
    _Atomic bool end;
    struct list machines;
};

/* ---- what should be: the caller's thread ---- */

static struct machine *machine_find(struct instances *i, const char *id, bool make)
{
    list_for_each (it, &i->machines) {
        struct machine *m = list_entry(it, struct machine, link);
        if (streq(m->id, id))
            return m;
    }
    if (!make)
        return NULL;
    struct machine *m = xcalloc(1, sizeof(*m));
    m->id = xstrdup(id);
    m->agent = -1;
    m->news = true;
    list_append(&i->machines, &m->link);
    return m;
}

static void machine_free(struct machine *m)
{
    list_remove(&m->link);
    fd_close(&m->agent);
    arena_free(&m->want_arena);
    str_free(&m->console);
    free(m->id);
    free(m);
}

static void wake(struct instances *i)
{
    uint64_t one = 1;
    ssize_t n = write(i->wake, &one, sizeof(one));
    (void)n;
}

/* It becomes a folder's name and part of a cgroup's. */
static bool id_good(const char *id)
{
    size_t n = id ? strlen(id) : 0;
    return n > 2 && n <= 24 && str_starts(id, "i-") &&
           strspn(id + 2, "0123456789abcdef") == n - 2;
}

void instances_begin(struct instances *i)
{
    pthread_mutex_lock(&i->lock);
    list_for_each (it, &i->machines)
        list_entry(it, struct machine, link)->named = false;
    pthread_mutex_unlock(&i->lock);
}

void instances_instance(struct instances *i, const struct gantry_edge_instance *instance)
{
    if (!id_good(instance->instance_id))
        return;
    pthread_mutex_lock(&i->lock);
    struct machine *m = machine_find(i, instance->instance_id, true);
    arena_reset(&m->want_arena);
    m->want = wire_copy(&m->want_arena, &gantry_edge_instance_shape, instance);
    m->named = m->news = true;
    pthread_mutex_unlock(&i->lock);
    wake(i);
}

static void unwant(struct machine *m)
{
    m->want = NULL;
    m->news = true;
}

void instances_instance_gone(struct instances *i, const char *instance_id)
{
    pthread_mutex_lock(&i->lock);
    struct machine *m = machine_find(i, instance_id, false);
    if (m)
        unwant(m);
    pthread_mutex_unlock(&i->lock);
    wake(i);
}

/* What an earlier edge left: a folder an instance. */
static void find_left(struct instances *i, const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (id_good(e->d_name))
            machine_find(i, e->d_name, true);
    if (d)
        closedir(d);
}

void instances_settled(struct instances *i)
{
    pthread_mutex_lock(&i->lock);
    find_left(i, i->config.run_dir);
    find_left(i, i->config.dir);
    list_for_each (it, &i->machines) {
        struct machine *m = list_entry(it, struct machine, link);
        if (!m->named)
            unwant(m);
    }
    pthread_mutex_unlock(&i->lock);
    wake(i);
}

/* ---- making it so: the thread ---- */

static void say(struct instances *i, struct machine *m,
                const struct gantry_edge_instance *want, const char *state,
                const char *reason)
{
    if (streq(m->said, state))
        return;
    m->said = state;
    log_line(LOG_INFO, "an instance's state", "instance", m->id, "state", state, "reason",
             reason, NULL);
    i->config.state(i->config.ctx, &(struct gantry_edge_instance_state){
                                       .instance_id = m->id,
                                       .generation = want->generation,
                                       .state = state,
                                       .reason = reason,
                                       .console = m->console.len ? m->console.data : NULL,
                                   });
}

static void watch_agent(struct machine *m, const struct instance_place *p)
{
    pid_t pid = machine_agent(p);
    fd_close(&m->agent);
    m->pid = pid;
    if (pid > 0)
        m->agent = (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool agent_runs(const struct machine *m)
{
    struct pollfd f = {.fd = m->agent, .events = POLLIN};
    return m->agent >= 0 && poll(&f, 1, 0) == 0;
}

static void reap(struct machine *m)
{
    if (m->pid > 0)
        waitpid(m->pid, NULL, WNOHANG);
    m->pid = 0;
}

/* One that we started is our child; one that was adopted is somebody else's. */
static void agent_ended(struct machine *m)
{
    log_line(LOG_WARN, "an instance's agent ended; it is started again", "instance",
             m->id, NULL);
    reap(m);
    fd_close(&m->agent);
    m->retry_at_ms = clock_wall_ms() + RETRY_MIN_MS;
}

/* Its end will be our doing. The child is waited for once it is dead: after the power cut. */
static void forget_agent(struct machine *m)
{
    fd_close(&m->agent);
}

static int run(struct instances *i, struct machine *m, const struct instance_place *p,
               const struct gantry_edge_instance *want, struct error *err)
{
    int64_t booted = machine_booted(p);
    int r = 0;
    if (booted && booted != want->generation.v) {
        forget_agent(m);
        r = machine_power_off(p, err);
        reap(m);
        booted = 0;
    }
    if (r == 0 && !agent_runs(m) && booted)
        watch_agent(m, p);
    if (r == 0 && !agent_runs(m)) {
        str_clear(&m->console);
        r = booted ? machine_start_agent(p, want, &m->console, err)
                   : machine_boot(p, want, &m->console, err);
        if (r == 0)
            watch_agent(m, p);
    }
    if (r == 0)
        say(i, m, want, "running", NULL);
    return r;
}

static int make_so(struct instances *i, struct machine *m,
                   const struct gantry_edge_instance *want, struct error *err)
{
    struct instance_place p = {&i->config, m->id};
    int r;
    if (!want) {
        forget_agent(m);
        r = machine_destroy(&p, err);
        reap(m);
        return r;
    }
    if (want->generation.v != m->generation) {
        m->generation = want->generation.v;
        m->said = NULL;
        m->since_ms = clock_wall_ms();
        m->retry_ms = 0;
    }
    if (streq(want->state, "running"))
        return run(i, m, &p, want, err);
    bool stop = streq(want->state, "stopped");
    forget_agent(m);
    r = stop ? machine_power_off(&p, err) : machine_destroy(&p, err);
    reap(m);
    if (r == 0)
        say(i, m, want, stop ? "stopped" : "terminated", NULL);
    return r;
}

static void failed(struct instances *i, struct machine *m,
                   const struct gantry_edge_instance *want, const struct error *err)
{
    m->retry_ms = m->retry_ms ? m->retry_ms * 2 : RETRY_MIN_MS;
    if (m->retry_ms > RETRY_MAX_MS)
        m->retry_ms = RETRY_MAX_MS;
    m->retry_at_ms = clock_wall_ms() + m->retry_ms;
    log_line(err->code == E_NOTFOUND ? LOG_INFO : LOG_WARN,
             "an instance is not yet as it should be", "instance", m->id, "error",
             err->text, NULL);
    if (want && streq(want->state, "running") && !m->said &&
        clock_wall_ms() - m->since_ms > BOOT_MS)
        say(i, m, want, "failed", err->text);
}

/* The wish is copied: it may change while we work. */
static void look(struct instances *i, struct machine *m)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    pthread_mutex_lock(&i->lock);
    const struct gantry_edge_instance *want =
        m->want ? wire_copy(&a, &gantry_edge_instance_shape, m->want) : NULL;
    m->news = false;
    pthread_mutex_unlock(&i->lock);
    m->retry_at_ms = 0;
    int r = make_so(i, m, want, &err);
    if (r < 0) {
        failed(i, m, want, &err);
        return;
    }
    pthread_mutex_lock(&i->lock);
    if (!m->want && !want) /* nothing of it is left */
        machine_free(m);
    pthread_mutex_unlock(&i->lock);
}

static bool due(struct machine *m)
{
    if (m->agent >= 0 && !agent_runs(m) && !m->news)
        agent_ended(m);
    return m->news || (m->retry_at_ms && clock_wall_ms() >= m->retry_at_ms);
}

/* Machines come at the list's end and go only in look(), so a pass may go on after it. */
static void look_at_all(struct instances *i)
{
    pthread_mutex_lock(&i->lock);
    struct list *it = i->machines.next;
    while (it != &i->machines) {
        struct machine *m = list_entry(it, struct machine, link);
        struct list *next = it->next;
        bool now = due(m) && !i->end;
        pthread_mutex_unlock(&i->lock);
        if (now)
            look(i, m);
        pthread_mutex_lock(&i->lock);
        it = next;
    }
    pthread_mutex_unlock(&i->lock);
}

static int wait_ms(struct instances *i, struct pollfd *fds, nfds_t *ret_n)
{
    int64_t first = INT64_MAX, now = clock_wall_ms();
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = i->wake, .events = POLLIN};
    pthread_mutex_lock(&i->lock);
    list_for_each (it, &i->machines) {
        struct machine *m = list_entry(it, struct machine, link);
        if (m->news)
            first = now;
        if (m->retry_at_ms && m->retry_at_ms < first)
            first = m->retry_at_ms;
        if (m->agent >= 0 && n <= INSTANCES_MAX)
            fds[n++] = (struct pollfd){.fd = m->agent, .events = POLLIN};
    }
    pthread_mutex_unlock(&i->lock);
    *ret_n = n;
    return first == INT64_MAX ? -1 : first <= now ? 0 : (int)(first - now);
}

static void *thread_main(void *arg)
{
    struct instances *i = arg;
    struct pollfd *fds = xcalloc(INSTANCES_MAX + 1, sizeof(*fds));
    while (!i->end) {
        nfds_t n;
        int ms = wait_ms(i, fds, &n);
        poll(fds, n, ms);
        uint64_t count;
        ssize_t got = read(i->wake, &count, sizeof(count));
        (void)got;
        look_at_all(i);
    }
    free(fds);
    return NULL;
}

/* ---- */

static void keep_config(struct instances *i, const struct instances_config *c)
{
    struct arena *a = &i->arena;
    i->config = *c;
    i->config.dir = arena_strdup(a, c->dir);
    i->config.run_dir = arena_strdup(a, c->run_dir);
    i->config.run = arena_strdup(a, c->run);
    i->config.place.dir = arena_strdup(a, c->place.dir);
    i->config.server_url = arena_strdup(a, c->server_url);
}

int instances_new(const struct instances_config *config, struct instances **ret,
                  struct error *err)
{
    int r = dir_make_all(config->dir, 0711, err);
    if (r == 0)
        r = dir_make_all(config->run_dir, 0755, err);
    if (r < 0)
        return r;
    struct instances *i = xcalloc(1, sizeof(*i));
    keep_config(i, config);
    list_init(&i->machines);
    pthread_mutex_init(&i->lock, NULL);
    i->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int e = i->wake < 0 ? errno : pthread_create(&i->thread, NULL, thread_main, i);
    if (e) {
        fd_close(&i->wake);
        arena_free(&i->arena);
        free(i);
        return fail_errno(err, e, "the thread of instances");
    }
    *ret = i;
    return 0;
}

void instances_free(struct instances *i)
{
    pthread_mutex_lock(&i->lock);
    i->end = true;
    pthread_mutex_unlock(&i->lock);
    wake(i);
    pthread_join(i->thread, NULL);
    while (!list_empty(&i->machines))
        machine_free(list_entry(list_first(&i->machines), struct machine, link));
    pthread_mutex_destroy(&i->lock);
    fd_close(&i->wake);
    arena_free(&i->arena);
    free(i);
}

int instances_purge(const struct instances_config *config, struct error *err)
{
    const char *dirs[] = {config->run_dir, config->dir};
    int r = 0;
    for (size_t k = 0; k < sizeof(dirs) / sizeof(dirs[0]); k++) {
        DIR *d = opendir(dirs[k]);
        for (struct dirent *e; d && (e = readdir(d));) {
            struct instance_place p = {config, e->d_name};
            struct error other;
            if (id_good(e->d_name) && machine_destroy(&p, r < 0 ? &other : err) < 0)
                r = -(int)(r < 0 ? other.code : err->code);
        }
        if (d)
            closedir(d);
    }
    return r;
}
