/* dnsmasq.h: one dnsmasq process with its files, kept alive.
 *
 *   <dir>/dnsmasq.conf  <dir>/names (a hosts file)  <dir>/dnsmasq.pid  <dir>/dnsmasq.log
 * It is no child that must die with us: dnsmasq_open() adopts the one of an earlier process
 * when it has the same settings. New names are told by SIGHUP, new settings by a new start.
 *
 * Owns: the process and these files. Threads: one. Fails: dnsmasq_open(), dnsmasq_end();
 * else it logs and tries again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "str.h"

struct dnsmasq {
    struct str program, dir;
    pid_t pid;                                /* 0: it does not run */
    int pidfd;                                /* readable when it has ended; -1 */
    bool child;                               /* else adopted */
    bool configured;                          /* there are settings to start it with */
    int64_t started_ns, start_ns, backoff_ms; /* start_ns: when to start it again */
};

/* `program` NULL: from PATH. E_NOTFOUND. */
int dnsmasq_open(struct dnsmasq *d, const char *dir, const char *program,
                 struct error *err);
void dnsmasq_close(struct dnsmasq *d); /* it goes on */

/* Each: nothing happens when the text is what is there already. */
void dnsmasq_configure(struct dnsmasq *d, const char *settings);
void dnsmasq_names(struct dnsmasq *d, const char *hosts);

/* Notices that it ended, starts it when that is due. Returns after how many milliseconds to
 * call again; -1: when pidfd is readable. */
int dnsmasq_tick(struct dnsmasq *d);

/* The process of this folder, if any. */
int dnsmasq_end(const char *dir, struct error *err);
