/* resolver.c: the names; what to do with them is done on the resolver's thread. */
#include "resolver.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <uthash.h>

#include "arena.h"
#include "dnsmasq.h"
#include "fd.h"
#include "hosts_file.h"
#include "link.h"
#include "log.h"
#include "str.h"

#define NAME_MAX_LEN   253
#define DOMAINS_MAX    64
#define HOSTS_RETRY_MS 30000

/* One owner's name. */
struct name {
    char *owner;
    struct str lines; /* "198.18.17.5 web-1.us-east-1.elb.amazonaws.com\n…" */
    bool named;
    UT_hash_handle hh;
};

struct resolver {
    char *dir, *run, *address, *hosts_path;
    struct name *names;
    char *domains[DOMAINS_MAX];
    size_t domain_count;
    bool in_batch;

    pthread_t thread;
    pthread_mutex_t mutex; /* the three below */
    struct str lines, settings;
    bool changed, stopping;
    int wake_fd;
    struct dnsmasq dnsmasq; /* the thread's */
    bool hosts_failed;
};

/* ---- texts ---- */

/* A hosts file and dnsmasq's settings are lines of words: nothing else gets in. */
static bool good_name(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n > NAME_MAX_LEN || name[0] == '-' || name[0] == '.')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("-._", *name))
            return false;
    return true;
}

static void add_settings(const struct resolver *r, struct str *ret)
{
    static const char *const ranges[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                         "100.64.0.0/10"};
    str_addf(ret,
             "keep-in-foreground\n"
             "port=53\n"
             "bind-interfaces\n"
             "listen-address=%s\n"
             "user=nobody\n"
             "no-hosts\n"
             "addn-hosts=%s/names\n"
             "pid-file=%s/dnsmasq.pid\n"
             "log-facility=%s/dnsmasq.log\n"
             "cache-size=1000\n"
             "local-ttl=5\n"
             "no-dhcp-interface=*\n",
             r->address, r->dir, r->dir, r->dir);
    for (size_t i = 0; i < r->domain_count; i++) {
        str_addf(ret, "local=/%s/\n", r->domains[i]);
        for (size_t k = 0; k < sizeof(ranges) / sizeof(ranges[0]); k++)
            str_addf(ret, "synth-domain=%s,%s,ip-\n", r->domains[i], ranges[k]);
    }
}

static int by_owner(const struct name *a, const struct name *b)
{
    return strcmp(a->owner, b->owner);
}

/* ---- the thread ---- */

static void wake(struct resolver *r)
{
    uint64_t one = 1;
    ssize_t n = write(r->wake_fd, &one, sizeof(one));
    (void)n;
}

static void set_hosts(struct resolver *r, const char *lines)
{
    struct error err = ERROR_INIT;
    if (!r->hosts_path)
        return;
    bool failed = hosts_file_set(r->hosts_path, r->run, lines, &err) < 0;
    if (failed && !r->hosts_failed)
        log_line(LOG_ERROR, "names can't be written", "error", err.text, NULL);
    r->hosts_failed = failed;
}

/* False: it is time to end. */
static bool apply(struct resolver *r)
{
    AUTO_STR lines = STR_INIT, settings = STR_INIT;
    pthread_mutex_lock(&r->mutex);
    bool changed = r->changed, stopping = r->stopping;
    r->changed = false;
    if (changed || r->hosts_failed) {
        str_add(&lines, str_text(&r->lines));
        str_add(&settings, str_text(&r->settings));
    }
    pthread_mutex_unlock(&r->mutex);
    if (stopping)
        return false;
    if (changed) {
        dnsmasq_configure(&r->dnsmasq, str_text(&settings));
        dnsmasq_names(&r->dnsmasq, str_text(&lines));
    }
    if (changed || r->hosts_failed)
        set_hosts(r, str_text(&lines));
    return true;
}

static void *look_after(void *arg)
{
    struct resolver *r = arg;
    while (apply(r)) {
        int ms = dnsmasq_tick(&r->dnsmasq);
        if (r->hosts_failed && (ms < 0 || ms > HOSTS_RETRY_MS))
            ms = HOSTS_RETRY_MS;
        struct pollfd p[2] = {{.fd = r->wake_fd, .events = POLLIN},
                              {.fd = r->dnsmasq.pidfd, .events = POLLIN}};
        uint64_t n;
        if (poll(p, 2, ms) > 0 && p[0].revents && read(r->wake_fd, &n, sizeof(n)) < 0)
            log_line(LOG_WARN, "the resolver's eventfd can't be read", NULL);
    }
    return NULL;
}

/* Hands the present state to the thread. */
static void publish(struct resolver *r)
{
    AUTO_STR lines = STR_INIT, settings = STR_INIT;
    if (r->in_batch)
        return;
    HASH_SORT(r->names, by_owner);
    for (const struct name *n = r->names; n; n = n->hh.next)
        str_add(&lines, str_text(&n->lines));
    add_settings(r, &settings);
    pthread_mutex_lock(&r->mutex);
    str_free(&r->lines);
    str_free(&r->settings);
    r->lines = lines;
    r->settings = settings;
    r->changed = true;
    pthread_mutex_unlock(&r->mutex);
    lines = settings = (struct str)STR_INIT;
    wake(r);
}

/* ---- names ---- */

static void forget(struct resolver *r, struct name *n)
{
    HASH_DELETE(hh, r->names, n);
    str_free(&n->lines);
    free(n->owner);
    free(n);
}

static void add_lines(struct str *ret, const char *name, const char *const *addresses,
                      size_t count)
{
    struct in_addr in;
    for (size_t i = 0; i < count; i++) {
        if (inet_pton(AF_INET, addresses[i], &in) != 1)
            continue;
        str_addf(ret, "%s ", addresses[i]);
        for (const char *c = name; *c; c++)
            str_addc(ret, (char)tolower((unsigned char)*c));
        str_addc(ret, '\n');
    }
}

void resolver_name(struct resolver *r, const char *owner, const char *name,
                   const char *const *addresses, size_t count)
{
    AUTO_STR lines = STR_INIT;
    struct name *n;
    if (count > 0 && good_name(name))
        add_lines(&lines, name, addresses, count);
    HASH_FIND_STR(r->names, owner, n);
    bool same = n ? streq(str_text(&n->lines), str_text(&lines)) : lines.len == 0;
    if (n)
        n->named = true;
    if (same)
        return;
    if (!n) {
        n = xcalloc(1, sizeof(*n));
        n->owner = xstrdup(owner);
        n->named = true;
        HASH_ADD_KEYPTR(hh, r->names, n->owner, strlen(n->owner), n);
    }
    str_clear(&n->lines);
    str_add(&n->lines, str_text(&lines));
    if (lines.len == 0)
        forget(r, n);
    publish(r);
}

void resolver_domain(struct resolver *r, const char *domain)
{
    for (size_t i = 0; i < r->domain_count; i++)
        if (streq(r->domains[i], domain))
            return;
    if (r->domain_count == DOMAINS_MAX || !good_name(domain))
        return;
    r->domains[r->domain_count++] = xstrdup(domain);
    publish(r);
}

void resolver_begin(struct resolver *r)
{
    r->in_batch = true;
    for (struct name *n = r->names; n; n = n->hh.next)
        n->named = false;
}

void resolver_settled(struct resolver *r)
{
    struct name *n, *next;
    HASH_ITER (hh, r->names, n, next)
        if (!n->named)
            forget(r, n);
    r->in_batch = false;
    publish(r);
}

/* ---- the interface with its address ---- */

static void interface_name(const char *run, char ret[IFNAMSIZ])
{
    uint32_t h = UINT32_C(2166136261); /* as the agent's bridge is named */
    for (; *run; run++)
        h = (h ^ (unsigned char)*run) * UINT32_C(16777619);
    snprintf(ret, IFNAMSIZ, "gd%08x", h);
}

/* A bridge without ports: a place for an address that needs no other module. */
static int make_interface(const struct resolver_config *c, struct error *err)
{
    AUTO_LINK link = {.fd = -1};
    char name[IFNAMSIZ];
    struct in_addr in;
    int index;
    if (inet_pton(AF_INET, c->address, &in) != 1)
        return fail(err, E_INVALID, "'%s' is no address", c->address);
    interface_name(c->run, name);
    int r = link_open(&link, err);
    if (r < 0)
        return r;
    r = link_add_bridge(&link, name, NULL, err);
    if (r < 0 && r != -E_EXISTS)
        return r;
    r = link_index(&link, name, &index, err);
    if (r == 0)
        r = link_add_address(&link, index, in.s_addr, 32, err);
    if (r == 0 || r == -E_EXISTS)
        r = link_set_up(&link, index, true, err);
    return r < 0 ? wrap(err, "the resolver's address") : 0;
}

static int remove_interface(const char *run, struct error *err)
{
    AUTO_LINK link = {.fd = -1};
    char name[IFNAMSIZ];
    interface_name(run, name);
    int r = link_open(&link, err);
    if (r == 0)
        r = link_delete(&link, name, err);
    return r == -E_NOTFOUND ? 0 : r;
}

/* ---- life ---- */

static void discard(struct resolver *r)
{
    while (r->names)
        forget(r, r->names);
    for (size_t i = 0; i < r->domain_count; i++)
        free(r->domains[i]);
    dnsmasq_close(&r->dnsmasq);
    fd_close(&r->wake_fd);
    pthread_mutex_destroy(&r->mutex);
    str_free(&r->lines);
    str_free(&r->settings);
    free(r->dir);
    free(r->run);
    free(r->address);
    free(r->hosts_path);
    free(r);
}

int resolver_new(const struct resolver_config *config, struct resolver **ret,
                 struct error *err)
{
    struct resolver *r = xcalloc(1, sizeof(*r));
    r->dir = xstrdup(config->dir);
    r->run = xstrdup(config->run);
    r->address = xstrdup(config->address);
    r->hosts_path = config->hosts_path ? xstrdup(config->hosts_path) : NULL;
    pthread_mutex_init(&r->mutex, NULL);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int result = r->wake_fd < 0 ? fail_errno(err, errno, "eventfd") : 0;
    if (result == 0)
        result = dnsmasq_open(&r->dnsmasq, config->dir, config->dnsmasq, err);
    if (result == 0)
        result = make_interface(config, err);
    /* Until the server has said which names there are, those of before stay. */
    r->in_batch = true;
    if (result == 0 && pthread_create(&r->thread, NULL, look_after, r) != 0)
        result = fail(err, E_IO, "no thread for the resolver");
    if (result < 0) {
        discard(r);
        return result;
    }
    *ret = r;
    return 0;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->mutex);
    r->stopping = true;
    pthread_mutex_unlock(&r->mutex);
    wake(r);
    pthread_join(r->thread, NULL);
    discard(r);
}

int resolver_unname(const struct resolver_config *config, struct error *err)
{
    int r =
        config->hosts_path ? hosts_file_set(config->hosts_path, config->run, "", err) : 0;
    return r == -E_NOTFOUND ? 0 : r;
}

int resolver_purge(const struct resolver_config *config, struct error *err)
{
    struct error others = ERROR_INIT;
    int r = dnsmasq_end(config->dir, err);
    int next = remove_interface(config->run, r < 0 ? &others : err);
    r = r < 0 ? r : next;
    next = resolver_unname(config, r < 0 ? &others : err);
    r = r < 0 ? r : next;
    return r < 0 ? r : dir_remove_all(config->dir, err);
}
