#include "log_bound.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "str.h"

void log_bound(const char *path, off_t bound)
{
    struct stat st;
    if (stat(path, &st) < 0 || st.st_size <= bound)
        return;
    AUTO_STR older = STR_INIT;
    str_addf(&older, "%s.1", path);
    AUTO_FD from = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    AUTO_FD to =
        open(older.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (from < 0 || to < 0)
        return;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
        if (n <= 0)
            break;
        left -= n;
    }
    /* Even when the copy failed, as on a full disk: a log must not fill it. */
    if (ftruncate(from, 0) < 0)
        return;
}
