/* All load balancers of this machine: a queue of what callers and checks say, and one thread
 * that owns everything and acts.
 *
 * A change is not acted on at once but SOON_MS later, so that what comes together is one
 * reload; and not oftener than every BUSY_MS. A target that has become healthy waits for
 * nothing when nothing happened before. */
#include "balancers.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "balancer.h"
#include "balancer_log.h"
#include "balancer_net.h"
#include "clock.h"
#include "fd.h"
#include "health_check.h"
#include "list.h"
#include "log.h"
#include "spawn.h"

#define SOON_MS        5
#define BUSY_MS        40
#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS  5000
#define MINUTE_MS      60000
#define THREADS_MAX    4
#define BALANCERS_MAX  500
#define FOLD_QUIET_MS  10000
#define FOLD_GAP_MS    60000 /* between two such reloads: each leaves an old worker */

enum news_kind {
    NEWS_BEGIN,
    NEWS_BALANCER,
    NEWS_BALANCER_GONE,
    NEWS_TARGETS,
    NEWS_TARGETS_GONE,
    NEWS_SETTLED,
    NEWS_HEALTH,
};

struct news {
    struct list link;
    enum news_kind kind;
    struct arena arena;
    const char *arn; /* or a server's name */
    const struct gantry_edge_balancer *balancer;
    const struct gantry_edge_target_group *group;
    struct target_health health;
};

struct balancers {
    struct balancers_config config;
    struct balancer_host host;
    struct str haproxy;
    struct checker *checker;
    struct balancer_log *log;
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t lock; /* of the queue and ends */
    struct list queue;
    bool ends;
    /* the thread's own */
    struct balancer *balancers;
    struct balancer_group *groups;
    bool settling; /* between begin and settled nothing is made */
    int64_t minute_ms;
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ---- the queue ---- */

static void wake(struct balancers *b)
{
    uint64_t one = 1;
    ssize_t n = write(b->wake_fd, &one, sizeof(one));
    (void)n; /* full: it is awake */
}

static struct news *news_new(enum news_kind kind, const char *arn)
{
    struct news *n = xcalloc(1, sizeof(*n));
    n->kind = kind;
    n->arn = arena_strdup(&n->arena, arn);
    return n;
}

static void news_free(struct news *n)
{
    arena_free(&n->arena);
    free(n);
}

static void post(struct balancers *b, struct news *n)
{
    pthread_mutex_lock(&b->lock);
    list_append(&b->queue, &n->link);
    pthread_mutex_unlock(&b->lock);
    wake(b);
}

static struct news *take(struct balancers *b)
{
    pthread_mutex_lock(&b->lock);
    struct list *first = list_first(&b->queue);
    if (first)
        list_remove(first);
    pthread_mutex_unlock(&b->lock);
    return first ? list_entry(first, struct news, link) : NULL;
}

/* ---- what is told ---- */

static void tell_state(struct balancers *b, struct balancer *x, const char *state,
                       const char *reason)
{
    if (x->told && streq(x->state, state) && streq(str_text(&x->reason), reason))
        return;
    x->told = true;
    snprintf(x->state, sizeof(x->state), "%s", state);
    str_clear(&x->reason);
    str_add(&x->reason, reason);
    struct gantry_edge_balancer_state s = {.load_balancer_arn = x->arn,
                                           .state = x->state,
                                           .reason =
                                               *reason ? str_text(&x->reason) : NULL};
    if (b->config.state)
        b->config.state(b->config.ctx, &s);
}

static void tell_health(struct balancers *b, const struct balancer_group *g,
                        const struct balancer_target *t)
{
    struct target_health_words w;
    if (t->draining || !g->checked_by || !b->config.health)
        return;
    target_health_words(&g->rule, &t->health, &w);
    struct gantry_edge_target_health h = {
        .target_group_arn = g->arn,
        .id = t->id,
        .port = SET_INT(t->port),
        .state = w.state,
        .reason = *w.reason ? w.reason : NULL,
        .description = w.description[0] ? w.description : NULL,
    };
    b->config.health(b->config.ctx, &h);
}

/* Whoever hears that a target is healthy may take others away: it has to get requests by
 * then. */
static void tell_untold(struct balancers *b, const struct balancer *x)
{
    for (struct balancer_group *g = b->groups; g; g = g->hh.next)
        for (struct balancer_target *t = g->targets; streq(g->checked_by, x->arn) && t;
             t = t->hh.next) {
            if (t->untold)
                tell_health(b, g, t);
            t->untold = false;
        }
}

static void tell_everything(struct balancers *b)
{
    for (struct balancer *x = b->balancers; x; x = x->hh.next)
        x->told = false;
    for (struct balancer_group *g = b->groups; g; g = g->hh.next)
        for (struct balancer_target *t = g->targets; t; t = t->hh.next)
            tell_health(b, g, t);
}

/* ---- what is to be done, and when ---- */

static void due_at(struct balancer *x, int64_t at)
{
    if (x->due_ms == 0 || at < x->due_ms)
        x->due_ms = at;
}

static void config_changed(struct balancer *x)
{
    x->config_dirty = true;
    due_at(x, now_ms() + SOON_MS);
}

static void servers_changed(struct balancer *x)
{
    x->servers_dirty = true;
    int64_t now = now_ms(), soonest = x->served_ms + BUSY_MS;
    due_at(x, soonest > now ? soonest : now);
}

static struct balancer *find_balancer(struct balancers *b, const char *arn)
{
    struct balancer *x = NULL;
    if (arn)
        HASH_FIND_STR(b->balancers, arn, x);
    return x;
}

static void for_balancers_of(struct balancers *b, const struct balancer_group *g,
                             void (*each)(struct balancer *x))
{
    for (struct balancer *x = b->balancers; x; x = x->hh.next) {
        AUTO_ARENA a = ARENA_INIT;
        const char **arns;
        size_t n = x->b ? balancer_config_groups(&a, x->b, &arns) : 0;
        for (size_t i = 0; i < n; i++)
            if (streq(arns[i], g->arn)) {
                each(x);
                break;
            }
    }
}

static void ask_target(struct balancers *b, const struct balancer_group *g,
                       const struct balancer_target *t)
{
    struct balancer *x = find_balancer(b, g->checked_by);
    if (!x || !g->group)
        return;
    if (t->draining || !g->rule.enabled) {
        checker_target_gone(b->checker, t->server);
        return;
    }
    struct checker_target c = {.key = t->server,
                               .netns = x->netns,
                               .address = t->address,
                               .port = t->port,
                               .known_healthy = t->health.state == TARGET_HEALTHY,
                               .rule = g->rule};
    checker_target(b->checker, &c);
}

/* Which load balancer asks a group's targets: the first that forwards to it. */
static void choose_checkers(struct balancers *b)
{
    for (struct balancer_group *g = b->groups; g; g = g->hh.next) {
        const char *by = NULL;
        for (struct balancer *x = b->balancers; x && !by; x = x->hh.next) {
            AUTO_ARENA a = ARENA_INIT;
            const char **arns;
            size_t n = x->b && x->net_ready ? balancer_config_groups(&a, x->b, &arns) : 0;
            for (size_t i = 0; i < n && !by; i++)
                by = streq(arns[i], g->arn) ? x->arn : NULL;
        }
        if (streq(by, g->checked_by))
            continue;
        for (struct balancer_target *t = g->targets; t && g->checked_by; t = t->hh.next)
            checker_target_gone(b->checker, t->server);
        free(g->checked_by);
        g->checked_by = by ? xstrdup(by) : NULL;
        for (struct balancer_target *t = g->targets; t && by; t = t->hh.next) {
            ask_target(b, g, t);
            tell_health(b, g, t);
        }
    }
}

/* ---- groups and targets ---- */

static void target_fresh(void *ctx, struct balancer_group *g, struct balancer_target *t)
{
    struct balancers *b = ctx;
    ask_target(b, g, t);
    tell_health(b, g, t);
}

static void target_gone(void *ctx, struct balancer_group *g, struct balancer_target *t)
{
    struct balancers *b = ctx;
    checker_target_gone(b->checker, t->server);
}

static void on_targets(struct balancers *b, const struct gantry_edge_target_group *from)
{
    struct balancer_group *g;
    struct balancer_group_news news = {target_fresh, target_gone, b};
    const char *arn = from->target_group ? from->target_group->target_group_arn : NULL;
    if (!arn)
        return;
    HASH_FIND_STR(b->groups, arn, g);
    if (!g) {
        g = balancer_group_new(arn);
        HASH_ADD_KEYPTR(hh, b->groups, g->arn, strlen(g->arn), g);
    }
    g->named = true;
    bool settings = balancer_group_update(g, from, b->config.initial_check_gap_ms, &news);
    for (struct balancer_target *t = g->targets; settings && t; t = t->hh.next)
        ask_target(b, g, t); /* the rule of checks may be another */
    if (b->settling)
        return;
    balancer_group_route(g);
    for_balancers_of(b, g, settings ? config_changed : servers_changed);
}

static void group_gone(struct balancers *b, struct balancer_group *g)
{
    for_balancers_of(b, g, config_changed);
    for (struct balancer_target *t = g->targets; t; t = t->hh.next)
        checker_target_gone(b->checker, t->server);
    HASH_DEL(b->groups, g);
    balancer_group_free(g);
}

static void on_health(struct balancers *b, const struct news *n)
{
    for (struct balancer_group *g = b->groups; g; g = g->hh.next) {
        struct balancer_target *t;
        HASH_FIND_STR(g->targets, n->arn, t);
        if (!t || t->draining)
            continue;
        t->health = n->health;
        bool routes = balancer_group_route(g);
        if (routes)
            for_balancers_of(b, g, servers_changed);
        t->untold = t->health.state == TARGET_HEALTHY && (routes || t->untold);
        if (!t->untold)
            tell_health(b, g, t);
    }
}

/* ---- load balancers ---- */

/* A server that took requests under an earlier edge was healthy. */
static void found_server(void *ctx, const char *server, bool up)
{
    struct balancers *b = ctx;
    for (struct balancer_group *g = b->groups; up && g; g = g->hh.next) {
        struct balancer_target *t;
        HASH_FIND_STR(g->targets, server, t);
        if (t && !t->draining)
            t->health.state = TARGET_HEALTHY;
    }
}

static struct balancer *add_balancer(struct balancers *b, const char *arn)
{
    struct balancer *x = balancer_new(&b->host, arn);
    HASH_ADD_KEYPTR(hh, b->balancers, x->arn, strlen(x->arn), x);
    return x;
}

static void on_balancer(struct balancers *b, const struct gantry_edge_balancer *from)
{
    const char *arn = from->load_balancer ? from->load_balancer->load_balancer_arn : NULL;
    struct balancer *x = find_balancer(b, arn);
    if (!arn || (!x && HASH_COUNT(b->balancers) >= BALANCERS_MAX))
        return;
    if (!x)
        x = add_balancer(b, arn);
    x->named = true;
    if (x->b && wire_equal(&gantry_edge_balancer_shape, x->b, from))
        return;
    struct arena fresh = ARENA_INIT;
    struct gantry_edge_balancer *copy =
        wire_copy(&fresh, &gantry_edge_balancer_shape, from);
    if (x->b && (x->b->interfaces.n != copy->interfaces.n))
        x->net_ready = false;
    arena_free(&x->arena);
    x->arena = fresh;
    x->b = copy;
    x->retry_gap_ms = 0;
    config_changed(x);
}

static void remove_balancer(struct balancers *b, struct balancer *x)
{
    HASH_DEL(b->balancers, x);
    choose_checkers(b);
    balancer_log_close(b->log, x->id);
    balancer_remove(x, &b->host);
    log_line(LOG_INFO, "load balancer removed", "balancer", x->arn, NULL);
    balancer_free(x);
}

static void on_begin(struct balancers *b)
{
    b->settling = true;
    for (struct balancer *x = b->balancers; x; x = x->hh.next)
        x->named = false;
    for (struct balancer_group *g = b->groups; g; g = g->hh.next)
        g->named = false;
}

/* Directories of load balancers that are not wanted (any more). */
static void remove_strangers(struct balancers *b)
{
    DIR *d = opendir(b->host.dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        bool ours = e->d_name[0] == '.';
        for (struct balancer *x = b->balancers; x && !ours; x = x->hh.next)
            ours = streq(x->id, e->d_name);
        if (ours)
            continue;
        struct balancer *x = balancer_new(&b->host, e->d_name);
        balancer_remove(x, &b->host);
        balancer_free(x);
    }
    if (d)
        closedir(d);
}

static void on_settled(struct balancers *b)
{
    struct balancer *x, *next_x;
    struct balancer_group *g, *next_g;
    HASH_ITER (hh, b->balancers, x, next_x)
        if (!x->named)
            remove_balancer(b, x);
    HASH_ITER (hh, b->groups, g, next_g)
        if (!g->named)
            group_gone(b, g);
    remove_strangers(b);
    for (x = b->balancers; x; x = x->hh.next) {
        if (x->process.pidfd < 0)
            balancer_adopt(x, found_server, b);
        config_changed(x);
    }
    for (g = b->groups; g; g = g->hh.next)
        balancer_group_route(g);
    tell_everything(b);
    b->settling = false;
}

static void on_news(struct balancers *b, const struct news *n)
{
    struct balancer *x;
    struct balancer_group *g = NULL;
    switch (n->kind) {
    case NEWS_BEGIN:
        on_begin(b);
        break;
    case NEWS_BALANCER:
        on_balancer(b, n->balancer);
        break;
    case NEWS_BALANCER_GONE:
        if ((x = find_balancer(b, n->arn)))
            remove_balancer(b, x);
        break;
    case NEWS_TARGETS:
        on_targets(b, n->group);
        break;
    case NEWS_TARGETS_GONE:
        if (n->arn)
            HASH_FIND_STR(b->groups, n->arn, g);
        if (g)
            group_gone(b, g);
        break;
    case NEWS_SETTLED:
        on_settled(b);
        break;
    case NEWS_HEALTH:
        on_health(b, n);
        break;
    }
}

/* ---- acting ---- */

static void open_log(struct balancers *b, struct balancer *x)
{
    struct error err = ERROR_INIT;
    if (balancer_log_open(b->log, x->id, x->dir, x->b, &err) < 0)
        log_line(LOG_WARN, "no log of a load balancer", "balancer", x->arn, "error",
                 err.text, NULL);
}

/* Counted from the last change, so that a deployment is one reload. */
static void plan_fold(const struct balancers *b, struct balancer *x)
{
    int64_t quiet = b->config.fold_quiet_ms ? b->config.fold_quiet_ms : FOLD_QUIET_MS;
    int64_t soonest = x->folded_ms ? x->folded_ms + FOLD_GAP_MS : 0;
    x->fold_ms = 0;
    if (balancer_runtime_wants_file(x))
        x->fold_ms = now_ms() + quiet > soonest ? now_ms() + quiet : soonest;
}

static void fold(struct balancer *x)
{
    x->fold_ms = 0;
    x->folded_ms = now_ms();
    x->structure = 0; /* none that is wanted: a reload */
    config_changed(x);
}

/* Its namespace comes first: checks live there. */
static void balancer_look(struct balancers *b, struct balancer *x)
{
    struct error err = ERROR_INIT;
    bool config = x->config_dirty || balancer_process_ended(&x->process);
    bool had_net = x->net_ready;
    x->due_ms = 0;
    x->config_dirty = x->servers_dirty = false;
    x->served_ms = now_ms();
    int r = config ? balancer_make(x, &b->host, b->groups, &err)
                   : balancer_sync_servers(x, b->groups, &err);
    if (r < 0 && r != -E_AGAIN && !config) {
        config_changed(x); /* as a whole, then */
        return;
    }
    if (config)
        choose_checkers(b);
    if (config && x->net_ready && (!had_net || r == 0))
        open_log(b, x);
    if (r == 0)
        tell_untold(b, x);
    plan_fold(b, x);
    if (r == 0 || (r == -E_AGAIN && x->process.pidfd >= 0)) {
        tell_state(b, x, "active", "");
        x->retry_gap_ms = 0;
        if (r < 0)
            due_at(x, now_ms() + RETRY_FIRST_MS);
        return;
    }
    /* What HAProxy or we can't do stays so until something changes; all else is tried
     * again. A VPC that is not there yet is no failure. */
    bool waits = r == -E_NOTFOUND || r == -E_AGAIN;
    tell_state(b, x, waits ? "provisioning" : "failed", err.text);
    x->retry_gap_ms = x->retry_gap_ms ? x->retry_gap_ms * 2 : RETRY_FIRST_MS;
    if (x->retry_gap_ms > RETRY_LAST_MS)
        x->retry_gap_ms = RETRY_LAST_MS;
    if (r != -E_INVALID && r != -E_UNSUPPORTED) {
        x->config_dirty = true;
        due_at(x, now_ms() + x->retry_gap_ms);
    }
}

static void act(struct balancers *b)
{
    if (b->settling)
        return;
    for (struct balancer *x = b->balancers; x; x = x->hh.next) {
        if (x->process.pidfd >= 0 && balancer_process_ended(&x->process)) {
            log_line(LOG_WARN, "HAProxy ended; it is started again", "balancer", x->arn,
                     NULL);
            x->config_dirty = true;
            x->due_ms = now_ms();
        }
        if (x->fold_ms && x->fold_ms <= now_ms())
            fold(x);
        if (x->due_ms && x->due_ms <= now_ms())
            balancer_look(b, x);
    }
}

/* ---- traffic ---- */

/* Sums the connections of all frontends: columns 4 (scur) and 7 (stot) of `show stat`. */
static void count_connections(struct balancer *x, int64_t *ret_active, int64_t *ret_total)
{
    AUTO_STR text = STR_INIT;
    *ret_active = *ret_total = 0;
    if (balancer_process_command(&x->process, "show stat -1 1 -1", &text, NULL) < 0)
        return;
    for (const char *line = str_text(&text); *line;) {
        const char *p = line;
        for (int column = 0; column < 8 && p; column++) {
            if (column == 4)
                *ret_active += strtoll(p, NULL, 10);
            if (column == 7)
                *ret_total += strtoll(p, NULL, 10);
            p = strchr(p, ',');
            p = p ? p + 1 : NULL;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
}

static void tell_traffic(struct balancers *b)
{
    for (struct balancer *x = b->balancers; x; x = x->hh.next) {
        int64_t active = 0, total = 0;
        if (x->process.pidfd >= 0)
            count_connections(x, &active, &total);
        balancer_log_take(b->log, x->id, x->process.worker, active, total,
                          b->config.traffic, b->config.ctx);
    }
}

/* ---- the thread ---- */

static int until_due(const struct balancers *b)
{
    int64_t now = now_ms(), next = b->minute_ms;
    for (const struct balancer *x = b->balancers; x && !b->settling; x = x->hh.next) {
        if (x->due_ms && x->due_ms < next)
            next = x->due_ms;
        if (x->fold_ms && x->fold_ms < next)
            next = x->fold_ms;
    }
    return next <= now ? 0 : (int)(next - now);
}

static void wait_for_something(struct balancers *b)
{
    size_t n = 0;
    struct pollfd *fds = xcalloc(HASH_COUNT(b->balancers) + 1, sizeof(*fds));
    fds[n++] = (struct pollfd){.fd = b->wake_fd, .events = POLLIN};
    for (struct balancer *x = b->balancers; x; x = x->hh.next)
        if (x->process.pidfd >= 0)
            fds[n++] = (struct pollfd){.fd = x->process.pidfd, .events = POLLIN};
    if (poll(fds, n, until_due(b)) > 0 && (fds[0].revents & POLLIN)) {
        uint64_t count;
        ssize_t got = read(b->wake_fd, &count, sizeof(count));
        (void)got;
    }
    free(fds);
}

static bool goes_on(struct balancers *b)
{
    pthread_mutex_lock(&b->lock);
    bool ends = b->ends;
    pthread_mutex_unlock(&b->lock);
    return !ends;
}

static void *balancers_main(void *arg)
{
    struct balancers *b = arg;
    b->minute_ms = now_ms() + MINUTE_MS;
    while (goes_on(b)) {
        for (struct news *n; (n = take(b));) {
            on_news(b, n);
            news_free(n);
        }
        act(b);
        if (now_ms() >= b->minute_ms) {
            b->minute_ms += MINUTE_MS;
            tell_traffic(b);
        }
        wait_for_something(b);
    }
    return NULL;
}

static void health_changed(void *ctx, const char *key, const struct target_health *h)
{
    struct news *n = news_new(NEWS_HEALTH, key);
    n->health = *h;
    post(ctx, n);
}

/* ---- for callers ---- */

/* A connection has two descriptors; some are left for servers' and logs'. */
static int64_t connections_for(void)
{
    struct rlimit limit = {.rlim_max = 4096};
    getrlimit(RLIMIT_NOFILE, &limit);
    int64_t files = limit.rlim_max > 50000 ? 50000 : (int64_t)limit.rlim_max;
    return files > 2000 ? (files - 1000) / 2 : files / 4;
}

static int make_host(struct balancers *b, struct error *err)
{
    int r =
        spawn_find(b->config.haproxy ? b->config.haproxy : "haproxy", &b->haproxy, err);
    if (r < 0)
        return wrap(err, "load balancers need HAProxy (package haproxy)");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    b->host = (struct balancer_host){.place = &b->config.place,
                                     .dir = b->config.dir,
                                     .haproxy = str_text(&b->haproxy),
                                     .user = balancer_user_find(),
                                     .threads = cpus > THREADS_MAX ? THREADS_MAX
                                                : cpus > 0         ? (int)cpus
                                                                   : 1,
                                     .max_connections = connections_for()};
    return dir_make_all(b->config.dir, 0711, err);
}

int balancers_new(const struct balancers_config *config, struct balancers **ret,
                  struct error *err)
{
    struct balancers *b = xcalloc(1, sizeof(*b));
    b->config = *config;
    b->config.dir = xstrdup(config->dir);
    b->config.log_dir = config->log_dir ? xstrdup(config->log_dir) : NULL;
    b->config.place.dir = config->place.dir ? xstrdup(config->place.dir) : NULL;
    b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    list_init(&b->queue);
    pthread_mutex_init(&b->lock, NULL);
    int r = make_host(b, err);
    if (r == 0)
        r = balancer_log_new(b->config.log_dir, &b->log, err);
    if (r == 0)
        r = checker_new(health_changed, b, &b->checker, err);
    if (r == 0 && pthread_create(&b->thread, NULL, balancers_main, b) != 0)
        r = fail(err, E_IO, "the thread of load balancers can't begin");
    if (r < 0) {
        b->ends = true;
        balancers_free(b);
        return r;
    }
    *ret = b;
    return 0;
}

void balancers_begin(struct balancers *b)
{
    post(b, news_new(NEWS_BEGIN, NULL));
}

void balancers_balancer(struct balancers *b, const struct gantry_edge_balancer *balancer)
{
    struct news *n = news_new(NEWS_BALANCER, NULL);
    n->balancer = wire_copy(&n->arena, &gantry_edge_balancer_shape, balancer);
    post(b, n);
}

void balancers_balancer_gone(struct balancers *b, const char *arn)
{
    post(b, news_new(NEWS_BALANCER_GONE, arn));
}

void balancers_targets(struct balancers *b, const struct gantry_edge_target_group *group)
{
    struct news *n = news_new(NEWS_TARGETS, NULL);
    n->group = wire_copy(&n->arena, &gantry_edge_target_group_shape, group);
    post(b, n);
}

void balancers_targets_gone(struct balancers *b, const char *group_arn)
{
    post(b, news_new(NEWS_TARGETS_GONE, group_arn));
}

void balancers_settled(struct balancers *b)
{
    post(b, news_new(NEWS_SETTLED, NULL));
}

void balancers_free(struct balancers *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    bool has_thread = !b->ends;
    b->ends = true;
    pthread_mutex_unlock(&b->lock);
    wake(b);
    if (has_thread)
        pthread_join(b->thread, NULL);
    checker_free(b->checker); /* it posts: before the queue goes */
    for (struct news *n; (n = take(b));)
        news_free(n);
    struct balancer *x, *next_x;
    HASH_ITER (hh, b->balancers, x, next_x) {
        HASH_DEL(b->balancers, x);
        balancer_free(x);
    }
    struct balancer_group *g, *next_g;
    HASH_ITER (hh, b->groups, g, next_g) {
        HASH_DEL(b->groups, g);
        balancer_group_free(g);
    }
    balancer_log_free(b->log);
    fd_close(&b->wake_fd);
    pthread_mutex_destroy(&b->lock);
    str_free(&b->haproxy);
    free((char *)b->config.dir);
    free((char *)b->config.log_dir);
    free((char *)b->config.place.dir);
    free(b);
}

int balancers_purge(const struct balancers_config *config, struct error *err)
{
    struct balancer_host host = {.place = &config->place,
                                 .dir = config->dir,
                                 .haproxy = "haproxy",
                                 .user = balancer_user_find()};
    DIR *d = opendir(config->dir);
    if (!d && errno == ENOENT)
        return 0;
    if (!d)
        return fail_errno(err, errno, "open '%s'", config->dir);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        struct balancer *x = balancer_new(&host, e->d_name);
        balancer_remove(x, &host);
        balancer_free(x);
    }
    closedir(d);
    return dir_remove_all(config->dir, err);
}
