#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "acm.h"
#include "api_front.h"
#include "arn.h"
#include "clock.h"
#include "dynamodb.h"
#include "ec2.h"
#include "ecr.h"
#include "ecs.h"
#include "elbv2.h"
#include "fd.h"
#include "fleet.h"
#include "iam.h"
#include "log.h"
#include "objects.h"
#include "pages.h"
#include "policy_page.h"
#include "roles.h"
#include "seal.h"
#include "secretsmanager.h"
#include "server_private.h"
#include "ssm.h"
#include "sts.h"

/* For replies that read from disk; they are few and short. */
#define WORKERS 2

/* The first that `up` tries. */
#define PUBLIC_POOL "198.18.0.0/20"

/* Threads that read items, each with a connection of its own. */
#define ITEM_READERS 4

#define HOUSEKEEPING_MS (5 * 60 * 1000)

static int stop_fd = -1;

void server_stop(void)
{
    uint64_t one = 1;
    ssize_t n = write(stop_fd, &one, sizeof(one));
    (void)n;
}

/* ---- the world outside of the core ---- */

static int64_t world_wall_ms(void *ctx)
{
    return clock_wall_ms();
}

static void world_random(void *ctx, void *ret, size_t size)
{
    RAND_bytes(ret, (int)size);
}

/* ---- routing: by path, before anything is read ---- */

static bool is_agent_stream(const struct http_request *req)
{
    return streq(req->path, "/gantry/v1/agent");
}

static bool is_agent_telemetry(const struct http_request *req)
{
    return streq(req->path, "/gantry/v1/agent/telemetry");
}

static bool is_events(const struct http_request *req)
{
    return streq(req->path, EVENTS_PATH);
}

static bool is_policy(const struct http_request *req)
{
    return streq(req->path, POLICY_PATH);
}

static bool is_edge_stream(const struct http_request *req)
{
    return streq(req->path, EDGE_STREAM_PATH);
}

static bool is_edge_report(const struct http_request *req)
{
    return streq(req->path, EDGE_REPORT_PATH);
}

static bool is_session(const struct http_request *req)
{
    return str_starts(req->path, RELAY_AGENT_PATH) ||
           str_starts(req->path, RELAY_CLIENT_PATH);
}

static bool is_page(const struct http_request *req)
{
    return streq(req->path, "/health") || streq(req->path, "/metrics") ||
           str_starts(req->path, "/gantry/");
}

/* A signature for S3 says so, whatever the path; without one the others come first. */
static bool is_s3(const struct http_request *req)
{
    return s3_front_owns(req) ||
           (!is_page(req) && !registry_owns(req->path) && s3_front_owns_unsigned(req));
}

static void begin(struct http_request *req)
{
    struct server *s = req->server_ctx;
    if (is_s3(req))
        s3_front_begin(s->s3, req);
    else if (registry_owns(req->path))
        registry_begin(s->registry, req);
    else if (streq(req->path, "/health"))
        page_health(s, req);
    else if (streq(req->path, "/metrics"))
        page_metrics(s, req);
    else if (is_agent_stream(req) || is_session(req) || is_events(req) ||
             is_policy(req) || is_edge_stream(req))
        http_accept_body(req, 0);
    else if (is_agent_telemetry(req))
        agent_telemetry_begin(req);
    else if (is_edge_report(req))
        edge_report_begin(req);
    else
        api_front_begin(&s->api, req);
}

static void complete(struct http_request *req)
{
    struct server *s = req->server_ctx;
    if (is_s3(req))
        s3_front_complete(req);
    else if (registry_owns(req->path))
        registry_complete(req);
    else if (is_agent_stream(req))
        agent_stream_open(s, req);
    else if (str_starts(req->path, RELAY_AGENT_PATH))
        agent_session_open(s, req);
    else if (str_starts(req->path, RELAY_CLIENT_PATH))
        relay_client(s->relay, req);
    else if (is_events(req))
        events_open(s, req);
    else if (is_policy(req))
        policy_page_open(s, req);
    else if (is_agent_telemetry(req))
        agent_telemetry_complete(s, req);
    else if (is_edge_stream(req))
        edge_stream_open(s, req);
    else if (is_edge_report(req))
        edge_report_complete(s, req);
    else
        api_front_complete(&s->api, req);
}

static void aborted(struct http_request *req)
{
    if (is_s3(req))
        s3_front_aborted(req);
    else if (registry_owns(req->path))
        registry_aborted(req);
}

static void released(struct http_request *req)
{
    if (is_s3(req))
        s3_front_released(req);
    else if (registry_owns(req->path))
        registry_released(req);
}

/* ---- what the registry needs of us ---- */

struct work {
    struct job job;
    void (*run)(void *arg);
    void *arg;
};

static void work_run(struct job *job)
{
    struct work *w = list_entry(job, struct work, job);
    w->run(w->arg);
    free(w);
}

static void work(void *ctx, void (*run)(void *arg), void *arg)
{
    struct server *s = ctx;
    struct work *w = xcalloc(1, sizeof(*w));
    w->job.run = work_run;
    w->run = run;
    w->arg = arg;
    workers_submit(s->workers, &w->job);
}

static void housekeeping(struct core *core, struct wake *w)
{
    struct server *s = list_entry(w, struct server, housekeeping);
    registry_housekeeping(s->registry);
    wake_at(core, w, core_now_ms(core) + HOUSEKEEPING_MS);
}

/* ---- life ---- */

static void submit(void *ctx, struct core_task *task)
{
    struct server *s = ctx;
    shell_submit(s->shell, task);
}

static int expect_session(void *ctx, const struct gantry_host_session *session,
                          const char *token, struct error *err)
{
    struct server *s = ctx;
    return relay_expect(s->relay, session->session_id, token, session->command, err);
}

static bool session_waits(void *ctx, const char *session_id)
{
    struct server *s = ctx;
    return relay_waits(s->relay, session_id);
}

/* Layers come by the hundred: data events, all of them. */
static void registry_record(const struct server *s, const struct identity *who,
                            const struct access *asked, const char *refusal)
{
    const char *name = strchr(asked->action, ':') + 1;
    audit_tell(s->audit,
               &(struct audit_event){
                   .who = who,
                   .service = "ecr",
                   .name = name,
                   .log = AUDIT_DATA,
                   .reads = streq(name, "BatchGetImage") || streq(name, "ListImages") ||
                            streq(name, "DescribeRepositories") ||
                            streq(name, "BatchCheckLayerAvailability") ||
                            streq(name, "GetDownloadUrlForLayer"),
                   .error_code = refusal ? "AccessDenied" : NULL,
                   .error_text = refusal,
                   .resource = asked->resource,
                   .resource_type = "AWS::ECR::Repository"});
}

/* Each request of docker's is asked about, as policies are then. */
static int registry_authorize(void *ctx, struct core *core,
                              const struct registry_caller *who, const char *action,
                              const char *repository_arn, struct error *err)
{
    struct server *s = ctx;
    struct arena *a = core_scratch(core);
    struct identity identity = {0};
    const char *text;
    if (!auth_identify(&s->auth, core, a, who->access_key, who->session_token,
                       who->account, &identity))
        return fail(err, E_DENIED,
                    "Your authorization token is no longer valid. Reauthenticate and try "
                    "again.");
    const struct access question = {.action = action, .resource = repository_arn};
    struct arn arn;
    int r = 0;
    if (!arn_parse(a, repository_arn, &arn) || !streq(arn.account, identity.account_id))
        r = fail(err, E_DENIED, /* repositories have no policies yet */
                 "User: %s is not authorized to perform: %s on resource: %s because "
                 "no resource-based policy allows the %s action",
                 identity.arn, action, repository_arn, action);
    else if (!access_permits(core, a, &identity, NULL, &question, &text))
        r = fail(err, E_DENIED, "%s", text);
    registry_record(s, &identity, &question, r < 0 ? err->text : NULL);
    return r;
}

static int registry_start(struct server *s, const struct server_config *config,
                          struct error *err)
{
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/registry", config->data_dir);
    int r = blob_store_open(dir.data, &s->blobs, err);
    if (r < 0)
        return r;
    struct registry_config rc = {
        .backend = {.ctx = s,
                    .submit = submit,
                    .work = work,
                    .now_ms = world_wall_ms,
                    .authorize = registry_authorize},
        .blobs = s->blobs,
        .token_secret = s->auth.root.secret,
        .account = config->account_id,
        .region = config->region,
        .dev = config->dev,
    };
    s->registry = registry_new(&rc);
    return 0;
}

static int items_open(struct server *s, const struct server_config *config,
                      struct error *err)
{
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/dynamodb", config->data_dir);
    return item_store_open(dir.data, ITEM_READERS, &s->items, err);
}

static int32_t machine_mib(void)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return (int32_t)(pages * size / (1024 * 1024));
}

/* Secrets that were stored in clear, or under an older key, are sealed anew while they are
 * loaded. That is durable before anybody is served, and then what they said before is taken
 * out of the files, too: for want of room that may fail, which ends nothing. */
static int core_loaded(struct server *s, struct error *err)
{
    struct core_batch *batch = core_take_batch(s->core);
    struct error why;
    int r = 0;
    if (!batch)
        return 0;
    core_batch_encode(batch);
    r = store_commit(s->store, &batch->writes, err);
    core_batch_deliver(batch);
    if (r == 0 && store_rewrite(s->store, &why) < 0)
        log_line(LOG_WARN, "old secrets may be left in the store", "why", why.text, NULL);
    return r;
}

static int core_start(struct server *s, const struct server_config *config,
                      const char *endpoint, struct error *err)
{
    struct outside outside = {.wall_ms = world_wall_ms, .random = world_random};
    struct core_config cc = {
        .region = config->region,
        .account_id = config->account_id,
        .dev = config->dev,
        .event_keep_ms = config->event_keep_ms,
        .seal = s->seal,
    };
    struct ecs_settings es = {
        .stopped_task_retention_ms = config->stopped_task_retention_ms,
        .disconnect_grace_ms = config->disconnect_grace_ms,
        .provisioning_timeout_ms = config->provisioning_timeout_ms,
        .poll_endpoint = endpoint,
    };
    struct ecr_settings rs = {
        .token_secret = s->auth.root.secret,
        .endpoint = endpoint,
        .read_manifest = registry_read_manifest,
        .blob_unused = registry_blob_unused,
        .ctx = s->registry,
    };
    struct fleet_config fc = {.submit = submit,
                              .ctx = s,
                              .session = expect_session,
                              .session_waits = session_waits};
    s->relay = relay_new();
    s->core = core_new(&cc, &outside);
    iam_attach(s->core);
    s->web_fetch = web_fetch_new();
    sts_attach(s->core, web_fetch_web(s->web_fetch));
    roles_attach(s->core, &s->roles, config->role_session_ms);
    acm_attach(s->core);
    secretsmanager_attach(s->core);
    struct ec2_settings ec2 = {
        .public_pool = config->public_pool ? config->public_pool : PUBLIC_POOL,
        .machine_vcpus = (int32_t)sysconf(_SC_NPROCESSORS_ONLN),
        .machine_memory_mib = machine_mib(),
    };
    ec2_attach(s->core, &ec2);
    elbv2_attach(s->core);
    ssm_attach(s->core);
    ecs_attach(s->core, &es);
    ecr_attach(s->core, &rs);
    objects_attach(s);
    const struct dynamodb_settings dynamodb = {
        .items = s->items, .submit = submit, .ctx = s};
    dynamodb_attach(s->core, &dynamodb);
    s->fleet = fleet_new(s->core, &fc);
    s->edge_feed = edge_feed_new(s->core, &fc);
    s->hook_calls = hook_calls_new(submit, s);
    hook_calls_attach(s->hook_calls, s->core);
    int r = core_load(s->core, s->store, err);
    if (r == 0)
        r = core_loaded(s, err);
    if (r == 0)
        r = objects_start(s, config, err);
    wake_init(&s->housekeeping, housekeeping);
    wake_now(s->core, &s->housekeeping);
    s->events_forget = events_forget_new(s);
    return r;
}

static void services_fill(struct server *s)
{
    const struct api_service all[] = {
        {&acm_service_api, acm_operations, &acm_access},
        {&dynamodb_service_api, dynamodb_operations, &dynamodb_access},
        {&ec2_service_api, ec2_operations, &ec2_access},
        {&ecr_service_api, ecr_operations, &ecr_access},
        {&ecs_service_api, ecs_operations, &ecs_access},
        {&elbv2_service_api, elbv2_operations, &elbv2_access},
        {&iam_service_api, iam_operations, &iam_access},
        {&secretsmanager_service_api, secretsmanager_operations, &secretsmanager_access},
        {&ssm_service_api, ssm_operations, &ssm_access},
        {&sts_service_api, sts_operations, &sts_access},
    };
    _Static_assert(sizeof(all) <= sizeof(s->services), "too many services");
    memcpy(s->services, all, sizeof(all));
    s->api = (struct api_front){
        .services = s->services,
        .service_count = sizeof(all) / sizeof(all[0]),
        .auth = &s->auth,
        .shell = s->shell,
        .workers = s->workers,
        .audit = s->audit,
        .store = s->store,
        .region = s->config->region,
    };
}

static void stop(struct server *s)
{
    relay_stop(s->relay);
    http_server_stop(s->http, 2000);
    hook_calls_stop(s->hook_calls);
    web_fetch_stop(s->web_fetch);
    shell_stop(s->shell);
    workers_stop(s->workers);
    objects_stop(s);
    item_store_close(s->items);
    audit_close(s->audit);
    hook_calls_free(s->hook_calls);
    web_fetch_free(s->web_fetch);
    shell_free(s->shell);
    edge_feed_free(s->edge_feed);
    fleet_free(s->fleet);
    relay_free(s->relay);
    if (s->core)
        wake_cancel(s->core, &s->housekeeping);
    events_forget_free(s->events_forget);
    core_free(s->core);
    seal_keys_free(s->seal);
    sigv4_keys_free(s->auth.keys);
    registry_free(s->registry);
    objects_close(s);
    blob_store_close(s->blobs);
    store_close(s->store);
    fd_close(&stop_fd);
}

/* Requests may come in before the shell runs only if we listen first; so the port is
 * taken last. `endpoint` is for callers that say no Host; all others are told the one that
 * they used. */
static int start(struct server *s, const struct server_config *config, struct error *err)
{
    s->config = config;
    s->started_ms = clock_wall_ms();
    s->auth.account_id = config->account_id;
    s->auth.dev = config->dev;
    s->auth.keys = sigv4_keys_new();
    AUTO_STR endpoint = STR_INIT;
    str_addf(&endpoint, "http://%s", config->listen);
    int r = dir_make_all(config->data_dir, 0711, err);
    if (r == 0)
        r = root_keys_load(config->data_dir, &s->auth.root, err);
    if (r == 0)
        r = store_sqlite_open(config->data_dir, &s->store, err);
    if (r == 0) /* behind the store's lock: one process makes it */
        r = seal_key_load(config->data_dir, &s->seal, err);
    if (r == 0)
        r = registry_start(s, config, err);
    if (r == 0)
        r = objects_open(s, config, err);
    if (r == 0)
        r = items_open(s, config, err);
    if (r == 0)
        r = core_start(s, config, endpoint.data, err);
    if (r == 0)
        r = audit_open(config->data_dir, &s->audit, err);
    if (r == 0)
        r = workers_start(WORKERS, &s->workers, err);
    if (r == 0)
        r = shell_start(s->core, s->store, &s->shell, err);
    if (r < 0)
        return r;
    services_fill(s);
    struct http_config hc = {
        .listen = config->listen,
        .handler = {.begin = begin,
                    .complete = complete,
                    .aborted = aborted,
                    .released = released},
        .ctx = s,
    };
    return http_server_start(&hc, &s->http, err);
}

int server_run(const struct server_config *config, struct error *err)
{
    struct server s = {0};
    stop_fd = eventfd(0, EFD_CLOEXEC);
    if (stop_fd < 0)
        return fail_errno(err, errno, "eventfd");
    int r = start(&s, config, err);
    if (r == 0) {
        AUTO_STR url = STR_INIT;
        str_addf(&url, "http://%s", http_server_address(s.http));
        log_line(LOG_INFO, "server ready", "url", url.data, "data", config->data_dir,
                 NULL);
        if (config->ready)
            config->ready(config->ready_ctx, url.data);
        uint64_t n;
        while (read(stop_fd, &n, sizeof(n)) < 0 && errno == EINTR)
            ;
        log_line(LOG_INFO, "server stops", NULL);
    }
    stop(&s);
    return r;
}
