#include "json_text.h"

static void separate(struct str *s)
{
    if (s->len == 0)
        return;
    char last = s->data[s->len - 1];
    if (last != '{' && last != '[' && last != ':')
        str_addc(s, ',');
}

void jtext_key(struct str *s, const char *name)
{
    separate(s);
    if (!name)
        return;
    str_addc(s, '"');
    str_add(s, name);
    str_addn(s, "\":", 2);
}

void jtext_open(struct str *s, const char *name, char bracket)
{
    jtext_key(s, name);
    str_addc(s, bracket);
}

void jtext_close(struct str *s, char bracket)
{
    str_addc(s, bracket);
}

void jtext_plain(struct str *s, const char *name, const char *value)
{
    jtext_key(s, name);
    str_addc(s, '"');
    str_add(s, value);
    str_addc(s, '"');
}

void jtext_i64(struct str *s, const char *name, int64_t value)
{
    jtext_key(s, name);
    str_addf(s, "%lld", (long long)value);
}

void jtext_bool(struct str *s, const char *name, bool value)
{
    jtext_key(s, name);
    str_add(s, value ? "true" : "false");
}

int jtext_string(struct str *s, const char *name, const char *value, struct error *err)
{
    size_t len = strlen(value);
    if (!utf8_valid(value, len))
        return fail(err, E_INVALID, "%s is not valid UTF-8", name ? name : "a text");
    jtext_key(s, name);
    str_addc(s, '"');
    const char *from = value;
    for (const char *p = value;; p++) {
        unsigned char c = (unsigned char)*p;
        if (c && c != '"' && c != '\\' && c >= 0x20)
            continue;
        str_addn(s, from, (size_t)(p - from));
        from = p + 1;
        if (!c)
            break;
        if (c == '"' || c == '\\')
            str_addf(s, "\\%c", c);
        else
            str_addf(s, "\\u%04x", c);
    }
    str_addc(s, '"');
    return 0;
}
