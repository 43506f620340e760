/* Instance types, see instance_type.h; DescribeInstanceTypes, DescribeInstanceTypeOfferings. */
#include "instance_type.h"

#include "ec2_query.h"
#include "page.h"

#define PAGE_MIN 5
#define PAGE_MAX 100

/* vCPUs, MiB, interfaces, addresses of each: from Amazon's tables of instance types. */
static const struct instance_type types[] = {
    {"c5.large", 2, 4096, 3, 10},
    {"c5.xlarge", 4, 8192, 4, 15},
    {"c5.2xlarge", 8, 16384, 4, 15},
    {"c5.4xlarge", 16, 32768, 8, 30},
    {"c5.9xlarge", 36, 73728, 8, 30},
    {"c5.12xlarge", 48, 98304, 8, 30},
    {"c5.18xlarge", 72, 147456, 15, 50},
    {"c5.24xlarge", 96, 196608, 15, 50},
    {"c6i.large", 2, 4096, 3, 10},
    {"c6i.xlarge", 4, 8192, 4, 15},
    {"c6i.2xlarge", 8, 16384, 4, 15},
    {"c6i.4xlarge", 16, 32768, 8, 30},
    {"c6i.8xlarge", 32, 65536, 8, 30},
    {"c6i.12xlarge", 48, 98304, 8, 30},
    {"c6i.16xlarge", 64, 131072, 15, 50},
    {"c6i.24xlarge", 96, 196608, 15, 50},
    {"c6i.32xlarge", 128, 262144, 15, 50},
    {"m5.large", 2, 8192, 3, 10},
    {"m5.xlarge", 4, 16384, 4, 15},
    {"m5.2xlarge", 8, 32768, 4, 15},
    {"m5.4xlarge", 16, 65536, 8, 30},
    {"m5.8xlarge", 32, 131072, 8, 30},
    {"m5.12xlarge", 48, 196608, 8, 30},
    {"m5.16xlarge", 64, 262144, 15, 50},
    {"m5.24xlarge", 96, 393216, 15, 50},
    {"m6i.large", 2, 8192, 3, 10},
    {"m6i.xlarge", 4, 16384, 4, 15},
    {"m6i.2xlarge", 8, 32768, 4, 15},
    {"m6i.4xlarge", 16, 65536, 8, 30},
    {"m6i.8xlarge", 32, 131072, 8, 30},
    {"m6i.12xlarge", 48, 196608, 8, 30},
    {"m6i.16xlarge", 64, 262144, 15, 50},
    {"m6i.24xlarge", 96, 393216, 15, 50},
    {"m6i.32xlarge", 128, 524288, 15, 50},
    {"r5.large", 2, 16384, 3, 10},
    {"r5.xlarge", 4, 32768, 4, 15},
    {"r5.2xlarge", 8, 65536, 4, 15},
    {"r5.4xlarge", 16, 131072, 8, 30},
    {"r5.8xlarge", 32, 262144, 8, 30},
    {"r5.12xlarge", 48, 393216, 8, 30},
    {"r5.16xlarge", 64, 524288, 15, 50},
    {"r5.24xlarge", 96, 786432, 15, 50},
    {"t2.nano", 1, 512, 2, 2},
    {"t2.micro", 1, 1024, 2, 2},
    {"t2.small", 1, 2048, 3, 4},
    {"t2.medium", 2, 4096, 3, 6},
    {"t2.large", 2, 8192, 3, 12},
    {"t2.xlarge", 4, 16384, 3, 15},
    {"t2.2xlarge", 8, 32768, 3, 15},
    {"t3.nano", 2, 512, 2, 2},
    {"t3.micro", 2, 1024, 2, 2},
    {"t3.small", 2, 2048, 3, 4},
    {"t3.medium", 2, 4096, 3, 6},
    {"t3.large", 2, 8192, 3, 12},
    {"t3.xlarge", 4, 16384, 4, 15},
    {"t3.2xlarge", 8, 32768, 4, 15},
    {"t3a.nano", 2, 512, 2, 2},
    {"t3a.micro", 2, 1024, 2, 2},
    {"t3a.small", 2, 2048, 2, 4},
    {"t3a.medium", 2, 4096, 3, 6},
    {"t3a.large", 2, 8192, 3, 12},
    {"t3a.xlarge", 4, 16384, 4, 15},
    {"t3a.2xlarge", 8, 32768, 4, 15},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

const struct instance_type *instance_type_find(const char *name)
{
    for (size_t i = 0; i < TYPES; i++)
        if (streq(types[i].name, name))
            return &types[i];
    return NULL;
}

static bool burstable(const struct instance_type *t)
{
    return t->name[0] == 't';
}

/* Families before the Nitro system run on Xen. */
static bool nitro(const struct instance_type *t)
{
    return !str_starts(t->name, "t2.");
}

/* ---- what a filter sees ---- */

static const struct instance_type *type_of(const struct object *o)
{
    return (const struct instance_type *)(const void *)o;
}

static void t_name(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, type_of(o)->name);
}
static void t_vcpus(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, arena_printf(to->a, "%d", type_of(o)->vcpus));
}
static void t_memory(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, arena_printf(to->a, "%d", type_of(o)->memory_mib));
}
static void t_interfaces(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, arena_printf(to->a, "%d", type_of(o)->interfaces));
}
static void t_addresses(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, arena_printf(to->a, "%d", type_of(o)->addresses));
}
static void t_current(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, nitro(type_of(o)));
}
static void t_burstable(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, burstable(type_of(o)));
}
static void t_hypervisor(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, nitro(type_of(o)) ? "nitro" : "xen");
}
static void t_free(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, str_ends(type_of(o)->name, ".micro") && burstable(type_of(o)));
}
static void t_x86(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "x86_64");
}
static void t_usage(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "on-demand");
    ec2_value(to, "spot");
}
static void t_ebs(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "ebs");
}
static void t_hvm(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "hvm");
}
static void t_false(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, false);
}

static const struct ec2_filter_row type_rows[] = {
    {"instance-type", t_name},
    {"vcpu-info.default-vcpus", t_vcpus},
    {"memory-info.size-in-mib", t_memory},
    {"network-info.maximum-network-interfaces", t_interfaces},
    {"network-info.ipv4-addresses-per-interface", t_addresses},
    {"current-generation", t_current},
    {"burstable-performance-supported", t_burstable},
    {"hypervisor", t_hypervisor},
    {"free-tier-eligible", t_free},
    {"processor-info.supported-architecture", t_x86},
    {"supported-usage-class", t_usage},
    {"supported-root-device-type", t_ebs},
    {"supported-virtualization-type", t_hvm},
    {"bare-metal", t_false},
    {"instance-storage-supported", t_false},
    {"hibernation-supported", t_false},
    {NULL, NULL},
};

/* ---- DescribeInstanceTypes ---- */

static void type_show(struct arena *a, const struct instance_type *t,
                      struct ec2_instance_type_info *to)
{
    to->instance_type =
        (enum ec2_instance_type)wire_enum_value(&ec2_instance_type_shape, t->name);
    to->current_generation = SET_BOOL(nitro(t));
    to->free_tier_eligible = SET_BOOL(str_ends(t->name, ".micro") && burstable(t));
    to->bare_metal = SET_BOOL(false);
    to->hypervisor =
        nitro(t) ? EC2_INSTANCE_TYPE_HYPERVISOR_NITRO : EC2_INSTANCE_TYPE_HYPERVISOR_XEN;
    to->burstable_performance_supported = SET_BOOL(burstable(t));
    to->instance_storage_supported = SET_BOOL(false);
    to->hibernation_supported = SET_BOOL(false);
    to->dedicated_hosts_supported = SET_BOOL(false);
    to->auto_recovery_supported = SET_BOOL(false);
    *LIST_PUSH(a, &to->supported_usage_classes) = EC2_USAGE_CLASS_TYPE_ON_DEMAND;
    *LIST_PUSH(a, &to->supported_usage_classes) = EC2_USAGE_CLASS_TYPE_SPOT;
    *LIST_PUSH(a, &to->supported_root_device_types) = EC2_ROOT_DEVICE_TYPE_EBS;
    *LIST_PUSH(a, &to->supported_virtualization_types) = EC2_VIRTUALIZATION_TYPE_HVM;
    to->processor_info = arena_new(a, struct ec2_processor_info);
    *LIST_PUSH(a, &to->processor_info->supported_architectures) =
        EC2_ARCHITECTURE_TYPE_X86_64;
    to->v_cpu_info = arena_new(a, struct ec2_v_cpu_info);
    to->v_cpu_info->default_v_cpus = SET_INT(t->vcpus);
    int32_t threads = t->vcpus > 1 ? 2 : 1;
    to->v_cpu_info->default_cores = SET_INT(t->vcpus / threads);
    to->v_cpu_info->default_threads_per_core = SET_INT(threads);
    to->memory_info = arena_new(a, struct ec2_memory_info);
    to->memory_info->size_in_mib = SET_LONG(t->memory_mib);
    to->network_info = arena_new(a, struct ec2_network_info);
    to->network_info->maximum_network_interfaces = SET_INT(t->interfaces);
    to->network_info->maximum_network_cards = SET_INT(1);
    to->network_info->default_network_card_index = SET_INT(0);
    to->network_info->ipv4_addresses_per_interface = SET_INT(t->addresses);
    to->network_info->ipv6_supported = SET_BOOL(false);
    to->network_info->efa_supported = SET_BOOL(false);
}

static int page_of(struct call *c, const char *token, struct opt_int max, size_t *ret_at,
                   size_t *ret_limit)
{
    const char *position;
    int64_t at = 0;
    if (max.set && (max.v < PAGE_MIN || max.v > PAGE_MAX))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value ( %d ) for parameter maxResults is invalid. Expecting a "
                         "value between %d and %d.",
                         (int)max.v, PAGE_MIN, PAGE_MAX);
    if (token && (!page_position(&c->arena, token, &position) ||
                  !str_to_i64(position, 0, INT32_MAX, &at)))
        return ec2_fault(c, "InvalidNextToken", "The token '%s' is not valid", token);
    *ret_at = (size_t)at;
    *ret_limit = max.set ? (size_t)max.v : SIZE_MAX;
    return 0;
}

static bool wanted(const struct enum_list *names, const struct instance_type *t)
{
    int value = wire_enum_value(&ec2_instance_type_shape, t->name);
    bool any = names->n == 0;
    for (size_t i = 0; i < names->n; i++)
        any |= (int)names->v[i] == value;
    return any;
}

static int all_known(struct call *c, const struct enum_list *names)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *name = wire_enum_name(&ec2_instance_type_shape, names->v[i]);
        if (!instance_type_find(name))
            return ec2_fault(c, "InvalidInstanceType",
                             "The following supplied instance types do not exist: [%s]",
                             name);
    }
    return 0;
}

int ec2_describe_instance_types(struct call *c,
                                const struct ec2_describe_instance_types_request *in,
                                struct ec2_describe_instance_types_result *out)
{
    struct ec2_query q = {.rows = type_rows, .filters = &in->filters};
    const struct enum_list *names = &in->instance_types;
    size_t at = 0, limit = 0, shown = 0;
    if (ec2_filters_check(c, &q) < 0 || all_known(c, names) < 0 ||
        page_of(c, in->next_token, in->max_results, &at, &limit) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->instance_types.set = true;
    for (; at < TYPES; at++) {
        if (!wanted(names, &types[at]) ||
            !ec2_filters_hold(c, &q, (const struct object *)(const void *)&types[at]))
            continue;
        if (shown++ == limit) {
            out->next_token = page_token(&c->arena, call_printf(c, "%zu", at));
            break;
        }
        type_show(&c->arena, &types[at], LIST_PUSH(&c->arena, &out->instance_types));
    }
    return 0;
}

/* ---- DescribeInstanceTypeOfferings ---- */

struct offering {
    const struct instance_type *type;
    const char *location;
};

static const struct offering *offering_of(const struct object *o)
{
    return (const struct offering *)(const void *)o;
}
static void o_type(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, offering_of(o)->type->name);
}
static void o_location(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, offering_of(o)->location);
}

/* The locations of this kind: the region, or its zones. */
static void locations_of(struct call *c, enum ec2_location_type kind,
                         struct string_list *ret)
{
    if (kind == EC2_LOCATION_TYPE_UNSET || kind == EC2_LOCATION_TYPE_REGION) {
        *LIST_PUSH(&c->arena, ret) = c->region;
        return;
    }
    for (unsigned z = 0; z < ZONES; z++) {
        const char *zone = zone_name(&c->arena, c->region, z);
        *LIST_PUSH(&c->arena, ret) = kind == EC2_LOCATION_TYPE_AVAILABILITY_ZONE
                                         ? zone
                                         : zone_id(&c->arena, c->region, zone);
    }
}

int ec2_describe_instance_type_offerings(
    struct call *c, const struct ec2_describe_instance_type_offerings_request *in,
    struct ec2_describe_instance_type_offerings_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"instance-type", o_type}, {"location", o_location}, {NULL, NULL}};
    struct ec2_query q = {.rows = rows, .filters = &in->filters};
    struct string_list where = {0};
    size_t at = 0, limit = 0, shown = 0;
    if (ec2_filters_check(c, &q) < 0 ||
        page_of(c, in->next_token, in->max_results, &at, &limit) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    if (in->location_type != EC2_LOCATION_TYPE_OUTPOST)
        locations_of(c, in->location_type, &where);
    out->instance_type_offerings.set = true;
    for (; at < TYPES * where.n; at++) {
        struct offering o = {&types[at / where.n], where.v[at % where.n]};
        if (!ec2_filters_hold(c, &q, (const struct object *)(const void *)&o))
            continue;
        if (shown++ == limit) {
            out->next_token = page_token(&c->arena, call_printf(c, "%zu", at));
            break;
        }
        struct ec2_instance_type_offering *to =
            LIST_PUSH(&c->arena, &out->instance_type_offerings);
        to->instance_type = (enum ec2_instance_type)wire_enum_value(
            &ec2_instance_type_shape, o.type->name);
        to->location_type =
            in->location_type ? in->location_type : EC2_LOCATION_TYPE_REGION;
        to->location = o.location;
    }
    return 0;
}
