/* Public addresses, see address.h. */
#include "address.h"

#include <stdlib.h>

#include <uthash.h>

#define EDGE_OWN 256 /* of the pool's beginning */

struct public_address {
    uint32_t address;
    UT_hash_handle hh;
};

void public_address_note(struct ec2 *ec2, uint32_t address)
{
    struct public_address *x;
    HASH_FIND(hh, ec2->used, &address, sizeof(address), x);
    if (x)
        return;
    x = xcalloc(1, sizeof(*x));
    x->address = address;
    HASH_ADD(hh, ec2->used, address, sizeof(x->address), x);
}

bool public_address_take(struct ec2 *ec2, uint32_t *ret)
{
    uint32_t size = cidr_size(ec2->pool);
    if (size <= EDGE_OWN + 1)
        return false;
    uint32_t usable = size - EDGE_OWN - 1; /* the last one may be taken for a broadcast */
    for (uint32_t k = 0; k < usable; k++) {
        uint32_t address = ec2->pool.base + EDGE_OWN + (ec2->pool_next + k) % usable;
        struct public_address *x;
        HASH_FIND(hh, ec2->used, &address, sizeof(address), x);
        if (x)
            continue;
        ec2->pool_next = (ec2->pool_next + k + 1) % usable;
        public_address_note(ec2, address);
        *ret = address;
        return true;
    }
    return false;
}

void public_address_give_back(struct ec2 *ec2, uint32_t address)
{
    struct public_address *x;
    HASH_FIND(hh, ec2->used, &address, sizeof(address), x);
    if (!x)
        return;
    HASH_DEL(ec2->used, x);
    free(x);
}

void public_addresses_free(struct ec2 *ec2)
{
    struct public_address *x, *next;
    HASH_ITER (hh, ec2->used, x, next) {
        HASH_DEL(ec2->used, x);
        free(x);
    }
}

static int address_loaded(struct core *core, struct object *o, struct error *err)
{
    const struct elastic_address *e = (struct elastic_address *)o;
    uint32_t address;
    if (!e->rec->address || !address_parse(e->rec->address->public_ip, &address))
        return fail(err, E_CORRUPT, "elastic address without an address");
    public_address_note(ec2_of(core), address);
    return 0;
}

const struct table_type address_table = {
    .prefix = "/ec2/address/",
    .shape = &gantry_address_record_shape,
    .object_size = sizeof(struct elastic_address),
    .record_offset = offsetof(struct elastic_address, rec),
    .loaded = address_loaded,
};
