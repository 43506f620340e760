/* ec2_state.h: EC2's objects in memory and how they hang together.
 *
 *   vpc ─┬─ subnets ── interfaces (each with its address in the subnet's map)
 *        ├─ route tables, internet gateway, NAT gateways
 *        └─ security groups
 *
 * Keys are /ec2/<kind>/<account>/<region>/<id>. Ids are AWS's: a prefix and 17 hex digits.
 * What the edge has to know of a VPC goes out when `vpc.feed` runs, so that many changes are
 * one message (edge_feed.c); an interface goes out where it changes.
 *
 * Owns: see object.h. Threads: state thread. Fails: …_find() returns NULL; …_require() sets
 * the call's fault. */
#pragma once

#include "arn.h"
#include "call.h"
#include "cidr.h"
#include "core.h"
#include "ec2.h"
#include "ec2_api.h"
#include "ec2_handlers.h"
#include "gantry_api.h"
#include "object.h"
#include "wake.h"

struct ec2 {
    struct ec2_settings settings;
    struct table *accounts, *vpcs, *subnets, *internet_gateways, *route_tables,
        *nat_gateways, *addresses, *groups, *interfaces, *instances, *launch_templates,
        *run_tokens, *key_pairs;
    struct ec2_instance_object *instances_by_id; /* ids differ over all accounts */
    struct launch_template *templates_by_name;
    const struct ec2_edge_ops *edge_ops;
    void *edge_ctx;
    struct ec2_watch *watches;
    struct cidr pool;            /* public addresses; prefix_len 0: none */
    struct public_address *used; /* address.h */
    struct security_rule *rules; /* security_group.h */
    struct network_interface *interface_tokens;
    uint32_t pool_next;
};

/* What an account has of a region before it made anything. */
struct ec2_account {
    struct object o;
    struct gantry_ec2_account_record *rec;
};

struct vpc {
    struct object o;
    struct gantry_vpc_record *rec;
    struct list subnets, route_tables, groups, nat_gateways;
    uint32_t wired; /* interfaces that the edge has to know */
    struct wake feed;
    bool told; /* the edge knows it */
};

struct subnet {
    struct object o;
    struct gantry_subnet_record *rec;
    struct vpc *vpc;
    struct list link;
    struct list interfaces;
    struct cidr cidr;
    uint64_t *used; /* a bit an address */
    uint32_t used_count;
    uint32_t next; /* where the search goes on: no address is used again at once */
};

struct route_table {
    struct object o;
    struct gantry_route_table_record *rec;
    struct vpc *vpc;
    struct list link;
};

struct internet_gateway {
    struct object o;
    struct gantry_internet_gateway_record *rec;
};

struct nat_gateway {
    struct object o;
    struct gantry_nat_gateway_record *rec;
    struct vpc *vpc;
    struct list link;
    struct wake expiry; /* a deleted one is shown for an hour */
};

struct ec2 *ec2_of(const struct core *core);
extern const struct table_type vpc_table, subnet_table, route_table_table,
    internet_gateway_table, nat_gateway_table;

/* ---- names ---- */

/* "vpc-" and 17 hexadecimal digits. */
const char *ec2_new_id(struct core *core, struct arena *a, const char *prefix);
const char *ec2_key(struct arena *a, const char *kind, const struct ec2_scope *s,
                    const char *id);
/* Everything of the scope: the prefix of its keys. */
const char *ec2_prefix(struct arena *a, const char *kind, const struct ec2_scope *s);
struct ec2_scope ec2_scope_of(const struct call *c);
/* Of an object, from its key; in the arena. */
struct ec2_scope ec2_owner(struct arena *a, const struct object *o);
const char *ec2_arn(struct arena *a, const struct ec2_scope *s, const char *kind,
                    const char *id);

/* ---- faults: EC2's are in no model ---- */

/* Status 400; returns -1. */
int ec2_fault(struct call *c, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* DryRunOperation when it was asked for: after all checks, before any change. */
int ec2_dry_run(struct call *c, struct opt_bool dry_run);
int ec2_refuse(struct call *c, const char *what); /* UnsupportedOperation */

/* ---- lookups ---- */

struct vpc *vpc_find(struct core *core, const struct ec2_scope *s, const char *id);
struct subnet *subnet_find(struct core *core, const struct ec2_scope *s, const char *id);
struct vpc *vpc_require(struct call *c, const char *id);
struct subnet *subnet_require(struct call *c, const char *id);
struct route_table *route_table_find(struct core *core, const struct ec2_scope *s,
                                     const char *id);
struct internet_gateway *internet_gateway_find(struct core *core,
                                               const struct ec2_scope *s, const char *id);
/* NULL: the account has none (any more). */
struct vpc *default_vpc(struct core *core, const struct ec2_scope *s);
struct ec2_account *account_record(struct core *core, const struct ec2_scope *s);

/* ---- making (vpc.c); all checks are done ---- */

struct vpc *vpc_new(struct core *core, const struct ec2_scope *s, struct cidr cidr,
                    bool is_default);
/* Another range of addresses; saving is the caller's. */
struct ec2_vpc_cidr_block_association *vpc_block_add(struct core *core, struct vpc *v,
                                                     struct cidr cidr);
/* Any interface in it with a public address? */
bool subnet_has_public(const struct subnet *s);
struct subnet *subnet_new(struct core *core, struct vpc *v, struct cidr cidr,
                          const char *zone, bool is_default);
struct route_table *route_table_new(struct core *core, struct vpc *v, bool main);
struct internet_gateway *internet_gateway_new(struct core *core,
                                              const struct ec2_scope *s);
void internet_gateway_attach(struct core *core, struct internet_gateway *g,
                             struct vpc *v);
/* The VPC's default subnets, a zone each, with a default route to an internet gateway. */
struct vpc *default_vpc_new(struct core *core, const struct ec2_scope *s);
struct internet_gateway *vpc_gateway(struct core *core, const struct vpc *v);
struct route_table *vpc_main_table(const struct vpc *v);
/* Of all routes of the VPC that lead to this gateway or interface. The edge is told. */
void routes_set_state(struct core *core, struct vpc *v, const char *target,
                      enum ec2_route_state state);
/* The table that the subnet uses. */
struct route_table *subnet_table_of(const struct subnet *s);
const char *vpc_id(const struct vpc *v);

/* Zones of a region: a, b, c. */
#define ZONES 3
const char *zone_name(struct arena *a, const char *region, unsigned n);
const char *zone_id(struct arena *a, const char *region, const char *zone);
bool zone_known(const char *region, const char *zone);

/* ---- addresses of a subnet ---- */

/* AWS keeps the first four and the last. False: none is free. */
bool subnet_take_address(struct subnet *s, uint32_t *ret);
bool subnet_take(struct subnet *s, uint32_t address); /* false: taken or not ours */
/* After a restart: the walk begins behind what is in use. */
void subnet_walk_past(struct subnet *s, uint32_t address);
bool subnet_is_free(const struct subnet *s, uint32_t address);
void subnet_give_back(struct subnet *s, uint32_t address);
uint32_t subnet_free_addresses(const struct subnet *s);

/* ---- the edge (edge_feed.c) ---- */

/* Something of the VPC changed: it is told again, if it has interfaces. */
void vpc_changed(struct core *core, struct vpc *v);
void vpc_feed(struct core *core, struct wake *w);
