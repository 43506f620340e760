#include "core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core_private.h"

struct core *core_new(const struct core_config *config, const struct outside *outside)
{
    struct core *core = xcalloc(1, sizeof(*core));
    core->config = (struct core_config){
        .region = xstrdup(config->region),
        .account_id = xstrdup(config->account_id),
        .dev = config->dev,
        .event_keep_ms = config->event_keep_ms,
        .event_max = config->event_max,
        .seal = config->seal,
    };
    core->outside = *outside;
    core->now_ms = outside->wall_ms(outside->ctx);
    list_init(&core->tables);
    list_init(&core->dirty);
    list_init(&core->ready);
    list_init(&core->subscribers);
    RB_INIT(&core->timers);
    return core;
}

static void batch_free(struct core_batch *batch)
{
    arena_free(&batch->arena);
    free(batch);
}

void core_free(struct core *core)
{
    if (!core)
        return;
    tables_free(core);
    for (unsigned i = 0; i < core->service_count; i++)
        if (core->services[i].free_state)
            core->services[i].free_state(core->services[i].state);
    if (core->batch)
        batch_free(core->batch);
    arena_free(&core->scratch);
    free((char *)(uintptr_t)core->config.region);
    free((char *)(uintptr_t)core->config.account_id);
    free(core);
}

int core_load(struct core *core, struct store *store, struct error *err)
{
    int r = tables_load(core, store, err);
    if (r == 0)
        r = events_load(core, store, err);
    if (r == 0)
        objects_flush(core);
    arena_reset(&core->scratch);
    return r;
}

struct core_batch *core_current_batch(struct core *core)
{
    if (!core->batch) {
        core->batch = xcalloc(1, sizeof(*core->batch));
        store_batch_init(&core->batch->writes, &core->batch->arena);
        list_init(&core->batch->outbound);
    }
    return core->batch;
}

void core_execute(struct core *core, struct core_task *task)
{
    core->now_ms = core->outside.wall_ms(core->outside.ctx);
    /* Read before run(): a task without a reply frees itself there. */
    bool replies = task->reply.deliver != NULL;
    task->run(core, task);
    objects_flush(core);
    arena_reset(&core->scratch);
    if (replies)
        core_send(core, &task->reply);
}

struct core_batch *core_take_batch(struct core *core)
{
    struct core_batch *batch = core->batch;
    core->batch = NULL;
    return batch;
}

bool core_has_batch(const struct core *core)
{
    return core->batch != NULL;
}

void core_batch_deliver(struct core_batch *batch)
{
    list_for_each_safe (it, &batch->outbound) {
        list_remove(it);
        struct outbound *out = list_entry(it, struct outbound, link);
        out->deliver(out);
    }
    batch_free(batch);
}

const struct core_config *core_config(const struct core *core)
{
    return &core->config;
}

const struct seal_keys *core_seal(const struct core *core)
{
    assert(core->config.seal);
    return core->config.seal;
}

int64_t core_now_ms(const struct core *core)
{
    return core->now_ms;
}

void core_random_hex(struct core *core, char *ret, size_t digits)
{
    unsigned char raw[32];
    char text[65];
    assert(digits <= 64);
    core->outside.random(core->outside.ctx, raw, sizeof(raw));
    hex_encode(raw, sizeof(raw), text);
    memcpy(ret, text, digits);
    ret[digits] = '\0';
}

uint64_t core_random_below(struct core *core, uint64_t bound)
{
    /* The bias of a 64-bit remainder is below 2^-40 for every bound used here. */
    uint64_t r;
    core->outside.random(core->outside.ctx, &r, sizeof(r));
    return bound ? r % bound : 0;
}

void core_random_digits(struct core *core, char *ret, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = (char)('0' + (i == 0 ? 1 + core_random_below(core, 9)
                                      : core_random_below(core, 10)));
    ret[count] = '\0';
}

void core_send(struct core *core, struct outbound *message)
{
    list_append(&core_current_batch(core)->outbound, &message->link);
}

void core_set_service(struct core *core, const void *key, void *state,
                      void (*free_state)(void *state))
{
    assert(core->service_count < CORE_MAX_SERVICES);
    core->services[core->service_count++] = (struct core_service){
        .key = key,
        .state = state,
        .free_state = free_state,
    };
}

void core_set_account_hook(struct core *core,
                           void (*begin)(struct core *core, const char *account,
                                         const char *region))
{
    core->account_begins = begin;
}

void *core_service(const struct core *core, const void *key)
{
    for (unsigned i = 0; i < core->service_count; i++)
        if (core->services[i].key == key)
            return core->services[i].state;
    return NULL;
}

struct arena *core_scratch(struct core *core)
{
    return &core->scratch;
}
