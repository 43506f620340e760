#include "http_mhd.h"

struct mhd_calls mhd;

static const char *const names[] = {MHD_CALLS(LAZY_NAME)};
static struct lazy_library library =
    LAZY_LIBRARY("libmicrohttpd.so.12", "libmicrohttpd12", mhd, names);

int mhd_load(struct error *err)
{
    return lazy_load(&library, err);
}
