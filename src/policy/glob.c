#include "glob.h"

#include <ctype.h>
#include <string.h>

#include "str.h"

/* Bytes that patterns are made of: in no document, and in no value that is put in. */
static bool is_special(char c)
{
    return (unsigned char)c < 0x20;
}

/* The key of ${key} or ${key, 'default'} at `p` (behind "${"); returns what follows '}', NULL
 * when it is none. */
static const char *variable(const char *p, struct str *out)
{
    const char *end = strchr(p, '}');
    for (const char *c = p; end && c < end; c++)
        if (is_special(*c))
            return NULL;
    if (!end)
        return NULL;
    if (end == p + 1 && strchr("*?$", *p)) {
        str_addc(out, *p);
        return end + 1;
    }
    const char *comma = memchr(p, ',', (size_t)(end - p));
    const char *stop = comma ? comma : end;
    bool tag = false;
    str_addc(out, GLOB_VAR);
    for (const char *c = p; c < stop; c++) {
        str_addc(out, tag ? *c : (char)tolower((unsigned char)*c));
        tag = tag || *c == '/';
    }
    if (comma) {
        const char *open = memchr(comma, '\'', (size_t)(end - comma));
        const char *close =
            open ? memchr(open + 1, '\'', (size_t)(end - open - 1)) : NULL;
        if (!close)
            return NULL;
        str_addc(out, GLOB_ELSE);
        str_addn(out, open + 1, (size_t)(close - open - 1));
    }
    str_addc(out, GLOB_END);
    return end + 1;
}

static int compile(const char *text, unsigned kind, struct str *out, struct glob *ret,
                   struct error *err)
{
    for (const char *p = text; *p;) {
        if (is_special(*p))
            return fail(err, E_INVALID, "Syntax errors in policy.");
        if ((kind & GLOB_VARIABLES) && p[0] == '$' && p[1] == '{') {
            size_t before = out->len;
            p = variable(p + 2, out);
            if (!p)
                return fail(err, E_INVALID, "Syntax errors in policy.");
            ret->variables |= out->data[before] == GLOB_VAR;
        } else if ((kind & GLOB_PATTERN) && (*p == '*' || *p == '?')) {
            ret->plain = false;
            if (*p == '?' || out->len == 0 || out->data[out->len - 1] != GLOB_MANY)
                str_addc(out, *p == '*' ? GLOB_MANY : GLOB_ONE);
            p++;
        } else {
            str_addc(out, kind & GLOB_LOWER ? (char)tolower((unsigned char)*p) : *p);
            p++;
        }
    }
    return 0;
}

int glob_compile(struct arena *a, const char *text, unsigned kind, struct glob *ret,
                 struct error *err)
{
    AUTO_STR out = STR_INIT;
    *ret = (struct glob){.plain = true};
    int r = compile(text, kind, &out, ret, err);
    if (r < 0)
        return r;
    ret->text = arena_strdup(a, str_text(&out));
    ret->plain = ret->plain && !ret->variables;
    ret->any = out.len == 1 && out.data[0] == GLOB_MANY;
    return 0;
}

/* ---- variables ---- */

struct filled {
    char *buf;
    size_t len;
};

static bool put(struct filled *f, const char *text, size_t n)
{
    if (f->len + n >= GLOB_MAX)
        return false;
    memcpy(f->buf + f->len, text, n);
    f->len += n;
    return true;
}

static bool put_value(struct filled *f, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (is_special(text[i]))
            return false;
    return put(f, text, n);
}

/* `p` is behind GLOB_VAR; returns what follows GLOB_END. */
static const char *fill(struct filled *f, const struct policy_context *context,
                        const char *p)
{
    char key[256];
    const char *end = strchr(p, GLOB_END);
    const char *other = memchr(p, GLOB_ELSE, (size_t)(end - p));
    size_t n = (size_t)((other ? other : end) - p);
    struct policy_values values;
    if (n >= sizeof(key))
        return NULL;
    memcpy(key, p, n);
    key[n] = '\0';
    if (context && context->find(context, key, &values) && values.n == 1 && !values.multi)
        return put_value(f, values.v[0]) ? end + 1 : NULL;
    if (!other || !put(f, other + 1, (size_t)(end - other - 1)))
        return NULL;
    return end + 1;
}

const char *glob_text(const struct glob *g, const struct policy_context *context,
                      char buf[static GLOB_MAX])
{
    if (!g->variables)
        return g->text;
    struct filled f = {.buf = buf};
    for (const char *p = g->text; *p;) {
        if (*p == GLOB_VAR)
            p = fill(&f, context, p + 1);
        else
            p = put(&f, p, 1) ? p + 1 : NULL;
        if (!p)
            return NULL;
    }
    buf[f.len] = '\0';
    return buf;
}

/* ---- matching ---- */

/* A '*' takes as little as it can; when the rest fails, the last one takes one more. */
bool glob_match_part(const char *p, const char *p_end, const char *t, const char *t_end)
{
    const char *star = NULL, *retry = NULL;
    while (t < t_end) {
        if (p < p_end && *p == GLOB_MANY) {
            star = ++p;
            retry = t;
        } else if (p < p_end && (*p == *t || *p == GLOB_ONE)) {
            p++;
            t++;
        } else if (star) {
            p = star;
            t = ++retry;
        } else {
            return false;
        }
    }
    while (p < p_end && *p == GLOB_MANY)
        p++;
    return p == p_end;
}

bool glob_match(const char *pattern, const char *text)
{
    return glob_match_part(pattern, pattern + strlen(pattern), text, text + strlen(text));
}
