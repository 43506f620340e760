/* Names of users and groups as the image knows them.
 *
 * The image is not trusted: its /etc may be a link to anywhere and its passwd may be
 * gigabytes of anything. The kernel resolves the path inside the root, what is not a
 * regular file is not read, and a bound holds. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "oci_spec.h"

#define FILE_MAX_BYTES (4 * 1024 * 1024)

/* A missing file is an empty one: many images have neither. */
static int read_in_root(const char *rootfs, const char *path, struct str *ret,
                        struct error *err)
{
    AUTO_FD root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return fail_errno(err, errno, "open '%s'", rootfs);
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    AUTO_FD fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    struct stat st;
    str_clear(ret);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail_errno(err, errno, "open '%s' of the image", path);
    if (!S_ISREG(st.st_mode))
        return fail(err, E_CORRUPT, "'%s' of the image is not a file", path);
    char magic[64];
    snprintf(magic, sizeof(magic), "/proc/self/fd/%d", fd);
    int r = file_read(AT_FDCWD, magic, FILE_MAX_BYTES, ret, err);
    return r == -E_LIMIT ? fail(err, E_CORRUPT, "'%s' of the image is too large", path)
                         : r;
}

/* Cuts a line at its colons; the number of fields found. */
static int split(char *line, char *fields[], int max)
{
    int n = 0;
    for (char *p = line; p && n < max; n++) {
        fields[n] = p;
        p = strchr(p, ':');
        if (p)
            *p++ = '\0';
    }
    return n;
}

static bool to_id(const char *text, uint32_t *ret)
{
    int64_t v;
    /* The last value means "no id" to the kernel. */
    if (!str_to_i64(text, 0, UINT32_MAX - 1, &v))
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* Next line of text that is a string of its own; NULL at the end. Bytes after a NUL in
 * the file are of no interest: such a file is not text. */
static char *next_line(char **at)
{
    char *line = *at;
    if (!line || !*line)
        return NULL;
    char *end = strchr(line, '\n');
    if (end)
        *end++ = '\0';
    *at = end;
    return line;
}

struct passwd_line {
    bool found;
    uint32_t uid, gid;
    char name[256], home[256];
};

static void find_user(char *text, const char *user, struct passwd_line *ret)
{
    uint32_t wanted = 0;
    bool numeric = to_id(user, &wanted);
    struct passwd_line by_number = {0};
    char *at = text, *f[7];
    for (char *line; (line = next_line(&at));) {
        struct passwd_line e = {.found = true};
        if (line[0] == '#' || split(line, f, 7) < 6 || !to_id(f[2], &e.uid) ||
            !to_id(f[3], &e.gid) || strlen(f[0]) >= sizeof(e.name))
            continue;
        snprintf(e.name, sizeof(e.name), "%s", f[0]);
        snprintf(e.home, sizeof(e.home), "%s", f[5]);
        if (streq(f[0], user)) {
            *ret = e;
            return;
        }
        if (numeric && e.uid == wanted && !by_number.found)
            by_number = e;
    }
    *ret = by_number;
}

static bool member_of(char *list, const char *name)
{
    char *save = NULL;
    for (char *m = strtok_r(list, ",", &save); m; m = strtok_r(NULL, ",", &save))
        if (streq(m, name))
            return true;
    return false;
}

static bool find_group(char *text, const char *group, uint32_t *ret)
{
    char *at = text, *f[4];
    for (char *line; (line = next_line(&at));) {
        uint32_t gid;
        if (split(line, f, 4) >= 3 && to_id(f[2], &gid) && streq(f[0], group)) {
            *ret = gid;
            return true;
        }
    }
    return to_id(group, ret);
}

static void find_memberships(char *text, const char *name, struct user_ids *ids)
{
    char *at = text, *f[4];
    const size_t max = sizeof(ids->extra) / sizeof(ids->extra[0]);
    for (char *line; (line = next_line(&at)) && ids->extra_count < max;) {
        uint32_t gid;
        if (split(line, f, 4) == 4 && to_id(f[2], &gid) && gid != ids->gid &&
            member_of(f[3], name))
            ids->extra[ids->extra_count++] = gid;
    }
}

int user_lookup(const char *rootfs, const char *user, struct user_ids *ret,
                struct error *err)
{
    struct user_ids ids = {.home = "/"};
    char name[256];
    if (str_empty(user))
        user = "0";
    const char *colon = strchr(user, ':');
    size_t n = colon ? (size_t)(colon - user) : strlen(user);
    if (n >= sizeof(name))
        return fail(err, E_INVALID, "user name is too long");
    memcpy(name, user, n);
    name[n] = '\0';
    if (n == 0)
        snprintf(name, sizeof(name), "0");

    AUTO_STR passwd = STR_INIT, groups = STR_INIT;
    int r = read_in_root(rootfs, "etc/passwd", &passwd, err);
    if (r == 0)
        r = read_in_root(rootfs, "etc/group", &groups, err);
    if (r < 0)
        return r;
    struct passwd_line line = {0};
    if (passwd.data)
        find_user(passwd.data, name, &line);
    if (line.found) {
        ids.uid = line.uid;
        ids.gid = line.gid;
        if (line.home[0] == '/' && utf8_valid(line.home, strlen(line.home)))
            snprintf(ids.home, sizeof(ids.home), "%s", line.home);
    } else if (!to_id(name, &ids.uid)) {
        return fail(err, E_INVALID,
                    "unable to find user %s: no matching entries in passwd file", name);
    }
    if (colon && colon[1]) {
        /* An explicit group stands alone, as with Docker. */
        if (!find_group(groups.data, colon + 1, &ids.gid))
            return fail(err, E_INVALID,
                        "unable to find group %s: no matching entries in group file",
                        colon + 1);
    } else if (line.found && groups.data) {
        find_memberships(groups.data, line.name, &ids);
    }
    *ret = ids;
    return 0;
}
