/* Public addresses, see address.h. */
#include "address.h"

#include <stdlib.h>

#include <uthash.h>

#include "interface.h"

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

bool public_address_take_this(struct ec2 *ec2, uint32_t address)
{
    struct public_address *x;
    uint32_t size = cidr_size(ec2->pool);
    if (size <= EDGE_OWN + 1 || address < ec2->pool.base + EDGE_OWN ||
        address - ec2->pool.base >= size - 1)
        return false;
    HASH_FIND(hh, ec2->used, &address, sizeof(address), x);
    if (x)
        return false;
    public_address_note(ec2, address);
    return true;
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

/* ---- elastic addresses ---- */

struct elastic_address *elastic_address_find(struct core *core, const struct ec2_scope *s,
                                             const char *id)
{
    return id ? table_find(ec2_of(core)->addresses,
                           ec2_key(core_scratch(core), "address", s, id))
              : NULL;
}

struct elastic_address *elastic_address_require(struct call *c, const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct elastic_address *e = elastic_address_find(c->core, &s, id);
    if (!e)
        ec2_fault(c, "InvalidAllocationID.NotFound",
                  "The allocation ID '%s' does not exist", id ? id : "");
    return e;
}

/* An elastic one stays allocated, one that came with the interface is free again. */
static void drop_public(struct core *core, struct network_interface *i)
{
    const struct ec2_network_interface_association *x = i->rec->interface->association;
    struct ec2_scope s = ec2_owner(core_scratch(core), &i->o);
    uint32_t address;
    if (!x)
        return;
    if (x->allocation_id)
        elastic_address_forget(core, &s, x->allocation_id);
    else if (address_parse(x->public_ip, &address))
        public_address_give_back(ec2_of(core), address);
}

void elastic_address_bind(struct core *core, struct elastic_address *e,
                          struct network_interface *i)
{
    struct arena *a = &e->o.arena;
    elastic_address_unbind(core, e);
    drop_public(core, i);
    struct ec2_address *rec = e->rec->address;
    const struct ec2_network_interface *nic = i->rec->interface;
    rec->association_id = ec2_new_id(core, a, "eipassoc");
    rec->network_interface_id = arena_strdup(a, nic->network_interface_id);
    rec->network_interface_owner_id = arena_strdup(a, nic->owner_id);
    rec->private_ip_address = arena_strdup(a, nic->private_ip_address);
    interface_set_public(core, i, rec->public_ip, rec->allocation_id,
                         rec->association_id);
    rec->instance_id =
        nic->attachment ? arena_strdup(a, nic->attachment->instance_id) : NULL;
    object_save(core, &e->o);
    interface_changed(core, i);
}

static void forget(struct core *core, struct elastic_address *e)
{
    struct ec2_address *rec = e->rec->address;
    rec->association_id = rec->network_interface_id = rec->network_interface_owner_id =
        rec->private_ip_address = rec->instance_id = NULL;
    object_save(core, &e->o);
}

void elastic_address_forget(struct core *core, const struct ec2_scope *s, const char *id)
{
    struct elastic_address *e = elastic_address_find(core, s, id);
    if (e)
        forget(core, e);
}

void elastic_address_unbind(struct core *core, struct elastic_address *e)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &e->o);
    struct network_interface *i =
        interface_find(core, &s, e->rec->address->network_interface_id);
    if (i) {
        interface_set_public(core, i, NULL, NULL, NULL);
        interface_changed(core, i);
    }
    forget(core, e);
}
