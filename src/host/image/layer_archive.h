/* layer_archive.h: libarchive, loaded when a layer is first unpacked (lazy.h): an agent
 * whose images are all here never pays for it.
 * Threads: any, after archive_load(). Fails: E_UNSUPPORTED when it is not installed. */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "error.h"
#include "lazy.h"

#define ARCHIVE_CALLS(X)                                                                 \
    X(archive_entry_filetype)                                                            \
    X(archive_entry_gid)                                                                 \
    X(archive_entry_hardlink)                                                            \
    X(archive_entry_mtime)                                                               \
    X(archive_entry_mtime_is_set)                                                        \
    X(archive_entry_mtime_nsec)                                                          \
    X(archive_entry_pathname)                                                            \
    X(archive_entry_perm)                                                                \
    X(archive_entry_rdevmajor)                                                           \
    X(archive_entry_rdevminor)                                                           \
    X(archive_entry_size)                                                                \
    X(archive_entry_symlink)                                                             \
    X(archive_entry_uid)                                                                 \
    X(archive_entry_xattr_next)                                                          \
    X(archive_entry_xattr_reset)                                                         \
    X(archive_error_string)                                                              \
    X(archive_read_data_block)                                                           \
    X(archive_read_free)                                                                 \
    X(archive_read_new)                                                                  \
    X(archive_read_next_header)                                                          \
    X(archive_read_open)                                                                 \
    X(archive_read_support_format_empty)                                                 \
    X(archive_read_support_format_tar)                                                   \
    X(archive_set_error)

struct archive_calls {
    ARCHIVE_CALLS(LAZY_FIELD)
};
extern struct archive_calls la;

int archive_load(struct error *err);
