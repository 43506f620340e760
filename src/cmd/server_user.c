#include "server_user.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "str.h"

int server_user_find(const char *name, struct server_user *ret, struct error *err)
{
    int64_t number;
    struct passwd *pw = getpwnam(name ? name : "gantry");
    if (pw) {
        *ret = (struct server_user){pw->pw_uid, pw->pw_gid};
    } else if (!name) {
        *ret = (struct server_user){SERVER_UID, SERVER_UID};
    } else if (str_to_i64(name, 0, UINT32_MAX - 1, &number)) {
        pw = getpwuid((uid_t)number);
        *ret = (struct server_user){(uid_t)number, pw ? pw->pw_gid : (gid_t)number};
    } else {
        return fail(err, E_NOTFOUND, "there is no user '%s'", name);
    }
    return 0;
}

int server_user_give(const struct server_user *user, int dir, const char *path,
                     struct error *err)
{
    char *roots[] = {(char *)path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    int r = tree ? 0 : fail_errno(err, errno, "open '%s'", path);
    for (FTSENT *e; r == 0 && (e = fts_read(tree));) {
        if (e->fts_info == FTS_DP)
            continue;
        if (lchown(e->fts_path, user->uid, user->gid) < 0)
            r = fail_errno(err, errno, "giving '%s' to user %u", e->fts_path, user->uid);
    }
    if (tree)
        fts_close(tree);
    if (r == 0 && fchmod(dir, 0700) < 0)
        r = fail_errno(err, errno, "chmod '%s'", path);
    return r;
}

/* Credentials that change clear the parent-death signal: set it again, and catch the case
 * of a parent that died in between. */
static int keep_parent(int signo, pid_t parent, struct error *err)
{
    if (signo == 0)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, signo) < 0)
        return fail_errno(err, errno, "PR_SET_PDEATHSIG");
    return getppid() == parent ? 0 : fail(err, E_CANCELLED, "the supervisor is gone");
}

int server_user_become(const struct server_user *user, struct error *err)
{
    int signo = 0;
    pid_t parent = getppid();
    prctl(PR_GET_PDEATHSIG, &signo);
    if (geteuid() == 0 && user->uid != 0) {
        if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
            setresuid(user->uid, user->uid, user->uid) < 0)
            return fail_errno(err, errno, "becoming user %u", user->uid);
        if (setuid(0) == 0 || geteuid() == 0)
            return fail(err, E_DENIED, "root could not be given up");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail_errno(err, errno, "PR_SET_NO_NEW_PRIVS");
    return keep_parent(signo, parent, err);
}

int server_user_enters(const char *path, struct error *err)
{
    AUTO_STR prefix = STR_INIT;
    for (const char *p = path; p; p = strchr(p + 1, '/')) {
        str_clear(&prefix);
        str_addn(&prefix, path, p == path ? 1 : (size_t)(p - path));
        if (faccessat(AT_FDCWD, prefix.data, X_OK, AT_EACCESS) < 0)
            return fail(
                err, E_DENIED,
                "the server's user (number %u) may not enter '%s': chmod o+x '%s', "
                "choose another --data-dir, or use --user root",
                geteuid(), prefix.data, prefix.data);
    }
    return 0;
}

int server_user_reaches(const char *path, struct error *err)
{
    int r = server_user_enters(path, err);
    if (r < 0)
        return r;
    if (faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) < 0)
        return fail(err, E_DENIED,
                    "user number %u may not write '%s'; chown it or name its "
                    "owner with --user",
                    geteuid(), path);
    return 0;
}
