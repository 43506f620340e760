/* Linux capabilities as bits, and Docker's arithmetic on them. */
#include <strings.h>

#include "oci_spec.h"

static const char *const names[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))
#define ALL_BITS   ((UINT64_C(1) << NAME_COUNT) - 1)

const char *capability_name(unsigned n)
{
    return n < NAME_COUNT ? names[n] : NULL;
}

static int capability_bit(const char *name, uint64_t *ret)
{
    if (strncasecmp(name, "CAP_", 4) == 0)
        name += 4;
    for (unsigned i = 0; i < NAME_COUNT; i++) {
        if (strcasecmp(name, names[i] + 4) == 0) {
            *ret = UINT64_C(1) << i;
            return 0;
        }
    }
    return -E_NOTFOUND;
}

uint64_t capability_defaults(void)
{
    static const char *const list[] = {
        "CHOWN",   "DAC_OVERRIDE", "FSETID",           "FOWNER",
        "MKNOD",   "NET_RAW",      "SETGID",           "SETUID",
        "SETFCAP", "SETPCAP",      "NET_BIND_SERVICE", "SYS_CHROOT",
        "KILL",    "AUDIT_WRITE",
    };
    uint64_t set = 0, bit = 0;
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        if (capability_bit(list[i], &bit) == 0)
            set |= bit;
    return set;
}

static int sum(const char *const *list, uint64_t *ret, bool *ret_all, struct error *err)
{
    for (; list && *list; list++) {
        uint64_t bit;
        if (strcasecmp(*list, "ALL") == 0 || strcasecmp(*list, "CAP_ALL") == 0)
            *ret_all = true;
        else if (capability_bit(*list, &bit) == 0)
            *ret |= bit;
        else
            return fail(err, E_INVALID, "unknown capability '%s'", *list);
    }
    return 0;
}

int capability_set(const char *const *add, const char *const *drop, uint64_t *ret,
                   struct error *err)
{
    uint64_t added = 0, dropped = 0;
    bool add_all = false, drop_all = false;
    int r = sum(add, &added, &add_all, err);
    if (r == 0)
        r = sum(drop, &dropped, &drop_all, err);
    if (r < 0)
        return r;
    if (add_all)
        *ret = drop_all ? added : ALL_BITS & ~dropped;
    else if (drop_all)
        *ret = added;
    else
        *ret = (capability_defaults() & ~dropped) | added;
    return 0;
}
