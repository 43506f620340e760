#include "container_session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "command_words.h"
#include "fd.h"
#include "frames.h"
#include "log.h"
#include "session_link.h"
#include "websocket.h"

#define STACK_BYTES (256 * 1024)
#define HANGUP_MS   2000  /* for a program whose terminal is gone */
#define GOODBYE_MS  60000 /* for the server to take the last words */
#define WORDS_MAX   1024  /* of the runtime, about why it can't start the program */

struct container_sessions {
    const struct agent_config *config;
    struct runtime *runtime;
    pthread_mutex_t lock;
    pthread_cond_t gone;
    unsigned count, serial;
    int stop; /* eventfd, readable for ever once it ends */
};

struct run {
    struct container_sessions *all;
    char *id, *command, *container;
    char *key, *secret, *token; /* the agent's credentials; NULL: none */
    char socket_path[256];      /* of the console socket */
    int fd, listener, terminal, words;
    struct websocket *ws;
    struct exec_process program;
    bool begun, started, ended, drained, stop;
    int code;
    int64_t end_ms;
    struct winsize size;
    struct str input; /* for the terminal */
    struct str text;  /* why there is no program */
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ---- starting the program ---- */

/* The path is as long as the run directory's, a socket's address is not. */
static int listen_for_console(struct run *u, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const char *dir = u->all->config->run_dir;
    unsigned serial = __atomic_add_fetch(&u->all->serial, 1, __ATOMIC_RELAXED);
    AUTO_FD at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return fail_errno(err, errno, "open '%s'", dir);
    snprintf(u->socket_path, sizeof(u->socket_path), "%s/console-%u", dir, serial);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/console-%u", at,
             serial);
    unlink(u->socket_path); /* of an agent that was killed */
    u->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (u->listener < 0 ||
        bind(u->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(u->listener, 1) < 0)
        return fail_errno(err, errno, "listening on '%s'", u->socket_path);
    return 0;
}

static int start_program(struct run *u, struct error *err)
{
    static const char *const env[] = {"TERM=xterm-256color", NULL};
    AUTO_ARENA a = ARENA_INIT;
    const char *const *words;
    int pipe_fds[2];
    if (!u->container)
        return fail(err, E_NOTFOUND, "the container does not run on its instance");
    int r = command_words(&a, u->command, &words, err);
    if (r == 0)
        r = listen_for_console(u, err);
    if (r < 0)
        return r;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return fail_errno(err, errno, "pipe");
    u->words = pipe_fds[0];
    fcntl(u->words, F_SETFL, O_NONBLOCK);
    struct exec_request req = {.args = words,
                               .env = env,
                               .user = "0",
                               .terminal = true,
                               .console_socket = u->socket_path,
                               .fds = {-1, -1, pipe_fds[1]}};
    r = runtime_exec(u->all->runtime, u->container, &req, &u->program, err);
    close(pipe_fds[1]);
    u->started = r == 0;
    return r;
}

/* ---- frames ---- */

static void send_exit(struct run *u)
{
    AUTO_STR frame = STR_INIT;
    str_addc(&frame, FRAME_EXIT);
    str_addc(&frame, (char)u->code);
    str_addn(&frame, str_text(&u->text),
             u->text.len < WORDS_MAX ? u->text.len : WORDS_MAX);
    u->end_ms = now_ms() + GOODBYE_MS;
    if (websocket_send(u->ws, WEBSOCKET_BINARY, frame.data, frame.len, NULL) < 0)
        u->stop = true;
}

static void begin(struct run *u)
{
    struct error err = ERROR_INIT;
    u->begun = true;
    if (start_program(u, &err) >= 0)
        return;
    log_line(LOG_WARN, "a session's program can't be started", "session", u->id, "error",
             err.text, NULL);
    str_add(&u->text, err.text);
    u->code = 255;
    u->ended = u->drained = true;
    send_exit(u);
}

static void set_size(struct run *u, const unsigned char *p)
{
    u->size.ws_col = (unsigned short)(p[0] << 8 | p[1]);
    u->size.ws_row = (unsigned short)(p[2] << 8 | p[3]);
    if (u->terminal >= 0)
        (void)ioctl(u->terminal, TIOCSWINSZ, &u->size);
}

static int on_message(void *ctx, enum websocket_kind kind, const void *data, size_t len,
                      struct error *err)
{
    struct run *u = ctx;
    const unsigned char *p = data;
    char what = len ? (char)p[0] : 0;
    if (what == FRAME_INPUT) {
        str_addn(&u->input, p + 1, len - 1);
        websocket_pause(u->ws, u->input.len > FRAME_QUEUE_HIGH);
    } else if ((what == FRAME_BEGIN || what == FRAME_SIZE) && len == 5) {
        set_size(u, p + 1);
        if (what == FRAME_BEGIN && !u->begun)
            begin(u);
    }
    return 0;
}

/* ---- the terminal ---- */

static void accept_console(struct run *u)
{
    char control[CMSG_SPACE(sizeof(int))], byte[128];
    struct iovec io = {byte, sizeof(byte)};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    AUTO_FD peer = accept4(u->listener, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0)
        return;
    /* The runtime sends at once what it connected for. */
    struct pollfd p = {.fd = peer, .events = POLLIN};
    if (poll(&p, 1, 5000) <= 0 || recvmsg(peer, &m, MSG_CMSG_CLOEXEC) < 0)
        return;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
        return;
    memcpy(&u->terminal, CMSG_DATA(c), sizeof(int));
    fcntl(u->terminal, F_SETFL, fcntl(u->terminal, F_GETFL) | O_NONBLOCK);
    (void)ioctl(u->terminal, TIOCSWINSZ, &u->size);
    fd_close(&u->listener);
    unlink(u->socket_path);
}

static void read_terminal(struct run *u)
{
    char frame[1 + FRAME_DATA_MAX];
    frame[0] = FRAME_OUTPUT;
    ssize_t n = read(u->terminal, frame + 1, FRAME_DATA_MAX);
    if (n > 0) {
        if (websocket_send(u->ws, WEBSOCKET_BINARY, frame, (size_t)n + 1, NULL) < 0)
            u->stop = true;
        return;
    }
    /* EIO: no program has it open any more. Nothing there and the program ended: who is
     * left in the background is not waited for. */
    bool empty = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (!empty || u->ended)
        u->drained = true;
}

static void write_terminal(struct run *u)
{
    ssize_t n = write(u->terminal, u->input.data, u->input.len);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        n = (ssize_t)u->input.len; /* nobody reads it any more */
    if (n <= 0)
        return;
    memmove(u->input.data, u->input.data + n, u->input.len - (size_t)n);
    u->input.len -= (size_t)n;
    websocket_pause(u->ws, u->input.len > FRAME_QUEUE_HIGH);
}

static void read_words(struct run *u)
{
    char buf[512];
    ssize_t n;
    while (u->words >= 0 && (n = read(u->words, buf, sizeof(buf))) > 0)
        if (u->text.len < WORDS_MAX)
            str_addn(&u->text, buf, (size_t)n);
    while (u->text.len && strchr(" \r\n", u->text.data[u->text.len - 1]))
        u->text.data[--u->text.len] = 0;
}

static void program_ended(struct run *u)
{
    exec_wait(&u->program, -1, &u->code, NULL);
    u->started = false;
    u->ended = true;
    read_words(u);
    if (u->terminal < 0)
        u->drained = true;
}

/* ---- the thread ---- */

enum { POLL_STOP, POLL_SERVER, POLL_CONSOLE, POLL_TERMINAL, POLL_PROGRAM, POLL_COUNT };

static void fill(struct run *u, struct pollfd p[POLL_COUNT])
{
    bool room = websocket_queued(u->ws) < FRAME_QUEUE_HIGH;
    bool hungry = u->input.len <= FRAME_QUEUE_HIGH;
    p[POLL_STOP] = (struct pollfd){u->all->stop, POLLIN, 0};
    p[POLL_SERVER] = (struct pollfd){u->fd, hungry ? POLLIN : 0, 0};
    p[POLL_SERVER].events |= websocket_queued(u->ws) ? POLLOUT : 0;
    p[POLL_CONSOLE] = (struct pollfd){u->listener, POLLIN, 0};
    p[POLL_TERMINAL] = (struct pollfd){-1, 0, 0};
    if (u->terminal >= 0 && !u->drained && (room || u->input.len)) {
        p[POLL_TERMINAL].fd = u->terminal;
        p[POLL_TERMINAL].events = (room ? POLLIN : 0) | (u->input.len ? POLLOUT : 0);
    }
    p[POLL_PROGRAM] = (struct pollfd){u->started ? u->program.pidfd : -1, POLLIN, 0};
}

static void serve_program(struct run *u, const struct pollfd p[POLL_COUNT])
{
    bool had_ended = u->ended;
    if (p[POLL_CONSOLE].revents && u->listener >= 0)
        accept_console(u);
    if ((p[POLL_TERMINAL].revents & POLLOUT) && u->input.len)
        write_terminal(u);
    bool room = websocket_queued(u->ws) < FRAME_QUEUE_HIGH;
    if (u->terminal >= 0 && !u->drained && room &&
        (u->ended || (p[POLL_TERMINAL].revents & ~POLLOUT)))
        read_terminal(u);
    if (u->started && p[POLL_PROGRAM].revents)
        program_ended(u);
    if (u->ended && u->drained && (!had_ended || u->end_ms == INT64_MAX))
        send_exit(u);
}

static void step(struct run *u)
{
    struct pollfd p[POLL_COUNT];
    struct error err = ERROR_INIT;
    fill(u, p);
    int64_t ms = u->end_ms == INT64_MAX ? -1 : u->end_ms - now_ms();
    if (websocket_has_early(u->ws) ||
        (u->ended && !u->drained && websocket_queued(u->ws) < FRAME_QUEUE_HIGH))
        ms = 0;
    poll(p, POLL_COUNT, ms > 60000 ? 60000 : (int)ms);
    if (p[POLL_STOP].revents || now_ms() >= u->end_ms)
        u->stop = true;
    if (!u->stop && (p[POLL_SERVER].revents & ~POLLOUT || websocket_has_early(u->ws)) &&
        websocket_read(u->ws, &err) < 0)
        u->stop = true;
    if (!u->stop && u->begun)
        serve_program(u, p);
    if (!u->stop && websocket_flush(u->ws, &err) < 0)
        u->stop = true;
}

/* A terminal that no program has open any more says so for ever, until it is closed. */
static void close_drained(struct run *u)
{
    if (u->drained)
        fd_close(&u->terminal);
}

static void run_session(struct run *u)
{
    struct error err = ERROR_INIT;
    AUTO_STR early = STR_INIT;
    struct sigv4_credentials keys = {u->key, u->secret, u->token};
    if (!u->key) {
        log_line(LOG_WARN, "a session can't begin: the agent has no credentials",
                 "session", u->id, NULL);
        return;
    }
    if (session_link(u->all->config, &keys, u->id, &u->fd, &early, &err) < 0) {
        log_line(LOG_WARN, "a session can't begin", "session", u->id, "error", err.text,
                 NULL);
        return;
    }
    struct websocket_config config = {.fd = u->fd,
                                      .client = true,
                                      .max_message = FRAME_QUEUE_HIGH + 1,
                                      .max_queued = FRAME_QUEUE_MAX,
                                      .early = early.data,
                                      .early_len = early.len,
                                      .on_message = on_message,
                                      .ctx = u};
    u->ws = websocket_new(&config);
    while (!u->stop) {
        step(u);
        close_drained(u);
    }
    fd_close(&u->terminal); /* hangs up */
    if (u->started)
        (void)exec_wait(&u->program, HANGUP_MS, &u->code, NULL);
}

static void run_free(struct run *u)
{
    websocket_free(u->ws);
    fd_close(&u->fd);
    fd_close(&u->listener);
    fd_close(&u->words);
    if (u->socket_path[0])
        unlink(u->socket_path);
    str_free(&u->input);
    str_free(&u->text);
    free(u->id);
    free(u->command);
    free(u->container);
    free(u->key);
    free(u->secret);
    free(u->token);
    free(u);
}

static void *session_main(void *arg)
{
    struct run *u = arg;
    struct container_sessions *all = u->all;
    run_session(u);
    run_free(u);
    pthread_mutex_lock(&all->lock);
    all->count--;
    pthread_cond_broadcast(&all->gone);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* ---- life ---- */

struct container_sessions *container_sessions_new(const struct agent_config *config,
                                                  struct runtime *runtime)
{
    struct container_sessions *all = xcalloc(1, sizeof(*all));
    all->config = config;
    all->runtime = runtime;
    all->stop = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->gone, NULL);
    return all;
}

static bool begin_thread(struct run *u)
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = pthread_create(&thread, &attr, session_main, u) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

void container_session_start(struct container_sessions *all,
                             const struct gantry_host_session *session,
                             const char *container_id,
                             const struct sigv4_credentials *keys)
{
    struct run *u = xcalloc(1, sizeof(*u));
    u->all = all;
    u->key = keys ? xstrdup(keys->access_key_id) : NULL;
    u->secret = keys ? xstrdup(keys->secret) : NULL;
    u->token = keys && keys->session_token ? xstrdup(keys->session_token) : NULL;
    u->id = xstrdup(session->session_id);
    u->command = xstrdup(session->command ? session->command : "");
    u->container = container_id ? xstrdup(container_id) : NULL;
    u->fd = u->listener = u->terminal = u->words = -1;
    u->end_ms = INT64_MAX;
    pthread_mutex_lock(&all->lock);
    bool ok = all->count < CONTAINER_SESSIONS_MAX && begin_thread(u);
    all->count += ok;
    pthread_mutex_unlock(&all->lock);
    if (ok)
        return;
    log_line(LOG_WARN, "too many sessions", "session", u->id, NULL);
    run_free(u);
}

void container_sessions_free(struct container_sessions *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    eventfd_write(all->stop, 1);
    while (all->count)
        pthread_cond_wait(&all->gone, &all->lock);
    pthread_mutex_unlock(&all->lock);
    fd_close(&all->stop);
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->gone);
    free(all);
}
