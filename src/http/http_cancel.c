#include "http_cancel.h"

#include <stdlib.h>

struct http_cancel *http_cancel_new(void)
{
    struct http_cancel *x = xcalloc(1, sizeof(*x));
    pthread_mutex_init(&x->lock, NULL);
    list_init(&x->calls);
    return x;
}

void http_cancel_now(struct http_cancel *x)
{
    pthread_mutex_lock(&x->lock);
    atomic_store(&x->done, true);
    list_for_each (it, &x->calls) {
        struct cancel_call *call = list_entry(it, struct cancel_call, node);
        call->wake(call->ctx);
    }
    pthread_mutex_unlock(&x->lock);
}

bool http_cancelled(struct http_cancel *x)
{
    return x && atomic_load(&x->done);
}

void http_cancel_free(struct http_cancel *x)
{
    if (!x)
        return;
    pthread_mutex_destroy(&x->lock);
    free(x);
}

void http_cancel_enter(struct http_cancel *x, struct cancel_call *call)
{
    list_init(&call->node);
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    list_append(&x->calls, &call->node);
    pthread_mutex_unlock(&x->lock);
}

void http_cancel_leave(struct http_cancel *x, struct cancel_call *call)
{
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    list_remove(&call->node);
    pthread_mutex_unlock(&x->lock);
}
