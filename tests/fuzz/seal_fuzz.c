/* seal_fuzz.c: a store that somebody else wrote: a text that was not sealed here never opens,
 * and what was sealed here opens as it was. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seal_keys *keys =
        seal_keys_new((const uint8_t *)"a key of thirty-two bytes, as all", 1);
    struct arena a = ARENA_INIT;
    struct str plain = STR_INIT;
    struct error err;
    char *text = arena_strndup(&a, (const char *)data, size);
    assert(seal_open(keys, text, "b", &plain, &err) == -E_CORRUPT && plain.len == 0);
    if (!seal_is(text)) {
        const char *sealed = text;
        assert(seal_renew(keys, &a, "b", &sealed, &err) == 1);
        assert(seal_open(keys, sealed, "b", &plain, &err) == 0);
        assert(streq(plain.data, text));
    }
    secret_free(&plain);
    arena_free(&a);
    seal_keys_free(keys);
    return 0;
}
