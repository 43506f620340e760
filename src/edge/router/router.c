#include "router.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "fd.h"
#include "list.h"
#include "log.h"
#include "netns.h"
#include "router_vpc.h"

#define MEND_MS  60000 /* others' firewalls */
#define RETRY_MS 1000

static int vpc_order(const struct router_vpc *a, const struct router_vpc *b)
{
    return strcmp(a->id, b->id);
}
RB_HEAD(router_vpc_tree, router_vpc);
TREE_GENERATE(router_vpc_tree, router_vpc, by_id, vpc_order)

enum word_kind { BEGIN, VPC, VPC_GONE, INTERFACE, INTERFACE_GONE, SETTLED };

struct word {
    struct list all;
    enum word_kind kind;
    struct arena arena;
    struct gantry_edge_vpc *vpc;
    struct gantry_edge_interface *interface;
    const char *vpc_id, *interface_id;
};

struct router {
    struct router_config config;
    struct router_machine machine;
    pthread_t thread;
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t heard, done;
    struct list words;
    uint64_t said, in_force; /* words: how many came, and how many are behind us */
    bool end;
    struct error last; /* why the last try failed */

    /* The thread's own. */
    struct router_vpc_tree vpcs;
    uint64_t taken;
    bool listing; /* between begin and settled: nothing is done yet */
};

/* --- the caller's side --- */

static void say(struct router *r, struct word *w)
{
    pthread_mutex_lock(&r->lock);
    list_append(&r->words, &w->all);
    r->said++;
    pthread_cond_signal(&r->heard);
    pthread_mutex_unlock(&r->lock);
}

static struct word *word_new(enum word_kind kind)
{
    struct word *w = xcalloc(1, sizeof(*w));
    w->kind = kind;
    return w;
}

void router_begin(struct router *r)
{
    say(r, word_new(BEGIN));
}

void router_settled(struct router *r)
{
    say(r, word_new(SETTLED));
}

/* An id becomes a file's name: it is looked at before anything else. */
void router_vpc(struct router *r, const struct gantry_edge_vpc *vpc)
{
    if (!router_id_valid(vpc->vpc_id))
        return;
    struct word *w = word_new(VPC);
    w->vpc = wire_copy(&w->arena, &gantry_edge_vpc_shape, vpc);
    w->vpc_id = w->vpc->vpc_id;
    say(r, w);
}

void router_vpc_gone(struct router *r, const char *vpc_id)
{
    struct word *w = word_new(VPC_GONE);
    w->vpc_id = arena_strdup(&w->arena, vpc_id);
    say(r, w);
}

void router_interface(struct router *r, const struct gantry_edge_interface *i)
{
    if (!router_id_valid(i->vpc_id) || !router_id_valid(i->network_interface_id))
        return;
    struct word *w = word_new(INTERFACE);
    w->interface = wire_copy(&w->arena, &gantry_edge_interface_shape, i);
    w->vpc_id = w->interface->vpc_id;
    say(r, w);
}

void router_interface_gone(struct router *r, const char *vpc_id, const char *interface_id)
{
    struct word *w = word_new(INTERFACE_GONE);
    w->vpc_id = arena_strdup(&w->arena, vpc_id);
    w->interface_id = arena_strdup(&w->arena, interface_id);
    say(r, w);
}

int router_sync(struct router *r, int timeout_ms, struct error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&r->lock);
    uint64_t wanted = r->said;
    int late = 0;
    while (r->in_force < wanted && !late)
        late = pthread_cond_timedwait(&r->done, &r->lock, &until);
    bool ready = r->in_force >= wanted;
    struct error last = r->last;
    pthread_mutex_unlock(&r->lock);
    if (ready)
        return 0;
    return fail(err, E_TIMEOUT, "networks are not in force%s%s", last.code ? ": " : "",
                last.text);
}

/* --- the thread's side: words --- */

static struct router_vpc *find(struct router *r, const char *id)
{
    struct router_vpc probe = {.id = (char *)(uintptr_t)id};
    return RB_FIND(router_vpc_tree, &r->vpcs, &probe);
}

static struct router_vpc *find_or_make(struct router *r, const char *id)
{
    struct router_vpc *v = find(r, id);
    if (!v) {
        v = router_vpc_new(id);
        RB_INSERT(router_vpc_tree, &r->vpcs, v);
    }
    return v;
}

static void begin(struct router *r)
{
    struct router_vpc *v;
    r->listing = true;
    RB_FOREACH (v, router_vpc_tree, &r->vpcs)
        router_vpc_unsee(v);
}

static void settled(struct router *r)
{
    struct router_vpc *v;
    r->listing = false;
    RB_FOREACH (v, router_vpc_tree, &r->vpcs) {
        v->gone |= !v->seen;
        router_vpc_drop_unseen(v);
    }
}

static void take_word(struct router *r, struct word *w)
{
    struct router_vpc *v;
    switch (w->kind) {
    case BEGIN:
        begin(r);
        break;
    case SETTLED:
        settled(r);
        break;
    case VPC:
        router_vpc_say(find_or_make(r, w->vpc_id), w->vpc);
        break;
    case VPC_GONE:
        if ((v = find(r, w->vpc_id)))
            v->gone = true;
        break;
    case INTERFACE:
        router_vpc_say_interface(find_or_make(r, w->vpc_id), w->interface);
        break;
    case INTERFACE_GONE:
        if ((v = find(r, w->vpc_id)))
            router_vpc_drop_interface(v, w->interface_id);
        break;
    }
}

static void free_word(struct word *w)
{
    arena_free(&w->arena);
    free(w);
}

/* --- the thread's side: work --- */

/* Namespaces of VPCs that nobody named. */
static int remove_strays(struct router *r, struct error *err)
{
    DIR *d = opendir(r->config.place.dir);
    if (!d)
        return errno == ENOENT ? 0
                               : fail_errno(err, errno, "open '%s'", r->config.place.dir);
    struct dirent *e;
    int result = 0;
    while (result == 0 && (e = readdir(d)))
        if (str_starts(e->d_name, "vpc-") && !find(r, e->d_name))
            result = router_vpc_remove(&r->machine, e->d_name, err);
    closedir(d);
    return result;
}

static int remove_machine_strays(struct router *r, struct error *err)
{
    const char *ids[16];
    size_t n = 0;
    struct router_vpc *v;
    struct router_interface *i;
    bool due = false;
    RB_FOREACH (v, router_vpc_tree, &r->vpcs)
        due |= v->machine;
    if (!due)
        return 0;
    RB_FOREACH (v, router_vpc_tree, &r->vpcs) {
        if (v->gone || !(v->machine || v->has_machine))
            continue;
        EACH_INTERFACE (i, v)
            if (!i->gone && i->said->use == GANTRY_EDGE_INTERFACE_USE_MACHINE && n < 15)
                ids[n++] = i->id;
    }
    ids[n] = NULL;
    return router_machine_unwire_others(&r->machine, ids, err);
}

static int remove_gone(struct router *r, struct error *err)
{
    struct router_vpc *v, *next;
    RB_FOREACH_SAFE (v, router_vpc_tree, &r->vpcs, next) {
        if (!v->gone)
            continue;
        int result = router_vpc_remove(&r->machine, v->id, err);
        if (result < 0)
            return result;
        RB_REMOVE(router_vpc_tree, &r->vpcs, v);
        router_vpc_free(v);
    }
    return 0;
}

static void note(struct router *r, const struct error *err)
{
    pthread_mutex_lock(&r->lock);
    bool told = streq(r->last.text, err->text); /* it is tried every second */
    r->last = *err;
    pthread_mutex_unlock(&r->lock);
    if (!told)
        log_line(LOG_ERROR, "a network is not in force; trying again", "error", err->text,
                 NULL);
}

/* One VPC that can't be made does not keep the others from it. */
static bool work(struct router *r, bool settled_now)
{
    struct error err = ERROR_INIT;
    struct router_vpc *v;
    bool all = true;
    int result = settled_now ? remove_strays(r, &err) : 0;
    if (result == 0)
        result = remove_gone(r, &err);
    if (result == 0)
        result = remove_machine_strays(r, &err);
    if (result < 0) {
        note(r, &err);
        all = false;
    }
    RB_FOREACH (v, router_vpc_tree, &r->vpcs) {
        if (v->gone || !router_vpc_due(v))
            continue;
        result = router_vpc_apply(v, &r->machine, &err);
        if (result < 0)
            note(r, &err);
        all &= result == 0;
    }
    return all;
}

static int wait_ms(const struct router *r, bool failed)
{
    struct router_vpc *v;
    if (failed)
        return RETRY_MS;
    RB_FOREACH (v, router_vpc_tree, &((struct router *)(uintptr_t)r)->vpcs)
        if (v->late_ends)
            return RETRY_MS;
    return MEND_MS;
}

/* Takes all words that came; false at the end. */
static bool listen_for(struct router *r, int timeout_ms, bool *ret_settled)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    pthread_mutex_lock(&r->lock);
    int late = 0;
    while (list_empty(&r->words) && !r->end && !late)
        late = pthread_cond_timedwait(&r->heard, &r->lock, &until);
    bool end = r->end;
    struct list *first;
    while (!end && (first = list_first(&r->words))) {
        struct word *w = list_entry(first, struct word, all);
        list_remove(first);
        r->taken++;
        *ret_settled |= w->kind == SETTLED;
        pthread_mutex_unlock(&r->lock);
        take_word(r, w);
        free_word(w);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return !end;
}

static void mend(struct router *r, int64_t *at_ns)
{
    struct error err = ERROR_INIT;
    if (clock_mono_ns() < *at_ns)
        return;
    *at_ns = clock_mono_ns() + MEND_MS * INT64_C(1000000);
    if (router_machine_mend(&r->machine, &err) < 0)
        log_line(LOG_WARN, "the way out of the VPCs could not be mended", "error",
                 err.text, NULL);
}

static void *router_main(void *arg)
{
    struct router *r = arg;
    bool failed = false, was_settled = false;
    int64_t mend_at_ns = clock_mono_ns() + MEND_MS * INT64_C(1000000);
    while (listen_for(r, wait_ms(r, failed), &was_settled)) {
        mend(r, &mend_at_ns);
        if (!r->listing) {
            failed = !work(r, was_settled);
            was_settled &= failed;
        }
        pthread_mutex_lock(&r->lock);
        if (!failed && !r->listing) {
            r->in_force = r->taken;
            r->last = (struct error)ERROR_INIT;
        }
        pthread_cond_broadcast(&r->done);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

/* --- life --- */

static void copy_config(struct router_config *to, const struct router_config *from)
{
    to->place.dir = xstrdup(from->place.dir);
    to->run = xstrdup(from->run);
    to->public_pool = xstrdup(from->public_pool);
    to->server_url = xstrdup(from->server_url);
    to->dns_address = xstrdup(from->dns_address);
}

static void free_config(struct router_config *c)
{
    free((char *)(uintptr_t)c->place.dir);
    free((char *)(uintptr_t)c->run);
    free((char *)(uintptr_t)c->public_pool);
    free((char *)(uintptr_t)c->server_url);
    free((char *)(uintptr_t)c->dns_address);
}

static void free_router(struct router *r)
{
    struct router_vpc *v, *next;
    struct list *first;
    while ((first = list_first(&r->words))) {
        list_remove(first);
        free_word(list_entry(first, struct word, all));
    }
    RB_FOREACH_SAFE (v, router_vpc_tree, &r->vpcs, next) {
        RB_REMOVE(router_vpc_tree, &r->vpcs, v);
        router_vpc_free(v);
    }
    router_machine_fini(&r->machine);
    free_config(&r->config);
    pthread_cond_destroy(&r->heard);
    pthread_cond_destroy(&r->done);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void init_locks(struct router *r)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->heard, &attr);
    pthread_cond_init(&r->done, &attr);
    pthread_condattr_destroy(&attr);
}

int router_new(const struct router_config *config, struct router **ret, struct error *err)
{
    if (!config->public_pool || !config->server_url || !config->dns_address)
        return fail(err, E_INVALID, "a router needs a pool, a server and a resolver");
    struct router *r = xcalloc(1, sizeof(*r));
    copy_config(&r->config, config);
    RB_INIT(&r->vpcs);
    list_init(&r->words);
    init_locks(r);
    int result = dir_make_all(r->config.place.dir, 0755, err);
    if (result == 0)
        result = router_machine_init(&r->config, &r->machine, err);
    if (result == 0)
        result = router_machine_load(&r->machine, err);
    if (result == 0)
        result = router_machine_mend(&r->machine, err);
    if (result == 0 && pthread_create(&r->thread, NULL, router_main, r) != 0)
        result = fail(err, E_FULL, "no thread for the networks");
    if (result < 0) {
        free_router(r);
        return result;
    }
    *ret = r;
    return 0;
}

void router_free(struct router *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->end = true;
    pthread_cond_signal(&r->heard);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    free_router(r);
}

static int purge_vpcs(struct router_machine *m, struct error *err)
{
    DIR *d = opendir(m->dir);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", m->dir);
    struct dirent *e;
    int r = 0;
    while (r == 0 && (e = readdir(d)))
        if (str_starts(e->d_name, "vpc-"))
            r = router_vpc_remove(m, e->d_name, err);
    closedir(d);
    return r;
}

int router_purge(const struct router_config *config, struct error *err)
{
    struct router_machine m;
    struct router_config c = *config;
    c.server_url = c.dns_address = NULL; /* may be unknown by now, and is not needed */
    int r = router_machine_init(&c, &m, err);
    if (r == 0)
        r = purge_vpcs(&m, err);
    if (r == 0)
        r = router_machine_purge(&m, err);
    router_machine_fini(&m);
    return r; /* the directory is a mount of who called */
}
