/* interface.h: elastic network interfaces.
 *
 * An interface has its address in the subnet's map, counts as a user of its groups, and is
 * told to the edge at once when it is attached to something.
 *
 * Owns: interfaces, in the table. Threads: state thread. Fails: as ec2.h says. */
#pragma once

#include <uthash.h>

#include "ec2_state.h"

struct network_interface {
    struct object o;
    struct gantry_interface_record *rec;
    struct subnet *subnet;
    struct list link; /* subnet->interfaces */
    char *token;      /* its key among the client tokens; NULL: none */
    UT_hash_handle hh;
};
extern const struct table_type interface_table;

struct network_interface *interface_find(struct core *core, const struct ec2_scope *s,
                                         const char *id);
/* Faults InvalidNetworkInterfaceID.NotFound. */
struct network_interface *interface_require(struct call *c, const char *id);
/* Faults what belongs to a load balancer, a task, a gateway: theirs to change. */
int interface_own(struct call *c, const struct network_interface *i);
/* May an interface of this subnet have these groups? Faults if not. */
int interface_groups_check(struct call *c, const struct subnet *s,
                           const struct string_list *ids);
/* CreateNetworkInterface's client token; NULL: none made one by it, or the token is NULL. */
struct network_interface *interface_by_token(struct core *core, const struct ec2_scope *s,
                                             const char *token);
/* The caller saves. */
void interface_token_set(struct core *core, struct network_interface *i,
                         const char *token);
/* All checks are done; the caller saves. */
void interface_set_groups(struct core *core, struct network_interface *i,
                          const struct string_list *ids);
const char *interface_id(const struct network_interface *i);
/* The edge has to know it: it is attached. */
bool interface_wired(const struct network_interface *i);
/* Saved, and told to the edge. */
void interface_changed(struct core *core, struct network_interface *i);
void interface_edge(const struct network_interface *i, struct arena *a,
                    struct gantry_edge_interface *ret);
/* `ip-10-0-0-5.ec2.internal`, in other regions than us-east-1
 * `ip-10-0-0-5.<region>.compute.internal`. */
const char *private_dns_name(struct arena *a, const char *region, uint32_t address);
const char *private_dns_domain(struct arena *a, const char *region);
/* Another public address, or none (NULL). */
void interface_set_public(struct core *core, struct network_interface *i,
                          const char *public_ip, const char *allocation_id,
                          const char *association_id);
