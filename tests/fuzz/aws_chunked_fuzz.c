/* aws-chunked bodies: the first byte chooses the kind, the second how the rest is cut. What is
 * accepted whole must be accepted in pieces, with the same bytes. */
#include <stdlib.h>

#include "aws_chunked.h"

struct out {
    struct str bytes;
};

static int emit(void *ctx, const void *data, size_t len, struct error *err)
{
    struct out *o = ctx;
    str_addn(&o->bytes, data, len);
    return 0;
}

static int decode(enum sigv4_payload kind, const uint8_t *data, size_t size, size_t piece,
                  struct out *out)
{
    struct aws_chunked_config config = {.kind = kind,
                                        .scope = "20150830/us-east-1/s3/aws4_request",
                                        .date = "20150830T123600Z",
                                        .emit = emit,
                                        .ctx = out};
    struct error err = ERROR_INIT;
    struct aws_chunked *c = aws_chunked_new(&config);
    int r = 0;
    for (size_t at = 0; at < size && r == 0; at += piece)
        r = aws_chunked_feed(c, data + at, size - at < piece ? size - at : piece, &err);
    if (r == 0)
        r = aws_chunked_finish(c, &err);
    (void)aws_chunked_trailer(c, "x-amz-checksum-crc32");
    aws_chunked_free(c);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum sigv4_payload kind = SIGV4_PAYLOAD_CHUNKED + data[0] % 3;
    size_t piece = 1 + data[1] % 64;
    struct out whole = {0}, pieces = {0};
    int a = decode(kind, data + 2, size - 2, size, &whole);
    int b = decode(kind, data + 2, size - 2, piece, &pieces);
    if (a != b || (a == 0 && (whole.bytes.len != pieces.bytes.len ||
                              memcmp(str_text(&whole.bytes), str_text(&pieces.bytes),
                                     whole.bytes.len) != 0)))
        abort();
    if (whole.bytes.len > size)
        abort();
    str_free(&whole.bytes);
    str_free(&pieces.bytes);
    return 0;
}
