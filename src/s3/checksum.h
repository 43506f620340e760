/* checksum.h: the checksums of S3, computed while bytes pass: CRC32, CRC32C, CRC64NVME by
 * tables (slicing by 8 bytes, 16 for CRC64), SHA-1 and SHA-256 by OpenSSL; and MD5 for ETags.
 *
 * On the wire a checksum is base64 of its bytes, big end first ("Checking object integrity" of
 * the Amazon S3 User Guide). CRC64NVME: reflected, polynomial 0x9a6c9329ac4bc9b5, begins and
 * ends inverted.
 *
 * Owns: hash state until checksum_free(). Threads: one at a time. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "s3_api.h"

struct checksum;

/* NULL: an algorithm that is not offered. */
struct checksum *checksum_new(enum s3_checksum_algorithm algorithm);
void checksum_free(struct checksum *c); /* NULL allowed */
void checksum_update(struct checksum *c, const void *data, size_t len);
/* Bytes of the result, at most CHECKSUM_MAX; once. */
#define CHECKSUM_MAX 32
size_t checksum_end(struct checksum *c, uint8_t ret[static CHECKSUM_MAX]);

/* Bytes that a value of the algorithm has; 0: not offered. */
size_t checksum_size(enum s3_checksum_algorithm algorithm);
/* May whole objects made of parts have it (CRCs), and parts of parts (all but CRC64NVME)? */
bool checksum_full_object(enum s3_checksum_algorithm algorithm);
bool checksum_composite(enum s3_checksum_algorithm algorithm);
/* "crc32", "sha256": as in x-amz-checksum-…; NULL: not offered. */
const char *checksum_name(enum s3_checksum_algorithm algorithm);
enum s3_checksum_algorithm checksum_by_name(const char *name); /* any case; 0: none */

/* The CRC of two pieces one after the other, from those of the pieces and the second's length
 * in bytes. Only for the three CRCs. */
uint64_t checksum_crc_combine(enum s3_checksum_algorithm algorithm, uint64_t first,
                              uint64_t second, uint64_t second_len);

/* For tests and the driver of parts: the plain registers. */
uint32_t crc32_update(uint32_t crc, const void *data, size_t len);
uint32_t crc32c_update(uint32_t crc, const void *data, size_t len);
uint64_t crc64nvme_update(uint64_t crc, const void *data, size_t len);
