#include <string.h>

#include "ecs_state.h"
#include "page.h"
#include "taskdef_rules.h"

/* An INACTIVE revision that was asked to be deleted goes when nothing names it. */
void taskdef_release(struct core *core, struct taskdef *td)
{
    td->users--;
    if (td->users == 0 &&
        taskdef_of(td)->status == ECS_TASK_DEFINITION_STATUS_DELETE_IN_PROGRESS)
        object_delete(core, &td->o);
}

const struct ecs_container_definition *
container_definition_of(const struct ecs_task_definition *def, const char *name)
{
    for (size_t i = 0; i < def->container_definitions.n; i++)
        if (streq(def->container_definitions.v[i].name, name))
            return &def->container_definitions.v[i];
    return NULL;
}

int ecs_taskdef_fault(struct call *c, const struct ecs_taskdef_error *e)
{
    return call_fault(c,
                      e->fault == TASKDEF_CLIENT ? &ecs_client_exception
                                                 : &ecs_invalid_parameter_exception,
                      "%s", e->text);
}

static struct family *family_get(struct call *c, enum taskdef_kind kind, const char *name)
{
    struct taskdef_tables t = taskdef_tables(c->core, kind);
    const char *key =
        ecs_key(&c->arena, t.family_noun, c->who.account_id, c->region, name);
    struct family *f = table_find(t.families, key);
    if (!f) {
        f = object_new(c->core, t.families, key);
        f->rec->family = arena_strdup(&f->o.arena, name);
    }
    return f;
}

static int32_t next_revision(struct call *c, enum taskdef_kind kind, const char *family)
{
    struct family *f = family_get(c, kind, family);
    f->rec->last_revision = SET_INT(f->rec->last_revision.v + 1);
    object_save(c->core, &f->o);
    return f->rec->last_revision.v;
}

struct taskdef *taskdef_register(struct call *c, enum taskdef_kind kind,
                                 const struct ecs_register_task_definition_request *in)
{
    struct taskdef_tables t = taskdef_tables(c->core, kind);
    struct ecs_register_task_definition_request *def =
        wire_copy(&c->arena, &ecs_register_task_definition_request_shape, in);
    ecs_taskdef_normalise(&c->arena, def);
    int32_t revision = next_revision(c, kind, def->family);
    const char *rest = call_printf(c, "%s/%010d", def->family, revision);
    struct taskdef *td = object_new(
        c->core, t.revisions,
        ecs_key(&c->arena, t.revision_noun, c->who.account_id, c->region, rest));
    struct ecs_task_definition made = {0};
    ecs_taskdef_derive(&c->arena, def, &made);
    made.revision = SET_INT(revision);
    made.task_definition_arn =
        ecs_arn(&c->arena, c->region, c->who.account_id, "%stask-definition/%s:%d",
                kind == TASKDEF_OF_DAEMON ? "daemon-" : "", def->family, revision);
    made.status = ECS_TASK_DEFINITION_STATUS_ACTIVE;
    made.registered_at = SET_TIME(core_now_ms(c->core));
    made.registered_by = c->who.arn;
    td->rec->task_definition = wire_copy(&td->o.arena, &ecs_task_definition_shape, &made);
    tags_merge(&td->o.arena, &td->rec->tags, &def->tags);
    object_save(c->core, &td->o);
    return td;
}

int ecs_register_task_definition(struct call *c,
                                 const struct ecs_register_task_definition_request *in,
                                 struct ecs_register_task_definition_response *out)
{
    struct ecs_taskdef_error why;
    if (ecs_taskdef_check(in, &why) < 0)
        return ecs_taskdef_fault(c, &why);
    if (tags_check(c, &in->tags) < 0)
        return -1;
    struct taskdef *td = taskdef_register(c, TASKDEF_OF_TASKS, in);
    out->task_definition =
        wire_copy(&c->arena, &ecs_task_definition_shape, td->rec->task_definition);
    if (in->tags.set)
        tags_merge(&c->arena, &out->tags, &in->tags);
    return 0;
}

int ecs_describe_task_definition(struct call *c,
                                 const struct ecs_describe_task_definition_request *in,
                                 struct ecs_describe_task_definition_response *out)
{
    struct taskdef *td = taskdef_find(c, in->task_definition);
    if (!td)
        return call_fault(c, &ecs_client_exception,
                          "Unable to describe task definition.");
    out->task_definition =
        wire_copy(&c->arena, &ecs_task_definition_shape, td->rec->task_definition);
    for (size_t i = 0; i < in->include.n; i++)
        if (in->include.v[i] == ECS_TASK_DEFINITION_FIELD_TAGS) {
            out->tags.set = true;
            tags_merge(&c->arena, &out->tags, &td->rec->tags);
        }
    return 0;
}

/* "family:revision" is required here, not just a family. */
static int revision_check(struct call *c, const char *reference)
{
    int64_t revision;
    const char *colon = strchr(ecs_last_segment(reference), ':');
    if (!colon)
        return call_fault(c, &ecs_client_exception, "Revision is missing.");
    if (!str_to_i64(colon + 1, 1, INT32_MAX, &revision))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Invalid revision number. Number: %s", colon + 1);
    return 0;
}

int ecs_deregister_task_definition(
    struct call *c, const struct ecs_deregister_task_definition_request *in,
    struct ecs_deregister_task_definition_response *out)
{
    if (revision_check(c, in->task_definition) < 0)
        return -1;
    struct taskdef *td = taskdef_find(c, in->task_definition);
    if (!td)
        return call_fault(c, &ecs_client_exception,
                          "Unable to describe task definition.");
    struct ecs_task_definition *def = td->rec->task_definition;
    if (def->status == ECS_TASK_DEFINITION_STATUS_ACTIVE) {
        def->status = ECS_TASK_DEFINITION_STATUS_INACTIVE;
        def->deregistered_at = SET_TIME(core_now_ms(c->core));
        object_save(c->core, &td->o);
    }
    out->task_definition = wire_copy(&c->arena, &ecs_task_definition_shape, def);
    return 0;
}

static void delete_failure(struct call *c,
                           struct ecs_delete_task_definitions_response *out,
                           const char *reference, const char *reason, const char *detail)
{
    struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
    f->arn = arn_looks_like(reference) ? reference
                                       : ecs_arn(&c->arena, c->region, c->who.account_id,
                                                 "task-definition/%s", reference);
    f->reason = reason;
    f->detail = detail;
}

int ecs_delete_task_definitions(struct call *c,
                                const struct ecs_delete_task_definitions_request *in,
                                struct ecs_delete_task_definitions_response *out)
{
    if (in->task_definitions.n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "TaskDefinition references list cannot be empty");
    if (in->task_definitions.n > 10)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Size of TaskDefinition references list cannot exceed 10");
    for (size_t i = 0; i < in->task_definitions.n; i++)
        if (revision_check(c, in->task_definitions.v[i]) < 0)
            return -1;
    out->task_definitions.set = out->failures.set = true;
    for (size_t i = 0; i < in->task_definitions.n; i++) {
        const char *reference = in->task_definitions.v[i];
        struct taskdef *td = taskdef_find(c, reference);
        if (!td) {
            delete_failure(c, out, reference, "MISSING", NULL);
            continue;
        }
        struct ecs_task_definition *def = td->rec->task_definition;
        if (def->status == ECS_TASK_DEFINITION_STATUS_ACTIVE) {
            delete_failure(c, out, reference, "ACTIVE",
                           "The specified task definition is still in ACTIVE status. "
                           "Deregister the task definition and try again.");
            continue;
        }
        def->status = ECS_TASK_DEFINITION_STATUS_DELETE_IN_PROGRESS;
        if (!def->delete_requested_at.set)
            def->delete_requested_at = SET_TIME(core_now_ms(c->core));
        wire_copy_into(&c->arena, &ecs_task_definition_shape, def,
                       LIST_PUSH(&c->arena, &out->task_definitions));
        if (td->users == 0)
            object_delete(c->core, &td->o);
        else
            object_save(c->core, &td->o);
    }
    return 0;
}

/* ---- listings: family ascending, then revision; DESC turns both round ---- */

static bool status_wanted(const struct taskdef *td, int wanted)
{
    if (wanted == ECS_TASK_DEFINITION_STATUS_UNSET)
        wanted = ECS_TASK_DEFINITION_STATUS_ACTIVE;
    return (int)taskdef_of(td)->status == wanted;
}

/* The listing of an account is small beside the server's memory (a pointer a revision), so
 * both orders walk an array; a cursor that runs backwards is not worth its code. */
void taskdef_collect(struct call *c, struct table *table, const char *prefix,
                     struct taskdef_array *ret)
{
    size_t cap = 0;
    struct taskdef *td;
    *ret = (struct taskdef_array){0};
    for (const char *at = prefix; (td = table_next(table, prefix, at)); at = td->o.key) {
        if (ret->n == cap) {
            size_t grown = cap ? cap * 2 : 64;
            struct taskdef **v = arena_new_array(&c->arena, struct taskdef *, grown);
            if (cap)
                memcpy(v, ret->v, cap * sizeof(*v));
            ret->v = v;
            cap = grown;
        }
        ret->v[ret->n++] = td;
    }
}

int ecs_list_task_definitions(struct call *c,
                              const struct ecs_list_task_definitions_request *in,
                              struct ecs_list_task_definitions_response *out)
{
    size_t limit;
    const char *root = ecs_key(&c->arena, "taskdef", c->who.account_id, c->region, "");
    const char *prefix =
        in->family_prefix ? call_printf(c, "%s%s/", root, in->family_prefix) : root;
    const char *after;
    if (ecs_page_size(c, in->max_results, 100, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &after) < 0)
        return -1;
    struct taskdef_array all;
    taskdef_collect(c, ecs_of(c->core)->taskdefs, prefix, &all);
    bool desc = in->sort == ECS_SORT_ORDER_DESC;
    out->task_definition_arns.set = true;
    const char *last = NULL;
    for (size_t i = 0; i < all.n; i++) {
        struct taskdef *td = all.v[desc ? all.n - 1 - i : i];
        int order = strcmp(td->o.key, after);
        if ((after != prefix && (desc ? order >= 0 : order <= 0)) ||
            !status_wanted(td, (int)in->status))
            continue;
        if (out->task_definition_arns.n == limit) {
            out->next_token = page_token(&c->arena, last);
            break;
        }
        *LIST_PUSH(&c->arena, &out->task_definition_arns) =
            arena_strdup(&c->arena, taskdef_of(td)->task_definition_arn);
        last = td->o.key;
    }
    return 0;
}

/* Has the family a revision of the wanted status? */
static bool family_wanted(struct call *c, const struct family *f, int status)
{
    if (status == ECS_TASK_DEFINITION_FAMILY_STATUS_UNSET ||
        status == ECS_TASK_DEFINITION_FAMILY_STATUS_ALL)
        return true;
    struct table *table = ecs_of(c->core)->taskdefs;
    const char *prefix = ecs_key(&c->arena, "taskdef", c->who.account_id, c->region,
                                 call_printf(c, "%s/", f->rec->family));
    bool active = false;
    struct taskdef *td;
    for (const char *at = prefix; !active && (td = table_next(table, prefix, at));
         at = td->o.key)
        active = taskdef_of(td)->status == ECS_TASK_DEFINITION_STATUS_ACTIVE;
    return active == (status == ECS_TASK_DEFINITION_FAMILY_STATUS_ACTIVE);
}

int ecs_list_task_definition_families(
    struct call *c, const struct ecs_list_task_definition_families_request *in,
    struct ecs_list_task_definition_families_response *out)
{
    size_t limit;
    const char *at;
    struct table *table = ecs_of(c->core)->families;
    const char *prefix = ecs_key(&c->arena, "family", c->who.account_id, c->region,
                                 in->family_prefix ? in->family_prefix : "");
    if (ecs_page_size(c, in->max_results, 100, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->families.set = true;
    struct family *f = NULL;
    /* A family of exactly the prefix's name is its own key, so look for it first. */
    if (at == prefix && in->family_prefix && (f = table_find(table, prefix)) &&
        family_wanted(c, f, (int)in->status))
        *LIST_PUSH(&c->arena, &out->families) = f->rec->family;
    while ((f = table_next(table, prefix, at))) {
        if (family_wanted(c, f, (int)in->status)) {
            if (out->families.n == limit) {
                out->next_token = page_token(&c->arena, at);
                break;
            }
            *LIST_PUSH(&c->arena, &out->families) = f->rec->family;
        }
        at = f->o.key;
    }
    return 0;
}
