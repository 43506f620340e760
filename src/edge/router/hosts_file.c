#include "hosts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "fd.h"

#define HOSTS_MAX (16u << 20)

static bool line_is(const char *line, size_t len, const struct str *mark)
{
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    return len == mark->len && memcmp(line, mark->data, len) == 0;
}

static const char *line_end(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

/* The end of the block that begins behind `at`; NULL: it has none before the next begins. */
static const char *block_end(const char *at, const struct str *begin,
                             const struct str *end)
{
    for (const char *next; *at; at = next) {
        next = line_end(at);
        if (line_is(at, (size_t)(next - at), end))
            return next;
        if (line_is(at, (size_t)(next - at), begin))
            return NULL;
    }
    return NULL;
}

static void add_block(struct str *ret, const struct str *begin, const struct str *end,
                      const char *lines)
{
    if (str_empty(lines))
        return;
    if (ret->len > 0 && ret->data[ret->len - 1] != '\n')
        str_addc(ret, '\n');
    str_addf(ret, "%s\n%s%s\n", begin->data, lines, end->data);
}

void hosts_text(const char *text, const char *run, const char *lines, struct str *ret)
{
    AUTO_STR begin = STR_INIT;
    AUTO_STR end = STR_INIT;
    bool placed = false;
    str_addf(&begin, "# gantry %s: begin", run);
    str_addf(&end, "# gantry %s: end", run);
    for (const char *next; *text; text = next) {
        next = line_end(text);
        if (!line_is(text, (size_t)(next - text), &begin)) {
            str_addn(ret, text, (size_t)(next - text));
            continue;
        }
        const char *behind = block_end(next, &begin, &end);
        next = behind ? behind : next;
        if (!placed)
            add_block(ret, &begin, &end, lines);
        placed = true;
    }
    if (!placed)
        add_block(ret, &begin, &end, lines);
}

/* In place. What is cut off goes last, so that whoever reads meanwhile misses nothing. */
static int write_all(int fd, const struct str *text, const char *path, struct error *err)
{
    if (lseek(fd, 0, SEEK_SET) < 0)
        return fail_errno(err, errno, "write '%s'", path);
    int r = fd_write_all(fd, str_text(text), text->len, err);
    if (r == 0 && ftruncate(fd, (off_t)text->len) < 0)
        r = fail_errno(err, errno, "write '%s'", path);
    return r;
}

int hosts_file_set(const char *path, const char *run, const char *lines,
                   struct error *err)
{
    AUTO_STR before = STR_INIT;
    AUTO_STR after = STR_INIT;
    AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", path);
    if (flock(fd, LOCK_EX) < 0)
        return fail_errno(err, errno, "lock '%s'", path);
    int r = file_read(AT_FDCWD, path, HOSTS_MAX, &before, err);
    if (r < 0)
        return r;
    hosts_text(str_text(&before), run, lines, &after);
    if (streq(str_text(&before), str_text(&after)))
        return 0;
    return write_all(fd, &after, path, err);
}
