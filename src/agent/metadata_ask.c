/* metadata_ask.c: what containers ask and only the server knows: tags, protection.
 *
 * A question waits METADATA_WAIT_MS for the server, then it is answered without it; the
 * server's late answer falls on deaf ears. Calls name the asking container's own
 * task only. Tags are read with the instance's credentials, protection is the task's own doing:
 * it takes those of its role where it has one. */
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include "clock.h"
#include "metadata.h"
#include "server_calls.h"
#include "str.h"
#include "task_keys.h"

#define ECS "AmazonEC2ContainerServiceV20141113."

/* ---- a question under way ---- */

struct ask {
    struct metadata *m;
    struct local_exchange *x; /* NULL: answered */
    struct task *task;
    uv_timer_t timer;
    unsigned calls; /* whose answer is to come */
    bool timer_open;
    void (*finish)(struct ask *k); /* all answers are there, or time is over */

    struct arena arena;
    struct gantry_metadata_task *document; /* for tags */
    bool heard[2];                         /* of the task's, of the instance's */
};

static void ask_free_when_over(struct ask *k)
{
    if (k->calls > 0 || k->timer_open || k->x)
        return;
    struct task *t = k->task;
    struct engine *e = t->engine;
    k->m->asks--;
    arena_free(&k->arena);
    free(k);
    t->handles--; /* only now: so long the task can't be freed */
    engine_release(e, t);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct ask *k = h->data;
    k->timer_open = false;
    ask_free_when_over(k);
}

static void ask_finish(struct ask *k)
{
    if (!k->x)
        return;
    k->finish(k);
    k->x = NULL;
    uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}

static void on_timer(uv_timer_t *t)
{
    struct ask *k = t->data;
    ask_finish(k);
}

/* NULL: too many are under way, which is answered here. */
static struct ask *ask_new(struct metadata *m, struct local_exchange *x, struct task *t,
                           void (*finish)(struct ask *))
{
    if (m->asks >= METADATA_ASKS) {
        metadata_reply_text(x, 503, "too many questions for the server are under way");
        return NULL;
    }
    struct ask *k = xcalloc(1, sizeof(*k));
    k->m = m;
    k->x = x;
    k->task = t;
    k->finish = finish;
    m->asks++;
    t->handles++;
    uv_timer_init(t->engine->loop, &k->timer);
    k->timer.data = k;
    k->timer_open = true;
    uv_timer_start(&k->timer, on_timer, METADATA_WAIT_MS, 0);
    return k;
}

static void ask_call(struct ask *k, const char *operation, const struct wire_shape *shape,
                     const void *request, const struct sigv4_credentials *as,
                     server_done *done, void *ctx)
{
    AUTO_STR target = STR_INIT, body = STR_INIT;
    str_addf(&target, ECS "%s", operation);
    wire_json_encode(&body, shape, request);
    k->calls++;
    server_call_as(k->task->engine->calls, as, "ecs", target.data, body.data, body.len,
                   done, ctx);
}

/* ---- tags ---- */

static void put_error(struct ask *k, int which, const char *code, const char *message,
                      int status)
{
    struct gantry_metadata_error *e = LIST_PUSH(&k->arena, &k->document->errors);
    e->error_field = which ? "ContainerInstanceTags" : "TaskTags";
    e->error_code = code;
    e->error_message = message;
    e->status_code = SET_INT(status);
    e->resource_arn = which ? k->task->engine->instance_arn : k->task->arn;
}

static void tags_finish(struct ask *k)
{
    for (int i = 0; i < 2; i++)
        if (!k->heard[i])
            put_error(k, i, "RequestTimeout", "the server did not answer in time", 504);
    metadata_reply_json(k->x, 200, &gantry_metadata_task_shape, k->document);
}

/* "com.amazonaws…#ClientException" and "ClientException" alike; text in the arena. */
static void read_fault(struct arena *a, const struct server_answer *answer,
                       const char **ret_code, const char **ret_message)
{
    *ret_code = "ServerException";
    *ret_message = "the server can't be reached";
    json_t *root = json_loadb(answer->body, answer->body_len, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "__type"));
    const char *message = json_string_value(json_object_get(root, "message"));
    if (!message)
        message = json_string_value(json_object_get(root, "Message"));
    if (type) {
        const char *hash = strrchr(type, '#');
        *ret_code = arena_strdup(a, hash ? hash + 1 : type);
        *ret_message = arena_strdup(a, message ? message : "");
    }
    json_decref(root);
}

static void take_tags(struct ask *k, int which, const struct server_answer *answer)
{
    struct wire_error bad;
    void *value;
    struct string_map *to =
        which ? &k->document->container_instance_tags : &k->document->task_tags;
    k->heard[which] = true;
    if (answer->status == 200 &&
        wire_json_decode(&k->arena, &ecs_list_tags_for_resource_response_shape,
                         answer->body, answer->body_len, true, &value, &bad) >= 0) {
        const struct ecs_list_tags_for_resource_response *resp = value;
        for (size_t i = 0; i < resp->tags.n; i++)
            *LIST_PUSH(&k->arena, to) = (struct string_entry){
                resp->tags.v[i].key, resp->tags.v[i].value ? resp->tags.v[i].value : ""};
        return;
    }
    const char *code, *message;
    read_fault(&k->arena, answer, &code, &message);
    put_error(k, which, code, message, answer->status ? answer->status : 500);
}

static void on_tags(struct ask *k, int which, const struct server_answer *answer)
{
    k->calls--;
    if (k->x)
        take_tags(k, which, answer);
    if (k->calls == 0)
        ask_finish(k);
    ask_free_when_over(k);
}

static void on_task_tags(void *ctx, const struct server_answer *answer)
{
    on_tags(ctx, 0, answer);
}

static void on_instance_tags(void *ctx, const struct server_answer *answer)
{
    on_tags(ctx, 1, answer);
}

void metadata_tags(struct metadata *m, struct local_exchange *x, struct task *t)
{
    struct ask *k = ask_new(m, x, t, tags_finish);
    if (!k)
        return;
    k->document =
        wire_copy(&k->arena, &gantry_metadata_task_shape, metadata_task(&k->arena, t));
    struct ecs_list_tags_for_resource_request req = {.resource_arn = t->arn};
    ask_call(k, "ListTagsForResource", &ecs_list_tags_for_resource_request_shape, &req,
             NULL, on_task_tags, k);
    req.resource_arn = t->engine->instance_arn;
    if (req.resource_arn)
        ask_call(k, "ListTagsForResource", &ecs_list_tags_for_resource_request_shape,
                 &req, NULL, on_instance_tags, k);
    else
        k->heard[1] = true; /* not registered yet: there are none */
}

/* ---- protection ---- */

static int read_member(const char *key, json_t *value, struct protection_wish *ret,
                       bool *ret_enabled, struct error *err)
{
    if (strcasecmp(key, "ProtectionEnabled") == 0 && json_is_boolean(value)) {
        *ret_enabled = true;
        ret->enabled = json_is_true(value);
        return 0;
    }
    if (strcasecmp(key, "ExpiresInMinutes") == 0 && json_is_null(value))
        return 0;
    if (strcasecmp(key, "ExpiresInMinutes") == 0 && json_is_integer(value)) {
        json_int_t v = json_integer_value(value);
        if (v < INT32_MIN || v > INT32_MAX)
            return fail(err, E_INVALID, "ExpiresInMinutes is out of range");
        ret->has_minutes = true;
        ret->minutes = (int32_t)v;
        return 0;
    }
    if (strcasecmp(key, "ProtectionEnabled") == 0 ||
        strcasecmp(key, "ExpiresInMinutes") == 0)
        return fail(err, E_INVALID, "%s has a value of another type", key);
    return fail(err, E_INVALID, "unknown field '%.64s'", key);
}

int metadata_read_protection(const char *body, size_t len, struct protection_wish *ret,
                             struct error *err)
{
    json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
    *ret = (struct protection_wish){0};
    bool has_enabled = false;
    int r = 0;
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        r = fail(err, E_INVALID, "the body is no JSON object");
    else
        json_object_foreach (root, key, value)
            if (r >= 0)
                r = read_member(key, value, ret, &has_enabled, err);
    if (r >= 0 && !has_enabled)
        r = fail(err, E_INVALID, "ProtectionEnabled is missing");
    json_decref(root);
    return r;
}

static void reply_error(struct local_exchange *x, const struct task *t, int status,
                        const char *code, const char *message)
{
    struct gantry_metadata_protection_error error = {t->arn, code, message};
    struct gantry_metadata_protection_answer answer = {.error = &error};
    metadata_reply_json(x, status, &gantry_metadata_protection_answer_shape, &answer);
}

/* Time is over; every other end answers by itself. */
static void protection_finish(struct ask *k)
{
    reply_error(k->x, k->task, 504, "RequestTimeout",
                "the server did not answer in time");
}

static void reply_protection(struct ask *k,
                             const struct ecs_update_task_protection_response *resp)
{
    struct gantry_metadata_protection protection;
    struct gantry_metadata_protection_failure failure;
    struct gantry_metadata_protection_answer answer = {0};
    char expires[CLOCK_ISO_SIZE];
    if (resp->failures.n > 0) {
        const struct ecs_failure *f = &resp->failures.v[0];
        failure =
            (struct gantry_metadata_protection_failure){f->arn, f->detail, f->reason};
        answer.failure = &failure;
    } else if (resp->protected_tasks.n > 0) {
        const struct ecs_protected_task *p = &resp->protected_tasks.v[0];
        protection = (struct gantry_metadata_protection){
            .protection_enabled = p->protection_enabled, .task_arn = p->task_arn};
        if (p->expiration_date.set) {
            clock_format_iso(p->expiration_date.v, true, expires);
            protection.expiration_date = expires;
        }
        answer.protection = &protection;
    } else {
        reply_error(k->x, k->task, 500, "ServerException",
                    "the server said nothing about the task");
        return;
    }
    metadata_reply_json(k->x, 200, &gantry_metadata_protection_answer_shape, &answer);
}

static void take_protection(struct ask *k, const struct server_answer *answer)
{
    struct wire_error bad;
    void *value;
    const char *code, *message;
    /* GetTaskProtection and UpdateTaskProtection answer alike */
    if (answer->status == 200 &&
        wire_json_decode(&k->arena, &ecs_update_task_protection_response_shape,
                         answer->body, answer->body_len, true, &value, &bad) >= 0) {
        reply_protection(k, value);
        return;
    }
    read_fault(&k->arena, answer, &code, &message);
    reply_error(k->x, k->task, answer->status == 400 ? 400 : 500, code, message);
}

static void on_protection(void *ctx, const struct server_answer *answer)
{
    struct ask *k = ctx;
    k->calls--;
    if (k->x) {
        take_protection(k, answer);
        k->x = NULL;
        uv_close((uv_handle_t *)&k->timer, on_timer_closed);
    }
    ask_free_when_over(k);
}

static void ask_protection(struct ask *k, const struct protection_wish *wish)
{
    const char *arn = k->task->arn;
    const struct sigv4_credentials *as = task_role_keys(k->task);
    struct ecs_update_task_protection_request put = {
        .cluster = k->task->host->cluster_arn, .tasks = {.v = &arn, .n = 1, .set = true}};
    struct ecs_get_task_protection_request get = {.cluster = put.cluster,
                                                  .tasks = put.tasks};
    if (!wish) {
        ask_call(k, "GetTaskProtection", &ecs_get_task_protection_request_shape, &get, as,
                 on_protection, k);
        return;
    }
    put.protection_enabled = SET_BOOL(wish->enabled);
    if (wish->has_minutes)
        put.expires_in_minutes = SET_INT(wish->minutes);
    ask_call(k, "UpdateTaskProtection", &ecs_update_task_protection_request_shape, &put,
             as, on_protection, k);
}

void metadata_protection(struct metadata *m, struct local_exchange *x, struct task *t)
{
    struct protection_wish wish;
    struct error err = ERROR_INIT;
    bool put = streq(x->request.method, "PUT");
    if (put &&
        metadata_read_protection(x->request.body, x->request.body_len, &wish, &err) < 0) {
        reply_error(x, t, 400, "InvalidParameterException", err.text);
        return;
    }
    struct ask *k = ask_new(m, x, t, protection_finish);
    if (k)
        ask_protection(k, put ? &wish : NULL);
}
