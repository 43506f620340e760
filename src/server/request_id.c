#include "request_id.h"

#include <openssl/rand.h>

#include "str.h"

void request_id_make(char ret[CALL_REQUEST_ID_SIZE])
{
    unsigned char raw[16];
    char hex[33];
    RAND_bytes(raw, sizeof(raw));
    raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40);
    raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
    hex_encode(raw, sizeof(raw), hex);
    char *out = ret;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *out++ = '-';
        *out++ = hex[i];
    }
    *out = '\0';
}
