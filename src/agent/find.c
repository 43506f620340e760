/* find.c: what runs here, read from disk by the command line. */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "str.h"
#include "task_file.h"

/* The fixed part of a record; texts lie in the arena. */
/* In a VPC the task has an address of its own, and no port of the machine. */
static const char *own_address(struct arena *a, const struct gantry_host_task *w,
                               const struct ecs_container_definition *c)
{
    AUTO_STR s = STR_INIT;
    if (!w->interface || !w->interface->private_ip_address)
        return "";
    str_add(&s, w->interface->private_ip_address);
    for (size_t i = 0; i < c->port_mappings.n; i++) {
        const struct ecs_port_mapping *p = &c->port_mappings.v[i];
        const char *kind = p->protocol == ECS_TRANSPORT_PROTOCOL_UDP ? "udp" : "tcp";
        str_add(&s, i ? ", :" : ":");
        if (p->container_port_range)
            str_addf(&s, "%s/%s", p->container_port_range, kind);
        else
            str_addf(&s, "%d/%s", (int)p->container_port.v, kind);
    }
    return arena_strdup(a, str_text(&s));
}

static void describe(struct arena *a, const char *data_dir,
                     const struct gantry_host_task *w,
                     const struct gantry_agent_task_record *rec, size_t index,
                     struct agent_container *ret)
{
    const struct ecs_task_definition *def = w->task_definition;
    const struct ecs_container_definition *c = &def->container_definitions.v[index];
    enum task_step step = STEP_ACCEPTED;
    struct log_settings log = {0};
    task_step_parse(rec->step, &step);
    bool none = log_settings_of(c, 0, 1, &log, NULL) >= 0 && log.none;
    *ret = (struct agent_container){
        .task_id = w->task_id,
        .task_arn = w->task_arn,
        .cluster = w->cluster_name,
        .family = arena_printf(a, "%s:%d", def->family ? def->family : "",
                               (int)def->revision.v),
        .group = w->group,
        .task_status = task_step_status(step),
        .desired_status = rec->desired_status,
        .name = c->name,
        .image = c->image,
        .id = container_id_make(a, w->task_id, c->name),
        .status = step == STEP_STOPPED ? "STOPPED" : "PENDING",
        .log_path = none ? NULL
                         : arena_printf(a, "%s/tasks/%s/logs/%s.log", data_dir,
                                        w->task_id, c->name),
        .ports = own_address(a, w, c)};
}

static const char *ports_text(struct arena *a,
                              const struct gantry_agent_container_record *rec)
{
    AUTO_STR s = STR_INIT;
    for (size_t i = 0; i < rec->network_bindings.n; i++) {
        const struct ecs_network_binding *b = &rec->network_bindings.v[i];
        const char *kind = b->protocol == ECS_TRANSPORT_PROTOCOL_UDP ? "udp" : "tcp";
        str_addf(&s, "%s%s", i ? ", " : "", b->bind_ip ? b->bind_ip : "0.0.0.0");
        if (b->host_port_range)
            str_addf(&s, ":%s->%s/%s", b->host_port_range, b->container_port_range, kind);
        else if (b->host_port.set)
            str_addf(&s, ":%d->%d/%s", (int)b->host_port.v, (int)b->container_port.v,
                     kind);
    }
    return arena_strdup(a, str_text(&s));
}

static void add_known(struct arena *a, const struct gantry_agent_task_record *rec,
                      struct agent_container *c)
{
    for (size_t i = 0; i < rec->containers.n; i++) {
        const struct gantry_agent_container_record *r = &rec->containers.v[i];
        enum container_step step = CSTEP_NONE;
        if (!streq(r->name, c->name))
            continue;
        container_step_parse(r->status, &step);
        if (!streq(c->status, "STOPPED"))
            c->status = container_step_status(step);
        c->reason = r->reason;
        c->has_exit_code = r->exit_code.set;
        c->exit_code = r->exit_code.v;
        c->started_at_ms =
            r->last_started_at.set ? r->last_started_at.v : r->started_at.v;
        if (r->health && r->health->status)
            c->health = wire_enum_name(&ecs_health_status_shape, (int)r->health->status);
        if (r->network_bindings.n)
            c->ports = ports_text(a, r);
    }
}

static void make(struct arena *a, const char *data_dir, const struct gantry_host_task *w,
                 const struct gantry_agent_task_record *rec, size_t index,
                 struct agent_container *ret)
{
    describe(a, data_dir, w, rec, index, ret);
    add_known(a, rec, ret);
}

/* ---- all ---- */

struct id_list {
    struct arena *a;
    const char *data_dir;
    struct known {
        const char *id;
        int64_t sequence;
    } * v;
    size_t n, cap;
};

static int note_id(void *ctx, const char *id, struct error *err)
{
    struct id_list *l = ctx;
    AUTO_ARENA a = ARENA_INIT;
    const struct gantry_agent_task_record *rec;
    if (task_file_read(&a, l->data_dir, id, NULL, &rec, NULL) < 0)
        return 0; /* just being made, or torn */
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 32;
        l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
    }
    l->v[l->n++] = (struct known){arena_strdup(l->a, id), rec->sequence.v};
    return 0;
}

static int by_sequence(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static int visit_task(const char *data_dir, const char *id,
                      int (*visit)(void *, const struct agent_container *,
                                   struct error *),
                      void *ctx, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    const struct gantry_host_task *w;
    const struct gantry_agent_task_record *rec;
    if (task_file_read(&a, data_dir, id, &w, &rec, NULL) < 0 || !w->task_definition)
        return 0;
    for (size_t i = 0; i < w->task_definition->container_definitions.n; i++) {
        struct agent_container c;
        make(&a, data_dir, w, rec, i, &c);
        int r = visit(ctx, &c, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int agent_each_container(const char *data_dir,
                         int (*visit)(void *ctx, const struct agent_container *c,
                                      struct error *err),
                         void *ctx, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct id_list l = {.a = &a, .data_dir = data_dir};
    int r = task_file_each(data_dir, note_id, &l, err);
    if (r >= 0 && l.n > 1)
        qsort(l.v, l.n, sizeof(*l.v), by_sequence);
    for (size_t i = 0; i < l.n && r >= 0; i++)
        r = visit_task(data_dir, l.v[i].id, visit, ctx, err);
    free(l.v);
    return r;
}

/* ---- one ---- */

struct search {
    const char *prefix;
    struct arena *a;
    const char *found;
    bool several;
};

static int match_id(void *ctx, const char *id, struct error *err)
{
    struct search *s = ctx;
    if (!str_starts(id, s->prefix))
        return 0;
    if (s->found)
        s->several = true;
    s->found = arena_strdup(s->a, id);
    return 0;
}

static int find_task(const char *data_dir, const char *task, struct arena *a,
                     const char **ret, struct error *err)
{
    const char *slash = strrchr(task, '/');
    struct search s = {.prefix = slash ? slash + 1 : task, .a = a};
    if (strlen(s.prefix) < 4)
        return fail(err, E_INVALID, "'%s': four characters of a task's id or more", task);
    int r = task_file_each(data_dir, match_id, &s, err);
    if (r < 0)
        return r;
    if (s.several)
        return fail(err, E_CONFLICT, "several tasks begin with '%s'", s.prefix);
    if (!s.found)
        return fail(err, E_NOTFOUND, "no task '%s' on this host", s.prefix);
    *ret = s.found;
    return 0;
}

static bool is_essential(const struct ecs_container_definition *c)
{
    return !c->essential.set || c->essential.v;
}

static int find_index(const struct ecs_task_definition *def, const char *name,
                      size_t *ret, struct error *err)
{
    for (size_t i = 0; i < def->container_definitions.n; i++) {
        const struct ecs_container_definition *c = &def->container_definitions.v[i];
        if (name ? streq(c->name, name)
                 : def->container_definitions.n == 1 || is_essential(c)) {
            *ret = i;
            return 0;
        }
    }
    return fail(err, E_NOTFOUND, "the task has no container '%s'", name ? name : "");
}

int agent_find_container(const char *data_dir, const char *task, const char *name,
                         struct arena *a, struct agent_container *ret, struct error *err)
{
    const char *id = NULL;
    const struct gantry_host_task *w;
    const struct gantry_agent_task_record *rec;
    size_t index = 0;
    int r = find_task(data_dir, task, a, &id, err);
    if (r >= 0)
        r = task_file_read(a, data_dir, id, &w, &rec, err);
    if (r < 0)
        return r;
    if (!w->task_definition)
        return fail(err, E_CORRUPT, "task %s has no definition", id);
    r = find_index(w->task_definition, name, &index, err);
    if (r < 0)
        return r;
    make(a, data_dir, w, rec, index, ret);
    return 0;
}
