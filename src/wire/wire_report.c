#include "wire_report.h"

#include <stdio.h>

#define VALUE_SHOWN   200  /* bytes of a bad value that a message repeats */
#define LIST_MAX_SIZE 4096 /* more would be cut anyway */

/* A task definition's structs take about ten times the room of its text. */
#define BUDGET_FLOOR  ((size_t)4 << 20)
#define BUDGET_FACTOR 16

void report_init(struct wire_report *r, struct wire_error *error, const struct arena *a,
                 size_t len)
{
    *r = (struct wire_report){.error = error, .arena = a};
    r->limit = a->used_bytes + BUDGET_FLOOR + BUDGET_FACTOR * len;
}

int report_budget(struct wire_report *r)
{
    if (!r->limit || r->arena->used_bytes <= r->limit)
        return 0;
    return report_syntax(r, "too many members for a body of its size");
}

static void path_write(const struct wire_path *p, struct str *out)
{
    if (!p)
        return;
    path_write(p->up, out);
    if (!p->name) {
        str_addf(out, "%s%zu.member", out->len ? "." : "", p->index);
        return;
    }
    if (out->len)
        str_addc(out, '.');
    size_t at = out->len;
    str_add(out, p->name);
    /* AWS shows members in lower camel case, whatever the wire has. */
    if (!p->element && out->len > at && out->data[at] >= 'A' && out->data[at] <= 'Z')
        out->data[at] = (char)(out->data[at] - 'A' + 'a');
    if (p->element)
        str_add(out, ".member");
}

/* A copy that fits, with no half character at the end. Texts go into replies, so bytes of
 * the request that are not UTF-8 (or were cut by a precision) must not get into them. */
static void keep(char *to, size_t size, const char *text)
{
    size_t len = strlen(text);
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(to, text, len);
    to[len] = '\0';
    if (utf8_valid(to, len))
        return;
    for (char *p = to; *p; p++)
        if (*p & 0x80)
            *p = '?';
}

int report_syntax(struct wire_report *r, const char *fmt, ...)
{
    AUTO_STR text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    r->error->kind = WIRE_BAD_SYNTAX;
    keep(r->error->text, sizeof(r->error->text), str_text(&text));
    return -E_INVALID;
}

int report_type(struct wire_report *r, const struct wire_path *path, const char *fmt, ...)
{
    AUTO_STR text = STR_INIT;
    AUTO_STR where = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    path_write(path, &where);
    if (where.len)
        str_addf(&text, " at '%s'", where.data);
    r->error->kind = WIRE_BAD_TYPE;
    keep(r->error->text, sizeof(r->error->text), str_text(&text));
    keep(r->error->member, sizeof(r->error->member), str_text(&where));
    return -E_INVALID;
}

void report_value(struct wire_report *r, const struct wire_path *path, const char *value,
                  const char *fmt, ...)
{
    r->count++;
    if (r->list.len > LIST_MAX_SIZE)
        return;
    AUTO_STR where = STR_INIT;
    AUTO_STR rule = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&rule, fmt, ap);
    va_end(ap);
    path_write(path, &where);
    if (r->count == 1) {
        keep(r->error->member, sizeof(r->error->member), str_text(&where));
        keep(r->error->constraint, sizeof(r->error->constraint), str_text(&rule));
    }
    char shown[VALUE_SHOWN] = "***";
    if (value && !(path && path->sensitive))
        keep(shown, sizeof(shown), value);
    const char *quote = value ? "'" : "";
    str_addf(&r->list, "%sValue %s%s%s at '%s' failed to satisfy constraint: %s",
             r->list.len ? "; " : "", quote, value ? shown : "null", quote,
             str_text(&where), str_text(&rule));
}

void report_enum(struct wire_report *r, const struct wire_path *path,
                 const struct wire_shape *shape, const char *value)
{
    AUTO_STR set = STR_INIT;
    for (uint32_t i = 1; i <= shape->enum_count; i++)
        str_addf(&set, "%s%s", i > 1 ? ", " : "", shape->enum_names[i]);
    report_value(r, path, value, "Member must satisfy enum value set: [%s]",
                 str_text(&set));
}

int report_finish(struct wire_report *r)
{
    if (!r->count)
        return 0;
    AUTO_STR text = STR_INIT;
    str_addf(&text, "%d validation error%s detected: %s", r->count,
             r->count == 1 ? "" : "s", str_text(&r->list));
    r->error->kind = WIRE_BAD_VALUE;
    keep(r->error->text, sizeof(r->error->text), str_text(&text));
    report_free(r);
    return -E_INVALID;
}

void report_free(struct wire_report *r)
{
    str_free(&r->list);
}
