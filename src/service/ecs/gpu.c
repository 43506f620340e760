#include "gpu.h"

static bool has_gpu(const struct task *t, const char *id)
{
    const struct ecs_container_list *l = &t->rec->task->containers;
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < l->v[i].gpu_ids.n; k++)
            if (streq(l->v[i].gpu_ids.v[k], id))
                return true;
    return false;
}

bool gpu_free(const struct instance *i, const char *id)
{
    list_for_each (it, &i->tasks) {
        if (has_gpu(list_entry(it, struct task, instance_link), id))
            return false;
    }
    return true;
}

const struct string_list *gpus_of(const struct instance *i)
{
    const struct ecs_resource_list *l = &i->rec->instance->registered_resources;
    for (size_t n = 0; n < l->n; n++)
        if (streq(l->v[n].name, "GPU"))
            return &l->v[n].string_set_value;
    return NULL;
}

static int64_t wanted(const struct task *t, const char *name,
                      const struct ecs_container_definition *def)
{
    const struct ecs_resource_requirement_list *l = &def->resource_requirements;
    const struct ecs_task_override *o = t->rec->task->overrides;
    for (size_t i = 0; o && i < o->container_overrides.n; i++)
        if (streq(o->container_overrides.v[i].name, name) &&
            o->container_overrides.v[i].resource_requirements.set)
            l = &o->container_overrides.v[i].resource_requirements;
    int64_t sum = 0, n;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].type == ECS_RESOURCE_TYPE_GPU &&
            str_to_i64(l->v[i].value, 0, 1024, &n))
            sum += n;
    return sum;
}

void gpus_take(struct task *t)
{
    const struct string_list *all = gpus_of(t->instance);
    const struct ecs_task_definition *def = taskdef_of(t->taskdef);
    struct ecs_container_list *l = &t->rec->task->containers;
    for (size_t i = 0; all && i < l->n && i < def->container_definitions.n; i++) {
        struct ecs_container *c = &l->v[i];
        int64_t n = wanted(t, c->name, &def->container_definitions.v[i]);
        for (size_t k = 0; k < all->n && (int64_t)c->gpu_ids.n < n; k++)
            if (gpu_free(t->instance, all->v[k]) && !has_gpu(t, all->v[k]))
                *LIST_PUSH(&t->o.arena, &c->gpu_ids) =
                    arena_strdup(&t->o.arena, all->v[k]);
    }
}
