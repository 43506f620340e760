/* link_route.h: routing by policy: routes of any table, rules that choose a table, permanent
 * neighbours, addresses by index. Each is put into a batch (link_batch.h), so that a change
 * of several is one exchange with the kernel.
 *
 * Owns: nothing. Threads: the socket's. Fails: as link.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "link_batch.h"

enum link_route_kind { LINK_UNICAST, LINK_BLACKHOLE };

struct link_route {
    enum link_route_kind kind;
    uint32_t dest_be;
    uint32_t gateway_be; /* 0: on the link; else taken to be on the link, route or not */
    uint32_t source_be;  /* what we say ourselves to it; 0: the kernel chooses */
    uint32_t table;      /* 0: main */
    int prefix_len, out_index;
};
/* There already, with whatever content: replaced. */
void link_put_route(struct link_batch *b, const struct link_route *r);
/* Not there: success. */
void link_drop_route(struct link_batch *b, const struct link_route *r);

/* Packets from there look into that table, rules of lower priority first. */
struct link_rule {
    uint32_t from_be, table, priority;
    int from_len;
};
/* There already: success. */
void link_put_rule(struct link_batch *b, const struct link_rule *r);
void link_drop_rule(struct link_batch *b, const struct link_rule *r);

void link_put_neighbour(struct link_batch *b, int index, uint32_t address_be,
                        const uint8_t mac[6]);
/* A /32 without what the kernel adds to an address. */
void link_put_address(struct link_batch *b, int index, uint32_t address_be);
void link_put_up(struct link_batch *b, int index);

/* Routes of all tables but main and local; rules with a table above 255. */
int link_each_table_route(struct link_socket *s,
                          void (*each)(void *arg, const struct link_route *r), void *arg,
                          struct error *err);
int link_each_rule(struct link_socket *s,
                   void (*each)(void *arg, const struct link_rule *r), void *arg,
                   struct error *err);
