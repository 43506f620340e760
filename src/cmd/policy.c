/* `gantry policy explain`: may a user or role do that, and which statement says so. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "api.h"
#include "command.h"
#include "event_line.h"
#include "here.h"
#include "str.h"

static const char *query_of(struct options *o)
{
    AUTO_STR q = STR_INIT;
    str_add(&q, "explain=1");
    api_query_add(&q, "principal", o->args[1]);
    api_query_add(&q, "action", o->args[2]);
    if (o->args[3])
        api_query_add(&q, "resource", o->args[3]);
    for (size_t i = 0; i < o->context.count; i++)
        api_query_add(&q, "key", o->context.items[i]);
    return arena_strdup(&o->arena, q.data);
}

static void print_decision(const json_t *d)
{
    const char *decision = words_of(d, "decision"), *policy = text_of(d, "policy");
    const char *message = text_of(d, "message"), *sid = text_of(d, "sid");
    const json_t *statement = json_object_get(d, "statement");
    bool allowed = streq(decision, "allowed");
    printf("%s%s\n", allowed ? "allowed" : "denied",
           streq(decision, "explicitDeny") ? ", explicitly" : "");
    if (message)
        printf("%s\n", message);
    if (!policy) {
        if (allowed)
            printf("by the %s\n", words_of(d, "by"));
        return;
    }
    printf("by the %s %s%s%s\n", words_of(d, "by"), policy, sid ? ", statement " : "",
           sid ? sid : "");
    json_dumpf(statement, stdout, JSON_INDENT(2));
    putchar('\n');
}

static int explain(struct options *o, struct api *api, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = api_get_signed(api, "/gantry/v1/policy", query_of(o), &text, err);
    json_t *d = r == 0 ? json_loadb(str_text(&text), text.len, 0, NULL) : NULL;
    if (r == 0 && !d)
        r = fail(err, E_PROTOCOL, "the answer is not JSON");
    int status = 0;
    if (r == 0 && o->json)
        puts(str_text(&text));
    else if (r == 0)
        print_decision(d);
    if (r == 0 && !streq(text_of(d, "decision"), "allowed"))
        status = 2;
    json_decref(d);
    return r < 0 ? r : status;
}

int policy_command(struct options *o, struct error *err)
{
    struct here here;
    struct api *api = NULL;
    if (!streq(o->args[0], "explain"))
        return fail(err, E_INVALID, "policy '%s': expected explain", o->args[0]);
    int r = here_find(o, &here, err);
    if (r == 0)
        r = api_open(&here.layout, &here.record, &api, err);
    if (r == 0)
        r = explain(o, api, err);
    api_close(api);
    return r;
}
