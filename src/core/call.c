#include "call.h"

#include <assert.h>
#include <stdarg.h>

#include "access.h"
#include "core_private.h"

int call_fault(struct call *call, const struct wire_fault *fault, const char *fmt, ...)
{
    if (call->fault)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    call->fault = fault;
    call->fault_text = arena_vprintf(&call->arena, fmt, ap);
    va_end(ap);
    return -1;
}

const char *call_own_url(struct call *call, const char *otherwise)
{
    if (!call->host)
        return otherwise;
    return call_printf(call, "%s://%s", call->host_tls ? "https" : "http", call->host);
}

void call_run(struct core *core, struct core_task *task)
{
    struct call *call = list_entry(task, struct call, task);
    call->core = core;
    if (call->authenticate && call->authenticate(call) < 0)
        return;
    if (core->account_begins && call->who.account_id)
        core->account_begins(core, call->who.account_id, call->region);
    if (access_check_row(call) < 0)
        return;
    const struct list *before = core->dirty.prev;
    const struct wire_shape *output = call->operation->wire->output;
    call->out = arena_alloc(&call->arena, output ? output->size : 1);
    int r = call->operation->run(call, call->in, call->out);
    /* The reply is encoded on another thread, later: by then the records that a handler's
     * answer points into may have changed or gone. */
    if (r == 0 && output)
        call->out = wire_copy(&call->arena, output, call->out);
    assert((r < 0) == (call->fault != NULL));
    /* A refused operation must not have changed anything. */
    assert(r == 0 || core->dirty.prev == before);
}
