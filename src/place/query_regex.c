/* Java's regular expressions as POSIX extended ones.
 *
 * What both have is handed on; \d \w \s, their opposites and (?: ) are rewritten; what
 * POSIX lacks is refused rather than matched wrongly. The library's own cost is bounded by
 * what is let through. It unrolls repetitions, so ((a{100}){100}){100} would be a million
 * states: their product is bounded. And a repeated group that can match nothing, as (a*)*,
 * costs it time that doubles with every further one (20 of them take a second): such a
 * group is refused, with or without need. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "query_program.h"
#include "str.h"

#define MAX_REPEAT_PRODUCT 1000
#define MAX_QUANTIFIERS    100

struct translation {
    const char *at;
    struct str out;
    int depth, quantifiers;
    int64_t repeats;
    /* For every open group: can the alternative so far, can an earlier one be empty? */
    bool empty[QUERY_MAX_DEPTH + 1], was_empty[QUERY_MAX_DEPTH + 1];
    bool after_quantifier;
};

static const char *class_of(char c)
{
    switch (c) {
    case 'd':
        return "0-9";
    case 'w':
        return "A-Za-z0-9_";
    case 's':
        return "[:space:]";
    default:
        return NULL;
    }
}

static int escape(struct translation *t, bool in_bracket, struct error *err)
{
    char c = *++t->at;
    if (!c)
        return fail(err, E_INVALID, "regular expression ends in a backslash");
    t->at++;
    const char *class = class_of((char)tolower((unsigned char)c));
    if (class && in_bracket && islower((unsigned char)c)) {
        str_add(&t->out, class);
        return 0;
    }
    if (class && !in_bracket) {
        str_addf(&t->out, "[%s%s]", isupper((unsigned char)c) ? "^" : "", class);
        return 0;
    }
    if (isalnum((unsigned char)c) || (in_bracket && strchr("]^-[", c)))
        return fail(err, E_INVALID, "regular expression: \\%c is not supported", c);
    if (in_bracket)
        str_addc(&t->out, c); /* in POSIX a backslash is itself there */
    else
        str_addf(&t->out, "\\%c", c);
    return 0;
}

static int bracket(struct translation *t, struct error *err)
{
    str_addc(&t->out, *t->at++);
    if (*t->at == '^')
        str_addc(&t->out, *t->at++);
    if (*t->at == ']')
        return fail(err, E_INVALID, "regular expression: empty character class");
    while (*t->at && *t->at != ']') {
        if (*t->at == '\\') {
            int r = escape(t, true, err);
            if (r < 0)
                return r;
            continue;
        }
        if (*t->at == '[' || (t->at[0] == '&' && t->at[1] == '&'))
            return fail(err, E_INVALID,
                        "regular expression: nested character classes are not supported");
        str_addc(&t->out, *t->at++);
    }
    if (!*t->at)
        return fail(err, E_INVALID, "regular expression: character class is not closed");
    str_addc(&t->out, *t->at++);
    return 0;
}

static int repeat(struct translation *t, struct error *err)
{
    char *end;
    const char *from = t->at++;
    long low = strtol(t->at, &end, 10), high = low;
    bool ok = isdigit((unsigned char)*t->at);
    if (ok && *end == ',') {
        const char *second = end + 1;
        high = isdigit((unsigned char)*second) ? strtol(second, &end, 10) : low;
        if (end < second)
            end = (char *)(uintptr_t)second;
    }
    if (!ok || *end != '}' || high < low)
        return fail(err, E_INVALID, "regular expression: bad repetition");
    if (high > MAX_REPEAT_PRODUCT ||
        (t->repeats *= high > 0 ? high : 1) > MAX_REPEAT_PRODUCT)
        return fail(err, E_LIMIT, "regular expression: too many repetitions");
    t->at = end + 1;
    str_addn(&t->out, from, (size_t)(t->at - from));
    return 0;
}

static int quantifier(struct translation *t, struct error *err)
{
    if (t->after_quantifier)
        return fail(
            err, E_INVALID,
            "regular expression: lazy and possessive quantifiers are not supported");
    if (++t->quantifiers > MAX_QUANTIFIERS)
        return fail(err, E_LIMIT, "regular expression: too many repetitions");
    t->after_quantifier = true;
    if (*t->at == '{')
        return repeat(t, err);
    str_addc(&t->out, *t->at++);
    return 0;
}

static int group(struct translation *t, struct error *err)
{
    if (++t->depth > QUERY_MAX_DEPTH)
        return fail(err, E_LIMIT, "regular expression: groups are nested too deeply");
    t->empty[t->depth] = true;
    t->was_empty[t->depth] = false;
    t->at++;
    str_addc(&t->out, '(');
    if (*t->at != '?')
        return 0;
    if (t->at[1] != ':')
        return fail(err, E_INVALID, "regular expression: (?%c is not supported",
                    t->at[1] ? t->at[1] : ' ');
    t->at += 2;
    return 0;
}

/* After an atom: unless what follows makes it optional, something must be there. */
static void note_atom(struct translation *t)
{
    bool optional =
        *t->at == '*' || *t->at == '?' || (t->at[0] == '{' && t->at[1] == '0');
    if (!optional)
        t->empty[t->depth] = false;
}

static int close_group(struct translation *t, struct error *err)
{
    if (t->depth == 0)
        return fail(err, E_INVALID, "regular expression: unmatched )");
    bool empty = t->empty[t->depth] || t->was_empty[t->depth];
    t->depth--;
    str_addc(&t->out, *t->at++);
    if (empty && *t->at && strchr("*+?{", *t->at))
        return fail(err, E_INVALID,
                    "regular expression: a repeated group that can be empty is not "
                    "supported");
    if (!empty)
        note_atom(t);
    return 0;
}

static int translate_one(struct translation *t, struct error *err)
{
    int r = 0;
    if (strchr("*+?{", *t->at))
        return quantifier(t, err);
    t->after_quantifier = false;
    switch (*t->at) {
    case '(':
        return group(t, err);
    case ')':
        return close_group(t, err);
    case '|':
        t->was_empty[t->depth] |= t->empty[t->depth];
        t->empty[t->depth] = true;
        str_addc(&t->out, *t->at++);
        return 0;
    case '^':
    case '$':
        str_addc(&t->out, *t->at++);
        return 0;
    case '\\':
        r = escape(t, false, err);
        break;
    case '[':
        r = bracket(t, err);
        break;
    default:
        str_addc(&t->out, *t->at++);
    }
    note_atom(t);
    return r;
}

int query_regex_compile(struct query *q, const char *java, const regex_t **ret,
                        struct error *err)
{
    struct translation t = {.at = java, .repeats = 1};
    str_add(&t.out, "^(");
    int r = 0;
    while (*t.at && r == 0)
        r = translate_one(&t, err);
    if (r == 0 && t.depth != 0)
        r = fail(err, E_INVALID, "regular expression: unmatched (");
    if (r == 0) {
        str_add(&t.out, ")$");
        struct query_regex *x = arena_new(&q->arena, struct query_regex);
        int code = regcomp(&x->compiled, str_text(&t.out), REG_EXTENDED | REG_NOSUB);
        if (code == 0) {
            x->next = q->regexes;
            q->regexes = x;
            *ret = &x->compiled;
        } else {
            char why[128];
            regerror(code, &x->compiled, why, sizeof(why));
            r = fail(err, E_INVALID, "regular expression: %s", why);
        }
    }
    str_free(&t.out);
    return r;
}
