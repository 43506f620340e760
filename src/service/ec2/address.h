/* address.h: public addresses: elastic ones (AllocateAddress), and those that come and go with
 * an interface. All are of settings.public_pool, whose first /24 is the edge's own.
 *
 * Owns: the set of addresses in use. Threads: state thread. Fails: as noted. */
#pragma once

#include "ec2_state.h"

struct elastic_address {
    struct object o;
    struct gantry_address_record *rec;
};
extern const struct table_type address_table;

/* False: the pool is used up, or there is none. Walks on from the last one. */
bool public_address_take(struct ec2 *ec2, uint32_t *ret);
void public_address_give_back(struct ec2 *ec2, uint32_t address);
/* After a restart: it is in use. */
void public_address_note(struct ec2 *ec2, uint32_t address);
void public_addresses_free(struct ec2 *ec2);
