/* `gantry events`: the history of events, and with --follow what comes. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "event_history.h"
#include "event_line.h"
#include "here.h"
#include "table_text.h"

#define DEFAULT_COUNT 50
#define SINCE_MAX     100000
#define LOOK_AGAIN_MS 500

static const char *full_type(const char *type)
{
    static const struct {
        const char *word, *type;
    } types[] = {
        {"task", "ECS Task State Change"},
        {"instance", "ECS Container Instance State Change"},
        {"service", "ECS Service Action"},
        {"deployment", "ECS Deployment State Change"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (streq(type, types[i].word))
            return types[i].type;
    return type;
}

static int since(const char *text, int64_t *ret_ms, struct error *err)
{
    int64_t ms;
    if (duration_parse(text, &ms))
        *ret_ms = clock_wall_ms() - ms;
    else if (!clock_parse_iso(text, ret_ms))
        return fail(err, E_INVALID,
                    "--since '%s': expected a time such as 10m or "
                    "2026-11-22T18:08:00Z",
                    text);
    return 0;
}

static const char *resource_of(struct options *o)
{
    const char *const names[] = {o->event_task, o->event_service, o->event_instance};
    static const char *const kinds[] = {"task", "service", "container-instance"};
    for (size_t i = 0; i < 3; i++)
        if (names[i])
            return str_starts(names[i], "arn:")
                       ? names[i]
                       : arena_printf(&o->arena, "%s/%s/%s", kinds[i], o->cluster,
                                      names[i]);
    return NULL;
}

static void print_event(const struct options *o, const json_t *event)
{
    AUTO_STR line = STR_INIT;
    if (o->json) {
        json_dumpf(event, stdout, JSON_COMPACT);
    } else {
        event_line(event, &line);
        text_make_harmless(line.data);
        fputs(line.data, stdout);
    }
    putchar('\n');
}

static void print_all(const struct options *o, const json_t *events, bool backwards)
{
    size_t n = json_array_size(events);
    for (size_t i = 0; i < n; i++)
        print_event(o, json_array_get(events, backwards ? n - 1 - i : i));
    fflush(stdout);
}

/* Where what comes now begins. */
static int newest_cursor(struct api *api, struct history_query *q, struct error *err)
{
    struct history_query last = {.newest = true, .limit = 1};
    json_t *ignored = json_array();
    int r = history_read(api, &last, ignored, err);
    memcpy(q->after, last.after, sizeof(q->after));
    json_decref(ignored);
    return r;
}

static int follow(const struct options *o, struct api *api, struct history_query *q,
                  struct error *err)
{
    int r = 0;
    while (r == 0 && !ferror(stdout)) {
        json_t *events = json_array();
        r = history_read(api, q, events, err);
        print_all(o, events, false);
        json_decref(events);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return r;
}

static int print_history(struct options *o, struct api *api, struct error *err)
{
    struct history_query q = {
        .resource = resource_of(o),
        .type = full_type(o->event_type),
        .newest = !o->since || o->tail >= 0,
        .limit = o->tail >= 0 ? (size_t)o->tail
                 : o->since   ? SINCE_MAX
                              : DEFAULT_COUNT,
    };
    struct history_query rest = {
        .resource = q.resource, .type = q.type, .limit = SINCE_MAX};
    json_t *events = json_array();
    int r = o->since ? since(o->since, &q.since_ms, err) : 0;
    if (r == 0 && o->follow)
        r = newest_cursor(api, &rest, err);
    if (r == 0)
        r = history_read(api, &q, events, err);
    if (r == 0)
        print_all(o, events, q.newest);
    json_decref(events);
    if (strcmp(q.latest, rest.after) > 0)
        memcpy(rest.after, q.latest, sizeof(rest.after));
    return r == 0 && o->follow ? follow(o, api, &rest, err) : r;
}

int events_command(struct options *o, struct error *err)
{
    struct here here;
    struct api *api = NULL;
    int r = here_find(o, &here, err);
    if (r == 0)
        r = api_open(&here.layout, &here.record, &api, err);
    if (r == 0)
        r = print_history(o, api, err);
    api_close(api);
    return r;
}
