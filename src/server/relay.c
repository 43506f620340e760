/* Who is expected, who came, and the threads' life. What a session does is in
 * relay_session.c. */
#include "relay.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "fd.h"
#include "log.h"
#include "relay_session.h"
#include "websocket.h"

#define STACK_BYTES (256 * 1024)

struct relay *relay_new(void)
{
    struct relay *r = xcalloc(1, sizeof(*r));
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->gone, NULL);
    list_init(&r->sessions);
    return r;
}

/* ---- sessions ---- */

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static void session_free(struct relay_session *s) /* under the lock */
{
    list_remove(&s->link);
    s->relay->count--;
    for (int i = 0; i < RELAY_SIDES; i++)
        str_free(&s->arrived[i].early);
    fd_close(&s->event);
    free(s->id);
    free(s->token);
    free(s->command);
    free(s);
}

static void sweep(struct relay *r)
{
    int64_t now = now_ms();
    list_for_each_safe (it, &r->sessions) {
        struct relay_session *s = list_entry(it, struct relay_session, link);
        if (s->event < 0 && s->expires_ms <= now)
            session_free(s);
    }
}

int relay_expect(struct relay *r, const char *id, const char *token, const char *command,
                 struct error *err)
{
    int result = 0;
    pthread_mutex_lock(&r->lock);
    sweep(r);
    if (r->count >= RELAY_SESSIONS_MAX || r->stopping) {
        result = fail(err, E_FULL, "%zu sessions are open or were asked for", r->count);
    } else {
        struct relay_session *s = xcalloc(1, sizeof(*s));
        s->relay = r;
        s->id = xstrdup(id);
        s->token = xstrdup(token);
        s->command = xstrdup(command);
        s->expires_ms = now_ms() + RELAY_EXPECT_MS;
        s->event = -1;
        list_append(&r->sessions, &s->link);
        r->count++;
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

static struct relay_session *find(struct relay *r, const char *id)
{
    sweep(r);
    list_for_each (it, &r->sessions) {
        struct relay_session *s = list_entry(it, struct relay_session, link);
        if (streq(s->id, id))
            return s;
    }
    return NULL;
}

bool relay_waits(struct relay *r, const char *id)
{
    pthread_mutex_lock(&r->lock);
    const struct relay_session *s = find(r, id);
    bool waits = s && !s->came[RELAY_AGENT];
    pthread_mutex_unlock(&r->lock);
    return waits;
}

/* ---- a session's thread ---- */

static void *session_main(void *arg)
{
    struct relay_session *s = arg;
    struct relay *r = s->relay;
    struct http_request *left[RELAY_SIDES];
    relay_session_run(s);
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < RELAY_SIDES; i++)
        left[i] = s->arrived[i].req; /* came too late to be taken */
    s->came[RELAY_CLIENT] = s->came[RELAY_AGENT] = true;
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < RELAY_SIDES; i++)
        if (left[i])
            http_upgrade_end(left[i]);
    pthread_mutex_lock(&r->lock);
    session_free(s);
    pthread_cond_broadcast(&r->gone);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static bool start_thread(struct relay_session *s)
{
    pthread_t thread;
    pthread_attr_t attr;
    s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = s->event >= 0 && pthread_create(&thread, &attr, session_main, s) == 0;
    pthread_attr_destroy(&attr);
    if (!ok)
        fd_close(&s->event);
    return ok;
}

/* ---- arrivals ---- */

struct arriving {
    struct relay *relay;
    enum relay_side side;
    const char *id;
};

static void upgraded(struct http_request *req, int fd, const void *early, size_t len)
{
    const struct arriving *a = req->ctx;
    struct relay *r = a->relay;
    pthread_mutex_lock(&r->lock);
    struct relay_session *s = find(r, a->id);
    bool taken =
        s && !r->stopping && !s->came[a->side] && (s->event >= 0 || start_thread(s));
    if (taken) {
        s->came[a->side] = true;
        s->arrived[a->side].req = req;
        s->arrived[a->side].fd = fd;
        str_addn(&s->arrived[a->side].early, early, len);
        eventfd_write(s->event, 1);
    }
    pthread_mutex_unlock(&r->lock);
    if (!taken)
        http_upgrade_end(req);
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p && *p; p += strcspn(p, ",")) {
        p += strspn(p, ", \t");
        if (strncasecmp(p, word, n) == 0 && strchr(", \t", p[n]))
            return true;
    }
    return false;
}

static void arrive(struct relay *r, struct http_request *req, enum relay_side side,
                   const char *id)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    if (!streq(req->method, "GET") ||
        !has_word(http_header(req, "Upgrade"), "websocket") ||
        !has_word(http_header(req, "Connection"), "upgrade") ||
        !websocket_accept(http_header(req, "Sec-WebSocket-Key"), accept)) {
        http_reply_text(req, 400, "This is a WebSocket's address.\n");
        return;
    }
    if (!streq(http_header(req, "Sec-WebSocket-Version"), "13")) {
        static const struct http_header known[] = {{"Sec-WebSocket-Version", "13"}, {0}};
        http_reply(req, 426, known, "", 0, HTTP_COPY);
        return;
    }
    pthread_mutex_lock(&r->lock);
    const struct relay_session *s = find(r, id);
    bool welcome = s && !r->stopping && !s->came[side];
    pthread_mutex_unlock(&r->lock);
    if (!welcome) {
        http_reply_text(req, 404, "There is no such session, or it is in use.\n");
        return;
    }
    struct arriving *a = arena_new(&req->arena, struct arriving);
    *a = (struct arriving){r, side, id};
    req->ctx = a;
    const struct http_header headers[] = {{"Sec-WebSocket-Accept", accept}, {0}};
    http_reply_upgrade(req, "websocket", headers, upgraded);
}

void relay_client(struct relay *r, struct http_request *req)
{
    arrive(r, req, RELAY_CLIENT, req->path + strlen(RELAY_CLIENT_PATH));
}

void relay_agent(struct relay *r, struct http_request *req)
{
    arrive(r, req, RELAY_AGENT, req->path + strlen(RELAY_AGENT_PATH));
}

/* ---- the end ---- */

void relay_stop(struct relay *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    list_for_each_safe (it, &r->sessions) {
        struct relay_session *s = list_entry(it, struct relay_session, link);
        if (s->event >= 0)
            eventfd_write(s->event, 1);
        else
            session_free(s);
    }
    while (r->count)
        pthread_cond_wait(&r->gone, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

void relay_free(struct relay *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->gone);
    free(r);
}
