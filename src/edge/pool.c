#include "pool.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "arena.h"
#include "fd.h"
#include "link.h"
#include "str.h"

#define POOL_RANGE      UINT32_C(0xc6120000) /* 198.18.0.0/15 */
#define POOL_PREFIX_LEN 20
#define POOL_COUNT      32 /* of them in the range */
#define ROUTES_MAX      100000

static uint32_t mask_of(int prefix_len)
{
    return prefix_len == 0 ? 0 : ~UINT32_C(0) << (32 - prefix_len);
}

int pool_parse(const char *text, struct pool *ret, struct error *err)
{
    char address[16];
    struct in_addr in;
    int64_t prefix_len;
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : sizeof(address);
    if (n >= sizeof(address))
        return fail(err, E_INVALID, "'%s' is no range such as 198.18.16.0/20", text);
    memcpy(address, text, n);
    address[n] = '\0';
    if (inet_pton(AF_INET, address, &in) != 1 ||
        !str_to_i64(slash + 1, 16, 23, &prefix_len))
        return fail(err, E_INVALID,
                    "'%s' is no range such as 198.18.16.0/20 (/16 to /23)", text);
    *ret = (struct pool){.base = ntohl(in.s_addr), .prefix_len = (int)prefix_len};
    if (ret->base & ~mask_of(ret->prefix_len))
        return fail(err, E_INVALID, "'%s': the range does not begin at that address",
                    text);
    return 0;
}

struct pool_text pool_text(const struct pool *p)
{
    struct pool_text t;
    char address[INET_ADDRSTRLEN];
    struct in_addr first = {htonl(p->base)}, second = {htonl(p->base + 2)};
    inet_ntop(AF_INET, &first, address, sizeof(address));
    snprintf(t.cidr, sizeof(t.cidr), "%s/%d", address, p->prefix_len);
    inet_ntop(AF_INET, &second, t.resolver, sizeof(t.resolver));
    return t;
}

bool pool_overlaps(const struct pool *p, uint32_t base, int prefix_len)
{
    uint32_t mask = mask_of(prefix_len < p->prefix_len ? prefix_len : p->prefix_len);
    return (p->base & mask) == (base & mask);
}

static bool is_free(const struct pool *p, const struct pool_route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (routes[i].prefix_len > 0 &&
            pool_overlaps(p, routes[i].base, routes[i].prefix_len))
            return false;
    return true;
}

int pool_choose(const struct pool_route *routes, size_t count, uint32_t seed,
                struct pool *ret, struct error *err)
{
    for (uint32_t i = 0; i < POOL_COUNT; i++) {
        uint32_t nth = (seed + i) % POOL_COUNT;
        *ret = (struct pool){.base = POOL_RANGE + (nth << (32 - POOL_PREFIX_LEN)),
                             .prefix_len = POOL_PREFIX_LEN};
        if (is_free(ret, routes, count))
            return 0;
    }
    return fail(err, E_FULL,
                "all of 198.18.0.0/15 is routed on this machine: say --public-pool CIDR");
}

/* ---- what others have ---- */

struct route_list {
    struct pool_route *v;
    size_t n;
};

static void add(struct route_list *l, uint32_t base, int prefix_len)
{
    if (l->n == ROUTES_MAX)
        return;
    if ((l->n & (l->n - 1)) == 0)
        l->v = xrealloc(l->v, (l->n ? 2 * l->n : 1) * sizeof(*l->v));
    l->v[l->n++] = (struct pool_route){base, prefix_len};
}

static void add_route(void *arg, uint32_t dest_be, int prefix_len, int out_index)
{
    add(arg, ntohl(dest_be), prefix_len);
}

static int read_routes(struct route_list *ret, struct error *err)
{
    AUTO_LINK link = {.fd = -1};
    int r = link_open(&link, err);
    return r < 0 ? r : link_each_route(&link, add_route, ret, err);
}

int pool_read(const char *path, struct pool *ret, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = file_read(AT_FDCWD, path, 64, &text, err);
    if (r < 0)
        return r;
    str_addc(&text, '\n');
    text.data[strcspn(text.data, "\n")] = '\0';
    return pool_parse(text.data, ret, err);
}

/* A claim is a range and, in a second line, where its run keeps it. A run whose data are gone
 * claims nothing any more, purged or not. */
static bool read_claim(int dir, const char *name, struct pool *ret)
{
    AUTO_STR text = STR_INIT;
    struct pool kept;
    if (file_read(dir, name, 4096, &text, NULL) < 0 || text.len == 0)
        return false;
    char *path = strchr(text.data, '\n');
    if (!path)
        return false;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    return pool_parse(text.data, ret, NULL) == 0 && pool_read(path, &kept, NULL) == 0 &&
           kept.base == ret->base;
}

static int read_claims(const struct pool_place *p, struct route_list *ret,
                       struct error *err)
{
    struct pool claimed;
    DIR *d = opendir(p->claims);
    if (!d)
        return fail_errno(err, errno, "open '%s'", p->claims);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && !streq(e->d_name, p->run) &&
            read_claim(dirfd(d), e->d_name, &claimed))
            add(ret, claimed.base, claimed.prefix_len);
    closedir(d);
    return 0;
}

/* ---- the run's ---- */

static int put(const char *path, const struct pool *p, const char *second,
               struct error *err)
{
    AUTO_STR text = STR_INIT;
    str_addf(&text, "%s\n%s%s", pool_text(p).cidr, second, *second ? "\n" : "");
    return file_replace(path, text.data, text.len, 0644, 1, err);
}

static void claim_path(const struct pool_place *p, struct str *ret)
{
    str_addf(ret, "%s/%s", p->claims, p->run);
}

/* Runs are spread, so that one which is down and one that is new seldom want the same. */
static uint32_t seed_of(const char *run)
{
    uint32_t h = UINT32_C(2166136261);
    for (; *run; run++)
        h = (h ^ (unsigned char)*run) * UINT32_C(16777619);
    return h;
}

/* A pool that we had before may have routes: our own of before. Another run's claim on it is
 * a conflict all the same. */
static int decide(const struct pool_place *p, const char *wanted, struct pool *ret,
                  struct route_list *taken, struct error *err)
{
    struct pool kept;
    bool has_kept = pool_read(p->kept, &kept, NULL) == 0;
    int r = wanted ? pool_parse(wanted, ret, err) : 0;
    if (r < 0 || (r = read_claims(p, taken, err)) < 0)
        return r;
    bool same =
        has_kept &&
        (!wanted || (ret->base == kept.base && ret->prefix_len == kept.prefix_len));
    if (same)
        *ret = kept;
    else if ((r = read_routes(taken, err)) < 0)
        return r;
    if (!same && !wanted)
        return pool_choose(taken->v, taken->n, seed_of(p->run), ret, err);
    if (is_free(ret, taken->v, taken->n))
        return 0;
    return fail(err, E_CONFLICT,
                "the public addresses %s overlap a route of this machine or another run "
                "of gantry: say --public-pool CIDR",
                pool_text(ret).cidr);
}

int pool_settle(const struct pool_place *p, const char *wanted, struct pool *ret,
                struct error *err)
{
    struct route_list taken = {0};
    AUTO_STR claim = STR_INIT;
    int r = dir_make_all(p->claims, 0755, err);
    if (r < 0)
        return r;
    AUTO_FD lock = open(p->claims, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return fail_errno(err, errno, "lock '%s'", p->claims);
    r = decide(p, wanted, ret, &taken, err);
    free(taken.v);
    claim_path(p, &claim);
    if (r == 0)
        r = put(p->kept, ret, "", err);
    return r == 0 ? put(claim.data, ret, p->kept, err) : r;
}

int pool_release(const struct pool_place *p, struct error *err)
{
    AUTO_STR claim = STR_INIT;
    claim_path(p, &claim);
    if (unlink(claim.data) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", claim.data);
    (void)rmdir(p->claims); /* the last one */
    return 0;
}
