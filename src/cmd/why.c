/* `gantry why`: asks the server for the present and the past of a task or service. */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "command.h"
#include "event_history.h"
#include "here.h"
#include "table_text.h"
#include "why_text.h"

#define EVENTS_OF_TASK    100
#define EVENTS_OF_SERVICE 300

static bool is_task(const char *name)
{
    if (str_starts(name, "arn:"))
        return strstr(name, ":task/") != NULL;
    return strlen(name) == 32 && strspn(name, "0123456789abcdef") == 32;
}

/* An ARN names its cluster: arn:…:task/CLUSTER/ID. */
static const char *cluster_of(struct options *o, const char *name)
{
    const char *slash = str_starts(name, "arn:") ? strchr(name, '/') : NULL;
    size_t n = slash ? strcspn(slash + 1, "/") : 0;
    return slash && slash[1 + n] ? arena_strndup(&o->arena, slash + 1, n) : o->cluster;
}

/* The element, or NULL when ECS does not know it (any more). */
static json_t *describe(struct api *api, const char *operation, const char *member,
                        const char *cluster, const char *name)
{
    json_t *reply = NULL, *found = NULL;
    struct error ignored = ERROR_INIT;
    if (api_ecs(api, operation,
                json_pack("{s:s, s:[s]}", "cluster", cluster, member, name), &reply,
                &ignored) == 0)
        found = json_incref(json_array_get(json_object_get(reply, member), 0));
    json_decref(reply);
    return found;
}

static int explain(struct options *o, struct api *api, struct str *out, struct error *err)
{
    const char *name = o->args[0], *cluster = cluster_of(o, name);
    bool task = is_task(name);
    struct history_query q = {
        .resource = str_starts(name, "arn:")
                        ? name
                        : arena_printf(&o->arena, "%s/%s/%s", task ? "task" : "service",
                                       cluster, name),
        .newest = true,
        .limit = task ? EVENTS_OF_TASK : EVENTS_OF_SERVICE,
    };
    json_t *events = json_array();
    int r = history_read(api, &q, events, err);
    if (r == 0) {
        json_t *now = task ? describe(api, "DescribeTasks", "tasks", cluster, name)
                           : describe(api, "DescribeServices", "services", cluster, name);
        r = task ? why_task(now, events, out, err) : why_service(now, events, out, err);
        json_decref(now);
    }
    json_decref(events);
    return r;
}

int why_command(struct options *o, struct error *err)
{
    struct here here;
    struct api *api = NULL;
    AUTO_STR text = STR_INIT;
    int r = here_find(o, &here, err);
    if (r == 0)
        r = api_open(&here.layout, &here.record, &api, err);
    if (r == 0)
        r = explain(o, api, &text, err);
    if (r == 0 && text.data) {
        text_make_harmless(text.data);
        fputs(text.data, stdout);
    }
    api_close(api);
    return r;
}
