/* Patterns of ARNs, see access.h. */
#include <string.h>

#include "access.h"
#include "arn.h"
#include "call.h"
#include "str.h"

/* `{a|b=text}` taken apart. */
struct blank {
    const char *names;
    size_t names_len;
    const char *otherwise; /* behind '=' or '+', NULL: nothing */
    size_t otherwise_len;
    bool only_made; /* '+' */
    size_t len;     /* with its braces */
};

static struct blank blank_read(const char *p)
{
    struct blank b = {.names = p + 1};
    const char *end = strchr(p, '}');
    b.len = (size_t)(end + 1 - p);
    b.names_len = strcspn(b.names, "=+}");
    if (b.names[b.names_len] != '}') {
        b.only_made = b.names[b.names_len] == '+';
        b.otherwise = b.names + b.names_len + 1;
        b.otherwise_len = (size_t)(end - b.otherwise);
    }
    return b;
}

static bool is_named(const struct blank *b, const char *name)
{
    return b->names_len == strlen(name) && memcmp(b->names, name, b->names_len) == 0;
}

static bool makes(const struct call *call)
{
    static const char *const verbs[] = {"Create", "Allocate", "Run", "Register",
                                        "Import", "Upload",   "Put"};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (str_starts(call->operation->wire->name, verbs[i]))
            return true;
    return false;
}

static size_t members(struct call *call, const struct blank *b, const char *const **ret)
{
    const char *p = b->names, *end = b->names + b->names_len;
    while (p < end) {
        size_t n = strcspn(p, "|=+}");
        const char *path = call_printf(call, "%.*s", (int)n, p);
        size_t found =
            wire_pick(&call->arena, call->operation->wire->input, call->in, path, ret);
        if (found)
            return found;
        p += n + 1;
    }
    return 0;
}

static size_t values(struct call *call, const struct blank *b, const char *const **ret)
{
    const char *fixed = is_named(b, "region")    ? call->region
                        : is_named(b, "account") ? call->who.account_id
                                                 : NULL;
    if (!fixed) {
        size_t n = members(call, b, ret);
        if (n || !b->otherwise || (b->only_made && !makes(call)))
            return n;
        fixed = call_printf(call, "%.*s", (int)b->otherwise_len, b->otherwise);
    }
    const char **one = arena_new(&call->arena, const char *);
    one[0] = fixed;
    *ret = one;
    return 1;
}

static const char *last_part(const char *text)
{
    const char *slash = strrchr(text, '/');
    return arn_looks_like(text) && slash ? slash + 1 : text;
}

/* Everything before the last blank, which *ret_last is. */
static const char *prefix_of(struct call *call, const char *pattern,
                             const char **ret_last)
{
    struct str out = STR_INIT;
    const char *last = strrchr(pattern, '{'), *p = pattern;
    while (p < last) {
        size_t n = strcspn(p, "{");
        str_addn(&out, p, n);
        p += n;
        if (p >= last)
            break;
        struct blank b = blank_read(p);
        const char *const *v;
        str_add(&out, values(call, &b, &v) ? last_part(v[0]) : "*");
        p += b.len;
    }
    const char *ret = arena_strdup(&call->arena, str_text(&out));
    str_free(&out);
    *ret_last = last;
    return ret;
}

size_t access_pattern_expand(struct call *call, const char *pattern,
                             const char *const **ret)
{
    const char *last;
    if (!strchr(pattern, '{')) {
        const char **one = arena_new(&call->arena, const char *);
        one[0] = pattern;
        *ret = one;
        return 1;
    }
    const char *prefix = prefix_of(call, pattern, &last);
    struct blank b = blank_read(last);
    const char *const *v;
    size_t n = values(call, &b, &v), count = 0;
    const char **out = arena_new_array(&call->arena, const char *, n);
    for (size_t i = 0; i < n; i++)
        if (!str_empty(v[i]))
            out[count++] = arn_looks_like(v[i])
                               ? v[i]
                               : call_printf(call, "%s%s%s", prefix, v[i], last + b.len);
    *ret = out;
    return count;
}
