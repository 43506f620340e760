/* tar_unpack_fuzz.c: a layer of any bytes is unpacked into a fresh directory. Whatever it
 * is, nothing may appear beside that directory, and the tree can be removed afterwards. */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    const uint8_t *data;
    size_t left;
};

static int64_t read_source(void *ctx, void *buf, size_t cap, struct error *err)
{
    struct source *s = ctx;
    size_t n = s->left < cap ? s->left : cap;
    memcpy(buf, s->data, n);
    s->data += n;
    s->left -= n;
    return (int64_t)n;
}

static unsigned entries_in(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    assert(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char outer[] = "/tmp/gantry-fuzz-XXXXXX", root[64];
    struct source s = {data, size};
    struct layer_options o = {
        .max_bytes = 1 << 20, .max_entries = 1000, .unprivileged = true};
    struct error err = ERROR_INIT;
    if (!mkdtemp(outer))
        return 0;
    strcpy(root, outer);
    strcat(root, "/root");
    assert(mkdir(root, 0700) == 0);
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert(fd >= 0);
    int r = layer_unpack(fd, read_source, &s, &o, NULL, &err);
    assert(r == 0 || (err.code != E_OK && err.text[0]));
    close(fd);
    assert(entries_in(outer) == 3); /* . .. root */
    assert(dir_remove_all(outer, &err) == 0);
    return 0;
}
