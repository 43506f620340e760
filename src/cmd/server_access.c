#include "server_access.h"

#include <stdlib.h>

#include "run_record.h"
#include "str.h"

/* The environment's keys, or those that the server under this data directory made. */
static int find_credentials(struct options *o, const struct layout *l,
                            struct server_access *ret, struct error *err)
{
    struct root_key_texts keys;
    ret->access_key_id = getenv("AWS_ACCESS_KEY_ID");
    ret->secret_access_key = getenv("AWS_SECRET_ACCESS_KEY");
    ret->session_token = getenv("AWS_SESSION_TOKEN");
    int r = layout_read_keys(l, &o->arena, &keys, err);
    if (r == 0) {
        ret->access_key_id = keys.access_key_id;
        ret->secret_access_key = keys.secret;
        ret->session_token = NULL;
        return 0;
    }
    if (!str_empty(ret->access_key_id) && !str_empty(ret->secret_access_key))
        return 0;
    return wrap(err,
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run it beside the "
                "server");
}

static int find_server(struct options *o, const struct layout *l,
                       struct server_access *ret, struct error *err)
{
    struct run_record rec;
    ret->url = o->server_url;
    if (o->server_url)
        return 0;
    int r = run_record_read(l->record_path, &o->arena, &rec, err);
    if (r == 0)
        ret->url = rec.url;
    return r == -E_NOTFOUND
               ? fail(err, E_INVALID, "say where the server is: --server URL")
               : r;
}

int server_access_find(struct options *o, const struct layout *l,
                       struct server_access *ret, struct error *err)
{
    int r = find_server(o, l, ret, err);
    return r == 0 ? find_credentials(o, l, ret, err) : r;
}
