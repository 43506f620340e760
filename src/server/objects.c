#include "objects.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "clock.h"
#include "s3.h"

/* They wait for disks, and with an upstream for the network. */
#define OBJECT_WORKERS 8

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
    *w = (struct work){.job.run = work_run, .run = run, .arg = arg};
    workers_submit(s->object_workers, &w->job);
}

static void submit(void *ctx, struct core_task *task)
{
    struct server *s = ctx;
    shell_submit(s->shell, task);
}

static int64_t now_ms(void *ctx)
{
    return clock_wall_ms();
}

static int check_signature(void *ctx, struct core *core, struct arena *a,
                           struct s3_signature *sig, struct identity *ret,
                           enum wire_denial *ret_denial, const char **ret_text)
{
    const struct server *s = ctx;
    struct signing_key key = {0};
    const struct credentials given = {
        .failure = sig->failure,
        .failure_text = sig->failure_text,
        .sigv4 = sig->sigv4,
        .source_ip = sig->source_ip,
        .user_agent = sig->user_agent,
        .tls = sig->tls,
        .key = &key,
    };
    int r = authenticate(&s->auth, core, a, &given, ret, ret_denial, ret_text);
    sig->key_known = key.known;
    memcpy(sig->key, key.bytes, sizeof(sig->key));
    OPENSSL_cleanse(&key, sizeof(key));
    return r;
}

/* What is done to objects is a data event, what to buckets a management event. */
static void record(void *ctx, const struct s3_call *s, const struct wire_fault *fault,
                   const char *fault_text, uint64_t bytes_in)
{
    const struct server *server = ctx;
    const struct call *c = &s->call;
    AUTO_ARENA a = ARENA_INIT;
    struct audit_event e = audit_event_of(&a, c);
    bool object = c->operation->kind == OPERATION_STREAMS;
    struct string_entry said[] = {{"bucketName", s->bucket}, {"key", s->key}};
    e.log = object ? AUDIT_DATA : AUDIT_MANAGEMENT;
    e.reads = streq(c->operation->wire->method, "GET") ||
              streq(c->operation->wire->method, "HEAD");
    e.error_code = fault ? fault->code : NULL;
    e.error_text = fault ? fault_text : NULL;
    e.shape = NULL;
    e.parameters = (struct string_map){.v = said,
                                       .n = s->key      ? 2
                                            : s->bucket ? 1
                                                        : 0,
                                       .set = true};
    e.bytes_in = bytes_in;
    if (s->bucket && s->key) {
        e.resource = arena_printf(&a, "arn:aws:s3:::%s/%s", s->bucket, s->key);
        e.resource_type = "AWS::S3::Object";
    }
    audit_tell(server->audit, &e);
}

int objects_open(struct server *s, const struct server_config *config, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/s3", config->data_dir);
    const struct object_upstream upstream = {
        .url = config->s3_upstream,
        .region =
            config->s3_upstream_region ? config->s3_upstream_region : config->region,
        .access_key_id = config->s3_upstream_key_id,
        .secret = config->s3_upstream_secret,
    };
    return object_store_open(dir.data, upstream.url ? &upstream : NULL, &s->objects, err);
}

void objects_attach(struct server *s)
{
    const struct s3_settings settings = {
        .bucket_close = s3_front_bucket_close,
        .bucket_reopen = s3_front_bucket_reopen,
        .bucket_forget = s3_front_bucket_forget,
        .ctx = s->objects,
    };
    s3_attach(s->core, &settings);
}

int objects_start(struct server *s, const struct server_config *config, struct error *err)
{
    const struct s3_front_config fc = {
        .backend = {.ctx = s,
                    .submit = submit,
                    .work = work,
                    .now_ms = now_ms,
                    .authenticate = check_signature,
                    .record = record},
        .store = s->objects,
        .region = config->region,
    };
    int r = s3_front_start(s->core, s->objects, err);
    if (r == 0)
        r = workers_start(OBJECT_WORKERS, &s->object_workers, err);
    if (r == 0)
        s->s3 = s3_front_new(&fc);
    return r;
}

void objects_stop(struct server *s)
{
    workers_stop(s->object_workers);
}

void objects_close(struct server *s)
{
    s3_front_free(s->s3);
    if (s->objects)
        s->objects->ops->close(s->objects);
}
