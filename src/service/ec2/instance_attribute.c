/* DescribeInstanceAttribute, ModifyInstanceAttribute, ModifyInstanceMetadataOptions. */
#include "base64.h"
#include "ec2_instance.h"
#include "interface.h"

static struct network_interface *interface_of(struct call *c,
                                              const struct ec2_instance_object *i)
{
    struct ec2_scope s = ec2_scope_of(c);
    return interface_find(c->core, &s, i->rec->network_interface_id);
}

static struct ec2_attribute_boolean_value *truth(struct arena *a, bool v)
{
    struct ec2_attribute_boolean_value *to =
        arena_new(a, struct ec2_attribute_boolean_value);
    to->value = SET_BOOL(v);
    return to;
}

static struct ec2_attribute_value *text(struct arena *a, const char *v)
{
    struct ec2_attribute_value *to = arena_new(a, struct ec2_attribute_value);
    to->value = v;
    return to;
}

int ec2_describe_instance_attribute(
    struct call *c, const struct ec2_describe_instance_attribute_request *in,
    struct ec2_instance_attribute *out)
{
    struct arena *a = &c->arena;
    const struct ec2_instance_object *i = instance_require(c, in->instance_id);
    struct ec2_instance shown;
    if (!i || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    instance_show(c->core, i, a, &shown);
    out->instance_id = shown.instance_id;
    switch (in->attribute) {
    case EC2_INSTANCE_ATTRIBUTE_NAME_INSTANCE_TYPE:
        out->instance_type =
            text(a, wire_enum_name(&ec2_instance_type_shape, (int)shown.instance_type));
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_USER_DATA:
        out->user_data = text(a, i->rec->user_data);
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_DISABLE_API_TERMINATION:
        out->disable_api_termination = truth(a, i->rec->disable_api_termination.v);
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_DISABLE_API_STOP:
        out->disable_api_stop = truth(a, i->rec->disable_api_stop.v);
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_INSTANCE_INITIATED_SHUTDOWN_BEHAVIOR:
        out->instance_initiated_shutdown_behavior =
            text(a, i->rec->shutdown_behavior ? i->rec->shutdown_behavior : "stop");
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_ROOT_DEVICE_NAME:
        out->root_device_name = text(a, shown.root_device_name);
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_BLOCK_DEVICE_MAPPING:
        out->block_device_mappings = shown.block_device_mappings;
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_GROUP_SET:
        out->groups = shown.security_groups;
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_SOURCE_DEST_CHECK:
        out->source_dest_check = truth(a, shown.source_dest_check.v);
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_EBS_OPTIMIZED:
        out->ebs_optimized = truth(a, shown.ebs_optimized.v);
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_ENA_SUPPORT:
        out->ena_support = truth(a, true);
        return 0;
    case EC2_INSTANCE_ATTRIBUTE_NAME_KERNEL:
    case EC2_INSTANCE_ATTRIBUTE_NAME_RAMDISK:
    case EC2_INSTANCE_ATTRIBUTE_NAME_SRIOV_NET_SUPPORT:
    case EC2_INSTANCE_ATTRIBUTE_NAME_PRODUCT_CODES:
        return 0; /* it has none */
    default:
        return ec2_refuse(c, "This attribute is");
    }
}

/* ---- ModifyInstanceAttribute: what is asked, checked, then done ---- */

/* Old clients name the attribute and give its value apart. */
static void unfold(struct call *c, struct ec2_modify_instance_attribute_request *m)
{
    struct arena *a = &c->arena;
    bool yes = streq(m->value, "true");
    if (!m->value)
        return;
    switch (m->attribute) {
    case EC2_INSTANCE_ATTRIBUTE_NAME_DISABLE_API_TERMINATION:
        m->disable_api_termination = truth(a, yes);
        break;
    case EC2_INSTANCE_ATTRIBUTE_NAME_DISABLE_API_STOP:
        m->disable_api_stop = truth(a, yes);
        break;
    case EC2_INSTANCE_ATTRIBUTE_NAME_SOURCE_DEST_CHECK:
        m->source_dest_check = truth(a, yes);
        break;
    case EC2_INSTANCE_ATTRIBUTE_NAME_INSTANCE_TYPE:
        m->instance_type = text(a, m->value);
        break;
    case EC2_INSTANCE_ATTRIBUTE_NAME_INSTANCE_INITIATED_SHUTDOWN_BEHAVIOR:
        m->instance_initiated_shutdown_behavior = text(a, m->value);
        break;
    case EC2_INSTANCE_ATTRIBUTE_NAME_USER_DATA:
        m->user_data = arena_new(a, struct ec2_blob_attribute_value);
        base64_decode(a, m->value, strlen(m->value),
                      (uint8_t **)&m->user_data->value.data, &m->user_data->value.size);
        break;
    case EC2_INSTANCE_ATTRIBUTE_NAME_EBS_OPTIMIZED:
        m->ebs_optimized = truth(a, yes);
        break;
    default:
        m->kernel = text(a, m->value); /* refused below */
    }
}

static int must_be_stopped(struct call *c, const struct ec2_instance_object *i,
                           const char *what)
{
    return streq(i->rec->state, "stopped")
               ? 0
               : ec2_fault(
                     c, "IncorrectInstanceState",
                     "The instance '%s' is not in the 'stopped' state: its %s can't "
                     "be changed.",
                     i->rec->instance->instance_id, what);
}

static int check_type(struct call *c, const struct ec2_instance_object *i,
                      const struct ec2_attribute_value *v)
{
    const struct ec2_settings *here = &ec2_of(c->core)->settings;
    const struct instance_type *t = v ? instance_type_find(v->value) : NULL;
    if (!v)
        return 0;
    if (!t)
        return ec2_fault(c, "InvalidAttributeValue",
                         "Invalid value '%s' for InstanceType.",
                         v->value ? v->value : "");
    if ((here->machine_vcpus && t->vcpus > here->machine_vcpus) ||
        (here->machine_memory_mib && t->memory_mib > here->machine_memory_mib))
        return ec2_fault(c, "InsufficientInstanceCapacity",
                         "An instance of type %s is larger than the machine.", t->name);
    return must_be_stopped(c, i, "instance type");
}

static int modify_check(struct call *c, const struct ec2_instance_object *i,
                        const struct ec2_modify_instance_attribute_request *m)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct error err;
    const char *bad = NULL;
    if (instance_is_ours(c, i) < 0)
        return -1;
    if (streq(i->rec->state, "terminated") || streq(i->rec->state, "shutting-down"))
        return ec2_fault(c, "IncorrectInstanceState", "The instance '%s' is terminated.",
                         m->instance_id);
    if (m->kernel || m->ramdisk || m->sriov_net_support || m->ena_support)
        return ec2_refuse(c, "Changing this attribute is");
    for (size_t n = 0; n < m->block_device_mappings.n; n++)
        if (!streq(m->block_device_mappings.v[n].device_name, IMAGE_ROOT) ||
            (m->block_device_mappings.v[n].ebs &&
             m->block_device_mappings.v[n].ebs->delete_on_termination.set &&
             !m->block_device_mappings.v[n].ebs->delete_on_termination.v))
            return ec2_refuse(c, "Keeping volumes of a terminated instance is");
    if (m->user_data && must_be_stopped(c, i, "user data") < 0)
        return -1;
    if (m->ebs_optimized && must_be_stopped(c, i, "EBS optimization") < 0)
        return -1;
    const struct ec2_attribute_value *end = m->instance_initiated_shutdown_behavior;
    if (end && !streq(end->value, "stop") && !streq(end->value, "terminate"))
        return ec2_fault(c, "InvalidParameterValue",
                         "Invalid value '%s' for instanceInitiatedShutdownBehavior.",
                         end->value ? end->value : "");
    if (m->groups.n && ec2_groups_check(c->core, &s, i->rec->instance->vpc_id, &m->groups,
                                        &bad, &err) < 0)
        return ec2_fault(c, "InvalidGroup.NotFound",
                         "The security group '%s' does not exist", bad ? bad : "");
    return check_type(c, i, m->instance_type);
}

static void apply(struct call *c, struct ec2_instance_object *i,
                  const struct ec2_modify_instance_attribute_request *m)
{
    struct arena *a = &i->o.arena;
    if (m->disable_api_termination)
        i->rec->disable_api_termination = m->disable_api_termination->value;
    if (m->disable_api_stop)
        i->rec->disable_api_stop = m->disable_api_stop->value;
    if (m->ebs_optimized)
        i->rec->instance->ebs_optimized = m->ebs_optimized->value;
    if (m->instance_initiated_shutdown_behavior)
        i->rec->shutdown_behavior =
            arena_strdup(a, m->instance_initiated_shutdown_behavior->value);
    if (m->instance_type) {
        i->rec->instance->instance_type = (enum ec2_instance_type)wire_enum_value(
            &ec2_instance_type_shape, m->instance_type->value);
        bool burst = m->instance_type->value[0] == 't';
        i->rec->cpu_credits = burst ? "unlimited" : NULL;
    }
    if (m->user_data) {
        AUTO_STR out = STR_INIT;
        base64_add(&out, m->user_data->value.data, m->user_data->value.size);
        i->rec->user_data = arena_strdup(a, str_text(&out));
    }
}

int ec2_modify_instance_attribute(struct call *c,
                                  const struct ec2_modify_instance_attribute_request *in,
                                  void *out)
{
    struct ec2_instance_object *i = instance_require(c, in->instance_id);
    struct ec2_scope s = ec2_scope_of(c);
    struct error err;
    if (!i)
        return -1;
    struct ec2_modify_instance_attribute_request *m =
        wire_copy(&c->arena, &ec2_modify_instance_attribute_request_shape, in);
    unfold(c, m);
    if (modify_check(c, i, m) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    apply(c, i, m);
    object_save(c->core, &i->o);
    if (m->groups.n)
        ec2_interface_set_groups(c->core, &s, i->rec->network_interface_id, &m->groups,
                                 &err);
    struct network_interface *nic = interface_of(c, i);
    if (m->source_dest_check && nic) {
        nic->rec->interface->source_dest_check = m->source_dest_check->value;
        interface_changed(c->core, nic);
    }
    instance_tell_edge(c->core, i);
    return 0;
}

/* ---- ModifyInstanceMetadataOptions ---- */

int ec2_modify_instance_metadata_options(
    struct call *c, const struct ec2_modify_instance_metadata_options_request *in,
    struct ec2_modify_instance_metadata_options_result *out)
{
    struct ec2_instance_object *i = instance_require(c, in->instance_id);
    if (!i || instance_is_ours(c, i) < 0)
        return -1;
    if (in->http_protocol_ipv6 == EC2_INSTANCE_METADATA_PROTOCOL_STATE_ENABLED)
        return ec2_refuse(c, "IPv6 is");
    if (in->http_put_response_hop_limit.set &&
        (in->http_put_response_hop_limit.v < 1 || in->http_put_response_hop_limit.v > 64))
        return ec2_fault(c, "InvalidParameterValue",
                         "httpPutResponseHopLimit must be between 1 and 64.");
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct ec2_instance_metadata_options_response *to =
        i->rec->instance->metadata_options;
    if (in->http_tokens)
        to->http_tokens = in->http_tokens;
    if (in->http_put_response_hop_limit.set)
        to->http_put_response_hop_limit = in->http_put_response_hop_limit;
    if (in->http_endpoint)
        to->http_endpoint = in->http_endpoint;
    if (in->instance_metadata_tags)
        to->instance_metadata_tags = in->instance_metadata_tags;
    object_save(c->core, &i->o);
    instance_tell_edge(c->core, i);
    out->instance_id = i->rec->instance->instance_id;
    out->instance_metadata_options = i->rec->instance->metadata_options;
    return 0;
}
