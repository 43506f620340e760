#include "event_history.h"

#include <stdio.h>
#include <string.h>

#include "str.h"

#define PAGE 500

/* One line of the answer. A line without an event: there is more behind its cursor. */
static bool take_line(struct history_query *q, const char *line, size_t len, json_t *ret,
                      bool *ret_more)
{
    json_t *row = json_loadb(line, len, 0, NULL);
    const char *cursor = json_string_value(json_object_get(row, "cursor"));
    json_t *event = json_object_get(row, "event");
    if (cursor)
        snprintf(q->after, sizeof(q->after), "%s", cursor);
    if (event && cursor && strcmp(cursor, q->latest) > 0)
        snprintf(q->latest, sizeof(q->latest), "%s", cursor);
    if (event)
        json_array_append(ret, event);
    else
        *ret_more = cursor != NULL;
    json_decref(row);
    return cursor != NULL;
}

static int read_page(struct api *api, struct history_query *q, size_t limit, json_t *ret,
                     bool *ret_more, struct error *err)
{
    AUTO_STR query = STR_INIT, text = STR_INIT;
    str_addf(&query, "limit=%zu", limit);
    if (q->resource)
        api_query_add(&query, "resource", q->resource);
    if (q->type)
        api_query_add(&query, "type", q->type);
    if (q->since_ms > 0)
        str_addf(&query, "&since=%lld", (long long)q->since_ms);
    if (*q->after)
        api_query_add(&query, "after", q->after);
    if (q->newest)
        str_add(&query, "&order=newest");
    int r = api_get_signed(api, "/gantry/v1/events", query.data, &text, err);
    *ret_more = false;
    const char *p = str_text(&text);
    while (r == 0 && *p) {
        size_t n = strcspn(p, "\n");
        if (!take_line(q, p, n, ret, ret_more))
            return fail(err, E_PROTOCOL, "the answer is not what was asked for");
        p += n + (p[n] == '\n');
    }
    return r;
}

int history_read(struct api *api, struct history_query *q, json_t *ret, struct error *err)
{
    bool more = true;
    int r = 0;
    while (r == 0 && more && json_array_size(ret) < q->limit) {
        size_t left = q->limit - json_array_size(ret);
        r = read_page(api, q, left < PAGE ? left : PAGE, ret, &more, err);
    }
    return r;
}
