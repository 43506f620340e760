#include "task_interface.h"

#include <stdio.h>
#include <string.h>

#include "ec2.h"
#include "task_network.h"

#define TYPE "ElasticNetworkInterface"
#define LATE "Timeout waiting for network interface provisioning to complete."

/* ---- the index ---- */

static int by_attachment(const struct task *a, const struct task *b)
{
    return strcmp(a->attachment_id, b->attachment_id);
}
TREE_GENERATE(attachment_tree, task, attachment_node, by_attachment)

static void index_add(struct core *core, struct task *t, const char *id)
{
    snprintf(t->attachment_id, sizeof(t->attachment_id), "%s", id);
    RB_INSERT(attachment_tree, &ecs_of(core)->attachments, t);
}

void task_interface_unlink(struct core *core, struct task *t)
{
    wake_cancel(core, &t->interface);
    if (!t->attachment_id[0])
        return;
    RB_REMOVE(attachment_tree, &ecs_of(core)->attachments, t);
    t->attachment_id[0] = '\0';
}

struct task *task_by_attachment(struct core *core, const char *attachment_arn)
{
    struct task want;
    snprintf(want.attachment_id, sizeof(want.attachment_id), "%s",
             ecs_last_segment(attachment_arn));
    return RB_FIND(attachment_tree, &ecs_of(core)->attachments, &want);
}

bool task_has_attachment(const struct task *t, const char *attachment_arn)
{
    return t->attachment_id[0] &&
           streq(t->attachment_id, ecs_last_segment(attachment_arn));
}

/* ---- the attachment ---- */

static struct ecs_attachment *attachment_of(const struct task *t)
{
    const struct ecs_attachment_list *l = &t->rec->task->attachments;
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].type, TYPE))
            return &l->v[i];
    return NULL;
}

static const char *const order[] = {"PRECREATED", "CREATED",  "ATTACHING", "ATTACHED",
                                    "DETACHING",  "DETACHED", "DELETED"};

static size_t rank(const char *status)
{
    size_t i = 0;
    while (i < sizeof(order) / sizeof(order[0]) && !streq(order[i], status))
        i++;
    return i;
}

/* Never backwards: reports may be late. The status is one of the above. */
static bool advance(struct task *t, const char *status)
{
    struct ecs_attachment *at = attachment_of(t);
    if (!at || rank(status) <= rank(at->status))
        return false;
    at->status = order[rank(status)];
    return true;
}

static void add_detail(struct arena *a, struct ecs_attachment *at, const char *name,
                       const char *value)
{
    struct ecs_key_value_pair *d = LIST_PUSH(a, &at->details);
    d->name = name;
    d->value = arena_strdup(a, value);
}

static const char *detail(const struct task *t, const char *name)
{
    const struct ecs_attachment *at = attachment_of(t);
    for (size_t i = 0; at && i < at->details.n; i++)
        if (streq(at->details.v[i].name, name))
            return at->details.v[i].value;
    return NULL;
}

const char *task_interface_subnet(const struct task *t)
{
    return detail(t, "subnetId");
}

static const char *attachment_arn(struct arena *a, const struct task *t)
{
    return ecs_arn(a, t->cluster->region, t->cluster->account, "attachment/%s",
                   t->attachment_id);
}

bool task_interface_awaited(const struct task *t)
{
    return t->attachment_id[0] && !t->rec->interface_id;
}

/* ---- making it ---- */

/* Those of ECS's own tags that the task has: people find its interface by them. */
static void copy_tags(struct arena *a, const struct task *t, struct ec2_tag_list *ret)
{
    const struct ecs_tag_list *l = &t->rec->task->tags;
    for (size_t i = 0; i < l->n; i++)
        if (str_starts(l->v[i].key, "aws:ecs:"))
            *LIST_PUSH(a, ret) = (struct ec2_tag){l->v[i].key, l->v[i].value};
}

static void note(struct task *t, const struct ec2_interface_info *info)
{
    struct arena *a = &t->o.arena;
    struct ecs_task *rec = t->rec->task;
    struct ecs_attachment *at = attachment_of(t);
    at->details = (struct ecs_key_value_pair_list){.set = true};
    add_detail(a, at, "subnetId", info->subnet_id);
    add_detail(a, at, "networkInterfaceId", info->interface_id);
    add_detail(a, at, "macAddress", info->mac);
    add_detail(a, at, "privateDnsName", info->private_dns_name);
    add_detail(a, at, "privateIPv4Address", info->private_ip);
    t->rec->interface_id = arena_strdup(a, info->interface_id);
    for (size_t i = 0; i < rec->containers.n; i++) {
        struct ecs_network_interface_list *l = &rec->containers.v[i].network_interfaces;
        *l = (struct ecs_network_interface_list){.set = true};
        struct ecs_network_interface *x = LIST_PUSH(a, l);
        x->attachment_id = at->id;
        x->private_ipv4_address = detail(t, "privateIPv4Address");
    }
    if (rec->launch_type == ECS_LAUNCH_TYPE_FARGATE)
        rec->availability_zone = arena_strdup(a, info->availability_zone);
}

static const char *why_not(struct core *core, const char *subnet, bool public_ip, int r,
                           const struct error *err)
{
    return arena_printf(
        core_scratch(core),
        "Unexpected EC2 error while attempting to Create Network "
        "Interface%s in subnet '%s': %s",
        public_ip ? " with public IP assignment enabled" : "", subnet ? subnet : "",
        r == -E_FULL && !public_ip ? "InsufficientFreeAddressesInSubnet" : err->text);
}

/* Whose metadata it may ask: a Fargate task has no instance that anybody sees. */
static const char *instance_of(const struct task *t)
{
    bool fargate = t->rec->task->launch_type == ECS_LAUNCH_TYPE_FARGATE;
    return t->instance && !fargate ? t->instance->ec2_id : NULL;
}

/* NULL: it is made; else why not. */
static const char *make(struct core *core, struct task *t)
{
    const struct ecs_aws_vpc_configuration *v = t->rec->network->awsvpc_configuration;
    struct arena *a = core_scratch(core);
    struct ec2_tag_list tags = {0};
    struct ec2_interface_info info;
    struct error err;
    copy_tags(a, t, &tags);
    struct ec2_interface_want want = {
        .scope = {t->cluster->account, t->cluster->region},
        .subnet_id = task_network_subnet(core, t),
        .group_ids = v->security_groups,
        .public_ip = v->assign_public_ip == ECS_ASSIGN_PUBLIC_IP_ENABLED,
        .description = attachment_arn(a, t),
        .interface_type = "interface",
        .requester_id = "amazon-ecs",
        .use = GANTRY_EDGE_INTERFACE_USE_TASK,
        .owner = t->rec->task->task_arn,
        .instance_id = instance_of(t),
        .tags = &tags,
    };
    int r = ec2_interface_create(core, &want, &info, &err);
    if (r < 0)
        return why_not(core, want.subnet_id ? want.subnet_id : v->subnets.v[0],
                       want.public_ip, r, &err);
    note(t, &info);
    advance(t, "ATTACHING");
    t->rec->interface_deadline =
        SET_TIME(core_now_ms(core) + ecs_of(core)->settings.interface_timeout_ms);
    return NULL;
}

/* ---- what it needs next ---- */

static void await_host(struct core *core, struct task *t)
{
    if (t->status != TASK_PROVISIONING)
        return;
    if (core_now_ms(core) < t->rec->interface_deadline.v)
        wake_at(core, &t->interface, t->rec->interface_deadline.v);
    else
        task_stop(core, t, ECS_TASK_STOP_CODE_TASK_FAILED_TO_START, LATE);
}

static void look(struct core *core, struct wake *w)
{
    struct task *t = list_entry(w, struct task, interface);
    const char *why = NULL;
    if (!t->instance || !t->attachment_id[0])
        return;
    if (t->rec->interface_id) {
        await_host(core, t);
        return;
    }
    if (!t->stopping)
        why = make(core, t);
    if (t->stopping || why) { /* no host has heard of it */
        task_report_stopped(core, t, why);
        return;
    }
    task_changed(core, t);
    task_tell_host(core, t);
    await_host(core, t);
}

void task_interface_init(struct task *t)
{
    wake_init(&t->interface, look);
}

void task_interface_want(struct core *core, struct task *t,
                         const struct ecs_network_configuration *net)
{
    struct arena *a = &t->o.arena;
    bool awsvpc = taskdef_of(t->taskdef)->network_mode == ECS_NETWORK_MODE_AWSVPC;
    if (!awsvpc || !net || !net->awsvpc_configuration)
        return;
    t->rec->network = wire_copy(a, &ecs_network_configuration_shape, net);
    struct ecs_attachment *at = LIST_PUSH(a, &t->rec->task->attachments);
    at->id = ecs_new_uuid(core, a);
    at->type = TYPE;
    at->status = "PRECREATED";
    at->details.set = true;
    if (net->awsvpc_configuration->subnets.n == 1)
        add_detail(a, at, "subnetId", net->awsvpc_configuration->subnets.v[0]);
    index_add(core, t, at->id);
}

void task_interface_placed(struct core *core, struct task *t)
{
    if (t->attachment_id[0])
        wake_now(core, &t->interface);
}

void task_interface_loaded(struct core *core, struct task *t)
{
    const struct ecs_attachment *at = attachment_of(t);
    if (!at)
        return;
    index_add(core, t, at->id);
    if (t->instance)
        task_interface_placed(core, t);
}

/* ---- after a start ---- */

static struct task *task_of_arn(struct core *core, const struct ec2_scope *s,
                                const char *task_arn)
{
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (str_empty(task_arn) || !arn_parse(a, task_arn, &arn) ||
        !str_starts(arn.resource, "task/"))
        return NULL;
    return table_find(ecs_of(core)->tasks, ecs_key(a, "task", s->account, s->region,
                                                   arn.resource + strlen("task/")));
}

static void remove_lost(struct core *core, const struct ec2_scope *s,
                        const char *interface_id, const char *owner)
{
    const struct task *t = task_of_arn(core, s, owner);
    if (!t || !streq(t->rec->interface_id, interface_id))
        ec2_interface_delete(core, s, interface_id);
}

static void sweep(struct core *core, struct wake *w)
{
    ec2_interfaces_each(core, GANTRY_EDGE_INTERFACE_USE_TASK, remove_lost);
}

void task_interfaces_begin(struct core *core)
{
    struct ecs *ecs = ecs_of(core);
    wake_init(&ecs->interface_sweep, sweep);
    wake_now(core, &ecs->interface_sweep);
}

/* ---- what its host says ---- */

void task_interface_report(struct core *core, struct task *t, const char *status)
{
    bool attached = streq(status, "ATTACHED");
    bool known = attached || streq(status, "DETACHING") || streq(status, "DETACHED");
    if (!known || !t->rec->interface_id || !advance(t, status))
        return;
    if (attached)
        task_report_attached(core, t);
    else
        task_report_detaching(core, t);
    task_changed(core, t);
}

void task_interface_end(struct core *core, struct task *t)
{
    struct ec2_scope s = {t->cluster->account, t->cluster->region};
    if (!t->attachment_id[0])
        return;
    if (t->rec->interface_id)
        ec2_interface_delete(core, &s, t->rec->interface_id);
    t->rec->interface_id = NULL;
    t->rec->interface_deadline = (struct opt_time){0};
    t->rec->network = NULL;
    advance(t, "DELETED");
    task_interface_unlink(core, t);
}

struct gantry_host_interface *task_interface_host(struct core *core, const struct task *t,
                                                  struct arena *a)
{
    struct ec2_scope s = {t->cluster->account, t->cluster->region};
    struct gantry_host_interface *x = arena_new(a, struct gantry_host_interface);
    struct error ignored;
    if (!t->rec->interface_id ||
        ec2_interface_host(core, &s, t->rec->interface_id, a, x, &ignored) < 0)
        return NULL;
    x->attachment_id = t->attachment_id;
    x->attachment_arn = attachment_arn(a, t);
    return x;
}
