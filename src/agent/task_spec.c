#include "task_spec.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>

#include "fargate_rule.h"
#include "host_room.h"
#include "ipc_space.h"
#include "str.h"

#define MIB                 (1024 * 1024)
#define MEMORY_SMALLEST_MIB 6 /* what OCI runtimes need to start anything */

static bool is_given(const struct string_list *l)
{
    return l->n > 0;
}

static size_t count_of(const char *const *v)
{
    size_t n = 0;
    while (v && v[n])
        n++;
    return n;
}

struct args {
    const char **v;
    size_t n;
};

static void append(struct args *out, const char *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out->v[out->n++] = v[i];
}

int task_spec_args(struct arena *a, const struct ecs_container_definition *def,
                   const struct ecs_container_override *over,
                   const struct image_config *image, const char *const **ret,
                   struct error *err)
{
    static const struct string_list none;
    const struct string_list *entry = &def->entry_point;
    const struct string_list *cmd =
        over && is_given(&over->command) ? &over->command : &def->command;
    /* Docker's way to say "no entry point": one empty string */
    bool cleared = entry->n == 1 && str_empty(entry->v[0]);
    bool given = is_given(entry);
    size_t image_entry = count_of(image->entrypoint), image_cmd = count_of(image->cmd);

    struct args out = {
        .v = arena_new_array(a, const char *,
                             entry->n + cmd->n + image_entry + image_cmd + 1)};
    if (!given)
        append(&out, image->entrypoint, image_entry);
    else if (!cleared)
        append(&out, entry->v, entry->n);
    if (!is_given(cmd))
        cmd = &none;
    append(&out, cmd->v, cmd->n);
    if (cmd->n == 0 && !given)
        append(&out, image->cmd, image_cmd);
    if (out.n == 0)
        return fail(err, E_INVALID, "No command specified");
    *ret = out.v;
    return 0;
}

/* ---- environment ---- */

struct env {
    struct arena *a;
    const char **v;
    size_t n;
};

static size_t name_length(const char *entry)
{
    return strcspn(entry, "=");
}

static size_t env_find(const struct env *e, const char *name, size_t len)
{
    for (size_t i = 0; i < e->n; i++)
        if (name_length(e->v[i]) == len && strncmp(e->v[i], name, len) == 0)
            return i;
    return e->n;
}

static bool env_has(const struct env *e, const char *name)
{
    return env_find(e, name, strlen(name)) < e->n;
}

static void env_put_entry(struct env *e, const char *entry)
{
    size_t i = env_find(e, entry, name_length(entry));
    e->v[i] = entry;
    if (i == e->n)
        e->n++;
}

static void env_put(struct env *e, const char *name, const char *value)
{
    if (!str_empty(name))
        env_put_entry(e, arena_printf(e->a, "%s=%s", name, value ? value : ""));
}

static void env_put_list(struct env *e, const struct ecs_key_value_pair_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        env_put(e, l->v[i].name, l->v[i].value);
}

static bool list_has(const struct ecs_key_value_pair_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].name, name))
            return true;
    return false;
}

static size_t pairs_of(const struct env_list *l)
{
    return l ? l->n : 0;
}

static void env_put_pairs(struct env *e, const struct env_list *l)
{
    for (size_t i = 0; i < pairs_of(l); i++)
        env_put(e, l->v[i].name, l->v[i].value);
}

static bool pairs_have(const struct env_list *l, const char *name)
{
    for (size_t i = 0; i < pairs_of(l); i++)
        if (streq(l->v[i].name, name))
            return true;
    return false;
}

static void env_inject(struct env *e, const struct gantry_host_task *task,
                       const struct ecs_container_definition *def,
                       const struct env_extra *extra)
{
    const struct env_list *files = extra->files;
    if (extra->api_url && !env_has(e, "AWS_ENDPOINT_URL"))
        env_put(e, "AWS_ENDPOINT_URL", extra->api_url);
    env_put(e, "AWS_EXECUTION_ENV", fargate_is(task) ? "AWS_ECS_FARGATE" : "AWS_ECS_EC2");
    bool set = env_has(e, "AWS_REGION") || env_has(e, "AWS_DEFAULT_REGION") ||
               list_has(&def->environment, "AWS_REGION") ||
               list_has(&def->environment, "AWS_DEFAULT_REGION") ||
               pairs_have(files, "AWS_REGION") || pairs_have(files, "AWS_DEFAULT_REGION");
    if (set || !task->region)
        return;
    env_put(e, "AWS_REGION", task->region);
    env_put(e, "AWS_DEFAULT_REGION", task->region);
}

static void env_endpoint(struct env *e, const char *base, const char *id)
{
    static const struct {
        const char *name, *part;
    } uris[] = {{"ECS_CONTAINER_METADATA_URI", "v3"},
                {"ECS_CONTAINER_METADATA_URI_V4", "v4"},
                {"ECS_AGENT_URI", "api"}};
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++)
        env_put(e, uris[i].name, arena_printf(e->a, "%s/%s/%s", base, uris[i].part, id));
}

const char *const *task_spec_env(struct arena *a, const struct gantry_host_task *task,
                                 const struct ecs_container_definition *def,
                                 const struct image_config *image,
                                 const char *metadata_base, const char *endpoint_id,
                                 const struct env_extra *extra)
{
    static const struct env_extra nothing;
    const struct env_extra *x = extra ? extra : &nothing;
    const struct ecs_container_override *over =
        container_override_find(task->overrides, def->name);
    size_t most = count_of(image->env) + def->environment.n +
                  (over ? over->environment.n : 0) + pairs_of(x->injected) +
                  pairs_of(x->files) + pairs_of(x->secrets) + 9;
    struct env e = {.a = a, .v = arena_new_array(a, const char *, most + 1)};
    for (size_t i = 0; image->env && image->env[i]; i++)
        env_put_entry(&e, image->env[i]);
    env_inject(&e, task, def, x);
    if (metadata_base)
        env_endpoint(&e, metadata_base, endpoint_id);
    env_put_pairs(&e, x->injected);
    env_put_pairs(&e, x->files);
    env_put_list(&e, &def->environment);
    if (over)
        env_put_list(&e, &over->environment);
    env_put_pairs(&e, x->secrets);
    return e.v;
}

/* ---- networks ---- */

bool task_shares_network(const struct gantry_host_task *task)
{
    return task->task_definition->network_mode == ECS_NETWORK_MODE_AWSVPC;
}

bool port_range_parse(const char *text, uint16_t *ret_first, uint16_t *ret_count)
{
    char low[8];
    int64_t from, to;
    const char *dash = text ? strchr(text, '-') : NULL;
    if (!dash || (size_t)(dash - text) >= sizeof(low))
        return false;
    memcpy(low, text, (size_t)(dash - text));
    low[dash - text] = '\0';
    if (!str_to_i64(low, 1, 65535, &from) || !str_to_i64(dash + 1, from, 65535, &to))
        return false;
    *ret_first = (uint16_t)from;
    *ret_count = (uint16_t)(to - from + 1);
    return true;
}

bool link_parse(struct arena *a, const char *link, const char **ret_name,
                const char **ret_alias)
{
    size_t n = strcspn(link, ":");
    *ret_name = arena_strndup(a, link, n);
    *ret_alias = link[n] ? link + n + 1 : *ret_name;
    return n > 0 && !str_empty(*ret_alias);
}

/* ---- names ---- */

/* FNV-1a: only to make names that stay the same. */
static uint64_t name_hash(const char *s)
{
    uint64_t h = 14695981039346656037ull;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211ull;
    return h ^ h >> 32;
}

const char *container_id_make(struct arena *a, const char *task_id, const char *container)
{
    return arena_printf(a, "%s-%010" PRIu32, task_id, (uint32_t)name_hash(container));
}

const char *container_display_name(struct arena *a, const struct gantry_host_task *task,
                                   const char *container, const char *id)
{
    const struct ecs_task_definition *def = task->task_definition;
    uint64_t h = name_hash(id);
    return arena_printf(a, "ecs-%s-%d-%s-%016" PRIx64 "%04x", def->family,
                        (int)def->revision.v, container, h, (unsigned)(h * 31 & 0xffff));
}

const char *task_spec_hostname(struct arena *a, const struct gantry_host_task *task,
                               const struct ecs_container_definition *def, const char *id)
{
    if (!str_empty(def->hostname))
        return def->hostname;
    if (task->task_definition->network_mode == ECS_NETWORK_MODE_HOST)
        return NULL;
    if (task->interface && task->interface->private_dns_name)
        return task->interface->private_dns_name;
    return arena_printf(a, "%.12s", task_shares_network(task) ? task->task_id : id);
}

void task_spec_dns(struct arena *a, const struct gantry_host_task *task,
                   const struct ecs_container_definition *def,
                   struct string_list *ret_servers, struct string_list *ret_search)
{
    const struct gantry_host_interface *x = task->interface;
    *ret_servers = def->dns_servers;
    *ret_search = def->dns_search_domains;
    if (!x)
        return;
    *ret_servers = *ret_search = (struct string_list){0};
    if (x->dns_server)
        *LIST_PUSH(a, ret_servers) = x->dns_server;
    if (x->search_domain)
        *LIST_PUSH(a, ret_search) = x->search_domain;
}

static int realtime_signal(const char *name)
{
    int64_t n = 0;
    if (strncasecmp(name, "RTMIN", 5) == 0) {
        if (name[5] == '+' && !str_to_i64(name + 6, 0, 63, &n))
            return 0;
        return SIGRTMIN + (int)n;
    }
    if (strncasecmp(name, "RTMAX", 5) == 0) {
        if (name[5] == '-' && !str_to_i64(name + 6, 0, 63, &n))
            return 0;
        return SIGRTMAX - (int)n;
    }
    return 0;
}

int stop_signal_number(const char *name)
{
    int64_t n;
    if (str_empty(name))
        return SIGTERM;
    if (str_to_i64(name, 1, SIGRTMAX, &n))
        return (int)n;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *abbreviation = sigabbrev_np(i);
        if (abbreviation && strcasecmp(abbreviation, name) == 0)
            return i;
    }
    int rt = realtime_signal(name);
    return rt >= SIGRTMIN && rt <= SIGRTMAX ? rt : SIGTERM;
}

/* ---- limits ---- */

static struct opt_int either(struct opt_int over, struct opt_int def)
{
    return over.set ? over : def;
}

static int64_t container_cpu(const struct gantry_host_task *task,
                             const struct ecs_container_definition *def)
{
    const struct ecs_container_override *o =
        container_override_find(task->overrides, def->name);
    struct opt_int cpu = o ? either(o->cpu, def->cpu) : def->cpu;
    return cpu.set ? cpu.v : 0;
}

void task_limits(const struct gantry_host_task *task, struct cgroup_limits *ret)
{
    const struct ecs_task_definition *def = task->task_definition;
    const struct ecs_task_override *o = task->overrides;
    int64_t cpu = task_size_parse(o && o->cpu ? o->cpu : def->cpu);
    int64_t memory = task_size_parse(o && o->memory ? o->memory : def->memory);
    *ret = (struct cgroup_limits)CGROUP_LIMITS_INIT;
    ret->memory_max_bytes = memory * MIB;
    if (fargate_is(task))
        ret->swap_max_bytes = 0;
    if (cpu > 0) {
        ret->cpu_quota_us = cgroup_cpu_quota_us(cpu);
        return;
    }
    for (size_t i = 0; i < def->container_definitions.n; i++)
        ret->cpu_shares +=
            cgroup_cpu_shares(container_cpu(task, &def->container_definitions.v[i]));
    ret->cpu_shares = cgroup_cpu_shares(ret->cpu_shares);
}

static void swap_limits(const struct ecs_linux_parameters *l, int64_t memory_bytes,
                        struct cgroup_limits *ret)
{
    if (!l || !l->max_swap.set || memory_bytes == 0)
        return;
    ret->swap_max_bytes = (int64_t)l->max_swap.v * MIB;
    ret->swappiness = l->swappiness.set ? l->swappiness.v : 60;
}

void container_limits(const struct gantry_host_task *task,
                      const struct ecs_container_definition *def,
                      struct cgroup_limits *ret)
{
    const struct ecs_container_override *o =
        container_override_find(task->overrides, def->name);
    struct opt_int hard = o ? either(o->memory, def->memory) : def->memory;
    struct opt_int soft = o ? either(o->memory_reservation, def->memory_reservation)
                            : def->memory_reservation;
    *ret = (struct cgroup_limits)CGROUP_LIMITS_INIT;
    ret->cpu_shares = cgroup_cpu_shares(container_cpu(task, def));
    if (hard.set && hard.v > 0)
        ret->memory_max_bytes =
            (int64_t)(hard.v < MEMORY_SMALLEST_MIB ? MEMORY_SMALLEST_MIB : hard.v) * MIB;
    if (soft.set && soft.v > 0)
        ret->memory_low_bytes = (int64_t)soft.v * MIB;
    swap_limits(def->linux_parameters, ret->memory_max_bytes, ret);
}

/* ---- the rest of the definition ---- */

static const char *const *null_ended(struct arena *a, const struct string_list *l)
{
    const char **v = arena_new_array(a, const char *, l->n + 1);
    for (size_t i = 0; i < l->n; i++)
        v[i] = l->v[i];
    return v;
}

static void put_ulimits(struct arena *a, const struct spec_source *s,
                        struct container_spec *ret)
{
    const struct ecs_ulimit_list *l = &s->def->ulimits;
    struct spec_ulimit *v = arena_new_array(a, struct spec_ulimit, l->n + 1);
    bool nofile = false;
    for (size_t i = 0; i < l->n; i++) {
        v[i] = (struct spec_ulimit){
            .name = wire_enum_name(&ecs_ulimit_name_shape, (int)l->v[i].name),
            .soft = l->v[i].soft_limit.v,
            .hard = l->v[i].hard_limit.v};
        nofile = nofile || l->v[i].name == ECS_ULIMIT_NAME_NOFILE;
    }
    ret->ulimits = v;
    ret->ulimit_count = l->n;
    if (!nofile && fargate_is(s->task))
        v[ret->ulimit_count++] =
            (struct spec_ulimit){"nofile", s->fargate_nofile, s->fargate_nofile};
}

static void put_devices(struct arena *a, const struct spec_source *s,
                        const struct ecs_device_list *l, struct container_spec *ret)
{
    size_t n = l ? l->n : 0;
    struct spec_device *v = arena_new_array(a, struct spec_device, n + s->gpu_count + 1);
    for (size_t i = 0; i < n; i++) {
        v[i].host_path = l->v[i].host_path;
        v[i].container_path = l->v[i].container_path;
        for (size_t k = 0; k < l->v[i].permissions.n; k++) {
            int p = l->v[i].permissions.v[k];
            v[i].read |= p == ECS_DEVICE_CGROUP_PERMISSION_READ;
            v[i].write |= p == ECS_DEVICE_CGROUP_PERMISSION_WRITE;
            v[i].mknod |= p == ECS_DEVICE_CGROUP_PERMISSION_MKNOD;
        }
    }
    for (size_t i = 0; i < s->gpu_count; i++)
        v[n + i] = s->gpus[i];
    ret->devices = v;
    ret->device_count = n + s->gpu_count;
}

static struct spec_mount tmpfs_mount(struct arena *a, const struct ecs_tmpfs *t)
{
    AUTO_STR options = STR_INIT;
    for (size_t i = 0; i < t->mount_options.n; i++)
        str_addf(&options, "%s%s", i ? "," : "", t->mount_options.v[i]);
    return (struct spec_mount){.destination = t->container_path,
                               .tmpfs = true,
                               .options =
                                   options.len ? arena_strdup(a, options.data) : NULL,
                               .size_bytes = (int64_t)t->size.v * MIB};
}

static void put_mounts(struct arena *a, const struct spec_source *s,
                       struct container_spec *ret)
{
    const struct ecs_linux_parameters *l = s->def->linux_parameters;
    size_t tmpfs = l ? l->tmpfs.n : 0;
    struct spec_mount *v =
        arena_new_array(a, struct spec_mount, s->mount_count + tmpfs + 1);
    for (size_t i = 0; i < s->mount_count; i++)
        v[i] = s->mounts[i];
    for (size_t i = 0; i < tmpfs; i++)
        v[s->mount_count + i] = tmpfs_mount(a, &l->tmpfs.v[i]);
    ret->mounts = v;
    ret->mount_count = s->mount_count + tmpfs;
}

static void put_sysctls(struct arena *a, const struct ecs_system_control_list *l,
                        struct container_spec *ret)
{
    struct spec_pair *v = arena_new_array(a, struct spec_pair, l->n + 1);
    for (size_t i = 0; i < l->n; i++)
        v[i] = (struct spec_pair){l->v[i].namespace, l->v[i].value};
    ret->sysctls = v;
    ret->sysctl_count = l->n;
}

static void put_labels(struct arena *a, const struct spec_source *s,
                       struct container_spec *ret)
{
    const struct gantry_host_task *t = s->task;
    const struct string_map *labels = &s->def->docker_labels;
    struct spec_pair *v = arena_new_array(a, struct spec_pair, labels->n + 5);
    size_t n = 0;
    v[n++] = (struct spec_pair){"com.amazonaws.ecs.cluster", t->cluster_name};
    v[n++] = (struct spec_pair){"com.amazonaws.ecs.container-name", s->def->name};
    v[n++] = (struct spec_pair){"com.amazonaws.ecs.task-arn", t->task_arn};
    v[n++] = (struct spec_pair){"com.amazonaws.ecs.task-definition-family",
                                t->task_definition->family};
    v[n++] =
        (struct spec_pair){"com.amazonaws.ecs.task-definition-version",
                           arena_printf(a, "%d", (int)t->task_definition->revision.v)};
    for (size_t i = 0; i < labels->n; i++)
        v[n++] = (struct spec_pair){labels->v[i].key, labels->v[i].value};
    ret->annotations = v;
    ret->annotation_count = n;
}

bool task_spec_wants_init(const struct ecs_container_definition *def)
{
    const struct ecs_linux_parameters *l = def->linux_parameters;
    return l && l->init_process_enabled.set && l->init_process_enabled.v;
}

static void put_linux(struct arena *a, const struct spec_source *s,
                      struct container_spec *ret)
{
    const struct ecs_linux_parameters *l = s->def->linux_parameters;
    put_devices(a, s, l ? &l->devices : NULL, ret);
    if (!l)
        return;
    if (l->capabilities) {
        ret->cap_add = null_ended(a, &l->capabilities->add);
        ret->cap_drop = null_ended(a, &l->capabilities->drop);
    }
    ret->shm_bytes =
        l->shared_memory_size.set ? (int64_t)l->shared_memory_size.v * MIB : 0;
    ret->init_process = task_spec_wants_init(s->def);
    ret->init_path = s->init_path;
}

static void put_security(const struct ecs_container_definition *def,
                         struct container_spec *ret)
{
    ret->privileged = def->privileged.set && def->privileged.v;
    for (size_t i = 0; i < def->docker_security_options.n; i++) {
        const char *o = def->docker_security_options.v[i];
        if (streq(o, "no-new-privileges") || str_ends(o, "privileges:true") ||
            str_ends(o, "privileges=true"))
            ret->no_new_privileges = true;
        if (str_starts(o, "seccomp") && str_ends(o, "unconfined"))
            ret->seccomp = SPEC_SECCOMP_NONE;
    }
}

static void put_process(struct arena *a, const struct spec_source *s,
                        struct container_spec *ret)
{
    const struct ecs_container_definition *def = s->def;
    ret->env = task_spec_env(a, s->task, def, s->image, s->metadata_base, s->endpoint_id,
                             &s->env);
    ret->cwd = str_empty(def->working_directory) ? s->image->working_dir
                                                 : def->working_directory;
    ret->user = str_empty(def->user) ? s->image->user : def->user;
    ret->hostname = task_spec_hostname(a, s->task, def, s->id);
    ret->terminal = def->pseudo_terminal.set && def->pseudo_terminal.v;
}

static void put_namespaces(struct arena *a, const struct spec_source *s,
                           struct container_spec *ret)
{
    const struct ecs_task_definition *def = s->task->task_definition;
    ret->net = s->net_path ? SPEC_NS_PATH : SPEC_NS_HOST;
    ret->net_path = s->net_path;
    ret->pid = def->pid_mode == ECS_PID_MODE_HOST ? SPEC_NS_HOST : SPEC_NS_NEW;
    if (def->pid_mode == ECS_PID_MODE_TASK) {
        ret->pid = SPEC_NS_PATH;
        ret->pid_path = s->pid_path;
    }
    ret->ipc = def->ipc_mode == ECS_IPC_MODE_HOST ? SPEC_NS_HOST : SPEC_NS_NEW;
    ret->no_shm = def->ipc_mode == ECS_IPC_MODE_NONE;
    if (def->ipc_mode == ECS_IPC_MODE_TASK) {
        ret->ipc = SPEC_NS_PATH;
        ret->ipc_path = arena_printf(a, "%s/" IPC_SPACE_NAMESPACE, s->space_dir);
        ret->shm_path = arena_printf(a, "%s/" IPC_SPACE_SHM, s->space_dir);
    }
    ret->cgroups_path = s->cgroups_path;
    ret->cgroup_version = s->cgroup_version;
}

int task_spec_build(struct arena *a, const struct spec_source *s,
                    struct container_spec *ret, struct error *err)
{
    const struct ecs_container_definition *def = s->def;
    struct container_spec spec = CONTAINER_SPEC_INIT;
    int r = task_spec_args(a, def, container_override_find(s->task->overrides, def->name),
                           s->image, &spec.args, err);
    if (r < 0)
        return r;
    spec.rootfs = s->rootfs;
    spec.rootfs_readonly =
        def->readonly_root_filesystem.set && def->readonly_root_filesystem.v;
    put_process(a, s, &spec);
    put_security(def, &spec);
    put_linux(a, s, &spec);
    put_ulimits(a, s, &spec);
    put_mounts(a, s, &spec);
    put_sysctls(a, &def->system_controls, &spec);
    put_labels(a, s, &spec);
    put_namespaces(a, s, &spec);
    container_limits(s->task, def, &spec.limits); /* the runtime makes the group */
    *ret = spec;
    return 0;
}
