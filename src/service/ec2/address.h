/* address.h: public addresses: elastic ones (AllocateAddress), and those that come and go with
 * an interface. All are of settings.public_pool, whose first /24 is the edge's own.
 *
 * Owns: the set of addresses in use. Threads: state thread. Fails: as noted. */
#pragma once

#include "ec2_state.h"

struct network_interface;

struct elastic_address {
    struct object o;
    struct gantry_address_record *rec;
};
extern const struct table_type address_table;

/* False: the pool is used up, or there is none. Walks on from the last one. */
bool public_address_take(struct ec2 *ec2, uint32_t *ret);
/* This one. False: it is taken, or none of the pool's. */
bool public_address_take_this(struct ec2 *ec2, uint32_t address);
void public_address_give_back(struct ec2 *ec2, uint32_t address);
/* After a restart: it is in use. */
void public_address_note(struct ec2 *ec2, uint32_t address);
void public_addresses_free(struct ec2 *ec2);

/* ---- elastic addresses ---- */

struct elastic_address *elastic_address_find(struct core *core, const struct ec2_scope *s,
                                             const char *allocation_id);
/* Faults InvalidAllocationID.NotFound. */
struct elastic_address *elastic_address_require(struct call *c,
                                                const char *allocation_id);
/* From now on it leads to the interface, which loses the public address that it had. */
void elastic_address_bind(struct core *core, struct elastic_address *e,
                          struct network_interface *i);
/* It leads nowhere; its interface has no public address any more. */
void elastic_address_unbind(struct core *core, struct elastic_address *e);
/* Its interface is going away. */
void elastic_address_forget(struct core *core, const struct ec2_scope *s,
                            const char *allocation_id);
