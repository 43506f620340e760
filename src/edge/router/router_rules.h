/* router_rules.h: what a VPC, its security groups and its interfaces are as nftables text,
 * elements and routes. Pure.
 *
 * The scheme (docs/adr/0012): a set of groups that some interface has is a class with a
 * number. A new connection's interfaces are looked up in `class_of`, and the class's number
 * in `out_class` (the sender's groups, egress) and `in_class` (the receiver's, ingress):
 * two look-ups each, however many interfaces there are. A class is a chain of jumps into
 * its groups' chains; a group is two chains, "<id>_out" and "<id>_in", one rule a line of
 * the group, and a set "m-<id>" of its members' addresses for rules that refer to it.
 * So an interface is elements only, a rule is one chain, a new mixture of groups is two.
 *
 * All text may be loaded again over what is there: nothing of it empties a set, and chains
 * are replaced within the transaction. Ids are checked here: text that comes from a server
 * without rights is never pasted into commands of root.
 *
 * Owns: nothing. Threads: any. Fails: E_INVALID what the server said makes no sense. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "gantry_api.h"
#include "nft.h"
#include "str.h"

#define ROUTER_UPLINK "uplink" /* the VPC's end of the veth to the machine */
#define ROUTER_DNS    "169.254.169.253"
#define ROUTER_IMDS   "169.254.169.254" /* answered within the VPC's namespace: imds.h */
#define CLASS_GROUPS  32 /* of one interface at most */
#define ROUTER_ID_MAX 40

/* Fixed sets of elements. "m-<group>" comes beside them. */
#define SET_FREE_SOURCES                                                                 \
    "free_sources"                 /* interface, MAC: any address (sourceDestCheck) */
#define MAP_CLASS_OF    "class_of" /* interface → class */
#define MAP_IN_CLASS    "in_class"
#define MAP_OUT_CLASS   "out_class"
#define MAP_PUBLIC_OF   "public_of"  /* private → public address */
#define MAP_PRIVATE_OF  "private_of" /* and back */
#define SET_HAVE_PUBLIC "have_public"
#define MAP_NAT_OF      "nat_of" /* next hop that stands for a NAT gateway → its address */
#define SET_NAT_HOPS    "nat_hops"
#define SET_RESOLVERS   "resolvers" /* base + 2 of the VPC's ranges */

bool router_id_valid(const char *id);
bool router_cidr(const char *text, uint32_t *ret_base_be, int *ret_len);
bool router_mac(const char *text, uint8_t ret[6]);

/* What is the same for all interfaces. */
struct router_fixed {
    const char *gateway; /* the machine's address at the uplink */
    const char *own;     /* the VPC's */
    const char *service; /* SERVICE_ADDRESS */
    uint16_t service_port;
};
void router_text_fixed(struct str *t, const struct router_fixed *f);

/* Its two chains, and what they refer to. Rules that mean nothing here (IPv6) are left out. */
int router_text_group(struct str *t, const struct gantry_edge_security_group *g,
                      struct error *err);
/* Everything gets in and out: what a load balancer's interface without groups has. No group of
 * anybody has this id. */
#define ROUTER_OPEN_GROUP "sg-open"
void router_text_group_open(struct str *t);
/* Empty chains: nothing gets in or out by this group. */
void router_text_group_empty(struct str *t, const char *group_id);
void router_text_group_gone(struct str *t, const char *group_id);
/* groups: sorted, each once. */
void router_text_class(struct str *t, uint32_t number, const char *const *groups,
                       size_t count);
void router_text_class_gone(struct str *t, uint32_t number);
uint32_t router_class_number(const char *const *groups, size_t count);

/* A list of elements, each with the set that it belongs to. */
struct router_elements {
    struct nft_change *v;
    size_t n, cap;
    struct arena names;
};
/* Appends an empty one; the set's name is static text, or copied. */
struct nft_element *router_element(struct router_elements *l, const char *set);
struct nft_element *router_element_named(struct router_elements *l, const char *set);
int router_interface_elements(const struct gantry_edge_interface *i,
                              uint32_t class_number, struct router_elements *ret,
                              struct error *err);
int router_vpc_elements(const struct gantry_edge_vpc *v, struct router_elements *ret,
                        struct error *err);
void router_elements_free(struct router_elements *l);
/* By set, key, data. */
int router_element_order(const void *a, const void *b);
/* What turns `before` into `after`, both sorted here: first what is removed. */
void router_elements_between(struct router_elements *before,
                             struct router_elements *after, struct router_elements *ret);

/* The address that stands for a NAT gateway as a next hop: 169.254.128.0/17. */
uint32_t router_nat_hop_be(const struct gantry_edge_vpc *v, const char *nat_id);
/* Does the gateway lead anywhere (it has an address, its subnet the internet)? */
bool router_nat_works(const struct gantry_edge_vpc *v,
                      const struct gantry_edge_nat_gateway *n);
