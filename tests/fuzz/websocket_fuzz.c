/* Frames of a stranger, as bytes that came with the handshake. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "str.h"
#include "websocket.h"

static int on_message(void *ctx, enum websocket_kind kind, const void *data, size_t len,
                      struct error *err)
{
    if (len > 1000)
        abort();
    return websocket_send(*(struct websocket **)ctx, kind, data, len, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    struct websocket *w = NULL;
    struct error err;
    char accept[WEBSOCKET_ACCEPT_SIZE];
    AUTO_STR text = STR_INIT;
    str_addn(&text, data, size);
    (void)websocket_accept(str_text(&text), accept);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return 0;
    struct websocket_config config = {.fd = fds[0],
                                      .client = size & 1,
                                      .max_message = 1000,
                                      .max_queued = 5000,
                                      .early = data,
                                      .early_len = size,
                                      .on_message = on_message,
                                      .ctx = &w};
    w = websocket_new(&config);
    while (websocket_has_early(w) && websocket_read(w, &err) == 0)
        (void)websocket_flush(w, &err);
    websocket_free(w);
    close(fds[0]);
    close(fds[1]);
    return 0;
}
