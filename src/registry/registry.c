#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "registry_private.h"

/* ---- the chain ---- */

int64_t visit_now_ms(const struct visit *v)
{
    const struct registry_backend *b = &v->registry->config.backend;
    return b->now_ms(b->ctx);
}

bool visit_authorize(struct core *core, struct visit *v, const char *action,
                     const char *repository)
{
    const struct registry_backend *b = &v->registry->config.backend;
    struct error err = ERROR_INIT;
    const char *arn = arena_printf(v->a, "arn:aws:ecr:%s:%s:repository/%s",
                                   v->scope.region, v->scope.account, repository);
    int r = 0;
    if (b->authorize)
        r = b->authorize(b->ctx, core, &v->who, action, arn, &err);
    else if (!streq(v->who.account, v->scope.account))
        r = fail(&err, E_DENIED,
                 "User: arn:aws:iam::%s:root is not authorized to perform: %s "
                 "on resource: %s",
                 v->who.account, action, arn);
    if (r < 0)
        visit_refuse(v, 403, "DENIED", "%s", err.text);
    return r == 0;
}

static void run_decide(struct core *core, struct core_task *task)
{
    struct visit *v = list_entry(task, struct visit, task);
    if (v->action && !visit_authorize(core, v, v->action,
                                      v->route.repository ? v->route.repository : "*"))
        return;
    v->decide(core, v);
}

static void deliver(struct outbound *out)
{
    struct visit *v = list_entry(out, struct visit, task.reply);
    if (!v->refused) {
        v->then(v);
        return;
    }
    visit_unpin(v);
    visit_answer_refusal(v);
}

void visit_ask(struct visit *v, void (*decide)(struct core *, struct visit *),
               void (*then)(struct visit *))
{
    const struct registry_backend *b = &v->registry->config.backend;
    v->decide = decide;
    v->then = then;
    v->task = (struct core_task){.run = run_decide, .reply.deliver = deliver};
    b->submit(b->ctx, &v->task);
}

static void run_work(void *arg)
{
    struct visit *v = arg;
    v->run(v);
}

void visit_work(struct visit *v, void (*run)(struct visit *))
{
    const struct registry_backend *b = &v->registry->config.backend;
    v->run = run;
    b->work(b->ctx, run_work, v);
}

/* ---- which operation ---- */

struct row {
    enum route_kind kind;
    const char *method;
    const char *action; /* spec: registry-iam §1.5 */
    void (*start)(struct visit *v);
};

static void root_get(struct visit *v)
{
    struct head h;
    AUTO_STR body = STR_INIT;
    head_init(&h);
    str_add(&body, "{}");
    visit_answer_json(v, &h, &body);
}

static const struct row rows[] = {
    {ROUTE_ROOT, "GET", NULL, root_get},
    {ROUTE_ROOT, "HEAD", NULL, root_get},
    {ROUTE_CATALOG, "GET", "ecr:DescribeRepositories", catalog_list},
    {ROUTE_TAGS, "GET", "ecr:ListImages", tags_list},
    {ROUTE_REFERRERS, "GET", "ecr:BatchGetImage", referrers_list},
    {ROUTE_MANIFEST, "GET", "ecr:BatchGetImage", manifest_get},
    {ROUTE_MANIFEST, "HEAD", "ecr:BatchGetImage", manifest_get},
    {ROUTE_MANIFEST, "PUT", "ecr:PutImage", manifest_put},
    {ROUTE_MANIFEST, "DELETE", "ecr:BatchDeleteImage", manifest_remove_one},
    {ROUTE_BLOB, "GET", "ecr:GetDownloadUrlForLayer", blob_get},
    {ROUTE_BLOB, "HEAD", "ecr:BatchCheckLayerAvailability", blob_get},
    {ROUTE_BLOB, "DELETE", "ecr:BatchDeleteImage", blob_remove},
    {ROUTE_UPLOADS, "POST", "ecr:InitiateLayerUpload", upload_post},
    {ROUTE_UPLOAD, "PATCH", "ecr:UploadLayerPart", upload_patch},
    {ROUTE_UPLOAD, "PUT", "ecr:CompleteLayerUpload", upload_put},
    {ROUTE_UPLOAD, "GET", "ecr:InitiateLayerUpload", upload_get},
    {ROUTE_UPLOAD, "DELETE", "ecr:InitiateLayerUpload", upload_cancel},
};

static const struct row *find_row(const struct visit *v)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].kind == v->route.kind && streq(rows[i].method, v->req->method))
            return &rows[i];
    }
    return NULL;
}

static void no_such_thing(struct visit *v)
{
    if (v->route.kind == ROUTE_NONE)
        visit_refuse(v, 404, "UNSUPPORTED", "the registry has no such path");
    else
        visit_refuse(v, 405, "UNSUPPORTED", "the method is not allowed here");
    visit_answer_refusal(v);
}

/* ---- what http.h calls ---- */

bool registry_owns(const char *path)
{
    return str_starts(path, "/v2") && (path[3] == '\0' || path[3] == '/');
}

void registry_begin(struct registry *r, struct http_request *req)
{
    struct visit *v = arena_new(&req->arena, struct visit);
    v->registry = r;
    v->req = req;
    v->a = &req->arena;
    req->ctx = v;
    route_parse(v->a, req->path, &v->route);
    if (!visit_identify(v))
        return;
    const struct row *row = find_row(v);
    if (!row) {
        no_such_thing(v);
    } else if (v->route.repository && !route_repository_valid(v->route.repository)) {
        visit_refuse(v, 400, "NAME_INVALID", "the repository's name is not valid");
        visit_answer_refusal(v);
    } else {
        v->action = row->action;
        row->start(v);
    }
}

void registry_complete(struct http_request *req)
{
    struct visit *v = req->ctx;
    if (v->goal != UPLOAD_NONE)
        upload_complete(v);
    else
        manifest_complete(v);
}

void registry_aborted(struct http_request *req)
{
    upload_gone(req->ctx);
}

void registry_released(struct http_request *req)
{
    if (req->ctx)
        upload_gone(req->ctx);
}

/* ---- life ---- */

struct registry *registry_new(const struct registry_config *config)
{
    struct registry *r = xcalloc(1, sizeof(*r));
    r->config = *config;
    r->config.token_secret = xstrdup(config->token_secret);
    r->config.account = xstrdup(config->account);
    r->config.region = xstrdup(config->region);
    pthread_mutex_init(&r->pin_lock, NULL);
    list_init(&r->pins);
    return r;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->pin_lock);
    free((char *)(uintptr_t)r->config.token_secret);
    free((char *)(uintptr_t)r->config.account);
    free((char *)(uintptr_t)r->config.region);
    free(r);
}

int registry_read_manifest(void *registry, const char *digest, struct str *ret)
{
    struct registry *r = registry;
    struct blob_digest d;
    AUTO_FD fd = -1;
    uint64_t size = 0;
    int rc = blob_digest_parse(digest, &d, NULL);
    if (rc == 0)
        rc = blob_open(r->config.blobs, &d, &fd, &size, NULL);
    if (rc < 0 || size > ECR_MAX_MANIFEST)
        return rc < 0 ? rc : -E_LIMIT;
    char *buf = xmalloc(size + 1);
    ssize_t n = pread(fd, buf, size, 0);
    if (n >= 0)
        str_addn(ret, buf, (size_t)n);
    free(buf);
    return n == (ssize_t)size ? 0 : -E_IO;
}
