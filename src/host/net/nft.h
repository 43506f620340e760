/* nft.h: nftables: rules once by the nft program, elements over netlink.
 *
 * The rule set of a table is text, loaded in one transaction by `nft -f -`. What changes
 * with each task are elements of its sets and maps; they go straight to the kernel, in
 * one transaction a call, and cost the same however many there are. An element's key and
 * data are given as the kernel keeps them: network byte order, each part of a
 * concatenation padded to four bytes.
 *
 * Owns: nothing. Threads: any; a socket a call. Acts on the caller's network namespace.
 * Fails: E_EXISTS element is there, E_NOTFOUND table, set or element is not, E_DENIED,
 * E_EXEC nft's own message, E_LIMIT too many elements. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "str.h"

enum nft_family { NFT_IP = 2, NFT_INET = 1 }; /* NFPROTO_* */

/* Runs the nft program on a rule set text. */
int nft_load(const char *text, struct error *err);
/* `nft -j list …`: the JSON it printed. */
int nft_list(const char *const args[], struct str *ret, struct error *err);

#define NFT_DATA_MAX     64
#define NFT_ELEMENTS_MAX 1000 /* a call */
struct nft_element {
    uint8_t key[NFT_DATA_MAX], data[NFT_DATA_MAX];
    uint8_t key_len, data_len; /* data_len 0: a set */
};

int nft_add_elements(enum nft_family family, const char *table, const char *set,
                     const struct nft_element *elements, size_t count, struct error *err);
/* Whether it is there or not; one with the same data is not touched. */
int nft_set_element(enum nft_family family, const char *table, const char *map,
                    const struct nft_element *element, struct error *err);
/* Elements that are not there are passed over. */
int nft_delete_elements(enum nft_family family, const char *table, const char *set,
                        const struct nft_element *elements, size_t count,
                        struct error *err);
/* Changes of any sets of a table in one transaction: all of them or none. What is removed
 * must be there, what is added must not (or with the same data). */
struct nft_change {
    bool remove;
    const char *set;
    struct nft_element element;
};
int nft_apply(enum nft_family family, const char *table, const struct nft_change *changes,
              size_t count, struct error *err);
/* Is an element with this key in the set? E_NOTFOUND: not, or no set or table. */
int nft_find_element(enum nft_family family, const char *table, const char *set,
                     const struct nft_element *element, struct error *err);
int nft_each_element(enum nft_family family, const char *table, const char *set,
                     void (*each)(void *arg, const struct nft_element *e), void *arg,
                     struct error *err);
int nft_delete_table(enum nft_family family, const char *table, struct error *err);
bool nft_table_exists(enum nft_family family, const char *table);

/* Appends one part of a concatenated key or data (padded to four bytes). */
void nft_key_add(struct nft_element *e, const void *part, size_t len);
void nft_data_add(struct nft_element *e, const void *part, size_t len);

/* Names of the sets (maps too) or chains of a table. E_NOTFOUND no such table. */
enum nft_kind { NFT_SETS, NFT_CHAINS };
int nft_each_name(enum nft_kind kind, enum nft_family family, const char *table,
                  void (*each)(void *arg, const char *name), void *arg,
                  struct error *err);
