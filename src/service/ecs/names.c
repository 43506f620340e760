#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "ecs_state.h"
#include "page.h"

const char *ecs_arn(struct arena *a, const char *region, const char *account,
                    const char *resource_fmt, ...)
{
    va_list ap;
    va_start(ap, resource_fmt);
    const char *resource = arena_vprintf(a, resource_fmt, ap);
    va_end(ap);
    return arena_printf(a, "arn:aws:ecs:%s:%s:%s", region, account, resource);
}

const char *ecs_new_uuid(struct core *core, struct arena *a)
{
    char hex[33];
    core_random_hex(core, hex, 32);
    hex[12] = '4';
    hex[16] = "89ab"[hex[16] & 3];
    return arena_printf(a, "%.8s-%.4s-%.4s-%.4s-%s", hex, hex + 8, hex + 12, hex + 16,
                        hex + 20);
}

bool ecs_name_valid(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    return n >= 1 && n <= 255 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789_-") == n;
}

const char *ecs_last_segment(const char *reference)
{
    const char *slash = strrchr(reference, '/');
    return slash ? slash + 1 : reference;
}

const char *ecs_key(struct arena *a, const char *kind, const char *account,
                    const char *region, const char *rest)
{
    return arena_printf(a, "/ecs/%s/%s/%s/%s", kind, account, region, rest);
}

/* An ARN of another account or region names nothing here. A plain name is taken as is. */
static bool foreign(struct call *c, const char *reference)
{
    struct arn arn;
    if (!arn_looks_like(reference))
        return false;
    return !arn_parse(&c->arena, reference, &arn) || !streq(arn.service, "ecs") ||
           !streq(arn.region, c->region) || !streq(arn.account, c->who.account_id);
}

/* ---- clusters ---- */

struct cluster *cluster_find(struct call *c, const char *reference)
{
    if (!reference)
        reference = "default";
    /* Fargate's pool has a name that no cluster may have. */
    if (foreign(c, reference) || ecs_last_segment(reference)[0] == '.')
        return NULL;
    const char *key = ecs_key(&c->arena, "cluster", c->who.account_id, c->region,
                              ecs_last_segment(reference));
    return table_find(ecs_of(c->core)->clusters, key);
}

struct cluster *cluster_require(struct call *c, const char *reference)
{
    struct cluster *cl = cluster_find(c, reference);
    if (cl && cluster_active(cl))
        return cl;
    call_fault(c, &ecs_cluster_not_found_exception, "Cluster not found.");
    return NULL;
}

const char *cluster_arn_for(struct call *c, const char *reference)
{
    if (arn_looks_like(reference))
        return reference;
    return ecs_arn(&c->arena, c->region, c->who.account_id, "cluster/%s", reference);
}

/* ---- what lives in a cluster ---- */

/* "kind/cluster/id" names its cluster; it must be this one. */
static bool in_cluster(const struct cluster *cl, const char *reference)
{
    const char *tail =
        arn_looks_like(reference) ? strrchr(reference, ':') + 1 : reference;
    const char *first = strchr(tail, '/');
    const char *last = strrchr(tail, '/');
    if (!first || first == last)
        return true;
    size_t n = (size_t)(last - first - 1);
    return strlen(cl->name) == n && memcmp(first + 1, cl->name, n) == 0;
}

static void *find_in_cluster(struct core *core, struct table *table, const char *kind,
                             struct cluster *cl, const char *reference)
{
    if (!reference || !in_cluster(cl, reference))
        return NULL;
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (arn_looks_like(reference) &&
        (!arn_parse(a, reference, &arn) || !streq(arn.region, cl->region) ||
         !streq(arn.account, cl->account)))
        return NULL;
    const char *rest = arena_printf(a, "%s/%s", cl->name, ecs_last_segment(reference));
    return table_find(table, ecs_key(a, kind, cl->account, cl->region, rest));
}

struct instance *instance_find(struct core *core, struct cluster *cl,
                               const char *reference)
{
    return find_in_cluster(core, ecs_of(core)->instances, "instance", cl, reference);
}

struct service *service_by_name(struct core *core, struct cluster *cl, const char *name)
{
    return find_in_cluster(core, ecs_of(core)->services, "service", cl, name);
}

struct service *service_find(struct core *core, struct cluster *cl, const char *reference)
{
    struct service *s = service_by_name(core, cl, reference);
    return s && !service_hidden(s) ? s : NULL;
}

struct task *task_find(struct core *core, struct cluster *cl, const char *reference)
{
    return find_in_cluster(core, ecs_of(core)->tasks, "task", cl, reference);
}

struct instance *instance_by_arn(struct core *core, const char *text)
{
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (!text || !arn_parse(a, text, &arn) ||
        !str_starts(arn.resource, "container-instance/"))
        return NULL;
    const char *key =
        ecs_key(a, "instance", arn.account, arn.region, strchr(arn.resource, '/') + 1);
    return table_find(ecs_of(core)->instances, key);
}

/* ---- task definitions ---- */

const struct ecs_task_definition *taskdef_of(const struct taskdef *td)
{
    return td->rec->task_definition;
}

struct taskdef_tables taskdef_tables(struct core *core, enum taskdef_kind kind)
{
    const struct ecs *ecs = ecs_of(core);
    if (kind == TASKDEF_OF_DAEMON)
        return (struct taskdef_tables){ecs->daemon_families, ecs->daemon_taskdefs,
                                       "daemon-family", "daemon-taskdef"};
    return (struct taskdef_tables){ecs->families, ecs->taskdefs, "family", "taskdef"};
}

static struct taskdef *revision_find(const struct taskdef_tables *t, struct arena *a,
                                     const char *account, const char *region,
                                     const char *family, int32_t revision)
{
    const char *rest = arena_printf(a, "%s/%010d", family, (int)revision);
    return table_find(t->revisions, ecs_key(a, t->revision_noun, account, region, rest));
}

/* Old revisions are the inactive ones, so the search begins at the newest. */
static struct taskdef *newest_active(const struct taskdef_tables *t, struct arena *a,
                                     const char *account, const char *region,
                                     const char *name)
{
    const struct family *f =
        table_find(t->families, ecs_key(a, t->family_noun, account, region, name));
    for (int32_t r = f ? f->rec->last_revision.v : 0; r > 0; r--) {
        struct taskdef *td = revision_find(t, a, account, region, name, r);
        if (td && taskdef_of(td)->status == ECS_TASK_DEFINITION_STATUS_ACTIVE)
            return td;
    }
    return NULL;
}

struct taskdef *taskdef_revision(struct core *core, struct arena *a,
                                 enum taskdef_kind kind, const char *account,
                                 const char *region, const char *name)
{
    struct taskdef_tables t = taskdef_tables(core, kind);
    const char *colon = strchr(name, ':');
    int64_t revision;
    if (!colon)
        return newest_active(&t, a, account, region, name);
    if (!str_to_i64(colon + 1, 1, INT32_MAX, &revision))
        return NULL;
    return revision_find(&t, a, account, region,
                         arena_strndup(a, name, (size_t)(colon - name)),
                         (int32_t)revision);
}

struct taskdef *taskdef_find(struct call *c, const char *reference)
{
    if (!reference || foreign(c, reference))
        return NULL;
    return taskdef_revision(c->core, &c->arena, TASKDEF_OF_TASKS, c->who.account_id,
                            c->region, ecs_last_segment(reference));
}

struct taskdef *taskdef_by_arn(struct core *core, const char *text)
{
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (!text || !arn_parse(a, text, &arn))
        return NULL;
    enum taskdef_kind kind = str_starts(arn.resource, "daemon-task-definition/")
                                 ? TASKDEF_OF_DAEMON
                                 : TASKDEF_OF_TASKS;
    return taskdef_revision(core, a, kind, arn.account, arn.region,
                            ecs_last_segment(arn.resource));
}

bool ecs_own_arn(struct call *c, const char *text)
{
    struct arn arn;
    return arn_looks_like(text) && arn_parse(&c->arena, text, &arn) &&
           streq(arn.account, c->who.account_id) && streq(arn.region, c->region);
}

void ecs_add_missing(struct call *c, struct ecs_failure_list *ret, const char *arn)
{
    struct ecs_failure *f = LIST_PUSH(&c->arena, ret);
    f->arn = arn;
    f->reason = "MISSING";
}

/* ---- paging ---- */

int ecs_page_size(struct call *c, struct opt_int max_results, int32_t fallback,
                  int32_t max, size_t *ret)
{
    int32_t n = max_results.set ? max_results.v : fallback;
    if (n < 1 || n > max)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "maxResults must be between 1 and %d.", max);
    *ret = (size_t)n;
    return 0;
}

int ecs_page_start(struct call *c, const char *token, const char *prefix,
                   const char **ret_after)
{
    *ret_after = prefix;
    if (str_empty(token))
        return 0;
    const char *position;
    if (!page_position(&c->arena, token, &position) || !str_starts(position, prefix))
        return call_fault(c, &ecs_invalid_parameter_exception, "Invalid token.");
    *ret_after = position;
    return 0;
}
