/* Streams live for hours, suspended most of the time, and MHD does not look at a suspended
 * socket. One thread waits, in an epoll set of its own, for the hang-up of any stream's
 * peer, and then cuts the stream: the connection's thread finds that and lets it go.
 *
 * A socket's number can be used again before an event about it is looked at, so events
 * carry the slot and its generation and not a pointer. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fd.h"
#include "http_server.h"

#define EVENTS     64
#define STOP_EVENT UINT64_MAX

struct slot {
    struct http_stream *st; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct watch {
    int epoll, stop;
    pthread_t thread;
    pthread_mutex_t lock;
    struct slot *v;
    uint32_t n, first_free;
};

/* The stream's request, referenced; or NULL when the event is stale. */
static struct request *find(struct watch *w, uint64_t event)
{
    uint32_t slot = (uint32_t)(event >> 32), generation = (uint32_t)event;
    struct request *r = NULL;
    pthread_mutex_lock(&w->lock);
    if (slot < w->n && w->v[slot].st && w->v[slot].generation == generation) {
        r = w->v[slot].st->req;
        request_ref(r);
    }
    pthread_mutex_unlock(&w->lock);
    return r;
}

static void hung_up(struct watch *w, uint64_t event)
{
    struct request *r = find(w, event);
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stream->cut = true;
    request_wake(r);
    pthread_mutex_unlock(&r->lock);
    request_unref(r);
}

static void *run(void *arg)
{
    struct watch *w = arg;
    struct epoll_event v[EVENTS];
    for (;;) {
        int n = epoll_wait(w->epoll, v, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (v[i].data.u64 == STOP_EVENT)
                return NULL;
            hung_up(w, v[i].data.u64);
        }
        if (n < 0 && errno != EINTR)
            return NULL; /* only a broken epoll set; streams then end by failed sends */
    }
}

static uint32_t slot_take(struct watch *w, struct http_stream *st)
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
    w->v[slot].st = st;
    return slot;
}

void watch_add(struct watch *w, int fd, struct http_stream *st)
{
    pthread_mutex_lock(&w->lock);
    st->slot = slot_take(w, st);
    struct epoll_event e = {
        .events = EPOLLRDHUP | EPOLLONESHOT,
        .data.u64 = (uint64_t)st->slot << 32 | w->v[st->slot].generation,
    };
    epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e);
    pthread_mutex_unlock(&w->lock);
}

void watch_remove(struct watch *w, int fd, struct http_stream *st)
{
    pthread_mutex_lock(&w->lock);
    if (st->slot != NO_SLOT) {
        epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, NULL);
        struct slot *s = &w->v[st->slot];
        s->st = NULL;
        s->generation++;
        s->next_free = w->first_free;
        w->first_free = st->slot;
        st->slot = NO_SLOT;
    }
    pthread_mutex_unlock(&w->lock);
}

int watch_start(struct http_server *s, struct error *err)
{
    struct watch *w = xcalloc(1, sizeof(*w));
    w->first_free = NO_SLOT;
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
        return fail_errno(err, sys, "starting the watch over streams");
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
