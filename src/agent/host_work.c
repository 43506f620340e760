#include "host_work.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "clock.h"
#include "container_files.h"
#include "fd.h"
#include "firelens.h"
#include "firelens_config.h"
#include "gpu_device.h"
#include "init_program.h"
#include "log.h"
#include "overlay.h"
#include "reference.h"
#include "str.h"
#include "task_space.h"
#include "task_spec.h"
#include "task_wiring.h"
#include "volumes.h"

_Static_assert(CONTAINER_ROOT_SIZE <= OVERLAY_PATH_SIZE, "a root's path");

#define CONFIG_MAX_BYTES (4 << 20) /* of an OCI config: the environment is most of it */

int work_task(struct host *h, const struct task *t, struct error *err)
{
    struct cgroup_limits limits;
    task_limits(t->host, &limits);
    int r = cgroup_task_create(&h->cgroups, t->id, &limits, err);
    return r < 0 ? r : task_space_create(h, t->host, err);
}

/* ---- image and root file system ---- */

static int find_local(struct host *h, const struct container *c, struct image **ret,
                      struct error *err)
{
    int r = image_find(h->images, c->reference, ret, err);
    if (r < 0)
        return r;
    r = image_pin(h->images, (*ret)->manifest_digest, c->id, err);
    if (r < 0) {
        image_free(*ret);
        *ret = NULL;
    }
    return r;
}

/* By digest nothing can have changed; by tag it is the setting that says what counts. */
static bool is_local_first(struct host *h, const char *text)
{
    AUTO_ARENA a = ARENA_INIT;
    struct reference ref;
    enum agent_pull pull = h->config->pull;
    if (pull == AGENT_PULL_ONCE || pull == AGENT_PULL_PREFER_CACHED)
        return true;
    return reference_parse(&a, text, &ref, NULL) >= 0 && ref.digest;
}

static int pull(struct host *h, const struct container *c,
                const struct registry_auth *auth, struct image **ret, struct error *err)
{
    struct image_pull p = {.reference = c->reference,
                           .auth = auth,
                           .pin_owner = c->id,
                           .cancel = c->task->cancel};
    int r = image_pull(h->images, &p, ret, err);
    if (r >= 0 || r == -E_CANCELLED || h->config->pull == AGENT_PULL_ALWAYS)
        return r;
    if (find_local(h, c, ret, NULL) < 0)
        return r;
    log_line(LOG_WARN, "image can't be pulled; the one that is here is used", "image",
             c->reference, "task", c->task->arn, "error", err->text, NULL);
    return 0;
}

/* <disk>/roots/<id>, empty. */
static int clear_write_dir(struct str *disk, const char *id, struct error *err)
{
    AUTO_STR mine = STR_INIT;
    str_add(disk, "/roots");
    str_addf(&mine, "%s/%s", disk->data, id);
    int r = dir_remove_all(mine.data, err);
    return r < 0 ? r : dir_make_all(mine.data, 0711, err);
}

static int mount_root(struct host *h, const struct container *c,
                      const struct image *image, char ret[static CONTAINER_ROOT_SIZE],
                      struct error *err)
{
    char merged[OVERLAY_PATH_SIZE];
    AUTO_STR disk = STR_INIT;
    bool own = task_space_disk(h, c->task->host, &disk);
    int r = overlay_find(h->roots, c->id, merged, err);
    if (r == -E_NOTFOUND) {
        /* half-made by an agent that was killed */
        r = overlay_release(h->roots, c->id, err);
        if (r >= 0 && own)
            r = clear_write_dir(&disk, c->id, err);
        struct overlay_config o = {.dir = h->roots,
                                   .id = c->id,
                                   .write_dir = own ? disk.data : NULL,
                                   .layers = image->layers,
                                   .layer_count = image->layer_count,
                                   .volatile_upper = true};
        if (r >= 0)
            r = overlay_mount(&o, merged, err);
    }
    if (r < 0)
        return r;
    if (strlen(merged) >= CONTAINER_ROOT_SIZE)
        return fail(err, E_LIMIT, "the path '%s' is too long", merged);
    memcpy(ret, merged, strlen(merged) + 1);
    return 0;
}

int work_image(struct host *h, const struct container *c,
               const struct registry_auth *auth, struct image_result *ret,
               enum reason_step *ret_step, struct error *err)
{
    int r = -E_NOTFOUND;
    *ret_step = REASON_PULL;
    ret->image = NULL;
    if (is_local_first(h, c->reference))
        r = find_local(h, c, &ret->image, err);
    if (r == -E_NOTFOUND)
        r = pull(h, c, auth, &ret->image, err);
    if (r < 0)
        return r;
    *ret_step = REASON_CREATE;
    r = mount_root(h, c, ret->image, ret->rootfs, err);
    if (r < 0) {
        image_free(ret->image);
        ret->image = NULL;
    }
    return r;
}

/* ---- network ---- */

int work_network(struct host *h, const struct container *c, struct net_port *ports,
                 struct net_attachment *ret, enum reason_step *ret_step,
                 struct error *err)
{
    enum ecs_network_mode mode = c->task->host->task_definition->network_mode;
    bool none = mode == ECS_NETWORK_MODE_NONE ||
                (c->def->disable_networking.set && c->def->disable_networking.v);
    *ret_step = REASON_NETWORK;
    memset(ret, 0, sizeof(*ret));
    if (mode == ECS_NETWORK_MODE_HOST && !none)
        return 0;
    if (!h->net) {
        *err = h->net_error;
        return -(int)err->code;
    }
    return net_attach(h->net, c->id, none ? NET_NONE : NET_BRIDGE, none ? NULL : ports,
                      none ? 0 : c->port_count, ret, err);
}

/* ---- create ---- */

static const struct container *find_container(const struct task *t, const char *name)
{
    for (size_t i = 0; i < t->container_count; i++)
        if (streq(t->containers[i].name, name))
            return &t->containers[i];
    return NULL;
}

/* Containers linked to run already; where they are is read from disk, as this agent may
 * not be the one that started them. */
static size_t add_links(struct arena *a, struct host *h, const struct container *c,
                        struct spec_pair *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < c->def->links.n; i++) {
        const char *name, *alias;
        struct net_attachment at;
        if (!link_parse(a, c->def->links.v[i], &name, &alias))
            continue;
        const struct container *to = find_container(c->task, name);
        if (!to || !h->net || net_lookup(h->net, to->id, &at, NULL) < 0 || !at.address[0])
            continue;
        ret[n++] = (struct spec_pair){
            streq(alias, name) ? name : arena_printf(a, "%s %s", alias, name),
            arena_strdup(a, at.address)};
    }
    return n;
}

static const char *const *null_ended(struct arena *a, const struct string_list *l)
{
    const char **v = arena_new_array(a, const char *, l->n + 1);
    for (size_t i = 0; i < l->n; i++)
        v[i] = l->v[i];
    return v;
}

static int write_files(struct arena *a, struct host *h, const struct create_request *q,
                       struct str keep[3], struct spec_mount ret[3], struct error *err)
{
    const struct container *c = q->c;
    const struct ecs_container_definition *def = c->def;
    const char *dir = arena_printf(a, "%s/files/%s", c->task->dir, c->name);
    struct spec_pair *hosts =
        arena_new_array(a, struct spec_pair, def->extra_hosts.n + def->links.n + 1);
    for (size_t i = 0; i < def->extra_hosts.n; i++)
        hosts[i] = (struct spec_pair){def->extra_hosts.v[i].hostname,
                                      def->extra_hosts.v[i].ip_address};
    size_t host_count = def->extra_hosts.n;
    host_count += add_links(a, h, c, hosts + host_count);
    struct string_list dns, domains;
    task_spec_dns(a, c->task->host, def, &dns, &domains);
    const struct gantry_host_interface *own = c->task->host->interface;
    bool host = q->net->netns_path[0] == 0;
    struct container_files f = {
        .dir = dir,
        .hostname = task_spec_hostname(a, c->task->host, def, c->id),
        .address = own ? own->private_ip_address : q->net->address,
        .host_network = host,
        .extra_hosts = hosts,
        .extra_host_count = host_count,
        .dns_servers = null_ended(a, &dns),
        .dns_search = null_ended(a, &domains)};
    int r = dir_make_all(dir, 0755, err);
    if (r >= 0)
        r = container_files_write(&f, err);
    if (r >= 0)
        container_files_mounts(dir, keep, ret);
    return r;
}

/* ---- the log router ---- */

#define ROUTER_MOUNTS 3

static int put_file(struct arena *a, const char *dir, const char *name, const char *text,
                    const char *inside, struct spec_mount *ret, struct error *err)
{
    const char *path = arena_printf(a, "%s/%s", dir, name);
    *ret = (struct spec_mount){.source = path, .destination = inside, .read_only = true};
    return file_replace(path, text, strlen(text), 0644, 0, err);
}

static int router_mounts(struct arena *a, struct host *h, const struct container *c,
                         struct spec_mount ret[ROUTER_MOUNTS], size_t *ret_count,
                         struct error *err)
{
    AUTO_STR config = STR_INIT, socket = STR_INIT;
    const char *dir = arena_printf(a, "%s/files/%s", c->task->dir, c->name);
    size_t n = 0;
    *ret_count = 0;
    if (!c->def->firelens_configuration)
        return 0;
    firelens_socket_dir(h, c->task->id, &socket);
    int r = firelens_config_write(a, c->task->host, &config, err);
    if (r >= 0)
        r = put_file(a, dir, "firelens.conf", str_text(&config),
                     firelens_config_path(c->def), &ret[n++], err);
    if (r >= 0 && c->firelens_external)
        r = put_file(a, dir, "external.conf", c->firelens_external,
                     firelens_external_path(c->def), &ret[n++], err);
    ret[n++] = (struct spec_mount){.source = arena_strdup(a, socket.data),
                                   .destination = "/var/run"};
    *ret_count = r < 0 ? 0 : n;
    return r;
}

static void inject(struct arena *a, struct env_list *l, const char *name,
                   const char *value)
{
    struct spec_pair *v = arena_new_array(a, struct spec_pair, l->n + 1);
    for (size_t i = 0; i < l->n; i++)
        v[i] = l->v[i];
    v[l->n++] = (struct spec_pair){name, value};
    l->v = v;
}

/* The router's address for those who speak its protocol, secret options for the router. */
static void inject_router(struct arena *a, struct host *h, const struct container *c,
                          struct env_list *ret)
{
    const struct task *t = c->task;
    const struct ecs_container_definition *router =
        firelens_router(t->host->task_definition);
    struct net_attachment at = {0};
    if (router == c->def)
        for (size_t i = 0; i < t->container_count; i++)
            for (size_t k = 0; k < t->containers[i].log_secrets.n; k++)
                inject(a, ret,
                       firelens_secret_name(a, t->containers[i].log_secrets.v[k].name, i),
                       t->containers[i].log_secrets.v[k].value);
    if (!router || !firelens_sends(c->def))
        return;
    const struct container *r = find_container(t, router->name);
    enum ecs_network_mode mode = t->host->task_definition->network_mode;
    bool apart = mode != ECS_NETWORK_MODE_HOST && mode != ECS_NETWORK_MODE_AWSVPC;
    if (apart && (!h->net || net_lookup(h->net, r->id, &at, NULL) < 0 || !at.address[0]))
        return;
    inject(a, ret, "FLUENT_HOST", apart ? arena_strdup(a, at.address) : "127.0.0.1");
    inject(a, ret, "FLUENT_PORT", FIRELENS_PORT);
}

static int gather_mounts(struct arena *a, struct host *h, const struct create_request *q,
                         struct str keep[3], struct spec_source *s,
                         enum reason_step *ret_step, struct error *err)
{
    const struct container *c = q->c;
    struct spec_mount files[3], router[ROUTER_MOUNTS], *volumes = NULL;
    size_t n = 0, routed = 0;
    AUTO_STR disk = STR_INIT;
    bool own = task_space_disk(h, c->task->host, &disk);
    *ret_step = REASON_CREATE;
    int r = write_files(a, h, q, keep, files, err);
    if (r >= 0)
        r = router_mounts(a, h, c, router, &routed, err);
    if (r < 0)
        return r;
    struct volume_source v = {.task = c->task->host,
                              .def = c->def,
                              .image = &q->image->config,
                              .data_dir = h->config->data_dir,
                              .task_dir = c->task->dir,
                              .rootfs = q->rootfs,
                              .efs_servers = h->config->efs_servers,
                              .disk_dir = own ? disk.data : NULL};
    *ret_step = REASON_VOLUME;
    r = volumes_prepare(a, &v, &volumes, &n, err);
    if (r < 0)
        return r;
    struct spec_mount *all = arena_new_array(a, struct spec_mount, n + 3 + routed);
    memcpy(all, files, sizeof(files));
    for (size_t i = 0; i < n; i++)
        all[3 + i] = volumes[i];
    for (size_t i = 0; i < routed; i++)
        all[3 + n + i] = router[i];
    s->mounts = all;
    s->mount_count = n + 3 + routed;
    return 0;
}

/* Not in run_dir: what is mounted at /run may forbid execution. */
static int find_init(struct host *h, const struct create_request *q, struct str *keep,
                     struct spec_source *s, struct error *err)
{
    if (!task_spec_wants_init(q->c->def) || s->init_path)
        return 0;
    int r = init_program_install(h->config->data_dir, keep, err);
    s->init_path = keep->data;
    return r;
}

/* Which GPUs is the server's decision; their nodes are this machine's. */
static int find_gpus(struct arena *a, const struct container *c, struct spec_source *s,
                     struct error *err)
{
    const struct gantry_host_container_list *l = &c->task->host->containers;
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].name, c->name))
            return gpu_devices(a, GPU_PROC_ROOT, l->v[i].gpu_ids.v, l->v[i].gpu_ids.n,
                               &s->gpus, &s->gpu_count, err);
    return 0;
}

static int build_config(struct arena *a, struct host *h, const struct create_request *q,
                        struct str *ret, enum reason_step *ret_step, struct error *err)
{
    const struct container *c = q->c;
    AUTO_STR group = STR_INIT, space = STR_INIT, init = STR_INIT, pids = STR_INIT;
    struct str keep[3] = {STR_INIT, STR_INIT, STR_INIT};
    cgroup_path(&h->cgroups, c->task->id, c->name, &group);
    task_space_dir(h, c->task->id, &space);
    struct spec_source s = {
        .task = c->task->host,
        .def = c->def,
        .image = &q->image->config,
        .id = c->id,
        .fargate_nofile = h->nofile,
        .rootfs = q->rootfs,
        .net_path = q->net->netns_path[0] ? q->net->netns_path : NULL,
        .cgroups_path = group.data,
        .cgroup_version = h->cgroups.version,
        .init_path = h->config->init_path,
        .space_dir = space.data,
        .env = {.files = &c->file_env, .secrets = &c->secret_env, .api_url = q->api_url},
        .metadata_base = q->metadata_base,
        .endpoint_id = c->endpoint_id};
    struct container_spec spec;
    struct env_list injected = {0};
    inject_router(a, h, c, &injected);
    if (q->credentials_uri)
        inject(a, &injected,
               q->credentials_full ? "AWS_CONTAINER_CREDENTIALS_FULL_URI"
                                   : "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
               q->credentials_uri);
    s.env.injected = &injected;
    int r = gather_mounts(a, h, q, keep, &s, ret_step, err);
    if (r >= 0) {
        *ret_step = REASON_CREATE;
        r = find_init(h, q, &init, &s, err);
    }
    if (r >= 0 && s.task->task_definition->pid_mode == ECS_PID_MODE_TASK) {
        r = task_space_pid_path(h, c->task->id, &pids, err);
        s.pid_path = pids.data;
    }
    if (r >= 0)
        r = find_gpus(a, c, &s, err);
    if (r >= 0)
        r = task_spec_build(a, &s, &spec, err);
    if (r >= 0) {
        *ret_step = REASON_START;
        r = oci_spec_write(&spec, ret, err);
    }
    for (int i = 0; i < 3; i++)
        str_free(&keep[i]);
    return r;
}

static int make(struct host *h, const struct container *c, const struct str *config,
                struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct container_create cc = {
        .id = c->id,
        .task = c->task->id,
        .container = c->name,
        .config_json = config->data,
        .config_len = config->len,
        .terminal = c->def->pseudo_terminal.set && c->def->pseudo_terminal.v,
        .stdin_open = c->def->interactive.set && c->def->interactive.v,
        .log = c->log.none ? LOG_NONE : LOG_FILE,
        .log_path = c->log.none ? NULL : c->log_path,
        .log_max_bytes = c->log.max_files > 1 ? 0 : c->log.max_bytes,
        .name = container_display_name(&a, c->task->host, c->name, c->id)};
    int r = runtime_create(h->runtime, &cc, err);
    if (r == -E_EXISTS)
        return 0; /* it runs, or ran: the settling that follows says which */
    return r;
}

static bool may_restart(const struct container *c)
{
    return c->def->restart_policy && c->def->restart_policy->enabled.v;
}

static void config_path(const struct container *c, struct str *ret)
{
    str_addf(ret, "%s/files/%s/config.json", c->task->dir, c->name);
}

/* For later lives: images and words may have changed by then, and links lead elsewhere. */
static int keep_config(const struct container *c, const struct str *config,
                       struct error *err)
{
    AUTO_STR path = STR_INIT;
    config_path(c, &path);
    return file_replace(path.data, config->data, config->len, 0600, 0, err);
}

int work_restart(struct host *h, const struct container *c, enum reason_step *ret_step,
                 struct error *err)
{
    AUTO_STR path = STR_INIT, config = STR_INIT;
    config_path(c, &path);
    *ret_step = REASON_START;
    int r = file_read(AT_FDCWD, path.data, CONFIG_MAX_BYTES, &config, err);
    if (r >= 0)
        r = runtime_remove(h->runtime, c->id, err);
    if (r >= 0)
        r = make(h, c, &config, err);
    if (r == -E_TIMEOUT)
        *ret_step = REASON_CREATE;
    return r < 0 ? r : runtime_start(h->runtime, c->id, err);
}

static int64_t lap(int64_t *since_ns)
{
    int64_t now = clock_mono_ns(), took = now - *since_ns;
    *since_ns = now;
    return took;
}

int work_create(struct host *h, const struct create_request *q,
                struct create_times *times, enum reason_step *ret_step, struct error *err)
{
    const struct container *c = q->c;
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR config = STR_INIT;
    int64_t since_ns = clock_mono_ns();
    int r = build_config(&a, h, q, &config, ret_step, err);
    times->config_ns = lap(&since_ns);
    if (r < 0)
        return r;
    if (may_restart(c))
        r = keep_config(c, &config, err);
    if (r < 0)
        return r;
    *ret_step = REASON_START;
    r = make(h, c, &config, err);
    if (r == -E_TIMEOUT)
        *ret_step = REASON_CREATE;
    times->create_ns = lap(&since_ns);
    if (r >= 0 && q->start)
        r = runtime_start(h->runtime, c->id, err);
    times->start_ns = lap(&since_ns);
    return r;
}

/* ---- the end ---- */

/* Notes the first failure and goes on: what can be removed is removed. */
static void keep_first(int r, struct error *each, int *first, struct error *err)
{
    if (r >= 0 || *first < 0)
        return;
    *first = r;
    if (err)
        *err = *each;
}

static void clean_container(struct host *h, const struct container *c, int *first,
                            struct error *err)
{
    struct error e = ERROR_INIT;
    int r = runtime_remove(h->runtime, c->id, &e);
    keep_first(r, &e, first, err);
    if (r < 0)
        return; /* it may run still: its network and root stay */
    if (h->net)
        keep_first(net_detach(h->net, c->id, &e), &e, first, err);
    keep_first(overlay_release(h->roots, c->id, &e), &e, first, err);
    if (c->manifest_digest)
        keep_first(image_unpin(h->images, c->manifest_digest, c->id, &e), &e, first, err);
}

int work_clean(struct host *h, const struct task *t, struct error *err)
{
    int first = 0;
    struct error e = ERROR_INIT;
    for (size_t i = t->container_count; i-- > 0;)
        clean_container(h, &t->containers[i], &first, err);
    if (first < 0)
        return first;
    keep_first(task_wiring_detach(h, t->host, &e), &e, &first, err);
    keep_first(task_space_delete(h, t->id, &e), &e, &first, err);
    keep_first(cgroup_remove(&h->cgroups, t->id, NULL, &e), &e, &first, err);
    keep_first(volumes_remove(h->config->data_dir, t->id, t->dir, &e), &e, &first, err);
    AUTO_STR files = STR_INIT;
    str_addf(&files, "%s/files", t->dir);
    keep_first(dir_remove_all(files.data, &e), &e, &first, err);
    return first;
}
