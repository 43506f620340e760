/* net_record.h: what a run's network remembers on disk: its subnet, addresses given out,
 * and one record an attached container, written before the kernel is asked for anything.
 * Inside of net.c only. Threads: under the caller's lock. Fails: E_FULL, E_IO. */
#pragma once

#include "net.h"
#include "str.h"

struct net_record {
    enum net_mode mode;
    uint32_t address_be; /* 0: none */
    size_t port_count;
    struct net_port ports[NET_PORTS_MAX];
};

int net_record_write(const char *dir, const char *id, const struct net_record *rec,
                     struct error *err);
int net_record_read(const char *dir, const char *id, struct net_record *ret,
                    struct error *err);
int net_record_remove(const char *dir, const char *id, struct error *err);
int net_record_each(const char *dir, void (*each)(void *arg, const char *id), void *arg,
                    struct error *err);

struct subnet {
    uint32_t base; /* host byte order */
    int prefix_len;
    char text[20];    /* "10.88.0.0/20" */
    char gateway[16]; /* the first address */
};
int subnet_parse(const char *text, struct subnet *ret, struct error *err);
bool subnet_overlaps(const struct subnet *s, uint32_t base, int prefix_len);

/* The next free address after *next (host order), claimed by a file. */
int address_take(const char *dir, const struct subnet *s, const char *id, uint32_t *next,
                 uint32_t *ret_be, struct error *err);
/* Frees addresses whose owner has no record: a crash came between the two. */
int address_sweep(const char *dir, struct error *err);
int address_give_back(const char *dir, uint32_t address_be, struct error *err);
