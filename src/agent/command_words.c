#include "command_words.h"

#include <stdbool.h>
#include <string.h>

#define BLANKS " \t\r\n"

/* Appends the word at *p to out and moves on; false: a quote does not end. */
static bool take_word(const char **p, char *out)
{
    const char *s = *p;
    char quote = 0;
    for (; *s && (quote || !strchr(BLANKS, *s)); s++) {
        if (quote && *s == quote) {
            quote = 0;
        } else if (!quote && (*s == '"' || *s == '\'')) {
            quote = *s;
        } else if (*s == '\\' && quote != '\'' && s[1]) {
            /* Within double quotes only these two need it; elsewhere it stays. */
            if (quote && s[1] != '"' && s[1] != '\\')
                *out++ = *s;
            *out++ = *++s;
        } else {
            *out++ = *s;
        }
    }
    *out = 0;
    *p = s;
    return !quote;
}

int command_words(struct arena *a, const char *command, const char *const **ret,
                  struct error *err)
{
    size_t n = 0, most = strlen(command) / 2 + 2;
    const char **words = arena_new_array(a, const char *, most);
    for (const char *p = command + strspn(command, BLANKS); *p; p += strspn(p, BLANKS)) {
        char *word = arena_alloc(a, strlen(p) + 1);
        if (!take_word(&p, word))
            return fail(err, E_INVALID, "a quote in the command does not end");
        words[n++] = word;
    }
    if (!n)
        return fail(err, E_INVALID, "the command is empty");
    *ret = words;
    return 0;
}
