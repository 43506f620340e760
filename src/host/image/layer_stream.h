/* layer_stream.h: the tar inside a layer: decompressed ahead by a thread, hashed when used.
 *
 * Decompression is the slow part of unpacking, so a thread of its own keeps a few buffers
 * filled while the caller writes files. Hashing happens on the caller's side, which has the
 * time. Kind of compression: from the first bytes (gzip RFC 1952, zstd RFC 8878, else plain).
 *
 * Owns: its thread and 2 MiB of buffers until layer_stream_close().
 * Threads: one caller; the reader is called from the thread inside.
 * Fails: E_CORRUPT compressed data broken or cut short, garbage behind it; E_LIMIT more than
 * max_bytes; E_UNSUPPORTED xz, bzip2; what the reader returned. */
#pragma once

#include <stdint.h>

#include "blob.h"
#include "error.h"
#include "layer.h"

struct layer_stream;

int layer_stream_open(layer_read *read, void *ctx, enum blob_algorithm algorithm,
                      uint64_t max_bytes, struct layer_stream **ret, struct error *err);
/* The next bytes, valid until the next call: their count, 0 at the end. */
int64_t layer_stream_next(struct layer_stream *s, const void **ret_data,
                          struct error *err);
/* Reads to the end, then tells digest and length of all bytes. */
int layer_stream_drain(struct layer_stream *s, struct blob_digest *ret_digest,
                       uint64_t *ret_bytes, struct error *err);
void layer_stream_close(struct layer_stream *s); /* at any point; NULL allowed */
