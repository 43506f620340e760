/* What a client may say on a data channel: pieces of the input are messages, as they are
 * (decoding), or payloads in a proper frame (the state machine). */
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "message.h"

static void on_send(void *ctx, const void *data, size_t len)
{
    struct message m;
    if (message_decode(data, len, &m, NULL) < 0)
        abort(); /* what we say can be read */
}

static void on_random(void *ctx, void *ret, size_t size)
{
    memset(ret, 1, size);
}

static void on_ready(void *ctx) {}

static void on_input(void *ctx, const void *data, size_t len) {}

static void on_resize(void *ctx, unsigned cols, unsigned rows)
{
    if (!cols || !rows || cols > 65535 || rows > 65535)
        abort();
}

static int framed(struct channel *c, int64_t now_ms, const uint8_t *p, size_t len)
{
    static const char *const types[] = {"input_stream_data", "acknowledge",
                                        "pause_publication", "start_publication"};
    AUTO_STR out = STR_INIT;
    struct error err;
    struct message m = {.payload_type = p[1] & 15,
                        .sequence = p[2],
                        .payload = p + 3,
                        .payload_len = len - 3};
    strcpy(m.type, types[p[0] & 3]);
    message_encode(&m, &out);
    return channel_receive(c, now_ms, out.data, out.len, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct channel_ops ops = {on_send, on_random, on_ready, on_input,
                                           on_resize};
    struct channel_config config = {"s", "sh", true, &ops, NULL};
    struct channel *c = channel_new(&config, 0);
    struct error err;
    int r = channel_receive(c, 0, data, size, &err);
    for (int64_t now = 1; size >= 4 && r != -E_CANCELLED; now += 100) {
        size_t n = 3 + data[0] % 64;
        n = n < size - 1 ? n : size - 1;
        if (n < 3)
            break;
        (void)framed(c, now, data + 1, n);
        if (channel_room(c) > 10)
            channel_output(c, now, data, n);
        if (data[0] == 255)
            channel_end(c, now, 1, "end");
        if (channel_tick(c, now, &err) < 0)
            break;
        data += n + 1;
        size -= n + 1;
    }
    channel_free(c);
    return 0;
}
