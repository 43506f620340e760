#include "agent_settings.h"

#include <string.h>

#include "str.h"

static int fill_ports(const char *text, struct agent_config *ret, struct error *err)
{
    int64_t low, high;
    AUTO_STR copy = STR_INIT;
    str_add(&copy, text);
    char *dash = copy.data ? strchr(copy.data, '-') : NULL;
    if (dash)
        *dash = '\0';
    if (!dash || !str_to_i64(copy.data, 1024, 65535, &low) ||
        !str_to_i64(dash + 1, 1024, 65535, &high) || low > high)
        return fail(err, E_INVALID,
                    "--port-range '%s': expected LOW-HIGH between 1024 and "
                    "65535",
                    text);
    ret->port_low = (uint16_t)low;
    ret->port_high = (uint16_t)high;
    return 0;
}

static int fill_attributes(struct options *o, struct agent_config *ret, struct error *err)
{
    size_t n = o->attributes.count;
    struct agent_attribute *all = arena_new_array(&o->arena, struct agent_attribute, n);
    for (size_t i = 0; i < n; i++) {
        char *name = arena_strdup(&o->arena, o->attributes.items[i]);
        char *equals = strchr(name, '=');
        if (equals)
            *equals = '\0';
        if (!*name)
            return fail(err, E_INVALID, "--attribute '%s': expected NAME=VALUE",
                        o->attributes.items[i]);
        all[i] = (struct agent_attribute){name, equals ? equals + 1 : NULL};
    }
    ret->attributes = all;
    ret->attribute_count = n;
    return 0;
}

static int fill_introspection(const char *text, struct agent_config *ret,
                              struct error *err)
{
    int64_t port = -1;
    if (!text)
        return 0;
    if (!streq(text, "off") && !str_to_i64(text, 1, 65535, &port))
        return fail(err, E_INVALID, "--introspection '%s': expected a port or off", text);
    ret->introspection_port = (int)port;
    return 0;
}

static int fill_cleanup(const char *text, struct agent_config *ret, struct error *err)
{
    if (!text)
        return 0;
    ret->keep_images = streq(text, "off");
    if (!ret->keep_images && (!duration_parse(text, &ret->image_gc_period_ms) ||
                              ret->image_gc_period_ms < 1000))
        return fail(err, E_INVALID,
                    "--image-cleanup '%s': expected off, or a time such as 10m", text);
    return 0;
}

int agent_settings_fill(struct options *o, const struct layout *l,
                        struct agent_config *ret, struct error *err)
{
    *ret = (struct agent_config){
        .cluster = o->cluster,
        .region = o->region,
        .data_dir = l->agent_dir,
        .run_dir = l->agent_run_dir,
        .run = l->agent_run,
        .fargate = o->fargate,
        .share = (int)o->share,
        .instance_id = o->instance_id,
        .availability_zone = o->availability_zone,
        .instance_type = o->instance_type,
        .cgroup_parent = o->instance_group,
        .cpu_units = o->instance_vcpus * 1024,
        .memory_mib = o->instance_memory_mib,
        .reserved_memory_mib = o->reserved_memory_mib,
        .pull = (enum agent_pull)o->pull,
        .ca_file = o->ca_file,
        .insecure_registries =
            o->insecure_registries.count ? o->insecure_registries.items : NULL,
        .efs_servers = o->efs_servers.count ? o->efs_servers.items : NULL,
        .no_task_role = o->no_task_role,
        .no_task_role_host = o->no_task_role || o->no_task_role_host,
        .block_imds = o->block_imds,
        .vpc_dir = o->vpc_dir,
        .subnet = o->subnet,
        .runtime_path = o->runtime,
        .conmon_path = o->conmon,
        .init_path = o->init,
        .stop_timeout_ms = o->stop_timeout_ms,
        .stopped_task_retention_ms = o->stopped_task_retention_ms,
        .image_minimum_age_ms = o->image_minimum_age_ms,
        .stop_fd = -1,
    };
    int r = o->port_range ? fill_ports(o->port_range, ret, err) : 0;
    if (r == 0)
        r = fill_introspection(o->introspection, ret, err);
    if (r == 0)
        r = fill_cleanup(o->image_cleanup, ret, err);
    return r == 0 ? fill_attributes(o, ret, err) : r;
}
