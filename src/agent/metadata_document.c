/* metadata_document.c: what is known of a task, as its containers are told. */
#include <stdio.h>
#include <sys/timex.h>

#include "clock.h"
#include "metadata.h"
#include "str.h"

#define MIB (1024 * 1024)

static const char *time_text(struct arena *a, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];
    if (ms <= 0)
        return NULL;
    clock_format_iso(ms, false, text);
    return arena_strdup(a, text);
}

static void push(struct arena *a, struct string_list *l, const char *text)
{
    *LIST_PUSH(a, l) = text;
}

static void put(struct arena *a, struct string_map *m, const char *key, const char *value)
{
    *LIST_PUSH(a, m) = (struct string_entry){key, value ? value : ""};
}

/* ---- statuses: the agent's own words ---- */

enum known { KNOWN_NONE, KNOWN_PULLED, KNOWN_CREATED, KNOWN_RUNNING, KNOWN_STOPPED };
static const char *const known_names[] = {
    [KNOWN_NONE] = "NONE",       [KNOWN_PULLED] = "PULLED",   [KNOWN_CREATED] = "CREATED",
    [KNOWN_RUNNING] = "RUNNING", [KNOWN_STOPPED] = "STOPPED",
};

static enum known container_known(const struct container *c)
{
    switch (c->step) {
    case CSTEP_CREATED:
        return KNOWN_CREATED;
    case CSTEP_RUNNING:
    case CSTEP_RESTARTING:
        return KNOWN_RUNNING;
    case CSTEP_STOPPED:
        return KNOWN_STOPPED;
    default:
        return c->image_part == PART_DONE ? KNOWN_PULLED : KNOWN_NONE;
    }
}

/* The lowest of the containers; one that is done and need not go on does not count. */
static enum known task_known(const struct task *t)
{
    enum known lowest = KNOWN_STOPPED;
    if (t->step == STEP_STOPPED)
        return KNOWN_STOPPED;
    for (size_t i = 0; i < t->container_count; i++) {
        enum known k = container_known(&t->containers[i]);
        if (k < lowest)
            lowest = k;
    }
    return lowest == KNOWN_STOPPED ? KNOWN_RUNNING : lowest;
}

static const char *desired(const struct task *t)
{
    return t->stop_wanted ? "STOPPED" : "RUNNING";
}

/* ---- a container ---- */

static void put_labels(struct arena *a, const struct container *c, struct string_map *ret)
{
    const struct gantry_host_task *h = c->task->host;
    const struct string_map *own = &c->def->docker_labels;
    put(a, ret, "com.amazonaws.ecs.cluster", h->cluster_name);
    put(a, ret, "com.amazonaws.ecs.container-name", c->name);
    put(a, ret, "com.amazonaws.ecs.task-arn", h->task_arn);
    put(a, ret, "com.amazonaws.ecs.task-definition-family", h->task_definition->family);
    put(a, ret, "com.amazonaws.ecs.task-definition-version",
        arena_printf(a, "%d", (int)h->task_definition->revision.v));
    for (size_t i = 0; i < own->n; i++)
        put(a, ret, own->v[i].key, own->v[i].value);
}

static void put_ports(struct arena *a, const struct container *c,
                      struct gantry_metadata_port_list *ret)
{
    for (size_t i = 0; c->ports_known && i < c->port_count; i++)
        *LIST_PUSH(a, ret) = (struct gantry_metadata_port){
            .container_port = SET_INT(c->ports[i].container_port),
            .protocol = c->ports[i].udp ? "udp" : "tcp",
            .host_port = SET_INT(c->ports[i].host_port),
            .host_ip = "0.0.0.0"};
}

static const char *mode_name(const struct task *t)
{
    switch ((int)t->host->task_definition->network_mode) {
    case ECS_NETWORK_MODE_HOST:
        return "host";
    case ECS_NETWORK_MODE_NONE:
        return "none";
    case ECS_NETWORK_MODE_AWSVPC:
        return "awsvpc";
    default:
        return "bridge";
    }
}

/* A task's interface in its VPC: all of it is the server's word. */
static void put_interface(struct arena *a, const struct container *c,
                          const struct gantry_host_interface *x,
                          struct gantry_metadata_network *n)
{
    unsigned low[4];
    int prefix;
    struct string_list dns, search;
    task_spec_dns(a, c->task->host, c->def, &dns, &search);
    push(a, &n->ipv4_addresses, x->private_ip_address);
    n->attachment_index = SET_INT(0);
    n->mac_address = x->mac_address;
    n->ipv4_subnet_cidr_block = x->subnet_cidr_block;
    n->private_dns_name = x->private_dns_name;
    n->domain_name_servers = dns;
    n->domain_name_search_list = search;
    /* A subnet's router has its first address. */
    if (x->subnet_cidr_block && sscanf(x->subnet_cidr_block, "%u.%u.%u.%u/%d", &low[0],
                                       &low[1], &low[2], &low[3], &prefix) == 5)
        n->subnet_gateway_ipv4_address =
            arena_printf(a, "%u.%u.%u.%u/%d", low[0], low[1], low[2], low[3] + 1, prefix);
}

static void put_network(struct arena *a, const struct container *c,
                        struct gantry_metadata_network_list *ret)
{
    struct gantry_metadata_network *n = LIST_PUSH(a, ret);
    const struct net *net = c->task->engine->host->net;
    const struct string_list *dns = &c->def->dns_servers;
    const struct string_list *search = &c->def->dns_search_domains;
    n->network_mode = mode_name(c->task);
    if (c->task->host->interface) {
        put_interface(a, c, c->task->host->interface, n);
        return;
    }
    if (!net || !c->net.address[0])
        return;
    push(a, &n->ipv4_addresses, c->net.address);
    n->mac_address = c->net.mac;
    n->ipv4_subnet_cidr_block = net_subnet(net);
    n->subnet_gateway_ipv4_address =
        arena_printf(a, "%s/%d", net_gateway(net), c->net.prefix_len);
    for (size_t i = 0; i < dns->n; i++)
        push(a, &n->domain_name_servers, dns->v[i]);
    for (size_t i = 0; i < search->n; i++)
        push(a, &n->domain_name_search_list, search->v[i]);
}

static const struct ecs_volume *find_volume(const struct task *t, const char *name)
{
    const struct ecs_volume_list *l = &t->host->task_definition->volumes;
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].name, name))
            return &l->v[i];
    return NULL;
}

static void put_volumes(struct arena *a, const struct container *c,
                        struct gantry_metadata_volume_list *ret)
{
    const struct ecs_mount_point_list *l = &c->def->mount_points;
    for (size_t i = 0; i < l->n; i++) {
        const struct ecs_volume *v = find_volume(c->task, l->v[i].source_volume);
        bool on_host = v && v->host && !str_empty(v->host->source_path);
        *LIST_PUSH(a, ret) = (struct gantry_metadata_volume){
            .docker_name = on_host ? NULL : l->v[i].source_volume,
            .source = on_host ? v->host->source_path : NULL,
            .destination = l->v[i].container_path};
    }
}

static void put_limits(struct arena *a, const struct container *c,
                       struct gantry_metadata_container *ret)
{
    struct cgroup_limits limits;
    const struct ecs_container_override *o =
        container_override_find(c->task->host->overrides, c->name);
    int64_t cpu = o && o->cpu.set ? o->cpu.v : c->def->cpu.set ? c->def->cpu.v : 0;
    container_limits(c->task->host, c->def, &limits);
    ret->limits = arena_new(a, struct gantry_metadata_limits);
    ret->limits->cpu = SET_DOUBLE((double)cpu);
    if (limits.memory_max_bytes > 0)
        ret->limits->memory = SET_LONG(limits.memory_max_bytes / MIB);
}

static void put_log(const struct container *c, struct gantry_metadata_container *ret)
{
    const struct ecs_log_configuration *l = c->def->log_configuration;
    ret->log_driver =
        l ? wire_enum_name(&ecs_log_driver_shape, (int)l->log_driver) : "json-file";
    if (l)
        ret->log_options = l->options;
}

static void put_health(struct arena *a, const struct container *c,
                       struct gantry_metadata_container *ret)
{
    if (!c->health.status)
        return;
    ret->health = arena_new(a, struct gantry_metadata_health);
    ret->health->status = wire_enum_name(&ecs_health_status_shape, (int)c->health.status);
    ret->health->status_since = time_text(a, c->health.since_ms);
    if (c->health.has_exit_code)
        ret->health->exit_code = SET_INT(c->health.exit_code);
    ret->health->output = c->health.output;
}

static void fill(struct arena *a, const struct container *c,
                 struct gantry_metadata_container *ret)
{
    ret->docker_id = c->id;
    ret->name = c->name;
    ret->docker_name = container_display_name(a, c->task->host, c->name, c->id);
    ret->image = c->def->image;
    ret->image_id = c->image_digest;
    ret->desired_status = c->step == CSTEP_STOPPED ? "STOPPED" : desired(c->task);
    ret->known_status = known_names[container_known(c)];
    if (c->has_exit_code)
        ret->exit_code = SET_INT(c->exit_code);
    ret->created_at = time_text(a, c->created_at_ms);
    ret->started_at =
        time_text(a, c->life_started_ms ? c->life_started_ms : c->started_at_ms);
    ret->finished_at = time_text(a, c->finished_at_ms);
    ret->type = "NORMAL";
    ret->container_arn = c->arn;
    if (streq(c->task->host->launch_type, "FARGATE"))
        ret->snapshotter = "overlayfs";
    if (c->def->restart_policy)
        ret->restart_count = SET_INT(c->restart_count);
    put_health(a, c, ret);
    put_ports(a, c, &ret->ports);
    put_labels(a, c, &ret->labels);
    put_limits(a, c, ret);
    put_volumes(a, c, &ret->volumes);
    put_log(c, ret);
    put_network(a, c, &ret->networks);
}

struct gantry_metadata_container *metadata_container(struct arena *a,
                                                     const struct container *c)
{
    struct gantry_metadata_container *m = arena_new(a, struct gantry_metadata_container);
    fill(a, c, m);
    return m;
}

/* ---- a task ---- */

static void put_task_limits(struct arena *a, const struct task *t,
                            struct gantry_metadata_task *ret)
{
    const struct ecs_task_definition *def = t->host->task_definition;
    const struct ecs_task_override *o = t->host->overrides;
    int64_t cpu = task_size_parse(o && o->cpu ? o->cpu : def->cpu);
    int64_t memory = task_size_parse(o && o->memory ? o->memory : def->memory);
    if (cpu <= 0 && memory <= 0)
        return;
    ret->limits = arena_new(a, struct gantry_metadata_limits);
    if (cpu > 0)
        ret->limits->cpu = SET_DOUBLE((double)cpu / 1024);
    if (memory > 0)
        ret->limits->memory = SET_LONG(memory);
}

/* As the kernel knows its own clock; Fargate alone tells it. */
static void put_clock(struct arena *a, struct gantry_metadata_task *ret)
{
    struct timex tx = {0};
    int state = adjtimex(&tx);
    ret->clock_drift = arena_new(a, struct gantry_metadata_clock_drift);
    ret->clock_drift->reference_timestamp = time_text(a, clock_wall_ms());
    ret->clock_drift->clock_error_bound = SET_DOUBLE((double)tx.maxerror / 1000);
    ret->clock_drift->clock_synchronization_status =
        state == TIME_ERROR || state < 0 ? "NOT_SYNCHRONIZED" : "SYNCHRONIZED";
}

struct gantry_metadata_task *metadata_task(struct arena *a, const struct task *t)
{
    struct gantry_metadata_task *m = arena_new(a, struct gantry_metadata_task);
    const struct gantry_host_task *h = t->host;
    bool fargate = streq(h->launch_type, "FARGATE");
    m->cluster = fargate ? h->cluster_arn : h->cluster_name;
    m->task_arn = h->task_arn;
    m->family = h->task_definition->family;
    m->revision = arena_printf(a, "%d", (int)h->task_definition->revision.v);
    m->desired_status = desired(t);
    m->known_status = known_names[task_known(t)];
    m->pull_started_at = time_text(a, t->pull_started_at_ms);
    m->pull_stopped_at = time_text(a, t->pull_stopped_at_ms);
    m->execution_stopped_at = time_text(a, t->execution_stopped_at_ms);
    m->availability_zone = h->availability_zone;
    m->launch_type = h->launch_type;
    m->group = h->group;
    m->service_name = h->service_name;
    if (h->interface)
        m->vpcid = h->interface->vpc_id;
    put_task_limits(a, t, m);
    if (fargate)
        put_clock(a, m);
    m->fault_injection_enabled = h->task_definition->enable_fault_injection;
    for (size_t i = 0; i < t->container_count; i++)
        fill(a, &t->containers[i], LIST_PUSH(a, &m->containers));
    return m;
}
