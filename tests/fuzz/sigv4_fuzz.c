/* Signatures: lines are path, query, Authorization, date, payload hash. Nothing that the
 * fuzzer makes may verify, and nothing may crash. */
#include <stdlib.h>

#include "sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA a = ARENA_INIT;
    const char *lines[5] = {"/", "", "", "", ""};
    const char *p = arena_strndup(&a, (const char *)data, size);
    for (int i = 0; i < 5 && *p; i++) {
        size_t n = strcspn(p, "\n");
        lines[i] = arena_strndup(&a, p, n);
        p += n + (p[n] == '\n');
    }
    struct wire_header headers[4] = {{"Host", "localhost"}};
    size_t count = 1;
    if (*lines[2])
        headers[count++] = (struct wire_header){"Authorization", lines[2]};
    if (*lines[3])
        headers[count++] = (struct wire_header){"X-Amz-Date", lines[3]};
    if (*lines[4])
        headers[count++] = (struct wire_header){"x-amz-content-sha256", lines[4]};
    struct wire_http_request req = {.method = "GET",
                                    .path = lines[0],
                                    .query = lines[1],
                                    .headers = headers,
                                    .header_count = count};
    struct sigv4 sig;
    const char *text;
    char hash[SIGV4_HASH_SIZE];
    sigv4_hash("", 0, hash);
    enum sigv4_failure f = sigv4_parse(&a, &req, hash, &sig, &text);
    static const uint8_t key[32] = "a key that signs no input";
    if (f == SIGV4_OK && sigv4_check(&a, &sig, key, sig.signed_at_ms, &text) == SIGV4_OK)
        abort();
    return 0;
}
