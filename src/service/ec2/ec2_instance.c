/* Instances in memory, see ec2_instance.h. */
#include "ec2_instance.h"

#include "instance_profile.h"
#include "interface.h"
#include "security_group.h"

/* ---- life ---- */

static void index_add(struct core *core, struct ec2_instance_object *i)
{
    struct ec2 *ec2 = ec2_of(core);
    const char *id = strrchr(i->o.key, '/') + 1;
    wake_init(&i->expiry, instance_expire);
    instance_credentials_init(i);
    HASH_ADD_KEYPTR(hh, ec2->instances_by_id, id, strlen(id), i);
}

struct ec2_instance_object *instance_object_new(struct core *core,
                                                const struct ec2_scope *s, const char *id)
{
    struct ec2_instance_object *i = object_new(
        core, ec2_of(core)->instances, ec2_key(core_scratch(core), "instance", s, id));
    index_add(core, i);
    return i;
}

static int instance_loaded(struct core *core, struct object *o, struct error *err)
{
    struct ec2_instance_object *i = (struct ec2_instance_object *)o;
    if (!i->rec->instance || !i->rec->state)
        return fail(err, E_CORRUPT, "EC2 instance without a record");
    index_add(core, i);
    if (i->rec->terminated_at.set)
        wake_at(core, &i->expiry, i->rec->terminated_at.v + INSTANCE_SHOWN_MS);
    return 0;
}

static void instance_unlink(struct core *core, struct object *o)
{
    struct ec2_instance_object *i = (struct ec2_instance_object *)o;
    wake_cancel(core, &i->expiry);
    instance_credentials_fini(core, i);
    HASH_DELETE(hh, ec2_of(core)->instances_by_id, i);
}

const struct table_type ec2_instance_table = {
    .prefix = "/ec2/instance/",
    .shape = &gantry_ec2_instance_record_shape,
    .object_size = sizeof(struct ec2_instance_object),
    .record_offset = offsetof(struct ec2_instance_object, rec),
    .loaded = instance_loaded,
    .unlink = instance_unlink,
};

struct ec2_instance_object *ec2_instance_lookup(struct core *core,
                                                const struct ec2_scope *s, const char *id)
{
    return id ? table_find(ec2_of(core)->instances,
                           ec2_key(core_scratch(core), "instance", s, id))
              : NULL;
}

static bool id_formed(const char *id)
{
    size_t n = id ? strlen(id) : 0;
    return (n == 19 || n == 10) && str_starts(id, "i-") &&
           strspn(id + 2, "0123456789abcdef") == n - 2;
}

struct ec2_instance_object *instance_require(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct ec2_instance_object *i = ec2_instance_lookup(c->core, &s, id);
    if (i)
        return i;
    if (id_formed(id))
        ec2_fault(c, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist",
                  id);
    else
        ec2_fault(c, "InvalidInstanceID.Malformed", "Invalid id: \"%s\"", id ? id : "");
    return NULL;
}

int instance_is_ours(struct call *c, const struct ec2_instance_object *i)
{
    return i->rec->machine.v ? ec2_fault(c, "OperationNotPermitted",
                                         "The instance '%s' is the machine itself: it is "
                                         "started and stopped by those who own it.",
                                         i->rec->instance->instance_id)
                             : 0;
}

/* The interface's groups, addresses and all, and NULL once it is gone. */
static const struct network_interface *interface_of(struct core *core,
                                                    const struct ec2_instance_object *i)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    return interface_find(core, &s, i->rec->network_interface_id);
}

/* ---- how it is shown ---- */

struct ec2_instance_state *instance_state_show(struct arena *a, const char *name)
{
    static const struct {
        const char *name;
        int code; /* EC2 API, InstanceState */
    } codes[] = {{"pending", 0},     {"running", 16},  {"shutting-down", 32},
                 {"terminated", 48}, {"stopping", 64}, {"stopped", 80}};
    struct ec2_instance_state *to = arena_new(a, struct ec2_instance_state);
    to->name = (enum ec2_instance_state_name)wire_enum_value(
        &ec2_instance_state_name_shape, name);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (streq(codes[i].name, name))
            to->code = SET_INT(codes[i].code);
    return to;
}

static struct ec2_instance_network_interface_association *
association_show(struct arena *a, const struct ec2_network_interface *rec)
{
    if (!rec->association)
        return NULL;
    struct ec2_instance_network_interface_association *to =
        arena_new(a, struct ec2_instance_network_interface_association);
    to->public_ip = rec->association->public_ip;
    to->public_dns_name = rec->association->public_dns_name;
    to->ip_owner_id = rec->association->ip_owner_id;
    return to;
}

static void interface_show(struct arena *a, const struct ec2_network_interface *rec,
                           struct ec2_instance_network_interface *to)
{
    to->association = association_show(a, rec);
    if (rec->attachment) {
        to->attachment = arena_new(a, struct ec2_instance_network_interface_attachment);
        to->attachment->attachment_id = rec->attachment->attachment_id;
        to->attachment->attach_time = rec->attachment->attach_time;
        to->attachment->delete_on_termination = rec->attachment->delete_on_termination;
        to->attachment->device_index = rec->attachment->device_index;
        to->attachment->network_card_index = rec->attachment->network_card_index;
        to->attachment->status = rec->attachment->status;
    }
    to->description = rec->description;
    to->groups = rec->groups;
    to->mac_address = rec->mac_address;
    to->network_interface_id = rec->network_interface_id;
    to->owner_id = rec->owner_id;
    to->private_dns_name = rec->private_dns_name;
    to->private_ip_address = rec->private_ip_address;
    to->source_dest_check = rec->source_dest_check;
    to->status = rec->status;
    to->subnet_id = rec->subnet_id;
    to->vpc_id = rec->vpc_id;
    to->interface_type = "interface";
    for (size_t n = 0; n < rec->private_ip_addresses.n; n++) {
        struct ec2_instance_private_ip_address *p =
            LIST_PUSH(a, &to->private_ip_addresses);
        p->primary = rec->private_ip_addresses.v[n].primary;
        p->private_ip_address = rec->private_ip_addresses.v[n].private_ip_address;
        p->private_dns_name = rec->private_ip_addresses.v[n].private_dns_name;
        p->association = n == 0 ? to->association : NULL;
    }
}

static void disk_show(struct arena *a, const struct ec2_instance_object *i,
                      struct ec2_instance *ret)
{
    ret->block_device_mappings =
        (struct ec2_instance_block_device_mapping_list){.set = true};
    if (!i->rec->volume_id || i->rec->terminated_at.set)
        return;
    struct ec2_instance_block_device_mapping *to =
        LIST_PUSH(a, &ret->block_device_mappings);
    to->device_name = IMAGE_ROOT;
    to->ebs = arena_new(a, struct ec2_ebs_instance_block_device);
    to->ebs->volume_id = i->rec->volume_id;
    to->ebs->attach_time = i->rec->instance->launch_time;
    to->ebs->delete_on_termination = SET_BOOL(true);
    to->ebs->status = EC2_ATTACHMENT_STATUS_ATTACHED;
}

void instance_show(struct core *core, const struct ec2_instance_object *i,
                   struct arena *a, struct ec2_instance *ret)
{
    const struct network_interface *nic = interface_of(core, i);
    *ret = *i->rec->instance;
    ret->state = instance_state_show(a, i->rec->state);
    ret->tags.set = ret->security_groups.set = true;
    ret->network_interfaces = (struct ec2_instance_network_interface_list){.set = true};
    ret->public_ip_address = ret->public_dns_name = NULL;
    disk_show(a, i, ret);
    if (!nic) {
        ret->private_ip_address = ret->private_dns_name = NULL;
        return;
    }
    const struct ec2_network_interface *rec = nic->rec->interface;
    interface_show(a, rec, LIST_PUSH(a, &ret->network_interfaces));
    ret->security_groups = rec->groups;
    ret->source_dest_check = rec->source_dest_check;
    ret->private_ip_address = rec->private_ip_address;
    ret->private_dns_name = rec->private_dns_name;
    ret->public_ip_address = rec->association ? rec->association->public_ip : NULL;
    ret->public_dns_name = rec->association ? rec->association->public_dns_name : "";
}

/* ---- for other services ---- */

static void info_of(struct core *core, const struct ec2_instance_object *i,
                    struct ec2_instance_info *ret)
{
    const struct network_interface *nic = interface_of(core, i);
    const struct ec2_instance *rec = i->rec->instance;
    *ret = (struct ec2_instance_info){
        .instance_id = rec->instance_id,
        .instance_type =
            wire_enum_name(&ec2_instance_type_shape, (int)rec->instance_type),
        .availability_zone = rec->placement ? rec->placement->availability_zone : NULL,
        .vpc_id = rec->vpc_id,
        .subnet_id = rec->subnet_id,
        .private_ip = rec->private_ip_address,
        .public_ip = nic && nic->rec->interface->association
                         ? nic->rec->interface->association->public_ip
                         : NULL,
        .image_id = rec->image_id,
        .iam_instance_profile_arn =
            rec->iam_instance_profile ? rec->iam_instance_profile->arn : NULL,
        .state = i->rec->state,
        .running = streq(i->rec->state, "running"),
    };
}

int ec2_instance_find(struct core *core, const struct ec2_scope *s, const char *id,
                      struct ec2_instance_info *ret, struct error *err)
{
    const struct ec2_instance_object *i = ec2_instance_lookup(core, s, id);
    if (!i || streq(i->rec->state, "terminated"))
        return fail(err, E_NOTFOUND, "The instance ID '%s' does not exist", id ? id : "");
    info_of(core, i, ret);
    return 0;
}

const char *ec2_instance_interface(struct core *core, const struct ec2_scope *s,
                                   const char *id)
{
    const struct ec2_instance_object *i = ec2_instance_lookup(core, s, id);
    return i ? i->rec->network_interface_id : NULL;
}

/* ---- the machine ---- */

static const char *default_subnet(struct core *core, const struct ec2_scope *s,
                                  const char *zone)
{
    struct string_list all = {0};
    struct ec2_subnet_info info;
    struct error err;
    ec2_default_subnets(core, s, core_scratch(core), &all);
    for (size_t n = 0; n < all.n; n++)
        if (ec2_subnet_find(core, s, all.v[n], &info, &err) == 0 &&
            streq(info.availability_zone, zone))
            return all.v[n];
    return all.n ? all.v[0] : NULL;
}

static void fill_machine(struct core *core, struct ec2_instance_object *i,
                         const char *instance_id, const struct ec2_interface_info *nic)
{
    struct arena *a = &i->o.arena;
    struct ec2_instance *rec = i->rec->instance = arena_new(a, struct ec2_instance);
    rec->instance_id = arena_strdup(a, instance_id);
    rec->placement = arena_new(a, struct ec2_placement);
    rec->placement->availability_zone = arena_strdup(a, nic->availability_zone);
    rec->vpc_id = arena_strdup(a, nic->vpc_id);
    rec->subnet_id = arena_strdup(a, nic->subnet_id);
    rec->private_ip_address = arena_strdup(a, nic->private_ip);
    rec->private_dns_name = arena_strdup(a, nic->private_dns_name);
    rec->public_ip_address = arena_strdup(a, nic->public_ip);
    rec->launch_time = SET_TIME(core_now_ms(core));
    rec->tags.set = true;
    i->rec->machine = SET_BOOL(true);
    i->rec->state = "running";
    i->rec->reservation_id = ec2_new_id(core, a, "r");
    i->rec->network_interface_id = arena_strdup(a, nic->interface_id);
}

/* Everybody may come to the machine's own interface: what its ports let in is not the cloud's
 * to decide, the machine has other addresses too. */
static const char *machine_group(struct core *core, const struct ec2_scope *s)
{
    struct vpc *v = default_vpc(core, s);
    list_for_each (it, &v->groups) {
        struct security_group *g = list_entry(it, struct security_group, link);
        if (streq(g->rec->group->group_name, "gantry-machine"))
            return security_group_id(g);
    }
    struct security_group *g = security_group_new(
        core, v, "gantry-machine", "The machine itself: everything from everywhere");
    security_group_allow_all(core, g);
    return security_group_id(g);
}

int ec2_machine_ensure(struct core *core, const struct ec2_scope *s,
                       const char *instance_id, const char *instance_type,
                       const char *zone, struct ec2_instance_info *ret, struct error *err)
{
    struct ec2_instance_object *i = ec2_instance_lookup(core, s, instance_id);
    ec2_account_ensure(core, s);
    if (i) {
        info_of(core, i, ret);
        return 0;
    }
    if (!default_vpc(core, s))
        return fail(err, E_NOTFOUND, "The account has no default VPC.");
    const char *group = machine_group(core, s);
    struct ec2_interface_want want = {
        .scope = *s,
        .subnet_id = default_subnet(core, s, zone),
        .group_ids = {.v = (void *)&group, .n = 1},
        .description = "Primary network interface of the machine",
        .use = GANTRY_EDGE_INTERFACE_USE_MACHINE,
        .owner = instance_id,
    };
    struct ec2_interface_info nic;
    int r = ec2_interface_create(core, &want, &nic, err);
    if (r < 0)
        return r;
    i = instance_object_new(core, s, instance_id);
    fill_machine(core, i, instance_id, &nic);
    object_save(core, &i->o);
    info_of(core, i, ret);
    return 0;
}
