/* call.h: one API call on its way through the core.
 *
 * The shell embeds `struct call` in its own request, fills the first half, and hands
 * call.task to core_execute(). call_run() authenticates (through the shell's hook),
 * asks whether the caller may (access.h), runs the handler and leaves either `out` or a
 * fault; the shell's deliver callback encodes it.
 *
 * Owns: its arena, released by the shell after delivery.
 * Threads: shell, then state thread, then commit thread; never two at once.
 * Fails: a call never fails as a function; a fault is a result. */
#pragma once

#include <stdbool.h>

#include "arena.h"
#include "core.h"
#include "operation.h"
#include "policy.h"
#include "protocol.h"
#include "wire.h"

/* Who calls, and from where. Texts lie in the call's arena or live as long as the task. */
struct iam_session;
struct identity {
    const char *account_id; /* 12 digits */
    const char *arn;        /* arn:aws:iam::…:root; NULL: anonymous */
    const char *user_id;
    const char *access_key;
    const char *session_token;         /* NULL: the key is for long */
    struct policy_principal principal; /* as policies see it */
    const char *source_ip;             /* NULL: not by a socket */
    const char *user_agent;
    bool tls;
    const struct iam_session *session; /* of temporary credentials; service/iam's own */
};

#define CALL_REQUEST_ID_SIZE 37 /* uuid + NUL */

struct call {
    /* filled by the shell */
    struct core_task task;
    struct arena arena;
    const struct operation *operation;
    const struct wire_target *target; /* the same, as the request named it */
    const struct access_service *access; /* of its service; NULL: nothing to ask */
    const char *region;
    const char *host; /* Host, as the caller reaches us: NULL when it said none */
    bool host_tls;    /* … through a proxy that speaks TLS */
    const void *in;
    /* The shell's own check of the signature; fills `who`. 0, or <0 after call_fault(). */
    int (*authenticate)(struct call *);
    char request_id[CALL_REQUEST_ID_SIZE];

    /* filled on the state thread */
    struct core *core;
    struct identity who;
    void *out;
    const struct wire_fault *fault; /* NULL: success */
    bool denied;                    /* … by policy */
    const char *fault_text;
    const void *fault_details; /* of fault->shape: what it tells besides its text; or NULL */
    /* Set by a handler whose reply needs what is on disk: runs on a worker thread, after
     * the call's writes are durable and before the reply is encoded. It may only touch
     * the call and what its service declares safe there. */
    void (*finish)(struct call *);
    /* Set by a handler that needs something slow to be done before it can decide, and that
     * returned 0 without having changed anything: runs on a worker thread, where it may only
     * touch the call, and leaves something in `prepared`; then the handler runs again. */
    void (*prepare)(struct call *);
    void *prepared;
    /* As finish, for what others do at their own pace: called where the answer would be given
     * otherwise, which may not be held up, in the order of the calls. The call is theirs then,
     * until they call `finished` on any thread; meanwhile call_fault() may be called. */
    void (*hand_over)(struct call *);
    void *handed;                    /* the handler's own, for hand_over */
    void (*finished)(struct call *); /* the shell's */
};

/* To be used as call.task.run. */
void call_run(struct core *core, struct core_task *task);

/* Sets the call's fault and returns -1, for `return call_fault(…)`. The first one stays. */
int call_fault(struct call *call, const struct wire_fault *fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "http://host:port" as the caller reaches us, which is what it can be told to come back
 * to: we may listen on 0.0.0.0, on port 0 or behind a proxy. `otherwise` (which may be NULL)
 * when it said no host. */
const char *call_own_url(struct call *call, const char *otherwise);

/* Formats into the call's arena. */
#define call_printf(call, ...) arena_printf(&(call)->arena, __VA_ARGS__)
