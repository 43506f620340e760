#include "edge_settings.h"

#include "str.h"

void edge_settings_fill(const struct options *o, const struct layout *l,
                        struct edge_config *ret)
{
    bool named = !str_empty(o->hosts_file) && !streq(o->hosts_file, "none");
    *ret = (struct edge_config){
        .region = o->region,
        .data_dir = l->data_dir,
        .run_dir = l->run_dir,
        .run = l->run_id,
        .public_pool = o->public_pool,
        .hosts_path = named ? o->hosts_file : NULL,
        .haproxy = o->haproxy,
        .dnsmasq = o->dnsmasq,
        .stop_fd = -1,
    };
}

struct pool_place edge_pool_place(const struct layout *l)
{
    return (struct pool_place){
        .kept = l->public_pool_path,
        .claims = POOL_CLAIMS,
        .run = l->run_id,
    };
}
