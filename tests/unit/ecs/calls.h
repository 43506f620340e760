/* calls.h: ECS in a unit test: a core under a virtual clock, and operations by name.
 *
 * Owns: the core and its store, until calls_close(). Threads: one. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "acm.h"
#include "call.h"
#include "core.h"
#include "ec2.h"
#include "ecs.h"
#include "ecs_state.h"
#include "elbv2.h"

struct calls;
/* A test may look at decisions, and pull the plug. Called when a core is there, but has
 * loaded nothing yet; and before a batch is stored: true loses it, and the core starts
 * again from what was stored. */
static void (*calls_attached)(struct calls *w);
static bool (*calls_crash)(struct calls *w);

struct calls {
    int64_t now_ms;
    uint64_t seed;
    struct store *store;
    struct core *core;
    unsigned pace; /* wake-ups a batch; 0: all that are due */
};

static int64_t calls_now(void *ctx)
{
    return ((struct calls *)ctx)->now_ms;
}

static void calls_random(void *ctx, void *ret, size_t size)
{
    struct calls *w = ctx;
    for (size_t i = 0; i < size; i++) {
        w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
        ((unsigned char *)ret)[i] = (unsigned char)(w->seed >> 33);
    }
}

static int calls_enter(struct call *c)
{
    c->who = (struct identity){"000000000000", "arn:aws:iam::000000000000:root",
                               "000000000000", "AKIA"};
    return 0;
}

static void calls_done(struct outbound *out) {}

static void calls_start(struct calls *w);

static void calls_settle(struct calls *w)
{
    struct error err;
    struct core_batch *b = NULL;
    bool more;
    do {
        unsigned rounds = 0;
        while ((more = core_react(w->core, w->pace)) && !w->pace)
            assert_true(rounds++ < 100000); /* a controller that never rests */
        b = core_take_batch(w->core);
        bool crash = b && calls_crash && calls_crash(w);
        if (b && !crash) {
            core_batch_encode(b);
            assert_int_equal(store_commit(w->store, &b->writes, &err), 0);
        }
        if (b)
            core_batch_deliver(b);
        if (crash) {
            core_free(w->core);
            calls_start(w);
            return;
        }
    } while (more || b);
}

static void calls_start(struct calls *w)
{
    struct outside out = {.ctx = w, .wall_ms = calls_now, .random = calls_random};
    struct core_config config = {.region = "us-east-1", .account_id = "000000000000"};
    struct ecs_settings settings = {.poll_endpoint = "http://test"};
    struct error err;
    struct ec2_settings networks = {.public_pool = "198.18.16.0/20"};
    w->core = core_new(&config, &out);
    acm_attach(w->core);
    ec2_attach(w->core, &networks);
    elbv2_attach(w->core);
    ecs_attach(w->core, &settings);
    if (calls_attached)
        calls_attached(w);
    assert_int_equal(core_load(w->core, w->store, &err), 0);
    calls_settle(w);
}

static void calls_open(struct calls *w)
{
    struct error err;
    *w = (struct calls){.now_ms = 1700000000000, .seed = 1};
    assert_int_equal(store_memory_open(&w->store, &err), 0);
    calls_start(w);
}

/* As after a crash: what was stored is all that is left. */
__attribute__((unused)) static void calls_restart(struct calls *w)
{
    core_free(w->core);
    calls_start(w);
}

static void calls_close(struct calls *w)
{
    core_free(w->core);
    store_close(w->store);
}

__attribute__((unused)) static void calls_pass(struct calls *w, int64_t ms)
{
    w->now_ms += ms;
    calls_settle(w);
}

/* The default VPC's subnet of zone a, b or c. */
__attribute__((unused)) static const char *calls_subnet(struct calls *w, int zone)
{
    static char id[32];
    struct ec2_scope s = {"000000000000", "us-east-1"};
    AUTO_ARENA a = ARENA_INIT;
    struct string_list l = {0};
    ec2_default_subnets(w->core, &s, &a, &l);
    assert_int_equal(l.n, 3);
    snprintf(id, sizeof(id), "%s", l.v[zone]);
    calls_settle(w);
    return id;
}

/* "RunTask" is ECS's, "ec2.CreateVpc" and "elbv2.CreateRule" are others'. */
static const struct operation *calls_operation(const char *name)
{
    const struct {
        const char *prefix;
        const struct wire_service *wire;
        const struct operation *rows;
    } services[] = {
        {"ec2.", &ec2_service_api, ec2_operations},
        {"elbv2.", &elbv2_service_api, elbv2_operations},
        {"", &ecs_service_api, ecs_operations},
    };
    size_t k = 0;
    while (!str_starts(name, services[k].prefix))
        k++;
    name += strlen(services[k].prefix);
    for (uint32_t i = 0; i < services[k].wire->operation_count; i++)
        if (streq(services[k].wire->operations[i].name, name))
            return &services[k].rows[i];
    return NULL;
}

/* The call and its output live until the next call of the same slot. NULL: a fault. */
static void *calls_invoke(struct calls *w, struct call *c, const char *name,
                          const char *json)
{
    arena_free(&c->arena);
    *c = (struct call){.region = "us-east-1", .authenticate = calls_enter};
    struct wire_error why;
    c->operation = calls_operation(name);
    assert_non_null(c->operation);
    void *in = NULL;
    assert_int_equal(wire_json_decode(&c->arena, c->operation->wire->input, json,
                                      strlen(json), false, &in, &why),
                     0);
    c->in = in;
    c->task.run = call_run;
    c->task.reply.deliver = calls_done;
    core_execute(w->core, &c->task);
    calls_settle(w);
    return c->fault ? NULL : c->out;
}

/* Quotes may be written as ': the language of the tests has enough of its own. */
#define CALL(w, c, name, ...)                                                            \
    ({                                                                                   \
        AUTO_STR json_ = STR_INIT;                                                       \
        str_addf(&json_, __VA_ARGS__);                                                   \
        for (size_t k_ = 0; k_ < json_.len; k_++)                                        \
            if (json_.data[k_] == '\'')                                                  \
                json_.data[k_] = '"';                                                    \
        calls_invoke((w), (c), (name), json_.data);                                      \
    })

struct calls_connect {
    struct core_task task;
    const char *arn;
    bool connected;
};

static void calls_connect_run(struct core *core, struct core_task *task)
{
    struct calls_connect *c = list_entry(task, struct calls_connect, task);
    struct error err;
    assert_int_equal(ecs_host_connected(core, c->arn, c->connected, &err), 0);
}

__attribute__((unused)) static void calls_connected(struct calls *w, const char *arn,
                                                    bool connected)
{
    struct calls_connect c = {
        .task = {.run = calls_connect_run}, .arn = arn, .connected = connected};
    core_execute(w->core, &c.task);
    calls_settle(w);
}
