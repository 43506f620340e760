/* link_batch.h: several changes in one send to rtnetlink, each answered for itself. Inside
 * of link*.c only.
 *
 * Owns: nothing; the buffer is in the caller's frame. Threads: the socket's.
 * Fails: with the first change that the kernel refuses; those after it are done all the
 * same. */
#pragma once

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "link.h"

#define LINK_BATCH_BYTES 8192
#define LINK_BATCH_MAX   16

/* libmnl's own macro narrows without a cast. */
#define EACH_ATTRIBUTE(attr, h, skip)                                                    \
    for ((attr) = mnl_nlmsg_get_payload_offset((h), (skip));                             \
         mnl_attr_ok((attr), (int)((const char *)mnl_nlmsg_get_payload_tail(h) -         \
                                   (const char *)(attr)));                               \
         (attr) = mnl_attr_next(attr))

/* Several changes in one send. Each message asks for an answer of its own. */
struct link_batch {
    struct link_socket *s;
    char buf[LINK_BATCH_BYTES] __attribute__((aligned(8)));
    size_t used;
    uint32_t first_seq;
    int count;
    int tolerated[LINK_BATCH_MAX]; /* an errno that counts as success, per message */
    const char *what[LINK_BATCH_MAX];
};

void link_batch_init(struct link_batch *b, struct link_socket *s);
/* A message that asks for an answer; `tolerated` is an errno that is no failure (0: none),
 * `what` says in a failure what was tried. After it was filled: link_batch_add(). */
struct nlmsghdr *link_batch_next(struct link_batch *b, uint16_t type, uint16_t flags,
                                 int tolerated, const char *what);
void link_batch_add(struct link_batch *b, const struct nlmsghdr *h);
int link_batch_run(struct link_batch *b, struct error *err);

/* One call of `each` a message of a dump of `type`, whose request has a header of so many
 * bytes that begins with the family. */
int link_dump(struct link_socket *s, uint16_t type, size_t header_bytes, uint8_t family,
              void (*each)(void *arg, const struct nlmsghdr *h), void *arg,
              struct error *err);
