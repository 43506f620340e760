/* One thread that notices, in an epoll set of its own, that a peer hung up where MHD does
 * not see it:
 *
 * - Streams live for hours, suspended most of the time, and MHD does not look at a suspended
 *   socket. The watch cuts the stream, and the connection's thread lets it go.
 * - Bodies. MHD takes a read that did not fill its buffer for the last one until epoll has
 *   news, and asks epoll for changes only. An end that came together with data, or while
 *   the request was suspended, is then never seen, and the request keeps what it holds (a
 *   registry's upload) until the connection times out. Shutting down what is at its end
 *   anyway makes such news and loses nothing that was sent. The news can be swallowed in
 *   the same way when MHD is just about to read; so it is repeated until the request is
 *   gone.
 *
 * A socket's number can be used again before an event about it is looked at, so events
 * carry the slot and its generation and not a pointer. A socket is shut down under the
 * watch's lock, which the connection takes before its socket is closed. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "http_server.h"

#define EVENTS     64
#define STOP_EVENT UINT64_MAX
#define AGAIN_MS   50

struct slot {
    struct request *r; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct watch {
    int epoll, stop;
    pthread_t thread;
    pthread_mutex_t lock;
    struct slot *v;
    uint32_t n, first_free;
    struct list ended; /* struct request, by watched.ended */
};

static void make_news(const struct watched *end)
{
    shutdown(end->fd, SHUT_RD);
}

/* A body is dealt with here. The stream's request, referenced; or NULL when there is
 * nothing left to do, or the event is stale. */
static struct request *take_event(struct watch *w, uint64_t event)
{
    uint32_t slot = (uint32_t)(event >> 32), generation = (uint32_t)event;
    struct request *r = NULL;
    pthread_mutex_lock(&w->lock);
    if (slot < w->n && w->v[slot].generation == generation)
        r = w->v[slot].r;
    if (r && r->watched.body) {
        list_append(&w->ended, &r->watched.ended);
        make_news(&r->watched);
        r = NULL;
    } else if (r) {
        request_ref(r);
    }
    pthread_mutex_unlock(&w->lock);
    return r;
}

static void hung_up(struct watch *w, uint64_t event)
{
    struct request *r = take_event(w, event);
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stream->cut = true;
    request_wake(r);
    pthread_mutex_unlock(&r->lock);
    request_unref(r);
}

/* For epoll_wait(): when to look again. */
static int repeat_news(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    list_for_each (it, &w->ended)
        make_news(list_entry(it, struct watched, ended));
    bool some = !list_empty(&w->ended);
    pthread_mutex_unlock(&w->lock);
    return some ? AGAIN_MS : -1;
}

static void *run(void *arg)
{
    struct watch *w = arg;
    struct epoll_event v[EVENTS];
    int timeout = -1;
    for (;;) {
        int n = epoll_wait(w->epoll, v, EVENTS, timeout);
        for (int i = 0; i < n; i++) {
            if (v[i].data.u64 == STOP_EVENT)
                return NULL;
            hung_up(w, v[i].data.u64);
        }
        if (n < 0 && errno != EINTR)
            return NULL; /* only a broken epoll set; time-outs and failed sends remain */
        timeout = repeat_news(w);
    }
}

static uint32_t slot_take(struct watch *w, struct request *r)
{
    if (w->first_free == NO_SLOT) {
        uint32_t n = w->n ? w->n * 2 : 16;
        w->v = xrealloc(w->v, n * sizeof(*w->v));
        for (uint32_t i = n; i-- > w->n;) {
            w->v[i] = (struct slot){.next_free = w->first_free};
            w->first_free = i;
        }
        w->n = n;
    }
    uint32_t slot = w->first_free;
    w->first_free = w->v[slot].next_free;
    w->v[slot].r = r;
    return slot;
}

void watch_add(struct watch *w, struct request *r)
{
    const union MHD_ConnectionInfo *info =
        mhd.MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    pthread_mutex_lock(&w->lock);
    r->watched.slot = slot_take(w, r);
    r->watched.fd = info->connect_fd;
    r->watched.body = !r->stream;
    struct epoll_event e = {
        .events = EPOLLRDHUP | EPOLLONESHOT,
        .data.u64 = (uint64_t)r->watched.slot << 32 | w->v[r->watched.slot].generation,
    };
    epoll_ctl(w->epoll, EPOLL_CTL_ADD, r->watched.fd, &e);
    pthread_mutex_unlock(&w->lock);
}

void watch_remove(struct watch *w, struct request *r)
{
    if (r->watched.slot == NO_SLOT)
        return;
    pthread_mutex_lock(&w->lock);
    epoll_ctl(w->epoll, EPOLL_CTL_DEL, r->watched.fd, NULL);
    list_remove(&r->watched.ended);
    struct slot *s = &w->v[r->watched.slot];
    s->r = NULL;
    s->generation++;
    s->next_free = w->first_free;
    w->first_free = r->watched.slot;
    r->watched.slot = NO_SLOT;
    pthread_mutex_unlock(&w->lock);
}

int watch_start(struct http_server *s, struct error *err)
{
    struct watch *w = xcalloc(1, sizeof(*w));
    w->first_free = NO_SLOT;
    list_init(&w->ended);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->stop = eventfd(0, EFD_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = STOP_EVENT};
    int sys =
        w->epoll < 0 || w->stop < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->stop, &e) < 0
            ? errno
            : 0;
    pthread_mutex_init(&w->lock, NULL);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    if (!sys)
        sys = pthread_create(&w->thread, &attr, run, w);
    pthread_attr_destroy(&attr);
    if (sys) {
        fd_close(&w->epoll);
        fd_close(&w->stop);
        free(w);
        return fail_errno(err, sys, "starting the watch over connections");
    }
    s->watch = w;
    return 0;
}

void watch_stop(struct http_server *s)
{
    struct watch *w = s->watch;
    if (!w)
        return;
    s->watch = NULL;
    eventfd_write(w->stop, 1);
    pthread_join(w->thread, NULL);
    fd_close(&w->epoll);
    fd_close(&w->stop);
    pthread_mutex_destroy(&w->lock);
    free(w->v);
    free(w);
}
