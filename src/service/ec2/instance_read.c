/* DescribeInstances, DescribeInstanceStatus, DescribeInstanceCreditSpecifications,
 * GetConsoleOutput, DescribeVolumes. */
#include <stdlib.h>

#include "base64.h"
#include "ec2_instance.h"
#include "ec2_query.h"
#include "interface.h"

/* ---- what filters see ---- */

static const struct ec2_instance_object *obj(const struct object *o)
{
    return (const struct ec2_instance_object *)o;
}
static const struct ec2_instance *rec_of(const struct object *o)
{
    return obj(o)->rec->instance;
}
static const struct ec2_network_interface *nic_of(struct core *core,
                                                  const struct object *o)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), o);
    const struct network_interface *i =
        interface_find(core, &s, obj(o)->rec->network_interface_id);
    return i ? i->rec->interface : NULL;
}

#define TEXT_OF(name, expression)                                                        \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        ec2_value(to, expression);                                                       \
    }
#define NIC_TEXT_OF(name, expression)                                                    \
    static void name(struct core *core, const struct object *o, struct ec2_values *to)   \
    {                                                                                    \
        const struct ec2_network_interface *nic = nic_of(core, o);                       \
        if (nic)                                                                         \
            ec2_value(to, expression);                                                   \
    }

TEXT_OF(f_id, rec_of(o)->instance_id)
TEXT_OF(f_state, obj(o)->rec->state)
TEXT_OF(f_image, rec_of(o)->image_id)
TEXT_OF(f_key, rec_of(o)->key_name)
TEXT_OF(f_vpc, rec_of(o)->vpc_id)
TEXT_OF(f_subnet, rec_of(o)->subnet_id)
TEXT_OF(f_zone, rec_of(o)->placement->availability_zone)
TEXT_OF(f_reservation, obj(o)->rec->reservation_id)
TEXT_OF(f_token, rec_of(o)->client_token)
TEXT_OF(f_nic, obj(o)->rec->network_interface_id)
TEXT_OF(f_volume, obj(o)->rec->volume_id)
TEXT_OF(f_owner, ec2_owner(to->a, o).account)
TEXT_OF(f_root, rec_of(o)->root_device_name)
TEXT_OF(f_profile,
        rec_of(o)->iam_instance_profile ? rec_of(o)->iam_instance_profile->arn : NULL)
TEXT_OF(f_reason, rec_of(o)->state_reason ? rec_of(o)->state_reason->code : NULL)
TEXT_OF(f_x86, "x86_64")
TEXT_OF(f_tenancy, "default")
TEXT_OF(f_type, wire_enum_name(&ec2_instance_type_shape, (int)rec_of(o)->instance_type))
TEXT_OF(f_lifecycle, wire_enum_name(&ec2_instance_lifecycle_type_shape,
                                    (int)rec_of(o)->instance_lifecycle))
TEXT_OF(f_code, arena_printf(to->a, "%d",
                             (int)instance_state_show(to->a, obj(o)->rec->state)->code.v))
NIC_TEXT_OF(f_private_ip, nic->private_ip_address)
NIC_TEXT_OF(f_private_dns, nic->private_dns_name)
NIC_TEXT_OF(f_public_ip, nic->association ? nic->association->public_ip : NULL)
NIC_TEXT_OF(f_dns, nic->association ? nic->association->public_dns_name : NULL)

static void f_groups(struct core *core, const struct object *o, struct ec2_values *to)
{
    const struct ec2_network_interface *nic = nic_of(core, o);
    for (size_t n = 0; nic && n < nic->groups.n; n++)
        ec2_value(to, nic->groups.v[n].group_id);
}
static void f_group_names(struct core *core, const struct object *o,
                          struct ec2_values *to)
{
    const struct ec2_network_interface *nic = nic_of(core, o);
    for (size_t n = 0; nic && n < nic->groups.n; n++)
        ec2_value(to, nic->groups.v[n].group_name);
}

static const struct ec2_tag_list *f_tags(const struct object *o)
{
    return &rec_of(o)->tags;
}

static const struct ec2_filter_row instance_rows[] = {
    {"instance-id", f_id},
    {"instance-state-name", f_state},
    {"instance-state-code", f_code},
    {"instance-type", f_type},
    {"instance-lifecycle", f_lifecycle},
    {"image-id", f_image},
    {"key-name", f_key},
    {"vpc-id", f_vpc},
    {"network-interface.vpc-id", f_vpc},
    {"subnet-id", f_subnet},
    {"network-interface.subnet-id", f_subnet},
    {"availability-zone", f_zone},
    {"reservation-id", f_reservation},
    {"client-token", f_token},
    {"owner-id", f_owner},
    {"network-interface.network-interface-id", f_nic},
    {"block-device-mapping.volume-id", f_volume},
    {"root-device-name", f_root},
    {"iam-instance-profile.arn", f_profile},
    {"state-reason-code", f_reason},
    {"architecture", f_x86},
    {"tenancy", f_tenancy},
    {"private-ip-address", f_private_ip},
    {"network-interface.addresses.private-ip-address", f_private_ip},
    {"private-dns-name", f_private_dns},
    {"ip-address", f_public_ip},
    {"dns-name", f_dns},
    {"instance.group-id", f_groups},
    {"network-interface.group-id", f_groups},
    {"instance.group-name", f_group_names},
    {NULL, NULL},
};

static int select_instances(struct call *c, const struct ec2_filter_list *filters,
                            const struct string_list *ids, const char *token,
                            struct opt_int max, bool (*hidden)(const struct object *o),
                            struct ec2_found *ret)
{
    struct ec2_query q = {
        .table = ec2_of(c->core)->instances,
        .kind = "instance",
        .rows = instance_rows,
        .tags = f_tags,
        .hidden = hidden,
        .filters = filters,
        .ids = ids,
        .missing_code = "InvalidInstanceID.NotFound",
        .missing_text = "The instance ID '%s' does not exist",
        .next_token = token,
        .max_results = max,
    };
    for (size_t n = 0; n < ids->n; n++)
        if (!str_starts(ids->v[n], "i-"))
            return ec2_fault(c, "InvalidInstanceID.Malformed", "Invalid id: \"%s\"",
                             ids->v[n]);
    return ec2_select(c, &q, ret);
}

/* ---- DescribeInstances ---- */

static int by_reservation(const void *a, const void *b)
{
    const struct gantry_ec2_instance_record *x = obj(*(struct object *const *)a)->rec,
                                            *y = obj(*(struct object *const *)b)->rec;
    int order = strcmp(x->reservation_id, y->reservation_id);
    return order ? order
                 : x->instance->ami_launch_index.v - y->instance->ami_launch_index.v;
}

int ec2_describe_instances(struct call *c,
                           const struct ec2_describe_instances_request *in,
                           struct ec2_describe_instances_result *out)
{
    struct ec2_found found = {0};
    struct ec2_reservation *r = NULL;
    if (select_instances(c, &in->filters, &in->instance_ids, in->next_token,
                         in->max_results, NULL, &found) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    if (found.n)
        qsort(found.v, found.n, sizeof(*found.v), by_reservation);
    out->reservations.set = true;
    out->next_token = found.next_token;
    for (size_t n = 0; n < found.n; n++) {
        const struct ec2_instance_object *i = obj(found.v[n]);
        if (!r || !streq(r->reservation_id, i->rec->reservation_id)) {
            r = LIST_PUSH(&c->arena, &out->reservations);
            r->reservation_id = i->rec->reservation_id;
            r->owner_id = c->who.account_id;
            r->groups.set = true;
        }
        instance_show(c->core, i, &c->arena, LIST_PUSH(&c->arena, &r->instances));
    }
    return 0;
}

/* ---- DescribeInstanceStatus ---- */

static bool not_running(const struct object *o)
{
    return !streq(obj(o)->rec->state, "running");
}

static struct ec2_instance_status_summary *summary_of(struct arena *a, bool running)
{
    struct ec2_instance_status_summary *to =
        arena_new(a, struct ec2_instance_status_summary);
    to->status = running ? EC2_SUMMARY_STATUS_OK : EC2_SUMMARY_STATUS_NOT_APPLICABLE;
    to->details.set = true;
    if (running) {
        struct ec2_instance_status_details *d = LIST_PUSH(a, &to->details);
        d->name = EC2_STATUS_NAME_REACHABILITY;
        d->status = EC2_STATUS_TYPE_PASSED;
    }
    return to;
}

int ec2_describe_instance_status(struct call *c,
                                 const struct ec2_describe_instance_status_request *in,
                                 struct ec2_describe_instance_status_result *out)
{
    struct ec2_found found = {0};
    struct arena *a = &c->arena;
    if (select_instances(c, &in->filters, &in->instance_ids, in->next_token,
                         in->max_results, NULL, &found) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->instance_statuses.set = true;
    out->next_token = found.next_token;
    for (size_t n = 0; n < found.n; n++) {
        const struct ec2_instance_object *i = obj(found.v[n]);
        bool running = !not_running(found.v[n]);
        if (!running && !in->include_all_instances.v)
            continue;
        struct ec2_instance_status *to = LIST_PUSH(a, &out->instance_statuses);
        to->instance_id = i->rec->instance->instance_id;
        to->availability_zone = i->rec->instance->placement->availability_zone;
        to->instance_state = instance_state_show(a, i->rec->state);
        to->instance_status = summary_of(a, running);
        to->system_status = summary_of(a, running);
    }
    return 0;
}

/* ---- DescribeInstanceCreditSpecifications ---- */

static bool no_credits(const struct object *o)
{
    return !obj(o)->rec->cpu_credits || obj(o)->rec->terminated_at.set;
}

int ec2_describe_instance_credit_specifications(
    struct call *c, const struct ec2_describe_instance_credit_specifications_request *in,
    struct ec2_describe_instance_credit_specifications_result *out)
{
    struct ec2_found found = {0};
    for (size_t n = 0; n < in->instance_ids.n; n++) {
        const struct ec2_instance_object *i = instance_require(c, in->instance_ids.v[n]);
        if (!i)
            return -1;
        if (no_credits(&i->o))
            return ec2_fault(c, "InvalidInstanceID.NotBurstable",
                             "The instance '%s' is not a burstable performance instance.",
                             in->instance_ids.v[n]);
    }
    if (select_instances(c, &in->filters, &in->instance_ids, in->next_token,
                         in->max_results, no_credits, &found) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->instance_credit_specifications.set = true;
    out->next_token = found.next_token;
    for (size_t n = 0; n < found.n; n++) {
        struct ec2_instance_credit_specification *to =
            LIST_PUSH(&c->arena, &out->instance_credit_specifications);
        to->instance_id = rec_of(found.v[n])->instance_id;
        to->cpu_credits = obj(found.v[n])->rec->cpu_credits;
    }
    return 0;
}

/* ---- GetConsoleOutput ---- */

int ec2_get_console_output(struct call *c,
                           const struct ec2_get_console_output_request *in,
                           struct ec2_get_console_output_result *out)
{
    const struct ec2_instance_object *i = instance_require(c, in->instance_id);
    AUTO_STR text = STR_INIT;
    if (!i || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->instance_id = i->rec->instance->instance_id;
    if (!i->rec->console)
        return 0;
    base64_add(&text, i->rec->console, strlen(i->rec->console));
    out->output = arena_strdup(&c->arena, str_text(&text));
    out->timestamp = i->rec->console_at;
    return 0;
}

/* ---- DescribeVolumes: each instance's root volume ---- */

TEXT_OF(v_type, obj(o)->rec->volume_type)
TEXT_OF(v_status, "in-use")
TEXT_OF(v_attached, "attached")
TEXT_OF(v_device, IMAGE_ROOT)
TEXT_OF(v_true, "true")
TEXT_OF(v_false, "false")
TEXT_OF(v_size, arena_printf(to->a, "%d", (int)obj(o)->rec->volume_size_gib.v))

static const struct ec2_tag_list *v_tags(const struct object *o)
{
    return &obj(o)->rec->volume_tags;
}
static bool no_volume(const struct object *o)
{
    return !obj(o)->rec->volume_id || obj(o)->rec->terminated_at.set;
}

static const struct ec2_filter_row volume_rows[] = {
    {"volume-id", f_volume},
    {"attachment.instance-id", f_id},
    {"attachment.device", v_device},
    {"attachment.status", v_attached},
    {"attachment.delete-on-termination", v_true},
    {"availability-zone", f_zone},
    {"encrypted", v_false},
    {"size", v_size},
    {"status", v_status},
    {"volume-type", v_type},
    {NULL, NULL},
};

static void volume_show(struct arena *a, const struct ec2_instance_object *i,
                        struct ec2_volume *to)
{
    const struct ec2_instance *rec = i->rec->instance;
    to->volume_id = i->rec->volume_id;
    to->size = i->rec->volume_size_gib;
    to->volume_type = (enum ec2_volume_type)wire_enum_value(&ec2_volume_type_shape,
                                                            i->rec->volume_type);
    to->state = EC2_VOLUME_STATE_IN_USE;
    to->availability_zone = rec->placement->availability_zone;
    to->create_time = rec->usage_operation_update_time;
    to->encrypted = SET_BOOL(false);
    to->multi_attach_enabled = SET_BOOL(false);
    to->snapshot_id = "";
    to->tags = i->rec->volume_tags;
    struct ec2_volume_attachment *at = LIST_PUSH(a, &to->attachments);
    at->volume_id = i->rec->volume_id;
    at->instance_id = rec->instance_id;
    at->device = IMAGE_ROOT;
    at->state = EC2_VOLUME_ATTACHMENT_STATE_ATTACHED;
    at->attach_time = rec->usage_operation_update_time;
    at->delete_on_termination = SET_BOOL(true);
}

/* The ids that were asked for become a filter: volumes lie in their instances' records. */
static int volume_ids_check(struct call *c, const struct string_list *ids,
                            const struct ec2_found *found)
{
    for (size_t n = 0; n < ids->n; n++) {
        bool there = false;
        for (size_t k = 0; k < found->n; k++)
            there |= streq(obj(found->v[k])->rec->volume_id, ids->v[n]);
        if (!there)
            return ec2_fault(c, "InvalidVolume.NotFound",
                             "The volume '%s' does not exist.", ids->v[n]);
    }
    return 0;
}

int ec2_describe_volumes(struct call *c, const struct ec2_describe_volumes_request *in,
                         struct ec2_describe_volumes_result *out)
{
    static const struct string_list all;
    struct ec2_query q = {.table = ec2_of(c->core)->instances,
                          .kind = "instance",
                          .rows = volume_rows,
                          .tags = v_tags,
                          .hidden = no_volume,
                          .filters = &in->filters,
                          .ids = &all,
                          .next_token = in->next_token,
                          .max_results = in->max_results};
    struct ec2_found found = {0};
    struct ec2_filter_list filters = {0};
    for (size_t n = 0; n < in->filters.n; n++)
        *LIST_PUSH(&c->arena, &filters) = in->filters.v[n];
    if (in->volume_ids.n) {
        struct ec2_filter *f = LIST_PUSH(&c->arena, &filters);
        f->name = "volume-id";
        f->values = in->volume_ids;
    }
    q.filters = &filters;
    if (ec2_select(c, &q, &found) < 0 ||
        volume_ids_check(c, &in->volume_ids, &found) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->volumes.set = true;
    out->next_token = found.next_token;
    for (size_t n = 0; n < found.n; n++)
        volume_show(&c->arena, obj(found.v[n]), LIST_PUSH(&c->arena, &out->volumes));
    return 0;
}
