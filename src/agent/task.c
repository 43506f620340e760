#include "task.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "http_client.h"
#include "metadata.h"
#include "str.h"
#include "task_keys.h"
#include "task_secrets.h"

static const struct {
    const char *name, *status;
} csteps[] = {
    [CSTEP_NONE] = {"NONE", "PENDING"},
    [CSTEP_CREATED] = {"CREATED", "PENDING"},
    [CSTEP_RUNNING] = {"RUNNING", "RUNNING"},
    [CSTEP_RESTARTING] = {"RESTARTING", "RUNNING"},
    [CSTEP_STOPPED] = {"STOPPED", "STOPPED"},
};
_Static_assert(sizeof(csteps) / sizeof(csteps[0]) == CSTEP_COUNT,
               "a name for every step");

const char *container_step_name(enum container_step step)
{
    return csteps[step].name;
}

const char *container_step_status(enum container_step step)
{
    return csteps[step].status;
}

bool container_step_parse(const char *name, enum container_step *ret)
{
    for (int i = 0; i < CSTEP_COUNT; i++) {
        if (streq(name, csteps[i].name)) {
            *ret = (enum container_step)i;
            return true;
        }
    }
    return false;
}

static bool id_is_good(const char *id)
{
    size_t n = id ? strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_-")
                  : 0;
    return n > 0 && n <= 100 && !id[n];
}

static void init_ports(struct task *t, struct container *c)
{
    const struct ecs_port_mapping_list *l = &c->def->port_mappings;
    enum ecs_network_mode mode = t->host->task_definition->network_mode;
    if (mode == ECS_NETWORK_MODE_NONE || task_shares_network(t->host))
        return;
    c->ports = arena_new_array(&t->arena, struct net_port, l->n + 1);
    for (size_t i = 0; i < l->n; i++) {
        struct net_port *p = &c->ports[c->port_count++];
        p->udp = l->v[i].protocol == ECS_TRANSPORT_PROTOCOL_UDP;
        if (port_range_parse(l->v[i].container_port_range, &p->container_port,
                             &p->count)) {
            p->host_port = mode == ECS_NETWORK_MODE_HOST ? p->container_port : 0;
            continue;
        }
        p->container_port = (uint16_t)l->v[i].container_port.v;
        p->host_port = (uint16_t)(l->v[i].host_port.set ? l->v[i].host_port.v : 0);
        if (mode == ECS_NETWORK_MODE_HOST && p->host_port == 0)
            p->host_port = p->container_port;
    }
    c->ports_known = mode == ECS_NETWORK_MODE_HOST;
}

static void init_host_words(struct task *t, struct container *c)
{
    const struct gantry_host_container_list *l = &t->host->containers;
    c->reference = c->def->image;
    for (size_t i = 0; i < l->n; i++) {
        if (!streq(l->v[i].name, c->name))
            continue;
        c->arn = l->v[i].container_arn;
        if (l->v[i].image_digest && !strchr(c->reference, '@'))
            c->reference =
                arena_printf(&t->arena, "%s@%s", c->reference, l->v[i].image_digest);
    }
}

static void init_container(struct task *t, size_t i)
{
    struct container *c = &t->containers[i];
    c->task = t;
    c->index = i;
    c->def = &t->host->task_definition->container_definitions.v[i];
    c->name = c->def->name;
    init_host_words(t, c);
    c->id = container_id_make(&t->arena, t->id, c->name);
    c->essential = !c->def->essential.set || c->def->essential.v;
    c->supervisor_fd = -1;
    if (c->def->health_check)
        health_begin(&c->health, clock_wall_ms());
    c->log_path = arena_printf(&t->arena, "%s/logs/%s.log", t->dir, c->name);
    c->endpoint_id = metadata_new_id(&t->arena);
    init_ports(t, c);
}

static int check_words(const struct gantry_host_task *w, struct error *err)
{
    if (!id_is_good(w->task_id) || str_empty(w->task_arn))
        return fail(err, E_INVALID, "a task without id or ARN");
    const struct ecs_task_definition *def = w->task_definition;
    if (!def || def->container_definitions.n == 0)
        return fail(err, E_INVALID, "task %s has no containers", w->task_id);
    for (size_t i = 0; i < def->container_definitions.n; i++)
        if (!id_is_good(def->container_definitions.v[i].name))
            return fail(err, E_INVALID, "task %s: bad name of container %zu", w->task_id,
                        i);
    return 0;
}

int task_new(struct engine *e, const struct gantry_host_task *words, const char *data_dir,
             struct task **ret, struct error *err)
{
    int r = check_words(words, err);
    if (r < 0)
        return r;
    struct task *t = xcalloc(1, sizeof(*t));
    list_init(&t->link);
    t->engine = e;
    t->host = wire_copy(&t->arena, &gantry_host_task_shape, words);
    t->id = t->host->task_id;
    t->arn = t->host->task_arn;
    t->dir = arena_printf(&t->arena, "%s/tasks/%s", data_dir, t->id);
    t->sent = t->attachment_sent = "";
    t->send_backoff = (struct backoff)BACKOFF_REPORT;
    t->accepted_ns = clock_mono_ns();
    t->cancel = http_cancel_new();
    task_need_of(&t->arena, t->host->task_definition, t->host->overrides, &t->need);
    t->container_count = t->host->task_definition->container_definitions.n;
    t->containers = arena_new_array(&t->arena, struct container, t->container_count);
    for (size_t i = 0; i < t->container_count; i++)
        init_container(t, i);
    *ret = t;
    return 0;
}

void task_free(struct task *t)
{
    if (!t)
        return;
    list_remove(&t->link);
    for (size_t i = 0; i < t->container_count; i++)
        image_free(t->containers[i].image);
    for (size_t i = 0; i < t->container_count; i++)
        free(t->containers[i].health.output);
    task_secrets_forget(t);
    task_keys_forget(t);
    http_cancel_free(t->cancel);
    arena_free(&t->arena);
    free(t);
}

void task_set_reason(struct task *t, const char *reason)
{
    if (!t->reason)
        t->reason = arena_strdup(&t->arena, reason);
}

void container_set_reason(struct container *c, const char *reason)
{
    if (!c->reason)
        c->reason = arena_strdup(&c->task->arena, reason);
}

bool container_is_done(const struct container *c)
{
    return c->step == CSTEP_STOPPED;
}

bool container_was_up(const struct container *c)
{
    return c->started_at_ms > 0;
}

static const char *range_text(struct arena *a, unsigned first, unsigned count)
{
    return arena_printf(a, "%u-%u", first, first + count - 1);
}

void container_bindings(struct arena *a, const struct container *c,
                        struct ecs_network_binding_list *ret)
{
    for (size_t i = 0; c->ports_known && i < c->port_count; i++) {
        const struct net_port *p = &c->ports[i];
        struct ecs_network_binding *b = LIST_PUSH(a, ret);
        b->bind_ip = "0.0.0.0";
        b->protocol = p->udp ? ECS_TRANSPORT_PROTOCOL_UDP : ECS_TRANSPORT_PROTOCOL_TCP;
        if (p->count) {
            b->container_port_range = range_text(a, p->container_port, p->count);
            b->host_port_range = range_text(a, p->host_port, p->count);
            continue;
        }
        b->container_port = SET_INT(p->container_port);
        b->host_port = SET_INT(p->host_port);
    }
}

void container_take_bindings(struct container *c,
                             const struct ecs_network_binding_list *l)
{
    uint16_t count;
    if (l->n != c->port_count || c->port_count == 0)
        return;
    for (size_t i = 0; i < c->port_count; i++)
        if (!port_range_parse(l->v[i].host_port_range, &c->ports[i].host_port, &count))
            c->ports[i].host_port = (uint16_t)l->v[i].host_port.v;
    c->ports_known = true;
}

int64_t container_start_left_ms(const struct container *c)
{
    if (!container_was_up(c) || !c->def->start_timeout.set ||
        c->def->start_timeout.v <= 0)
        return -1;
    int64_t left = c->started_at_ms + c->def->start_timeout.v * 1000LL - clock_wall_ms();
    return left > 0 ? left : 0;
}

struct order_view *task_views(const struct task *t, struct arena *a)
{
    struct order_view *v = arena_new_array(a, struct order_view, t->container_count);
    for (size_t i = 0; i < t->container_count; i++) {
        const struct container *c = &t->containers[i];
        v[i] =
            (struct order_view){.up = container_was_up(c),
                                .done = container_is_done(c),
                                .failed_to_start = c->failed,
                                .healthy = c->health.status == ECS_HEALTH_STATUS_HEALTHY,
                                .late = container_start_left_ms(c) == 0,
                                .has_exit_code = c->has_exit_code,
                                .exit_code = c->exit_code};
    }
    return v;
}
