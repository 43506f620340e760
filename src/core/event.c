#include "event.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core_private.h"

#define LOG_PREFIX  "/event/log/"
#define HASH_PREFIX "/event/hash/"
#define AFTER_ALL   "~" /* sorts after every digit */

#define EVENT_KEEP_MS (7LL * 24 * 60 * 60 * 1000)
#define EVENT_MAX     200000

/* Events of a commit share a row until it is so long. */
#define ROW_BYTES (32 * 1024)

/* Rows that are read while a commit waits. */
#define LOG_STEP  16
#define HASH_STEP 256

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

/* FNV-1a, 64 bits: a reader checks the name itself. */
static void hash_text(const char *name, char ret[17])
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    for (int i = 15; i >= 0; i--, h >>= 4)
        ret[i] = "0123456789abcdef"[h & 15];
    ret[16] = '\0';
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

static void add_hashes(struct str *out, const struct string_list *names)
{
    for (size_t i = 0; i < names->n; i++) {
        char text[17];
        hash_text(names->v[i], text);
        if (!strstr(str_text(out), text))
            str_add(out, text);
    }
}

struct row_text {
    const char *moment; /* of its first event; NULL: empty */
    struct str events, hashes;
};

static void add_event(struct row_text *row, const struct batch_event *be)
{
    const struct event *e = &be->event;
    bool first = true;
    if (!row->moment)
        row->moment = be->moment;
    str_addf(&row->events, "%s{\"about\":[", be->moment);
    add_names(&row->events, &e->resources, &first);
    add_names(&row->events, &e->about, &first);
    str_add(&row->events, "],\"event\":");
    event_encode(&row->events, e);
    str_add(&row->events, "}\n");
    add_hashes(&row->hashes, &e->resources);
    add_hashes(&row->hashes, &e->about);
}

static void put_row(struct core_batch *batch, const char *prefix, const char *moment,
                    struct str *text)
{
    struct arena *a = &batch->arena;
    store_batch_put_ref(&batch->writes, arena_printf(a, "%s%s", prefix, moment),
                        arena_copy(a, text->data, text->len), text->len);
    str_clear(text);
}

static void put_rows(struct core_batch *batch, struct row_text *row)
{
    if (!row->moment)
        return;
    put_row(batch, LOG_PREFIX, row->moment, &row->events);
    put_row(batch, HASH_PREFIX, row->moment, &row->hashes);
    row->moment = NULL;
}

void core_batch_encode(struct core_batch *batch)
{
    struct row_text row = {0};
    for (struct batch_event *be = batch->first_event; be; be = be->next) {
        add_event(&row, be);
        if (row.events.len >= ROW_BYTES)
            put_rows(batch, &row);
    }
    put_rows(batch, &row);
    str_free(&row.events);
    str_free(&row.hashes);
    batch->first_event = batch->last_event = NULL;
}

/* ---- lines of a row ---- */

struct line {
    char moment[EVENT_CURSOR_SIZE];
    const char *about, *json; /* about ends where json begins */
    size_t json_len;
};

/* `at` is its beginning, `end` its newline. */
static bool line_read(const char *at, const char *end, struct line *ret)
{
    static const char name[] = "],\"event\":";
    if (end - at < EVENT_CURSOR_SIZE)
        return false;
    snprintf(ret->moment, EVENT_CURSOR_SIZE, "%s", at);
    ret->about = at + EVENT_CURSOR_SIZE - 1;
    const char *mark = memmem(at, (size_t)(end - at), name, strlen(name));
    if (!mark)
        return false;
    ret->json = mark + strlen(name);
    ret->json_len = (size_t)(end - ret->json) - 1;
    return true;
}

/* The last line of a row that ends at text + len. */
static bool line_last(const char *text, size_t len, struct line *ret)
{
    const char *begin = len > 1 ? memrchr(text, '\n', len - 1) : NULL;
    return len > 0 && line_read(begin ? begin + 1 : text, text + len - 1, ret);
}

/* ---- after a restart ---- */

static int note_last(void *ctx, const char *key, const void *value, size_t len,
                     struct error *err)
{
    struct core *core = ctx;
    struct line last;
    AUTO_STR text = STR_INIT;
    str_addn(&text, value, len);
    if (!line_last(str_text(&text), text.len, &last) ||
        !moment_parse(last.moment, &core->event_ms, &core->event_number))
        return fail(err, E_CORRUPT, "there are no events in '%s'", key);
    return 0;
}

int events_load(struct core *core, struct store *store, struct error *err)
{
    struct store_range last = {LOG_PREFIX, LOG_PREFIX AFTER_ALL, true, 1};
    return store_range(store, &last, note_last, core, err);
}

/* ---- reading ---- */

/* Rows of one step, copied: the store is not called from its visitor. */
struct row {
    const char *moment, *value;
    size_t len;
};

struct rows {
    struct arena *arena;
    struct row v[HASH_STEP];
    size_t n;
};

static int collect(void *ctx, const char *key, const void *value, size_t len,
                   struct error *err)
{
    struct rows *rows = ctx;
    rows->v[rows->n++] = (struct row){arena_strdup(rows->arena, strrchr(key, '/') + 1),
                                      arena_strndup(rows->arena, value, len), len};
    return 0;
}

struct reading {
    struct store *store;
    const struct event_query *query;
    event_visit *visit;
    void *ctx;
    size_t given, looked_at;
    char from[EVENT_CURSOR_SIZE];   /* events before it are not wanted */
    char oldest[EVENT_CURSOR_SIZE]; /* rows before it hold none that is */
    char row[EVENT_CURSOR_SIZE];    /* the last row that was looked at */
    char at[EVENT_CURSOR_SIZE];     /* the last event */
    char hash[17];
};

static bool exhausted(const struct reading *rd)
{
    return rd->given >= rd->query->limit || rd->looked_at >= rd->query->limit_reads;
}

/* A text in the envelope, which comes before the detail; NULL: any will do. */
static bool envelope_says(const struct line *l, const char *member, const char *value)
{
    if (!value)
        return true;
    const char *at = strstr(l->json, member);
    size_t n = strlen(value);
    return at && strncmp(at + strlen(member), value, n) == 0 &&
           at[strlen(member) + n] == '"';
}

static bool is_about(const struct line *l, const char *resource)
{
    size_t n = strlen(resource);
    const char *p = l->about;
    while ((p = memmem(p, (size_t)(l->json - p), resource, n))) {
        if (p[-1] == '"' && p[n] == '"')
            return true;
        p++;
    }
    return false;
}

static bool wanted(const struct reading *rd, const struct line *l)
{
    const struct event_query *q = rd->query;
    int order = q->after ? strcmp(l->moment, q->after) : 0;
    if (strcmp(l->moment, rd->from) < 0 ||
        (q->after && (q->newest_first ? order >= 0 : order <= 0)))
        return false;
    return (!q->resource || is_about(l, q->resource)) &&
           envelope_says(l, "\"detail-type\":\"", q->detail_type) &&
           envelope_says(l, "\"account\":\"", q->account);
}

static int give(struct reading *rd, const struct line *l, struct error *err)
{
    rd->looked_at++;
    memcpy(rd->at, l->moment, EVENT_CURSOR_SIZE);
    if (!wanted(rd, l))
        return 0;
    rd->given++;
    return rd->visit(rd->ctx, l->moment, l->json, l->json_len, err);
}

/* False in *ret_done: a limit came before the end of the row. */
static int give_row(struct reading *rd, const struct row *row, bool *ret_done,
                    struct error *err)
{
    const char *p = row->value, *end = row->value + row->len;
    int r = 0;
    while (p < end && r >= 0) {
        struct line l;
        if (exhausted(rd)) {
            *ret_done = false;
            return 0;
        }
        const char *stop = rd->query->newest_first ? end - 1 : strchr(p, '\n');
        bool good = rd->query->newest_first ? line_last(p, (size_t)(end - p), &l)
                                            : stop && line_read(p, stop, &l);
        if (!good)
            return fail(err, E_CORRUPT, "there are no events in '" LOG_PREFIX "%s'",
                        row->moment);
        if (rd->query->newest_first)
            end = l.about - (EVENT_CURSOR_SIZE - 1);
        else
            p = stop + 1;
        r = give(rd, &l, err);
    }
    return r;
}

/* A row of hashes, then that of the events when the resource is among them. */
static int look(struct reading *rd, struct arena *a, const struct row *row,
                bool *ret_done, struct error *err)
{
    struct rows found = {.arena = a};
    if (!rd->query->resource)
        return give_row(rd, row, ret_done, err);
    rd->looked_at++;
    if (rd->query->newest_first || strcmp(row->moment, rd->at) > 0)
        memcpy(rd->at, row->moment, EVENT_CURSOR_SIZE);
    if (!strstr(row->value, rd->hash))
        return 0;
    const char *key = arena_printf(a, LOG_PREFIX "%s", row->moment);
    struct store_range one = {key, arena_printf(a, "%s" AFTER_ALL, key), false, 1};
    int r = store_range(rd->store, &one, collect, &found, err);
    return r == 0 && found.n ? give_row(rd, &found.v[0], ret_done, err) : r;
}

static int read_step(struct reading *rd, bool *ret_more, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    const struct event_query *q = rd->query;
    const char *prefix = q->resource ? HASH_PREFIX : LOG_PREFIX;
    struct rows rows = {.arena = &a};
    const char *low = arena_printf(&a, "%s%s", prefix, rd->oldest);
    const char *high = arena_printf(&a, "%s" AFTER_ALL, prefix);
    if (*rd->row && q->newest_first)
        high = arena_printf(&a, "%s%s", prefix, rd->row);
    else if (*rd->row)
        low = arena_printf(&a, "%s%s" AFTER_ALL, prefix, rd->row);
    size_t step = q->resource ? HASH_STEP : LOG_STEP;
    int r =
        store_range(rd->store, &(struct store_range){low, high, q->newest_first, step},
                    collect, &rows, err);
    *ret_more = rows.n == step;
    for (size_t i = 0; i < rows.n && r >= 0; i++) {
        bool done = !exhausted(rd);
        if (done)
            r = look(rd, &a, &rows.v[i], &done, err);
        if (!done) {
            *ret_more = true;
            break;
        }
        memcpy(rd->row, rows.v[i].moment, EVENT_CURSOR_SIZE);
    }
    return r;
}

static int note_moment(void *ctx, const char *key, const void *value, size_t len,
                       struct error *err)
{
    snprintf(ctx, EVENT_CURSOR_SIZE, "%s", strrchr(key, '/') + 1);
    return 0;
}

/* A row is named by its first event: the one that holds `from` may begin before. */
static int find_oldest(struct reading *rd, const char *from, struct error *err)
{
    AUTO_STR high = STR_INIT;
    str_addf(&high, LOG_PREFIX "%s" AFTER_ALL, from);
    memcpy(rd->oldest, from, EVENT_CURSOR_SIZE);
    return store_range(rd->store, &(struct store_range){LOG_PREFIX, high.data, true, 1},
                       note_moment, rd->oldest, err);
}

int event_history_read(struct store *store, const struct event_query *query,
                       event_visit *visit, void *ctx, char ret_cursor[EVENT_CURSOR_SIZE],
                       struct error *err)
{
    struct reading rd = {.store = store, .query = query, .visit = visit, .ctx = ctx};
    int64_t ms;
    uint64_t number;
    ret_cursor[0] = '\0';
    if (query->after && !moment_parse(query->after, &ms, &number))
        return fail(err, E_INVALID, "'%s' is not a cursor", query->after);
    moment_text(query->from_ms, 0, rd.from);
    const char *from = rd.from;
    if (query->after && !query->newest_first && strcmp(query->after, from) > 0)
        from = query->after;
    if (query->after)
        memcpy(rd.at, query->after, EVENT_CURSOR_SIZE);
    if (query->after && query->newest_first)
        memcpy(rd.row, query->after, EVENT_CURSOR_SIZE);
    if (query->resource)
        hash_text(query->resource, rd.hash);
    bool more = true;
    int r = find_oldest(&rd, from, err);
    while (r >= 0 && more && !exhausted(&rd))
        r = read_step(&rd, &more, err);
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

int event_history_old(struct store *store, const struct event_bounds *bounds,
                      struct arena *a, struct string_list *ret_keys, struct error *err)
{
    struct rows rows = {.arena = a};
    struct store_range range = {LOG_PREFIX, LOG_PREFIX AFTER_ALL, false, LOG_STEP};
    *ret_keys = (struct string_list){.set = true};
    int r = store_range(store, &range, collect, &rows, err);
    for (size_t i = 0; i < rows.n && r >= 0; i++) {
        int64_t ms;
        uint64_t number;
        struct line last;
        const struct row *row = &rows.v[i];
        if (!line_last(row->value, row->len, &last) ||
            !moment_parse(last.moment, &ms, &number))
            return fail(err, E_CORRUPT, "there are no events in '" LOG_PREFIX "%s'",
                        row->moment);
        if (ms >= bounds->before_ms && number >= bounds->before_number)
            break;
        *LIST_PUSH(a, ret_keys) = arena_printf(a, LOG_PREFIX "%s", row->moment);
        *LIST_PUSH(a, ret_keys) = arena_printf(a, HASH_PREFIX "%s", row->moment);
    }
    return r;
}

void core_event_forget(struct core *core, const struct string_list *keys)
{
    for (size_t i = 0; i < keys->n; i++)
        store_batch_remove(&core_current_batch(core)->writes, keys->v[i]);
}
