/* Rules of networking: port mappings, and what a network mode forbids. */
#include <stdlib.h>

#include "str.h"
#include "taskdef_private.h"

typedef struct ecs_container_definition container;
typedef struct ecs_port_mapping mapping;

#define MAX_RANGES 100

bool taskdef_port_range(const char *text, int32_t *ret_low, int32_t *ret_high)
{
    char low[8];
    int64_t from, to;
    const char *dash = strchr(text, '-');
    if (!dash || (size_t)(dash - text) >= sizeof(low))
        return false;
    memcpy(low, text, (size_t)(dash - text));
    low[dash - text] = '\0';
    if (!str_to_i64(low, 1, 65535, &from) || !str_to_i64(dash + 1, from, 65535, &to))
        return false;
    *ret_low = (int32_t)from;
    *ret_high = (int32_t)to;
    return true;
}

/* The ports that a mapping covers inside the container. */
static void covered(const mapping *m, int32_t *ret_low, int32_t *ret_high)
{
    *ret_low = *ret_high = m->container_port.v;
    if (m->container_port_range)
        taskdef_port_range(m->container_port_range, ret_low, ret_high);
}

static int check_mapping(const taskdef_request *def, const container *c, const mapping *m,
                         struct ecs_taskdef_error *err)
{
    int32_t low, high;
    if (m->container_port.set && m->container_port_range)
        return taskdef_bad(err, "cannot specify both single port and port range");
    if (m->container_port_range &&
        (m->host_port.set || !taskdef_port_range(m->container_port_range, &low, &high)))
        return taskdef_bad(
            err, "Invalid 'containerPortRange' setting for container '%s'.", c->name);
    if (m->container_port_range && def->network_mode == ECS_NETWORK_MODE_HOST)
        return taskdef_bad(
            err,
            "Invalid 'containerPortRange' setting for container '%s'. Port "
            "ranges are only supported when networkMode is bridge or awsvpc.",
            c->name);
    if (!m->container_port_range && (!m->container_port.set || m->container_port.v < 1 ||
                                     m->container_port.v > 65535))
        return taskdef_bad(err, "Invalid 'containerPort' setting for container '%s'.",
                           c->name);
    if (m->host_port.v < 0 || m->host_port.v > 65535)
        return taskdef_bad(err, "Invalid 'hostPort' setting for container '%s'.",
                           c->name);
    bool same = def->network_mode == ECS_NETWORK_MODE_AWSVPC ||
                def->network_mode == ECS_NETWORK_MODE_HOST;
    if (same && m->host_port.v != 0 && m->host_port.v != m->container_port.v)
        return taskdef_bad(err,
                           "When networkMode=%s, the host ports and container ports in "
                           "port mappings must "
                           "match.",
                           def->network_mode == ECS_NETWORK_MODE_AWSVPC ? "awsvpc"
                                                                        : "host");
    return 0;
}

static bool same_host_port(const taskdef_request *def, const mapping *a, const mapping *b)
{
    bool a_udp = a->protocol == ECS_TRANSPORT_PROTOCOL_UDP;
    bool b_udp = b->protocol == ECS_TRANSPORT_PROTOCOL_UDP;
    return def->network_mode <= ECS_NETWORK_MODE_BRIDGE && a->host_port.v != 0 &&
           a->host_port.v == b->host_port.v && a_udp == b_udp;
}

/* Two mappings: of one container always, of two only where they share a network. One
 * port may not carry both protocols either (API reference, PortMapping). */
static int check_pair(const taskdef_request *def, const container *c, const mapping *m,
                      const container *other, const mapping *n,
                      struct ecs_taskdef_error *err)
{
    int32_t low, high, other_low, other_high;
    covered(m, &low, &high);
    covered(n, &other_low, &other_high);
    bool shared = c == other || def->network_mode == ECS_NETWORK_MODE_AWSVPC ||
                  def->network_mode == ECS_NETWORK_MODE_HOST;
    if (shared && low <= other_high && other_low <= high)
        return taskdef_bad(
            err,
            "Invalid 'containerPort' setting for container '%s'. '%d' is used "
            "multiple times in task",
            c->name, low > other_low ? low : other_low);
    if (same_host_port(def, m, n))
        return taskdef_bad(err,
                           "Invalid 'hostPort' setting for container '%s'. '%d' is used "
                           "multiple times in task",
                           c->name, m->host_port.v);
    if (m->name && streq(m->name, n->name))
        return taskdef_bad(err, "The port name '%s' is used multiple times in task",
                           m->name);
    return 0;
}

static int check_against_earlier(const taskdef_request *def, const container *c,
                                 const mapping *m, struct ecs_taskdef_error *err)
{
    FOR_EACH(other, &def->container_definitions)
    {
        FOR_EACH(n, &other->port_mappings)
        {
            if (n == m)
                return 0;
            int r = check_pair(def, c, m, other, n, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int check_mappings(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    size_t ranges = 0;
    FOR_EACH(c, &def->container_definitions)
    {
        if (c->port_mappings.n && def->network_mode == ECS_NETWORK_MODE_NONE)
            return taskdef_bad(err,
                               "Port mappings are not supported when networkMode=none");
        FOR_EACH(m, &c->port_mappings)
        {
            int r = check_mapping(def, c, m, err);
            if (r == 0)
                r = check_against_earlier(def, c, m, err);
            if (r < 0)
                return r;
            ranges += m->container_port_range != NULL;
        }
    }
    if (ranges > MAX_RANGES)
        return taskdef_bad(err, "The maximum number of port ranges is %d", MAX_RANGES);
    return 0;
}

static int check_links(const taskdef_request *def, const container *c,
                       struct ecs_taskdef_error *err)
{
    static const char *const modes[] = {"bridge", "bridge", "host", "awsvpc", "none"};
    if (c->links.n && def->network_mode > ECS_NETWORK_MODE_BRIDGE)
        return taskdef_bad(err, "Links are not supported when networkMode=%s",
                           modes[def->network_mode]);
    return 0;
}

static int check_awsvpc(const container *c, struct ecs_taskdef_error *err)
{
    if (!str_empty(c->hostname))
        return taskdef_bad(
            err, "hostname is not supported on container when networkMode=awsvpc");
    if (c->extra_hosts.n)
        return taskdef_bad(err, "Extra hosts are not supported when networkMode=awsvpc");
    if (c->dns_servers.n)
        return taskdef_bad(
            err, "DNS servers are not supported on container when networkMode=awsvpc");
    if (c->dns_search_domains.n)
        return taskdef_bad(
            err,
            "DNS search domains are not supported on container when networkMode=awsvpc");
    if (c->disable_networking.v)
        return taskdef_bad(
            err,
            "Disable Networking is not supported on container when networkMode=awsvpc");
    return 0;
}

int taskdef_check_ports(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    FOR_EACH(c, &def->container_definitions)
    {
        int r = check_links(def, c, err);
        if (r == 0 && def->network_mode == ECS_NETWORK_MODE_AWSVPC)
            r = check_awsvpc(c, err);
        if (r < 0)
            return r;
    }
    return check_mappings(def, err);
}
