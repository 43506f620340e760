/* place_query_fuzz.c: cluster query expressions from outside: compiled, then asked about
 * an instance. An expression and its negation never agree. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "query.h"
#include "str.h"

static const char *attribute(const void *ctx, const char *name)
{
    return streq(name, "a") ? "t2.small" : streq(name, "b") ? "" : NULL;
}

static bool any_group(const void *ctx, bool (*visit)(void *arg, const char *group),
                      void *arg)
{
    return visit(arg, "service:web") || visit(arg, "family:job");
}

static bool ask(const char *text, bool *ret)
{
    static const struct query_subject subject = {.attribute = attribute,
                                                 .any_group = any_group,
                                                 .agent_connected = true,
                                                 .agent_version = "1.105.1",
                                                 .ec2_instance_id = "i-0",
                                                 .registered_at_ms = 1440938160000,
                                                 .running_tasks = 5};
    struct query *q = NULL;
    struct error err = ERROR_INIT;
    if (query_compile(text, &q, &err) < 0) {
        assert(!q && err.text[0]);
        return false;
    }
    *ret = query_matches(q, &subject);
    query_free(q);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_STR text = STR_INIT;
    AUTO_STR negated = STR_INIT;
    bool yes, no;
    str_addn(&text, data, size);
    str_addf(&negated, "not (%s)", str_text(&text));
    /* The text ends at the first NUL for both. */
    if (ask(str_text(&text), &yes) && ask(str_text(&negated), &no))
        assert(yes != no);
    return 0;
}
