#include "volume_mount.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

/* --- options --- */

static const struct {
    const char *word;
    unsigned long set, clear;
} words[] = {
    {"defaults", 0, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"mand", MS_MANDLOCK, 0},
    {"nomand", 0, MS_MANDLOCK},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, 0},
    {"silent", MS_SILENT, 0},
};

static bool take_word(const char *word, unsigned long *flags)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (streq(words[i].word, word)) {
            *flags = (*flags | words[i].set) & ~words[i].clear;
            return true;
        }
    }
    return false;
}

int mount_options_split(const char *options, unsigned long *ret_flags, bool *ret_bind,
                        struct str *ret_data, struct error *err)
{
    unsigned long flags = 0;
    *ret_bind = false;
    for (const char *p = options ? options : ""; *p;) {
        size_t n = strcspn(p, ",");
        AUTO_STR word = STR_INIT;
        str_addn(&word, p, n);
        p += n + (p[n] == ',');
        if (n == 0 || take_word(word.data, &flags))
            continue;
        if (streq(word.data, "bind") || streq(word.data, "rbind")) {
            *ret_bind = true;
            continue;
        }
        str_addf(ret_data, "%s%s", ret_data->len ? "," : "", word.data);
    }
    /* a page is all that mount(2) takes */
    if (ret_data->len >= 4096)
        return fail(err, E_LIMIT, "mount options of %zu bytes", ret_data->len);
    *ret_flags = flags;
    return 0;
}

bool mount_option_find(const char *options, const char *name, struct str *ret)
{
    size_t len = strlen(name);
    for (const char *p = options ? options : ""; *p;) {
        size_t n = strcspn(p, ",");
        if (n > len && strncmp(p, name, len) == 0 && p[len] == '=') {
            str_clear(ret);
            str_addn(ret, p + len + 1, n - len - 1);
            return true;
        }
        p += n + (p[n] == ',');
    }
    return false;
}

/* --- NFS --- */

static int look_up(const char *host, struct str *ret, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char text[INET6_ADDRSTRLEN] = "";
    int r = getaddrinfo(host, NULL, &hints, &found);
    if (r != 0)
        return fail(err, E_NOTFOUND,
                    "error resolving passed in network volume address: "
                    "lookup %s: %s",
                    host, gai_strerror(r));
    if (found->ai_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)found->ai_addr)->sin6_addr,
                  text, sizeof(text));
    else
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr,
                  text, sizeof(text));
    freeaddrinfo(found);
    str_clear(ret);
    str_add(ret, text);
    return 0;
}

/* The option addr= with an address: the one given, or the host before the colon. */
static int nfs_options(const struct volume_mount *m, struct str *data, struct error *err)
{
    AUTO_STR host = STR_INIT, address = STR_INIT, rest = STR_INIT;
    if (!mount_option_find(data->data, "addr", &host)) {
        const char *colon = strstr(m->device, ":/");
        if (!colon || colon == m->device)
            return fail(err, E_INVALID, "'%s' names no NFS server", m->device);
        str_addn(&host, m->device, (size_t)(colon - m->device));
    }
    if (host.len > 2 && host.data[0] == '[') { /* an IPv6 address of a device's name */
        host.data[--host.len] = '\0';
        memmove(host.data, host.data + 1, host.len--);
    }
    int r = look_up(str_text(&host), &address, err);
    if (r < 0)
        return r;
    str_addf(&rest, "addr=%s", address.data);
    for (const char *p = str_text(data); *p;) {
        size_t n = strcspn(p, ",");
        if (strncmp(p, "addr=", 5) != 0)
            str_addf(&rest, ",%.*s", (int)n, p);
        p += n + (p[n] == ',');
    }
    str_clear(data);
    str_addn(data, rest.data, rest.len);
    return 0;
}

/* --- mounting --- */

bool volume_is_mounted(const char *target)
{
    struct stat here, above;
    AUTO_STR parent = STR_INIT;
    str_addf(&parent, "%s/..", target);
    return stat(target, &here) == 0 && stat(parent.data, &above) == 0 &&
           here.st_dev != above.st_dev;
}

static int refuse(const struct volume_mount *m, int e, struct error *err)
{
    if (e == ENODEV)
        return fail(err, E_UNSUPPORTED,
                    "failed to mount local volume: mount %s:%s: this machine's kernel "
                    "has no file system '%s'",
                    m->device, m->target, m->type);
    return fail_errno(err, e, "failed to mount local volume: mount %s:%s, data: %s",
                      m->device, m->target, m->options ? m->options : "");
}

int volume_mount(const struct volume_mount *m, struct error *err)
{
    AUTO_STR data = STR_INIT;
    unsigned long flags;
    bool bind;
    int r = dir_make_all(m->target, 0755, err);
    if (r < 0 || volume_is_mounted(m->target))
        return r;
    r = mount_options_split(m->options, &flags, &bind, &data, err);
    if (r < 0)
        return r;
    if (bind)
        return fail(err, E_INVALID, "a bind is no mount of '%s'", m->type);
    if (str_starts(m->type, "nfs") && (r = nfs_options(m, &data, err)) < 0)
        return r;
    if (mount(str_empty(m->device) ? m->type : m->device, m->target, m->type, flags,
              data.data) < 0)
        return refuse(m, errno, err);
    return 0;
}

/* Detached at once, so that a server that went away can't hold us up. EINVAL: it is no
 * mount (any more). */
static int detach(const char *target, struct error *err)
{
    while (umount2(target, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
        continue;
    if (errno != EINVAL && errno != ENOENT)
        return fail_errno(err, errno, "unmount '%s'", target);
    return 0;
}

int volume_unmount(const char *target, struct error *err)
{
    int r = detach(target, err);
    if (r >= 0 && rmdir(target) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", target);
    return r;
}

static int remove_below(const char *dir, struct error *err)
{
    DIR *d = opendir(dir);
    int r = 0;
    if (!d)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : fail_errno(err, errno, "open '%s'", dir);
    for (struct dirent *e; r >= 0 && (e = readdir(d));) {
        if (streq(e->d_name, ".") || streq(e->d_name, ".."))
            continue;
        AUTO_STR path = STR_INIT;
        str_addf(&path, "%s/%s", dir, e->d_name);
        r = volume_unmount_below(path.data, err);
    }
    closedir(d);
    return r;
}

int volume_unmount_below(const char *dir, struct error *err)
{
    int r = detach(dir, err);
    if (r >= 0)
        r = remove_below(dir, err);
    if (r >= 0 && rmdir(dir) < 0 && errno != ENOENT)
        r = fail_errno(err, errno, "remove '%s'", dir);
    return r;
}
