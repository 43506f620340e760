#include "arn.h"

#include <string.h>

#include "str.h"

bool arn_looks_like(const char *text)
{
    return str_starts(text, "arn:");
}

bool arn_parse(struct arena *a, const char *text, struct arn *ret)
{
    if (!arn_looks_like(text))
        return false;
    char *p = arena_strdup(a, text);
    const char *part[6];
    for (int i = 0; i < 6; i++) {
        part[i] = p;
        char *colon = i < 5 ? strchr(p, ':') : NULL;
        if (i < 5 && !colon)
            return false;
        if (colon) {
            *colon = '\0';
            p = colon + 1;
        }
    }
    if (!*part[1] || !*part[2] || !*part[5])
        return false;
    *ret = (struct arn){part[1], part[2], part[3], part[4], part[5]};
    return true;
}
