/* The bus and its history under a virtual clock: what is stored when, in which order it is
 * read, what a crash leaves, what is forgotten. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "event.h"
#include "gantry_api.h"

struct world {
    int64_t now_ms;
    unsigned char random;
    struct store *store;
    struct core *core;
    uint64_t max;
};

static int64_t virtual_now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static void counting_random(void *ctx, void *ret, size_t size)
{
    memset(ret, ++((struct world *)ctx)->random, size);
}

static void open_core(struct world *w)
{
    struct outside out = {.ctx = w, .wall_ms = virtual_now, .random = counting_random};
    struct core_config config = {.region = "us-east-1",
                                 .account_id = "000000000000",
                                 .event_keep_ms = 60000,
                                 .event_max = w->max};
    struct error err;
    w->core = core_new(&config, &out);
    assert_int_equal(core_load(w->core, w->store, &err), 0);
}

static int world_new(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct error err;
    w->now_ms = 1000000;
    assert_int_equal(store_memory_open(&w->store, &err), 0);
    open_core(w);
    *state = w;
    return 0;
}

static int world_free(void **state)
{
    struct world *w = *state;
    core_free(w->core);
    store_close(w->store);
    free(w);
    return 0;
}

/* ---- telling ---- */

struct tell {
    struct core_task task;
    const char *type, *resource, *about, *text;
};

static void tell_run(struct core *core, struct core_task *task)
{
    const struct tell *t = list_entry(task, struct tell, task);
    struct gantry_agent_health_record detail = {.output = t->text,
                                                .status_since = SET_TIME(1500)};
    const char *resources[] = {t->resource}, *about[] = {t->about};
    struct event e = {
        .source = "test",
        .detail_type = t->type,
        .account = "000000000000",
        .region = "us-east-1",
        .resources = {.v = resources, .n = 1, .set = true},
        .about = {.v = about, .n = 1, .set = true},
        .shape = &gantry_agent_health_record_shape,
        .detail = &detail,
        .updated_at = true,
    };
    core_event(core, &e);
}

static void tell(struct world *w, const char *type, const char *resource,
                 const char *about, const char *text)
{
    struct tell t = {.task.run = tell_run,
                     .type = type,
                     .resource = resource,
                     .about = about,
                     .text = text};
    core_execute(w->core, &t.task);
}

static void commit(struct world *w)
{
    struct error err;
    struct core_batch *b = core_take_batch(w->core);
    if (!b)
        return;
    core_batch_encode(b);
    assert_int_equal(store_commit(w->store, &b->writes, &err), 0);
    core_batch_deliver(b);
}

static void crash(struct world *w)
{
    core_free(w->core);
    open_core(w);
}

/* ---- reading ---- */

/* The texts in the order of reading. */
static int note(void *ctx, const char *cursor, const char *json, size_t len,
                struct error *err)
{
    const char *at = strstr(json, "\"output\":\"") + strlen("\"output\":\"");
    assert_int_equal(json[len - 1], '}');
    str_addf(ctx, "%.*s ", (int)strcspn(at, "\""), at);
    return 0;
}

static void expect(struct world *w, struct event_query q, const char *texts)
{
    AUTO_STR got = STR_INIT;
    char cursor[EVENT_CURSOR_SIZE];
    struct error err;
    if (!q.limit)
        q.limit = q.limit_reads = 1000;
    assert_int_equal(event_history_read(w->store, &q, note, &got, cursor, &err), 0);
    assert_string_equal(str_text(&got), texts);
}

static void forget_all_that_is_old(struct world *w)
{
    for (;;) {
        AUTO_ARENA a = ARENA_INIT;
        struct event_bounds bounds;
        struct string_list keys;
        struct error err;
        core_event_bounds(w->core, &bounds);
        assert_int_equal(event_history_old(w->store, &bounds, &a, &keys, &err), 0);
        if (!keys.n)
            return;
        core_event_forget(w->core, &keys);
        commit(w);
    }
}

/* ---- the tests ---- */

static int keep_text(void *ctx, const char *cursor, const char *json, size_t len,
                     struct error *err)
{
    str_addn(ctx, json, len);
    return 0;
}

static void an_event_has_eventbridges_envelope(void **state)
{
    struct world *w = *state;
    AUTO_STR got = STR_INIT;
    char cursor[EVENT_CURSOR_SIZE];
    struct error err;
    struct event_query q = {.limit = 9, .limit_reads = 9};
    tell(w, "Test Change", "arn:a", "arn:b", "x\"y");
    commit(w);
    assert_int_equal(event_history_read(w->store, &q, keep_text, &got, cursor, &err), 0);
    assert_string_equal(
        got.data, "{\"version\":\"0\",\"id\":\"01010101-0101-4101-8101-010101010101\","
                  "\"detail-type\":\"Test Change\",\"source\":\"test\","
                  "\"account\":\"000000000000\",\"time\":\"1970-01-01T00:16:40Z\","
                  "\"region\":\"us-east-1\",\"resources\":[\"arn:a\"],\"detail\":"
                  "{\"statusSince\":\"1970-01-01T00:00:01.500Z\",\"output\":\"x\\\"y\","
                  "\"updatedAt\":\"1970-01-01T00:16:40.000Z\"}}");
    assert_string_equal(cursor, "");
}

static void events_are_found_by_resource_type_and_time(void **state)
{
    struct world *w = *state;
    tell(w, "A", "arn:a", "arn:c", "1");
    tell(w, "B", "arn:b", "arn:c", "2");
    w->now_ms += 1000;
    tell(w, "A", "arn:a", "arn:c", "3");
    w->now_ms -= 500; /* set back: order stays */
    tell(w, "AB", "arn:ab", "arn:c", "4");
    commit(w);
    expect(w, (struct event_query){0}, "1 2 3 4 ");
    expect(w, (struct event_query){.newest_first = true}, "4 3 2 1 ");
    expect(w, (struct event_query){.resource = "arn:a"}, "1 3 ");
    expect(w, (struct event_query){.resource = "arn:c", .newest_first = true},
           "4 3 2 1 ");
    expect(w, (struct event_query){.resource = "arn:"}, "");
    expect(w, (struct event_query){.detail_type = "A"}, "1 3 ");
    expect(w, (struct event_query){.account = "000000000000"}, "1 2 3 4 ");
    expect(w, (struct event_query){.account = "00000000000"}, "");
    expect(w, (struct event_query){.from_ms = 1001000}, "3 4 ");
    expect(w, (struct event_query){.from_ms = 1001001}, "");
    expect(w, (struct event_query){.newest_first = true, .limit = 2, .limit_reads = 9},
           "4 3 ");
    expect(w, (struct event_query){.detail_type = "A", .limit = 9, .limit_reads = 2},
           "1 ");
}

static void a_cursor_goes_on_where_it_ended(void **state)
{
    struct world *w = *state;
    char text[8];
    for (int i = 0; i < 150; i++) {
        snprintf(text, sizeof(text), "%d", i);
        tell(w, "A", "arn:a", "arn:c", text);
        if (i % 31 == 0) /* rows of one and of many */
            commit(w);
    }
    commit(w);
    for (int mode = 0; mode < 4; mode++) {
        AUTO_STR got = STR_INIT, all = STR_INIT;
        char cursor[EVENT_CURSOR_SIZE] = "", next[EVENT_CURSOR_SIZE];
        struct error err;
        bool back = mode & 1;
        for (int i = 0; i < 150; i++)
            str_addf(&all, "%d ", back ? 149 - i : i);
        do {
            struct event_query q = {.resource = mode & 2 ? "arn:c" : NULL,
                                    .after = *cursor ? cursor : NULL,
                                    .newest_first = back,
                                    .limit = 7,
                                    .limit_reads = 100};
            assert_int_equal(event_history_read(w->store, &q, note, &got, next, &err), 0);
            strcpy(cursor, next);
        } while (*cursor);
        assert_string_equal(got.data, all.data);
    }
}

static void a_wrong_cursor_is_refused(void **state)
{
    struct world *w = *state;
    char cursor[EVENT_CURSOR_SIZE];
    struct error err;
    struct event_query q = {.after = "x", .limit = 1, .limit_reads = 1};
    assert_int_equal(event_history_read(w->store, &q, note, NULL, cursor, &err),
                     -E_INVALID);
}

static void what_was_not_durable_never_happened(void **state)
{
    struct world *w = *state;
    tell(w, "A", "arn:a", "arn:c", "1");
    commit(w);
    tell(w, "A", "arn:a", "arn:c", "2");
    crash(w);
    expect(w, (struct event_query){0}, "1 ");
    w->now_ms -= 100000; /* and the order stays over a restart too */
    tell(w, "A", "arn:a", "arn:c", "3");
    commit(w);
    expect(w, (struct event_query){.resource = "arn:c"}, "1 3 ");
}

static void what_is_old_is_forgotten_with_its_indexes(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++)
        tell(w, "A", "arn:a", "arn:c", "old");
    commit(w);
    w->now_ms += 60001;
    tell(w, "A", "arn:a", "arn:c", "new");
    commit(w);
    forget_all_that_is_old(w);
    expect(w, (struct event_query){0}, "new ");
    expect(w, (struct event_query){.resource = "arn:a"}, "new ");
    w->now_ms += 60001;
    forget_all_that_is_old(w);
    struct error err;
    assert_int_equal(store_load_all(w->store, "/event/", NULL, NULL, &err), 0);
}

static void the_number_of_events_is_bounded(void **state)
{
    struct world *w = *state;
    w->max = 3;
    crash(w);
    for (int i = 0; i < 8; i++) {
        tell(w, "A", "arn:a", "arn:c", i < 5 ? "old" : "new");
        commit(w);
    }
    crash(w);
    forget_all_that_is_old(w);
    expect(w, (struct event_query){.resource = "arn:c"}, "new new new ");
}

struct listener {
    struct event_subscriber s;
    int heard;
};

static void hear(struct event_subscriber *s, struct core *core, const struct event *e)
{
    struct listener *l = list_entry(s, struct listener, s);
    AUTO_STR text = STR_INIT;
    event_encode(&text, e);
    assert_non_null(strstr(text.data, "\"detail-type\":\"A\""));
    l->heard++;
}

static void subscribers_hear_every_event(void **state)
{
    struct world *w = *state;
    struct listener l = {.s.event = hear};
    core_event_subscribe(w->core, &l.s);
    tell(w, "A", "arn:a", "arn:c", "1");
    tell(w, "A", "arn:a", "arn:c", "2");
    assert_int_equal(l.heard, 2);
    list_remove(&l.s.link);
    tell(w, "B", "arn:a", "arn:c", "3");
    assert_int_equal(l.heard, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        TEST(an_event_has_eventbridges_envelope),
        TEST(events_are_found_by_resource_type_and_time),
        TEST(a_cursor_goes_on_where_it_ended),
        TEST(a_wrong_cursor_is_refused),
        TEST(what_was_not_durable_never_happened),
        TEST(what_is_old_is_forgotten_with_its_indexes),
        TEST(the_number_of_events_is_bounded),
        TEST(subscribers_hear_every_event),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
