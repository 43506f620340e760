#include "layer_stream.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "arena.h"

#define BUFFER_BYTES (512u << 10)
#define BUFFER_COUNT 4
#define INPUT_BYTES  (128u << 10)

enum kind { PLAIN, GZIP, ZSTD };

/* Belongs to the thread alone while it runs. */
struct decoder {
    layer_read *read;
    void *ctx;
    enum kind kind;
    unsigned char input[INPUT_BYTES];
    size_t pos, len; /* unread input */
    bool eof;        /* the source has ended */
    bool inside;     /* in a gzip member or zstd frame: the end may not come here */
    z_stream z;
    bool z_ready;
    ZSTD_DStream *zstd;
    uint64_t total, max_bytes;
};

struct layer_stream {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    unsigned filled; /* buffers ready for the caller */
    unsigned head;   /* the caller's next one */
    struct {
        unsigned char *data;
        size_t len;
    } buffers[BUFFER_COUNT];
    int result; /* of the thread, once `ended` */
    bool ended;
    struct error error;

    bool holding; /* the caller works on buffers[head] */
    struct blob_hash *hash;
    uint64_t bytes;
    struct decoder decoder;
};

/* ---- the decoder ---- */

static int refill(struct decoder *d, struct error *err)
{
    if (d->pos < d->len || d->eof)
        return 0;
    int64_t n = d->read(d->ctx, d->input, sizeof(d->input), err);
    if (n < 0)
        return (int)n;
    d->pos = 0;
    d->len = (size_t)n;
    d->eof = n == 0;
    return 0;
}

static bool begins(const struct decoder *d, const char *magic, size_t n)
{
    return d->len >= n && memcmp(d->input, magic, n) == 0;
}

/* Looks at the first bytes; short reads of the source are put together. */
static int detect(struct decoder *d, struct error *err)
{
    while (d->len < 6) {
        int64_t n = d->read(d->ctx, d->input + d->len, sizeof(d->input) - d->len, err);
        if (n < 0)
            return (int)n;
        if (n == 0) {
            d->eof = true;
            break;
        }
        d->len += (size_t)n;
    }
    if (begins(d,
               "\xfd"
               "7zXZ",
               5) ||
        begins(d, "BZh", 3))
        return fail(err, E_UNSUPPORTED,
                    "the layer is compressed with xz or bzip2; gzip, "
                    "zstd and none are supported");
    if (begins(d, "\x1f\x8b", 2)) {
        d->kind = GZIP;
        if (inflateInit2(&d->z, 15 + 16) != Z_OK)
            return fail(err, E_IO, "zlib could not start");
        d->z_ready = true;
    } else if (begins(d, "\x28\xb5\x2f\xfd", 4) ||
               (d->len >= 4 && (d->input[0] & 0xf0) == 0x50 &&
                memcmp(d->input + 1, "\x2a\x4d\x18", 3) == 0)) {
        d->kind = ZSTD;
        d->zstd = ZSTD_createDStream();
        if (!d->zstd)
            return fail(err, E_IO, "zstd could not start");
    }
    return 0;
}

static int step_gzip(struct decoder *d, unsigned char *out, size_t cap, size_t *ret_len,
                     struct error *err)
{
    if (!d->inside) {
        /* Members follow each other (pigz, eStargz); anything else there is garbage. */
        if (inflateReset(&d->z) != Z_OK)
            return fail(err, E_IO, "zlib could not restart");
        d->inside = true;
    }
    d->z.next_in = d->input + d->pos;
    d->z.avail_in = (uInt)(d->len - d->pos);
    d->z.next_out = out;
    d->z.avail_out = (uInt)cap;
    int r = inflate(&d->z, Z_NO_FLUSH);
    d->pos = d->len - d->z.avail_in;
    *ret_len = cap - d->z.avail_out;
    if (r == Z_STREAM_END)
        d->inside = false;
    else if (r != Z_OK && r != Z_BUF_ERROR)
        return fail(err, E_CORRUPT, "gzip data is broken: %s", d->z.msg ? d->z.msg : "?");
    return 0;
}

static int step_zstd(struct decoder *d, unsigned char *out, size_t cap, size_t *ret_len,
                     struct error *err)
{
    ZSTD_inBuffer in = {d->input, d->len, d->pos};
    ZSTD_outBuffer o = {out, cap, 0};
    size_t r = ZSTD_decompressStream(d->zstd, &o, &in);
    if (ZSTD_isError(r))
        return fail(err, E_CORRUPT, "zstd data is broken: %s", ZSTD_getErrorName(r));
    d->pos = in.pos;
    *ret_len = o.pos;
    d->inside = r != 0;
    return 0;
}

static int step(struct decoder *d, unsigned char *out, size_t cap, size_t *ret_len,
                struct error *err)
{
    if (d->kind == GZIP)
        return step_gzip(d, out, cap, ret_len, err);
    if (d->kind == ZSTD)
        return step_zstd(d, out, cap, ret_len, err);
    size_t n = d->len - d->pos < cap ? d->len - d->pos : cap;
    memcpy(out, d->input + d->pos, n);
    d->pos += n;
    *ret_len = n;
    return 0;
}

/* Fills the buffer as far as the source goes; *ret_len 0 is the end. */
static int decode(struct decoder *d, unsigned char *out, size_t cap, size_t *ret_len,
                  struct error *err)
{
    size_t len = 0;
    while (len < cap) {
        size_t n = 0;
        int r = refill(d, err);
        if (r < 0)
            return r;
        bool drained = d->pos == d->len && d->eof;
        if (drained && !d->inside)
            break;
        r = step(d, out + len, cap - len, &n, err);
        if (r < 0)
            return r;
        if (drained && n == 0 && d->inside)
            return fail(err, E_CORRUPT, "the compressed layer is cut short");
        len += n;
    }
    d->total += len;
    if (d->total > d->max_bytes)
        return fail(err, E_LIMIT, "the layer unpacks to more than %llu bytes",
                    (unsigned long long)d->max_bytes);
    *ret_len = len;
    return 0;
}

/* ---- the thread ---- */

static void *run(void *arg)
{
    struct layer_stream *s = arg;
    struct error err = ERROR_INIT;
    int r = detect(&s->decoder, &err);
    unsigned tail = 0;
    for (;;) {
        size_t len = 0;
        if (r == 0)
            r = decode(&s->decoder, s->buffers[tail].data, BUFFER_BYTES, &len, &err);
        pthread_mutex_lock(&s->lock);
        bool end = r < 0 || len == 0;
        if (end) {
            s->ended = true;
            s->result = r;
            s->error = err;
        } else {
            s->buffers[tail].len = len;
            s->filled++;
        }
        pthread_cond_signal(&s->changed);
        while (!end && s->filled == BUFFER_COUNT && !s->stop)
            pthread_cond_wait(&s->changed, &s->lock);
        end = end || s->stop;
        pthread_mutex_unlock(&s->lock);
        if (end)
            return NULL;
        tail = (tail + 1) % BUFFER_COUNT;
    }
}

/* ---- the caller's side ---- */

int layer_stream_open(layer_read *read, void *ctx, enum blob_algorithm algorithm,
                      uint64_t max_bytes, struct layer_stream **ret, struct error *err)
{
    struct layer_stream *s = xcalloc(1, sizeof(*s));
    s->decoder.read = read;
    s->decoder.ctx = ctx;
    s->decoder.max_bytes = max_bytes;
    s->hash = blob_hash_new(algorithm);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    for (unsigned i = 0; i < BUFFER_COUNT; i++)
        s->buffers[i].data = xmalloc(BUFFER_BYTES);
    int e = pthread_create(&s->thread, NULL, run, s);
    if (e != 0) {
        s->ended = true;
        s->thread = pthread_self();
        layer_stream_close(s);
        return fail_errno(err, e, "start the decompressing thread");
    }
    *ret = s;
    return 0;
}

int64_t layer_stream_next(struct layer_stream *s, const void **ret_data,
                          struct error *err)
{
    pthread_mutex_lock(&s->lock);
    if (s->holding) {
        s->holding = false;
        s->head = (s->head + 1) % BUFFER_COUNT;
        s->filled--;
        pthread_cond_signal(&s->changed);
    }
    while (s->filled == 0 && !s->ended)
        pthread_cond_wait(&s->changed, &s->lock);
    bool have = s->filled > 0;
    s->holding = have;
    pthread_mutex_unlock(&s->lock);
    if (have) {
        *ret_data = s->buffers[s->head].data;
        size_t len = s->buffers[s->head].len;
        blob_hash_update(s->hash, *ret_data, len);
        s->bytes += len;
        return (int64_t)len;
    }
    if (s->result < 0 && err)
        *err = s->error;
    return s->result;
}

int layer_stream_drain(struct layer_stream *s, struct blob_digest *ret_digest,
                       uint64_t *ret_bytes, struct error *err)
{
    const void *unused;
    int64_t n;
    while ((n = layer_stream_next(s, &unused, err)) > 0)
        ;
    if (n < 0)
        return (int)n;
    blob_hash_peek(s->hash, ret_digest);
    *ret_bytes = s->bytes;
    return 0;
}

void layer_stream_close(struct layer_stream *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (!pthread_equal(s->thread, pthread_self()))
        pthread_join(s->thread, NULL);
    for (unsigned i = 0; i < BUFFER_COUNT; i++)
        free(s->buffers[i].data);
    if (s->decoder.z_ready)
        inflateEnd(&s->decoder.z);
    ZSTD_freeDStream(s->decoder.zstd);
    blob_hash_free(s->hash);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
