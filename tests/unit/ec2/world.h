/* world.h: EC2, ACM and IAM in a unit test: a core under a virtual clock, operations by name,
 * and an edge that remembers what it was told.
 *
 * Owns: the core and its store, until world_close(). Threads: one. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "acm.h"
#include "call.h"
#include "core.h"
#include "ec2.h"
#include "ec2_api.h"
#include "iam.h"
#include "seal.h"
#include "store.h"

struct world {
    int64_t now_ms;
    uint64_t seed;
    struct store *store;
    struct seal_keys *seal;
    struct core *core;
    struct call call;
    struct str told; /* a line a message to the edge */
    bool listens;
};

/* A service on top of these, set before world_open(). */
static struct {
    const char *prefix;
    const struct wire_service *wire;
    const struct operation *rows;
    const struct access_service *access; /* NULL: nothing is asked */
    void (*attach)(struct world *w);
} world_more;

static const struct ec2_scope world_scope = {"000000000000", "us-east-1"};

static int64_t world_now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static void world_random(void *ctx, void *ret, size_t size)
{
    struct world *w = ctx;
    for (size_t i = 0; i < size; i++) {
        w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
        ((unsigned char *)ret)[i] = (unsigned char)(w->seed >> 33);
    }
}

static int world_enter(struct call *c)
{
    c->who = (struct identity){world_scope.account, "arn:aws:iam::000000000000:root",
                               world_scope.account, "AKIA"};
    return 0;
}

static void world_done(struct outbound *out) {}

/* ---- the edge ---- */

static void told_vpc(void *ctx, struct core *core, const struct gantry_edge_vpc *v)
{
    size_t ingress = 0, egress = 0;
    for (size_t i = 0; i < v->security_groups.n; i++) {
        ingress += v->security_groups.v[i].ingress.n;
        egress += v->security_groups.v[i].egress.n;
    }
    str_addf(&((struct world *)ctx)->told, "vpc groups=%zu in=%zu out=%zu\n",
             v->security_groups.n, ingress, egress);
}
static void told_vpc_gone(void *ctx, struct core *core, const char *id)
{
    str_add(&((struct world *)ctx)->told, "vpc gone\n");
}
static void told_interface(void *ctx, struct core *core,
                           const struct gantry_edge_interface *i)
{
    str_addf(&((struct world *)ctx)->told, "interface %s groups=%zu more=%zu owner=%s\n",
             i->private_ip_address, i->group_ids.n, i->secondary_private_ip_addresses.n,
             i->owner);
}
static void told_interface_gone(void *ctx, struct core *core, const char *vpc,
                                const char *id)
{
    str_add(&((struct world *)ctx)->told, "interface gone\n");
}

static void told_instance(void *ctx, struct core *core,
                          const struct gantry_edge_instance *i)
{
    str_addf(&((struct world *)ctx)->told, "instance %s %d\n", i->state, i->generation.v);
}
static void told_instance_gone(void *ctx, struct core *core, const char *id)
{
    str_add(&((struct world *)ctx)->told, "instance gone\n");
}

static const struct ec2_edge_ops world_edge = {
    .vpc = told_vpc,
    .vpc_gone = told_vpc_gone,
    .interface = told_interface,
    .interface_gone = told_interface_gone,
    .instance = told_instance,
    .instance_gone = told_instance_gone,
};

/* ---- life ---- */

static void world_settle(struct world *w)
{
    struct error err;
    struct core_batch *b;
    do {
        unsigned rounds = 0;
        while (core_react(w->core, 0))
            assert_true(rounds++ < 100000);
        b = core_take_batch(w->core);
        if (b) {
            core_batch_encode(b);
            assert_int_equal(store_commit(w->store, &b->writes, &err), 0);
            core_batch_deliver(b);
        }
    } while (b);
}

static void world_start(struct world *w)
{
    struct outside out = {.ctx = w, .wall_ms = world_now, .random = world_random};
    struct core_config config = {.region = world_scope.region,
                                 .account_id = world_scope.account,
                                 .seal = w->seal};
    struct error err;
    w->core = core_new(&config, &out);
    iam_attach(w->core);
    acm_attach(w->core);
    ec2_attach(w->core, &(struct ec2_settings){.public_pool = "198.18.16.0/20"});
    if (w->listens)
        ec2_set_edge_ops(w->core, &world_edge, w);
    if (world_more.attach)
        world_more.attach(w);
    assert_int_equal(core_load(w->core, w->store, &err), 0);
    world_settle(w);
}

static void world_open(struct world *w, bool edge_listens)
{
    struct error err;
    *w = (struct world){.now_ms = 1700000000000, .seed = 1, .listens = edge_listens};
    assert_int_equal(store_memory_open(&w->store, &err), 0);
    w->seal = seal_keys_new((const uint8_t *)"a key of thirty-two bytes, as all", 1);
    world_start(w);
}

/* As after a crash: what was stored is all that is left. */
__attribute__((unused)) static void world_restart(struct world *w)
{
    core_free(w->core);
    world_start(w);
}

static void world_close(struct world *w)
{
    arena_free(&w->call.arena);
    str_free(&w->told);
    core_free(w->core);
    seal_keys_free(w->seal);
    store_close(w->store);
}

/* What the edge was told since the last question must be this. */
__attribute__((unused)) static void world_told(struct world *w, const char *lines)
{
    assert_string_equal(str_text(&w->told), lines);
    str_clear(&w->told);
}

/* ---- calls ---- */

static const struct operation *world_operation(const char *name)
{
    const struct {
        const char *prefix;
        const struct wire_service *wire;
        const struct operation *rows;
    } services[] = {
        {"acm.", &acm_service_api, acm_operations},
        {"iam.", &iam_service_api, iam_operations},
        {"", &ec2_service_api, ec2_operations},
    };
    size_t k = 0;
    if (world_more.prefix && str_starts(name, world_more.prefix)) {
        name += strlen(world_more.prefix);
        for (uint32_t i = 0; i < world_more.wire->operation_count; i++)
            if (streq(world_more.wire->operations[i].name, name))
                return &world_more.rows[i];
        return NULL;
    }
    while (!str_starts(name, services[k].prefix))
        k++;
    for (uint32_t i = 0; i < services[k].wire->operation_count; i++)
        if (streq(services[k].wire->operations[i].name,
                  name + strlen(services[k].prefix)))
            return &services[k].rows[i];
    return NULL;
}

/* Output and fault live until the next call. NULL: a fault. */
static void *world_invoke(struct world *w, const char *name, const char *json)
{
    struct call *c = &w->call;
    struct wire_error why;
    void *in = NULL;
    arena_free(&c->arena);
    *c = (struct call){.region = world_scope.region, .authenticate = world_enter};
    c->operation = world_operation(name);
    assert_non_null(c->operation);
    c->access = world_more.access;
    assert_int_equal(wire_json_decode(&c->arena, c->operation->wire->input, json,
                                      strlen(json), false, &in, &why),
                     0);
    c->in = in;
    c->task.run = call_run;
    c->task.reply.deliver = world_done;
    core_execute(w->core, &c->task);
    world_settle(w);
    return c->fault ? NULL : c->out;
}

/* Quotes may be written as '. */
#define CALL(w, name, ...)                                                               \
    ({                                                                                   \
        AUTO_STR json_ = STR_INIT;                                                       \
        str_addf(&json_, __VA_ARGS__);                                                   \
        for (size_t k_ = 0; k_ < json_.len; k_++)                                        \
            if (json_.data[k_] == '\'')                                                  \
                json_.data[k_] = '"';                                                    \
        world_invoke((w), (name), json_.data);                                           \
    })
#define REFUSED(w, expected, name, ...)                                                  \
    do {                                                                                 \
        assert_null(CALL(w, name, __VA_ARGS__));                                         \
        assert_string_equal((w)->call.fault->code, expected);                            \
    } while (0)

/* The default VPC's subnet of zone a, b or c. */
__attribute__((unused)) static const char *world_subnet(struct world *w, int zone)
{
    static char id[32];
    AUTO_ARENA a = ARENA_INIT;
    struct string_list l = {0};
    ec2_default_subnets(w->core, &world_scope, &a, &l);
    assert_int_equal(l.n, 3);
    snprintf(id, sizeof(id), "%s", l.v[zone]);
    world_settle(w);
    return id;
}
