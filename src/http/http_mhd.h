/* http_mhd.h: libmicrohttpd, loaded when a server is first started: an agent never needs it,
 * and it brings GnuTLS along (lazy.h).
 * Threads: any, after mhd_load(). Fails: E_UNSUPPORTED when it is not installed. */
#pragma once

#include <microhttpd.h>

#include "error.h"
#include "lazy.h"

#define MHD_CALLS(X)                                                                     \
    X(MHD_start_daemon)                                                                  \
    X(MHD_stop_daemon)                                                                   \
    X(MHD_suspend_connection)                                                            \
    X(MHD_resume_connection)                                                             \
    X(MHD_get_connection_info)                                                           \
    X(MHD_get_connection_values)                                                         \
    X(MHD_queue_response)                                                                \
    X(MHD_create_response_from_buffer)                                                   \
    X(MHD_create_response_from_buffer_with_free_callback_cls)                            \
    X(MHD_create_response_from_fd_at_offset64)                                           \
    X(MHD_create_response_from_callback)                                                 \
    X(MHD_create_response_for_upgrade)                                                   \
    X(MHD_upgrade_action)                                                                \
    X(MHD_add_response_header)                                                           \
    X(MHD_destroy_response)

struct mhd_calls {
    MHD_CALLS(LAZY_FIELD)
};
extern struct mhd_calls mhd;

int mhd_load(struct error *err);
