/* link.h: interfaces, addresses, routes and neighbours over rtnetlink.
 *
 * A `struct link_socket` speaks to the kernel about one network namespace: the one its
 * maker's thread was in. Several changes can go in one batch: one send, one wait.
 * Names that exist already and things that are gone already are told by code, so callers
 * can repeat: E_EXISTS, E_NOTFOUND.
 * Owns: the socket. Threads: one at a time. Fails: E_DENIED, E_IO. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct link_socket {
    int fd;
    uint32_t seq;
};

int link_open(struct link_socket *ret, struct error *err);
/* A socket of the namespace pinned at path; the thread stays where it is. */
int link_open_in(const char *netns_path, struct link_socket *ret, struct error *err);
void link_close(struct link_socket *s);
#define AUTO_LINK __attribute__((cleanup(link_close))) struct link_socket

int link_index(struct link_socket *s, const char *name, int *ret, struct error *err);
int link_look(struct link_socket *s, const char *name, int *ret_index, uint8_t ret_mac[6],
              struct error *err);
int link_add_bridge(struct link_socket *s, const char *name, const uint8_t mac[6],
                    struct error *err);
/* One end here, the other (peer_name) in the namespace behind peer_netns_fd (-1: here).
 * A MAC may be NULL: a random one. master_index > 0: this end joins that bridge. This end is
 * up when it returns. */
int link_add_veth(struct link_socket *s, const char *name, const uint8_t mac[6],
                  const char *peer_name, int peer_netns_fd, const uint8_t peer_mac[6],
                  int master_index, struct error *err);
int link_delete(struct link_socket *s, const char *name, struct error *err);
int link_set_up(struct link_socket *s, int index, bool up, struct error *err);
int link_add_address(struct link_socket *s, int index, uint32_t address_be,
                     int prefix_len, struct error *err);
/* dest 0/0: default route. gateway_be 0: on the link. onlink: the gateway needs no route. */
int link_add_route(struct link_socket *s, uint32_t dest_be, int prefix_len,
                   uint32_t gateway_be, int out_index, bool onlink, struct error *err);
int link_delete_route(struct link_socket *s, uint32_t dest_be, int prefix_len,
                      int out_index, struct error *err);
/* One call of `each` an IPv4 route of the main table. */
int link_each_route(struct link_socket *s,
                    void (*each)(void *arg, uint32_t dest_be, int prefix_len,
                                 int out_index),
                    void *arg, struct error *err);
int link_each(struct link_socket *s, void (*each)(void *arg, const char *name, int index),
              void *arg, struct error *err);
struct net_stats;
/* Counters as the interface has them. */
int link_stats(struct link_socket *s, const char *name, struct net_stats *ret,
               struct error *err);

/* A container's end in one exchange: loopback up, `name` up with address and default
 * route. */
int link_configure(struct link_socket *s, const char *name, uint32_t address_be,
                   int prefix_len, uint32_t gateway_be, struct error *err);
