#include "host_ports.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "str.h"

/* --- the kernel's list of reserved ports --- */

struct port_set {
    uint8_t bits[65536 / 8];
};

static void set_range(struct port_set *set, unsigned low, unsigned high, bool on)
{
    for (unsigned p = low; p <= high; p++) {
        if (on)
            set->bits[p / 8] |= (uint8_t)(1u << (p % 8));
        else
            set->bits[p / 8] &= (uint8_t) ~(1u << (p % 8));
    }
}

static bool has_port(const struct port_set *set, unsigned p)
{
    return set->bits[p / 8] >> (p % 8) & 1;
}

static bool parse_port(const char **at, unsigned *ret)
{
    unsigned v = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9' && v <= 65535; p++)
        v = v * 10 + (unsigned)(*p - '0');
    if (p == *at || v > 65535)
        return false;
    *at = p;
    *ret = v;
    return true;
}

static int parse_list(const char *list, struct port_set *set, struct error *err)
{
    memset(set, 0, sizeof(*set));
    for (const char *p = list; *p && *p != '\n';) {
        unsigned low, high;
        if (!parse_port(&p, &low))
            return fail(err, E_INVALID, "'%s' is no list of ports", list);
        high = low;
        if (*p == '-' && (p++, !parse_port(&p, &high)))
            return fail(err, E_INVALID, "'%s' is no list of ports", list);
        if (high < low || (*p && *p != ',' && *p != '\n'))
            return fail(err, E_INVALID, "'%s' is no list of ports", list);
        set_range(set, low, high, true);
        p += *p == ',';
    }
    return 0;
}

static void format_list(const struct port_set *set, struct str *ret)
{
    str_clear(ret);
    for (unsigned low = 0; low <= 65535; low++) {
        if (!has_port(set, low))
            continue;
        unsigned high = low;
        while (high < 65535 && has_port(set, high + 1))
            high++;
        str_addf(ret, "%s%u", ret->len ? "," : "", low);
        if (high > low)
            str_addf(ret, "-%u", high);
        low = high;
    }
}

static int edit_list(const char *list, uint16_t low, uint16_t high, bool on,
                     struct str *ret, struct error *err)
{
    struct port_set set;
    int r = parse_list(list, &set, err);
    if (r < 0)
        return r;
    set_range(&set, low, high, on);
    format_list(&set, ret);
    return 0;
}

int port_list_add(const char *list, uint16_t low, uint16_t high, struct str *ret,
                  struct error *err)
{
    return edit_list(list, low, high, true, ret, err);
}

int port_list_remove(const char *list, uint16_t low, uint16_t high, struct str *ret,
                     struct error *err)
{
    return edit_list(list, low, high, false, ret, err);
}

bool port_list_covers(const char *list, uint16_t low, uint16_t high)
{
    struct port_set set;
    struct error ignored;
    if (parse_list(list, &set, &ignored) < 0)
        return false;
    for (unsigned p = low; p <= high; p++)
        if (!has_port(&set, p))
            return false;
    return true;
}

/* --- whose --- */

int host_ports_init(struct host_ports *hp, const char *dir, uint16_t low, uint16_t high,
                    struct error *err)
{
    *hp = (struct host_ports){.low = low ? low : HOST_PORT_LOW,
                              .high = high ? high : HOST_PORT_HIGH};
    if (hp->low > hp->high || strlen(dir) >= sizeof(hp->dir))
        return fail(err, E_INVALID, "ports %u-%u in '%s'", hp->low, hp->high, dir);
    snprintf(hp->dir, sizeof(hp->dir), "%s", dir);
    hp->next = hp->low;
    return dir_make_all(dir, 0755, err);
}

int host_port_check(bool udp, uint16_t port, struct error *err)
{
    AUTO_FD fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(err, errno, "socket");
    /* With it, closed connections that linger do not count, listeners still do. */
    int one = 1;
    if (!udp)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return 0;
    if (errno == EADDRINUSE)
        return fail(err, E_CONFLICT,
                    "Bind for 0.0.0.0:%u failed: port is already allocated", port);
    return fail_errno(err, errno, "bind 0.0.0.0:%u", port);
}

static void port_path(const struct host_ports *hp, bool udp, uint16_t port,
                      struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/%s-%u", hp->dir, udp ? "udp" : "tcp", port);
}

/* 0, or -E_EXISTS with the owner in ret_owner. The file is complete when it appears. */
static int claim(const struct host_ports *hp, const char *owner, bool udp, uint16_t port,
                 struct str *ret_owner, struct error *err)
{
    AUTO_STR path = STR_INIT, aside = STR_INIT;
    port_path(hp, udp, port, &path);
    str_addf(&aside, "%s/new-XXXXXX", hp->dir);
    AUTO_FD fd = mkostemp(aside.data, O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, errno, "create '%s'", aside.data);
    int r = fd_write_all(fd, owner, strlen(owner), err);
    if (r == 0 && link(aside.data, path.data) < 0)
        r = fail_errno(err, errno, "claim '%s'", path.data);
    unlink(aside.data);
    if (r == -E_EXISTS && file_read(AT_FDCWD, path.data, 512, ret_owner, err) < 0)
        str_clear(ret_owner); /* given back this very moment */
    return r;
}

/* As claim(), but an owner that is gone does not count. */
static int claim_live(const struct host_ports *hp, const char *owner, bool udp,
                      uint16_t port, struct str *holder, struct error *err)
{
    int r = claim(hp, owner, udp, port, holder, err);
    if (r != -E_EXISTS || !hp->owner_alive || streq(str_text(holder), owner) ||
        hp->owner_alive(str_text(holder)))
        return r;
    AUTO_STR path = STR_INIT;
    port_path(hp, udp, port, &path);
    unlink(path.data);
    return claim(hp, owner, udp, port, holder, err);
}

static int take_fixed(struct host_ports *hp, const char *owner, bool udp, uint16_t port,
                      struct error *err)
{
    AUTO_STR holder = STR_INIT;
    int r = claim_live(hp, owner, udp, port, &holder, err);
    if (r == -E_EXISTS && streq(str_text(&holder), owner))
        return 0;
    if (r == -E_EXISTS)
        return fail(err, E_CONFLICT,
                    "Bind for 0.0.0.0:%u failed: port is already allocated", port);
    if (r < 0)
        return r;
    r = host_port_check(udp, port, err);
    if (r < 0) {
        struct error ignored;
        host_ports_give_back(hp, udp, port, &ignored);
    }
    return r;
}

int host_ports_take(struct host_ports *hp, const char *owner, bool udp, uint16_t wanted,
                    uint16_t *ret, struct error *err)
{
    if (wanted) {
        *ret = wanted;
        return take_fixed(hp, owner, udp, wanted, err);
    }
    unsigned count = (unsigned)hp->high - hp->low + 1;
    AUTO_STR holder = STR_INIT;
    for (unsigned i = 0; i < count; i++) {
        uint16_t port = hp->next;
        hp->next = port == hp->high ? hp->low : (uint16_t)(port + 1);
        int r = claim_live(hp, owner, udp, port, &holder, err);
        if (r == -E_EXISTS)
            continue;
        if (r == 0)
            r = host_port_check(udp, port, err);
        if (r == 0) {
            *ret = port;
            return 0;
        }
        struct error ignored;
        host_ports_give_back(hp, udp, port, &ignored);
        if (r != -E_CONFLICT)
            return r;
    }
    return fail(err, E_FULL, "no free host port in %u-%u", hp->low, hp->high);
}

/* How many of the ports from `first` on could be taken; the first failure that is not
 * about somebody having a port. */
static int take_row(struct host_ports *hp, const char *owner, bool udp, uint16_t first,
                    unsigned count, unsigned *ret_taken, struct error *err)
{
    AUTO_STR holder = STR_INIT;
    unsigned n = 0;
    int r = 0;
    while (n < count && r == 0) {
        uint16_t port = (uint16_t)(first + n);
        r = claim_live(hp, owner, udp, port, &holder, err);
        if (r == 0) {
            n++;
            r = host_port_check(udp, port, err);
        }
    }
    *ret_taken = n;
    return r == -E_EXISTS ? -E_CONFLICT : r;
}

int host_ports_take_range(struct host_ports *hp, const char *owner, bool udp,
                          unsigned count, uint16_t *ret, struct error *err)
{
    unsigned first = hp->low;
    while (count > 0 && first + count - 1 <= hp->high) {
        unsigned taken = 0;
        int r = take_row(hp, owner, udp, (uint16_t)first, count, &taken, err);
        if (r == 0) {
            *ret = (uint16_t)first;
            return 0;
        }
        struct error ignored;
        for (unsigned i = 0; i < taken; i++)
            host_ports_give_back(hp, udp, (uint16_t)(first + i), &ignored);
        if (r != -E_CONFLICT)
            return r;
        /* whoever has the one behind those taken is in the way of all before it too; when
         * a listener was in the way, that is the last one taken */
        first += taken > 0 ? taken : 1;
    }
    return fail(err, E_FULL, "no %u free host ports in a row in %u-%u", count, hp->low,
                hp->high);
}

int host_ports_give_back(struct host_ports *hp, bool udp, uint16_t port,
                         struct error *err)
{
    AUTO_STR path = STR_INIT;
    port_path(hp, udp, port, &path);
    if (unlink(path.data) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", path.data);
    return 0;
}

int host_ports_sweep(struct host_ports *hp, bool (*keep)(void *arg, const char *owner),
                     void *arg, struct error *err)
{
    DIR *d = opendir(hp->dir);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", hp->dir);
    struct dirent *e;
    AUTO_STR owner = STR_INIT;
    struct error ignored;
    int r = 0;
    while (r == 0 && (e = readdir(d))) {
        if (!str_starts(e->d_name, "tcp-") && !str_starts(e->d_name, "udp-"))
            continue;
        if (file_read(dirfd(d), e->d_name, 512, &owner, &ignored) < 0 ||
            keep(arg, str_text(&owner)))
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != ENOENT)
            r = fail_errno(err, errno, "remove '%s/%s'", hp->dir, e->d_name);
    }
    closedir(d);
    return r;
}
