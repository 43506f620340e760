#include "here.h"

#include "str.h"

int here_find(struct options *o, struct here *ret, struct error *err)
{
    *ret = (struct here){.record = {.url = "", .region = ""}};
    layout_init(&ret->layout, o);
    int r = run_record_read(ret->layout.record_path, &o->arena, &ret->record, err);
    if (r < 0 && r != -E_NOTFOUND)
        return r;
    if (r == 0 && !str_empty(ret->record.data_dir)) {
        o->data_dir = ret->record.data_dir;
        layout_init(&ret->layout, o);
        ret->up = process_alive(&ret->record.up);
    }
    r = layout_read_id(&ret->layout, err);
    if (r == -E_NOTFOUND)
        return fail(err, E_NOTFOUND,
                    "gantry has not run here (run directory '%s', data "
                    "directory '%s'): sudo gantry up",
                    o->run_dir, o->data_dir);
    return r;
}

int here_find_container(struct options *o, struct here *here, const char *name,
                        struct agent_container *ret, struct error *err)
{
    struct agent_container other;
    struct error pool_err = ERROR_INIT;
    struct layout pool = layout_of_pool(&here->layout);
    int r = agent_find_container(here->layout.agent_dir, o->args[0], name, &o->arena, ret,
                                 err);
    int in_pool = agent_find_container(pool.agent_dir, o->args[0], name, &o->arena,
                                       &other, &pool_err);
    if (r == 0 && in_pool == 0)
        return fail(err, E_CONFLICT, "several tasks begin with '%s'", o->args[0]);
    if (r != -E_NOTFOUND || in_pool == -E_NOTFOUND)
        return r;
    here->layout = pool;
    *ret = other;
    if (in_pool < 0 && err)
        *err = pool_err;
    return in_pool;
}
