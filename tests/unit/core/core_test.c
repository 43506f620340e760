/* The core under a virtual clock: tables, batches, wake-ups, restart, failed calls. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "arn.h"
#include "call.h"
#include "core.h"
#include "gantry_api.h"
#include "object.h"
#include "page.h"
#include "str.h"
#include "wake.h"

struct thing {
    struct object o;
    struct gantry_family_record *rec;
    bool linked;
};

static int thing_loaded(struct core *core, struct object *o, struct error *err)
{
    ((struct thing *)o)->linked = true;
    return 0;
}

static const struct table_type thing_type = {
    .prefix = "/test/thing/",
    .shape = &gantry_family_record_shape,
    .object_size = sizeof(struct thing),
    .record_offset = offsetof(struct thing, rec),
    .loaded = thing_loaded,
};

struct world {
    int64_t now_ms;
    uint64_t seed;
    struct store *store;
    struct core *core;
    struct table *things;
};

static int64_t virtual_now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static void seeded_random(void *ctx, void *ret, size_t size)
{
    struct world *w = ctx;
    for (size_t i = 0; i < size; i++) {
        w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
        ((unsigned char *)ret)[i] = (unsigned char)(w->seed >> 56);
    }
}

static void open_core(struct world *w)
{
    struct outside out = {.ctx = w, .wall_ms = virtual_now, .random = seeded_random};
    struct core_config config = {.region = "us-east-1", .account_id = "000000000000"};
    struct error err;
    w->core = core_new(&config, &out);
    w->things = table_add(w->core, &thing_type);
    assert_int_equal(core_load(w->core, w->store, &err), 0);
}

static int world_new(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct error err;
    w->now_ms = 1000000;
    w->seed = 42;
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

/* What the shell does: react, commit, deliver. */
static void settle(struct world *w)
{
    struct error err;
    while (core_react(w->core, 0))
        ;
    struct core_batch *b = core_take_batch(w->core);
    if (!b)
        return;
    assert_int_equal(store_commit(w->store, &b->writes, &err), 0);
    core_batch_deliver(b);
}

struct step {
    struct core_task task;
    void (*body)(struct core *, struct world *, void *arg);
    struct world *world;
    void *arg;
    int delivered, order;
};

static int deliveries;

static void step_run(struct core *core, struct core_task *task)
{
    struct step *s = list_entry(task, struct step, task);
    s->body(core, s->world, s->arg);
}

static void step_deliver(struct outbound *out)
{
    struct step *s = list_entry(out, struct step, task.reply);
    s->delivered++;
    s->order = deliveries++;
}

static void step_init(struct step *s, struct world *w,
                      void (*body)(struct core *, struct world *, void *), void *arg)
{
    *s = (struct step){.body = body, .world = w, .arg = arg};
    s->task.run = step_run;
    s->task.reply.deliver = step_deliver;
}

static void run(struct world *w, void (*body)(struct core *, struct world *, void *),
                void *arg)
{
    struct step s;
    step_init(&s, w, body, arg);
    core_execute(w->core, &s.task);
    settle(w);
    assert_int_equal(s.delivered, 1);
}

static void make_thing(struct core *core, struct world *w, void *name)
{
    AUTO_STR key = STR_INIT;
    str_addf(&key, "/test/thing/%s", (const char *)name);
    struct thing *t = object_new(core, w->things, key.data);
    t->rec->family = arena_strdup(&t->o.arena, name);
    t->rec->last_revision = SET_INT(1);
    object_save(core, &t->o);
}

static struct thing *find(struct world *w, const char *name)
{
    AUTO_STR key = STR_INIT;
    str_addf(&key, "/test/thing/%s", name);
    return table_find(w->things, key.data);
}

static void delete_thing(struct core *core, struct world *w, void *name)
{
    object_delete(core, &find(w, name)->o);
}

static void restart(struct world *w)
{
    core_free(w->core);
    open_core(w);
}

static void objects_survive_a_restart(void **state)
{
    struct world *w = *state;
    run(w, make_thing, "a");
    run(w, make_thing, "b");
    run(w, delete_thing, "a");
    restart(w);
    assert_null(find(w, "a"));
    struct thing *b = find(w, "b");
    assert_non_null(b);
    assert_true(b->linked);
    assert_string_equal(b->rec->family, "b");
    assert_int_equal(b->rec->last_revision.v, 1);
    assert_int_equal(table_count(w->things), 1);
}

static void listing_walks_in_key_order_from_any_key(void **state)
{
    struct world *w = *state;
    static char *names[] = {"c", "a/2", "a/1", "b", "a/10"};
    for (size_t i = 0; i < 5; i++)
        run(w, make_thing, names[i]);
    AUTO_STR seen = STR_INIT;
    const char *at = "/test/thing/a/";
    struct thing *t;
    while ((t = table_next(w->things, "/test/thing/a/", at))) {
        str_addf(&seen, "%s ", object_name(&t->o));
        at = t->o.key;
    }
    assert_string_equal(str_text(&seen), "a/1 a/10 a/2 ");
    t = table_next(w->things, "/test/thing/", "/test/thing/a/15");
    assert_string_equal(object_name(&t->o), "a/2");
}

/* An answer must wait for the commit of its own writes. */
static void answers_wait_for_their_writes(void **state)
{
    struct world *w = *state;
    struct step s;
    struct error err;
    step_init(&s, w, make_thing, "a");
    core_execute(w->core, &s.task);
    assert_int_equal(s.delivered, 0);
    struct core_batch *b = core_take_batch(w->core);
    assert_int_equal(b->writes.n, 1);
    store_memory_fail(w->store, 1, E_FULL);
    assert_int_equal(store_commit(w->store, &b->writes, &err), -E_FULL);
    assert_int_equal(s.delivered, 0);
    assert_int_equal(store_commit(w->store, &b->writes, &err), 0);
    core_batch_deliver(b);
    assert_int_equal(s.delivered, 1);
}

static void nothing(struct core *core, struct world *w, void *arg) {}

static void answers_leave_in_the_order_of_execution(void **state)
{
    struct world *w = *state;
    struct step s[5];
    deliveries = 0;
    for (int i = 0; i < 5; i++) {
        static char names[5][2] = {"0", "1", "2", "3", "4"};
        step_init(&s[i], w, i % 2 ? nothing : make_thing, names[i]);
        core_execute(w->core, &s[i].task);
    }
    settle(w);
    for (int i = 0; i < 5; i++)
        assert_int_equal(s[i].order, i);
}

static void change_often(struct core *core, struct world *w, void *arg)
{
    struct thing *t = find(w, "a");
    for (int i = 0; i < 100; i++)
        t->rec->family = arena_printf(&t->o.arena, "%0500d", i);
    object_save(core, &t->o);
}

/* Old strings of a record must not pile up for ever. */
static void records_are_compacted(void **state)
{
    struct world *w = *state;
    run(w, make_thing, "a");
    for (int i = 0; i < 20; i++)
        run(w, change_often, NULL);
    struct thing *t = find(w, "a");
    assert_int_equal(strlen(t->rec->family), 500);
    assert_true(t->o.arena.used_bytes < 100 * 600);
}

struct waker {
    struct wake wake;
    int runs;
    int64_t ran_at;
};

static void waker_run(struct core *core, struct wake *wake)
{
    struct waker *k = list_entry(wake, struct waker, wake);
    k->runs++;
    k->ran_at = core_now_ms(core);
}

static void wake_ups_run_once_and_in_time(void **state)
{
    struct world *w = *state;
    struct waker a = {0}, b = {0};
    wake_init(&a.wake, waker_run);
    wake_init(&b.wake, waker_run);
    wake_at(w->core, &a.wake, w->now_ms + 50);
    wake_at(w->core, &a.wake, w->now_ms + 90); /* later: the earlier one stays */
    wake_at(w->core, &b.wake, w->now_ms + 20);
    wake_at(w->core, &b.wake, w->now_ms + 10); /* earlier: it moves */
    assert_int_equal(core_next_wake_ms(w->core), w->now_ms + 10);
    settle(w);
    assert_int_equal(a.runs + b.runs, 0);
    w->now_ms += 10;
    settle(w);
    assert_int_equal(b.runs, 1);
    w->now_ms += 1000;
    wake_now(w->core, &a.wake);
    wake_now(w->core, &a.wake);
    settle(w);
    assert_int_equal(a.runs, 1); /* due and asked for: still once */
    assert_int_equal(core_next_wake_ms(w->core), INT64_MAX);
    wake_now(w->core, &b.wake);
    wake_at(w->core, &b.wake, w->now_ms + 1);
    wake_cancel(w->core, &b.wake);
    w->now_ms += 1000;
    settle(w);
    assert_int_equal(b.runs, 1);
}

static void react_has_a_bound(void **state)
{
    struct world *w = *state;
    struct waker k[10] = {0};
    for (int i = 0; i < 10; i++) {
        wake_init(&k[i].wake, waker_run);
        wake_now(w->core, &k[i].wake);
    }
    assert_true(core_react(w->core, 4));
    assert_int_equal(k[3].runs, 1);
    assert_int_equal(k[4].runs, 0);
    assert_false(core_react(w->core, 6));
    assert_int_equal(k[9].runs, 1);
}

static void same_seed_gives_same_ids(void **state)
{
    struct world *w = *state;
    char a[33], b[33], digits[20];
    w->seed = 7;
    core_random_hex(w->core, a, 32);
    w->seed = 7;
    core_random_hex(w->core, b, 32);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 32);
    core_random_digits(w->core, digits, 19);
    assert_int_equal(strlen(digits), 19);
    assert_int_not_equal(digits[0], '0');
    for (int i = 0; i < 1000; i++)
        assert_true(core_random_below(w->core, 7) < 7);
}

static void corrupt_record_stops_the_start(void **state)
{
    struct world *w = *state;
    struct error err;
    struct store_batch b;
    AUTO_ARENA a = ARENA_INIT;
    store_batch_init(&b, &a);
    store_batch_put(&b, "/test/thing/x", "{\"family\":", 10);
    assert_int_equal(store_commit(w->store, &b, &err), 0);
    core_free(w->core);
    struct outside out = {.ctx = w, .wall_ms = virtual_now, .random = seeded_random};
    struct core_config config = {.region = "us-east-1", .account_id = "000000000000"};
    w->core = core_new(&config, &out);
    w->things = table_add(w->core, &thing_type);
    assert_int_equal(core_load(w->core, w->store, &err), -E_CORRUPT);
    assert_non_null(strstr(err.text, "/test/thing/x"));
}

static void page_tokens_round_trip_and_detect_damage(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    const char *position;
    const char *token = page_token(&a, "/ecs/task/0/r/c/abc");
    assert_true(page_position(&a, token, &position));
    assert_string_equal(position, "/ecs/task/0/r/c/abc");
    char *bad = arena_strdup(&a, token);
    bad[10] = bad[10] == '0' ? '1' : '0';
    assert_false(page_position(&a, bad, &position));
    assert_false(page_position(&a, "abc", &position));
    assert_false(page_position(&a, "", &position));
    assert_false(page_position(&a, "zz00", &position));
}

static void arns_are_parsed(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct arn arn;
    assert_true(arn_parse(&a, "arn:aws:ecs:us-east-1:123456789012:task/c/id:x", &arn));
    assert_string_equal(arn.region, "us-east-1");
    assert_string_equal(arn.resource, "task/c/id:x");
    assert_true(arn_parse(&a, "arn:aws:iam::123456789012:root", &arn));
    assert_string_equal(arn.region, "");
    assert_false(arn_parse(&a, "arn:aws:ecs:us-east-1:123456789012", &arn));
    assert_false(arn_parse(&a, "task/c/id", &arn));
    assert_false(arn_parse(&a, "arn:aws:ecs:us-east-1:123456789012:", &arn));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(objects_survive_a_restart),
        TEST(listing_walks_in_key_order_from_any_key),
        TEST(answers_wait_for_their_writes),
        TEST(answers_leave_in_the_order_of_execution),
        TEST(records_are_compacted),
        TEST(wake_ups_run_once_and_in_time),
        TEST(react_has_a_bound),
        TEST(same_seed_gives_same_ids),
        TEST(corrupt_record_stops_the_start),
        cmocka_unit_test(page_tokens_round_trip_and_detect_damage),
        cmocka_unit_test(arns_are_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
