/* Instances in memory, see ec2_instance.h. */
#include "ec2_instance.h"

#include "interface.h"
#include "security_group.h"

const struct table_type ec2_instance_table = {
    .prefix = "/ec2/instance/",
    .shape = &gantry_ec2_instance_record_shape,
    .object_size = sizeof(struct ec2_instance_object),
    .record_offset = offsetof(struct ec2_instance_object, rec),
};

struct ec2_instance_object *ec2_instance_lookup(struct core *core,
                                                const struct ec2_scope *s, const char *id)
{
    return id ? table_find(ec2_of(core)->instances,
                           ec2_key(core_scratch(core), "instance", s, id))
              : NULL;
}

static void info_of(const struct ec2_instance_object *i, struct ec2_instance_info *ret)
{
    const struct ec2_instance *rec = i->rec->instance;
    *ret = (struct ec2_instance_info){
        .instance_id = rec->instance_id,
        .instance_type =
            wire_enum_name(&ec2_instance_type_shape, (int)rec->instance_type),
        .availability_zone = rec->placement ? rec->placement->availability_zone : NULL,
        .vpc_id = rec->vpc_id,
        .subnet_id = rec->subnet_id,
        .private_ip = rec->private_ip_address,
        .public_ip = rec->public_ip_address,
        .image_id = rec->image_id,
        .iam_instance_profile_arn =
            rec->iam_instance_profile ? rec->iam_instance_profile->arn : NULL,
        .running = streq(i->rec->state, "running"),
    };
}

int ec2_instance_find(struct core *core, const struct ec2_scope *s, const char *id,
                      struct ec2_instance_info *ret, struct error *err)
{
    const struct ec2_instance_object *i = ec2_instance_lookup(core, s, id);
    if (!i || streq(i->rec->state, "terminated"))
        return fail(err, E_NOTFOUND, "The instance ID '%s' does not exist", id ? id : "");
    info_of(i, ret);
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
        info_of(i, ret);
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
    i = object_new(core, ec2_of(core)->instances,
                   ec2_key(core_scratch(core), "instance", s, instance_id));
    fill_machine(core, i, instance_id, &nic);
    object_save(core, &i->o);
    info_of(i, ret);
    return 0;
}

void ec2_instance_edge_desired(struct core *core, struct arena *a,
                               struct gantry_edge_instance_list *ret)
{
}

void ec2_edge_instance_state(struct core *core,
                             const struct gantry_edge_instance_state *state)
{
}
