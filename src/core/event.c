#include "event.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core_private.h"

#define LOG_PREFIX "/event/log/"
#define OF_PREFIX  "/event/of/"
#define AFTER_ALL  "~" /* sorts after every digit */

#define EVENT_KEEP_MS (7LL * 24 * 60 * 60 * 1000)
#define EVENT_MAX     200000

/* Rows that are read with the store held. */
#define READ_STEP 64

struct batch_event {
    struct batch_event *next;
    struct event event;
    char moment[EVENT_CURSOR_SIZE];
};

static void moment_text(int64_t ms, uint64_t number, char ret[EVENT_CURSOR_SIZE])
{
    snprintf(ret, EVENT_CURSOR_SIZE, "%012llx%010llx",
             (unsigned long long)ms & 0xffffffffffffULL,
             (unsigned long long)number & 0xffffffffffULL);
}

static bool moment_parse(const char *text, int64_t *ret_ms, uint64_t *ret_number)
{
    unsigned long long ms, number;
    if (strlen(text) != EVENT_CURSOR_SIZE - 1 ||
        strspn(text, "0123456789abcdef") != EVENT_CURSOR_SIZE - 1 ||
        sscanf(text, "%12llx%10llx", &ms, &number) != 2)
        return false;
    *ret_ms = (int64_t)ms;
    *ret_number = number;
    return true;
}

/* ---- telling ---- */

static void copy_names(struct arena *a, const struct string_list *from,
                       struct string_list *to)
{
    *to = (struct string_list){.set = from->set};
    for (size_t i = 0; i < from->n; i++)
        if (from->v[i])
            *LIST_PUSH(a, to) = arena_strdup(a, from->v[i]);
}

static void keep(struct core *core, const struct event *event)
{
    struct core_batch *batch = core_current_batch(core);
    struct arena *a = &batch->arena;
    struct batch_event *be = arena_new(a, struct batch_event);
    be->event = *event;
    be->event.source = arena_strdup(a, event->source);
    be->event.detail_type = arena_strdup(a, event->detail_type);
    be->event.account = arena_strdup(a, event->account);
    be->event.region = arena_strdup(a, event->region);
    copy_names(a, &event->resources, &be->event.resources);
    copy_names(a, &event->about, &be->event.about);
    be->event.detail = wire_copy(a, event->shape, event->detail);
    moment_text(event->at_ms, core->event_number, be->moment);
    if (batch->last_event)
        batch->last_event->next = be;
    else
        batch->first_event = be;
    batch->last_event = be;
}

void core_event(struct core *core, const struct event *event)
{
    struct event e = *event;
    char hex[33];
    assert(e.resources.n + e.about.n <= EVENT_MAX_ABOUT);
    core_random_hex(core, hex, 32);
    hex[12] = '4'; /* a version 4 uuid (RFC 9562) */
    hex[16] = "89ab"[hex[16] & 3];
    snprintf(e.id, sizeof(e.id), "%.8s-%.4s-%.4s-%.4s-%s", hex, hex + 8, hex + 12,
             hex + 16, hex + 20);
    if (core->now_ms > core->event_ms)
        core->event_ms = core->now_ms;
    core->event_number++;
    e.at_ms = core->event_ms;
    keep(core, &e);
    list_for_each_safe (it, &core->subscribers) {
        struct event_subscriber *s = list_entry(it, struct event_subscriber, link);
        s->event(s, core, &e);
    }
}

void core_event_subscribe(struct core *core, struct event_subscriber *s)
{
    list_append(&core->subscribers, &s->link);
}

/* ---- encoding ---- */

static void add_member(struct str *out, const char *name, const char *value)
{
    str_addf(out, "\"%s\":", name);
    json_add_string(out, value ? value : "");
    str_addc(out, ',');
}

static void add_names(struct str *out, const struct string_list *names, bool *first)
{
    for (size_t i = 0; i < names->n; i++) {
        if (!*first)
            str_addc(out, ',');
        *first = false;
        json_add_string(out, names->v[i]);
    }
}

static void add_detail(struct str *out, const struct event *e)
{
    char now[CLOCK_ISO_SIZE];
    wire_json_encode_iso(out, e->shape, e->detail);
    if (!e->updated_at)
        return;
    clock_format_iso(e->at_ms, false, now);
    out->data[--out->len] = '\0'; /* the closing brace */
    str_addf(out, "%s\"updatedAt\":\"%s\"}", out->data[out->len - 1] == '{' ? "" : ",",
             now);
}

void event_encode(struct str *out, const struct event *e)
{
    char time[CLOCK_ISO_SIZE];
    bool first = true;
    clock_format_iso(e->at_ms, true, time);
    str_add(out, "{\"version\":\"0\",");
    add_member(out, "id", e->id);
    add_member(out, "detail-type", e->detail_type);
    add_member(out, "source", e->source);
    add_member(out, "account", e->account);
    add_member(out, "time", time);
    add_member(out, "region", e->region);
    str_add(out, "\"resources\":[");
    add_names(out, &e->resources, &first);
    str_add(out, "],\"detail\":");
    add_detail(out, e);
    str_addc(out, '}');
}

static void put_index(struct core_batch *batch, const struct string_list *names,
                      const char *moment)
{
    for (size_t i = 0; i < names->n; i++)
        store_batch_put_ref(
            &batch->writes,
            arena_printf(&batch->arena, OF_PREFIX "%s/%s", names->v[i], moment), NULL, 0);
}

void core_batch_encode(struct core_batch *batch)
{
    AUTO_STR text = STR_INIT;
    for (struct batch_event *be = batch->first_event; be; be = be->next) {
        const struct event *e = &be->event;
        bool first = true;
        str_clear(&text);
        str_add(&text, "{\"about\":[");
        add_names(&text, &e->resources, &first);
        add_names(&text, &e->about, &first);
        str_add(&text, "],\"event\":");
        event_encode(&text, e);
        str_addc(&text, '}');
        store_batch_put_ref(&batch->writes,
                            arena_printf(&batch->arena, LOG_PREFIX "%s", be->moment),
                            arena_copy(&batch->arena, text.data, text.len), text.len);
        put_index(batch, &e->resources, be->moment);
        put_index(batch, &e->about, be->moment);
    }
    batch->first_event = batch->last_event = NULL;
}

/* ---- after a restart ---- */

static int note_last(void *ctx, const char *key, const void *value, size_t len,
                     struct error *err)
{
    struct core *core = ctx;
    int64_t ms;
    if (!moment_parse(key + strlen(LOG_PREFIX), &ms, &core->event_number))
        return fail(err, E_CORRUPT, "no event has the key '%s'", key);
    core->event_ms = ms;
    return 0;
}

int events_load(struct core *core, struct store *store, struct error *err)
{
    struct store_range last = {LOG_PREFIX, LOG_PREFIX AFTER_ALL, true, 1};
    return store_range(store, &last, note_last, core, err);
}

/* ---- reading ---- */

/* Keys or whole rows of one step, copied: the store is not called from its visitor. */
struct row {
    const char *key;
    const char *value;
    size_t len;
};

struct rows {
    struct arena *arena;
    struct row v[READ_STEP];
    size_t n;
};

static int collect(void *ctx, const char *key, const void *value, size_t len,
                   struct error *err)
{
    struct rows *rows = ctx;
    rows->v[rows->n++] = (struct row){arena_strdup(rows->arena, key),
                                      arena_strndup(rows->arena, value, len), len};
    return 0;
}

static const char *moment_of(const char *key)
{
    return strrchr(key, '/') + 1;
}

/* The row in the log of an entry of an index; len 0: it was forgotten meanwhile. */
static int fetch(struct store *store, struct arena *a, const char *moment,
                 struct row *ret, struct error *err)
{
    struct rows rows = {.arena = a};
    const char *key = arena_printf(a, LOG_PREFIX "%s", moment);
    struct store_range one = {key, arena_printf(a, "%s" AFTER_ALL, key), false, 1};
    int r = store_range(store, &one, collect, &rows, err);
    *ret = rows.n ? rows.v[0] : (struct row){0};
    return r;
}

static bool type_is(const char *event, const char *type)
{
    static const char name[] = "\"detail-type\":\"";
    const char *at = strstr(event, name);
    size_t n = strlen(type);
    return at && strncmp(at + strlen(name), type, n) == 0 && at[strlen(name) + n] == '"';
}

/* The envelope within a row. */
static bool open_row(const struct row *row, const char **ret, size_t *ret_len)
{
    static const char name[] = "],\"event\":";
    const char *at = row->len ? strstr(row->value, name) : NULL;
    if (!at)
        return false;
    *ret = at + strlen(name);
    *ret_len = row->len - (size_t)(*ret - row->value) - 1;
    return true;
}

struct reading {
    struct store *store;
    const struct event_query *query;
    event_visit *visit;
    void *ctx;
    size_t given, looked_at;
    char at[EVENT_CURSOR_SIZE];
};

static int give(struct reading *rd, struct arena *a, struct row *row, struct error *err)
{
    const char *json;
    size_t len;
    int r = 0;
    snprintf(rd->at, sizeof(rd->at), "%s", moment_of(row->key));
    rd->looked_at++;
    if (rd->query->resource)
        r = fetch(rd->store, a, rd->at, row, err);
    if (r < 0 || !open_row(row, &json, &len) ||
        (rd->query->detail_type && !type_is(json, rd->query->detail_type)))
        return r;
    rd->given++;
    return rd->visit(rd->ctx, rd->at, json, len, err);
}

static bool exhausted(const struct reading *rd)
{
    return rd->given >= rd->query->limit || rd->looked_at >= rd->query->limit_reads;
}

/* One step. *ret_more is false at the end. */
static int read_step(struct reading *rd, const char *prefix, bool *ret_more,
                     struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    const struct event_query *q = rd->query;
    char from[EVENT_CURSOR_SIZE];
    struct rows rows = {.arena = &a};
    moment_text(q->from_ms, 0, from);
    const char *low = arena_printf(&a, "%s%s", prefix, from);
    const char *high = arena_printf(&a, "%s" AFTER_ALL, prefix);
    if (*rd->at && q->newest_first)
        high = arena_printf(&a, "%s%s", prefix, rd->at);
    else if (*rd->at && strcmp(rd->at, from) >= 0)
        low = arena_printf(&a, "%s%s" AFTER_ALL, prefix, rd->at);
    struct store_range range = {low, high, q->newest_first, READ_STEP};
    int r = store_range(rd->store, &range, collect, &rows, err);
    *ret_more = rows.n == READ_STEP;
    for (size_t i = 0; i < rows.n && r >= 0; i++) {
        if (exhausted(rd)) {
            *ret_more = true;
            break;
        }
        r = give(rd, &a, &rows.v[i], err);
    }
    return r;
}

int event_history_read(struct store *store, const struct event_query *query,
                       event_visit *visit, void *ctx, char ret_cursor[EVENT_CURSOR_SIZE],
                       struct error *err)
{
    struct reading rd = {.store = store, .query = query, .visit = visit, .ctx = ctx};
    AUTO_STR prefix = STR_INIT;
    int64_t ms;
    uint64_t number;
    ret_cursor[0] = '\0';
    if (query->after && !moment_parse(query->after, &ms, &number))
        return fail(err, E_INVALID, "'%s' is not a cursor", query->after);
    if (query->resource && strlen(query->resource) > STORE_MAX_KEY / 2)
        return fail(err, E_INVALID, "the resource's name is too long");
    snprintf(rd.at, sizeof(rd.at), "%s", query->after ? query->after : "");
    if (query->resource)
        str_addf(&prefix, OF_PREFIX "%s/", query->resource);
    else
        str_add(&prefix, LOG_PREFIX);
    bool more = true;
    int r = 0;
    while (r >= 0 && more && !exhausted(&rd))
        r = read_step(&rd, prefix.data, &more, err);
    if (more)
        memcpy(ret_cursor, rd.at, EVENT_CURSOR_SIZE);
    return r < 0 ? r : 0;
}

/* ---- forgetting ---- */

void core_event_bounds(const struct core *core, struct event_bounds *ret)
{
    int64_t keep_ms =
        core->config.event_keep_ms ? core->config.event_keep_ms : EVENT_KEEP_MS;
    uint64_t max = core->config.event_max ? core->config.event_max : EVENT_MAX;
    *ret = (struct event_bounds){
        .before_ms = core->outside.wall_ms(core->outside.ctx) - keep_ms,
        .before_number = core->event_number > max ? core->event_number - max + 1 : 0,
    };
}

/* The indexes that name it: the ARNs, which need no escapes, of "about". */
static void index_keys(struct arena *a, const struct row *row, struct string_list *ret)
{
    const char *p = strchr(row->value, '[');
    const char *end = strstr(row->value, "],\"event\":");
    while (p && end && (p = strchr(p, '"')) && p < end) {
        size_t n = strcspn(p + 1, "\"");
        *LIST_PUSH(a, ret) =
            arena_printf(a, OF_PREFIX "%.*s/%s", (int)n, p + 1, moment_of(row->key));
        p += n + 2;
    }
}

int event_history_old(struct store *store, const struct event_bounds *bounds,
                      size_t limit, struct arena *a, struct string_list *ret_keys,
                      struct error *err)
{
    struct rows rows = {.arena = a};
    struct store_range range = {LOG_PREFIX, LOG_PREFIX AFTER_ALL, false,
                                limit < READ_STEP ? limit : READ_STEP};
    *ret_keys = (struct string_list){.set = true};
    int r = store_range(store, &range, collect, &rows, err);
    for (size_t i = 0; i < rows.n && r >= 0; i++) {
        int64_t ms;
        uint64_t number;
        if (!moment_parse(moment_of(rows.v[i].key), &ms, &number))
            return fail(err, E_CORRUPT, "no event has the key '%s'", rows.v[i].key);
        if (ms >= bounds->before_ms && number >= bounds->before_number)
            break;
        *LIST_PUSH(a, ret_keys) = rows.v[i].key;
        index_keys(a, &rows.v[i], ret_keys);
    }
    return r;
}

void core_event_forget(struct core *core, const struct string_list *keys)
{
    for (size_t i = 0; i < keys->n; i++)
        store_batch_remove(&core_current_batch(core)->writes, keys->v[i]);
}
