/* host_ports.h: which ports of the instance are whose.
 *
 * A port is one file <dir>/<tcp|udp>-<port>, holding the owner's id; it appears by link(2),
 * so two processes never get the same one. All runs of gantry in a network namespace use
 * the same <dir>; what an owner left behind that is not alive any more is taken over.
 * A fixed port that somebody listens on, or that has another owner, is E_CONFLICT; a
 * dynamic one is picked from the range, next after the last picked, and tested by binding.
 * The dynamic range is kept away from outgoing connections by
 * net.ipv4.ip_local_reserved_ports.
 *
 * Owns: the files. Threads: any. Fails: E_CONFLICT, E_FULL, E_IO. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define HOST_PORT_LOW  49153
#define HOST_PORT_HIGH 65535

struct host_ports {
    char dir[256];
    uint16_t low, high, next;
    bool (*owner_alive)(const char *owner); /* NULL: always */
};

int host_ports_init(struct host_ports *hp, const char *dir, uint16_t low, uint16_t high,
                    struct error *err);
/* wanted 0: dynamic. The same owner asking for the fixed port that it has: success. */
int host_ports_take(struct host_ports *hp, const char *owner, bool udp, uint16_t wanted,
                    uint16_t *ret, struct error *err);
/* `count` dynamic ports in a row, none of which anybody has; *ret is the first. */
int host_ports_take_range(struct host_ports *hp, const char *owner, bool udp,
                          unsigned count, uint16_t *ret, struct error *err);
int host_ports_give_back(struct host_ports *hp, bool udp, uint16_t port,
                         struct error *err);
/* Gives back every port for whose owner `keep` says no. */
int host_ports_sweep(struct host_ports *hp, bool (*keep)(void *arg, const char *owner),
                     void *arg, struct error *err);
/* Is the port free of listeners in this network namespace? E_CONFLICT when not: "port
 * 0.0.0.0:8080/tcp is already allocated". For host mode too. */
int host_port_check(bool udp, uint16_t port, struct error *err);

/* Pure: the kernel's list form "1-5,80" with [low, high] put in or taken out, merged and
 * sorted; E_INVALID when `list` is not one. */
struct str;
int port_list_add(const char *list, uint16_t low, uint16_t high, struct str *ret,
                  struct error *err);
int port_list_remove(const char *list, uint16_t low, uint16_t high, struct str *ret,
                     struct error *err);
bool port_list_covers(const char *list, uint16_t low, uint16_t high);
