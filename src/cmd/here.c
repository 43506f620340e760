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
