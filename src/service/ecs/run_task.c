/* RunTask, StartTask, StopTask. */
#include <string.h>

#include <openssl/evp.h>

#include "capacity_provider.h"
#include "launch.h"

/* ---- clientToken: the same call twice makes its tasks once ---- */

#define TOKEN_LIFE_MS (24 * 60 * 60 * 1000LL)

void parameter_hash(const struct wire_shape *shape, const void *in, char ret[65])
{
    AUTO_STR text = STR_INIT;
    unsigned char digest[32];
    wire_json_encode(&text, shape, in);
    EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL);
    hex_encode(digest, sizeof(digest), ret);
}

static void token_expire(struct core *core, struct wake *w)
{
    struct token *t = list_entry(w, struct token, expiry);
    object_delete(core, &t->o);
}

int token_loaded(struct core *core, struct object *o, struct error *err)
{
    struct token *t = (struct token *)o;
    wake_init(&t->expiry, token_expire);
    wake_at(core, &t->expiry, t->rec->expires_at.v);
    return 0;
}

void token_unlink(struct core *core, struct object *o)
{
    wake_cancel(core, &((struct token *)o)->expiry);
}

static const char *token_key(struct call *c, const struct cluster *cl, const char *token)
{
    char hex[2 * 64 + 1];
    hex_encode(token, strlen(token), hex);
    return ecs_key(&c->arena, "token", cl->account, cl->region,
                   call_printf(c, "%s/%s", cl->name, hex));
}

static int token_check(struct call *c, const char *token)
{
    size_t n = strlen(token);
    for (size_t i = 0; i < n; i++)
        if (token[i] < 33 || token[i] > 126)
            n = 65;
    if (n == 0 || n > 64)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "clientToken must be 1 to 64 printable ASCII characters long.");
    return 0;
}

static void token_remember(struct call *c, const struct cluster *cl, const char *token,
                           const char *hash, const struct ecs_task_list *tasks)
{
    struct token *t =
        object_new(c->core, ecs_of(c->core)->tokens, token_key(c, cl, token));
    t->rec->parameter_hash = arena_strdup(&t->o.arena, hash);
    t->rec->expires_at = SET_TIME(core_now_ms(c->core) + TOKEN_LIFE_MS);
    for (size_t i = 0; i < tasks->n; i++)
        *LIST_PUSH(&t->o.arena, &t->rec->task_arns) =
            arena_strdup(&t->o.arena, tasks->v[i].task_arn);
    token_loaded(c->core, &t->o, NULL);
    object_save(c->core, &t->o);
}

/* 1: answered from the token. */
static int token_replay(struct call *c, struct cluster *cl, const char *token,
                        const char *hash, struct ecs_task_list *ret)
{
    const struct token *t = table_find(ecs_of(c->core)->tokens, token_key(c, cl, token));
    if (!t)
        return 0;
    if (!streq(t->rec->parameter_hash, hash)) {
        AUTO_STR arns = STR_INIT;
        for (size_t i = 0; i < t->rec->task_arns.n; i++)
            str_addf(&arns, "%s%s", i ? ", " : "", t->rec->task_arns.v[i]);
        return call_fault(
            c, &ecs_conflict_exception,
            "The clientToken was used with other parameters before, for: %s",
            str_text(&arns));
    }
    for (size_t i = 0; i < t->rec->task_arns.n; i++) {
        struct task *task = task_find(c->core, cl, t->rec->task_arns.v[i]);
        if (task)
            task_view(&c->arena, task, true, LIST_PUSH(&c->arena, ret));
    }
    return 1;
}

/* ---- what both ways of starting check ---- */

static int group_check(struct call *c, const char *group)
{
    if (group && (utf8_length(group) > 255 || !*group))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Task group must be 1 to 255 characters long.");
    if (group && str_starts(group, "service:"))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Task group names must not begin with 'service:'.");
    return 0;
}

static int override_check(struct call *c, const struct ecs_task_override *o)
{
    if (!o)
        return 0;
    AUTO_STR text = STR_INIT;
    wire_json_encode(&text, &ecs_task_override_shape, o);
    if (text.len > 8192)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Container Overrides length must be at most 8192");
    return 0;
}

static int start_prepare(struct call *c, const char *cluster, const char *taskdef,
                         const struct ecs_tag_list *tags, int propagate, bool managed,
                         struct launch *s)
{
    s->cluster = cluster_require(c, cluster);
    if (!s->cluster)
        return -1;
    s->taskdef = taskdef_find(c, taskdef);
    if (!s->taskdef)
        return call_fault(c, &ecs_client_exception, "TaskDefinition not found.");
    const struct ecs_task_definition *def = taskdef_of(s->taskdef);
    if (def->status != ECS_TASK_DEFINITION_STATUS_ACTIVE)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "TaskDefinition is inactive");
    if (propagate == ECS_PROPAGATE_TAGS_SERVICE)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "SERVICE is not a valid propagateTags value for a standalone "
                          "task.");
    if (tags_check(c, tags) < 0 || group_check(c, s->group) < 0 ||
        override_check(c, s->overrides) < 0)
        return -1;
    if (propagate == ECS_PROPAGATE_TAGS_TASK_DEFINITION)
        tags_merge(&c->arena, &s->tags, &s->taskdef->rec->tags);
    tags_merge(&c->arena, &s->tags, tags);
    if (managed)
        tags_set(&c->arena, &s->tags, "aws:ecs:clusterName", s->cluster->name);
    if (!s->group)
        s->group = call_printf(c, "family:%s", def->family);
    return 0;
}

static void explain(struct call *c, const struct launch *s, struct ecs_failure_list *ret)
{
    struct place_rejection why[100];
    size_t n = place_explain(s->cluster->place, &s->need, s->group, why, 100);
    for (size_t i = 0; i < n; i++) {
        const struct instance *in = place_instance_owner(why[i].instance);
        struct ecs_failure *f = LIST_PUSH(&c->arena, ret);
        f->arn = in->rec->instance->container_instance_arn;
        f->reason = place_reason_text(why[i].reason);
    }
}

/* With capacity providers there is no instance to be blamed: too many tasks wait. */
static int explain_full(struct call *c, const struct launch *l,
                        struct ecs_run_task_response *out)
{
    if (out->tasks.n == 0)
        return call_fault(c, &ecs_client_exception,
                          "The cluster has reached its limit of %d tasks in the "
                          "PROVISIONING state.",
                          PROVIDER_MAX_WAITING);
    struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
    f->arn = arena_strdup(&c->arena, l->cluster->rec->cluster->cluster_arn);
    f->reason = "PROVISIONING";
    f->detail = "Too many tasks of the cluster wait for capacity.";
    return 0;
}

static int run_task_placed(struct call *c, int32_t count, struct launch *l,
                           struct ecs_run_task_response *out)
{
    out->tasks.set = out->failures.set = true;
    for (int32_t n = 0; n < count; n++) {
        struct task *t = launch_one(c->core, l);
        if (!t && l->full)
            return explain_full(c, l, out);
        if (!t) {
            explain(c, l, &out->failures);
            break;
        }
        task_view(&c->arena, t, true, LIST_PUSH(&c->arena, &out->tasks));
    }
    return 0;
}

int ecs_run_task(struct call *c, const struct ecs_run_task_request *in,
                 struct ecs_run_task_response *out)
{
    struct launch s = {
        .overrides = in->overrides,
        .group = in->group,
        .started_by = in->started_by,
        .enable_execute_command = in->enable_execute_command.v,
        .constraints = &in->placement_constraints,
        .strategies = &in->placement_strategy,
        .terms = {.launch_type = (int)in->launch_type,
                  .strategy = in->capacity_provider_strategy,
                  .platform_version = in->platform_version,
                  .network = in->network_configuration},
    };
    if (in->count.set && (in->count.v < 1 || in->count.v > 10))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Count must be between 1 and 10");
    if (in->started_by && utf8_length(in->started_by) > 128)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "startedBy must be at most 128 characters long.");
    if (start_prepare(c, in->cluster, in->task_definition, &in->tags,
                      (int)in->propagate_tags, in->enable_ecs_managed_tags.v, &s) < 0)
        return -1;
    if (launch_check(c, s.cluster, taskdef_of(s.taskdef), &s.terms) < 0)
        return -1;
    char hash[65] = "";
    if (in->client_token) {
        if (token_check(c, in->client_token) < 0)
            return -1;
        parameter_hash(&ecs_run_task_request_shape, in, hash);
        int r = token_replay(c, s.cluster, in->client_token, hash, &out->tasks);
        if (r != 0) {
            out->tasks.set = out->failures.set = true;
            return r < 0 ? r : 0;
        }
    }
    bool own_instances = s.terms.launch_type == ECS_LAUNCH_TYPE_EC2 ||
                         s.terms.launch_type == ECS_LAUNCH_TYPE_EXTERNAL;
    if (own_instances && s.cluster->instance_count == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "No Container Instances were found in your cluster.");
    int r = launch_prepare(c, c->core, &s);
    if (r == 0)
        r = run_task_placed(c, in->count.set ? in->count.v : 1, &s, out);
    launch_fini(&s);
    if (r == 0 && in->client_token && out->tasks.n)
        token_remember(c, s.cluster, in->client_token, hash, &out->tasks);
    return r;
}

int ecs_start_task(struct call *c, const struct ecs_start_task_request *in,
                   struct ecs_start_task_response *out)
{
    struct launch s = {
        .overrides = in->overrides,
        .group = in->group,
        .started_by = in->started_by,
        .enable_execute_command = in->enable_execute_command.v,
        .terms = {.launch_type = ECS_LAUNCH_TYPE_EC2,
                  .network = in->network_configuration},
    };
    if (in->started_by && utf8_length(in->started_by) > 36)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "startedBy must be at most 36 characters long.");
    if (in->container_instances.n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Container Instances cannot be empty.");
    if (in->container_instances.n > 10)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Container instances cannot have more than 10 elements.");
    if (start_prepare(c, in->cluster, in->task_definition, &in->tags,
                      (int)in->propagate_tags, in->enable_ecs_managed_tags.v, &s) < 0 ||
        launch_check(c, s.cluster, taskdef_of(s.taskdef), &s.terms) < 0)
        return -1;
    if (launch_prepare(c, c->core, &s) < 0) {
        launch_fini(&s);
        return -1;
    }
    out->tasks.set = out->failures.set = true;
    for (size_t n = 0; n < in->container_instances.n; n++) {
        const char *reference = in->container_instances.v[n];
        struct instance *i = instance_find(c->core, s.cluster, reference);
        enum place_reason reason =
            i ? place_check(s.cluster->place, i->place, &s.need, s.group) : PLACE_OK;
        if (i && reason == PLACE_OK) {
            struct task *t = launch_on(c->core, &s, i);
            task_view(&c->arena, t, true, LIST_PUSH(&c->arena, &out->tasks));
            continue;
        }
        struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
        f->arn = i ? i->rec->instance->container_instance_arn
                 : arn_looks_like(reference)
                     ? reference
                     : ecs_arn(&c->arena, c->region, c->who.account_id,
                               "container-instance/%s/%s", s.cluster->name, reference);
        f->reason = !i                         ? "MISSING"
                    : reason == PLACE_INACTIVE ? "INACTIVE"
                                               : place_reason_text(reason);
    }
    launch_fini(&s);
    return 0;
}

int ecs_stop_task(struct call *c, const struct ecs_stop_task_request *in,
                  struct ecs_stop_task_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl)
        return -1;
    struct task *t = task_find(c->core, cl, in->task);
    if (!t)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The referenced task was not found.");
    if (in->reason && utf8_length(in->reason) > 1024)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "reason must be at most 1024 characters long.");
    task_stop(c->core, t, ECS_TASK_STOP_CODE_USER_INITIATED,
              in->reason ? in->reason : "Task stopped by user");
    out->task = arena_new(&c->arena, struct ecs_task);
    task_view(&c->arena, t, true, out->task);
    return 0;
}
