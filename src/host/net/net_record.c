#include "net_record.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

static void record_path(const char *dir, const char *id, struct str *ret)
{
    str_addf(ret, "%s/attached/%s", dir, id);
}

static const char *const mode_names[] =
    {[NET_NONE] = "none", [NET_BRIDGE] = "bridge", [NET_LEG] = "leg"};

static void format_address(uint32_t address_be, char ret[16])
{
    inet_ntop(AF_INET, &address_be, ret, 16);
}

int net_record_write(const char *dir, const char *id, const struct net_record *rec,
                     struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    char address[16];
    record_path(dir, id, &path);
    format_address(rec->address_be, address);
    str_addf(&text, "%s %s\n", mode_names[rec->mode], address);
    for (size_t i = 0; i < rec->port_count; i++)
        str_addf(&text, "%s %u %u %u\n", rec->ports[i].udp ? "udp" : "tcp",
                 rec->ports[i].host_port, rec->ports[i].container_port,
                 rec->ports[i].count);
    return file_replace(path.data, text.data, text.len, 0600, 0, err);
}

int net_record_read(const char *dir, const char *id, struct net_record *ret,
                    struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    record_path(dir, id, &path);
    int r = file_read(AT_FDCWD, path.data, 65536, &text, err);
    if (r < 0)
        return r;
    memset(ret, 0, sizeof(*ret));
    char *save = NULL, mode[16], address[16];
    char *line = text.data ? strtok_r(text.data, "\n", &save) : NULL;
    if (!line || sscanf(line, "%15s %15s", mode, address) != 2 ||
        inet_pton(AF_INET, address, &ret->address_be) != 1)
        return fail(err, E_CORRUPT, "'%s' is no record", path.data);
    for (enum net_mode m = NET_NONE; m <= NET_LEG; m++)
        if (streq(mode, mode_names[m]))
            ret->mode = m;
    while ((line = strtok_r(NULL, "\n", &save)) && ret->port_count < NET_PORTS_MAX) {
        char proto[8];
        unsigned host, container, count = 0; /* records of old have no count */
        if (sscanf(line, "%7s %u %u %u", proto, &host, &container, &count) < 3 ||
            host > 65535 || container > 65535 || count > 65535)
            return fail(err, E_CORRUPT, "'%s' is no record", path.data);
        ret->ports[ret->port_count++] =
            (struct net_port){.container_port = (uint16_t)container,
                              .host_port = (uint16_t)host,
                              .count = (uint16_t)count,
                              .udp = streq(proto, "udp")};
    }
    return 0;
}

int net_record_remove(const char *dir, const char *id, struct error *err)
{
    AUTO_STR path = STR_INIT;
    record_path(dir, id, &path);
    if (unlink(path.data) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", path.data);
    return 0;
}

int net_record_each(const char *dir, void (*each)(void *arg, const char *id), void *arg,
                    struct error *err)
{
    AUTO_STR path = STR_INIT;
    record_path(dir, "", &path);
    DIR *d = opendir(path.data);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", path.data);
    struct dirent *e;
    while ((e = readdir(d)))
        /* A dot inside ".XXXXXX" is a record that was being written. */
        if (e->d_name[0] != '.')
            each(arg, e->d_name);
    closedir(d);
    return 0;
}

/* --- addresses --- */

int subnet_parse(const char *text, struct subnet *ret, struct error *err)
{
    char address[20];
    const char *slash = strchr(text, '/');
    struct in_addr in;
    int64_t len;
    if (!slash || slash - text >= (long)sizeof(address))
        return fail(err, E_INVALID, "'%s' is no subnet", text);
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (inet_pton(AF_INET, address, &in) != 1 || !str_to_i64(slash + 1, 8, 29, &len))
        return fail(err, E_INVALID, "'%s' is no subnet of /8 to /29", text);
    uint32_t base = ntohl(in.s_addr);
    if (base & (uint32_t)(UINT64_C(0xffffffff) >> len))
        return fail(err, E_INVALID, "'%s' has host bits", text);
    struct subnet s = {.base = base, .prefix_len = (int)len};
    snprintf(s.text, sizeof(s.text), "%.15s/%u", address, (unsigned)len & 31);
    format_address(htonl(base + 1), s.gateway);
    *ret = s;
    return 0;
}

bool subnet_overlaps(const struct subnet *s, uint32_t base, int prefix_len)
{
    int len = prefix_len < s->prefix_len ? prefix_len : s->prefix_len;
    uint32_t mask = len ? (uint32_t)(UINT64_C(0xffffffff) << (32 - len)) : 0;
    return ((s->base ^ base) & mask) == 0;
}

static void address_path(const char *dir, uint32_t address_be, struct str *ret)
{
    char text[16];
    format_address(address_be, text);
    str_clear(ret);
    str_addf(ret, "%s/addresses/%s", dir, text);
}

int address_take(const char *dir, const struct subnet *s, const char *id, uint32_t *next,
                 uint32_t *ret_be, struct error *err)
{
    uint32_t last = s->base + (uint32_t)(UINT64_C(0xffffffff) >> s->prefix_len);
    AUTO_STR path = STR_INIT;
    for (uint32_t i = s->base + 2; i < last; i++) {
        /* Onwards from the last one given, so that an address rests before it is used
         * again: neighbours remember for a while who had it. */
        uint32_t a = *next;
        *next = a + 1 < last ? a + 1 : s->base + 2;
        address_path(dir, htonl(a), &path);
        AUTO_FD fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0)
            return fail_errno(err, errno, "create '%s'", path.data);
        *ret_be = htonl(a);
        return fd_write_all(fd, id, strlen(id), err);
    }
    return fail(err, E_FULL, "no free address in %s", s->text);
}

int address_sweep(const char *dir, struct error *err)
{
    AUTO_STR path = STR_INIT, owner = STR_INIT, record = STR_INIT;
    str_addf(&path, "%s/addresses", dir);
    DIR *d = opendir(path.data);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", path.data);
    struct dirent *e;
    struct error ignored;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.' ||
            file_read(dirfd(d), e->d_name, 512, &owner, &ignored) < 0)
            continue;
        str_clear(&record);
        record_path(dir, str_text(&owner), &record);
        if (owner.len == 0 || access(record.data, F_OK) < 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return 0;
}

int address_give_back(const char *dir, uint32_t address_be, struct error *err)
{
    AUTO_STR path = STR_INIT;
    address_path(dir, address_be, &path);
    if (unlink(path.data) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", path.data);
    return 0;
}
