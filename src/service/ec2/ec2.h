/* ec2.h: Amazon EC2 as the rest of the server sees it: networks, interfaces, instances.
 *
 * A VPC is desired state here and packets in the edge: what an edge needs to know leaves
 * through struct ec2_edge_ops (fleet implements it), always as the whole of one object, and
 * only when the change is durable. Other services make and remove interfaces here, within
 * their own transaction.
 *
 * An account has its default VPC (172.31.0.0/16, three zones a, b, c with a /20 subnet each,
 * an internet gateway, a main route table, a default security group) from its first use of
 * a network: ec2_account_ensure().
 *
 * Owns: VPCs, subnets, gateways, route tables, addresses, security groups, network
 * interfaces, instances, launch templates, key pairs, in the core's tables.
 * Threads: state thread only. Texts that come back point into records: copy what must
 * outlive the task. Fails: as noted; on failure nothing was changed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "arena.h"
#include "core.h"
#include "ec2_api.h"
#include "error.h"
#include "gantry_api.h"
#include "operation.h"

struct ec2_settings {
    /* Where public addresses come from, "198.18.16.0/20": the machine routes it to its VPCs.
     * The first /24 is the edge's own. NULL: there are none. */
    const char *public_pool;
    /* No instance is larger than the machine; 0: not known. */
    int32_t machine_vcpus, machine_memory_mib;
};

/* Adds the tables; before core_load(). */
void ec2_attach(struct core *core, const struct ec2_settings *settings);

/* Generated: one row an offered operation. */
extern const struct operation ec2_operations[];
extern const struct access_service ec2_access;

/* Whose network. */
struct ec2_scope {
    const char *account, *region;
};

/* The default VPC appears if the account never had one in this region. */
void ec2_account_ensure(struct core *core, const struct ec2_scope *s);

/* ---- subnets and groups, for who places things in them ---- */

struct ec2_subnet_info {
    const char *subnet_id, *vpc_id, *availability_zone, *cidr_block;
    bool map_public_ip_on_launch, default_for_az;
    uint32_t free_addresses;
};
/* E_NOTFOUND. */
int ec2_subnet_find(struct core *core, const struct ec2_scope *s, const char *subnet_id,
                    struct ec2_subnet_info *ret, struct error *err);
/* The default VPC's default subnets, one a zone, ordered by zone. */
void ec2_default_subnets(struct core *core, const struct ec2_scope *s, struct arena *a,
                         struct string_list *ret);
/* E_NOTFOUND: *ret_bad does not exist in this VPC. */
int ec2_groups_check(struct core *core, const struct ec2_scope *s, const char *vpc_id,
                     const struct string_list *group_ids, const char **ret_bad,
                     struct error *err);
/* The id of the group that interfaces of the VPC get without being told; NULL: no such VPC. */
const char *ec2_group_default(struct core *core, const struct ec2_scope *s,
                              const char *vpc_id);
bool ec2_vpc_exists(struct core *core, const struct ec2_scope *s, const char *vpc_id);
/* The address in one of the VPC's own blocks? */
bool ec2_vpc_contains(struct core *core, const struct ec2_scope *s, const char *vpc_id,
                      const char *address);

/* ---- network interfaces ---- */

struct ec2_interface_want {
    struct ec2_scope scope;
    const char *subnet_id;
    struct string_list group_ids; /* empty: the VPC's default group … */
    bool open;                    /* … or none: a load balancer's, which nothing guards */
    const char *private_ip;       /* NULL: a free one of the subnet */
    bool public_ip;               /* also an address of the public pool */
    const char *description;
    const char
        *interface_type; /* "interface", "load_balancer", "network_load_balancer" … */
    const char *requester_id; /* "amazon-elb", "amazon-ecs"; NULL: the account itself */
    enum gantry_edge_interface_use use;
    const char *owner; /* of `use`: task ARN, instance id, load balancer ARN, … */
    const char *instance_id; /* a task's: the instance that it is attached to; NULL: none */
    const struct ec2_tag_list *tags; /* NULL: none */
};
struct ec2_interface_info {
    const char *interface_id, *attachment_id; /* "eni-…", "eni-attach-…" */
    const char *vpc_id, *subnet_id, *availability_zone;
    const char *mac, *private_ip, *private_dns_name;
    const char *public_ip; /* NULL: none */
};
/* Made and attached to its owner in one step. E_NOTFOUND subnet or group (the text names
 * it), E_FULL no free address (subnet or public pool), E_CONFLICT private_ip is taken. */
int ec2_interface_create(struct core *core, const struct ec2_interface_want *want,
                         struct ec2_interface_info *ret, struct error *err);
/* E_NOTFOUND. */
int ec2_interface_find(struct core *core, const struct ec2_scope *s,
                       const char *interface_id, struct ec2_interface_info *ret,
                       struct error *err);
/* With its public address, if it came with it. One that is not there is success. */
void ec2_interface_delete(struct core *core, const struct ec2_scope *s,
                          const char *interface_id);
/* All of this use, of every account: after a start, their maker looks whether the owners are
 * still there. `visit` may delete the one that it is shown. */
typedef void ec2_interface_visit(struct core *core, const struct ec2_scope *s,
                                 const char *interface_id, const char *owner);
void ec2_interfaces_each(struct core *core, enum gantry_edge_interface_use use,
                         ec2_interface_visit *visit);
/* Its groups from now on; E_NOTFOUND. */
int ec2_interface_set_groups(struct core *core, const struct ec2_scope *s,
                             const char *interface_id,
                             const struct string_list *group_ids, struct error *err);
/* What an agent needs to wire it (HostTask.interface); in the arena. E_NOTFOUND. */
int ec2_interface_host(struct core *core, const struct ec2_scope *s,
                       const char *interface_id, struct arena *a,
                       struct gantry_host_interface *ret, struct error *err);

/* ---- instances ---- */

struct ec2_instance_info {
    const char *instance_id, *instance_type, *availability_zone, *vpc_id, *subnet_id;
    const char *private_ip, *public_ip, *image_id;
    const char *iam_instance_profile_arn; /* NULL: none */
    const char *state; /* "pending", "running", "stopping", "stopped", "shutting-down" */
    bool running;
};
/* E_NOTFOUND: no such instance that is not terminated. */
int ec2_instance_find(struct core *core, const struct ec2_scope *s,
                      const char *instance_id, struct ec2_instance_info *ret,
                      struct error *err);
/* The instance that this machine is itself: made on first sight, with its id, in the default
 * subnet of the zone; afterwards only found. Its interface has use MACHINE. */
int ec2_machine_ensure(struct core *core, const struct ec2_scope *s,
                       const char *instance_id, const char *instance_type,
                       const char *availability_zone, struct ec2_instance_info *ret,
                       struct error *err);
/* Interfaces that tasks may have on an instance of this type, its own not counted; with
 * `trunking` as AWS has it where the type supports it. 0: a type without a limit here. */
uint32_t ec2_task_interface_limit(const char *instance_type, bool trunking);

/* The id of the image that stands for Amazon's ECS-optimized one. */
const char *ec2_optimized_image(struct arena *a, const char *region, bool al2023);

/* An instance came to run or ceased to (when it stops, and again when it is terminated: then
 * ec2_instance_find() does not find it); for target health. One listener a service. */
struct ec2_watch {
    void (*instance_changed)(void *ctx, struct core *core, const struct ec2_scope *s,
                             const char *instance_id, bool running);
    void *ctx;
    struct ec2_watch *next; /* set by ec2_watch_add() */
};
void ec2_watch_add(struct core *core, struct ec2_watch *w);

/* ---- the edge ---- */

/* Fleet's side. Called within a task; what is said leaves when the change is durable. The
 * messages lie in the task's scratch arena. */
struct ec2_edge_ops {
    void (*vpc)(void *ctx, struct core *core, const struct gantry_edge_vpc *vpc);
    void (*vpc_gone)(void *ctx, struct core *core, const char *vpc_id);
    void (*interface)(void *ctx, struct core *core,
                      const struct gantry_edge_interface *interface);
    void (*interface_gone)(void *ctx, struct core *core, const char *vpc_id,
                           const char *interface_id);
    void (*instance)(void *ctx, struct core *core,
                     const struct gantry_edge_instance *instance);
    void (*instance_gone)(void *ctx, struct core *core, const char *instance_id);
};
void ec2_set_edge_ops(struct core *core, const struct ec2_edge_ops *ops, void *ctx);

/* Everything that should be, of every account, for the first message of an edge's stream. A
 * VPC without any interface in use is left out. */
void ec2_edge_desired(struct core *core, struct arena *a,
                      struct gantry_edge_vpc_list *vpcs,
                      struct gantry_edge_interface_list *interfaces,
                      struct gantry_edge_instance_list *instances);
/* What became of an instance there; unknown or older generations: nothing happens. */
void ec2_edge_instance_state(struct core *core,
                             const struct gantry_edge_instance_state *state);
