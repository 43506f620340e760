/* Where the statements of a document are in its text, for who shows it to people. jansson
 * does not tell; the text has been parsed by it, so that only brackets and strings count. */
#include <string.h>

#include "policy_private.h"

struct scan {
    const char *p, *end;
    struct policy_position at; /* of *p */
    size_t depth;
    size_t list;  /* depth at which statements begin; 0: not inside of them */
    bool awaited; /* the next value is that of "Statement" */
    size_t found;
};

/* Letters count, not bytes. */
static void step(struct scan *s)
{
    if (*s->p == '\n')
        s->at = (struct policy_position){s->at.line + 1, 1};
    else if (((unsigned char)*s->p & 0xc0) != 0x80)
        s->at.column++;
    s->p++;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* From its first quote to behind its last. */
static void string_pass(struct scan *s)
{
    static const char name[] = "\"Statement\"";
    const char *from = s->p;
    step(s);
    while (s->p < s->end && *s->p != '"') {
        if (*s->p == '\\' && s->p + 1 < s->end)
            step(s);
        step(s);
    }
    if (s->p < s->end)
        step(s);
    bool same =
        (size_t)(s->p - from) == strlen(name) && memcmp(from, name, strlen(name)) == 0;
    while (s->p < s->end && is_blank(*s->p))
        step(s);
    s->awaited = same && s->depth == 1 && s->p < s->end && *s->p == ':';
}

static void bracket_open(struct scan *s, struct policy *p)
{
    bool object = *s->p == '{';
    step(s);
    if (s->awaited)
        s->list = object ? s->depth : s->depth + 1;
    s->awaited = false;
    if (s->list && object && s->depth == s->list && s->found < p->statement_count)
        p->statements[s->found].start = s->at;
    s->depth++;
}

static void bracket_close(struct scan *s, struct policy *p)
{
    bool object = *s->p == '}';
    step(s);
    s->depth--;
    if (s->list && object && s->depth == s->list && s->found < p->statement_count)
        p->statements[s->found++].end = s->at;
    if (s->depth == 1)
        s->list = 0;
}

void positions_find(const char *text, size_t len, struct policy *p)
{
    struct scan s = {.p = text, .end = text + len, .at = {1, 1}};
    while (s.p < s.end) {
        if (*s.p == '"')
            string_pass(&s);
        else if (*s.p == '{' || *s.p == '[')
            bracket_open(&s, p);
        else if (*s.p == '}' || *s.p == ']')
            bracket_close(&s, p);
        else
            step(&s);
    }
}

bool policy_statement_position(const struct policy *policy, size_t index,
                               struct policy_position *ret_start,
                               struct policy_position *ret_end)
{
    if (index >= policy->statement_count || !policy->statements[index].end.line)
        return false;
    *ret_start = policy->statements[index].start;
    *ret_end = policy->statements[index].end;
    return true;
}
