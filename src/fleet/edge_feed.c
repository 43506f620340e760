#include "edge_feed.h"

#include <stdlib.h>

#include "connection.h"
#include "ec2.h"
#include "elbv2.h"

#define PING "{\"kind\":\"PING\"}\n"

struct edge {
    struct connection conn;
    struct edge_feed *feed;
};

struct edge_feed {
    struct core *core;
    struct connection_ops ops;
    struct edge *edge; /* NULL: none is connected */
    struct edge_traffic *traffic;
};

/* ---- the connection ---- */

static void release(struct connection *conn)
{
    free(list_entry(conn, struct edge, conn));
}

static void drop(struct core *core, struct edge *e)
{
    e->feed->edge = NULL;
    connection_drop(core, &e->conn);
}

static void lost(struct core *core, struct connection *conn)
{
    drop(core, list_entry(conn, struct edge, conn));
}

static void encode(struct str *ret, const struct gantry_edge_message *m)
{
    wire_json_encode(ret, &gantry_edge_message_shape, m);
    str_addc(ret, '\n');
}

static void send_message(void *ctx, struct core *core,
                         const struct gantry_edge_message *m)
{
    struct edge_feed *f = ctx;
    struct str line = STR_INIT;
    if (!f->edge)
        return;
    encode(&line, m);
    connection_send(core, &f->edge->conn, &line);
}

/* ---- what ec2 has to say ---- */

static void vpc(void *ctx, struct core *core, const struct gantry_edge_vpc *v)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_VPC,
        .vpc = (struct gantry_edge_vpc *)(uintptr_t)v,
    };
    send_message(ctx, core, &m);
}

static void vpc_gone(void *ctx, struct core *core, const char *vpc_id)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_VPC_GONE,
        .vpc_id = vpc_id,
    };
    send_message(ctx, core, &m);
}

static void interface(void *ctx, struct core *core, const struct gantry_edge_interface *i)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_INTERFACE,
        .interface = (struct gantry_edge_interface *)(uintptr_t)i,
    };
    send_message(ctx, core, &m);
}

static void interface_gone(void *ctx, struct core *core, const char *vpc_id,
                           const char *interface_id)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_INTERFACE_GONE,
        .vpc_id = vpc_id,
        .id = interface_id,
    };
    send_message(ctx, core, &m);
}

static void instance(void *ctx, struct core *core, const struct gantry_edge_instance *i)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_INSTANCE,
        .instance = (struct gantry_edge_instance *)(uintptr_t)i,
    };
    send_message(ctx, core, &m);
}

static void instance_gone(void *ctx, struct core *core, const char *instance_id)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_INSTANCE_GONE,
        .id = instance_id,
    };
    send_message(ctx, core, &m);
}

static const struct ec2_edge_ops ec2_ops = {
    .vpc = vpc,
    .vpc_gone = vpc_gone,
    .interface = interface,
    .interface_gone = interface_gone,
    .instance = instance,
    .instance_gone = instance_gone,
};

/* ---- what elbv2 has to say ---- */

static void balancer(void *ctx, struct core *core, const struct gantry_edge_balancer *b)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_BALANCER,
        .balancer = (struct gantry_edge_balancer *)(uintptr_t)b,
    };
    send_message(ctx, core, &m);
}

static void balancer_gone(void *ctx, struct core *core, const char *arn)
{
    struct edge_feed *f = ctx;
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_BALANCER_GONE,
        .id = arn,
    };
    edge_traffic_forget(f->traffic, arn);
    send_message(ctx, core, &m);
}

static void targets(void *ctx, struct core *core,
                    const struct gantry_edge_target_group *group)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_TARGETS,
        .target_group = (struct gantry_edge_target_group *)(uintptr_t)group,
    };
    send_message(ctx, core, &m);
}

static void targets_gone(void *ctx, struct core *core, const char *group_arn)
{
    struct gantry_edge_message m = {
        .kind = GANTRY_EDGE_MESSAGE_KIND_TARGETS_GONE,
        .id = group_arn,
    };
    send_message(ctx, core, &m);
}

static const struct elbv2_edge_ops elbv2_ops = {
    .balancer = balancer,
    .balancer_gone = balancer_gone,
    .targets = targets,
    .targets_gone = targets_gone,
};

/* ---- */

struct edge_feed *edge_feed_new(struct core *core, const struct fleet_config *config)
{
    struct edge_feed *f = xcalloc(1, sizeof(*f));
    f->core = core;
    f->ops = (struct connection_ops){
        .submit = config->submit,
        .ctx = config->ctx,
        .ping_ms = config->ping_ms ? config->ping_ms : FLEET_PING_MS,
        .ping = PING,
        .lost = lost,
        .release = release,
    };
    f->traffic = edge_traffic_new();
    ec2_set_edge_ops(core, &ec2_ops, f);
    elbv2_set_edge_ops(core, &elbv2_ops, f);
    return f;
}

void edge_feed_free(struct edge_feed *f)
{
    if (!f)
        return;
    ec2_set_edge_ops(f->core, NULL, NULL);
    elbv2_set_edge_ops(f->core, NULL, NULL);
    if (f->edge)
        connection_end(f->core, &f->edge->conn);
    edge_traffic_free(f->traffic);
    free(f);
}

void edge_feed_connect(struct edge_feed *f, struct core *core, struct http_request *req)
{
    struct gantry_edge_message m = {.kind = GANTRY_EDGE_MESSAGE_KIND_DESIRED};
    struct arena *a = core_scratch(core);
    struct str line = STR_INIT;
    if (f->edge)
        drop(core, f->edge);
    ec2_edge_desired(core, a, &m.vpcs, &m.interfaces, &m.instances);
    elbv2_edge_desired(core, a, &m.balancers, &m.target_groups);
    encode(&line, &m);
    f->edge = xcalloc(1, sizeof(*f->edge));
    f->edge->feed = f;
    connection_open(core, &f->edge->conn, &f->ops, req, &line);
}

void edge_feed_report(struct edge_feed *f, struct core *core,
                      const struct gantry_edge_report *report)
{
    for (size_t i = 0; i < report->instances.n; i++)
        if (report->instances.v[i].instance_id)
            ec2_edge_instance_state(core, &report->instances.v[i]);
    for (size_t i = 0; i < report->balancers.n; i++)
        if (report->balancers.v[i].load_balancer_arn)
            elbv2_edge_balancer_state(core, &report->balancers.v[i]);
    for (size_t i = 0; i < report->target_health.n; i++)
        if (report->target_health.v[i].target_group_arn)
            elbv2_edge_health(core, &report->target_health.v[i]);
    edge_traffic_add(f->traffic, report);
}

bool edge_feed_connected(const struct edge_feed *f)
{
    return f->edge != NULL;
}

struct edge_traffic *edge_feed_traffic(struct edge_feed *f)
{
    return f->traffic;
}
