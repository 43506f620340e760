/* volume_mount.h: file systems that a volume's options name: what Docker's local driver
 * mounts, NFS, and whatever else mount(2) can.
 *
 * Options are those of mount(8) in one comma-separated text: words that mean a flag become
 * one, the rest goes to the file system as it is. For NFS the server's name is looked up
 * here, as the kernel wants an address.
 *
 * Owns: the mount and its directory until volume_unmount(). Nothing is written down: the
 * kernel's list of mounts is the record. A target is never emptied, only unmounted and
 * removed when empty, as what is behind it may be somebody's.
 * Threads: any, one call a target at a time; looking up a name and NFS may block.
 * Fails: E_INVALID an option, E_NOTFOUND the device or server, E_UNSUPPORTED the kernel
 * lacks the file system, E_IO what else the kernel says. */
#pragma once

#include <stdbool.h>

#include "error.h"
#include "str.h"

struct volume_mount {
    const char *type;    /* "tmpfs", "nfs", "nfs4", "ext4", … */
    const char *device;  /* "" allowed for tmpfs; NFS: "host:/path" or ":/path" */
    const char *options; /* NULL or "": none */
    const char *target;  /* absolute; made when missing */
};

/* Mounted already: success. */
int volume_mount(const struct volume_mount *m, struct error *err);
bool volume_is_mounted(const char *target);
/* Unmounts (in the background when busy) and removes the directory; not there is success. */
int volume_unmount(const char *target, struct error *err);
/* The same for everything mounted in or below dir, and for its empty directories. */
int volume_unmount_below(const char *dir, struct error *err);

/* ---- pure ---- */

/* Splits options; *ret_data is what remains, in order. "bind" and "rbind" set *ret_bind. */
int mount_options_split(const char *options, unsigned long *ret_flags, bool *ret_bind,
                        struct str *ret_data, struct error *err);
/* The value of NAME=value in options; false when it is not there. */
bool mount_option_find(const char *options, const char *name, struct str *ret);
