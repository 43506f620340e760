/* Is a launch possible? See instance_launch.h. */
#include "instance_launch.h"

#include "base64.h"

#define LAUNCH_MAX    100
#define USER_DATA_MAX 16384
#define DISK_MAX_GIB  16384

/* ---- what is not offered ---- */

static int refuse_placement(struct call *c, const struct ec2_placement *p)
{
    if (!p)
        return 0;
    if (p->group_name || p->group_id || p->partition_number.set)
        return ec2_refuse(c, "Placement groups are");
    if (p->host_id || p->affinity || p->host_resource_group_arn ||
        (p->tenancy && p->tenancy != EC2_TENANCY_DEFAULT))
        return ec2_refuse(c, "Dedicated hosts and instances are");
    return 0;
}

int launch_refuse(struct call *c, const struct ec2_run_instances_request *w)
{
    if (w->elastic_gpu_specification.n || w->elastic_inference_accelerators.n)
        return ec2_refuse(c, "Elastic graphics and inference accelerators are");
    if (w->ipv6_address_count.v || w->ipv6_addresses.n || w->enable_primary_ipv6.v)
        return ec2_refuse(c, "IPv6 is");
    if (w->kernel_id || w->ramdisk_id)
        return ec2_refuse(c, "Kernels and RAM disks of one's own are");
    if (w->hibernation_options && w->hibernation_options->configured.v)
        return ec2_refuse(c, "Hibernation is");
    if (w->enclave_options && w->enclave_options->enabled.v)
        return ec2_refuse(c, "Nitro Enclaves are");
    if (w->license_specifications.n)
        return ec2_refuse(c, "License configurations are");
    if (w->cpu_options)
        return ec2_refuse(c, "CpuOptions are");
    if (w->secondary_interfaces.n)
        return ec2_refuse(c, "Secondary interfaces are");
    if (w->capacity_reservation_specification &&
        w->capacity_reservation_specification->capacity_reservation_target)
        return ec2_refuse(c, "Capacity reservations are");
    if (w->instance_market_options && w->instance_market_options->market_type &&
        w->instance_market_options->market_type != EC2_MARKET_TYPE_SPOT)
        return ec2_refuse(c, "Capacity blocks are");
    if (w->instance_market_options && w->instance_market_options->spot_options &&
        w->instance_market_options->spot_options->spot_instance_type ==
            EC2_SPOT_INSTANCE_TYPE_PERSISTENT)
        return ec2_refuse(c, "Persistent spot requests are");
    return refuse_placement(c, w->placement);
}

/* ---- image, type, count ---- */

static int check_counts(struct call *c, const struct ec2_run_instances_request *w)
{
    if (w->min_count.v < 1 || w->max_count.v < w->min_count.v)
        return ec2_fault(
            c, "InvalidParameterValue",
            "Value (%d) for parameter minCount is invalid: it must be between "
            "1 and maxCount (%d).",
            (int)w->min_count.v, (int)w->max_count.v);
    if (w->max_count.v > LAUNCH_MAX)
        return ec2_fault(c, "InstanceLimitExceeded",
                         "At most %d instances are launched by one call.", LAUNCH_MAX);
    if (w->max_count.v > 1 && w->private_ip_address)
        return ec2_fault(c, "InvalidParameterCombination",
                         "A private IP address can only be given to a single instance.");
    return 0;
}

static int check_image(struct call *c, const struct ec2_run_instances_request *w)
{
    if (str_empty(w->image_id))
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter ImageId");
    if (!str_starts(w->image_id, "ami-"))
        return ec2_fault(c, "InvalidAMIID.Malformed",
                         "Invalid id: \"%s\" (expecting "
                         "\"ami-...\")",
                         w->image_id);
    return image_known(c->region, w->image_id)
               ? 0
               : ec2_fault(c, "InvalidAMIID.NotFound",
                           "The image id '[%s]' does not exist", w->image_id);
}

static int check_type(struct call *c, const struct ec2_run_instances_request *w,
                      struct launch *l)
{
    const struct ec2_settings *here = &ec2_of(c->core)->settings;
    const char *name = wire_enum_name(&ec2_instance_type_shape, (int)w->instance_type);
    if (!name)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter InstanceType");
    l->type = instance_type_find(name);
    if (!l->type)
        return ec2_fault(c, "Unsupported",
                         "Instance type '%s' is not offered by this gantry; "
                         "DescribeInstanceTypes lists those that are.",
                         name);
    if ((here->machine_vcpus && l->type->vcpus > here->machine_vcpus) ||
        (here->machine_memory_mib && l->type->memory_mib > here->machine_memory_mib))
        return ec2_fault(c, "InsufficientInstanceCapacity",
                         "The machine has %d processors and %d MiB: an instance of type "
                         "%s (%d, %d MiB) is larger than it.",
                         (int)here->machine_vcpus, (int)here->machine_memory_mib, name,
                         (int)l->type->vcpus, (int)l->type->memory_mib);
    return 0;
}

/* ---- network ---- */

static struct subnet *default_subnet_in(struct call *c, const char *zone)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct string_list all = {0};
    ec2_default_subnets(c->core, &s, &c->arena, &all);
    for (size_t n = 0; n < all.n; n++) {
        struct subnet *x = subnet_find(c->core, &s, all.v[n]);
        if (x && (!zone || streq(x->rec->subnet->availability_zone, zone)))
            return x;
    }
    return NULL;
}

static int check_subnet(struct call *c, const struct ec2_run_instances_request *w,
                        const char *id, struct launch *l)
{
    const char *zone = w->placement ? w->placement->availability_zone : NULL;
    if (zone && !zone_known(c->region, zone))
        return ec2_fault(c, "InvalidParameterValue", "Invalid availability zone: [%s]",
                         zone);
    if (id) {
        l->subnet = subnet_require(c, id);
        if (!l->subnet)
            return -1;
        if (zone && !streq(zone, l->subnet->rec->subnet->availability_zone))
            return ec2_fault(c, "InvalidParameterValue",
                             "Invalid availability zone: '%s'. The subnet '%s' is in the "
                             "zone '%s'.",
                             zone, id, l->subnet->rec->subnet->availability_zone);
        return 0;
    }
    l->subnet = default_subnet_in(c, zone);
    return l->subnet ? 0
                     : ec2_fault(c, "MissingInput",
                                 "No subnets found for the default VPC. Please specify a "
                                 "subnet.");
}

static struct security_group *group_named(const struct vpc *v, const char *name)
{
    list_for_each (it, &v->groups) {
        struct security_group *g = list_entry(it, struct security_group, link);
        if (streq(g->rec->group->group_name, name))
            return g;
    }
    return NULL;
}

static int check_groups(struct call *c, const struct string_list *ids,
                        const struct string_list *names, struct launch *l)
{
    struct ec2_scope s = ec2_scope_of(c);
    const struct vpc *v = l->subnet->vpc;
    for (size_t n = 0; n < ids->n; n++)
        *LIST_PUSH(&c->arena, &l->groups) = ids->v[n];
    for (size_t n = 0; names && n < names->n; n++) {
        const struct security_group *g = group_named(v, names->v[n]);
        if (!g)
            return ec2_fault(c, "InvalidGroup.NotFound",
                             "The security group '%s' does not exist in VPC '%s'",
                             names->v[n], vpc_id(v));
        *LIST_PUSH(&c->arena, &l->groups) = security_group_id(g);
    }
    struct error err;
    const char *bad = NULL;
    if (l->groups.n > SECURITY_GROUPS_PER_INTERFACE)
        return ec2_fault(c, "SecurityGroupsPerInterfaceLimitExceeded",
                         "The maximum number of security groups per interface has been "
                         "reached.");
    if (ec2_groups_check(c->core, &s, vpc_id(v), &l->groups, &bad, &err) < 0)
        return ec2_fault(c, "InvalidGroup.NotFound",
                         "The security group '%s' does not exist", bad ? bad : "");
    return 0;
}

static int refuse_interface(struct call *c,
                            const struct ec2_instance_network_interface_specification *n,
                            bool last)
{
    if (!last || n->device_index.v != 0 || n->network_card_index.v != 0)
        return ec2_refuse(c, "More than one network interface of an instance is");
    if (n->network_interface_id)
        return ec2_refuse(c, "Launching with a network interface that exists is");
    if (n->ipv6_address_count.v || n->ipv6_addresses.n || n->ipv6_prefixes.n ||
        n->ipv6_prefix_count.v)
        return ec2_refuse(c, "IPv6 is");
    if (n->ipv4_prefixes.n || n->ipv4_prefix_count.v ||
        n->secondary_private_ip_address_count.v || n->private_ip_addresses.n > 1)
        return ec2_refuse(c, "Secondary addresses and prefixes at launch are");
    if (n->interface_type && !streq(n->interface_type, "interface"))
        return ec2_refuse(c, "Interface types besides 'interface' are");
    if (n->delete_on_termination.set && !n->delete_on_termination.v)
        return ec2_refuse(c, "Keeping the primary interface of a terminated instance is");
    return 0;
}

static int check_network(struct call *c, const struct ec2_run_instances_request *w,
                         struct launch *l)
{
    static const struct string_list none;
    const struct ec2_instance_network_interface_specification *n =
        w->network_interfaces.n ? &w->network_interfaces.v[0] : NULL;
    if (n && (w->subnet_id || w->security_group_ids.n || w->security_groups.n ||
              w->private_ip_address))
        return ec2_fault(c, "InvalidParameterCombination",
                         "Network interfaces and an instance-level subnet ID, security "
                         "groups or private IP address may not be specified on the same "
                         "request");
    if (n && refuse_interface(c, n, w->network_interfaces.n == 1) < 0)
        return -1;
    if (check_subnet(c, w, n ? n->subnet_id : w->subnet_id, l) < 0 ||
        check_groups(c, n ? &n->groups : &w->security_group_ids,
                     n ? &none : &w->security_groups, l) < 0)
        return -1;
    l->public_ip = l->subnet->rec->subnet->map_public_ip_on_launch.v;
    l->private_ip = w->private_ip_address;
    if (n) {
        if (n->associate_public_ip_address.set)
            l->public_ip = n->associate_public_ip_address.v;
        l->private_ip = n->private_ip_addresses.n
                            ? n->private_ip_addresses.v[0].private_ip_address
                            : n->private_ip_address;
        l->description = n->description;
    }
    if (l->private_ip && w->max_count.v > 1)
        return ec2_fault(c, "InvalidParameterCombination",
                         "A private IP address can only be given to a single instance.");
    if (subnet_free_addresses(l->subnet) < (uint32_t)w->min_count.v)
        return ec2_fault(c, "InsufficientFreeAddressesInSubnet",
                         "There are not enough free addresses in subnet '%s' to satisfy "
                         "the requested number of instances.",
                         l->subnet->rec->subnet->subnet_id);
    return 0;
}

/* ---- disk, user data, key ---- */

static int check_disk(struct call *c, const struct ec2_run_instances_request *w,
                      struct launch *l)
{
    l->disk_gib = IMAGE_DISK_GIB;
    l->disk_type = EC2_VOLUME_TYPE_GP3;
    for (size_t n = 0; n < w->block_device_mappings.n; n++) {
        const struct ec2_block_device_mapping *m = &w->block_device_mappings.v[n];
        if (!streq(m->device_name, IMAGE_ROOT))
            return ec2_refuse(c, "Volumes besides the root device " IMAGE_ROOT " are");
        if (!m->ebs)
            continue;
        if (m->ebs->encrypted.v || m->ebs->kms_key_id)
            return ec2_refuse(c, "Encrypted volumes are");
        if (m->ebs->delete_on_termination.set && !m->ebs->delete_on_termination.v)
            return ec2_refuse(c, "Keeping the root volume of a terminated instance is");
        if (m->ebs->volume_size.set && (m->ebs->volume_size.v < IMAGE_DISK_GIB ||
                                        m->ebs->volume_size.v > DISK_MAX_GIB))
            return ec2_fault(c, "InvalidBlockDeviceMapping",
                             "Volume of size %dGB is smaller than snapshot, expect size "
                             ">= %dGB",
                             (int)m->ebs->volume_size.v, IMAGE_DISK_GIB);
        if (m->ebs->volume_size.set)
            l->disk_gib = m->ebs->volume_size.v;
        if (m->ebs->volume_type)
            l->disk_type = m->ebs->volume_type;
    }
    return 0;
}

static int check_user_data(struct call *c, const char *text)
{
    uint8_t *data;
    size_t size;
    if (!text)
        return 0;
    if (!base64_decode(&c->arena, text, strlen(text), &data, &size))
        return ec2_fault(c, "InvalidUserData.Malformed",
                         "Invalid BASE64 encoding of user data.");
    return size > USER_DATA_MAX
               ? ec2_fault(c, "InvalidParameterValue", "User data is limited to %d bytes",
                           USER_DATA_MAX)
               : 0;
}

static int check_key(struct call *c, const char *name)
{
    struct ec2_scope s = ec2_scope_of(c);
    if (!name || (ec2_of(c->core)->key_pairs &&
                  table_find(ec2_of(c->core)->key_pairs,
                             ec2_key(&c->arena, "key-pair", &s, name))))
        return 0;
    return ec2_fault(c, "InvalidKeyPair.NotFound", "The key pair '%s' does not exist",
                     name);
}

int launch_possible(struct call *c, const struct ec2_run_instances_request *w,
                    struct launch *ret)
{
    ret->want = w;
    if (check_counts(c, w) < 0 || launch_refuse(c, w) < 0 || check_image(c, w) < 0 ||
        check_type(c, w, ret) < 0 || check_network(c, w, ret) < 0 ||
        check_disk(c, w, ret) < 0 || check_user_data(c, w->user_data) < 0 ||
        instance_profile_find(c, w->iam_instance_profile, &ret->profile) < 0 ||
        check_key(c, w->key_name) < 0)
        return -1;
    if (w->credit_specification && w->credit_specification->cpu_credits &&
        !streq(w->credit_specification->cpu_credits, "standard") &&
        !streq(w->credit_specification->cpu_credits, "unlimited"))
        return ec2_fault(c, "InvalidParameterValue",
                         "Invalid value '%s' for CPU credits.",
                         w->credit_specification->cpu_credits);
    return 0;
}
