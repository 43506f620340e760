#include "host_room.h"

#include "str.h"

int64_t task_size_parse(const char *text)
{
    int64_t v;
    return text && str_to_i64(text, 0, INT32_MAX, &v) ? v : 0;
}

const struct ecs_container_override *
container_override_find(const struct ecs_task_override *overrides, const char *name)
{
    for (size_t i = 0; overrides && i < overrides->container_overrides.n; i++)
        if (streq(overrides->container_overrides.v[i].name, name))
            return &overrides->container_overrides.v[i];
    return NULL;
}

static int64_t first_set(struct opt_int a, struct opt_int b)
{
    return a.set ? a.v : b.set ? b.v : 0;
}

static void sum_containers(const struct ecs_task_definition *def,
                           const struct ecs_task_override *overrides, int64_t *ret_cpu,
                           int64_t *ret_memory)
{
    static const struct ecs_container_override none;
    *ret_cpu = *ret_memory = 0;
    for (size_t i = 0; i < def->container_definitions.n; i++) {
        const struct ecs_container_definition *c = &def->container_definitions.v[i];
        const struct ecs_container_override *o =
            container_override_find(overrides, c->name);
        if (!o)
            o = &none;
        *ret_cpu += first_set(o->cpu, c->cpu);
        struct opt_int soft =
            o->memory_reservation.set ? o->memory_reservation : c->memory_reservation;
        struct opt_int hard = o->memory.set ? o->memory : c->memory;
        *ret_memory += first_set(soft, hard);
    }
}

static void collect_ports(struct arena *a, const struct ecs_task_definition *def,
                          struct task_need *ret)
{
    size_t most = 0;
    if (def->network_mode == ECS_NETWORK_MODE_AWSVPC)
        return; /* ports of an address of its own */
    for (size_t i = 0; i < def->container_definitions.n; i++)
        most += def->container_definitions.v[i].port_mappings.n;
    uint16_t *tcp = arena_new_array(a, uint16_t, most + 1);
    uint16_t *udp = arena_new_array(a, uint16_t, most + 1);
    for (size_t i = 0; i < def->container_definitions.n; i++) {
        const struct ecs_port_mapping_list *l =
            &def->container_definitions.v[i].port_mappings;
        for (size_t k = 0; k < l->n; k++) {
            int32_t port = l->v[k].host_port.set ? l->v[k].host_port.v : 0;
            if (port <= 0 || port > 65535)
                continue;
            if (l->v[k].protocol == ECS_TRANSPORT_PROTOCOL_UDP)
                udp[ret->udp_count++] = (uint16_t)port;
            else
                tcp[ret->tcp_count++] = (uint16_t)port;
        }
    }
    ret->tcp = tcp;
    ret->udp = udp;
}

void task_need_of(struct arena *a, const struct ecs_task_definition *def,
                  const struct ecs_task_override *overrides, struct task_need *ret)
{
    int64_t cpu, memory;
    struct task_need need = {0};
    sum_containers(def, overrides, &cpu, &memory);
    const char *task_cpu = overrides && overrides->cpu ? overrides->cpu : def->cpu;
    const char *task_memory =
        overrides && overrides->memory ? overrides->memory : def->memory;
    need.cpu_units = task_cpu ? task_size_parse(task_cpu) : cpu;
    need.memory_mib = task_memory ? task_size_parse(task_memory) : memory;
    if (def->network_mode != ECS_NETWORK_MODE_AWSVPC)
        collect_ports(a, def, &need);
    *ret = need;
}

static bool port_is_set(const struct port_set *s, uint16_t port)
{
    return s->bits[port / 64] >> (port % 64) & 1;
}

static void ports_change(struct port_set *s, const uint16_t *ports, size_t n, bool taken)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bit = 1ull << (ports[i] % 64);
        if (taken)
            s->bits[ports[i] / 64] |= bit;
        else
            s->bits[ports[i] / 64] &= ~bit;
    }
}

static bool ports_free(const struct port_set *s, const uint16_t *ports, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (port_is_set(s, ports[i]))
            return false;
    return true;
}

bool host_room_fits(const struct host_room *room, const struct task_need *need)
{
    return room->cpu_used + need->cpu_units <= room->cpu_units &&
           room->memory_used + need->memory_mib <= room->memory_mib &&
           ports_free(&room->tcp, need->tcp, need->tcp_count) &&
           ports_free(&room->udp, need->udp, need->udp_count);
}

void host_room_take(struct host_room *room, const struct task_need *need)
{
    room->cpu_used += need->cpu_units;
    room->memory_used += need->memory_mib;
    ports_change(&room->tcp, need->tcp, need->tcp_count, true);
    ports_change(&room->udp, need->udp, need->udp_count, true);
}

void host_room_give_back(struct host_room *room, const struct task_need *need)
{
    room->cpu_used -= need->cpu_units;
    room->memory_used -= need->memory_mib;
    ports_change(&room->tcp, need->tcp, need->tcp_count, false);
    ports_change(&room->udp, need->udp, need->udp_count, false);
}
