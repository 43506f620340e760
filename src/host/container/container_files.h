/* container_files.h: the three files that a container finds in /etc.
 *
 * resolv.conf, hosts and hostname are written into a directory of the container and
 * bind-mounted over the image's own. Threads: any. Fails: E_IO, E_FULL. */
#pragma once

#include <stddef.h>

#include "error.h"
#include "oci_spec.h"
#include "str.h"

struct container_files {
    const char *dir;      /* written there: resolv.conf, hosts, hostname */
    const char *hostname; /* NULL: no name of its own */
    const char *address;  /* NULL or "": none (mode none or host) */
    bool host_network;    /* the host's files as they are, plus extra hosts */
    const struct spec_pair *extra_hosts; /* name: host name, value: address */
    size_t extra_host_count;
    const char *const *dns_servers; /* NULL or NULL-ended: instead of the host's */
    const char *const *dns_search;
};

int container_files_write(const struct container_files *f, struct error *err);
/* Three bind mounts for container_spec.mounts; the strings live in `keep`. */
void container_files_mounts(const char *dir, struct str keep[3],
                            struct spec_mount ret[3]);

/* Pure: the host's resolv.conf for a namespace of its own: resolvers on loopback are left
 * out; when none is left and `upstream` (systemd-resolved's own file, may be NULL) has
 * some, that one is used; else public fallbacks are not invented: no nameserver line. */
void resolv_conf_filter(const char *host_text, const char *upstream, struct str *ret);
