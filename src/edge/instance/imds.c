/* Who asks, and where: see imds.h. */
#include "imds.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <uthash.h>

#include "clock.h"
#include "local_rate.h"
#include "log.h"
#include "netns.h"
#include "router_rules.h"
#include "str.h"

#define ADDRESSES_MAX 64 /* of one interface */

/* Whose address it is, within a VPC. */
struct address {
    uint32_t be;
    const char *instance_id; /* its interface's; NULL: another one has it now */
    UT_hash_handle hh;       /* vpc.addresses */
};

struct interface {
    char *id, *instance_id;
    struct vpc *vpc;
    struct address *addresses;
    size_t address_count;
    bool seen;
    UT_hash_handle hh; /* imds.interfaces */
};

struct instance {
    char *id;
    struct arena arena;
    struct gantry_edge_instance *said;
    int64_t due_ns;
    bool seen;
    UT_hash_handle hh; /* imds.instances */
};

struct vpc {
    char *id;
    struct imds *imds;
    struct local_server *server; /* NULL: not listening */
    struct address *addresses;
    bool wanted;       /* an instance of it runs */
    UT_hash_handle hh; /* imds.vpcs; never freed before the end: there are few */
};

struct imds {
    uv_loop_t *loop;
    char *vpc_dir;
    struct imds_key key;
    uv_timer_t timer;
    struct vpc *vpcs;
    struct interface *interfaces;
    struct instance *instances;
};

/* ---- answering ---- */

static struct instance *who(struct vpc *v, uint32_t peer_be)
{
    struct address *at = NULL;
    struct instance *i = NULL;
    HASH_FIND(hh, v->addresses, &peer_be, sizeof(peer_be), at);
    if (at)
        HASH_FIND_STR(v->imds->instances, at->instance_id, i);
    return i;
}

static bool admits(void *ctx, uint32_t peer_be)
{
    return who(ctx, peer_be) != NULL;
}

static void slow_down(struct local_exchange *x)
{
    static const char text[] = "too many requests\n";
    local_reply(x, 503, "text/plain", text, sizeof(text) - 1);
}

static void on_request(void *ctx, struct local_exchange *x)
{
    AUTO_ARENA a = ARENA_INIT;
    struct vpc *v = ctx;
    struct instance *i = who(v, x->peer_be);
    struct imds_answer answer;
    if (!i || !local_rate_take(&i->due_ns, clock_mono_ns(), 1000000000 / IMDS_RATE,
                               2 * IMDS_RATE)) {
        slow_down(x);
        return;
    }
    imds_answer(&a, i->said, &v->imds->key, &x->request, clock_wall_ms() / 1000, &answer);
    x->hops = answer.hops;
    local_reply_headers(x, answer.status, answer.type, answer.headers, answer.body,
                        answer.len);
}

/* ---- listening ---- */

static int listen_in(struct vpc *v, struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct vpc_place place = {.dir = v->imds->vpc_dir};
    int back = -1;
    uint16_t port;
    vpc_netns_path(&place, v->id, &path);
    int r = netns_enter(path.data, &back, err);
    if (r < 0)
        return r;
    r = local_server_open(v->imds->loop, ROUTER_IMDS, 80, on_request, v, &v->server,
                          &port, err);
    netns_leave(&back);
    return r;
}

static void on_timer(uv_timer_t *t);

static void open_one(struct vpc *v)
{
    struct error err = ERROR_INIT;
    if (listen_in(v, &err) < 0) { /* the router has not made it yet */
        log_line(LOG_DEBUG, "no instance metadata yet", "vpc", v->id, "error", err.text,
                 NULL);
        uv_timer_start(&v->imds->timer, on_timer, IMDS_RETRY_MS, 0);
        return;
    }
    local_server_admit(v->server, admits, IMDS_CONNECTIONS);
    log_line(LOG_INFO, "instance metadata", "vpc", v->id, NULL);
}

/* Each VPC with a running instance has its listener; one without would keep the namespace. */
static void make_so(struct imds *m)
{
    for (struct vpc *v = m->vpcs; v; v = v->hh.next)
        v->wanted = false;
    for (struct instance *i = m->instances; i; i = i->hh.next) {
        struct vpc *v = NULL;
        HASH_FIND_STR(m->vpcs, i->said->vpc_id, v);
        if (v)
            v->wanted = true;
    }
    for (struct vpc *v = m->vpcs; v; v = v->hh.next) {
        if (v->wanted && !v->server)
            open_one(v);
        if (v->wanted || !v->server)
            continue;
        local_server_close(v->server);
        v->server = NULL;
    }
}

static void on_timer(uv_timer_t *t)
{
    make_so(t->data);
}

/* ---- what is said ---- */

static struct vpc *vpc_of(struct imds *m, const char *id)
{
    struct vpc *v = NULL;
    HASH_FIND_STR(m->vpcs, id, v);
    if (v)
        return v;
    v = xcalloc(1, sizeof(*v));
    v->id = xstrdup(id);
    v->imds = m;
    HASH_ADD_KEYPTR(hh, m->vpcs, v->id, strlen(v->id), v);
    return v;
}

static void address_forget(struct vpc *v, struct address *at)
{
    if (at->instance_id && v->addresses)
        HASH_DELETE(hh, v->addresses, at);
    at->instance_id = NULL;
}

static void interface_free(struct imds *m, struct interface *i)
{
    HASH_DELETE(hh, m->interfaces, i);
    for (size_t n = 0; n < i->address_count; n++)
        address_forget(i->vpc, &i->addresses[n]);
    free(i->addresses);
    free(i->id);
    free(i->instance_id);
    free(i);
}

static void instance_free(struct imds *m, struct instance *i)
{
    HASH_DELETE(hh, m->instances, i);
    arena_free(&i->arena);
    free(i->id);
    free(i);
}

/* One that changed hands belongs to who came last. */
static void add_address(struct interface *i, const char *text)
{
    struct address *at = &i->addresses[i->address_count], *old = NULL;
    if (!text || inet_pton(AF_INET, text, &at->be) != 1)
        return;
    HASH_FIND(hh, i->vpc->addresses, &at->be, sizeof(at->be), old);
    if (old)
        address_forget(i->vpc, old);
    at->instance_id = i->instance_id;
    i->address_count++;
    HASH_ADD(hh, i->vpc->addresses, be, sizeof(at->be), at);
}

void imds_begin(struct imds *m)
{
    for (struct instance *i = m ? m->instances : NULL; i; i = i->hh.next)
        i->seen = false;
    for (struct interface *i = m ? m->interfaces : NULL; i; i = i->hh.next)
        i->seen = false;
}

void imds_interface(struct imds *m, const struct gantry_edge_interface *said)
{
    if (!m)
        return;
    imds_interface_gone(m, said->network_interface_id);
    if (str_empty(said->instance_id) || !router_id_valid(said->vpc_id))
        return;
    struct interface *i = xcalloc(1, sizeof(*i));
    size_t more = said->secondary_private_ip_addresses.n;
    i->id = xstrdup(said->network_interface_id);
    i->instance_id = xstrdup(said->instance_id);
    i->vpc = vpc_of(m, said->vpc_id);
    i->seen = true;
    more = more < ADDRESSES_MAX ? more : ADDRESSES_MAX;
    i->addresses = xcalloc(more + 1, sizeof(*i->addresses));
    add_address(i, said->private_ip_address);
    for (size_t n = 0; n < more; n++)
        add_address(i, said->secondary_private_ip_addresses.v[n]);
    HASH_ADD_KEYPTR(hh, m->interfaces, i->id, strlen(i->id), i);
}

void imds_interface_gone(struct imds *m, const char *id)
{
    struct interface *i = NULL;
    if (m)
        HASH_FIND_STR(m->interfaces, id, i);
    if (i)
        interface_free(m, i);
}

static void keep(struct imds *m, const struct gantry_edge_instance *said)
{
    struct instance *i = NULL;
    HASH_FIND_STR(m->instances, said->instance_id, i);
    if (!i) {
        i = xcalloc(1, sizeof(*i));
        i->id = xstrdup(said->instance_id);
        HASH_ADD_KEYPTR(hh, m->instances, i->id, strlen(i->id), i);
    }
    arena_reset(&i->arena);
    i->said = wire_copy(&i->arena, &gantry_edge_instance_shape, said);
    i->seen = true;
    vpc_of(m, said->vpc_id);
}

void imds_instance(struct imds *m, const struct gantry_edge_instance *said)
{
    if (!m)
        return;
    if (!streq(said->state, "running") || !router_id_valid(said->vpc_id)) {
        imds_instance_gone(m, said->instance_id);
        return;
    }
    keep(m, said);
    make_so(m);
}

void imds_instance_gone(struct imds *m, const char *id)
{
    struct instance *i = NULL;
    if (m)
        HASH_FIND_STR(m->instances, id, i);
    if (!i)
        return;
    instance_free(m, i);
    make_so(m);
}

void imds_settled(struct imds *m)
{
    struct interface *x, *next_x;
    struct instance *i, *next;
    if (!m)
        return;
    HASH_ITER (hh, m->interfaces, x, next_x)
        if (!x->seen)
            interface_free(m, x);
    HASH_ITER (hh, m->instances, i, next)
        if (!i->seen)
            instance_free(m, i);
    make_so(m);
}

/* ---- life ---- */

struct imds *imds_new(uv_loop_t *loop, const struct vpc_place *place)
{
    struct imds *m = xcalloc(1, sizeof(*m));
    m->loop = loop;
    m->vpc_dir = xstrdup(place->dir);
    if (getrandom(m->key.v, sizeof(m->key.v), 0) != sizeof(m->key.v))
        abort(); /* never: so few bytes are not interrupted */
    uv_timer_init(loop, &m->timer);
    m->timer.data = m;
    return m;
}

static void on_closed(uv_handle_t *h)
{
    struct imds *m = h->data;
    free(m->vpc_dir);
    OPENSSL_cleanse(&m->key, sizeof(m->key));
    free(m);
}

void imds_free(struct imds *m)
{
    struct interface *x, *next_x;
    struct instance *i, *next;
    struct vpc *v, *next_v;
    if (!m)
        return;
    HASH_ITER (hh, m->interfaces, x, next_x)
        interface_free(m, x);
    HASH_ITER (hh, m->instances, i, next)
        instance_free(m, i);
    HASH_ITER (hh, m->vpcs, v, next_v) {
        HASH_DELETE(hh, m->vpcs, v);
        local_server_close(v->server);
        free(v->id);
        free(v);
    }
    uv_close((uv_handle_t *)&m->timer, on_closed);
}
