#include "renew.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "fd.h"

#define DELETED       " (deleted)"
#define ARGUMENTS_MAX 256

int renew_find(struct str *ret_path, struct error *err)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[n < 0 ? 0 : n] = 0;
    if (!str_ends(path, DELETED))
        return fail(err, E_NOTFOUND, "'%s' is what runs already", path);
    path[(size_t)n - strlen(DELETED)] = 0;
    if (access(path, X_OK) < 0)
        return fail(err, E_NOTFOUND, "'%s' can't be executed", path);
    str_add(ret_path, path);
    return 0;
}

/* The pipe of --ready-fd is closed by now, and its number may mean something else. */
static bool takes_part(const char *argument, bool *skip_next)
{
    bool skipped = *skip_next;
    *skip_next = streq(argument, "--ready-fd");
    return !skipped && !*skip_next && !str_starts(argument, "--ready-fd=");
}

int renew_exec(struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    char *args[ARGUMENTS_MAX + 1];
    size_t n = 0;
    bool skip = false;
    int r = renew_find(&path, err);
    if (r == 0)
        r = file_read(AT_FDCWD, "/proc/self/cmdline", 1 << 20, &text, err);
    if (r < 0)
        return r;
    for (size_t at = 0; at < text.len && n < ARGUMENTS_MAX;
         at += strlen(text.data + at) + 1)
        if (takes_part(text.data + at, &skip))
            args[n++] = text.data + at;
    args[n] = NULL;
    if (!n)
        return fail(err, E_EXEC, "the agent has no arguments");
    execv(path.data, args);
    return fail(err, E_EXEC, "executing '%s': %s", path.data, strerror(errno));
}
