/* RunInstances. */
#include "address.h"
#include "ec2_tags.h"
#include "instance_launch.h"
#include "interface.h"

const struct table_type run_token_table = {
    .prefix = "/ec2/run-token/",
    .shape = &gantry_ec2_run_token_record_shape,
    .object_size = sizeof(struct run_token),
    .record_offset = offsetof(struct run_token, rec),
};

/* ---- one instance ---- */

static void fill_placement(struct arena *a, const struct launch *l,
                           struct ec2_instance *rec)
{
    const struct ec2_subnet *s = l->subnet->rec->subnet;
    rec->placement = arena_new(a, struct ec2_placement);
    rec->placement->availability_zone = arena_strdup(a, s->availability_zone);
    rec->placement->availability_zone_id = arena_strdup(a, s->availability_zone_id);
    rec->placement->group_name = "";
    rec->placement->tenancy = EC2_TENANCY_DEFAULT;
    rec->subnet_id = arena_strdup(a, s->subnet_id);
    rec->vpc_id = arena_strdup(a, s->vpc_id);
}

static void fill_options(struct arena *a, const struct ec2_run_instances_request *w,
                         struct ec2_instance *rec)
{
    rec->monitoring = arena_new(a, struct ec2_monitoring);
    rec->monitoring->state = w->monitoring && w->monitoring->enabled.v
                                 ? EC2_MONITORING_STATE_ENABLED
                                 : EC2_MONITORING_STATE_DISABLED;
    const struct ec2_instance_metadata_options_request *m = w->metadata_options;
    struct ec2_instance_metadata_options_response *to = rec->metadata_options =
        arena_new(a, struct ec2_instance_metadata_options_response);
    to->state = EC2_INSTANCE_METADATA_OPTIONS_STATE_APPLIED;
    to->http_tokens =
        m && m->http_tokens ? m->http_tokens : EC2_HTTP_TOKENS_STATE_REQUIRED;
    to->http_put_response_hop_limit = m && m->http_put_response_hop_limit.set
                                          ? m->http_put_response_hop_limit
                                          : SET_INT(2);
    to->http_endpoint = m && m->http_endpoint
                            ? m->http_endpoint
                            : EC2_INSTANCE_METADATA_ENDPOINT_STATE_ENABLED;
    to->http_protocol_ipv6 = EC2_INSTANCE_METADATA_PROTOCOL_STATE_DISABLED;
    to->instance_metadata_tags = m && m->instance_metadata_tags
                                     ? m->instance_metadata_tags
                                     : EC2_INSTANCE_METADATA_TAGS_STATE_DISABLED;
    rec->maintenance_options = arena_new(a, struct ec2_instance_maintenance_options);
    rec->maintenance_options->auto_recovery = EC2_INSTANCE_AUTO_RECOVERY_STATE_DISABLED;
    rec->hibernation_options = arena_new(a, struct ec2_hibernation_options);
    rec->hibernation_options->configured = SET_BOOL(false);
    rec->enclave_options = arena_new(a, struct ec2_enclave_options);
    rec->enclave_options->enabled = SET_BOOL(false);
}

static void fill_constants(struct ec2_instance *rec)
{
    rec->architecture = EC2_ARCHITECTURE_VALUES_X86_64;
    rec->hypervisor = EC2_HYPERVISOR_TYPE_XEN;
    rec->virtualization_type = EC2_VIRTUALIZATION_TYPE_HVM;
    rec->root_device_name = IMAGE_ROOT;
    rec->root_device_type = EC2_DEVICE_TYPE_EBS;
    rec->ena_support = SET_BOOL(true);
    rec->platform_details = "Linux/UNIX";
    rec->usage_operation = "RunInstances";
    rec->state_transition_reason = "";
    rec->product_codes.set = true;
}

static void fill_instance(struct core *core, struct ec2_instance_object *i,
                          const struct launch *l, const char *id,
                          const struct ec2_interface_info *nic)
{
    struct arena *a = &i->o.arena;
    const struct ec2_run_instances_request *w = l->want;
    struct ec2_instance *rec = i->rec->instance = arena_new(a, struct ec2_instance);
    rec->instance_id = arena_strdup(a, id);
    rec->image_id = arena_strdup(a, w->image_id);
    rec->instance_type = w->instance_type;
    rec->key_name = arena_strdup(a, w->key_name);
    rec->client_token = arena_strdup(a, w->client_token);
    rec->launch_time = rec->usage_operation_update_time = SET_TIME(core_now_ms(core));
    rec->ebs_optimized = SET_BOOL(w->ebs_optimized.v);
    rec->private_ip_address = arena_strdup(a, nic->private_ip);
    rec->private_dns_name = arena_strdup(a, nic->private_dns_name);
    if (w->instance_market_options && w->instance_market_options->market_type) {
        rec->instance_lifecycle = EC2_INSTANCE_LIFECYCLE_TYPE_SPOT;
        char hex[9];
        core_random_hex(core, hex, 8);
        rec->spot_instance_request_id = arena_printf(a, "sir-%s", hex);
    }
    fill_placement(a, l, rec);
    fill_options(a, w, rec);
    fill_constants(rec);
    instance_profile_set(core, i, &l->profile);
    rec->tags.set = true;
    ec2_tags_take(a, &w->tag_specifications, "instance", &rec->tags);
}

static void fill_record(struct core *core, struct ec2_instance_object *i,
                        const struct launch *l, const char *reservation,
                        const struct ec2_interface_info *nic)
{
    struct arena *a = &i->o.arena;
    const struct ec2_run_instances_request *w = l->want;
    struct gantry_ec2_instance_record *rec = i->rec;
    rec->reservation_id = arena_strdup(a, reservation);
    rec->state = "pending";
    rec->generation = SET_LONG(1);
    rec->user_data = arena_strdup(a, w->user_data);
    rec->network_interface_id = arena_strdup(a, nic->interface_id);
    rec->public_ip = SET_BOOL(l->public_ip);
    rec->disable_api_termination = SET_BOOL(w->disable_api_termination.v);
    rec->disable_api_stop = SET_BOOL(w->disable_api_stop.v);
    const char *behavior = wire_enum_name(&ec2_shutdown_behavior_shape,
                                          (int)w->instance_initiated_shutdown_behavior);
    rec->shutdown_behavior = behavior ? behavior : "stop";
    rec->volume_id = ec2_new_id(core, a, "vol");
    rec->volume_size_gib = SET_INT(l->disk_gib);
    rec->volume_type = wire_enum_name(&ec2_volume_type_shape, (int)l->disk_type);
    ec2_tags_take(a, &w->tag_specifications, "volume", &rec->volume_tags);
    bool burst = l->type->name[0] == 't';
    const char *credits =
        w->credit_specification ? w->credit_specification->cpu_credits : NULL;
    rec->cpu_credits =
        !burst    ? NULL
        : credits ? arena_strdup(a, credits)
                  : (str_starts(l->type->name, "t2.") ? "standard" : "unlimited");
}

static int launch_one(struct call *c, const struct launch *l, const char *reservation,
                      int32_t index, struct ec2_instance_object **ret, struct error *err)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *id = ec2_new_id(c->core, &c->arena, "i");
    struct ec2_tag_list tags = {0};
    ec2_tags_take(&c->arena, &l->want->tag_specifications, "network-interface", &tags);
    struct ec2_interface_want nic = {
        .scope = s,
        .subnet_id = l->subnet->rec->subnet->subnet_id,
        .group_ids = l->groups,
        .private_ip = l->private_ip,
        .public_ip = l->public_ip,
        .description = l->description,
        .use = GANTRY_EDGE_INTERFACE_USE_INSTANCE,
        .owner = id,
        .tags = &tags,
    };
    struct ec2_interface_info info;
    int r = ec2_interface_create(c->core, &nic, &info, err);
    if (r < 0)
        return r;
    struct ec2_instance_object *i = instance_object_new(c->core, &s, id);
    fill_instance(c->core, i, l, id, &info);
    fill_record(c->core, i, l, reservation, &info);
    i->rec->instance->ami_launch_index = SET_INT(index);
    object_save(c->core, &i->o);
    instance_tell_edge(c->core, i);
    *ret = i;
    return 0;
}

/* ---- the call ---- */

static void reservation_add(struct call *c, const struct ec2_instance_object *i,
                            struct ec2_reservation *out)
{
    struct ec2_instance shown;
    struct ec2_instance *to = LIST_PUSH(&c->arena, &out->instances);
    instance_show(c->core, i, &c->arena, &shown);
    wire_copy_into(&c->arena, &ec2_instance_shape, &shown, to);
    out->reservation_id = arena_strdup(&c->arena, i->rec->reservation_id);
}

static struct run_token *token_find(struct call *c, const char *token)
{
    struct ec2_scope s = ec2_scope_of(c);
    return token ? table_find(ec2_of(c->core)->run_tokens,
                              ec2_key(&c->arena, "run-token", &s, token))
                 : NULL;
}

static int repeat(struct call *c, const struct run_token *t,
                  const struct ec2_run_instances_request *in, struct ec2_reservation *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    if (!wire_equal(&ec2_run_instances_request_shape, t->rec->request, in))
        return ec2_fault(c, "IdempotentParameterMismatch",
                         "Arguments on this idempotent request are inconsistent with "
                         "arguments used in previous request(s).");
    for (size_t n = 0; n < t->rec->instance_ids.n; n++) {
        const struct ec2_instance_object *i =
            ec2_instance_lookup(c->core, &s, t->rec->instance_ids.v[n]);
        if (i)
            reservation_add(c, i, out);
    }
    return 0;
}

static struct run_token *token_new(struct call *c,
                                   const struct ec2_run_instances_request *in)
{
    struct ec2_scope s = ec2_scope_of(c);
    if (str_empty(in->client_token))
        return NULL;
    struct run_token *t =
        object_new(c->core, ec2_of(c->core)->run_tokens,
                   ec2_key(&c->arena, "run-token", &s, in->client_token));
    t->rec->request = wire_copy(&t->o.arena, &ec2_run_instances_request_shape, in);
    return t;
}

/* Public addresses may be fewer than subnets' addresses: known before anything is made. */
static int enough_public(struct call *c, const struct launch *l)
{
    struct ec2 *ec2 = ec2_of(c->core);
    uint32_t *taken = arena_new_array(&c->arena, uint32_t, (size_t)l->want->min_count.v);
    int32_t n = 0;
    if (!l->public_ip)
        return 0;
    while (n < l->want->min_count.v && public_address_take(ec2, &taken[n]))
        n++;
    for (int32_t k = 0; k < n; k++)
        public_address_give_back(ec2, taken[k]);
    return n == l->want->min_count.v
               ? 0
               : ec2_fault(c, "AddressLimitExceeded",
                           "There are not enough public addresses for this launch.");
}

static int private_free(struct call *c, const struct launch *l)
{
    uint32_t address;
    if (!l->private_ip)
        return 0;
    if (!address_parse(l->private_ip, &address) || !cidr_has(l->subnet->cidr, address))
        return ec2_fault(c, "InvalidParameterValue",
                         "Address %s does not fall within the subnet's address range",
                         l->private_ip);
    if (!subnet_take(l->subnet, address))
        return ec2_fault(c, "InvalidIPAddress.InUse", "Address %s is in use.",
                         l->private_ip);
    subnet_give_back(l->subnet, address);
    return 0;
}

int ec2_run_instances(struct call *c, const struct ec2_run_instances_request *in,
                      struct ec2_reservation *out)
{
    static const char *const types[] = {"instance", "volume", "network-interface",
                                        "spot-instances-request", NULL};
    struct ec2_scope s = ec2_scope_of(c);
    struct ec2_run_instances_request *want;
    struct launch l = {0};
    const struct run_token *done = token_find(c, in->client_token);
    out->owner_id = c->who.account_id;
    out->groups.set = out->instances.set = true;
    if (done)
        return repeat(c, done, in, out);
    ec2_account_ensure(c->core, &s);
    if (launch_template_under(c, in, &want) < 0 || launch_possible(c, want, &l) < 0 ||
        ec2_tags_given(c, &want->tag_specifications, types) < 0 ||
        enough_public(c, &l) < 0 || private_free(c, &l) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct run_token *token = token_new(c, in);
    const char *reservation = ec2_new_id(c->core, &c->arena, "r");
    for (int32_t n = 0; n < want->max_count.v; n++) {
        struct ec2_instance_object *i;
        struct error err;
        if (launch_one(c, &l, reservation, n, &i, &err) < 0)
            break; /* minCount fits, as was checked */
        reservation_add(c, i, out);
        if (token)
            *LIST_PUSH(&token->o.arena, &token->rec->instance_ids) =
                arena_strdup(&token->o.arena, i->rec->instance->instance_id);
    }
    if (token)
        object_save(c->core, &token->o);
    return 0;
}
