/* RegisterDaemonTaskDefinition, DescribeDaemonTaskDefinition, DeleteDaemonTaskDefinition,
 * ListDaemonTaskDefinitions.
 *
 * What a daemon runs is a task definition with fewer words: no network mode (it runs in its
 * instance's network) and no ports. It is stored as a task definition of its own table, so
 * that tasks, needs and hosts see nothing new; going in and out the names are the same, and
 * the codec leaves out what the other side does not know. Its families count by themselves. */
#include <string.h>

#include "daemon.h"
#include "page.h"

/* The members of `from` that `to` knows too, by their names on the wire. */
static void *by_name(struct arena *a, const struct wire_shape *from, const void *value,
                     const struct wire_shape *to)
{
    AUTO_STR text = STR_INIT;
    struct wire_error unused;
    void *ret = NULL;
    wire_json_encode(&text, from, value);
    return wire_json_decode(a, to, text.data, text.len, true, &ret, &unused) < 0 ? NULL
                                                                                 : ret;
}

static struct ecs_daemon_task_definition *view(struct arena *a, const struct taskdef *td)
{
    const struct ecs_task_definition *def = taskdef_of(td);
    struct ecs_daemon_task_definition *v =
        by_name(a, &ecs_task_definition_shape, def, &ecs_daemon_task_definition_shape);
    v->daemon_task_definition_arn = arena_strdup(a, def->task_definition_arn);
    return v;
}

/* ---- finding ---- */

static int no_such_definition(struct call *c)
{
    return call_fault(c, &ecs_client_exception,
                      "The specified daemon task definition does not exist.");
}

static int revision_require(struct call *c, const char *reference, struct taskdef **ret)
{
    *ret = daemon_taskdef_find(c, reference);
    if (!*ret)
        return no_such_definition(c);
    return 0;
}

struct taskdef *daemon_taskdef_find(struct call *c, const char *reference)
{
    struct arn arn;
    if (arn_looks_like(reference) &&
        (!arn_parse(&c->arena, reference, &arn) || !streq(arn.region, c->region) ||
         !streq(arn.account, c->who.account_id) ||
         !str_starts(arn.resource, "daemon-task-definition/")))
        return NULL;
    return taskdef_revision(c->core, &c->arena, TASKDEF_OF_DAEMON, c->who.account_id,
                            c->region, ecs_last_segment(reference));
}

/* ---- RegisterDaemonTaskDefinition ---- */

int ecs_register_daemon_task_definition(
    struct call *c, const struct ecs_register_daemon_task_definition_request *in,
    struct ecs_register_daemon_task_definition_response *out)
{
    struct ecs_taskdef_error why;
    struct ecs_register_task_definition_request *def =
        by_name(&c->arena, &ecs_register_daemon_task_definition_request_shape, in,
                &ecs_register_task_definition_request_shape);
    if (!def)
        return call_fault(c, &ecs_client_exception, "Container list cannot be empty");
    def->network_mode = ECS_NETWORK_MODE_HOST;
    if (ecs_taskdef_check(def, &why) < 0)
        return ecs_taskdef_fault(c, &why);
    if (tags_check(c, &in->tags) < 0)
        return -1;
    struct taskdef *td = taskdef_register(c, TASKDEF_OF_DAEMON, def);
    out->daemon_task_definition_arn = taskdef_of(td)->task_definition_arn;
    return 0;
}

/* ---- DescribeDaemonTaskDefinition, DeleteDaemonTaskDefinition ---- */

/* A number that its family gave and that has no definition is that of a deleted one: all
 * that is left of it is its name and that it is DELETED, which clients wait for. */
static struct ecs_daemon_task_definition *deleted_view(struct call *c,
                                                       const char *reference)
{
    struct arn arn;
    const char *name = ecs_last_segment(reference), *colon = strrchr(name, ':');
    int64_t revision;
    if (!colon || !str_to_i64(colon + 1, 1, INT32_MAX, &revision) ||
        (arn_looks_like(reference) &&
         (!arn_parse(&c->arena, reference, &arn) || !streq(arn.region, c->region) ||
          !streq(arn.account, c->who.account_id) ||
          !str_starts(arn.resource, "daemon-task-definition/"))))
        return NULL;
    const char *family = arena_strndup(&c->arena, name, (size_t)(colon - name));
    const struct family *f = table_find(
        ecs_of(c->core)->daemon_families,
        ecs_key(&c->arena, "daemon-family", c->who.account_id, c->region, family));
    if (!f || revision > f->rec->last_revision.v)
        return NULL;
    struct ecs_daemon_task_definition *v =
        arena_new(&c->arena, struct ecs_daemon_task_definition);
    v->daemon_task_definition_arn =
        ecs_arn(&c->arena, c->region, c->who.account_id, "daemon-task-definition/%s:%d",
                family, (int)revision);
    v->family = family;
    v->revision = SET_INT((int32_t)revision);
    v->status = ECS_DAEMON_TASK_DEFINITION_STATUS_DELETED;
    return v;
}

int ecs_describe_daemon_task_definition(
    struct call *c, const struct ecs_describe_daemon_task_definition_request *in,
    struct ecs_describe_daemon_task_definition_response *out)
{
    struct taskdef *td = daemon_taskdef_find(c, in->daemon_task_definition);
    out->daemon_task_definition =
        td ? view(&c->arena, td) : deleted_view(c, in->daemon_task_definition);
    if (!out->daemon_task_definition)
        return no_such_definition(c);
    return 0;
}

int ecs_delete_daemon_task_definition(
    struct call *c, const struct ecs_delete_daemon_task_definition_request *in,
    struct ecs_delete_daemon_task_definition_response *out)
{
    struct taskdef *td;
    if (!strchr(ecs_last_segment(in->daemon_task_definition), ':'))
        return call_fault(c, &ecs_client_exception, "Revision is missing.");
    if (revision_require(c, in->daemon_task_definition, &td) < 0)
        return -1;
    struct ecs_task_definition *def = td->rec->task_definition;
    out->daemon_task_definition_arn = call_printf(c, "%s", def->task_definition_arn);
    def->status = ECS_TASK_DEFINITION_STATUS_DELETE_IN_PROGRESS;
    if (!def->delete_requested_at.set)
        def->delete_requested_at = SET_TIME(core_now_ms(c->core));
    if (td->users == 0)
        object_delete(c->core, &td->o);
    else
        object_save(c->core, &td->o);
    return 0;
}

/* ---- ListDaemonTaskDefinitions ---- */

struct filter {
    const char *family, *prefix;
    bool last_registered;
    int status;
};

static bool last_of_family(struct call *c, const struct taskdef *td)
{
    const struct ecs_task_definition *def = taskdef_of(td);
    const struct family *f = table_find(
        ecs_of(c->core)->daemon_families,
        ecs_key(&c->arena, "daemon-family", c->who.account_id, c->region, def->family));
    return f && f->rec->last_revision.v == def->revision.v;
}

static bool wanted(struct call *c, const struct taskdef *td, const struct filter *f)
{
    const struct ecs_task_definition *def = taskdef_of(td);
    bool deleting = def->status == ECS_TASK_DEFINITION_STATUS_DELETE_IN_PROGRESS;
    if (f->status == ECS_DAEMON_TASK_DEFINITION_STATUS_FILTER_DELETE_IN_PROGRESS &&
        !deleting)
        return false;
    if (f->status != ECS_DAEMON_TASK_DEFINITION_STATUS_FILTER_DELETE_IN_PROGRESS &&
        f->status != ECS_DAEMON_TASK_DEFINITION_STATUS_FILTER_ALL && deleting)
        return false;
    if (f->family && !streq(def->family, f->family))
        return false;
    if (f->prefix && !str_starts(def->family, f->prefix))
        return false;
    return !f->last_registered || last_of_family(c, td);
}

static void summarise(struct call *c, const struct taskdef *td,
                      struct ecs_daemon_task_definition_summary *ret)
{
    struct ecs_daemon_task_definition *v = view(&c->arena, td);
    *ret = (struct ecs_daemon_task_definition_summary){
        .arn = v->daemon_task_definition_arn,
        .registered_at = v->registered_at,
        .registered_by = v->registered_by,
        .delete_requested_at = v->delete_requested_at,
        .status = v->status,
    };
}

int ecs_list_daemon_task_definitions(
    struct call *c, const struct ecs_list_daemon_task_definitions_request *in,
    struct ecs_list_daemon_task_definitions_response *out)
{
    size_t limit;
    const char *after, *last = NULL;
    struct table *table = ecs_of(c->core)->daemon_taskdefs;
    const char *prefix =
        ecs_key(&c->arena, "daemon-taskdef", c->who.account_id, c->region, "");
    struct filter f = {
        .family = in->family,
        .prefix = in->family_prefix,
        .last_registered =
            in->revision == ECS_DAEMON_TASK_DEFINITION_REVISION_FILTER_LAST_REGISTERED,
        .status = (int)in->status,
    };
    if (ecs_page_size(c, in->max_results, 100, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &after) < 0)
        return -1;
    bool desc = in->sort == ECS_SORT_ORDER_DESC;
    struct taskdef_array all;
    taskdef_collect(c, table, prefix, &all);
    out->daemon_task_definitions.set = true;
    for (size_t i = 0; i < all.n; i++) {
        const struct taskdef *td = all.v[desc ? all.n - 1 - i : i];
        int order = strcmp(td->o.key, after);
        if ((after != prefix && (desc ? order >= 0 : order <= 0)) || !wanted(c, td, &f))
            continue;
        if (out->daemon_task_definitions.n == limit) {
            out->next_token = page_token(&c->arena, last);
            break;
        }
        summarise(c, td, LIST_PUSH(&c->arena, &out->daemon_task_definitions));
        last = td->o.key;
    }
    return 0;
}
