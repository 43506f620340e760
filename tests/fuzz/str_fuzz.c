/* str_fuzz.c: the questions that base asks of strings from outside: UTF-8, numbers,
 * hexadecimal. Checks the promises of str.h that can be checked from the outside. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    if (utf8_valid(bytes, size)) {
        struct str s = STR_INIT;
        str_addn(&s, bytes, size);
        assert(utf8_length(str_text(&s)) <= size);
        str_free(&s);
    }

    struct str text = STR_INIT;
    str_addn(&text, bytes, size);
    int64_t value = 77;
    bool number = str_to_i64(str_text(&text), -1000, 1000, &value);
    assert(number ? value >= -1000 && value <= 1000 : value == 77);
    str_free(&text);

    char *hex = malloc(2 * size + 1);
    uint8_t *back = malloc(size + 1);
    if (hex != NULL && back != NULL) {
        hex_encode(bytes, size, hex);
        assert(strlen(hex) == 2 * size);
        assert(hex_decode(hex, back, size) && memcmp(back, data, size) == 0);
    }
    free(hex);
    free(back);
    return 0;
}
