/* GetRandomPassword: letters, digits, punctuation and blanks, as many as asked, and of each
 * kind at least one unless that is not wanted. */
#include <openssl/crypto.h>

#include "secret.h"

#define LENGTH 32

enum kind { UPPERCASE, LOWERCASE, NUMBERS, PUNCTUATION, SPACE, KINDS };

static const char *const alphabets[KINDS] = {
    [UPPERCASE] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    [LOWERCASE] = "abcdefghijklmnopqrstuvwxyz",
    [NUMBERS] = "0123456789",
    [PUNCTUATION] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    [SPACE] = " ",
};

struct choice {
    char letters[128], of_kind[KINDS][64]; /* NUL-terminated: what may be in it */
};

static void choice_add(struct choice *to, enum kind kind, const char *without)
{
    size_t n = 0, all = strlen(to->letters);
    for (const char *s = alphabets[kind]; *s; s++) {
        if (without && strchr(without, *s))
            continue;
        to->of_kind[kind][n++] = *s;
        to->letters[all++] = *s;
    }
}

static void choice_make(const struct secretsmanager_get_random_password_request *in,
                        struct choice *ret)
{
    const bool wanted[KINDS] = {
        [UPPERCASE] = !in->exclude_uppercase.v,
        [LOWERCASE] = !in->exclude_lowercase.v,
        [NUMBERS] = !in->exclude_numbers.v,
        [PUNCTUATION] = !in->exclude_punctuation.v,
        [SPACE] = in->include_space.v,
    };
    memset(ret, 0, sizeof(*ret));
    for (enum kind k = 0; k < KINDS; k++)
        if (wanted[k])
            choice_add(ret, k, in->exclude_characters);
}

static char pick(struct core *core, const char *letters)
{
    return letters[core_random_below(core, strlen(letters))];
}

static void swap(char *a, char *b)
{
    char kept = *a;
    *a = *b;
    *b = kept;
}

/* One of each kind comes first, and then all are shuffled. */
static void fill(struct core *core, const struct choice *from, bool each, char *to,
                 size_t n)
{
    size_t i = 0;
    for (enum kind k = 0; each && k < KINDS; k++)
        if (from->of_kind[k][0])
            to[i++] = pick(core, from->of_kind[k]);
    while (i < n)
        to[i++] = pick(core, from->letters);
    for (i = n; i > 1; i--)
        swap(&to[i - 1], &to[core_random_below(core, i)]);
}

int secretsmanager_get_random_password(
    struct call *c, const struct secretsmanager_get_random_password_request *in,
    struct secretsmanager_get_random_password_response *out)
{
    size_t n = in->password_length.set ? (size_t)in->password_length.v : LENGTH,
           kinds = 0;
    bool each = !in->require_each_included_type.set || in->require_each_included_type.v;
    struct choice from;
    choice_make(in, &from);
    for (enum kind k = 0; k < KINDS; k++)
        kinds += from.of_kind[k][0] != '\0';
    if (kinds == 0)
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "The password can't be generated because all of the characters "
                          "are excluded.");
    if (each && n < kinds)
        return call_fault(c, &secretsmanager_invalid_parameter_exception,
                          "The password length %zu is too short based on the required "
                          "types.",
                          n);
    char *password = arena_alloc(&c->arena, n + 1);
    fill(c->core, &from, each, password, n);
    out->random_password = password;
    return 0;
}
