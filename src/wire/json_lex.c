#include "json_lex.h"

int json_bad(struct json_text *t, const char *what)
{
    return report_syntax(t->report, "%s at byte %zu", what, (size_t)(t->p - t->start));
}

char json_peek(struct json_text *t)
{
    while (t->p < t->end &&
           (*t->p == ' ' || *t->p == '\n' || *t->p == '\r' || *t->p == '\t'))
        t->p++;
    return t->p < t->end ? *t->p : '\0';
}

bool json_try(struct json_text *t, char c)
{
    if (json_peek(t) != c || t->p == t->end)
        return false;
    t->p++;
    return true;
}

int json_take(struct json_text *t, char c)
{
    if (json_try(t, c))
        return 0;
    char what[] = "'?' expected";
    what[1] = c;
    return json_bad(t, what);
}

/* Finds the closing quote; p is behind the opening one. */
static int string_extent(struct json_text *t, const char **ret_end, bool *ret_escapes)
{
    const char *p = t->p;
    *ret_escapes = false;
    for (; p < t->end && *p != '"'; p++) {
        if ((unsigned char)*p < 0x20) {
            t->p = p;
            return json_bad(t, "control character in a string");
        }
        if (*p == '\\') {
            *ret_escapes = true;
            if (++p == t->end)
                break;
        }
    }
    if (p == t->end) {
        t->p = p;
        return json_bad(t, "string without end");
    }
    *ret_end = p;
    return 0;
}

static bool hex4(const char *p, const char *end, uint32_t *ret)
{
    uint8_t b[2];
    char digits[5] = {0};
    if (end - p < 4)
        return false;
    memcpy(digits, p, 4);
    if (!hex_decode(digits, b, 2))
        return false;
    *ret = (uint32_t)b[0] << 8 | b[1];
    return true;
}

static char *utf8_put(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 63));
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    }
    return out;
}

/* \uXXXX at t->p (behind the u), a pair of surrogates as one character. */
static int unicode_escape(struct json_text *t, const char *end, char **out)
{
    uint32_t c, low;
    if (!hex4(t->p, end, &c))
        return json_bad(t, "bad \\u escape");
    t->p += 4;
    if (c == 0)
        return json_bad(t, "NUL character in a string");
    if (c >= 0xdc00 && c <= 0xdfff)
        return json_bad(t, "lone surrogate in a string");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (end - t->p < 6 || t->p[0] != '\\' || t->p[1] != 'u' ||
            !hex4(t->p + 2, end, &low) || low < 0xdc00 || low > 0xdfff)
            return json_bad(t, "lone surrogate in a string");
        t->p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = utf8_put(*out, c);
    return 0;
}

static int unescape(struct json_text *t, const char *end, char *out, size_t *ret_len)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *start = out;
    while (t->p < end) {
        if (*t->p != '\\') {
            *out++ = *t->p++;
            continue;
        }
        char c = t->p[1];
        const char *known = strchr(from, c);
        t->p += 2;
        if (c == 'u') {
            int r = unicode_escape(t, end, &out);
            if (r < 0)
                return r;
        } else if (c && known) {
            *out++ = to[known - from];
        } else {
            return json_bad(t, "unknown escape in a string");
        }
    }
    *out = '\0';
    *ret_len = (size_t)(out - start);
    return 0;
}

static int read_string(struct json_text *t, bool copy, const char **ret, size_t *ret_len)
{
    const char *end = t->p;
    bool escapes = false;
    int r = json_take(t, '"');
    if (r == 0)
        r = string_extent(t, &end, &escapes);
    if (r < 0)
        return r;
    size_t len = (size_t)(end - t->p);
    if (escapes) {
        char *out = arena_alloc(t->arena, len + 1); /* escapes only shrink */
        r = unescape(t, end, out, ret_len);
        *ret = out;
    } else {
        *ret = copy ? arena_strndup(t->arena, t->p, len) : t->p;
        *ret_len = len;
    }
    if (r == 0)
        t->p = end + 1;
    return r;
}

int json_take_string(struct json_text *t, const char **ret, size_t *ret_len)
{
    return read_string(t, true, ret, ret_len);
}

int json_name(struct json_text *t, const char **ret, size_t *ret_len)
{
    return read_string(t, false, ret, ret_len);
}

static size_t digits(struct json_text *t)
{
    const char *p = t->p;
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
        t->p++;
    return (size_t)(t->p - p);
}

static bool one_of(struct json_text *t, char a, char b)
{
    if (t->p == t->end || (*t->p != a && *t->p != b))
        return false;
    t->p++;
    return true;
}

int json_number(struct json_text *t, const char **ret, size_t *ret_len)
{
    json_peek(t);
    const char *start = t->p;
    one_of(t, '-', '-');
    bool zero = t->p < t->end && *t->p == '0';
    size_t whole = digits(t);
    if (whole == 0 || (zero && whole > 1))
        return json_bad(t, "bad number");
    if (one_of(t, '.', '.') && digits(t) == 0)
        return json_bad(t, "bad number");
    if (one_of(t, 'e', 'E')) {
        one_of(t, '+', '-');
        if (digits(t) == 0)
            return json_bad(t, "bad number");
    }
    *ret = start;
    *ret_len = (size_t)(t->p - start);
    return 0;
}

int json_literal(struct json_text *t, const char *word)
{
    json_peek(t);
    size_t n = strlen(word);
    if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
        return json_bad(t, "unknown word");
    t->p += n;
    return 0;
}

static int skip_members(struct json_text *t, char close, int depth)
{
    const char *name;
    size_t len;
    t->p++;
    if (json_try(t, close))
        return 0;
    do {
        int r = 0;
        if (close == '}') {
            r = json_name(t, &name, &len);
            if (r == 0)
                r = json_take(t, ':');
        }
        if (r == 0)
            r = json_skip(t, depth + 1);
        if (r < 0)
            return r;
    } while (json_try(t, ','));
    return json_take(t, close);
}

int json_skip(struct json_text *t, int depth)
{
    const char *s;
    size_t len;
    if (depth >= WIRE_MAX_DEPTH)
        return json_bad(t, "nested too deeply");
    switch (json_peek(t)) {
    case '{':
        return skip_members(t, '}', depth);
    case '[':
        return skip_members(t, ']', depth);
    case '"':
        return json_name(t, &s, &len);
    case 't':
        return json_literal(t, "true");
    case 'f':
        return json_literal(t, "false");
    case 'n':
        return json_literal(t, "null");
    default:
        return json_number(t, &s, &len);
    }
}
