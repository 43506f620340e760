/* Container instances: registered by their agents, indexed for the scheduler. */
#include <string.h>

#include "account_settings.h"
#include "agent_update.h"
#include "capacity_provider.h"
#include "cluster_images.h"
#include "ec2.h"
#include "ecs_events.h"
#include "fargate.h"
#include "gpu.h"
#include "instance.h"
#include "instance_ec2.h"
#include "page.h"
#include "provisioning.h"
#include "service_daemon.h"
#include "service_zones.h"
#include "task_credentials.h"
#include "task_interface.h"

bool instance_active(const struct instance *i)
{
    return streq(i->rec->instance->status, "ACTIVE");
}

bool instance_draining(const struct instance *i)
{
    return streq(i->rec->instance->status, "DRAINING");
}

static const struct ecs_resource *resource_named(const struct ecs_resource_list *l,
                                                 const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].name, name))
            return &l->v[i];
    return NULL;
}

static int64_t resource_amount(const struct ecs_resource_list *l, const char *name)
{
    const struct ecs_resource *r = resource_named(l, name);
    return !r ? 0 : r->long_value.v ? r->long_value.v : r->integer_value.v;
}

static void resource_ports(const struct ecs_resource_list *l, const char *name,
                           struct port_set *ret)
{
    const struct ecs_resource *r = resource_named(l, name);
    int64_t port;
    for (size_t i = 0; r && i < r->string_set_value.n; i++)
        if (str_to_i64(r->string_set_value.v[i], 1, 65535, &port))
            port_set_add(ret, (uint16_t)port);
}

static const char *value_of(const struct ecs_attribute_list *l, const char *name)
{
    for (size_t n = 0; n < l->n; n++)
        if (streq(l->v[n].name, name))
            return l->v[n].value ? l->v[n].value : "";
    return NULL;
}

/* Interfaces for tasks in network mode awsvpc; 0: without a limit. */
static int32_t interface_limit(struct core *core, const struct instance *i)
{
    const char *type = value_of(&i->rec->instance->attributes, "ecs.instance-type");
    const char *trunking = account_default(core, i->cluster->account, i->cluster->region,
                                           ECS_SETTING_NAME_AWSVPC_TRUNKING);
    return type ? (int32_t)ec2_task_interface_limit(type, streq(trunking, "enabled")) : 0;
}

void instance_reindex(struct core *core, struct instance *i)
{
    const struct ecs_container_instance *ci = i->rec->instance;
    struct arena *a = core_scratch(core);
    struct place_attribute *attributes =
        arena_new_array(a, struct place_attribute, ci->attributes.n);
    for (size_t n = 0; n < ci->attributes.n; n++)
        attributes[n] =
            (struct place_attribute){ci->attributes.v[n].name, ci->attributes.v[n].value};
    struct place_instance_info info = {
        .id = ecs_last_segment(ci->container_instance_arn),
        .owner = i,
        .active = instance_active(i),
        .draining = instance_draining(i),
        .agent_connected = ci->agent_connected.v,
        .agent_version = ci->version_info ? ci->version_info->agent_version : NULL,
        .ec2_instance_id = ci->ec2_instance_id,
        .registered_at_ms = ci->registered_at.v,
        .total = {.cpu = resource_amount(&ci->registered_resources, "CPU"),
                  .memory_mib = resource_amount(&ci->registered_resources, "MEMORY")},
        .attributes = attributes,
        .attribute_count = ci->attributes.n,
        .pool = ci->capacity_provider_name,
    };
    const struct string_list *gpus = gpus_of(i);
    info.total.gpus = gpus ? (int32_t)gpus->n : 0;
    info.total.enis = interface_limit(core, i);
    resource_ports(&ci->registered_resources, "PORTS", &info.total.tcp);
    resource_ports(&ci->registered_resources, "PORTS_UDP", &info.total.udp);
    i->place = place_instance_put(i->cluster->place, &info);
    cluster_images_tell(core, i);
    service_daemons_wake(core, i->cluster);
    place_resources_free(&info.total);
}

void instance_changed(struct core *core, struct instance *i)
{
    i->rec->instance->version = SET_LONG(i->rec->instance->version.v + 1);
    object_save(core, &i->o);
    instance_reindex(core, i);
    event_of_instance(core, i);
}

void instance_room_in(struct core *core, struct cluster *cl)
{
    services_place_again(core, cl);
    provisioning_look(core, cl);
}

void instance_room(struct core *core, struct instance *i)
{
    if (instance_draining(i)) /* the daemons' tasks go after the others */
        service_daemons_wake(core, i->cluster);
    instance_room_in(core, i->cluster);
}

void instance_set_provider(struct core *core, struct instance *i, const char *name)
{
    i->rec->instance->capacity_provider_name = arena_strdup(&i->o.arena, name);
    instance_changed(core, i);
    instance_room(core, i);
}

/* The pool too: its agents say where they belong by its name. */
static struct cluster *cluster_of_hosts(struct call *c, const char *reference)
{
    if (!fargate_pool_named(reference))
        return cluster_require(c, reference);
    struct cluster *pool = fargate_pool(c->core, c->who.account_id, c->region);
    if (!pool)
        call_fault(c, &ecs_cluster_not_found_exception, "Cluster not found.");
    return pool;
}

static void instance_link(struct instance *i, struct cluster *cl)
{
    i->cluster = cl;
    list_init(&i->tasks);
    list_append(&cl->instances, &i->link);
    wake_init(&i->wake, instance_wake);
    wake_init(&i->news, instance_news);
    cl->instance_count++;
}

int instance_loaded(struct core *core, struct object *o, struct error *err)
{
    struct instance *i = (struct instance *)o;
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (!i->rec->instance ||
        !arn_parse(a, i->rec->instance->container_instance_arn, &arn))
        return fail(err, E_CORRUPT, "container instance without an ARN");
    char *name = strchr(arn.resource, '/');
    char *slash = name ? strchr(name + 1, '/') : NULL;
    if (!slash)
        return fail(err, E_CORRUPT, "container instance without a cluster");
    *slash = '\0';
    struct cluster *cl = table_find(
        ecs_of(core)->clusters, ecs_key(a, "cluster", arn.account, arn.region, name + 1));
    if (!cl)
        return fail(err, E_CORRUPT, "cluster '%s' is missing", name + 1);
    instance_link(i, cl);
    instance_ec2_index(core, i);
    /* Its agent has to come back first; it has the grace of a lost stream for that. */
    if (i->rec->instance->agent_connected.v) {
        i->rec->disconnected_at = SET_TIME(core_now_ms(core));
        wake_at(core, &i->wake,
                core_now_ms(core) + ecs_of(core)->settings.disconnect_grace_ms);
    }
    instance_reindex(core, i);
    return 0;
}

void instance_unlink(struct core *core, struct object *o)
{
    struct instance *i = (struct instance *)o;
    instance_ec2_unindex(core, i);
    wake_cancel(core, &i->wake);
    wake_cancel(core, &i->news);
    list_remove(&i->link);
    if (i->place)
        place_instance_remove(i->cluster->place, i->place);
    i->cluster->instance_count--;
}

/* ---- the stream of its agent ---- */

void instance_wake(struct core *core, struct wake *w)
{
    struct instance *i = list_entry(w, struct instance, wake);
    agent_update_tell(core, i);
    if (i->connected || !i->rec->instance->agent_connected.v)
        return;
    i->rec->instance->agent_connected = SET_BOOL(false);
    instance_changed(core, i);
}

int ecs_host_connected(struct core *core, const char *instance_arn, bool connected,
                       struct error *err)
{
    struct instance *i = instance_by_arn(core, instance_arn);
    if (!i)
        return fail(err, E_NOTFOUND, "no container instance '%s'", instance_arn);
    i->connected = connected;
    if (connected) {
        wake_cancel(core, &i->wake);
        if (!i->rec->instance->agent_connected.v) {
            i->rec->instance->agent_connected = SET_BOOL(true);
            instance_changed(core, i);
        }
        cluster_images_tell(core, i);
        instance_room(core, i);
        service_zones_instance(core, i);
        wake_now(core, &i->wake); /* agent_update_tell(), once the stream is there */
    } else {
        wake_at(core, &i->wake,
                core_now_ms(core) + ecs_of(core)->settings.disconnect_grace_ms);
    }
    return 0;
}

void ecs_host_tasks(struct core *core, const char *instance_arn, struct arena *a,
                    struct gantry_host_task_list *ret,
                    struct gantry_host_credentials_list *ret_credentials)
{
    struct instance *i = instance_by_arn(core, instance_arn);
    ret->set = true;
    if (!i)
        return;
    list_for_each (it, &i->tasks) {
        struct task *t = list_entry(it, struct task, instance_link);
        if (task_interface_awaited(t) ||
            (!task_credentials_make(core, t) && !t->stopping))
            continue;
        task_host_view(core, t, a, LIST_PUSH(a, ret));
        task_credentials_tell(t, false, a, ret_credentials);
    }
}

/* ---- what a reply shows ---- */

static void set_amount(struct arena *a, struct ecs_resource_list *l, const char *name,
                       int64_t amount)
{
    (void)a;
    for (size_t n = 0; n < l->n; n++)
        if (streq(l->v[n].name, name))
            l->v[n].integer_value = SET_INT((int32_t)amount);
}

static void add_ports(struct arena *a, struct ecs_resource_list *l, const char *name,
                      const struct port_set *used)
{
    for (size_t n = 0; n < l->n; n++)
        for (uint32_t p = 0; streq(l->v[n].name, name) && p < used->n; p++)
            *LIST_PUSH(a, &l->v[n].string_set_value) = arena_printf(a, "%u", used->v[p]);
}

static void keep_free_gpus(const struct instance *i, struct ecs_resource_list *l)
{
    for (size_t n = 0; n < l->n; n++) {
        struct string_list *ids = &l->v[n].string_set_value;
        size_t kept = 0;
        if (!streq(l->v[n].name, "GPU"))
            continue;
        for (size_t k = 0; k < ids->n; k++)
            if (gpu_free(i, ids->v[k]))
                ids->v[kept++] = ids->v[k];
        ids->n = kept;
    }
}

void instance_view(struct arena *a, const struct instance *i, bool tags,
                   struct ecs_container_instance *ret)
{
    wire_copy_into(a, &ecs_container_instance_shape, i->rec->instance, ret);
    ret->running_tasks_count = SET_INT(i->running);
    ret->pending_tasks_count = SET_INT(i->pending);
    ret->attachments.set = true;
    if (!tags)
        ret->tags.n = 0;
    ret->tags.set = true;
    ret->remaining_resources = (struct ecs_resource_list){.set = true};
    for (size_t n = 0; n < ret->registered_resources.n; n++)
        wire_copy_into(a, &ecs_resource_shape, &ret->registered_resources.v[n],
                       LIST_PUSH(a, &ret->remaining_resources));
    const struct place_resources *total = place_instance_total(i->place);
    const struct place_resources *used = place_instance_used(i->place);
    set_amount(a, &ret->remaining_resources, "CPU", total->cpu - used->cpu);
    set_amount(a, &ret->remaining_resources, "MEMORY",
               total->memory_mib - used->memory_mib);
    add_ports(a, &ret->remaining_resources, "PORTS", &used->tcp);
    add_ports(a, &ret->remaining_resources, "PORTS_UDP", &used->udp);
    keep_free_gpus(i, &ret->remaining_resources);
}

/* ---- registration ---- */

static int resources_check(struct call *c, const struct ecs_resource_list *l)
{
    if (resource_amount(l, "CPU") <= 0 || resource_amount(l, "MEMORY") <= 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "totalResources must hold CPU and MEMORY.");
    return 0;
}

static bool has_attribute(const struct ecs_attribute_list *l, const char *name)
{
    return value_of(l, name) != NULL;
}

static struct instance *instance_create(struct call *c, struct cluster *cl)
{
    char id[33];
    core_random_hex(c->core, id, 32);
    const char *rest = call_printf(c, "%s/%s", cl->name, id);
    struct instance *i =
        object_new(c->core, ecs_of(c->core)->instances,
                   ecs_key(&c->arena, "instance", cl->account, cl->region, rest));
    struct ecs_container_instance *ci =
        arena_new(&i->o.arena, struct ecs_container_instance);
    ci->container_instance_arn = ecs_arn(&i->o.arena, cl->region, cl->account,
                                         "container-instance/%s/%s", cl->name, id);
    ci->status = "ACTIVE";
    ci->registered_at = SET_TIME(core_now_ms(c->core));
    ci->agent_connected = SET_BOOL(false);
    i->rec->instance = ci;
    instance_link(i, cl);
    return i;
}

/* GPUs come as devices; the API shows them as a resource. */
static void add_gpus(struct arena *a, struct ecs_resource_list *l,
                     const struct ecs_platform_device_list *devices)
{
    struct ecs_resource *gpu = NULL;
    for (size_t n = 0; n < devices->n; n++) {
        if (devices->v[n].type != ECS_PLATFORM_DEVICE_TYPE_GPU)
            continue;
        if (!gpu) {
            gpu = LIST_PUSH(a, l);
            *gpu = (struct ecs_resource){.name = "GPU", .type = "STRINGSET"};
            gpu->string_set_value.set = true;
        }
        *LIST_PUSH(a, &gpu->string_set_value) = devices->v[n].id;
    }
}

/* Which EC2 instance it is, from the document that its metadata service gave it; an instance
 * that EC2 does not know is a machine that somebody owns. */
static void identify(struct call *c, struct instance *i, const char *document)
{
    struct arena *a = &i->o.arena;
    struct ecs_container_instance *ci = i->rec->instance;
    struct ec2_scope s = {i->cluster->account, i->cluster->region};
    struct ec2_instance_info info;
    struct wire_error bad;
    struct error err;
    void *value;
    if (!document || wire_json_decode(&c->arena, &gantry_instance_identity_document_shape,
                                      document, strlen(document), true, &value, &bad) < 0)
        return;
    const struct gantry_instance_identity_document *doc = value;
    if (!str_starts(doc->instance_id, "i-") || strlen(doc->instance_id) > 32)
        return;
    if (ec2_instance_find(c->core, &s, doc->instance_id, &info, &err) < 0 &&
        ec2_machine_ensure(c->core, &s, doc->instance_id, doc->instance_type,
                           doc->availability_zone, &info, &err) < 0)
        return;
    ci->ec2_instance_id = arena_strdup(a, doc->instance_id);
    instance_ec2_index(c->core, i);
    const struct {
        const char *name, *value;
    } known[] = {{"ecs.ami-id", info.image_id},
                 {"ecs.vpc-id", info.vpc_id},
                 {"ecs.subnet-id", info.subnet_id}};
    for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
        if (!known[k].value || has_attribute(&ci->attributes, known[k].name))
            continue;
        struct ecs_attribute *to = LIST_PUSH(a, &ci->attributes);
        to->name = known[k].name;
        to->value = arena_strdup(a, known[k].value);
    }
}

static void instance_fill(struct instance *i,
                          const struct ecs_register_container_instance_request *in)
{
    struct arena *a = &i->o.arena;
    struct ecs_register_container_instance_request *copy =
        wire_copy(a, &ecs_register_container_instance_request_shape, in);
    struct ecs_container_instance *ci = i->rec->instance;
    ci->registered_resources = copy->total_resources;
    ci->version_info = copy->version_info;
    /* What people said of it stays when its agent comes back. */
    struct ecs_attribute_list had = ci->attributes;
    ci->attributes = copy->attributes;
    for (size_t n = 0; n < had.n; n++)
        if (!attribute_reserved(had.v[n].name) &&
            !has_attribute(&ci->attributes, had.v[n].name))
            *LIST_PUSH(a, &ci->attributes) = had.v[n];
    const char *provider = value_of(&ci->attributes, PROVIDER_ATTRIBUTE);
    if (provider)
        ci->capacity_provider_name = arena_strdup(a, ecs_last_segment(provider));
    if (copy->tags.n)
        ci->tags = copy->tags;
    add_gpus(a, &ci->registered_resources, &copy->platform_devices);
}

static int provider_check(struct call *c, const struct cluster *cl,
                          const struct ecs_attribute_list *l)
{
    const char *provider = value_of(l, PROVIDER_ATTRIBUTE);
    enum provider_kind kind =
        provider ? provider_kind(c->core, cl, provider) : PROVIDER_NONE;
    if (provider && (kind == PROVIDER_NONE || provider_is_fargate(kind)))
        return call_fault(c, &ecs_invalid_parameter_exception, PROVIDER_NOT_FOUND);
    return 0;
}

/* An EC2 instance that could register and never send a log would lose its containers' words
 * later, one task after another: its role must allow that, too. Its session has its id. */
static int log_check(struct call *c)
{
    const struct access question = {
        .action = "logs:PutLogEvents", .resource = "*", .anywhere = true};
    bool instance = c->who.principal.type == PRINCIPAL_ROLE_SESSION &&
                    str_starts(ecs_last_segment(c->who.arn), "i-");
    return instance ? access_check(c, &question) : 0;
}

int ecs_register_container_instance(
    struct call *c, const struct ecs_register_container_instance_request *in,
    struct ecs_register_container_instance_response *out)
{
    if (resources_check(c, &in->total_resources) < 0 || tags_check(c, &in->tags) < 0 ||
        log_check(c) < 0)
        return -1;
    const char *name = in->cluster ? ecs_last_segment(in->cluster) : "default";
    bool pool =
        streq(value_of(&in->attributes, FARGATE_ATTRIBUTE), FARGATE_ATTRIBUTE_VALUE);
    struct cluster *cl = pool ? fargate_pool_need(c->core, c->who.account_id, c->region)
                              : cluster_find(c, in->cluster);
    /* As on AWS, the first instance makes the default cluster. */
    bool make = (!cl || !cluster_active(cl)) && streq(name, "default");
    if (!make && !pool && !(cl = cluster_require(c, in->cluster)))
        return -1;
    struct instance *i = NULL;
    if (in->container_instance_arn && cl)
        i = instance_find(c->core, cl, in->container_instance_arn);
    if (i) {
        const char *was = value_of(&i->rec->instance->attributes, "ecs.instance-type");
        const char *is = value_of(&in->attributes, "ecs.instance-type");
        if (was && is && !streq(was, is))
            return call_fault(c, &ecs_client_exception,
                              "Container instance type changes are not supported.");
    }
    struct cluster here = {.account = c->who.account_id, .region = c->region};
    if (provider_check(c, &here, &in->attributes) < 0)
        return -1;
    if (make)
        cl = cluster_create(c->core, c->who.account_id, c->region, name);
    if (!i)
        i = instance_create(c, cl);
    instance_fill(i, in);
    identify(c, i, in->instance_identity_document);
    agent_update_registered(i);
    instance_changed(c->core, i);
    if (i->connected)
        instance_room(c->core, i);
    out->container_instance = arena_new(&c->arena, struct ecs_container_instance);
    instance_view(&c->arena, i, true, out->container_instance);
    return 0;
}

static void instance_leaves(struct instance *i)
{
    i->rec->instance->status = "INACTIVE";
    i->rec->instance->agent_connected = SET_BOOL(false);
}

void instance_remove(struct core *core, struct instance *i, enum ecs_task_stop_code code,
                     const char *reason)
{
    struct ecs *ecs = ecs_of(core);
    instance_leaves(i);
    /* Stop the scheduler from looking here before the services replace their tasks. */
    instance_reindex(core, i);
    list_for_each_safe (it, &i->tasks) {
        struct task *t = list_entry(it, struct task, instance_link);
        task_lost(core, t, code, reason);
    }
    if (ecs->host_ops)
        ecs->host_ops->instance_gone(ecs->host_ctx, core,
                                     i->rec->instance->container_instance_arn);
    i->rec->instance->version = SET_LONG(i->rec->instance->version.v + 1);
    event_of_instance(core, i);
    object_delete(core, &i->o);
}

int ecs_deregister_container_instance(
    struct call *c, const struct ecs_deregister_container_instance_request *in,
    struct ecs_deregister_container_instance_response *out)
{
    struct cluster *cl = cluster_of_hosts(c, in->cluster);
    if (!cl)
        return -1;
    struct instance *i = instance_find(c->core, cl, in->container_instance);
    if (!i)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The referenced container instance was not found.");
    if (!list_empty(&i->tasks) && !in->force.v)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Found running tasks on the instance.");
    out->container_instance = arena_new(&c->arena, struct ecs_container_instance);
    instance_leaves(i);
    instance_view(&c->arena, i, true, out->container_instance);
    instance_remove(c->core, i, ECS_TASK_STOP_CODE_UNSET,
                    "Container instance deregistration forced by user");
    return 0;
}

/* ---- reading ---- */

int ecs_describe_container_instances(
    struct call *c, const struct ecs_describe_container_instances_request *in,
    struct ecs_describe_container_instances_response *out)
{
    struct cluster *cl = cluster_of_hosts(c, in->cluster);
    if (!cl)
        return -1;
    if (in->container_instances.n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Container Instances cannot be empty.");
    if (in->container_instances.n > 100)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Container instances cannot have more than 100 elements.");
    bool tags = false;
    for (size_t n = 0; n < in->include.n; n++)
        tags |= in->include.v[n] == ECS_CONTAINER_INSTANCE_FIELD_TAGS;
    out->container_instances.set = out->failures.set = true;
    for (size_t n = 0; n < in->container_instances.n; n++) {
        const char *reference = in->container_instances.v[n];
        struct instance *i = instance_find(c->core, cl, reference);
        if (i) {
            instance_view(&c->arena, i, tags,
                          LIST_PUSH(&c->arena, &out->container_instances));
            continue;
        }
        struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
        f->arn = arn_looks_like(reference) ? reference
                                           : ecs_arn(&c->arena, cl->region, cl->account,
                                                     "container-instance/%s/%s", cl->name,
                                                     ecs_last_segment(reference));
        f->reason = "MISSING";
    }
    return 0;
}

int ecs_list_container_instances(struct call *c,
                                 const struct ecs_list_container_instances_request *in,
                                 struct ecs_list_container_instances_response *out)
{
    struct cluster *cl = cluster_of_hosts(c, in->cluster);
    size_t limit;
    const char *at;
    if (!cl)
        return -1;
    struct table *table = ecs_of(c->core)->instances;
    const char *prefix = ecs_key(&c->arena, "instance", cl->account, cl->region,
                                 call_printf(c, "%s/", cl->name));
    if (ecs_page_size(c, in->max_results, 100, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &at) < 0)
        return -1;
    struct query *filter = NULL;
    struct error err;
    if (!str_empty(in->filter) && query_compile(in->filter, &filter, &err) < 0)
        return call_fault(c, &ecs_invalid_parameter_exception, "%s", err.text);
    const char *status =
        wire_enum_name(&ecs_container_instance_status_shape, (int)in->status);
    out->container_instance_arns.set = true;
    struct instance *i;
    while ((i = table_next(table, prefix, at))) {
        struct query_subject subject;
        place_instance_subject(i->place, &subject);
        if ((!status || streq(i->rec->instance->status, status)) &&
            (!filter || query_matches(filter, &subject))) {
            if (out->container_instance_arns.n == limit) {
                out->next_token = page_token(&c->arena, at);
                break;
            }
            *LIST_PUSH(&c->arena, &out->container_instance_arns) =
                i->rec->instance->container_instance_arn;
        }
        at = i->o.key;
    }
    query_free(filter);
    return 0;
}

/* ---- draining ---- */

/* Services with tasks here have to replace them, or may keep them again. */
static void wake_services_on(struct core *core, struct instance *i)
{
    list_for_each (it, &i->tasks) {
        struct task *t = list_entry(it, struct task, instance_link);
        if (t->service)
            wake_now(core, &t->service->wake);
    }
}

static void update_failure(struct call *c,
                           struct ecs_update_container_instances_state_response *out,
                           const char *arn, const char *reason)
{
    struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
    f->arn = arn;
    f->reason = reason;
}

int ecs_update_container_instances_state(
    struct call *c, const struct ecs_update_container_instances_state_request *in,
    struct ecs_update_container_instances_state_response *out)
{
    struct cluster *cl = cluster_of_hosts(c, in->cluster);
    if (!cl)
        return -1;
    const char *to =
        wire_enum_name(&ecs_container_instance_status_shape, (int)in->status);
    if (!streq(to, "ACTIVE") && !streq(to, "DRAINING"))
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "Container instance status should be one of [ACTIVE, DRAINING]");
    if (in->container_instances.n > 10)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Container instances cannot have more than 10 elements.");
    out->container_instances.set = out->failures.set = true;
    for (size_t n = 0; n < in->container_instances.n; n++) {
        struct instance *i = instance_find(c->core, cl, in->container_instances.v[n]);
        if (!i) {
            update_failure(c, out, in->container_instances.v[n], "MISSING");
            continue;
        }
        if (!streq(i->rec->instance->status, to)) {
            i->rec->instance->status = arena_strdup(&i->o.arena, to);
            instance_changed(c->core, i);
            wake_services_on(c->core, i);
            instance_room_in(c->core, cl);
        }
        instance_view(&c->arena, i, false,
                      LIST_PUSH(&c->arena, &out->container_instances));
    }
    return 0;
}

int ecs_discover_poll_endpoint(struct call *c,
                               const struct ecs_discover_poll_endpoint_request *in,
                               struct ecs_discover_poll_endpoint_response *out)
{
    out->endpoint = call_own_url(c, ecs_of(c->core)->settings.poll_endpoint);
    out->telemetry_endpoint = out->endpoint;
    return 0;
}
