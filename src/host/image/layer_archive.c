#include "layer_archive.h"

struct archive_calls la;

static const char *const names[] = {ARCHIVE_CALLS(LAZY_NAME)};
static struct lazy_library library =
    LAZY_LIBRARY("libarchive.so.13", "libarchive13", la, names);

int archive_load(struct error *err)
{
    return lazy_load(&library, err);
}
