/* How ExecuteCommand's command is split. */
#include <string.h>

#include "command_words.h"
#include "str.h"
#include "unit.h"

static void words(void **state)
{
    static const struct {
        const char *command, *words;
    } rows[] = {
        {"/bin/sh", "/bin/sh|"},
        {"  a \t b\nc ", "a|b|c|"},
        {"sh -c 'echo \"$x\" \\n'", "sh|-c|echo \"$x\" \\n|"},
        {"a \"b c\" d\"e f\"g", "a|b c|de fg|"},
        {"a '' \"\"", "a|||"},
        {"a\\ b \\\"c\\' \\\\", "a b|\"c'|\\|"},
        {"\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d|"},
        {"a\\", "a\\|"},
        {"a b c d e f g", "a|b|c|d|e|f|g|"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        AUTO_STR joined = STR_INIT;
        const char *const *w;
        struct error err = ERROR_INIT;
        assert_int_equal(command_words(&a, rows[i].command, &w, &err), 0);
        for (; *w; w++)
            str_addf(&joined, "%s|", *w);
        assert_string_equal(str_text(&joined), rows[i].words);
    }
}

static void no_words(void **state)
{
    static const char *const bad[] = {"", "  \t", "'a", "a \"b", "\"a\\\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        const char *const *w;
        struct error err = ERROR_INIT;
        assert_int_equal(command_words(&a, bad[i], &w, &err), -E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words),
                                       cmocka_unit_test(no_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
