/* Conditions of listener rules and patterns of EC2's filters: what a caller may say must be
 * taken or refused with a text, whatever it is; and the wildcard matcher must agree with a
 * slow, obvious one. Input: a pattern, a newline, a text, a newline, conditions as JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ec2_query.h"
#include "target_group_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHORT 12 /* the slow one tries everything, which doubles with each */

static bool slow(const char *pattern, const char *text)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '*')
        return slow(pattern + 1, text) || (*text && slow(pattern, text + 1));
    if (*pattern == '\\' && pattern[1])
        return *text == pattern[1] && slow(pattern + 2, text + 1);
    return *text && (*pattern == '?' || *pattern == *text) && slow(pattern + 1, text + 1);
}

static void wildcard(const char *pattern, const char *text)
{
    bool match = ec2_wildcard(pattern, text);
    if (strlen(pattern) <= SHORT && strlen(text) <= SHORT && match != slow(pattern, text))
        abort();
}

static void conditions(const char *json)
{
    struct call c = {0};
    struct wire_error bad;
    void *value;
    if (wire_json_decode(&c.arena, &elbv2_create_rule_input_shape, json, strlen(json),
                         true, &value, &bad) == 0) {
        const struct elbv2_create_rule_input *in = value;
        int r = conditions_check(&c, &in->conditions);
        if ((r < 0) != (c.fault != NULL) || (c.fault && !c.fault_text))
            abort();
    }
    arena_free(&c.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    char *text = strchr(copy, '\n'), *json = text ? strchr(text + 1, '\n') : NULL;
    if (json) {
        *text++ = '\0';
        *json++ = '\0';
        wildcard(copy, text);
        conditions(json);
    }
    free(copy);
    return 0;
}
