/* The images that instances start from. There is one a generation of Amazon Linux, and both
 * stand for the same: gantry's agent on this machine. */
#include "ec2_instance.h"
#include "ec2_query.h"

/* Ids differ by region, and stay. */
const char *image_id_of(struct arena *a, const char *region, bool al2023)
{
    uint64_t h = 0xcbf29ce484222325U; /* FNV-1a */
    for (const char *p = region; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3U;
    h = (h ^ (al2023 ? 'n' : 'o')) * 0x100000001b3U;
    return arena_printf(a, "ami-0%016llx", (unsigned long long)h);
}

const char *ec2_optimized_image(struct arena *a, const char *region, bool al2023)
{
    return image_id_of(a, region, al2023);
}

bool image_known(const char *region, const char *id)
{
    AUTO_ARENA a = ARENA_INIT;
    return streq(id, image_id_of(&a, region, true)) ||
           streq(id, image_id_of(&a, region, false));
}

static const struct ec2_image *image_of(const struct object *o)
{
    return (const struct ec2_image *)(const void *)o;
}
static void i_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, image_of(o)->image_id);
}
static void i_name(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, image_of(o)->name);
}
static void i_description(struct core *core, const struct object *o,
                          struct ec2_values *to)
{
    ec2_value(to, image_of(o)->description);
}
static void i_owner(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, image_of(o)->owner_id);
}
static void i_alias(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, image_of(o)->image_owner_alias);
}
static void i_x86(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "x86_64");
}
static void i_state(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "available");
}
static void i_public(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, true);
}
static void i_hvm(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "hvm");
}
static void i_ebs(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "ebs");
}
static void i_machine(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "machine");
}
static void i_root(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, IMAGE_ROOT);
}
static void i_created(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, image_of(o)->creation_date);
}

#define AMAZON "591542846629" /* who owns the ECS-optimized images */

static void image_show(struct call *c, bool al2023, struct ec2_image *to)
{
    struct arena *a = &c->arena;
    const char *created = "2026-01-01T00:00:00.000Z";
    to->image_id = image_id_of(a, c->region, al2023);
    to->name = al2023 ? "al2023-ami-ecs-hvm-2023.0.20260101-kernel-6.1-x86_64"
                      : "amzn2-ami-ecs-hvm-2.0.20260101-x86_64-ebs";
    to->description = al2023 ? "Stands for Amazon Linux AMI 2023 x86_64 ECS HVM EBS"
                             : "Stands for Amazon Linux AMI 2.0 x86_64 ECS HVM EBS";
    to->image_location = arena_printf(a, "amazon/%s", to->name);
    to->image_owner_alias = "amazon";
    to->owner_id = AMAZON;
    to->creation_date = created;
    to->public = SET_BOOL(true);
    to->state = EC2_IMAGE_STATE_AVAILABLE;
    to->architecture = EC2_ARCHITECTURE_VALUES_X86_64;
    to->image_type = EC2_IMAGE_TYPE_VALUES_MACHINE;
    to->hypervisor = EC2_HYPERVISOR_TYPE_XEN;
    to->virtualization_type = EC2_VIRTUALIZATION_TYPE_HVM;
    to->root_device_name = IMAGE_ROOT;
    to->root_device_type = EC2_DEVICE_TYPE_EBS;
    to->ena_support = SET_BOOL(true);
    to->platform_details = "Linux/UNIX";
    to->usage_operation = "RunInstances";
    struct ec2_block_device_mapping *disk = LIST_PUSH(a, &to->block_device_mappings);
    disk->device_name = IMAGE_ROOT;
    disk->ebs = arena_new(a, struct ec2_ebs_block_device);
    disk->ebs->volume_size = SET_INT(IMAGE_DISK_GIB);
    disk->ebs->volume_type = EC2_VOLUME_TYPE_GP3;
    disk->ebs->delete_on_termination = SET_BOOL(true);
    disk->ebs->encrypted = SET_BOOL(false);
    to->tags.set = true;
}

static bool listed(const struct string_list *l, const char *const *names)
{
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; names[k]; k++)
            if (streq(l->v[i], names[k]))
                return true;
    return l->n == 0;
}

static int ids_check(struct call *c, const struct string_list *ids)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (!str_starts(ids->v[i], "ami-"))
            return ec2_fault(c, "InvalidAMIID.Malformed", "Invalid id: \"%s\"",
                             ids->v[i]);
        if (!image_known(c->region, ids->v[i]))
            return ec2_fault(c, "InvalidAMIID.NotFound",
                             "The image id '[%s]' does not exist", ids->v[i]);
    }
    return 0;
}

int ec2_describe_images(struct call *c, const struct ec2_describe_images_request *in,
                        struct ec2_describe_images_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"image-id", i_id},
        {"name", i_name},
        {"description", i_description},
        {"owner-id", i_owner},
        {"owner-alias", i_alias},
        {"architecture", i_x86},
        {"state", i_state},
        {"is-public", i_public},
        {"virtualization-type", i_hvm},
        {"root-device-type", i_ebs},
        {"root-device-name", i_root},
        {"image-type", i_machine},
        {"creation-date", i_created},
        {NULL, NULL},
    };
    static const char *const owners[] = {"amazon", AMAZON, NULL};
    static const char *const everybody[] = {"all", NULL};
    struct ec2_query q = {.rows = rows, .filters = &in->filters};
    if (ids_check(c, &in->image_ids) < 0 || ec2_filters_check(c, &q) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->images.set = true;
    for (int al2023 = 1; al2023 >= 0; al2023--) {
        struct ec2_image image = {0};
        image_show(c, al2023 == 1, &image);
        const char *const id[] = {image.image_id, NULL};
        if (listed(&in->image_ids, id) && listed(&in->owners, owners) &&
            listed(&in->executable_users, everybody) &&
            ec2_filters_hold(c, &q, (const struct object *)(const void *)&image))
            *LIST_PUSH(&c->arena, &out->images) = image;
    }
    return 0;
}
