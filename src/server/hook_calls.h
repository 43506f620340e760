/* hook_calls.h: lifecycle hooks of deployments, called by POST.
 *
 * ECS says what to call (struct ecs_hook_ops); the call leaves when the state behind it is
 * durable, blocks on threads of its own, and what was answered goes back to the state thread.
 * Nothing is kept: who gets no answer calls again.
 *
 * Owns: two threads from the first call on, and HOOK_CALLS_MAX calls at most; more are
 * dropped. A call takes 30 s at most, an answer 256 KiB. Threads: hook_calls_attach()
 * before the state thread runs, the rest the caller's. Fails: never; a call that
 * can't be made is not answered. */
#pragma once

#include "core.h"

#define HOOK_CALLS_MAX 512

struct hook_calls;

/* `submit` hands a task to the state thread. */
struct hook_calls *hook_calls_new(void (*submit)(void *ctx, struct core_task *task),
                                  void *ctx);
void hook_calls_attach(struct hook_calls *h, struct core *core);
/* Ends what is under way; nothing is called or submitted any more. NULL allowed. */
void hook_calls_stop(struct hook_calls *h);
/* After the shell stopped. NULL allowed. */
void hook_calls_free(struct hook_calls *h);
