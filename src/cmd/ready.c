#include "ready.h"

#include <stdio.h>
#include <unistd.h>

#include "str.h"

static void say(int64_t fd, const char *word, const char *text)
{
    AUTO_STR line = STR_INIT;
    if (fd < 0)
        return;
    str_addf(&line, "%s %s", word, text);
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '\n')
            line.data[i] = ' ';
    str_addc(&line, '\n');
    ssize_t n = write((int)fd, line.data, line.len);
    (void)n;
    close((int)fd);
}

void ready_say(int64_t fd, const char *url)
{
    if (fd < 0) {
        printf("gantry ready: %s\n", url);
        fflush(stdout);
    }
    say(fd, "ready", url);
}

int ready_failed(int64_t fd, int r, const struct error *err)
{
    say(fd, "failed", err->text);
    return fd < 0 ? r : 1;
}
