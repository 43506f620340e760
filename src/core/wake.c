#include "wake.h"

#include "core_private.h"

static int wake_order(const struct wake *a, const struct wake *b)
{
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

TREE_GENERATE(timer_tree, wake, timer, wake_order)

void wake_init(struct wake *w, void (*run)(struct core *, struct wake *))
{
    *w = (struct wake){.run = run, .at_ms = INT64_MAX};
    list_init(&w->ready);
}

static void disarm(struct core *core, struct wake *w)
{
    if (w->at_ms != INT64_MAX)
        RB_REMOVE(timer_tree, &core->timers, w);
    w->at_ms = INT64_MAX;
}

void wake_now(struct core *core, struct wake *w)
{
    if (list_empty(&w->ready))
        list_append(&core->ready, &w->ready);
}

void wake_at(struct core *core, struct wake *w, int64_t wall_ms)
{
    if (wall_ms >= w->at_ms)
        return;
    disarm(core, w);
    w->at_ms = wall_ms;
    w->seq = core->wake_seq++;
    RB_INSERT(timer_tree, &core->timers, w);
}

void wake_cancel(struct core *core, struct wake *w)
{
    disarm(core, w);
    list_remove(&w->ready);
}

int64_t core_next_wake_ms(const struct core *core)
{
    const struct wake *w = RB_MIN(timer_tree, (struct timer_tree *)&core->timers);
    return w ? w->at_ms : INT64_MAX;
}

static void collect_due(struct core *core)
{
    struct wake *w;
    while ((w = RB_MIN(timer_tree, &core->timers)) && w->at_ms <= core->now_ms) {
        disarm(core, w);
        wake_now(core, w);
    }
}

bool core_react(struct core *core, unsigned limit)
{
    if (limit == 0)
        limit = 1000;
    core->now_ms = core->outside.wall_ms(core->outside.ctx);
    collect_due(core);
    while (limit-- > 0 && !list_empty(&core->ready)) {
        struct wake *w = list_entry(list_first(&core->ready), struct wake, ready);
        list_remove(&w->ready);
        disarm(core, w);
        w->run(core, w);
        objects_flush(core);
        arena_reset(&core->scratch);
    }
    return !list_empty(&core->ready);
}
