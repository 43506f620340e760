#include "layer_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fd.h"
#include "layer.h"

#define MAX_LINKS 40 /* as the kernel */

void layer_path_init(struct layer_path *p, int root_fd, bool unprivileged)
{
    *p = (struct layer_path){
        .root_fd = root_fd, .unprivileged = unprivileged, .last_fd = -1};
}

void layer_path_forget(struct layer_path *p)
{
    fd_close(&p->last_fd);
}

void layer_path_fini(struct layer_path *p)
{
    layer_path_forget(p);
    str_free(&p->last);
}

int layer_name_check(const char *name, struct str *ret, struct error *err)
{
    unsigned depth = 0;
    str_clear(ret);
    str_add(ret, "");
    if (name[0] == '/')
        return fail(err, E_INVALID, "'%.200s' is an absolute name", name);
    if (strlen(name) >= PATH_MAX)
        return fail(err, E_LIMIT, "a name is longer than %d bytes", PATH_MAX - 1);
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && memcmp(p, "..", 2) == 0)
            return fail(err, E_INVALID, "'%.200s' has '..' in it", name);
        if (n > NAME_MAX)
            return fail(err, E_LIMIT, "'%.200s…' has a part longer than %d bytes", name,
                        NAME_MAX);
        if (n > 0 && !(n == 1 && *p == '.')) {
            if (++depth > LAYER_MAX_DEPTH)
                return fail(err, E_LIMIT, "'%.200s…' is deeper than %d", name,
                            LAYER_MAX_DEPTH);
            str_add(ret, ret->len ? "/" : "");
            str_addn(ret, p, n);
        }
        p += n;
        p += strspn(p, "/");
    }
    return 0;
}

static int open_in(int root, const char *path, uint64_t resolve)
{
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = resolve | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;
    /* EAGAIN: something was renamed somewhere while ".." was resolved. */
    for (int i = 0; i < 128; i++) {
        fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return (int)fd;
}

void layer_fd_path(int dir_fd, const char *name, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "/proc/self/fd/%d/%s", dir_fd, name);
}

bool layer_is_whiteout(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
           st.st_rdev == makedev(0, 0);
}

int layer_set_opaque(int dir_fd, const char *name, struct error *err)
{
    AUTO_STR path = STR_INIT;
    layer_fd_path(dir_fd, name, &path);
    if (lsetxattr(path.data, "trusted.overlay.opaque", "y", 1, 0) < 0)
        return fail_errno(err, errno, "mark directory '%s' opaque", name);
    return 0;
}

/* ---- the slow way: a parent is missing, or is a whiteout ---- */

struct walk {
    struct str done; /* real directories, no links: a/b */
    struct str todo; /* still to go */
    unsigned links;
};

static void pop(struct str *s)
{
    const char *slash = s->len ? strrchr(s->data, '/') : NULL;
    s->len = slash ? (size_t)(slash - s->data) : 0;
    if (s->data)
        s->data[s->len] = '\0';
}

/* The next component of todo into name; false when there is none. */
static bool take(struct str *todo, char name[static NAME_MAX + 1])
{
    size_t skip = strspn(str_text(todo), "/");
    size_t n = strcspn(str_text(todo) + skip, "/");
    if (n == 0)
        return false;
    n = n > NAME_MAX ? NAME_MAX : n;
    memcpy(name, todo->data + skip, n);
    name[n] = '\0';
    todo->len -= skip + n;
    memmove(todo->data, todo->data + skip + n, todo->len + 1);
    return true;
}

static int follow(struct walk *w, int dir, const char *name, struct error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
    if (n < 0)
        return fail_errno(err, errno, "read link '%s'", name);
    target[n] = '\0';
    if (++w->links > MAX_LINKS || w->todo.len + (size_t)n > 2 * PATH_MAX)
        return fail(err, E_INVALID, "too many links at '%s'", name);
    AUTO_STR todo = STR_INIT;
    str_addf(&todo, "%s/%s", target, str_text(&w->todo));
    str_clear(&w->todo);
    str_addn(&w->todo, todo.data, todo.len);
    if (target[0] == '/')
        str_clear(&w->done);
    return 0;
}

static int make_dir(struct layer_path *p, int dir, const char *name, bool opaque,
                    struct error *err)
{
    if (mkdirat(dir, name, 0755) < 0 || fchmodat(dir, name, 0755, 0) < 0)
        return fail_errno(err, errno, "make directory '%s'", name);
    return opaque && !p->unprivileged ? layer_set_opaque(dir, name, err) : 0;
}

static int walk_one(struct layer_path *p, struct walk *w, const char *name, bool create,
                    struct error *err)
{
    if (streq(name, "."))
        return 0;
    if (streq(name, "..")) {
        pop(&w->done);
        return 0;
    }
    AUTO_FD dir =
        open_in(p->root_fd, str_text(&w->done), RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    struct stat st;
    if (dir < 0)
        return fail_errno(err, errno, "open '%s'", str_text(&w->done));
    bool whiteout = layer_is_whiteout(dir, name);
    if (whiteout && create && unlinkat(dir, name, 0) < 0)
        return fail_errno(err, errno, "replace whiteout '%s'", name);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return fail_errno(err, errno, "stat '%s'", name);
        if (!create)
            return fail(err, E_NOTFOUND, "'%s' is not there", name);
        int r = make_dir(p, dir, name, whiteout, err);
        if (r < 0)
            return r;
    } else if (S_ISLNK(st.st_mode)) {
        return follow(w, dir, name, err);
    } else if (!S_ISDIR(st.st_mode)) {
        return fail(err, E_INVALID, "'%s' is no directory", name);
    }
    str_add(&w->done, w->done.len ? "/" : "");
    str_add(&w->done, name);
    return 0;
}

static int walk(struct layer_path *p, const char *dir, bool create, int *ret_fd,
                struct error *err)
{
    struct walk w = {0};
    char name[NAME_MAX + 1];
    int r = 0;
    str_add(&w.todo, dir);
    str_add(&w.done, "");
    while (r == 0 && take(&w.todo, name))
        r = walk_one(p, &w, name, create, err);
    if (r == 0) {
        *ret_fd = open_in(p->root_fd, w.done.data, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        if (*ret_fd < 0)
            r = fail_errno(err, errno, "open '%s'", w.done.data);
    }
    str_free(&w.todo);
    str_free(&w.done);
    return r;
}

/* A link can stand for a deep directory, and lead deeper each time it is used. */
static int depth_check(struct layer_path *p, struct error *err)
{
    char root[PATH_MAX], here[PATH_MAX];
    AUTO_STR link = STR_INIT;
    str_addf(&link, "/proc/self/fd/%d", p->root_fd);
    ssize_t r = readlink(link.data, root, sizeof(root));
    str_clear(&link);
    str_addf(&link, "/proc/self/fd/%d", p->last_fd);
    ssize_t n = readlink(link.data, here, sizeof(here));
    unsigned depth = 0;
    for (ssize_t i = r > 0 ? r : 0; i < n; i++)
        depth += here[i] == '/';
    if (r < 0 || n < 0 || n == sizeof(here) || depth > LAYER_MAX_DEPTH) {
        layer_path_forget(p);
        return fail(err, E_LIMIT, "'%.200s…' is deeper than %d", str_text(&p->last),
                    LAYER_MAX_DEPTH);
    }
    return 0;
}

int layer_path_parent(struct layer_path *p, const char *path, bool create, int *ret_fd,
                      const char **ret_name, struct error *err)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    *ret_name = slash ? slash + 1 : path;
    if (p->last_fd >= 0 && p->last.len == n && memcmp(str_text(&p->last), path, n) == 0) {
        *ret_fd = p->last_fd;
        return 0;
    }
    layer_path_forget(p);
    str_clear(&p->last);
    str_addn(&p->last, path, n);
    p->last_fd = open_in(p->root_fd, str_text(&p->last), RESOLVE_IN_ROOT);
    if (p->last_fd < 0) {
        if (errno == ENOSYS)
            return fail(err, E_UNSUPPORTED, "openat2(2) is missing: Linux 5.6 is needed");
        p->last_fd = -1;
        int r = walk(p, str_text(&p->last), create, &p->last_fd, err);
        if (r < 0)
            return r;
    }
    *ret_fd = p->last_fd;
    return depth_check(p, err);
}
