/* sigv4_canonical.h: the canonical request, which both sides must make alike; for
 * sigv4.c and sigv4_sign.c only. Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include "protocol.h"

struct canonical {
    const struct wire_http_request *req;
    const char *signed_headers; /* "host;x-amz-date": names in lower case */
    const char *payload_hash;
    bool s3; /* the path is encoded once and not normalised */
};

void canonical_request(struct str *out, struct arena *a, const struct canonical *c);

/* A-Z a-z 0-9 - . _ ~ stay (and '/' where asked), all else becomes %XX. */
void canonical_encode(struct str *out, const char *text, size_t len, bool keep_slash);

/* "20150830T123600Z" from and to ms. */
#define CANONICAL_DATE_SIZE 17
bool canonical_date_parse(const char *text, int64_t *ret_ms);
void canonical_date(int64_t ms, char ret[static CANONICAL_DATE_SIZE]);

/* "AWS4-HMAC-SHA256\n<date>\n<scope>\n<hash of the canonical request>" */
char *canonical_string_to_sign(struct arena *a, const char *date, const char *scope,
                               const struct str *canonical);

/* Hexadecimal signature of the text under a day's key. */
void canonical_sign(const uint8_t key[static 32], const char *text, char ret[static 65]);
